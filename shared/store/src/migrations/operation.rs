//! What step 15 adds: times of an endpoint's own, what its last health check found, and which
//! entries of the audit belong together.

/// Seconds; `NULL` for the time of the settings.
pub(super) const TABLES: &str = "
    ALTER TABLE endpoints ADD COLUMN timeout_seconds REAL;
    ALTER TABLE endpoints ADD COLUMN connect_timeout_seconds REAL;
    ALTER TABLE endpoints ADD COLUMN first_byte_timeout_seconds REAL;
    CREATE TABLE health_checks (
        endpoint_id INTEGER PRIMARY KEY,
        checked_at INTEGER NOT NULL,
        since INTEGER NOT NULL,
        is_well INTEGER NOT NULL,
        reason TEXT
    );
    ALTER TABLE audit ADD COLUMN part_of INTEGER;
    CREATE INDEX audit_part ON audit (part_of) WHERE part_of IS NOT NULL;
";
