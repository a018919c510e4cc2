//! How long calls to an endpoint may take, where it has times of its own.
//!
//! A time that is not set is that of the settings (`TIMEOUT`, `CONNECT_TIMEOUT`,
//! `FIRST_BYTE_TIMEOUT`).

use std::ops::RangeInclusive;
use std::time::Duration;

use rusqlite::types::Value as Sql;
use serde::Serialize;

use crate::columns::Columns;
use crate::input::Input;

/// The columns, which are the fields of the admin API too.
const WHOLE: &str = "timeout_seconds";
const CONNECT: &str = "connect_timeout_seconds";
const FIRST_BYTE: &str = "first_byte_timeout_seconds";

/// What the settings of the same meaning take.
pub(crate) const SECONDS: RangeInclusive<f64> = 0.1..=86_400.0;

/// The times of an endpoint; `None` is that of the settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointTimes {
    /// For a whole call; for a stream, the longest silence.
    pub whole: Option<Duration>,
    /// To connect.
    pub connect: Option<Duration>,
    /// To begin an answer while another candidate is left.
    pub first_byte: Option<Duration>,
}

/// The times of a row in seconds, as the admin API shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct EndpointTimesRow {
    /// For a whole call; for a stream, the longest silence.
    pub timeout_seconds: Option<f64>,
    /// To connect.
    pub connect_timeout_seconds: Option<f64>,
    /// To begin an answer while another candidate is left.
    pub first_byte_timeout_seconds: Option<f64>,
}

impl EndpointTimesRow {
    /// Reads the columns.
    pub(crate) fn read(columns: &mut Columns<'_, '_>) -> Self {
        Self {
            timeout_seconds: columns.real(WHOLE),
            connect_timeout_seconds: columns.real(CONNECT),
            first_byte_timeout_seconds: columns.real(FIRST_BYTE),
        }
    }

    /// The times that make sense; the others are doubts, and those of the settings hold.
    pub(super) fn judge(&self, doubts: &mut Vec<String>) -> EndpointTimes {
        let mut time = |name: &str, seconds: Option<f64>| {
            let seconds = seconds?;
            if SECONDS.contains(&seconds) {
                return Some(Duration::from_secs_f64(seconds));
            }
            doubts.push(format!(
                "{name} is not from {} to {}; the time of the settings holds",
                SECONDS.start(),
                SECONDS.end()
            ));
            None
        };
        EndpointTimes {
            whole: time(WHOLE, self.timeout_seconds),
            connect: time(CONNECT, self.connect_timeout_seconds),
            first_byte: time(FIRST_BYTE, self.first_byte_timeout_seconds),
        }
    }
}

/// Times that are to be changed: `None` keeps one, an inner `None` takes it away.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct EndpointTimesDraft {
    whole: Option<Option<f64>>,
    connect: Option<Option<f64>>,
    first_byte: Option<Option<f64>>,
}

impl EndpointTimesDraft {
    /// Takes the fields of `input`.
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        let mut time = |name| input.real(name, *SECONDS.start(), *SECONDS.end());
        Self {
            whole: time(WHOLE),
            connect: time(CONNECT),
            first_byte: time(FIRST_BYTE),
        }
    }

    /// The columns that change and what they become.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'static str, Sql)> {
        let time = |name, value: Option<Option<f64>>| Some((name, Sql::from(value?)));
        [
            time(WHOLE, self.whole),
            time(CONNECT, self.connect),
            time(FIRST_BYTE, self.first_byte),
        ]
        .into_iter()
        .flatten()
    }

    /// The row with these times.
    pub(super) fn apply(&self, row: &mut EndpointTimesRow) {
        let set = |value: &mut Option<f64>, new: Option<Option<f64>>| {
            if let Some(new) = new {
                *value = new;
            }
        };
        set(&mut row.timeout_seconds, self.whole);
        set(&mut row.connect_timeout_seconds, self.connect);
        set(&mut row.first_byte_timeout_seconds, self.first_byte);
    }
}
