//! A change of the key that secrets are encrypted with, by the key file and by the environment.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{EndpointDraft, KeySource, Secret, SecretKey, Store, VirtualModelDraft};
use tempfile::TempDir;

const KEY: &str = "sk-live-PLAIN-provider-key-0123456789";
const TOKEN: &str = "PLAIN-token-of-a-header-0123456789";

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
