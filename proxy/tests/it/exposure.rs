//! Who may call without a key: modes of deployment, trusted networks, proxies.

use std::net::IpAddr;
use std::time::Instant;

use reqwest::{Client, Method};
use serde_json::json;

use crate::keys::{CHAT, answers, call, change, facing, key, with_key};
use crate::process::{LOOK, PATIENCE, Process, sql};
use crate::scene::{Scene, answer, client};

/// A client that calls from `address`.
pub(crate) fn client_at(address: &str) -> Client {
    Client::builder()
        .no_proxy()
        .local_address(address.parse::<IpAddr>().unwrap())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_internal_gateway_asks_for_no_key_and_knows_those_it_sees() {
    let scene = Scene::start().await;
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    for any in ["any-key", "sk-of-somebody", "spk_unknown"] {
        assert_eq!(with_key(&scene, any).await.status, 200, "{any}");
    }
    scene.ground.model("other", scene.endpoint, &json!({}));
    let narrow = key(
        &scene,
        &json!({"label": "narrow", "allowed_models": ["other"]}),
    );
    let refused = answers(&scene, narrow.api_key.expose(), 403).await;
    assert_eq!(refused.error()["code"], "model_not_allowed");
    change(&scene, narrow.id, &json!({"enabled": false}));
    // Then it is like any other text.
    answers(&scene, narrow.api_key.expose(), 200).await;
}

#[tokio::test]
async fn trusted_networks_need_no_key_and_keep_their_attribution() {
    let scene = facing().await;
    let base = &scene.gateway.base;
    let inside = client_at("127.0.0.2");
    assert_eq!(answer(call(&inside, base)).await.status, 200);
    assert_eq!(
        answer(call(&inside, base).bearer_auth("dummy"))
            .await
            .status,
        200
    );
    assert_eq!(answer(call(&scene.client, base)).await.status, 401);
    let known = key(&scene, &json!({"label": "known"}));
    answers(&scene, known.api_key.expose(), 200).await;
    let used = call(&inside, base)
        .bearer_auth(known.api_key.expose())
        .header("user-agent", "inside/1");
    assert_eq!(answer(used).await.status, 200);
    // The setting is followed while the program runs, where the environment is silent.
    let other = Scene::start().await;
    other.ground.settings(&json!({
        "deployment_mode": "internet_facing", "trusted_internal_cidrs": "127.0.0.2/32",
    }));
    let since = Instant::now();
    while other.chat("say=ok", json!({})).await.status != 401 {
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(LOOK).await;
    }
    // By default a proxy on this machine is believed, so a stranger behind it is one.
    let stranger = call(&inside, &other.gateway.base);
    assert_eq!(answer(stranger).await.status, 200);
    other.ground.settings(&json!({"deployment_mode": null}));
    let since = Instant::now();
    while other.chat("say=ok", json!({})).await.status != 200 {
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn forwarded_addresses_are_believed_from_proxies_alone() {
    let scene = facing().await;
    let base = &scene.gateway.base;
    let proxy = client_at("127.0.0.3");
    for (client, forwarded, status) in [
        // Nobody may say that he is somebody else.
        (&scene.client, "127.0.0.2", 401),
        (&scene.client, "203.0.113.5, 127.0.0.2", 401),
        // The proxy tells who called it; what that one claims does not count.
        (&proxy, "127.0.0.2", 200),
        (&proxy, "::ffff:127.0.0.2", 200),
        (&proxy, "203.0.113.5", 401),
        (&proxy, "127.0.0.2, 203.0.113.5", 401),
        (&proxy, "127.0.0.2,127.0.0.2, 203.0.113.5", 401),
        (&proxy, "203.0.113.5, 127.0.0.2", 200),
        (&proxy, "127.0.0.2, 127.0.0.3", 200),
        (&proxy, "127.0.0.2, unknown", 401),
        (&proxy, "127.0.0.2, ", 200),
        (&proxy, "2001:db8::1", 401),
    ] {
        let request = call(client, base).header("x-forwarded-for", forwarded);
        let told = answer(request).await;
        assert_eq!(told.status, status, "{forwarded}: {told:?}");
    }
    // Two fields are one list.
    let request = call(&proxy, base)
        .header("x-forwarded-for", "127.0.0.2")
        .header("x-forwarded-for", "203.0.113.5");
    assert_eq!(answer(request).await.status, 401);
    // The proxy itself is no trusted caller.
    assert_eq!(answer(call(&proxy, base)).await.status, 401);
    let log = scene.gateway.logged("a call from 203.0.113.5").await;
    assert!(
        log.contains("address=203.0.113.5") || !log.contains("key="),
        "{log}"
    );
}

#[tokio::test]
async fn addresses_of_both_families_are_told_apart() {
    let scene = Scene::start().await;
    let folder = scene.ground.folder.path();
    let port = |gateway: &Process| gateway.address().port();
    let start = async |trusted: &str| {
        let env = [
            ("API_BIND", "::"),
            ("DEPLOYMENT_MODE", "internet_facing"),
            ("TRUSTED_INTERNAL_CIDRS", trusted),
            ("TRUSTED_PROXY_CIDRS", "none"),
        ];
        Process::gateway(folder, &env).await
    };
    for (trusted, four, six) in [
        ("127.0.0.0/8", 200, 401),
        ("::ffff:127.0.0.0/104", 200, 401),
        ("::1", 401, 200),
        ("none", 401, 401),
    ] {
        let gateway = start(trusted).await;
        let base = format!("http://127.0.0.1:{}", port(&gateway));
        assert_eq!(
            answer(call(&client(), &base)).await.status,
            four,
            "{trusted}"
        );
        let base = format!("http://[::1]:{}", port(&gateway));
        assert_eq!(
            answer(call(&client(), &base)).await.status,
            six,
            "{trusted}"
        );
    }
}

#[tokio::test]
async fn every_route_but_health_and_preflight_asks() {
    let scene = facing().await;
    for (method, path, status) in [
        (Method::POST, CHAT, 401),
        (Method::POST, "/v1/completions", 401),
        (Method::POST, "/v1/embeddings", 401),
        (Method::POST, "/api/chat/completions", 401),
        (Method::GET, "/v1/models", 401),
        (Method::GET, "/api/models", 401),
        (Method::GET, "/v1/models/x", 401),
        (Method::OPTIONS, CHAT, 204),
        (Method::HEAD, "/v1", 200),
        (Method::GET, "/health", 200),
    ] {
        let told = answer(scene.request(method.clone(), path)).await;
        assert_eq!(told.status, status, "{method} {path}: {told:?}");
    }
    let preflight = scene.request(Method::OPTIONS, CHAT);
    let told = answer(preflight).await;
    assert!(
        told.header("access-control-allow-headers")
            .contains("x-api-key")
    );
    // A stranger learns nothing of what is behind the gateway.
    let brief = answer(scene.request(Method::GET, "/health")).await.json();
    assert_eq!(brief, json!({"status": "ok"}));
    let inside = client_at("127.0.0.2").get(format!("{}/health", scene.gateway.base));
    let full = answer(inside).await.json();
    assert_eq!(full["endpoints"].as_array().unwrap().len(), 1, "{full}");
}

/// A body is not read for somebody who may not send it.
#[tokio::test]
async fn a_stranger_is_refused_before_the_body() {
    let scene = facing().await;
    let mut caller = scene.caller().await;
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
         content-length: 100000\r\nexpect: 100-continue\r\n\r\n"
    );
    caller.send(head.as_bytes()).await;
    let response = caller.response().await;
    assert_eq!(response.status, 401, "{response:?}");
}

/// A mode that nobody knows does not open a running gateway.
#[tokio::test]
async fn a_stored_mode_that_makes_no_sense_is_not_used() {
    let scene = Scene::start().await;
    scene.ground.settings(&json!({
        "deployment_mode": "internet_facing", "trusted_internal_cidrs": "none",
    }));
    let since = Instant::now();
    while scene.chat("say=ok", json!({})).await.status != 401 {
        assert!(since.elapsed() < PATIENCE);
        tokio::time::sleep(LOOK).await;
    }
    let other = "UPDATE settings SET value = 'open' WHERE key = 'deployment_mode'";
    sql(&scene.ground.database(), other);
    let log = scene.gateway.logged("the one before stays").await;
    assert!(log.contains("deployment_mode"), "{log}");
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 401);
}
