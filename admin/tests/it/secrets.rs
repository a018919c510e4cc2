//! Secrets that cannot be decrypted, as the admin app shows and mends them.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use store::Store;
use tempfile::TempDir;

use crate::harness::{App, run, text};

const LIST: &str = "/api/admin/endpoints";

/// A store whose key has been lost since an endpoint's key was put in.
fn lost() -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data").join("proxy.db");
    let store = Store::open(&path).unwrap();
    let value = json!({
        "name": "shut", "url": "http://127.0.0.1:9", "api_key": "sk-abcdefgh1234",
        "custom_headers": { "x-team": "blue", "x-api-token": "hush-hush-7777" },
    });
    let draft = store::EndpointDraft::for_create(&value).unwrap();
    store.create_endpoint(&draft).unwrap();
    fs::remove_file(key_file(&folder)).unwrap();
    folder
}

fn key_file(folder: &TempDir) -> PathBuf {
    folder.path().join("data").join("proxy.db.key")
}

#[tokio::test]
async fn an_endpoint_whose_key_is_lost_is_shown_and_takes_a_new_one() {
    let app = App::start_in(lost(), &[]);
    let row = app.row(LIST, 1).await;
    let why = row["locked"].as_str().unwrap();
    for word in ["api_key", "x-api-token", "SECRET_KEY", "anew"] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert_eq!(row["api_key"], "***");
    let headers = row["custom_headers"].as_str().unwrap();
    assert!(
        headers.contains("blue") && !headers.contains("enc:v1"),
        "{headers}"
    );
    let (status, body) = app.post("/endpoints/1/test", &json!({})).await;
    assert_eq!(status, 400, "{body}");
    assert!(
        body["error"].as_str().unwrap().contains("SECRET_KEY"),
        "{body}"
    );
    // A form that sends back what it was shown changes nothing of it.
    assert_eq!(app.put("/endpoints/1", &row).await.0, 200);
    assert_eq!(app.row(LIST, 1).await["locked"], row["locked"]);
    let anew = json!({ "api_key": "sk-new-key-5678", "custom_headers": { "x-team": "blue" } });
    assert_eq!(app.put("/endpoints/1", &anew).await.0, 200);
    let row = app.row(LIST, 1).await;
    assert_eq!(
        (&row["locked"], &row["api_key"]),
        (&json!(null), &json!("***5678"))
    );
}

#[test]
fn a_weak_secret_key_and_an_open_key_file_are_refused_at_the_start() {
    let folder = lost();
    let output = run(folder.path(), &[("SECRET_KEY", "hunter2")], &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("SECRET_KEY") && said.contains("openssl rand"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    assert!(!key_file(&folder).exists());

    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.path().join("data").join("proxy.db");
    drop(Store::open(&path).unwrap());
    fs::set_permissions(key_file(&folder), fs::Permissions::from_mode(0o640)).unwrap();
    let output = run(folder.path(), &[], &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("chmod 600") && said.contains("proxy.db.key"),
        "{said}"
    );
}
