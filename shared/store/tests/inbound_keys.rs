//! Keys of callers: made once, found by what they are, changed, and named where they cannot
//! be checked.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{
    EndpointDraft, InboundKeyDraft, KeyUse, NewInboundKey, Store, StoreError, VirtualModelDraft,
};
use tempfile::TempDir;

const ORIGINAL: &str = include_str!("originals/vl.sql");
/// What the original's row in that file is the hash of.
const ORIGINAL_KEY: &str = "spk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn ground() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    (folder, path)
}

fn make(store: &Store, value: &Value) -> NewInboundKey {
    let draft = InboundKeyDraft::for_create(value).unwrap();
    store.create_inbound_key(&draft).unwrap()
}

fn change(store: &Store, id: i64, value: &Value) -> Result<(), StoreError> {
    let draft = InboundKeyDraft::for_update(value).unwrap();
    store.update_inbound_key(id, &draft)
}

fn model(store: &Store, name: &str) -> i64 {
    let endpoint = json!({"name": format!("e-{name}"), "url": "http://127.0.0.1:1"});
    let endpoint = EndpointDraft::for_create(&endpoint).unwrap();
    let endpoint = store.create_endpoint(&endpoint).unwrap();
    let value = json!({"name": name, "endpoint_id": endpoint, "actual_model": "a"});
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    store.create_virtual_model(&draft).unwrap()
}

fn find(store: &Store, key: &str) -> Option<String> {
    let snapshot = store.snapshot().unwrap();
    snapshot.inbound_keys.find(key).map(|key| key.label.clone())
}

fn hash(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    let query = "SELECT key_hash FROM inbound_api_keys";
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_key_is_shown_once_and_found_by_all_of_it_alone() {
    let (_folder, path) = ground();
    let store = Store::open(&path).unwrap();
    let new = make(&store, &json!({"label": "laptop", "notes": "mine"}));
    let key = new.api_key.expose().to_owned();
    assert!(key.starts_with("spk_") && key.starts_with(&new.key_prefix));
    assert_eq!(find(&store, &key).as_deref(), Some("laptop"));
    let longer = format!("{key}x");
    for wrong in [
        "",
        "spk_",
        &key[..key.len() - 1],
        &longer,
        &key[4..],
        &"x".repeat(5000),
    ] {
        assert_eq!(find(&store, wrong), None, "{wrong}");
    }
    let rows = store.inbound_keys().unwrap();
    assert_eq!((rows[0].id, rows[0].label.as_str()), (new.id, "laptop"));
    assert_eq!(
        (rows[0].key_prefix.len(), rows[0].notes.as_str()),
        (12, "mine")
    );
    let shown = serde_json::to_string(&rows).unwrap();
    assert!(!shown.contains(&key) && !shown.contains("hmac"), "{shown}");
    let wal = fs::read(format!("{}-wal", path.display())).unwrap();
    let file = [fs::read(&path).unwrap(), wal].concat();
    assert!(!file.windows(key.len()).any(|part| part == key.as_bytes()));
    assert!(hash(&path).starts_with("hmac:1:"));
}

#[test]
fn labels_ids_and_models_are_checked() {
    let (_folder, path) = ground();
    let store = Store::open(&path).unwrap();
    let a = make(&store, &json!({"label": "a"}));
    make(&store, &json!({"label": "b"}));
    let again = InboundKeyDraft::for_create(&json!({"label": "a"})).unwrap();
    let error = store.create_inbound_key(&again).unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
    let error = change(&store, a.id, &json!({"label": "b"})).unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
    change(&store, a.id, &json!({"label": "a"})).unwrap();
    let error = change(&store, 77, &json!({"enabled": false})).unwrap_err();
    assert!(
        matches!(error, StoreError::Missing { id: 77, .. }),
        "{error}"
    );
    assert!(store.delete_inbound_key(77).is_err());
    let error = change(&store, a.id, &json!({"allowed_models": ["nobody"]})).unwrap_err();
    assert!(error.to_string().contains("allowed_models"), "{error}");
    store.delete_inbound_key(a.id).unwrap();
    assert_eq!(find(&store, a.api_key.expose()), None);
}

#[test]
fn what_changes_a_key_moves_the_revision_and_its_use_does_not() {
    let (_folder, path) = ground();
    let store = Store::open(&path).unwrap();
    let mut last = store.revision().unwrap();
    let mut moved = |store: &Store| {
        let now = store.revision().unwrap();
        let moved = now > last;
        last = now;
        moved
    };
    let key = make(&store, &json!({"label": "a"}));
    assert!(moved(&store));
    for value in [
        json!({"enabled": false}),
        json!({"expires_at": 4_000_000_000_i64}),
        json!({"label": "b"}),
    ] {
        change(&store, key.id, &value).unwrap();
        assert!(moved(&store), "{value}");
    }
    let used = |at| KeyUse {
        id: key.id,
        at,
        address: Some("203.0.113.5".to_owned()),
        user_agent: None,
    };
    let gone = KeyUse { id: 99, ..used(1) };
    store.record_key_uses(&[used(1_000), gone]).unwrap();
    store.record_key_uses(&[used(900)]).unwrap();
    store.record_key_uses(&[]).unwrap();
    assert!(!moved(&store));
    let row = store.inbound_keys().unwrap().remove(0);
    assert_eq!(row.last_used_at, Some(1_000));
    assert_eq!(row.last_used_ip.as_deref(), Some("203.0.113.5"));
    store.delete_inbound_key(key.id).unwrap();
    assert!(moved(&store));
}

#[test]
fn allowed_models_follow_their_names() {
    let (_folder, path) = ground();
    let store = Store::open(&path).unwrap();
    let (one, two) = (model(&store, "one"), model(&store, "two"));
    let key = make(
        &store,
        &json!({"label": "a", "allowed_models": ["one", "two"]}),
    );
    let allowed = || {
        store.inbound_keys().unwrap()[0]
            .allowed_models
            .clone()
            .unwrap()
    };
    let rename = VirtualModelDraft::for_update(&json!({"name": "uno"})).unwrap();
    store.update_virtual_model(one, &rename).unwrap();
    assert_eq!(allowed(), ["two", "uno"]);
    store.delete_virtual_model(two).unwrap();
    assert_eq!(allowed(), ["uno"]);
    let endpoint = store.virtual_model(one).unwrap().endpoint_id;
    store.delete_endpoint(endpoint, true).unwrap();
    assert_eq!(allowed(), Vec::<String>::new());
    let snapshot = store.snapshot().unwrap();
    let found = snapshot.inbound_keys.find(key.api_key.expose()).unwrap();
    assert!(
        !found.allows("uno") && !found.allows("anything"),
        "nothing, not all"
    );
}

#[test]
fn keys_of_the_original_go_on_under_a_keyed_hash() {
    let (_folder, path) = ground();
    Connection::open(&path)
        .unwrap()
        .execute_batch(ORIGINAL)
        .unwrap();
    let before = hash(&path);
    assert!(
        !Store::check(&path)
            .iter()
            .any(|problem| problem.to_string().contains("inbound key"))
    );
    let store = Store::open(&path).unwrap();
    assert_eq!(find(&store, ORIGINAL_KEY).as_deref(), Some("a"));
    assert!(!hash(&path).contains(&before) && hash(&path).starts_with("hmac:"));
    let rows = store.inbound_keys().unwrap();
    assert_eq!(
        (rows[0].expires_at, rows[0].allowed_models.as_ref()),
        (None, None)
    );
    assert_eq!(rows[0].unusable, None);
    // One that another program writes meanwhile counts at once.
    Connection::open(&path)
        .unwrap()
        .execute("UPDATE inbound_api_keys SET key_hash = ?", [before])
        .unwrap();
    assert_eq!(find(&store, ORIGINAL_KEY).as_deref(), Some("a"));
}

#[test]
fn a_row_that_makes_no_sense_is_named_and_opens_nothing() {
    let (_folder, path) = ground();
    let store = Store::open(&path).unwrap();
    let good = make(&store, &json!({"label": "good"}));
    let bad = make(&store, &json!({"label": "bad"}));
    Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE inbound_api_keys SET allowed_models = 'all' WHERE label = 'bad'",
            [],
        )
        .unwrap();
    assert_eq!(find(&store, bad.api_key.expose()), None);
    assert_eq!(find(&store, good.api_key.expose()).as_deref(), Some("good"));
    let snapshot = store.snapshot().unwrap();
    let said = snapshot.problems[0].to_string();
    assert!(
        said.contains("\"bad\"") && said.contains("allowed_models"),
        "{said}"
    );
    assert_eq!(snapshot.left_out, Vec::<String>::new());
    let rows = store.inbound_keys().unwrap();
    assert!(
        rows[0]
            .unusable
            .as_ref()
            .unwrap()
            .contains("allowed_models")
    );
}

#[test]
fn without_the_secret_key_keys_are_named_and_new_ones_can_be_made() {
    let (_folder, path) = ground();
    let key_file = format!("{}.key", path.display());
    let store = Store::open(&path).unwrap();
    let old = make(&store, &json!({"label": "old"}));
    drop(store);
    let kept = fs::read(&key_file).unwrap();
    fs::remove_file(&key_file).unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(find(&store, old.api_key.expose()), None);
    let said = store.snapshot().unwrap().problems[0].to_string();
    assert!(
        said.contains("\"old\"") && said.contains("SECRET_KEY"),
        "{said}"
    );
    let new = make(&store, &json!({"label": "new"}));
    assert_eq!(find(&store, new.api_key.expose()).as_deref(), Some("new"));
    drop(store);
    // With the former key in the file's second line all of them work.
    let both = [fs::read(&key_file).unwrap(), kept].concat();
    fs::write(&key_file, both).unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(find(&store, old.api_key.expose()).as_deref(), Some("old"));
    assert_eq!(find(&store, new.api_key.expose()).as_deref(), Some("new"));
}
