//! Several pieces of work as one: all of them in one transaction, or none.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use r2d2::PooledConnection;
use r2d2_sqlite::SqliteConnectionManager;

use super::{Failure, Store};
use crate::error::StoreError;

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
    /// fails, nothing of it stays.
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
            ..self.clone()
        };
        let value = work(&inside)?;
        self.in_place()?;
        held.open().0.execute_batch("COMMIT").map_err(sqlite)?;
        Ok(value)
    }
}
