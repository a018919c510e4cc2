//! One gateway process after the other on one socket, with no moment between them in which
//! nobody takes connections ([decision 0022](../../docs/decisions/0022-upgrades.md)).
//!
//! The one that runs has a door ([`Door`]): a Unix socket at which the next one asks for the
//! listening socket and gets it ([`Taken`]). Both take connections then, until the new one
//! has said that it does; whatever happens before leaves the old one as it was.
//!
//! What they say is lines of text:
//!
//! | who | says |
//! |---|---|
//! | new | `take over 1` |
//! | old | [`Offer`] as JSON, and with it the socket |
//! | new | `serving` |
//! | old | `handed over` |

mod door;
mod launch;
mod taken;

pub(crate) use door::Door;
pub(crate) use launch::launch;
pub(crate) use taken::Taken;

use std::time::Duration;

use serde_json::{Value, json};

/// The version of what is said is in it.
const TAKE_OVER: &str = "take over 1";
const SERVING: &str = "serving";
const HANDED_OVER: &str = "handed over";

/// Longest line.
const LINE: usize = 1024;

/// How long the other side may take for an answer that needs no thought.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the running gateway tells of itself.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) version: String,
    /// Whether a service manager watches over it.
    pub(crate) is_managed: bool,
    /// Within which time that manager wants to hear of it.
    pub(crate) watchdog: Option<Duration>,
}

impl Offer {
    fn to_line(&self) -> String {
        let watchdog = self
            .watchdog
            .and_then(|time| u64::try_from(time.as_micros()).ok());
        let line = json!({
            "version": self.version,
            "is_managed": self.is_managed,
            "watchdog_usec": watchdog,
        });
        format!("{line}\n")
    }

    fn from_line(line: &str) -> Option<Self> {
        let told: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            version: told["version"].as_str()?.to_owned(),
            is_managed: told["is_managed"].as_bool()?,
            watchdog: told["watchdog_usec"].as_u64().map(Duration::from_micros),
        })
    }
}
