//! The rows that calls leave: one each, with everything an operator asks later.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::scene::{MODEL, Scene};

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test]
async fn a_row_tells_who_called_and_how() {
    let scene = Scene::start().await;
    let body = crate::scene::chat("say=hello", &json!({}));
    let request = scene
        .request(reqwest::Method::POST, "/v1/chat/completions?a=b")
        .header("user-agent", "codex_exec/0.169.0 (Debian 12)")
        .json(&body);
    let got = crate::scene::answer(request).await;
    assert_eq!(got.status, 200);
    let row = scene.ground.row().await;
    assert_eq!(row.route.as_deref(), Some("/v1/chat/completions"));
    assert_eq!(row.client.as_deref(), Some("Codex"));
    assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
    assert_eq!(row.tool_repairs, 0);
    let store = store::Store::open(&scene.ground.database()).unwrap();
    let seen = store.clients().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].client, "Codex");
    assert_eq!(seen[0].virtual_model, MODEL);
    assert_eq!(seen[0].last_success_at, Some(row.created_at));
    // The gateway tells of itself as soon as it has started.
    let gateways = store.gateways().unwrap();
    assert_eq!(gateways.len(), 1, "{gateways:?}");
    assert!(gateways[0].is_alive(now()), "{gateways:?}");
    assert_eq!(gateways[0].troubles, [""; 0]);
}

#[tokio::test]
async fn a_row_tells_what_a_call_was_and_cost() {
    let scene = Scene::model(json!({
        "cost_per_1m_tokens_in": 1_000_000,
        "cost_per_1m_tokens_out": 500_000,
        "cost_per_1m_tokens_in_cached": 250_000,
    }))
    .await;
    let before = now();
    let got = scene
        .chat("say=one+two+three usage=cached first_ms=30", json!({}))
        .await;
    let told = got.json()["usage"].clone();
    let row = scene.ground.row().await;
    let number = |name: &str| told[name].as_i64().unwrap();
    assert_eq!(row.prompt_tokens, number("prompt_tokens"));
    assert_eq!(row.completion_tokens, number("completion_tokens"));
    assert_eq!(row.total_tokens, number("total_tokens"));
    let cached = told["prompt_tokens_details"]["cached_tokens"]
        .as_i64()
        .unwrap();
    assert!(cached > 0, "{told}");
    assert_eq!(row.cached_input_tokens, cached);
    assert_eq!(row.request_type, "chat");
    assert_eq!(row.virtual_model, MODEL);
    assert_eq!(row.endpoint_name.as_deref(), Some("to-openai"));
    assert_eq!(row.request_id.as_deref(), Some(got.header("x-request-id")));
    assert_eq!(row.status, Some(200));
    assert_eq!(row.error_code, None);
    assert!(row.response_time_ms >= 30, "{row:?}");
    assert!((before..=now()).contains(&row.created_at), "{row:?}");
    // Uncached prompt at 1 dollar a token, completion at half, cached at a quarter.
    let uncached = f64::from(u32::try_from(row.prompt_tokens - cached).unwrap());
    let written = f64::from(u32::try_from(row.completion_tokens).unwrap());
    assert!(
        (row.cost_estimate - uncached - written / 2.0).abs() < 1e-6,
        "{row:?}"
    );
    let cached = f64::from(u32::try_from(cached).unwrap());
    assert!(
        (row.cached_cost_estimate - cached / 4.0).abs() < 1e-6,
        "{row:?}"
    );
}

#[tokio::test]
async fn the_time_to_the_first_token_is_not_the_time_to_the_header() {
    let scene = Scene::start().await;
    scene.stream("chunks=3 first_ms=200 gap_ms=100").await;
    let row = scene.ground.row().await;
    // Lower bounds only: on a busy machine everything may come late, never early.
    let first = row.ttft_ms.unwrap();
    assert!(first >= 200, "{row:?}");
    assert!(row.response_time_ms >= 400, "{row:?}");
    assert!(first <= row.response_time_ms, "{row:?}");
}

#[tokio::test]
async fn every_call_of_a_crowd_leaves_its_own_row() {
    const CALLS: usize = 300;
    let scene = Scene::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        let script = [
            "say=ok",
            "status=429",
            "chunks=2 cut=between",
            "error_after=1",
        ][number % 4];
        let body = crate::scene::chat(script, &json!({"stream": number % 2 == 0}));
        let request = scene.request(reqwest::Method::POST, "/v1/chat/completions");
        calls.spawn(crate::scene::answer(request.json(&body)));
    }
    let mut told = HashSet::new();
    while let Some(call) = calls.join_next().await {
        told.insert(call.unwrap().header("x-request-id").to_owned());
    }
    let rows = scene.ground.rows(CALLS).await;
    let written: HashSet<_> = rows.into_iter().filter_map(|row| row.request_id).collect();
    assert_eq!(told.len(), CALLS);
    assert_eq!(told, written);
}
