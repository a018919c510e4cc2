//! Several pieces of work in one transaction: all of what they write stays, or nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use r2d2::PooledConnection;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use super::audit::About;
use super::{Failure, Store};
use crate::audit::AuditKind;
use crate::error::StoreError;

/// A connection with a transaction that others go on with.
pub(super) struct Held(PooledConnection<SqliteConnectionManager>);

/// It goes back to the pool without a transaction, whatever happened.
impl Drop for Held {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction cannot be given up");
        }
    }
}

/// Everything that an import may change.
const ALL: &[AuditKind] = &[
    AuditKind::VirtualModel,
    AuditKind::ToolPattern,
    AuditKind::ToolAlias,
    AuditKind::InboundKey,
    AuditKind::Settings,
];

impl Store {
    /// Runs `work` with a store whose every operation belongs to one transaction: when it
    /// fails, nothing of it stays, and others see all of it at once. An operation that fails
    /// inside changes nothing by itself, so that `work` may go on and find what else is wrong.
    ///
    /// What has changed is noted in the audit once, at the end. Versions are not asked for.
    ///
    /// # Errors
    /// What `work` fails with, or when the file cannot be written.
    pub fn all_or_nothing<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(self.path(), error);
        self.in_place()?;
        let connection = self.connection()?;
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(sqlite)?;
        let held = Arc::new(Mutex::new(Held(connection)));
        let about = About::new(AuditKind::Endpoint, ALL);
        let before = self
            .actor
            .as_ref()
            .map(|_| self.picture(&lock(&held).0, about))
            .transpose()
            .map_err(|failure| self.reason(failure))?;
        let inside = Self {
            within: Some(Arc::clone(&held)),
            actor: None,
            expected: None,
            ..self.clone()
        };
        let value = work(&inside)?;
        drop(inside);
        let held = lock(&held);
        if let Some(before) = before {
            self.picture(&held.0, about)
                .and_then(|after| self.note_differences(&held.0, about, &before, &after))
                .map_err(|failure| self.reason(failure))?;
        }
        // Waiting for another writer may have taken a while.
        self.in_place()?;
        held.0.execute_batch("COMMIT").map_err(sqlite)?;
        Ok(value)
    }

    /// Runs `work` within the transaction of `held`, as a part that can fail alone.
    pub(super) fn take_part<T>(
        &self,
        held: &Mutex<Held>,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(self.path(), error);
        let mut held = lock(held);
        let savepoint = held.0.savepoint().map_err(sqlite)?;
        let value = work(&savepoint).map_err(|failure| self.reason(failure))?;
        savepoint.commit().map_err(sqlite)?;
        Ok(value)
    }
}

/// Whoever held it before and panicked has ended its savepoint all the same.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
