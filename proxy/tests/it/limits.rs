//! Limits of keys, virtual models and endpoints, as their callers meet them.

use reqwest::Method;
use serde_json::{Value, json};
use store::{NewInboundKey, VirtualModelDraft};

use crate::keys::{CHAT, answers, key};
use crate::process::Process;
use crate::scene::{Answer, MODEL, Props, Scene, answer, chat, with};

/// A dollar for each token of an answer; `say=ok` has one.
fn dollar() -> Value {
    json!({"cost_per_1m_tokens_in": 0, "cost_per_1m_tokens_out": 1_000_000})
}

async fn scene(endpoint: Value, model: &Value) -> Scene {
    Scene::with(Props {
        endpoint,
        model: with(dollar(), model),
        ..Props::default()
    })
    .await
}

async fn call(scene: &Scene, key: Option<&NewInboundKey>, script: &str) -> Answer {
    let body = chat(script, &json!({"max_tokens": 1}));
    let mut request = scene.request(Method::POST, CHAT).json(&body);
    if let Some(key) = key {
        request = request.bearer_auth(key.api_key.expose());
    }
    answer(request).await
}

/// Checks that `answer` refuses for a limit, and gives the message.
fn refused(answer: &Answer, code: &str) -> String {
    assert_eq!(answer.status, 429, "{answer:?}");
    let error = answer.error();
    let kind = match code {
        "budget_exceeded" => "insufficient_quota",
        _ => "rate_limit_error",
    };
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!(kind), &json!(code))
    );
    let after: u64 = answer.header("retry-after").parse().unwrap();
    assert!(after >= 1, "{answer:?}");
    error["message"].as_str().unwrap().to_owned()
}

/// A key with that limit, known to the gateway.
async fn keyed(limit: &Value) -> (Scene, NewInboundKey) {
    let mut scene = Scene::with(Props {
        model: dollar(),
        ..Props::default()
    })
    .await;
    let new = key(&scene, &with(json!({"label": "laptop"}), limit));
    // Started anew it knows the key from its first call on.
    assert_eq!(scene.gateway.stop().await, Some(0));
    scene.gateway = Process::gateway(scene.ground.folder.path(), &[]).await;
    (scene, new)
}

/// Every place of a limit.
async fn places(limit: &Value) -> [(Scene, Option<NewInboundKey>, &'static str); 3] {
    let (of_key, new) = keyed(limit).await;
    [
        (
            scene(limit.clone(), &json!({})).await,
            None,
            "The endpoint 'to-openai'",
        ),
        (
            scene(json!({}), limit).await,
            None,
            "The model 'virtual/one:latest'",
        ),
        (of_key, Some(new), "The API key 'laptop'"),
    ]
}

#[tokio::test]
async fn requests_tokens_and_money_are_limited_wherever_the_limit_is() {
    for (limit, code, told) in [
        (
            json!({"limit_requests_per_minute": 2}),
            "rate_limit_exceeded",
            "2 requests per minute",
        ),
        (
            json!({"limit_tokens_per_minute": 2}),
            "rate_limit_exceeded",
            "2 tokens per minute",
        ),
        (
            json!({"limit_cost_per_day": 2}),
            "budget_exceeded",
            "$2 per day",
        ),
        (
            json!({"limit_cost_per_month": 2}),
            "budget_exceeded",
            "$2 per month",
        ),
    ] {
        for (scene, key, whose) in places(&limit).await {
            let first = call(&scene, key.as_ref(), "say=ok").await;
            assert_eq!(first.status, 200, "{limit} of {whose}: {first:?}");
            let mut last = call(&scene, key.as_ref(), "say=ok").await;
            if last.status == 200 {
                last = call(&scene, key.as_ref(), "say=ok").await;
            }
            let message = refused(&last, code);
            assert!(message.starts_with(whose), "{message}");
            assert!(message.contains(told), "{message}");
            if let Some(key) = &key {
                assert!(!last.body.contains(key.api_key.expose()));
            }
            let again = if code == "budget_exceeded" {
                "false"
            } else {
                ""
            };
            assert_eq!(last.header("x-should-retry"), again);
            // What was refused has not gone upstream, and has its row.
            let count = scene.sim.requests().len();
            let rows = scene.ground.rows(count + 1).await;
            let row = rows.last().unwrap();
            assert_eq!(row.outcome.as_deref(), Some("refused"));
            assert_eq!(row.error_code.as_deref(), Some(code));
            assert_eq!(row.attempt_count, 0);
        }
    }
}

#[tokio::test]
async fn calls_at_once_are_limited_wherever_the_limit_is() {
    for (scene, key, whose) in places(&json!({"limit_parallel": 1})).await {
        let held = call(&scene, key.as_ref(), "say=ok gate=header");
        let other = async {
            scene.sim.wait_for_requests(1).await.unwrap();
            let got = call(&scene, key.as_ref(), "say=ok").await;
            scene.sim.open_gate();
            got
        };
        let (held, other) = tokio::join!(held, other);
        assert_eq!(held.status, 200, "{held:?}");
        let message = refused(&other, "rate_limit_exceeded");
        assert!(message.starts_with(whose), "{message}");
        assert!(message.contains("1 request at a time"), "{message}");
        let after = call(&scene, key.as_ref(), "say=ok").await;
        assert_eq!(after.status, 200, "{after:?}");
    }
}

#[tokio::test]
async fn two_hundred_calls_at_once_end_within_one_calls_price_of_the_budget() {
    let (scene, key) = keyed(&json!({"limit_cost_per_day": 10})).await;
    let calls = (0..200).map(|_| call(&scene, Some(&key), "say=ok delay_ms=50"));
    let answers = futures_util::future::join_all(calls).await;
    let served = answers.iter().filter(|got| got.status == 200).count();
    for got in answers.iter().filter(|got| got.status != 200) {
        refused(got, "budget_exceeded");
    }
    let rows = scene.ground.rows(200).await;
    let spent: i64 = rows.iter().filter_map(|row| row.cost_nanos).sum();
    let (budget, price) = (10_000_000_000, 1_000_000_000);
    assert!(
        (budget - price..=budget + price).contains(&spent),
        "{spent} for {served} calls"
    );
    assert_eq!(served, 10);
}

#[tokio::test]
async fn a_restart_keeps_the_days_spending() {
    let (mut scene, key) = keyed(&json!({"limit_cost_per_day": 2})).await;
    for _ in 0..2 {
        assert_eq!(call(&scene, Some(&key), "say=ok").await.status, 200);
    }
    // Ended in the middle of everything: what is in the spool counts too.
    scene.gateway.signal("-KILL");
    scene.gateway.ended().await;
    scene.gateway = Process::gateway(scene.ground.folder.path(), &[]).await;
    let got = call(&scene, Some(&key), "say=ok").await;
    refused(&got, "budget_exceeded");
    // A higher limit holds without a restart, for what has been counted already.
    let draft = store::InboundKeyDraft::for_update(&json!({"limit_cost_per_day": 3})).unwrap();
    scene
        .ground
        .store
        .update_inbound_key(key.id, &draft)
        .unwrap();
    answers(&scene, key.api_key.expose(), 200).await;
    refused(&call(&scene, Some(&key), "say=ok").await, "budget_exceeded");
}

#[tokio::test]
async fn the_caller_is_told_of_its_own_limits_and_not_of_the_operators() {
    let limit = json!({"limit_requests_per_minute": 7, "limit_tokens_per_minute": 900});
    let (scene, key) = keyed(&limit).await;
    for more in [json!({}), json!({"stream": true})] {
        let body = chat("say=ok", &with(json!({"max_tokens": 1}), &more));
        let request = scene.request(Method::POST, CHAT).json(&body);
        let got = answer(request.bearer_auth(key.api_key.expose())).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.header("x-ratelimit-limit-requests"), "7");
        assert_eq!(got.header("x-ratelimit-limit-tokens"), "900");
        let left: u64 = got
            .header("x-ratelimit-remaining-requests")
            .parse()
            .unwrap();
        assert!((5..=6).contains(&left), "{got:?}");
        let left: u64 = got.header("x-ratelimit-remaining-tokens").parse().unwrap();
        assert!((700..900).contains(&left), "{got:?}");
        for reset in ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"] {
            assert!(got.header(reset).ends_with('s'), "{got:?}");
        }
    }
    let none = call(&scene, Some(&key), "status=400").await;
    assert_eq!(none.header("x-ratelimit-limit-requests"), "7", "{none:?}");
    // Who has no limits sees the upstream's.
    let other = call(&scene, None, "say=ok").await;
    assert_eq!(other.header("x-ratelimit-limit-requests"), "10000");
}

#[tokio::test]
async fn a_candidate_over_its_limit_is_passed_over() {
    let scene = scene(json!({"limit_requests_per_minute": 1}), &json!({})).await;
    let fields = json!({"name": "second", "limit_requests_per_minute": 2});
    let second = scene.ground.endpoint(&scene.sim, &fields);
    let own = json!({"limit_requests_per_minute": 1});
    let other = scene.ground.model("other", second, &with(dollar(), &own));
    let targets = json!([{"virtual_model_id": other}]);
    let routing = json!({"routing": {"strategy": "backup", "targets": targets}});
    let draft = VirtualModelDraft::for_update(&routing).unwrap();
    scene
        .ground
        .store
        .update_virtual_model(scene.model, &draft)
        .unwrap();
    let revision = scene.ground.store.revision().unwrap();
    scene.gateway.logged(&format!("revision={revision}")).await;
    let first = call(&scene, None, "say=ok").await;
    let second = call(&scene, None, "say=ok").await;
    assert_eq!(
        (first.status.as_u16(), second.status.as_u16()),
        (200, 200),
        "{second:?}"
    );
    // The one by its endpoint's limit, the other by its own.
    let message = refused(&call(&scene, None, "say=ok").await, "rate_limit_exceeded");
    assert!(message.contains("1 request per minute"), "{message}");
    let rows = scene.ground.rows(3).await;
    assert_eq!(rows[0].endpoint_name.as_deref(), Some("to-openai"));
    assert_eq!(rows[1].endpoint_name.as_deref(), Some("second"));
    let log = scene.gateway.log();
    assert!(
        log.contains("its endpoint has used up its limit of 1 request per minute"),
        "{log}"
    );
}

#[tokio::test]
async fn a_call_that_ends_badly_gives_back_what_was_kept_for_it() {
    let limit = json!({"limit_cost_per_day": 1, "limit_parallel": 1});
    let scene = scene(limit.clone(), &limit).await;
    for script in ["status=500", "cut=header", "say=one+two cut=chunk"] {
        let body = chat(script, &json!({"max_tokens": 5}));
        let got = answer(scene.request(Method::POST, CHAT).json(&body)).await;
        assert!(got.status.is_server_error(), "{script}: {got:?}");
    }
    assert_eq!(call(&scene, None, "say=ok").await.status, 200);
    refused(&call(&scene, None, "say=ok").await, "budget_exceeded");
}

#[tokio::test]
async fn the_official_client_raises_its_rate_limit_error() {
    let (scene, key) = keyed(&json!({"limit_requests_per_minute": 1})).await;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run");
    let output = tokio::process::Command::new(script)
        .args(["python", "limited.py"])
        .env("GATEWAY_URL", &scene.gateway.base)
        .env("GATEWAY_KEY", key.api_key.expose())
        .env("CHAT_MODEL", MODEL)
        .output()
        .await
        .unwrap();
    let said = crate::process::text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
