//! Secrets at rest: encrypted in the file, whatever wrote them, and what happens without
//! their key.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{EndpointDraft, Secret, Store, StoreError, VirtualModelDraft};
use tempfile::TempDir;

const KEY: &str = "sk-live-PLAIN-provider-key-0123456789";
const TOKEN: &str = "PLAIN-token-of-a-header-0123456789";
const OLD: &str = include_str!("originals/vs.sql");

fn ground() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    (folder, path)
}

fn key_file(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.key", path.display()))
}

/// Every file of the database, without the backup copies.
fn bytes_of(path: &Path) -> Vec<u8> {
    ["", "-wal", "-journal"]
        .iter()
        .filter_map(|suffix| fs::read(format!("{}{suffix}", path.display())).ok())
        .flatten()
        .collect()
}

fn holds(path: &Path, text: &str) -> bool {
    let bytes = bytes_of(path);
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn endpoint(store: &Store, name: &str, more: &Value) -> i64 {
    let mut value = json!({"name": name, "url": "http://127.0.0.1:1"});
    for (field, given) in more.as_object().unwrap() {
        value[field] = given.clone();
    }
    let draft = EndpointDraft::for_create(&value).unwrap();
    store.create_endpoint(&draft).unwrap()
}

fn change(store: &Store, id: i64, value: &Value) {
    let draft = EndpointDraft::for_update(value).unwrap();
    store.update_endpoint(id, &draft).unwrap();
}

fn raw(path: &Path, query: &str) -> String {
    let connection = Connection::open(path).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

fn header(headers: &[(String, String)]) -> &str {
    let found = headers.iter().find(|(name, _)| name == "X-Auth-Token");
    &found.unwrap().1
}

/// A store with two endpoints and a virtual model that have secrets.
fn filled(path: &Path) -> (i64, i64) {
    let store = Store::open(path).unwrap();
    let headers = json!({"x-team": "blue", "X-Auth-Token": TOKEN});
    let first = endpoint(
        &store,
        "first",
        &json!({"api_key": KEY, "custom_headers": headers}),
    );
    let second = endpoint(&store, "second", &json!({"priority": 3}));
    let model = json!({
        "name": "m", "endpoint_id": second, "actual_model": "a", "custom_headers": headers,
    });
    let draft = VirtualModelDraft::for_create(&model).unwrap();
    store.create_virtual_model(&draft).unwrap();
    (first, second)
}

#[test]
fn what_is_written_is_encrypted_and_comes_back() {
    let (_folder, path) = ground();
    let (first, _) = filled(&path);
    assert!(!holds(&path, KEY) && !holds(&path, TOKEN));
    assert!(raw(&path, "SELECT api_key FROM endpoints WHERE id = 1").starts_with("enc:v1:"));
    let headers = raw(&path, "SELECT custom_headers FROM virtual_models");
    assert!(headers.contains(r#""x-team":"blue""#), "{headers}");
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.endpoints[0].api_key, Some(Secret::new(KEY)));
    assert_eq!(header(&snapshot.models["m"].custom_headers), TOKEN);
    let row = store.endpoint_row(first).unwrap();
    assert_eq!(
        (row.api_key.as_deref(), row.locked),
        (Some("***6789"), None)
    );
    let mode = fs::metadata(key_file(&path)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // What is replaced leaves nothing behind either.
    change(&store, first, &json!({"api_key": "sk-another"}));
    assert_eq!(
        store.endpoint(first).unwrap().api_key,
        Some(Secret::new("sk-another"))
    );
}

#[test]
fn a_plain_store_is_encrypted_at_its_first_start_down_to_its_free_pages() {
    let (folder, path) = ground();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = OFF")
        .unwrap();
    connection.execute_batch(OLD).unwrap();
    let headers = json!({"Authorization": TOKEN, "x-team": "blue"}).to_string();
    connection
        .execute(
            "UPDATE endpoints SET api_key = ?, custom_headers = ?",
            (format!("  {KEY} "), &headers),
        )
        .unwrap();
    connection
        .execute(
            "UPDATE virtual_models SET custom_headers = ?",
            [format!("[\"{TOKEN}\"]")],
        )
        .unwrap();
    // A row that was deleted long ago is still in a free page.
    for row in 0..200 {
        connection
            .execute(
                "INSERT INTO endpoints (name, url, api_key) VALUES (?, 'http://x', ?)",
                (format!("gone-{row}"), KEY.repeat(20)),
            )
            .unwrap();
    }
    connection
        .execute("DELETE FROM endpoints WHERE name LIKE 'gone-%'", [])
        .unwrap();
    drop(connection);
    assert!(holds(&path, KEY) && holds(&path, TOKEN));

    let store = Store::open(&path).unwrap();
    assert!(!holds(&path, KEY), "with the store in use");
    let endpoints = store.snapshot().unwrap().endpoints;
    assert!(!endpoints.is_empty());
    for endpoint in endpoints {
        assert_eq!(endpoint.api_key, Some(Secret::new(KEY)));
        assert_eq!(endpoint.custom_headers[0].1, TOKEN);
    }
    drop(store);
    assert!(!holds(&path, KEY) && !holds(&path, TOKEN));
    let sealed = raw(&path, "SELECT api_key FROM endpoints LIMIT 1");
    drop(Store::open(&path).unwrap());
    assert_eq!(
        raw(&path, "SELECT api_key FROM endpoints LIMIT 1"),
        sealed,
        "once"
    );
    // The copy from before the migration has them still, for the owner alone.
    let copy = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".backup-"))
        .unwrap();
    assert!(holds(&copy, KEY));
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_lost_key_names_what_it_closed_and_the_rest_works() {
    let (_folder, path) = ground();
    let (first, second) = filled(&path);
    let kept = fs::read(key_file(&path)).unwrap();
    fs::remove_file(key_file(&path)).unwrap();
    // A look makes no key.
    let problems = Store::check(&path);
    assert!(!key_file(&path).exists());
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|line| line.contains("\"first\"")),
        "{said:?}"
    );

    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.endpoints.len(), 1);
    assert_eq!(snapshot.endpoints[0].name, "second");
    assert_eq!(
        snapshot.left_out,
        ["endpoint 1 \"first\"", "virtual model 1 \"m\""]
    );
    let said = snapshot.problems[0].to_string();
    for word in ["first", "api_key", "SECRET_KEY", "X-Auth-Token", "anew"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let row = store.endpoint_row(first).unwrap();
    assert_eq!(row.api_key.as_deref(), Some("***"));
    assert!(row.locked.unwrap().contains("api_key"));
    assert_eq!(store.endpoint_row(second).unwrap().locked, None);
    let Err(StoreError::Invalid { fields }) = store.endpoint(first) else {
        return assert_eq!(first, 0, "it cannot be tested");
    };
    assert!(fields.to_string().contains("SECRET_KEY"), "{fields}");

    // What an operator has shown and sent back keeps what cannot be read.
    let shown = json!({
        "api_key": "***", "custom_headers": {"x-team": "red", "X-Auth-Token": "***"},
    });
    change(&store, first, &shown);
    drop(store);
    let new = fs::read(key_file(&path)).unwrap();
    fs::write(key_file(&path), &kept).unwrap();
    let store = Store::open(&path).unwrap();
    let endpoint = store.endpoint(first).unwrap();
    assert_eq!(endpoint.api_key, Some(Secret::new(KEY)));
    assert!(
        endpoint
            .custom_headers
            .contains(&("x-team".to_owned(), "red".to_owned()))
    );
    assert_eq!(header(&endpoint.custom_headers), TOKEN);
    drop(store);

    // Or they are entered anew.
    fs::write(key_file(&path), new).unwrap();
    let store = Store::open(&path).unwrap();
    change(
        &store,
        first,
        &json!({"api_key": "sk-anew", "custom_headers": null}),
    );
    let endpoint = store.endpoint(first).unwrap();
    assert_eq!(endpoint.api_key, Some(Secret::new("sk-anew")));
    assert_eq!(
        store.snapshot().unwrap().left_out,
        ["virtual model 1 \"m\""]
    );
}

#[test]
fn a_value_copied_to_another_row_is_refused() {
    let (_folder, path) = ground();
    let (_, second) = filled(&path);
    Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE endpoints SET api_key = (SELECT api_key FROM endpoints WHERE id = 1) \
             WHERE id = 2",
            [],
        )
        .unwrap();
    let store = Store::open(&path).unwrap();
    let locked = store.endpoint_row(second).unwrap().locked.unwrap();
    assert!(locked.contains("copied from another row"), "{locked}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused_and_changes_nothing() {
    let (_folder, path) = ground();
    filled(&path);
    let before = fs::read(key_file(&path)).unwrap();
    fs::set_permissions(key_file(&path), Permissions::from_mode(0o644)).unwrap();
    let Err(error) = Store::open(&path) else {
        return assert!(!path.exists(), "it was opened");
    };
    let said = error.to_string();
    assert!(
        said.contains("proxy.db.key") && said.contains("chmod 600"),
        "{said}"
    );
    let said: Vec<_> = Store::check(&path)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(said[0].contains("chmod 600"), "{said:?}");
    assert_eq!(fs::read(key_file(&path)).unwrap(), before);
}

#[test]
fn a_key_file_that_vanishes_stops_new_secrets_and_nothing_else() {
    let (_folder, path) = ground();
    let (first, _) = filled(&path);
    let store = Store::open(&path).unwrap();
    let kept = fs::read(key_file(&path)).unwrap();
    fs::remove_file(key_file(&path)).unwrap();
    assert_eq!(store.snapshot().unwrap().problems, []);
    change(&store, first, &json!({"priority": 7}));
    let draft = EndpointDraft::for_update(&json!({"api_key": "sk-new"})).unwrap();
    let error = store.update_endpoint(first, &draft).unwrap_err();
    assert!(error.to_string().contains("put it back"), "{error}");
    fs::write(key_file(&path), kept).unwrap();
    fs::set_permissions(key_file(&path), Permissions::from_mode(0o600)).unwrap();
    store.update_endpoint(first, &draft).unwrap();
}

#[test]
fn many_first_starts_agree_on_one_key() {
    let (_folder, path) = ground();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let path = &path;
            scope.spawn(move || {
                let store = Store::open(path).unwrap();
                endpoint(&store, &format!("e{number}"), &json!({"api_key": KEY}));
            });
        }
    });
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!((snapshot.endpoints.len(), snapshot.problems.len()), (6, 0));
}
