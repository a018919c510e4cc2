//! Adds what virtual models have cost that took over for others, by the hour: the roll-ups
//! count it for the virtual model that was named, a budget for both.

/// The table; an hour is known by the second it begins, in the configured time zone.
pub(super) const TABLE: &str = "
    CREATE TABLE takeover_hours (
        start INTEGER NOT NULL,
        virtual_model TEXT NOT NULL,
        cost_nanos INTEGER NOT NULL,
        PRIMARY KEY (start, virtual_model)
    ) WITHOUT ROWID;
";
