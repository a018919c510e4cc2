//! The database file: made, refused, locked, and what an operator is told.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;
use store::{CallKind, CallRecord, EndpointDraft, Outcome, Store, StoreError};

fn endpoint(name: &str) -> EndpointDraft {
    EndpointDraft::for_create(&json!({"name": name, "url": "http://127.0.0.1:1"})).unwrap()
}

#[track_caller]
fn refused(path: &Path) -> StoreError {
    match Store::open(path) {
        Ok(_) => unreachable_open(path),
        Err(error) => error,
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "this is how a test says that it failed")]
fn unreachable_open(path: &Path) -> ! {
    panic!("{} was opened", path.display())
}

#[test]
fn a_missing_file_and_its_folders_are_made_for_the_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/proxy.db");
    assert_eq!(Store::check(&path), []);
    assert!(!path.exists(), "a check makes nothing");
    let store = Store::open(&path).unwrap();
    assert_eq!(store.path(), path);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(Store::check(&path), []);
    let beside = fs::read_dir(path.parent().unwrap()).unwrap();
    let names: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().contains("backup")),
        "a new file needs no backup: {names:?}"
    );
}

#[test]
fn an_empty_file_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    fs::write(&path, b"").unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.endpoints().unwrap(), []);
}

#[test]
fn connections_are_set_for_two_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let _store = Store::open(&path).unwrap();
    let mode: String = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_folder_a_file_in_the_way_and_a_foreign_address_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path());
    assert!(error.to_string().contains("it is a folder"), "{error}");
    let problems = Store::check(folder.path());
    assert!(
        problems[0].message.contains("it is a folder"),
        "{problems:?}"
    );

    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    let below = file.join("sub/proxy.db");
    let error = refused(&below);
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("cannot be created"), "{error}");
    let problems = Store::check(&below);
    assert!(problems[0].message.contains("not a folder"), "{problems:?}");
}

/// Permissions do not bind root, but a file system that takes no new files does.
#[test]
fn a_folder_that_takes_no_files_is_refused() {
    let error = refused(Path::new("/proc/proxy.db"));
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("/proc/proxy.db"), "{error}");
    let problems = Store::check(Path::new("/proc/proxy.db"));
    assert!(
        problems[0].message.contains("cannot be created in /proc"),
        "{problems:?}"
    );
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let text = "this is not a database, it is a text of some length\n".repeat(40);
    fs::write(&path, &text).unwrap();
    let error = refused(&path);
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
    assert_eq!(Store::check(&path).len(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_database_is_found_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    drop(Store::open(&path).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let page = 4096;
    assert!(bytes.len() > 4 * page);
    for byte in &mut bytes[page..3 * page] {
        *byte = 0xA5;
    }
    fs::write(&path, bytes).unwrap();
    assert!(!Store::check(&path).is_empty());
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    drop(Store::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "user_version", 1000)
        .unwrap();
    drop(connection);
    let error = refused(&path);
    assert!(
        matches!(error, StoreError::TooNew { found: 1000, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer version"), "{error}");
    assert!(Store::check(&path)[0].message.contains("1000"));
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bookmarks.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE bookmarks (id)")
        .unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let error = refused(&path);
    assert!(error.to_string().contains("another program's"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_locked_file_is_reported_as_busy_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let store = Store::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.create_endpoint(&endpoint("a")).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(
        error.to_string().contains("locked by another program"),
        "{error}"
    );
    assert_eq!(
        store.endpoints().unwrap(),
        [],
        "readers do not wait for writers"
    );
    other.execute_batch("ROLLBACK").unwrap();
    store.create_endpoint(&endpoint("a")).unwrap();
    assert_eq!(store.endpoints().unwrap().len(), 1);
}

fn call() -> CallRecord {
    CallRecord {
        virtual_model: "m".to_owned(),
        status: 200,
        outcome: Outcome::Success,
        ..CallRecord::begun(CallKind::Chat, "r".to_owned(), 1)
    }
}

/// Everything that reads or writes says that the file is not where it was.
#[track_caller]
fn nothing_works(store: &Store) {
    let write = store.create_endpoint(&endpoint("lost"));
    for outcome in [
        store.in_place(),
        store.revision().map(drop),
        store.snapshot().map(drop),
        store.record_calls(&[call()]),
        write.map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::Moved { .. }), "{error:?}");
        let path = store.path().to_str().unwrap();
        for word in ["moved, deleted or replaced", "put it back", "restart", path] {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
}

#[test]
fn nothing_is_written_into_a_file_that_was_moved_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let aside = folder.path().join("aside.db");
    let store = Store::open(&path).unwrap();
    store.record_calls(&[call()]).unwrap();
    store.in_place().unwrap();

    fs::rename(&path, &aside).unwrap();
    nothing_works(&store);
    fs::rename(&aside, &path).unwrap();
    store.in_place().unwrap();
    assert_eq!(store.endpoints().unwrap(), []);
    store.record_calls(&[call()]).unwrap();
    drop(store);
    let rows = Store::open(&path).unwrap().count_calls().unwrap();
    assert_eq!(rows, 2, "what was written last is in the file");
}

#[test]
fn another_file_in_its_place_is_neither_read_nor_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let aside = folder.path().join("aside.db");
    let store = Store::open(&path).unwrap();
    fs::rename(&path, &aside).unwrap();
    fs::write(&path, b"").unwrap();
    nothing_works(&store);
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_deleted_file_takes_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let store = Store::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    nothing_works(&store);
    assert!(!path.exists(), "and it is not made anew behind the program");
}
