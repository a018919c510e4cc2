//! Keys of callers, on a gateway that asks for them.

use std::time::Instant;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use store::{InboundKeyDraft, InboundKeyRow, NewInboundKey};

use crate::process::{LOOK, PATIENCE, Process, sql};
use crate::scene::{Answer, KEY, MODEL, Props, Scene, answer, chat, client};

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// What a test's own address is trusted as: not at all.
pub(crate) const FACING: &[(&str, &str)] = &[
    ("DEPLOYMENT_MODE", "internet_facing"),
    ("TRUSTED_INTERNAL_CIDRS", "127.0.0.2"),
    ("TRUSTED_PROXY_CIDRS", "127.0.0.3"),
];

pub(crate) async fn facing() -> Scene {
    Scene::env(FACING).await
}

pub(crate) fn key(scene: &Scene, fields: &Value) -> NewInboundKey {
    let draft = InboundKeyDraft::for_create(fields).unwrap();
    scene.ground.store.create_inbound_key(&draft).unwrap()
}

pub(crate) fn change(scene: &Scene, id: i64, fields: &Value) {
    let draft = InboundKeyDraft::for_update(fields).unwrap();
    scene.ground.store.update_inbound_key(id, &draft).unwrap();
}

pub(crate) fn call(client: &Client, base: &str) -> RequestBuilder {
    client
        .post(format!("{base}{CHAT}"))
        .json(&chat("say=ok", &json!({})))
}

pub(crate) async fn with_key(scene: &Scene, key: &str) -> Answer {
    answer(call(&scene.client, &scene.gateway.base).bearer_auth(key)).await
}

/// Waits until a call with `key` is answered with `status`.
pub(crate) async fn answers(scene: &Scene, key: &str, status: u16) -> Answer {
    let since = Instant::now();
    loop {
        let got = with_key(scene, key).await;
        if got.status == status {
            return got;
        }
        assert!(since.elapsed() < PATIENCE, "{got:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for a row of the key `id` that satisfies `is_there`.
async fn row(scene: &Scene, id: i64, is_there: impl Fn(&InboundKeyRow) -> bool) -> InboundKeyRow {
    let since = Instant::now();
    loop {
        let rows = scene.ground.store.inbound_keys().unwrap();
        let row = rows.into_iter().find(|row| row.id == id).unwrap();
        if is_there(&row) {
            return row;
        }
        assert!(since.elapsed() < PATIENCE, "{row:?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn a_gateway_that_faces_the_internet_asks_strangers_for_a_key() {
    let scene = facing().await;
    let good = key(&scene, &json!({"label": "good"}));
    let good = good.api_key.expose();
    answers(&scene, good, 200).await;
    let without = scene.chat("say=ok", json!({})).await;
    assert_eq!(without.status, 401, "{without:?}");
    assert_eq!(without.header("www-authenticate"), "Bearer");
    assert_eq!(without.header("access-control-allow-origin"), "*");
    let error = without.error();
    assert_eq!(error["code"], "missing_api_key");
    assert_eq!(error["type"], "invalid_request_error");
    for wrong in [
        "spk_wrong",
        KEY,
        &good[..good.len() - 1],
        &format!("{good}A"),
        &good.to_ascii_uppercase(),
    ] {
        let refused = with_key(&scene, wrong).await;
        assert_eq!(refused.status, 401, "{wrong}: {refused:?}");
        assert_eq!(refused.error()["code"], "invalid_api_key");
        assert!(!refused.body.contains(wrong), "{refused:?}");
    }
    // The upstream has seen only the call with a key, and not that key.
    let requests = scene.sim.requests();
    assert_eq!(requests.len(), 1);
    assert!(!format!("{requests:?}").contains(good));
    let log = scene.gateway.log();
    assert!(!log.contains(good), "{log}");
    // A name that nobody has is still told to who may know.
    let unknown = scene
        .request(Method::POST, CHAT)
        .bearer_auth(good)
        .json(&chat("say=ok", &json!({"model": "nobody"})));
    assert_eq!(answer(unknown).await.status, 404);
}

#[tokio::test]
async fn a_key_is_taken_in_each_of_three_headers() {
    let scene = facing().await;
    let good = key(&scene, &json!({"label": "good"}));
    let good = good.api_key.expose();
    answers(&scene, good, 200).await;
    for headers in [
        vec![("authorization", format!("Bearer {good}"))],
        vec![("authorization", format!("bearer  {good}"))],
        vec![("x-api-key", good.to_owned())],
        vec![("api-key", good.to_owned())],
        vec![
            ("authorization", "Bearer dummy".to_owned()),
            ("x-api-key", good.to_owned()),
        ],
        vec![
            ("authorization", "Basic abc".to_owned()),
            ("api-key", good.to_owned()),
        ],
    ] {
        let mut request = call(&scene.client, &scene.gateway.base);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let told = answer(request).await;
        assert_eq!(told.status, 200, "{:?}: {told:?}", headers[0].0);
    }
    for headers in [
        ("authorization", good.to_owned()),
        ("authorization", format!("Basic {good}")),
        ("x-key", good.to_owned()),
        ("cookie", good.to_owned()),
    ] {
        let request = call(&scene.client, &scene.gateway.base).header(headers.0, &headers.1);
        assert_eq!(answer(request).await.status, 401, "{headers:?}");
    }
    assert!(!format!("{:?}", scene.sim.requests()).contains(good));
}

#[tokio::test]
async fn expired_and_disabled_keys_are_told_why() {
    let scene = facing().await;
    let soon = key(&scene, &json!({"label": "old", "expires_at": 1_000_000}));
    let told = answers(&scene, soon.api_key.expose(), 401).await;
    let since = Instant::now();
    let mut code = told.error()["code"].clone();
    while code == "invalid_api_key" {
        assert!(since.elapsed() < PATIENCE);
        code = with_key(&scene, soon.api_key.expose()).await.error()["code"].clone();
    }
    assert_eq!(code, "expired_api_key");
    change(&scene, soon.id, &json!({"expires_at": 4_000_000_000_i64}));
    answers(&scene, soon.api_key.expose(), 200).await;
    change(&scene, soon.id, &json!({"enabled": false}));
    let told = answers(&scene, soon.api_key.expose(), 401).await;
    assert_eq!(told.error()["code"], "disabled_api_key");
}

#[tokio::test]
async fn a_key_that_is_deleted_ends_no_stream_and_begins_none() {
    let scene = facing().await;
    let doomed = key(&scene, &json!({"label": "doomed"}));
    let text = doomed.api_key.expose();
    answers(&scene, text, 200).await;
    let mut caller = scene.caller().await;
    let bearer = format!("authorization: Bearer {text}\r\n");
    let body = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    caller.ask(CHAT, &bearer, &body).await;
    scene.sim.wait_for_requests(2).await.unwrap();
    scene.ground.store.delete_inbound_key(doomed.id).unwrap();
    answers(&scene, text, 401).await;
    scene.sim.open_gate();
    let response = caller.response().await;
    assert_eq!((response.status, response.complete), (200, true));
    assert!(
        response.text().ends_with("data: [DONE]\n\n"),
        "{response:?}"
    );
    // The next call on the same connection is judged anew.
    caller.ask(CHAT, &bearer, &body).await;
    assert_eq!(caller.response().await.status, 401);
}

#[tokio::test]
async fn a_key_calls_and_lists_what_it_is_allowed() {
    let scene = facing().await;
    scene.ground.model("other", scene.endpoint, &json!({}));
    scene.ground.settings(&json!({"default_model": "other"}));
    let narrow = key(
        &scene,
        &json!({"label": "narrow", "allowed_models": [MODEL]}),
    );
    let wide = key(&scene, &json!({"label": "wide"}));
    let (narrow, wide) = (narrow.api_key.expose(), wide.api_key.expose());
    answers(&scene, narrow, 200).await;
    answers(&scene, wide, 200).await;
    let ask = |key: &str, model: &str| {
        let body = chat("say=ok", &json!({"model": model}));
        scene
            .request(Method::POST, CHAT)
            .bearer_auth(key)
            .json(&body)
    };
    for model in ["other", "default"] {
        assert_eq!(answer(ask(wide, model)).await.status, 200, "{model}");
        let refused = answer(ask(narrow, model)).await;
        assert_eq!(refused.status, 403, "{model}: {refused:?}");
        assert_eq!(refused.error()["code"], "model_not_allowed");
        assert_eq!(refused.error()["type"], "invalid_request_error");
    }
    let list = async |key: &str| {
        let list = answer(scene.request(Method::GET, "/v1/models").bearer_auth(key)).await;
        let data = list.json()["data"].as_array().unwrap().clone();
        data.iter()
            .map(|entry| entry["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(narrow).await, [MODEL]);
    assert_eq!(list(wide).await, ["other", MODEL, "default"]);
    for (path, status) in [
        ("/v1/models/other", 403),
        ("/v1/models/nobody", 404),
        ("/v1/models/virtual%2Fone:latest", 200),
    ] {
        let one = scene.request(Method::GET, path).bearer_auth(narrow);
        assert_eq!(answer(one).await.status, status, "{path}");
    }
    // The row says which model was refused.
    let since = Instant::now();
    loop {
        let mut rows = scene.ground.store.recent_calls(1000).unwrap();
        rows.retain(|row| row.status == Some(403));
        if rows.len() == 2 {
            assert!(
                rows.iter().all(|row| row.virtual_model == "other"),
                "{rows:#?}"
            );
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{rows:#?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted_and_changes_no_configuration() {
    let scene = Scene::env(&[("TRUSTED_PROXY_CIDRS", "127.0.0.1")]).await;
    let used = key(&scene, &json!({"label": "used"}));
    let unused = key(&scene, &json!({"label": "unused"}));
    let since = Instant::now();
    loop {
        let request = call(&scene.client, &scene.gateway.base)
            .bearer_auth(used.api_key.expose())
            .header("user-agent", "tests/1")
            .header("x-forwarded-for", "203.0.113.7");
        assert_eq!(answer(request).await.status, 200);
        let rows = scene.ground.store.inbound_keys().unwrap();
        if rows.iter().any(|row| row.last_used_at.is_some()) {
            break;
        }
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(LOOK).await;
    }
    let noted = row(&scene, used.id, |row| row.last_used_at.is_some()).await;
    assert_eq!(noted.last_used_ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(noted.last_used_user_agent.as_deref(), Some("tests/1"));
    let unused = row(&scene, unused.id, |_| true).await;
    assert_eq!(unused.last_used_at, None);
    let revision = scene.ground.store.revision().unwrap();
    let list = scene
        .request(Method::GET, "/v1/models")
        .bearer_auth(used.api_key.expose());
    assert_eq!(answer(list).await.status, 200);
    assert_eq!(scene.ground.store.revision().unwrap(), revision);
    let log = scene.gateway.logged("key=\"used\"").await;
    assert!(log.contains("address=203.0.113.7"), "{log}");
}

/// What was noted last is written when the program ends.
#[tokio::test]
async fn the_last_use_survives_the_end_of_the_program() {
    let mut scene = facing().await;
    let used = key(&scene, &json!({"label": "used"}));
    answers(&scene, used.api_key.expose(), 200).await;
    assert_eq!(scene.gateway.stop().await, Some(0));
    let row = row(&scene, used.id, |_| true).await;
    assert!(row.last_used_at.is_some(), "{row:?}");
    assert_eq!(row.last_used_ip.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn keys_of_the_original_go_on() {
    let ground = crate::scene::Ground::new();
    let sim = crate::scene::provider(sim::Flavor::OpenAi).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    // printf %s spk_AAEC... | sha256sum
    let old = "spk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let insert = "INSERT INTO inbound_api_keys (label, key_prefix, key_hash) VALUES \
                  ('old', 'spk_AAECAwQF', \
                  '8a0e1c761f2a1866904b9d2138c056df277f0c76d7fe1b15f57b992f2dd5ae43')";
    sql(&ground.database(), insert);
    let gateway = Process::gateway(ground.folder.path(), FACING).await;
    let request = call(&client(), &gateway.base).header("x-api-key", old);
    assert_eq!(answer(request).await.status, 200);
    assert_eq!(answer(call(&client(), &gateway.base)).await.status, 401);
}

#[tokio::test]
async fn the_official_client_with_a_key() {
    let scene = Scene::with(Props {
        env: FACING,
        ..Props::default()
    })
    .await;
    let good = key(
        &scene,
        &json!({"label": "python", "allowed_models": [MODEL]}),
    );
    scene.ground.model("other", scene.endpoint, &json!({}));
    answers(&scene, good.api_key.expose(), 200).await;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run");
    let output = tokio::process::Command::new(script)
        .args(["python", "keyed.py"])
        .env("GATEWAY_URL", &scene.gateway.base)
        .env("GATEWAY_KEY", good.api_key.expose())
        .env("CHAT_MODEL", MODEL)
        .env("FORBIDDEN_MODEL", "other")
        .output()
        .await
        .unwrap();
    let said = crate::process::text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("5 passed"), "{said}");
}
