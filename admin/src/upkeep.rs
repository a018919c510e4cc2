//! What the admin app does by itself: the audit loses what is older than it is kept for, and
//! what a page of the last months shows is read before somebody asks for it.

use std::thread;
use std::time::Duration;

use store::config::AuditDays;
use store::{AUDIT_DAYS, Store, StoreError, UsageQuery};

use crate::clock;

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(3600);

/// The time that others have between two steps.
const PAUSE: Duration = Duration::from_millis(50);

const DAY: i64 = 86_400;

/// The days whose usage is held in memory; single calls are kept for as long by default.
const SHOWN_DAYS: i64 = 90;

/// Begins, on a thread that ends with the program.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn start(store: Store, days: AuditDays) -> std::io::Result<()> {
    thread::Builder::new()
        .name("upkeep".to_owned())
        .spawn(move || {
            loop {
                let now = clock::seconds();
                let shown = UsageQuery::between(now - SHOWN_DAYS * DAY, now);
                // The store holds what it has read once.
                if let Err(error) = store.usage_view(&shown, false) {
                    tracing::debug!(%error, "usage is read when it is asked for");
                }
                match trim(&store, days, now) {
                    Ok(0) => {}
                    Ok(entries) => tracing::info!(entries, "old entries of the audit are gone"),
                    Err(error) => tracing::warn!(%error, "the audit cannot be trimmed"),
                }
                thread::park_timeout(EVERY);
            }
        })
        .map(drop)
}

/// Takes away what is too old at `now`, and says how many entries that were.
fn trim(store: &Store, days: AuditDays, now: i64) -> Result<usize, StoreError> {
    let stored = store.settings()?.remove(AUDIT_DAYS);
    let Some(days) = days.with(stored.as_deref()) else {
        return Ok(0);
    };
    let before = now.saturating_sub(i64::from(days) * DAY);
    let mut entries = 0;
    loop {
        match store.trim_audit(before)? {
            0 => return Ok(entries),
            some => entries += some,
        }
        thread::park_timeout(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use serde_json::json;
    use store::config::AuditDays;
    use store::{Actor, AuditQuery, EndpointDraft, SettingsDraft, Store};

    use super::{DAY, trim};
    use crate::clock;

    #[test]
    fn entries_go_when_they_are_too_old_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("proxy.db")).unwrap();
        let ada = store.by(Actor {
            user: "ada".to_owned(),
            address: None,
        });
        for name in ["a", "b"] {
            let body = json!({ "name": name, "url": "http://127.0.0.1:9" });
            let draft = EndpointDraft::for_create(&body).unwrap();
            ada.create_endpoint(&draft).unwrap();
        }
        let count = || {
            let query = AuditQuery {
                limit: 9,
                ..AuditQuery::default()
            };
            store.audit(&query).unwrap().1
        };
        let days = |environment| AuditDays {
            environment,
            default: Some(400),
        };
        let now = clock::seconds();
        assert_eq!(trim(&store, days(None), now + 399 * DAY).unwrap(), 0);
        let later = now + 401 * DAY;
        assert_eq!(trim(&store, days(Some(None)), later).unwrap(), 0);
        let forever = SettingsDraft::validate(&json!({ "audit_days": 0 })).unwrap();
        store.save_settings(&forever).unwrap();
        assert_eq!(trim(&store, days(None), later).unwrap(), 0);
        assert_eq!(count(), 2);
        assert_eq!(trim(&store, days(Some(Some(400))), later).unwrap(), 2);
        assert_eq!(count(), 0);
    }
}
