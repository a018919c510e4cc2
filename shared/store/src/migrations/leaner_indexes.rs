//! Indexes of single calls that hold those alone which somebody looks for by them: calls that
//! did not succeed, calls with a key, and ids of requests that do not tell when they began.
//! Each index that every call is in costs about a tenth of what writing a call costs.

use rusqlite::Connection;

use crate::store::raw::FOREIGN_ID;

/// Makes the indexes in place of those that hold every call.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["request_usage", "embedding_usage"] {
        connection.execute_batch(&format!(
            "DROP INDEX idx_{table}_outcome_time;
             CREATE INDEX idx_{table}_outcome_time ON {table} (outcome, created_at)
                 WHERE outcome <> 'success';
             DROP INDEX idx_{table}_key_time;
             CREATE INDEX idx_{table}_key_time ON {table} (inbound_api_key_id, created_at)
                 WHERE inbound_api_key_id IS NOT NULL;
             DROP INDEX idx_{table}_request;
             CREATE INDEX idx_{table}_request ON {table} (substr(request_id, -8))
                 WHERE {FOREIGN_ID};"
        ))?;
    }
    Ok(())
}
