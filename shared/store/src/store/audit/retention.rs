//! How long the audit is kept: trimmed from its oldest entry on, in small steps.

use super::Store;
use crate::error::StoreError;

/// Entries that one step takes away at most.
const STEP: i64 = 200;

impl Store {
    /// Takes away the oldest entries of before `before`, unix seconds, and says how many: at
    /// most a few hundred, so that others need not wait.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trim_audit(&self, before: i64) -> Result<usize, StoreError> {
        self.write(|connection| {
            Ok(connection.execute(
                "DELETE FROM audit WHERE id IN (SELECT id FROM \
                 (SELECT id, at FROM audit ORDER BY id LIMIT ?) WHERE at < ?)",
                [STEP, before],
            )?)
        })
    }
}
