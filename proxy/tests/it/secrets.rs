//! Secrets at rest, with both programs at the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use store::Store;

use crate::process::{
    LOOK, PATIENCE, Process, command, gateway_binary, run, sibling_binary, sql, text,
};
use crate::scene::{Ground, KEY, MODEL, Scene, answer, chat, client, provider};

fn key_file(folder: &Path) -> PathBuf {
    folder.join("proxy.db.key")
}

/// Whether any file of the database has `text`.
fn holds(database: &Path, text: &str) -> bool {
    ["", "-wal", "-journal"].iter().any(|suffix| {
        let file = format!("{}{suffix}", database.display());
        let bytes = fs::read(file).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

fn admin(folder: &Path) -> Process {
    let admin = command(&sibling_binary("serverless-proxy-admin"), folder, &[]);
    Process::start(admin, "admin listening on ", folder.join("admin.log"))
}

#[tokio::test]
async fn a_plain_key_of_an_older_store_is_gone_from_the_file_and_still_used() {
    let sim = provider(sim::Flavor::OpenAi).await;
    let ground = Ground::new();
    let endpoint = ground.endpoint(&sim, &json!({"api_key": null}));
    ground.model(MODEL, endpoint, &json!({}));
    let Ground { folder, store } = ground;
    let database = store.path().to_path_buf();
    drop(store);
    sql(
        &database,
        &format!("UPDATE endpoints SET api_key = '{KEY}'"),
    );
    assert!(holds(&database, KEY));
    let gateway = Process::gateway(folder.path(), &[]).await;
    let request = client().post(format!("{}/v1/chat/completions", gateway.base));
    let answered = answer(request.json(&chat("say=ok", &json!({})))).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(!holds(&database, KEY), "while it runs");
    let log = gateway.log();
    assert!(log.contains("encrypted secrets of the store"), "{log}");
    assert!(!log.contains(KEY), "{log}");
    drop(gateway);
    assert!(!holds(&database, KEY), "after it");
}

#[tokio::test]
async fn a_lost_key_names_the_endpoints_and_the_rest_is_served() {
    let ground = Ground::new();
    let sim = provider(sim::Flavor::OpenAi).await;
    let shut = ground.endpoint(&sim, &json!({"name": "shut"}));
    ground.model("closed", shut, &json!({}));
    let free = sim::Sim::start(sim::Options::default()).await.unwrap();
    let free_id = ground.endpoint_from(&json!({"name": "free", "url": free.base_url()}));
    ground.model(MODEL, free_id, &json!({}));
    fs::remove_file(key_file(ground.folder.path())).unwrap();

    let checked = run(ground.folder.path(), &[], &["--check"]);
    let said = text(&checked);
    assert!(
        said.contains("\"shut\"") && said.contains("SECRET_KEY"),
        "{said}"
    );
    assert!(
        !key_file(ground.folder.path()).exists(),
        "a check makes nothing"
    );

    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    let post = |model: &str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        client()
            .post(format!("{}/v1/chat/completions", gateway.base))
            .json(&body)
    };
    assert_eq!(answer(post(MODEL)).await.status, 200);
    assert_ne!(answer(post("closed")).await.status, 200);
    let log = gateway.logged("cannot be decrypted").await;
    assert!(log.contains("shut"), "{log}");
    let health = client().get(format!("{}/health", gateway.base));
    assert_eq!(answer(health).await.json()["status"], "degraded");

    // The operator enters the key anew, and it works.
    let admin = admin(ground.folder.path());
    let put = client().put(format!("{}/endpoints/{shut}", admin.base));
    let done = answer(put.json(&json!({"api_key": KEY}))).await;
    assert_eq!(done.status, 200, "{done:?}");
    gateway.logged("new configuration in use").await;
    assert_eq!(answer(post("closed")).await.status, 200);
}

#[tokio::test]
async fn the_key_is_changed_while_both_programs_are_in_use() {
    let scene = Scene::start().await;
    let folder = scene.ground.folder.path();
    let admin = admin(folder);
    let before = fs::read_to_string(key_file(folder)).unwrap();
    let mut caller = scene.caller().await;
    let held = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    caller.ask("/v1/chat/completions", "", &held).await;
    scene.sim.wait_for_requests(1).await.unwrap();

    let output = run(folder, &[], &["--rotate-secret-key"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("proxy.db.key"), "{}", text(&output));
    let after = fs::read_to_string(key_file(folder)).unwrap();
    assert_ne!(before, after);
    assert_eq!(after.lines().count(), 1);

    // Written by the admin app that was started before, read by the gateway that was too.
    let put = scene
        .client
        .put(format!("{}/endpoints/{}", admin.base, scene.endpoint));
    let done = answer(put.json(&json!({"api_key": KEY, "name": "renamed"}))).await;
    assert_eq!(done.status, 200, "{done:?}");
    let since = Instant::now();
    loop {
        let list = answer(scene.request(Method::GET, "/v1/models")).await;
        if list.json()["data"][0]["owned_by"] == "renamed" {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{}", scene.gateway.log());
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    scene.sim.open_gate();
    assert!(
        caller.response().await.complete,
        "a call in flight is not touched"
    );
    assert!(!scene.gateway.log().contains("cannot be decrypted"));
    let store = Store::open(&scene.ground.database()).unwrap();
    assert_eq!(store.snapshot().unwrap().problems, []);
}

/// Killed right after its first step, again and again.
#[tokio::test]
async fn a_rotation_that_is_killed_leaves_everything_readable() {
    let scene = Scene::start().await;
    let folder = scene.ground.folder.path();
    for _ in 0..6 {
        let before = fs::read(key_file(folder)).unwrap();
        let mut rotation = command(gateway_binary(), folder, &[])
            .arg("--rotate-secret-key")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let since = Instant::now();
        while fs::read(key_file(folder)).unwrap() == before {
            assert!(since.elapsed() < PATIENCE, "the key file does not change");
        }
        rotation.kill().unwrap();
        rotation.wait().unwrap();
        let store = Store::open(&scene.ground.database()).unwrap();
        assert_eq!(store.snapshot().unwrap().problems, []);
        let endpoint = store.endpoint(scene.endpoint).unwrap();
        assert_eq!(endpoint.api_key.unwrap().expose(), KEY);
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    }
    let output = run(folder, &[], &["--rotate-secret-key"]);
    assert!(output.status.success(), "{}", text(&output));
    let keys = fs::read_to_string(key_file(folder)).unwrap();
    assert_eq!(keys.lines().count(), 1, "the former keys are gone");
    assert!(!scene.gateway.log().contains("cannot be decrypted"));
}

#[tokio::test]
async fn a_key_from_the_environment_is_replaced_by_the_next() {
    let (one, two) = (
        "8f1c02b7d95e6a40f3318cce07ab5d24961be87053dfc4a90e627718bb3d90fa",
        "1f9d3caa70c2e45b8863d0f1be2794ac5d0eb7326f18c4957a02ed61b9384fc5",
    );
    let scene = Scene::env(&[("SECRET_KEY", one)]).await;
    let folder = scene.ground.folder.path();
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    let both = [("SECRET_KEY", two), ("SECRET_KEY_PREVIOUS", one)];
    let output = run(folder, &both, &["--rotate-secret-key"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("restart"), "{}", text(&output));
    // Who runs with the former key keeps what it has, and says what is wrong.
    let log = scene
        .gateway
        .logged("is not used, the one before stays")
        .await;
    assert!(log.contains("SECRET_KEY"), "{log}");
    assert!(!log.contains(one) && !log.contains(two), "{log}");
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    fs::remove_file(key_file(folder)).unwrap();
    let next = Process::gateway(folder, &[("SECRET_KEY", two)]).await;
    let request = scene
        .client
        .post(format!("{}/v1/chat/completions", next.base));
    let answered = answer(request.json(&chat("say=ok", &json!({})))).await;
    assert_eq!(answered.status, 200, "{answered:?}");
}

#[tokio::test]
async fn both_programs_started_at_once_make_one_key() {
    let folder = tempfile::TempDir::new().unwrap();
    let at = folder.path().to_path_buf();
    let starting = std::thread::spawn(move || admin(&at));
    let gateway = Process::gateway(folder.path(), &[]).await;
    let admin = starting.join().unwrap();
    let body = json!({"name": "e", "url": "http://127.0.0.1:1", "api_key": KEY});
    let request = client().request(Method::POST, format!("{}/endpoints", admin.base));
    assert_eq!(answer(request.json(&body)).await.status, 200);
    gateway.logged("new configuration in use").await;
    let health: Value = answer(client().get(format!("{}/health", gateway.base)))
        .await
        .json();
    assert_eq!(health["status"], "ok", "{health}");
}
