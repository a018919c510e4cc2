//! Captured bodies: kept for a while, not more than so many.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use store::{Capture, Store};

#[test]
fn bodies_expire_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let made = |n: i64| {
        let mut capture = Capture::begun(format!("r{n}"), n, b"{\"password\":\"p\"}");
        capture.answered(b"data: hello\n\n");
        capture
    };
    let captures: Vec<_> = (0..2100).map(made).collect();
    store.keep_captures(&captures).unwrap();
    let found = store.capture("r7", 7, 8).unwrap().unwrap();
    assert_eq!(found.request, "{\"password\":\"***\"}");
    assert_eq!(found.answer, "data: hello\n\n");
    assert_eq!(found.expires_at, 7 + Capture::SECONDS);
    assert_eq!(store.capture("r7", 8, 8).unwrap(), None, "of another call");
    assert_eq!(store.capture("r7", 7, 7 + Capture::SECONDS).unwrap(), None);
    store.trim_captures(8).unwrap();
    assert_eq!(store.capture("r99", 99, 99).unwrap(), None);
    assert!(store.capture("r100", 100, 100).unwrap().is_some());
    store.trim_captures(1000 + Capture::SECONDS).unwrap();
    assert_eq!(store.capture("r1000", 1000, 0).unwrap(), None);
    assert!(store.capture("r1001", 1001, 0).unwrap().is_some());
}
