//! The program from its command line: arguments, settings, start and stop.

use std::fs;
use std::net::TcpListener;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::process::{Process, run, sql, text};
use crate::scene::{Ground, Scene, answer, client};

#[test]
fn help_and_version_explain_themselves() {
    let folder = TempDir::new().unwrap();
    let help = run(folder.path(), &[], &["--help"]);
    assert!(help.status.success());
    for word in ["--check", "--version", ".env"] {
        assert!(text(&help).contains(word), "{word}");
    }
    let version = run(folder.path(), &[], &["--version"]);
    let expected = concat!("serverless-proxy ", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&version).trim(), expected);
    let unknown = run(folder.path(), &[], &["--nonsense"]);
    assert!(!unknown.status.success());
    assert!(text(&unknown).contains("--nonsense"));
    // None of them has touched anything.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn check_accepts_a_good_configuration_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &[], &["--check"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let ground = Ground::new();
    let endpoint = ground.endpoint_from(&json!({"name": "e", "url": "http://127.0.0.1:1"}));
    ground.model("m", endpoint, &json!({}));
    let output = run(ground.folder.path(), &[], &["--check"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn check_and_start_list_every_bad_setting() {
    let folder = TempDir::new().unwrap();
    let bad = [
        ("API_PORT", "http"),
        ("API_BIND", "everywhere"),
        ("TIMEOUT", "-1"),
        ("CONNECT_TIMEOUT", "soon"),
        ("MAX_BODY_MB", "0.5.5"),
        ("THREADS", "many"),
        ("LOG_FORMAT", "xml"),
        ("AI_QUEUE_PRIORITY", "URGENT"),
    ];
    for arguments in [&["--check"][..], &[]] {
        let output = run(folder.path(), &bad, arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for (name, value) in bad {
            let named = said.lines().any(|line| line.contains(name));
            assert!(named, "{name}={value}: {said}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn check_names_what_is_wrong_in_the_store() {
    let ground = Ground::new();
    let spoil = "PRAGMA foreign_keys = OFF;
                 INSERT INTO endpoints (name, url, endpoint_type) VALUES ('odd one', 'not a url', 'openai');
                 INSERT INTO virtual_models (name, endpoint_id, actual_model) VALUES ('orphan', 4711, 'm');";
    sql(&ground.database(), spoil);
    let output = run(ground.folder.path(), &[], &["--check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in ["odd one", "orphan"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// What the store alone cannot tell is found too: the second CA file looks like one.
#[test]
fn check_lists_settings_and_every_endpoint_that_cannot_be_used() {
    let ground = Ground::new();
    let broken = ground.folder.path().join("broken.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&broken, pem).unwrap();
    let gone = ground.folder.path().join("gone.pem");
    for (name, file) in [("one", &gone), ("two", &broken)] {
        let value = json!({"name": name, "url": "https://127.0.0.1:1", "ca_file": file});
        ground.endpoint_from(&value);
    }
    let env = [("TIMEOUT", "never"), ("RUST_LOG", "==")];
    let output = run(ground.folder.path(), &env, &["--check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in [
        "TIMEOUT",
        "RUST_LOG",
        "\"one\": it cannot be used: its CA file",
        "\"two\": it cannot be used: its CA file",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(said.lines().count(), 4, "each problem once: {said}");
}

#[test]
fn a_taken_port_is_a_clear_refusal() {
    let folder = TempDir::new().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let output = run(folder.path(), &[("API_PORT", &port)], &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in [port.as_str(), "API_PORT", "in use"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test]
async fn both_signals_end_it_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let mut scene = Scene::start().await;
        scene.chat("say=ok", json!({})).await;
        scene.gateway.signal(signal);
        assert_eq!(scene.gateway.ended().await, Some(0), "{signal}");
        assert_eq!(scene.ground.store.count_calls().unwrap(), 1, "{signal}");
    }
}

#[tokio::test]
async fn a_dotenv_file_is_read_and_the_environment_wins_over_it() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join(".env"),
        "API_PORT=none\nLOG_FORMAT=json\nRUST_LOG=info\n",
    )
    .unwrap();
    let gateway = Process::gateway(folder.path(), &[]).await;
    let log = gateway.log();
    let first = log.lines().next().unwrap();
    assert!(
        first.starts_with('{'),
        "LOG_FORMAT of the file was not read: {first}"
    );
}

#[tokio::test]
async fn what_is_stored_is_served_after_a_restart() {
    let mut scene = Scene::start().await;
    assert_eq!(scene.gateway.stop().await, Some(0));
    let again = Process::gateway(scene.ground.folder.path(), &[]).await;
    let list = client().request(Method::GET, format!("{}/v1/models", again.base));
    assert_eq!(
        answer(list).await.json()["data"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn it_listens_where_it_is_told_and_nowhere_else() {
    let folder = TempDir::new().unwrap();
    let gateway = Process::gateway(folder.path(), &[("API_BIND", "127.0.0.2")]).await;
    assert_eq!(gateway.address().ip().to_string(), "127.0.0.2");
    let elsewhere = format!("127.0.0.1:{}", gateway.address().port());
    assert!(tokio::net::TcpStream::connect(elsewhere).await.is_err());
}

/// Killed in the middle of its work, with connections open, it starts again at once on its
/// port; what it has left behind of its door does not stand in the way of an upgrade.
#[tokio::test]
async fn it_starts_again_after_a_kill() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let env = [("API_PORT", &*port)];
    let mut scene = Scene::env(&env).await;
    for calls in 1..4 {
        let mut open = scene.caller().await;
        let body = crate::scene::chat("hang=stream", &json!({"stream": true})).to_string();
        open.ask("/v1/chat/completions", "", &body).await;
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
        scene.gateway.signal("-KILL");
        assert_eq!(scene.gateway.ended().await, None);
        scene.gateway = Process::gateway(scene.ground.folder.path(), &env).await;
        assert!(open.closed().await);
        // The call that was answered is in the store, once.
        let rows = scene.ground.rows(calls).await;
        assert!(
            rows.iter()
                .all(|row| row.outcome.as_deref() == Some("success"))
        );
    }
    let door = format!("gateway-{port}.sock");
    assert!(scene.ground.folder.path().join(&door).exists());
    assert_eq!(scene.gateway.stop().await, Some(0));
    assert!(!scene.ground.folder.path().join(&door).exists());
}
