//! People of the admin app: list, create, change, delete; and the link with which the first
//! one is made.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::admin_sessions::{end_sessions, hashes, keyed};
use super::{Failure, Store, audit};
use crate::admin_role::AdminRole;
use crate::admin_session::{self, Login, Origin};
use crate::admin_user::{AdminUserRow, NewAdminUser, Password};
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::secret::Secret;

const WHAT: &str = "user";

const COLUMNS: &str = "id, name, role, enabled, last_login_at, last_login_ip, created_at";

impl Store {
    /// Everyone, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn admin_users(&self) -> Result<Vec<AdminUserRow>, StoreError> {
        self.read(|connection| {
            let query = format!("SELECT {COLUMNS} FROM admin_users ORDER BY name");
            let mut statement = connection.prepare(&query)?;
            let rows = statement.query_map([], read)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// A new token of the set-up link, in place of the one before; `None` when there is
    /// somebody already.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_set_up(&self, now: i64) -> Result<Option<Secret>, StoreError> {
        self.write(|connection| {
            if is_anybody(connection)? {
                connection.execute("DELETE FROM admin_set_up", [])?;
                return Ok(None);
            }
            let token = admin_session::token().ok_or(StoreError::NoRandomness)?;
            connection.execute(
                "INSERT INTO admin_set_up (id, token_hash, expires_at) VALUES (1, ?, ?) \
                 ON CONFLICT (id) DO UPDATE SET token_hash = excluded.token_hash, \
                 expires_at = excluded.expires_at",
                params![
                    keyed(connection, self.vault(), &token)?,
                    now + admin_session::SET_UP
                ],
            )?;
            Ok(Some(token))
        })
    }

    /// Whether `token` is the one of the set-up link.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_set_up(&self, token: &Secret, now: i64) -> Result<bool, StoreError> {
        self.read(|connection| opens(connection, self, token, now))
    }

    /// Makes the first person with the token of the set-up link, which opens nothing more,
    /// and begins a session.
    ///
    /// # Errors
    /// When the file cannot be written. A link that does not open is [`Login::Refused`].
    pub fn set_up(
        &self,
        token: &Secret,
        user: &NewAdminUser,
        origin: &Origin,
        now: i64,
    ) -> Result<Login, StoreError> {
        let hash = user.password.hash()?;
        self.write(|connection| {
            if !opens(connection, self, token, now)? {
                return Ok(Login::Refused);
            }
            connection.execute("DELETE FROM admin_set_up", [])?;
            let id = insert(connection, user, &hash)?;
            audit::told(connection, &user.name, origin, "set up", id)?;
            super::admin_sessions::begin(connection, self.vault(), id, origin, now)
        })
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], or when the file cannot be written.
    pub fn create_admin_user(&self, user: &NewAdminUser) -> Result<i64, StoreError> {
        let hash = user.password.hash()?;
        self.write(|connection| {
            let id = insert(connection, user, &hash)?;
            self.note_user(connection, "created", id, &user.name)?;
            Ok(id)
        })
    }

    /// Changes what somebody may do. Whoever is switched off is logged out.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Invalid`] when nobody could change anything
    /// any more, or when the file cannot be written.
    pub fn change_admin_user(
        &self,
        id: i64,
        role: AdminRole,
        enabled: bool,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let name = require(connection, id)?.name;
            connection.execute(
                "UPDATE admin_users SET role = ?, enabled = ?, updated_at = unixepoch() \
                 WHERE id = ?",
                params![role.id(), enabled, id],
            )?;
            require_an_admin(connection)?;
            if !enabled {
                end_sessions(connection, id)?;
            }
            let action = if enabled { role.id() } else { "switched off" };
            self.note_user(connection, action, id, &name)
        })
    }

    /// Gives somebody another password and ends all sessions of before.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be written.
    pub fn set_admin_password(&self, id: i64, password: &Password) -> Result<(), StoreError> {
        let hash = password.hash()?;
        self.write(|connection| {
            let name = require(connection, id)?.name;
            connection.execute(
                "UPDATE admin_users SET password_hash = ?, updated_at = unixepoch() WHERE id = ?",
                params![hash, id],
            )?;
            end_sessions(connection, id)?;
            self.note_user(connection, "password changed", id, &name)
        })
    }

    /// Deletes somebody, sessions too.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Invalid`] for the last admin, or when the file
    /// cannot be written.
    pub fn delete_admin_user(&self, id: i64) -> Result<(), StoreError> {
        self.write(|connection| {
            let name = require(connection, id)?.name;
            connection.execute("DELETE FROM admin_users WHERE id = ?", [id])?;
            require_an_admin(connection)?;
            self.note_user(connection, "deleted", id, &name)
        })
    }

    /// Who has this name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find_admin_user(&self, name: &str) -> Result<Option<AdminUserRow>, StoreError> {
        self.read(|connection| {
            let query = format!("SELECT {COLUMNS} FROM admin_users WHERE name = ?");
            let mut statement = connection.prepare(&query)?;
            Ok(statement.query_row([name.trim()], read).optional()?)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<AdminUserRow> {
    let role: String = row.get("role")?;
    Ok(AdminUserRow {
        id: row.get("id")?,
        name: row.get("name")?,
        // Who has a role that this version does not know changes nothing.
        role: AdminRole::from_id(&role).unwrap_or(AdminRole::Viewer),
        enabled: row.get("enabled")?,
        last_login_at: row.get("last_login_at")?,
        last_login_ip: row.get("last_login_ip")?,
        created_at: row.get("created_at")?,
    })
}

fn require(connection: &Connection, id: i64) -> Result<AdminUserRow, Failure> {
    let query = format!("SELECT {COLUMNS} FROM admin_users WHERE id = ?");
    let found = connection.query_row(&query, [id], read).optional()?;
    found.ok_or_else(|| StoreError::Missing { what: WHAT, id }.into())
}

fn require_an_admin(connection: &Connection) -> Result<(), Failure> {
    let is_one: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM admin_users WHERE role = 'admin' AND enabled = 1)",
        [],
        |row| row.get(0),
    )?;
    if is_one {
        return Ok(());
    }
    let why = "is the last admin who can log in: make another one first";
    Err(StoreError::from(FieldErrors::one("user", why)).into())
}

fn is_anybody(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM admin_users)", [], |row| {
        row.get(0)
    })
}

fn opens(
    connection: &Connection,
    store: &Store,
    token: &Secret,
    now: i64,
) -> Result<bool, Failure> {
    if is_anybody(connection)? {
        return Ok(false);
    }
    let kept: Option<String> = connection
        .query_row(
            "SELECT token_hash FROM admin_set_up WHERE expires_at > ?",
            [now],
            |row| row.get(0),
        )
        .optional()?;
    let presented = hashes(connection, store.vault(), token)?;
    Ok(kept.is_some_and(|kept| presented.contains(&kept)))
}

fn insert(connection: &Connection, user: &NewAdminUser, hash: &str) -> Result<i64, Failure> {
    let taken: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM admin_users WHERE name = ?)",
        [&user.name],
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::Duplicate {
            what: "a user",
            name: user.name.clone(),
        }
        .into());
    }
    connection.execute(
        "INSERT INTO admin_users (name, password_hash, role) VALUES (?, ?, ?)",
        params![user.name, hash, user.role.id()],
    )?;
    Ok(connection.last_insert_rowid())
}
