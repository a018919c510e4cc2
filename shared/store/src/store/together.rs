//! Several pieces of work as one: all of them in one transaction, or none.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use r2d2::PooledConnection;
use r2d2_sqlite::SqliteConnectionManager;

use super::audit::{About, Picture};
use super::{Failure, Store};
use crate::audit::AuditKind;
use crate::error::StoreError;

/// Everything that a larger piece of work may change.
const ALL: About = About::new(
    AuditKind::Endpoint,
    &[
        AuditKind::VirtualModel,
        AuditKind::ToolPattern,
        AuditKind::ToolAlias,
        AuditKind::InboundKey,
        AuditKind::Settings,
    ],
);

/// A connection inside a transaction that is not finished.
#[derive(Clone)]
pub(super) struct Held(Arc<Mutex<Open>>);

/// Undone when it is dropped before it was finished: the pool gives the connection to others.
struct Open(PooledConnection<SqliteConnectionManager>);

impl Drop for Open {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // Nothing else can be done with a connection that fails here; the pool tests it.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

impl Held {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` as a part of the whole; nothing of the part stays when it fails.
    pub(super) fn part<T>(
        &self,
        path: &Path,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(path, error);
        let mut open = self.open();
        let part = open.0.savepoint().map_err(sqlite)?;
        // Dropped without a commit, a savepoint undoes what was done since.
        let value = work(&part).map_err(|failure| failure.at(path))?;
        part.commit().map_err(sqlite)?;
        Ok(value)
    }
}

impl Store {
    /// Runs `work` with a store whose every operation belongs to one transaction: when it
    /// fails, nothing of it stays. An operation that fails inside changes nothing by itself,
    /// so that `work` may go on and find what else is wrong.
    ///
    /// What has changed is noted in the audit once, at the end. Versions are not asked for.
    ///
    /// # Errors
    /// Those of `work`, or when the transaction cannot be begun or finished.
    pub fn all_or_nothing<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(self.path(), error);
        self.in_place()?;
        let open = Open(self.connection()?);
        open.0.execute_batch("BEGIN IMMEDIATE").map_err(sqlite)?;
        let held = Held(Arc::new(Mutex::new(open)));
        let inside = Self {
            held: Some(held.clone()),
            expected: None,
            ..self.clone()
        };
        let before = self.pictured(&held)?;
        let value = work(&inside)?;
        if let (Some(before), Some(after)) = (before, self.pictured(&held)?) {
            held.part(self.path(), |connection| {
                self.note_differences(connection, ALL, &before, &after)
            })?;
        }
        self.in_place()?;
        held.open().0.execute_batch("COMMIT").map_err(sqlite)?;
        Ok(value)
    }

    /// The rows as they are within the transaction, if their changes are noted.
    fn pictured(&self, held: &Held) -> Result<Option<Picture>, StoreError> {
        if self.actor.is_none() {
            return Ok(None);
        }
        let picture = |connection: &rusqlite::Connection| self.picture(connection, ALL);
        held.part(self.path(), picture).map(Some)
    }
}
