//! What the gateway would do with a request, as the admin app tells it. That it tells the
//! truth is shown where both programs run: `proxy/tests/it/explain.rs`.

use reqwest::Method;
use serde_json::{Value, json};
use store::{CircuitRow, Store};

use crate::harness::{App, answer};

const EXPLAIN: &str = "/api/admin/explain";

const KEY: &str = "sk-upstream-key-4711";

/// An app with an endpoint of each of those types, `to-<type>`, and a virtual model
/// `vm-<type>` on each.
async fn with_types(env: &[(&str, &str)], types: &[&str]) -> App {
    let app = App::start_with(env);
    for kind in types {
        let endpoint = app
            .endpoint_with(json!({
                "name": format!("to-{kind}"),
                "url": format!("http://{kind}.example:8000"),
                "api_key": KEY,
                "endpoint_type": kind,
            }))
            .await;
        app.model(&format!("vm-{kind}"), endpoint).await;
    }
    app
}

fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] })
}

/// The explanation of `question`.
async fn explained(app: &App, question: &Value) -> Value {
    let (status, body) = app.post(EXPLAIN, question).await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.to_string().contains(KEY), "a key is shown: {body}");
    body
}

fn header<'v>(request: &'v Value, name: &str) -> Option<&'v str> {
    let headers = request["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header["name"] == name);
    found.map(|header| header["value"].as_str().unwrap())
}

fn what(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_request_is_shown_as_it_would_go_out() {
    let app = with_types(&[], &["openai"]).await;
    // Order, numbers and blanks of the caller's own text survive.
    let text = r#"{"zeta":1.0, "model":"vm-openai","messages":[{"role":"user","content":"hi"}],"seed":12345678901234567890}"#;
    let question = format!(r#"{{"body": {text}}}"#);
    let request = app
        .request(Method::POST, EXPLAIN)
        .header("content-type", "application/json")
        .body(question);
    let (status, got) = answer(request).await;
    assert_eq!(status, 200, "{got}");
    assert_eq!(got["refusal"], Value::Null);
    assert_eq!(got["virtual_model"]["name"], "vm-openai");
    assert_eq!(got["strategy"], "none");
    assert_eq!(got["reply"], json!({ "stream": false, "usage": false }));
    let candidate = &got["candidates"][0];
    assert_eq!(candidate["endpoint_type"], "openai");
    assert_eq!(candidate["circuit"], json!({ "state": "closed" }));
    assert_eq!(candidate["stream"], false);
    assert_eq!(candidate["answer"], "edited");
    let request = &candidate["requests"][0];
    assert_eq!(request["method"], "POST");
    assert_eq!(
        request["url"],
        "http://openai.example:8000/v1/chat/completions"
    );
    assert_eq!(request["body"], text.replace("vm-openai", "real"));
    assert_eq!(request["body_cut"], false);
    assert_eq!(header(request, "authorization"), Some("***4711"));
    assert_eq!(header(request, "host"), Some("openai.example:8000"));
    let length = request["body"].as_str().unwrap().len().to_string();
    assert_eq!(header(request, "content-length"), Some(length.as_str()));
    assert_eq!(
        candidate["notes"],
        json!([{ "field": "model", "change": "adapted",
                 "why": "the endpoint has its own name for the model" }])
    );
    assert_eq!(what(&got["not_known"]), ["request_id"]);
    // The same text as a text.
    let again = explained(&app, &json!({ "body_text": text })).await;
    assert_eq!(again["candidates"], got["candidates"]);
}

#[tokio::test]
async fn no_secret_is_shown() {
    let app = App::start();
    let endpoint = app
        .endpoint_with(json!({
            "name": "e", "url": "http://e.example", "api_key": KEY,
            "custom_headers": { "X-Api-Token": "first-secret-value", "X-Team": format!("blue {KEY}") },
        }))
        .await;
    app.model("vm", endpoint).await;
    let got = explained(&app, &json!({ "body": chat("vm") })).await;
    let request = &got["candidates"][0]["requests"][0];
    assert_eq!(header(request, "x-api-token"), Some("***alue"));
    assert_eq!(header(request, "x-team"), Some("blue ***"));
}

#[tokio::test]
async fn the_gateways_own_refusals_are_told() {
    let app = with_types(&[("MAX_BODY_MB", "1")], &["openai", "anthropic", "queue"]).await;
    for (question, status, code, param) in [
        (
            json!({ "body": chat("nobody") }),
            404,
            "model_not_found",
            json!("model"),
        ),
        (
            json!({ "body": { "messages": [] } }),
            400,
            "invalid_value",
            json!("messages"),
        ),
        (
            json!({ "body_text": "no json" }),
            400,
            "invalid_json",
            Value::Null,
        ),
        (
            json!({ "body": chat(&"x".repeat(1 << 20)) }),
            413,
            "request_too_large",
            Value::Null,
        ),
        (
            json!({ "body": chat("vm-openai"), "headers": { "Content-Encoding": "gzip" } }),
            415,
            "unsupported_content_encoding",
            Value::Null,
        ),
        (
            json!({ "path": "/v1/embeddings", "body": { "model": "vm-anthropic", "input": "x" } }),
            400,
            "unsupported_operation",
            Value::Null,
        ),
        (
            json!({ "body": { "model": "vm-anthropic", "n": 9, "messages": [{ "role": "user", "content": "x" }] } }),
            400,
            "unsupported_value",
            json!("n"),
        ),
        (
            json!({ "body": chat("vm-queue"), "headers": { "X-Priority": "soon" } }),
            400,
            "invalid_value",
            json!("x-priority"),
        ),
    ] {
        let got = explained(&app, &question).await;
        let refusal = &got["refusal"];
        assert_eq!(refusal["status"], status, "{got}");
        assert_eq!(refusal["code"], code, "{got}");
        assert_eq!(refusal["param"], param, "{got}");
        assert!(refusal["message"].as_str().unwrap().len() > 10, "{got}");
        for candidate in got["candidates"].as_array().unwrap() {
            assert_eq!(candidate["requests"], json!([]), "{got}");
            assert_eq!(&candidate["refusal"], refusal);
        }
    }
}

/// Virtual models with their own endpoints, the first with all others as backups. The ids
/// of the virtual models and endpoints.
async fn with_backups(app: &App, names: &[&str], strategy: &str) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    for name in names {
        let endpoint = app.endpoint(name, &format!("http://{name}.example")).await;
        all.push((app.model(name, endpoint).await, endpoint));
    }
    let targets: Vec<_> = all[1..]
        .iter()
        .map(|(id, _)| json!({ "virtual_model_id": id }))
        .collect();
    let routing = json!({ "strategy": strategy, "targets": targets, "affinity": true });
    let path = format!("/api/admin/virtual-models/{}", all[0].0);
    let (status, body) = app.put(&path, &json!({ "routing": routing })).await;
    assert_eq!(status, 200, "{body}");
    all
}

#[tokio::test]
async fn candidates_come_in_order_and_the_others_with_their_reason() {
    let app = App::start();
    let all = with_backups(&app, &["one", "two", "three", "four"], "backup").await;
    let off = json!({ "enabled": false });
    let path = |id| format!("/api/admin/virtual-models/{id}");
    assert_eq!(app.put(&path(all[1].0), &off).await.0, 200);
    let store = Store::open(&app.database()).unwrap();
    // A circuit that opened before its endpoint was last changed counts no longer.
    let changed = |(_, endpoint): &(i64, i64)| store.endpoint(*endpoint).unwrap().updated_at;
    let now = all.iter().map(changed).max().unwrap();
    let circuit = |n: usize, until| CircuitRow {
        endpoint_id: all[n].1,
        model: "real".to_owned(),
        opened_at: now,
        open_until: until,
        failures: 3,
        last_error: Some("upstream_unreachable".to_owned()),
    };
    let never = now + 1_000_000;
    store
        .save_circuits(&[circuit(0, never), circuit(2, now)])
        .unwrap();
    let got = explained(&app, &json!({ "body": chat("one") })).await;
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["virtual_model"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&got["candidates"]), ["three", "four"]);
    assert_eq!(got["candidates"][0]["circuit"]["state"], "half_open");
    let why = |got: &Value| got["candidates"][0]["why"].as_str().unwrap().to_owned();
    assert!(why(&got).contains("half open"), "{got}");
    let skipped = &got["skipped"];
    assert_eq!(names(skipped), ["two", "one"]);
    assert_eq!(skipped[0]["reason"], "model_disabled");
    assert_eq!(skipped[1]["reason"], "circuit_open");
    assert_eq!(skipped[1]["circuit"]["state"], "open");
    assert_eq!(skipped[1]["circuit"]["open_until"], never);
    assert_eq!(
        what(&got["not_known"]),
        ["affinity", "circuits", "request_id"]
    );
    assert_eq!(got["last_resort"], false);

    // With every circuit open one is tried all the same.
    store
        .save_circuits(&[circuit(2, never), circuit(3, never)])
        .unwrap();
    let got = explained(&app, &json!({ "body": chat("one") })).await;
    assert_eq!(names(&got["candidates"]).len(), 1);
    assert_eq!(got["last_resort"], true);
    assert!(why(&got).contains("every circuit is open"), "{got}");
    assert_eq!(got["refusal"], Value::Null);

    // With none left the gateway refuses.
    for (id, _) in &all[2..] {
        assert_eq!(app.put(&path(*id), &off).await.0, 200);
    }
    let endpoint = format!("/api/admin/endpoints/{}", all[0].1);
    assert_eq!(app.put(&endpoint, &off).await.0, 200);
    let got = explained(&app, &json!({ "body": chat("one") })).await;
    assert_eq!(got["refusal"]["code"], "no_candidate");
    assert_eq!(got["skipped"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn what_only_the_gateway_knows_is_named() {
    for (strategy, expected) in [
        ("rotational", &["rotation"][..]),
        ("weighted", &["chance"]),
        ("least_busy", &["rotation", "load"]),
        ("fastest", &["rotation", "times"]),
    ] {
        let app = App::start();
        with_backups(&app, &["one", "two"], strategy).await;
        let got = explained(&app, &json!({ "body": chat("one") })).await;
        let expected: Vec<_> = expected
            .iter()
            .chain(&["affinity", "circuits", "request_id"])
            .copied()
            .collect();
        assert_eq!(what(&got["not_known"]), expected, "{strategy}");
    }
    let app = with_types(&[], &["ollama", "anthropic"]).await;
    let got = explained(&app, &json!({ "body": chat("vm-ollama") })).await;
    assert_eq!(what(&got["not_known"]), ["local_model", "request_id"]);
    let candidate = &got["candidates"][0];
    assert_eq!(candidate["num_ctx"], 4096);
    assert_eq!(candidate["answer"], "translated");
    let got = explained(&app, &json!({ "body": chat("vm-anthropic") })).await;
    assert_eq!(what(&got["not_known"]), ["reasoning", "request_id"]);
}

#[tokio::test]
async fn what_is_left_out_is_told() {
    let app = with_types(&[], &["anthropic"]).await;
    let mut body = chat("vm-anthropic");
    body["seed"] = json!(7);
    let got = explained(&app, &json!({ "body": body })).await;
    let notes = got["candidates"][0]["notes"].as_array().unwrap();
    let seed = notes.iter().find(|note| note["field"] == "seed").unwrap();
    assert_eq!(seed["change"], "dropped");
    assert!(!seed["why"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_nobody_has_may_go_to_the_ai_queue() {
    let env = [
        ("USE_AI_QUEUE", "true"),
        ("AI_QUEUE_URL", "http://queue.example:8102"),
        ("AI_QUEUE_API_KEY", KEY),
    ];
    let app = with_types(&env, &["openai"]).await;
    let question = json!({ "body": chat("nobody"), "headers": { "X-Priority": "high" } });
    let got = explained(&app, &question).await;
    assert_eq!(got["ai_queue"], true);
    assert_eq!(got["virtual_model"], Value::Null);
    let request = &got["candidates"][0]["requests"][0];
    assert_eq!(
        request["url"],
        "http://queue.example:8102/v1/chat/completions"
    );
    assert_eq!(header(request, "x-priority"), Some("HIGH"));
    assert_eq!(header(request, "x-model"), Some("nobody"));
    let got = explained(&app, &json!({ "body": chat("vm-openai") })).await;
    assert_eq!(got["ai_queue"], false);
}

#[tokio::test]
async fn a_job_is_shown_in_both_forms() {
    let app = with_types(&[], &["runpod"]).await;
    let got = explained(&app, &json!({ "body": chat("vm-runpod") })).await;
    let candidate = &got["candidates"][0];
    let body = |request: &Value| -> Value {
        serde_json::from_str(request["body"].as_str().unwrap()).unwrap()
    };
    let first = body(&candidate["requests"][0]);
    assert_eq!(first["input"]["openai_route"], "/v1/chat/completions");
    let second = body(&candidate["fallback"]);
    assert!(second["input"]["messages"].is_array(), "{second}");
}

#[tokio::test]
async fn a_long_body_is_cut_between_characters() {
    let app = with_types(&[], &["openai"]).await;
    for pad in 0..3 {
        let mut body = chat("vm-openai");
        body["messages"][0]["content"] =
            json!(format!("{}{}", "x".repeat(pad), "€".repeat(30_000)));
        let got = explained(&app, &json!({ "body": body })).await;
        let request = &got["candidates"][0]["requests"][0];
        let shown = request["body"].as_str().unwrap();
        assert_eq!(request["body_cut"], true);
        assert!(request["body_bytes"].as_u64().unwrap() > 90_000);
        assert!((65_530..=65_536).contains(&shown.len()), "{}", shown.len());
        assert!(shown.ends_with('€'));
    }
}

#[tokio::test]
async fn a_question_must_be_clear() {
    let app = with_types(&[], &["openai"]).await;
    let body = chat("vm-openai");
    for question in [
        json!({}),
        json!({ "body": body, "body_text": "{}" }),
        json!({ "body": body, "path": "/v1/models" }),
        json!({ "body": body, "header": {} }),
        json!({ "body": body, "headers": { "x": 1 } }),
        json!([]),
    ] {
        let (status, answer) = app.post(EXPLAIN, &question).await;
        assert_eq!(status, 400, "{question}: {answer}");
    }
    assert_eq!(app.get(EXPLAIN).await.0, 405);
    let question = json!({ "body": body }).to_string();
    let form = app.request(Method::POST, EXPLAIN).body(question.clone());
    assert_eq!(answer(form).await.0, 415);
    let foreign = app
        .request(Method::POST, EXPLAIN)
        .header("content-type", "application/json")
        .header("origin", "https://evil.example")
        .body(question.clone());
    assert_eq!(answer(foreign).await.0, 403);
    let closed = App::start_with(&[("AUTH_ENABLED", "true")]);
    assert_eq!(closed.post(EXPLAIN, &json!({ "body": body })).await.0, 401);
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_told_and_other_limits_are_not_known() {
    let app = with_types(&[], &["openai", "vllm"]).await;
    let store = Store::open(&app.database()).unwrap();
    let endpoint = |fields: Value| {
        let draft = store::EndpointDraft::for_update(&fields).unwrap();
        store.update_endpoint(1, &draft).unwrap();
    };
    endpoint(json!({"limit_parallel": 1}));
    let got = explained(&app, &json!({ "body": chat("vm-openai") })).await;
    assert_eq!(what(&got["not_known"]), ["limits", "request_id"]);
    let model = json!({
        "cost_per_1m_tokens_in": 1_000_000, "cost_per_1m_tokens_out": 1_000_000,
        "routing": {"strategy": "backup", "targets": [{"virtual_model_id": 2}]},
    });
    let draft = store::VirtualModelDraft::for_update(&model).unwrap();
    store.update_virtual_model(1, &draft).unwrap();
    endpoint(json!({"limit_cost_per_month": 5}));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    let usage = wire::usage::Usage {
        prompt_tokens: 5,
        total_tokens: 5,
        ..wire::usage::Usage::default()
    };
    let record = store::CallRecord {
        virtual_model: "vm-openai".to_owned(),
        virtual_model_id: Some(1),
        endpoint_id: Some(1),
        endpoint_name: Some("to-openai".to_owned()),
        usage,
        ..store::CallRecord::begun(store::CallKind::Chat, "r".to_owned(), now)
    };
    store.record_calls(&[record]).unwrap();
    let got = explained(&app, &json!({ "body": chat("vm-openai") })).await;
    assert_eq!(got["candidates"].as_array().unwrap().len(), 1, "{got}");
    assert_eq!(got["skipped"][0]["reason"], "limit");
    let why = got["skipped"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("its endpoint has used up its limit of $5 per month"),
        "{why}"
    );
}

#[tokio::test]
async fn a_call_that_is_passed_on_is_shown_too() {
    let app = with_types(&[], &["openai", "anthropic"]).await;
    let asked = |model: &str| {
        json!({
            "path": "/v1/images/generations",
            "body": {"prompt": "a tree", "model": model, "stream": true}
        })
    };
    let got = explained(&app, &asked("vm-openai")).await;
    assert_eq!(got["refusal"], Value::Null);
    let request = &got["candidates"][0]["requests"][0];
    assert_eq!(
        request["url"],
        "http://openai.example:8000/v1/images/generations"
    );
    let refused = explained(&app, &asked("vm-anthropic")).await;
    assert_eq!(refused["refusal"]["code"], "unsupported_operation");
}
