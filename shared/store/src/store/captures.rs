//! Bodies of calls that are kept for a while.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Store;
use crate::capture::{Capture, CaptureRow, redacted};
use crate::error::StoreError;

/// Most captures that are kept; the oldest go.
const MOST: i64 = 2000;

pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "ALTER TABLE virtual_models ADD COLUMN capture_bodies INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE captures (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            request_id TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            request TEXT NOT NULL,
            request_bytes INTEGER NOT NULL,
            answer TEXT NOT NULL,
            answer_bytes INTEGER NOT NULL,
            expires_at INTEGER NOT NULL
        );
        CREATE INDEX idx_captures_request ON captures (request_id, started_at);
        CREATE INDEX idx_captures_expiry ON captures (expires_at);",
    )
}

impl Store {
    /// Keeps bodies of calls, without what looks like a secret.
    ///
    /// # Errors
    /// When the file cannot be written; nothing was kept then.
    pub fn keep_captures(&self, captures: &[Capture]) -> Result<(), StoreError> {
        if captures.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            for capture in captures {
                connection
                    .prepare_cached(
                        "INSERT INTO captures (request_id, started_at, request, request_bytes, \
                         answer, answer_bytes, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    )?
                    .execute(params![
                        capture.request_id,
                        capture.started_at,
                        redacted(&capture.request),
                        i64::try_from(capture.request_bytes).unwrap_or(i64::MAX),
                        redacted(&capture.answer),
                        i64::try_from(capture.answer_bytes).unwrap_or(i64::MAX),
                        capture.started_at.saturating_add(Capture::SECONDS),
                    ])?;
            }
            Ok(())
        })
    }

    /// What is kept of the call that began at `started_at` with that request id, at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn capture(
        &self,
        request_id: &str,
        started_at: i64,
        now: i64,
    ) -> Result<Option<CaptureRow>, StoreError> {
        self.read(|connection| {
            let found = connection
                .prepare_cached(
                    "SELECT request, request_bytes, answer, answer_bytes, expires_at \
                     FROM captures WHERE request_id = ? AND started_at = ? AND expires_at > ? \
                     ORDER BY id DESC LIMIT 1",
                )?
                .query_row(params![request_id, started_at, now], |row| {
                    Ok(CaptureRow {
                        request: row.get(0)?,
                        request_bytes: row.get(1)?,
                        answer: row.get(2)?,
                        answer_bytes: row.get(3)?,
                        expires_at: row.get(4)?,
                    })
                })
                .optional()?;
            Ok(found)
        })
    }

    /// Deletes what has expired at `now`, and what is too much, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trim_captures(&self, now: i64) -> Result<(), StoreError> {
        let is_due = self.read(|connection| {
            let due: bool = connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM captures WHERE expires_at <= ?) \
                     OR (SELECT COUNT(*) FROM captures) > ?",
                )?
                .query_row(params![now, MOST], |row| row.get(0))?;
            Ok(due)
        })?;
        if !is_due {
            return Ok(());
        }
        self.write(|connection| {
            connection.execute("DELETE FROM captures WHERE expires_at <= ?", [now])?;
            connection.execute(
                "DELETE FROM captures WHERE id <= \
                 (SELECT id FROM captures ORDER BY id DESC LIMIT 1 OFFSET ?)",
                [MOST],
            )?;
            Ok(())
        })
    }
}
