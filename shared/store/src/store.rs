//! The SQLite file both programs share: opened, migrated, read and written here only.
//!
//! Every write is one immediate transaction, and none goes into a file that its path no longer
//! leads to. Readers never wait for writers (WAL); two
//! writers wait for each other up to [`BUSY_TIMEOUT`]. All calls block: call them from a
//! blocking thread, never on a request's path.

mod admin_sessions;
mod admin_users;
mod assignments;
mod audit;
mod backup;
mod call_rows;
mod calls;
pub(crate) mod captures;
mod check;
mod circuits;
pub(crate) mod clients;
mod endpoints;
mod facts;
mod file;
pub(crate) mod gateways;
mod health_checks;
mod identity;
mod inbound_keys;
mod kept_lines;
mod names;
pub(crate) mod original;
mod pattern_counts;
mod pattern_import;
mod pattern_trial;
mod peppers;
pub(crate) mod prices;
pub(crate) mod raw;
mod reports;
mod repricing;
mod retention;
pub(crate) mod rollups;
mod routing;
mod secrets;
mod settings;
mod spending;
pub(crate) mod sums;
mod together;
mod tool_aliases;
mod tool_patterns;
mod usage_views;
mod virtual_models;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use r2d2::{NopErrorHandler, Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, TransactionBehavior};

use self::identity::Identity;
use self::kept_lines::KeptLines;
use self::together::Held;
use crate::audit::Actor;
use crate::error::StoreError;
use crate::setting::{
    DEFAULT_MODEL, DEPLOYMENT_MODE, HEALTH_CHECK_INTERVAL, TRUSTED_INTERNAL_CIDRS,
};
use crate::snapshot::{Snapshot, StoredConfiguration};
use crate::vault::{KeySource, Vault};
pub use facts::Facts;
pub use secrets::Rotation;

/// How long a write waits for another writer.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Most connections one process holds.
const MAX_CONNECTIONS: u32 = 8;

/// A handle to the store; clones share one pool of connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// Who makes the changes, if they are to be in the audit.
    actor: Option<Arc<Actor>>,
    /// The version that a row or the settings must have for a change of them.
    expected: Option<i64>,
    /// Whether endpoints may have link-local addresses.
    allows_link_local: bool,
    /// The transaction that everything is done in, if it is a part of something larger.
    held: Option<Held>,
}

struct Inner {
    path: PathBuf,
    /// The file that was opened.
    file: Identity,
    pool: Pool<SqliteConnectionManager>,
    vault: Vault,
    /// What usage is made up of, as it was last read.
    kept_lines: KeptLines,
}

/// Why a piece of work on a connection stopped.
enum Failure {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl Failure {
    /// As the store tells it.
    fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(error) => StoreError::from_sqlite(path, error),
            Self::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// Opens the file, creating it and its folder when missing. An existing file of an
    /// older version is copied beside itself and then migrated; one of a newer version is
    /// refused.
    ///
    /// # Errors
    /// Why the file cannot be used; it is then unchanged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with_keys(path, &KeySource::default())
    }

    /// [`Self::open`] with the keys that the environment gives. Secrets that are not
    /// encrypted, or with a former key, are encrypted with the key in use; without one, one
    /// is made and put into the key file beside the database.
    ///
    /// # Errors
    /// Also when the key file cannot be used. Secrets that no key opens are no error: their
    /// rows are left out of a [`Snapshot`] and named.
    pub fn open_with_keys(path: &Path, source: &KeySource) -> Result<Self, StoreError> {
        Self::open_with(path, source, MAX_CONNECTIONS)
    }

    fn open_with(
        path: &Path,
        source: &KeySource,
        max_connections: u32,
    ) -> Result<Self, StoreError> {
        let vault = file::prepare(path, source)?;
        let file = Identity::of(path)?;
        let pool = Pool::builder()
            .max_size(max_connections)
            .min_idle(Some(1))
            .connection_timeout(BUSY_TIMEOUT)
            .error_handler(Box::new(NopErrorHandler))
            .build(manager(path, file))
            .map_err(|error| pool_failure(path, &error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_path_buf(),
                file,
                pool,
                vault,
                kept_lines: KeptLines::default(),
            }),
            actor: None,
            expected: None,
            allows_link_local: true,
            held: None,
        })
    }

    /// The same store, whose changes are in the audit as this actor's.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self {
            actor: Some(Arc::new(actor)),
            ..self.clone()
        }
    }

    /// The same store, which takes no endpoint whose URL is a link-local address.
    #[must_use]
    pub fn refusing_link_local(&self) -> Self {
        Self {
            allows_link_local: false,
            ..self.clone()
        }
    }

    /// The same store, which changes a row or the settings only in this version: in
    /// another, somebody else was faster.
    #[must_use]
    pub fn expecting(&self, version: Option<i64>) -> Self {
        Self {
            expected: version,
            ..self.clone()
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Whether the path still leads to the file that was opened. While it does not, every
    /// operation fails; it works again once that same file is put back.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when it was moved, deleted or replaced.
    pub fn in_place(&self) -> Result<(), StoreError> {
        self.inner.file.require(&self.inner.path)
    }

    /// The number that moves with every change of the configuration. Cheap: one row.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn revision(&self) -> Result<i64, StoreError> {
        self.read(|connection| Ok(revision(connection)?))
    }

    /// The whole configuration, read at one moment and checked.
    ///
    /// # Errors
    /// When the file cannot be read. Bad rows are no error: they are left out and named.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let stored = self.read(|connection| Ok(read_configuration(connection, self.vault())?))?;
        Ok(stored.judge())
    }

    /// The keys of its secrets.
    fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// Runs `work` in one read transaction.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Deferred, |transaction| {
            work(transaction)
        })
    }

    /// Runs `work` in one write transaction; nothing of it stays when it fails.
    fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    fn transact<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(&self.inner.path, error);
        self.in_place()?;
        if let Some(held) = &self.held {
            return held.part(&self.inner.path, work);
        }
        let mut connection = self.connection()?;
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(sqlite)?;
        let value = work(&transaction).map_err(|failure| failure.at(&self.inner.path))?;
        // Waiting for another writer may have taken a while.
        self.in_place()?;
        transaction.commit().map_err(sqlite)?;
        Ok(value)
    }

    fn connection(&self) -> Result<PooledConnection<SqliteConnectionManager>, StoreError> {
        self.inner
            .pool
            .get()
            .map_err(|error| pool_failure(&self.inner.path, &error))
    }
}

/// Opens further connections, only ever to `file`: another one that has taken its place would
/// stay in the pool after the right one was put back.
fn manager(path: &Path, file: Identity) -> SqliteConnectionManager {
    let own_path = path.to_path_buf();
    SqliteConnectionManager::file(path)
        .with_flags(file::READ_WRITE)
        .with_init(move |connection| {
            if file.require(&own_path).is_err() {
                return Err(rusqlite::Error::InvalidPath(own_path.clone()));
            }
            file::configure(connection)
        })
}

/// Reads every configuration row; the caller holds a transaction.
fn read_configuration(
    connection: &Connection,
    vault: &Vault,
) -> rusqlite::Result<StoredConfiguration> {
    Ok(StoredConfiguration {
        revision: revision(connection)?,
        endpoints: endpoints::read_all(connection, "id", vault)?,
        models: virtual_models::read_all(connection, vault)?,
        tool_patterns: tool_patterns::read_all(connection)?,
        tool_aliases: tool_aliases::read_all(connection)?,
        inbound_keys: inbound_keys::read_all(connection, vault)?,
        deployment_mode: settings::read_one(connection, DEPLOYMENT_MODE)?,
        trusted_internal: settings::read_one(connection, TRUSTED_INTERNAL_CIDRS)?,
        default_model: settings::read_one(connection, DEFAULT_MODEL)?,
        health_check_interval: settings::read_one(connection, HEALTH_CHECK_INTERVAL)?,
        zone: rollups::zone(connection)?,
    })
}

fn revision(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM configuration_revision")?
        .query_row([], |row| row.get(0))
}

fn pool_failure(path: &Path, error: &r2d2::Error) -> StoreError {
    StoreError::Open {
        path: path.to_path_buf(),
        reason: format!("no connection within {} s: {error}", BUSY_TIMEOUT.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::fs;

    use r2d2::ManageConnection as _;
    use serde_json::json;

    use super::identity::Identity;
    use super::{Store, manager};
    use crate::endpoint::EndpointDraft;
    use crate::error::StoreError;
    use crate::vault::KeySource;

    /// A file that may not grow fails as on a full disk. The limit belongs to a connection,
    /// so there is only one.
    #[test]
    fn a_full_disk_is_reported_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open_with(&folder.path().join("proxy.db"), &KeySource::default(), 1).unwrap();
        let before = store.revision().unwrap();
        let connection = store.connection().unwrap();
        connection.pragma_update(None, "max_page_count", 1).unwrap();
        drop(connection);
        let headers = json!({"x-long": "v".repeat(8000), "x-more": "v".repeat(8000)});
        let value = json!({"name": "a", "url": "http://h", "custom_headers": headers});
        let draft = EndpointDraft::for_create(&value).unwrap();
        let error = store.create_endpoint(&draft).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        assert_eq!(store.endpoints().unwrap(), []);
        assert_eq!(store.revision().unwrap(), before);
    }
    #[test]
    fn the_pool_takes_no_connection_to_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.db");
        let aside = folder.path().join("aside.db");
        drop(Store::open(&path).unwrap());
        let connections = manager(&path, Identity::of(&path).unwrap());
        connections.connect().unwrap();
        fs::rename(&path, &aside).unwrap();
        drop(Store::open(&path).unwrap());
        connections.connect().unwrap_err();
        fs::rename(&aside, &path).unwrap();
        connections.connect().unwrap();
    }
}
