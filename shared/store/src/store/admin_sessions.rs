//! Sessions of the admin app: begin, find, end.
//!
//! A token is looked up by its keyed hash, so that neither the file nor the time of a
//! lookup tells one.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Failure, Store, audit, peppers};
use crate::admin_role::AdminRole;
use crate::admin_session::{
    AdminSession, GRACE, IDLE, LIFETIME, Login, Origin, ROTATION, SEEN, token,
};
use crate::admin_user::is_password;
use crate::error::StoreError;
use crate::inbound_key::digest;
use crate::secret::Secret;
use crate::vault::Vault;

/// Longest user agent that is kept, in characters.
const AGENT: usize = 200;

impl Store {
    /// Begins a session for whoever has this name and password.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn log_in(
        &self,
        name: &str,
        password: &Secret,
        origin: &Origin,
        now: i64,
    ) -> Result<Login, StoreError> {
        let found: Option<(i64, String, bool)> = self.read(|connection| {
            let found = connection
                .query_row(
                    "SELECT id, password_hash, enabled FROM admin_users WHERE name = ?",
                    [name.trim()],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .optional();
            Ok(found?)
        })?;
        // Outside of any transaction: it takes a while.
        let hash = found.as_ref().map(|(_, hash, _)| hash.as_str());
        let is_right = is_password(hash, password);
        self.write(|connection| {
            let Some((id, hash, true)) = found.filter(|_| is_right) else {
                return Ok(Login::Refused);
            };
            let updated = connection.execute(
                "UPDATE admin_users SET last_login_at = ?, last_login_ip = ? \
                 WHERE id = ? AND password_hash = ? AND enabled = 1",
                params![now, origin.address, id, hash],
            )?;
            if updated == 0 {
                return Ok(Login::Refused);
            }
            audit::told(connection, name.trim(), origin, "logged in", id)?;
            begin(connection, self.vault(), id, origin, now)
        })
    }

    /// The session that `presented` is the token of; its last use is noted, and from time
    /// to time its token changes.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn admin_session(
        &self,
        presented: &Secret,
        origin: &Origin,
        now: i64,
    ) -> Result<Option<AdminSession>, StoreError> {
        let found = self.read(|connection| {
            let hashes = hashes(connection, self.vault(), presented)?;
            for hash in hashes {
                if let Some(found) = find(connection, &hash, now)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })?;
        let Some((mut session, is_former, rotated_at, seen_at)) = found else {
            return Ok(None);
        };
        if !is_former && now - rotated_at >= ROTATION {
            let fresh = token().ok_or(StoreError::NoRandomness)?;
            let changed = self.write(|connection| {
                let hash = keyed(connection, self.vault(), &fresh)?;
                // Of two requests at once only one changes the token.
                Ok(connection.execute(
                    "UPDATE admin_sessions SET former_hash = token_hash, token_hash = ?, \
                     rotated_at = ?, seen_at = ?, ip = ?, user_agent = ? \
                     WHERE id = ? AND rotated_at = ?",
                    params![
                        hash,
                        now,
                        now,
                        origin.address,
                        agent(origin),
                        session.id,
                        rotated_at
                    ],
                )?)
            })?;
            session.token = (changed > 0).then_some(fresh);
        } else if now - seen_at >= SEEN {
            self.write(|connection| {
                connection.execute(
                    "UPDATE admin_sessions SET seen_at = ? WHERE id = ?",
                    params![now, session.id],
                )?;
                Ok(())
            })?;
        }
        Ok(Some(session))
    }

    /// Ends a session; one that has ended stays so.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn log_out(&self, session: i64) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.execute("DELETE FROM admin_sessions WHERE id = ?", [session])?;
            Ok(())
        })
    }
}

type Found = (AdminSession, bool, i64, i64);

fn find(connection: &Connection, hash: &str, now: i64) -> rusqlite::Result<Option<Found>> {
    connection
        .prepare_cached(
            "SELECT s.id, s.user_id, u.name, u.role, s.token_hash = ?1 AS is_current, \
             s.rotated_at, s.seen_at FROM admin_sessions s \
             JOIN admin_users u ON u.id = s.user_id AND u.enabled = 1 \
             WHERE (s.token_hash = ?1 OR (s.former_hash = ?1 AND s.rotated_at > ?2 - ?3)) \
             AND s.expires_at > ?2 AND s.seen_at > ?2 - ?4",
        )?
        .query_row(params![hash, now, GRACE, IDLE], |row| {
            let role: String = row.get(3)?;
            let is_current: bool = row.get(4)?;
            let session = AdminSession {
                id: row.get(0)?,
                user_id: row.get(1)?,
                user: row.get(2)?,
                role: AdminRole::from_id(&role).unwrap_or(AdminRole::Viewer),
                token: None,
            };
            Ok((session, !is_current, row.get(5)?, row.get(6)?))
        })
        .optional()
}

/// Begins a session; those that have ended go.
pub(super) fn begin(
    connection: &Connection,
    vault: &Vault,
    user: i64,
    origin: &Origin,
    now: i64,
) -> Result<Login, Failure> {
    connection.execute(
        "DELETE FROM admin_sessions WHERE expires_at <= ?1 OR seen_at <= ?1 - ?2",
        params![now, IDLE],
    )?;
    let fresh = token().ok_or(StoreError::NoRandomness)?;
    connection.execute(
        "INSERT INTO admin_sessions (user_id, token_hash, rotated_at, seen_at, expires_at, ip, \
         user_agent, created_at) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?3)",
        params![
            user,
            keyed(connection, vault, &fresh)?,
            now,
            now + LIFETIME,
            origin.address,
            agent(origin)
        ],
    )?;
    let id = connection.last_insert_rowid();
    let (name, role): (String, String) = connection.query_row(
        "SELECT name, role FROM admin_users WHERE id = ?",
        [user],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(Login::Begun(AdminSession {
        id,
        user_id: user,
        user: name,
        role: AdminRole::from_id(&role).unwrap_or(AdminRole::Viewer),
        token: Some(fresh),
    }))
}

/// Ends every session of somebody.
pub(super) fn end_sessions(connection: &Connection, user: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM admin_sessions WHERE user_id = ?", [user])?;
    Ok(())
}

/// What is kept of a new token. The caller holds a write transaction.
pub(super) fn keyed(
    connection: &Connection,
    vault: &Vault,
    token: &Secret,
) -> Result<String, Failure> {
    let pepper = peppers::in_use(connection, vault)?;
    Ok(pepper.hash(&digest(&purpose(token))))
}

/// What may have been kept of a token that somebody presents.
pub(super) fn hashes(
    connection: &Connection,
    vault: &Vault,
    token: &Secret,
) -> rusqlite::Result<Vec<String>> {
    let peppers = peppers::read_all(connection, vault)?;
    let digest = digest(&purpose(token));
    let usable = peppers.into_iter().filter_map(Result::ok);
    Ok(usable.map(|pepper| pepper.hash(&digest)).collect())
}

/// Keeps what is kept of tokens apart from what is kept of callers' keys.
fn purpose(token: &Secret) -> String {
    format!("session {}", token.expose())
}

fn agent(origin: &Origin) -> Option<String> {
    let agent = origin.user_agent.as_ref()?;
    Some(agent.chars().take(AGENT).collect())
}
