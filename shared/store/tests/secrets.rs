//! Secrets at rest: encrypted in the file, whatever wrote them, and what happens without
//! their key.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{EndpointDraft, KeySource, Secret, SecretKey, Store, StoreError, VirtualModelDraft};
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

fn given(current: Option<&SecretKey>, previous: Option<&SecretKey>) -> KeySource {
    KeySource {
        current: current.cloned(),
        previous: previous.cloned(),
    }
}

fn some_key(text: &str) -> SecretKey {
    SecretKey::parse(text).unwrap()
}

fn one() -> SecretKey {
    some_key("8f1c02b7d95e6a40f3318cce07ab5d24961be87053dfc4a90e627718bb3d90fa")
}

fn other() -> SecretKey {
    some_key("1f9d3caa70c2e45b8863d0f1be2794ac5d0eb7326f18c4957a02ed61b9384fc5")
}

/// A store with two endpoints and a virtual model that have secrets.
fn filled(path: &Path, source: &KeySource) -> (i64, i64) {
    let store = Store::open_with_keys(path, source).unwrap();
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
    let (first, _) = filled(&path, &KeySource::default());
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
    let (first, second) = filled(&path, &KeySource::default());
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
    let (_, second) = filled(&path, &KeySource::default());
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
    filled(&path, &KeySource::default());
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
fn rotation_reaches_everything_and_a_store_in_use_follows() {
    let (_folder, path) = ground();
    let (first, second) = filled(&path, &KeySource::default());
    let running = Store::open(&path).unwrap();
    let caller = store::InboundKeyDraft::for_create(&json!({"label": "a"})).unwrap();
    let caller = running.create_inbound_key(&caller).unwrap();
    let old_key = fs::read_to_string(key_file(&path)).unwrap();
    let old_sealed = raw(&path, "SELECT api_key FROM endpoints WHERE id = 1");
    let before = running.revision().unwrap();

    let rotation = Store::open(&path).unwrap().rotate_secret_key().unwrap();
    // A key, two columns of headers, and what keys of callers are hashed with.
    assert_eq!((rotation.changed, rotation.locked.len()), (4, 0));
    assert_eq!(rotation.key_file, Some(key_file(&path)));
    let new_key = fs::read_to_string(key_file(&path)).unwrap();
    assert_eq!(new_key.lines().count(), 1);
    assert_ne!(new_key, old_key);
    assert!(
        !holds(&path, &old_sealed),
        "nothing of the former key is left"
    );
    let mode = fs::metadata(key_file(&path)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);

    assert!(running.revision().unwrap() > before);
    let snapshot = running.snapshot().unwrap();
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.endpoints[0].api_key, Some(Secret::new(KEY)));
    let found = snapshot.inbound_keys.find(caller.api_key.expose());
    assert_eq!(found.unwrap().label, "a", "keys of callers survive");
    // What it writes now is readable for who knows the new key alone.
    change(&running, second, &json!({"api_key": "sk-after"}));
    drop(running);
    let store = Store::open(&path).unwrap();
    assert_eq!(
        store.endpoint(second).unwrap().api_key,
        Some(Secret::new("sk-after"))
    );
    assert_eq!(
        store.endpoint(first).unwrap().api_key,
        Some(Secret::new(KEY))
    );
}

/// The steps of a rotation, each the last before the program dies.
#[test]
fn a_rotation_that_was_interrupted_leaves_everything_readable() {
    let (_folder, path) = ground();
    let (first, _) = filled(&path, &KeySource::default());
    let readable = || {
        let store = Store::open(&path).unwrap();
        let endpoint = store.endpoint(first).unwrap();
        assert_eq!(endpoint.api_key, Some(Secret::new(KEY)));
        assert_eq!(store.snapshot().unwrap().problems, []);
    };
    let old = fs::read_to_string(key_file(&path)).unwrap();
    let database = fs::read(&path).unwrap();
    // With the new key in the file and every row under the old one.
    let new = "1f9d3caa70c2e45b8863d0f1be2794ac5d0eb7326f18c4957a02ed61b9384fc5\n";
    fs::write(key_file(&path), format!("{new}{old}")).unwrap();
    readable();
    // With every row under the new one and the old key still in the file.
    assert_ne!(fs::read(&path).unwrap(), database);
    readable();
    // Run again, it ends.
    let store = Store::open(&path).unwrap();
    store.rotate_secret_key().unwrap();
    drop(store);
    assert_eq!(
        fs::read_to_string(key_file(&path)).unwrap().lines().count(),
        1
    );
    readable();
}

#[test]
fn rotation_while_others_write_loses_nothing() {
    let (_folder, path) = ground();
    let (first, second) = filled(&path, &KeySource::default());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let store = Store::open(&path).unwrap();
            for round in 0..40 {
                change(
                    &store,
                    second,
                    &json!({"api_key": format!("sk-round-{round}")}),
                );
                let read = store.endpoint(second).unwrap().api_key.unwrap();
                assert_eq!(read.expose(), format!("sk-round-{round}"));
            }
        });
        let reader = scope.spawn(|| {
            let store = Store::open(&path).unwrap();
            for _ in 0..200 {
                assert_eq!(store.snapshot().unwrap().problems, []);
            }
        });
        let store = Store::open(&path).unwrap();
        for _ in 0..10 {
            assert_eq!(
                store.rotate_secret_key().unwrap().locked,
                Vec::<String>::new()
            );
        }
        writer.join().unwrap();
        reader.join().unwrap();
    });
    let store = Store::open(&path).unwrap();
    assert_eq!(
        store.endpoint(first).unwrap().api_key,
        Some(Secret::new(KEY))
    );
    let last = store.endpoint(second).unwrap().api_key.unwrap();
    assert_eq!(last.expose(), "sk-round-39");
}

#[test]
fn the_environment_gives_and_replaces_the_key() {
    let (_folder, path) = ground();
    let (first, _) = filled(&path, &given(Some(&one()), None));
    assert!(!key_file(&path).exists(), "no key file is needed");
    // Another key alone opens nothing.
    let wrong = Store::open_with_keys(&path, &given(Some(&other()), None)).unwrap();
    assert_eq!(wrong.snapshot().unwrap().left_out.len(), 2);
    assert_eq!(wrong.rotate_secret_key().unwrap().locked.len(), 4);
    drop(wrong);
    let both = given(Some(&other()), Some(&one()));
    let store = Store::open_with_keys(&path, &both).unwrap();
    assert_eq!(
        store.endpoint(first).unwrap().api_key,
        Some(Secret::new(KEY))
    );
    let rotation = store.rotate_secret_key().unwrap();
    assert_eq!(
        (rotation.changed, rotation.key_file),
        (0, None),
        "done at the start"
    );
    drop(store);
    let new = Store::open_with_keys(&path, &given(Some(&other()), None)).unwrap();
    assert_eq!(new.snapshot().unwrap().left_out, Vec::<String>::new());
    drop(new);
    // Back to a key file.
    let back = Store::open_with_keys(&path, &given(None, Some(&other()))).unwrap();
    assert_eq!(back.snapshot().unwrap().left_out, Vec::<String>::new());
    drop(back);
    let file = Store::open(&path).unwrap();
    assert_eq!(
        file.endpoint(first).unwrap().api_key,
        Some(Secret::new(KEY))
    );
    drop(file);
    // And from the key file to the environment: it is still read.
    let env = Store::open_with_keys(&path, &given(Some(&one()), None)).unwrap();
    assert_eq!(env.endpoint(first).unwrap().api_key, Some(Secret::new(KEY)));
    drop(env);
    fs::remove_file(key_file(&path)).unwrap();
    let env = Store::open_with_keys(&path, &given(Some(&one()), None)).unwrap();
    assert_eq!(env.endpoint(first).unwrap().api_key, Some(Secret::new(KEY)));
}

#[test]
fn a_key_file_that_vanishes_stops_new_secrets_and_nothing_else() {
    let (_folder, path) = ground();
    let (first, _) = filled(&path, &KeySource::default());
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
