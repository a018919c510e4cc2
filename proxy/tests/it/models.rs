//! The routes that are no model calls: the model list, health, probes, preflight,
//! and everything that is not there.

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::Process;
use crate::scene::{Answer, Ground, MODEL, Scene, answer, client, provider};

const ALIASES: [&str; 4] = ["/v1/models", "/models", "/api/models", "/api/v1/models"];

fn ids(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect()
}

async fn get(scene: &Scene, path: &str) -> Answer {
    answer(scene.request(Method::GET, path)).await
}

#[tokio::test]
async fn the_list_holds_what_may_be_called_and_never_moves() {
    let ground = Ground::new();
    let sim = provider(sim::Flavor::OpenAi).await;
    let on = ground.endpoint(&sim, &json!({"name": "on"}));
    let off = ground.endpoint(&sim, &json!({"name": "off", "enabled": false}));
    ground.model("zulu", on, &json!({}));
    ground.model("alpha", on, &json!({}));
    ground.model("sleeping", on, &json!({"enabled": false}));
    ground.model("unreachable", off, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    let client = client();
    let url = |path: &str| format!("{}{path}", gateway.base);
    let first = answer(client.get(url("/v1/models"))).await;
    assert_eq!(first.status, 200);
    let list = first.json();
    assert_eq!(list["object"], "list");
    assert_eq!(ids(&list), ["alpha", "zulu"]);
    for entry in list["data"].as_array().unwrap() {
        assert_eq!(entry["object"], "model");
        assert_eq!(entry["owned_by"], "on");
        assert!(entry["created"].as_i64().unwrap() > 1_700_000_000);
    }
    for path in ALIASES {
        let again = answer(client.get(url(path))).await;
        assert_eq!(again.body, first.body, "{path}");
    }
    assert_eq!(sim.served().requests, 0);
}

#[tokio::test]
async fn a_default_model_is_listed_and_answers_for_a_missing_name() {
    let scene = Scene::start().await;
    let body = json!({"messages": [{"role": "user", "content": "[[sim: say=ok]]"}]});
    for asked in [json!({}), json!({"model": "default"})] {
        let refused = scene
            .post(
                "/v1/chat/completions",
                &crate::scene::with(body.clone(), &asked),
            )
            .await;
        assert_eq!(refused.status, 404, "{asked}");
        assert_eq!(refused.error()["code"], "model_not_found");
    }
    assert_eq!(ids(&get(&scene, "/v1/models").await.json()), [MODEL]);

    scene.ground.settings(&json!({"default_model": MODEL}));
    scene.gateway.logged("new configuration in use").await;
    assert_eq!(
        ids(&get(&scene, "/v1/models").await.json()),
        [MODEL, "default"]
    );
    assert_eq!(
        get(&scene, "/v1/models/default").await.json()["id"],
        "default"
    );
    for asked in [json!({}), json!({"model": "default"})] {
        let served = scene
            .post(
                "/v1/chat/completions",
                &crate::scene::with(body.clone(), &asked),
            )
            .await;
        assert_eq!(served.status, 200, "{asked}: {served:?}");
        assert_eq!(served.json()["model"], MODEL);
    }
    let sent = scene.sim.last_request().unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["model"], "sim-model");
}

#[tokio::test]
async fn one_model_is_found_by_its_name_however_it_is_written() {
    let scene = Scene::start().await;
    for path in [
        "/v1/models/virtual/one:latest",
        "/v1/models/virtual%2Fone%3Alatest",
        "/models/virtual/one:latest",
        "/api/models/virtual/one:latest",
    ] {
        let entry = get(&scene, path).await;
        assert_eq!(entry.status, 200, "{path}");
        assert_eq!(entry.json()["id"], MODEL);
        assert_eq!(
            entry.json(),
            get(&scene, "/v1/models").await.json()["data"][0]
        );
    }
    let none = get(&scene, "/v1/models/nothing").await;
    assert_eq!(none.status, 404);
    assert_eq!(none.error()["code"], "model_not_found");
    assert_eq!(none.error()["type"], "invalid_request_error");
}

#[tokio::test]
async fn browsers_may_ask_and_read() {
    let scene = Scene::start().await;
    let preflight = scene
        .request(Method::OPTIONS, "/v1/chat/completions")
        .header("origin", "http://page.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, content-type, x-stainless-os",
        );
    let preflight = answer(preflight).await;
    assert!(preflight.status.is_success());
    assert!(matches!(
        preflight.header("access-control-allow-origin"),
        "*" | "http://page.example"
    ));
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("POST")
    );
    for name in ["authorization", "content-type", "x-stainless-os"] {
        assert!(
            preflight
                .header("access-control-allow-headers")
                .contains(name),
            "{name}"
        );
    }
    for reply in [
        scene.chat("", json!({})).await,
        scene.stream("").await,
        scene.chat("status=400", json!({})).await,
        get(&scene, "/v1/models").await,
        get(&scene, "/nowhere").await,
    ] {
        assert!(
            !reply.header("access-control-allow-origin").is_empty(),
            "{reply:?}"
        );
    }
    // A preflight is no call.
    scene.ground.rows(3).await;
}

#[tokio::test]
async fn probes_get_a_header_and_no_body() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    for path in ["/v1", "/v1/", "/v1/models", "/health"] {
        let probed = caller.plain("HEAD", path).await;
        assert_eq!(probed.status, 200, "{path}");
    }
    // A body of a HEAD answer would be read as the next response.
    let list = caller.plain("GET", "/v1/models").await;
    assert_eq!(list.status, 200);
    assert_eq!(ids(&list.json()), [MODEL]);
}

#[tokio::test]
async fn another_method_is_refused_and_the_right_one_named() {
    let scene = Scene::start().await;
    for (method, path, allowed) in [
        (Method::GET, "/v1/chat/completions", "POST"),
        (Method::PUT, "/v1/completions", "POST"),
        (Method::DELETE, "/embeddings", "POST"),
        (Method::POST, "/v1/models", "GET"),
        (Method::DELETE, "/v1/models/virtual/one:latest", "GET"),
        (Method::POST, "/health", "GET"),
    ] {
        let refused = answer(scene.request(method.clone(), path)).await;
        assert_eq!(refused.status, 405, "{method} {path}");
        assert!(refused.header("allow").contains(allowed), "{method} {path}");
        assert_eq!(refused.error()["code"], "method_not_allowed");
    }
}

#[tokio::test]
async fn an_unknown_path_is_told_in_the_shape_of_the_api() {
    let scene = Scene::start().await;
    for (method, path) in [
        (Method::GET, "/v1"),
        (Method::POST, "/v1/chat/completionsx"),
        (Method::POST, "/v2/chat/completions"),
        (Method::GET, "/v1/files"),
        (Method::POST, "/../v1/chat/completions/.."),
    ] {
        let refused = answer(scene.request(method.clone(), path)).await;
        assert_eq!(refused.status, 404, "{method} {path}: {refused:?}");
        assert_eq!(refused.error()["type"], "invalid_request_error");
        assert!(
            refused
                .header("content-type")
                .starts_with("application/json")
        );
        assert!(!refused.header("x-request-id").is_empty());
    }
    assert_eq!(scene.sim.served().requests, 0);
    assert_eq!(scene.ground.store.count_calls().unwrap(), 0);
}

#[tokio::test]
async fn health_tells_what_works_without_telling_addresses() {
    let scene = Scene::start().await;
    let fresh = get(&scene, "/health").await;
    assert_eq!(fresh.status, 200);
    let health = fresh.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_seconds"].is_u64());
    assert_eq!(health["store"]["state"], "ok");
    assert_eq!(health["endpoints"][0]["name"], "to-openai");
    assert_eq!(health["endpoints"][0]["state"], "unused");

    scene.chat("", json!({})).await;
    assert_eq!(
        get(&scene, "/health").await.json()["endpoints"][0]["state"],
        "ok"
    );
    scene.chat("status=500", json!({})).await;
    let failing = get(&scene, "/health").await;
    assert_eq!(failing.json()["endpoints"][0]["state"], "failing");
    assert!(!failing.body.contains("127.0.0.1"), "{}", failing.body);
    assert!(!failing.body.contains(crate::scene::KEY));
}
