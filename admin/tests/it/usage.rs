//! Usage and prices over the API.

use reqwest::Method;
use serde_json::{Value, json};
use store::{Attempt, CallKind, CallRecord, Outcome, Store};
use wire::usage::Usage;

use crate::harness::App;

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;

/// Three calls of a priced model, one of an unknown one, one embedding, over two days.
async fn with_calls() -> (App, Store) {
    let app = App::start();
    let (status, body) = app
        .post(
            "/api/admin/settings",
            &json!({"display_timezone": "Europe/Berlin"}),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    let endpoint = app.endpoint("one", "http://127.0.0.1:9").await;
    let model = json!({
        "name": "priced, \"best\"", "endpoint_id": endpoint, "actual_model": "gpt-4o-2024-08-06",
        "cost_per_1m_tokens_in": 2, "cost_per_1m_tokens_out": 10,
        "cost_per_1m_tokens_in_cached": 1,
    });
    let (status, body) = app.post("/api/admin/virtual-models", &model).await;
    assert_eq!(status, 200, "{body}");
    let store = Store::open(&app.database()).unwrap();
    let calls = [
        call("priced, \"best\"", CallKind::Chat, NOON, 100),
        call("priced, \"best\"", CallKind::Chat, NOON + 60, 300),
        call("priced, \"best\"", CallKind::Embedding, NOON + 86_400, 200),
        call("=cmd()", CallKind::Completion, NOON + 90_000, 400),
    ];
    store.record_calls(&calls).unwrap();
    (app, store)
}

fn call(model: &str, kind: CallKind, at: i64, latency_ms: u64) -> CallRecord {
    let usage = Usage {
        prompt_tokens: 1000,
        completion_tokens: 100,
        total_tokens: 1100,
        cached_tokens: 400,
        ..Usage::default()
    };
    CallRecord {
        virtual_model: model.to_owned(),
        endpoint_id: Some(1),
        endpoint_name: Some("one".to_owned()),
        key_id: (kind == CallKind::Chat).then_some(7),
        key_label: (kind == CallKind::Chat).then(|| "agent".to_owned()),
        usage,
        status: 200,
        outcome: Outcome::Success,
        latency_ms,
        ttft_ms: Some(latency_ms / 2),
        attempts: vec![Attempt {
            endpoint: "one".to_owned(),
            endpoint_id: Some(1),
            virtual_model: model.to_owned(),
            status: 200,
            usage: Some(usage),
            ..Attempt::default()
        }],
        ..CallRecord::begun(kind, format!("req-{at}"), at)
    }
}

const ALL: &str = "start_date=2026-11-01&end_date=2026-11-30";

#[tokio::test]
async fn the_summary_has_the_originals_shape_and_exact_figures() {
    let (app, _store) = with_calls().await;
    let (status, body) = app.get(&format!("/api/admin/usage?{ALL}")).await;
    assert_eq!(status, 200, "{body}");
    // 600 uncached at 2, 400 cached at 1, 100 written at 10 dollars a million: 2200 + 400
    // micro-dollars for each of three.
    for (field, expected) in [
        ("total_prompt_tokens", json!(4000)),
        ("total_completion_tokens", json!(400)),
        ("total_tokens", json!(4400)),
        ("total_cost", json!(0.0066)),
        ("total_cached_input_tokens", json!(1600)),
        ("total_cache_creation_tokens", json!(0)),
        ("total_cached_cost", json!(0.0012)),
        ("request_count", json!(4)),
        ("avg_response_time_ms", json!(250.0)),
        ("cost_nanos", json!(7_800_000)),
        ("unpriced_requests", json!(1)),
    ] {
        assert_eq!(body["summary"][field], expected, "{field}: {body}");
    }
    assert_eq!(body["time_zone"], "Europe/Berlin");
    let days = body["daily_breakdown"].as_array().unwrap();
    let told: Vec<_> = days
        .iter()
        .map(|day| (&day["date"], &day["requests"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("2026-11-29"), &json!(2)),
            (&json!("2026-11-28"), &json!(2))
        ]
    );
    let models: Vec<_> = days[0]["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["virtual_model"])
        .collect();
    assert_eq!(models, [&json!("priced, \"best\""), &json!("=cmd()")]);
}

#[tokio::test]
async fn reports_group_by_what_is_asked() {
    let (app, _store) = with_calls().await;
    let (_, models) = app.get(&format!("/api/admin/usage/by_model?{ALL}")).await;
    assert_eq!(models[0]["virtual_model"], "priced, \"best\"");
    assert_eq!(models[0]["request_count"], 3);
    assert_eq!(models[0]["response_time_ms"]["p50"], 204);
    let (_, endpoints) = app
        .get(&format!("/api/admin/usage/by_endpoint?{ALL}"))
        .await;
    assert_eq!(endpoints[0]["endpoint_name"], "one");
    assert_eq!(endpoints[0]["total_tokens"], 4400);
    let (_, keys) = app.get(&format!("/api/admin/usage/by_key?{ALL}")).await;
    let labels: Vec<_> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["inbound_api_key_label"], &key["requests"]))
        .collect();
    assert_eq!(
        labels,
        [(&Value::Null, &json!(2)), (&json!("agent"), &json!(2))]
    );
    let (_, hours) = app.get(&format!("/api/admin/usage/by_hour?{ALL}")).await;
    assert_eq!(hours[2]["hour"], "2026-11-28T13:00:00+01:00");
    let (_, both) = app
        .get(&format!("/api/admin/usage/grouped?by=day,key&{ALL}"))
        .await;
    assert_eq!(both["lines"].as_array().unwrap().len(), 2, "{both}");
    let (_, embeddings) = app.get(&format!("/api/admin/usage/embeddings?{ALL}")).await;
    assert_eq!(embeddings["total_input_tokens"], 1000);
    assert_eq!(embeddings["request_count"], 1);
    // One key alone, in unix seconds.
    let (_, one) = app
        .get(&format!(
            "/api/admin/usage?inbound_api_key_id=7&start_date={NOON}&end_date={}",
            NOON + 59
        ))
        .await;
    assert_eq!(one["summary"]["request_count"], 1, "{one}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_name() {
    let app = App::start();
    for (query, field) in [
        ("start_date=yesterday", "start_date"),
        ("end_date=2026-02-30", "end_date"),
        ("start_date=200&end_date=100", "start_date"),
        ("inbound_api_key_id=x", "inbound_api_key_id"),
    ] {
        let (status, body) = app.get(&format!("/api/admin/usage?{query}")).await;
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body["fields"][field].is_string(), "{query}: {body}");
    }
    for (path, field) in [
        ("/api/admin/usage/grouped?by=model,day,key", "by"),
        ("/api/admin/usage/grouped?by=colour", "by"),
        ("/api/admin/usage/grouped", "by"),
        ("/api/admin/usage/calls?limit=0", "limit"),
        ("/api/admin/usage/calls?cursor=here", "cursor"),
        ("/api/admin/usage/export?format=xlsx", "format"),
    ] {
        let (status, body) = app.get(path).await;
        assert_eq!(status, 400, "{path}: {body}");
        assert!(body["fields"][field].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn calls_come_in_pages_and_every_one_once() {
    let (app, store) = with_calls().await;
    let many: Vec<_> = (0..40)
        .map(|n| {
            let kind = [CallKind::Chat, CallKind::Embedding][n % 2];
            let at = NOON + 200_000 + i64::try_from(n).unwrap() / 8;
            CallRecord {
                request_id: format!("many-{n}"),
                ..call("priced, \"best\"", kind, at, 1)
            }
        })
        .collect();
    store.record_calls(&many).unwrap();
    let range = format!("start_date={}&end_date={}", NOON + 200_000, NOON + 300_000);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/admin/usage/calls?{range}&limit=7&cursor={cursor}");
        let (status, page) = app.get(&path).await;
        assert_eq!(status, 200, "{page}");
        for row in page["items"].as_array().unwrap() {
            seen.push((
                row["created_at"].as_i64().unwrap(),
                row["request_id"].to_string(),
            ));
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.0 >= b.0), "{seen:?}");
    let mut ids: Vec<_> = seen.into_iter().map(|(_, id)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    let (_, one) = app
        .get(&format!("/api/admin/usage/calls?{range}&request_id=many-3"))
        .await;
    assert_eq!(one["count"], 1, "{one}");
    assert_eq!(one["items"][0]["cost_nanos"], 2_600_000);
}

#[tokio::test]
async fn an_export_is_quoted_whole_and_no_formula() {
    let (app, _store) = with_calls().await;
    let body = json!({"start_date": "2026-11-01", "end_date": "2026-11-30"});
    let request = app
        .request(Method::POST, "/api/admin/usage/export")
        .json(&body);
    let response = request.send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8");
    let name = header("content-disposition");
    assert!(
        name.starts_with("attachment; filename=\"usage_report_"),
        "{name}"
    );
    let text = response.text().await.unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[0].starts_with(
            "Date,Virtual Model,Endpoint,Request Type,Prompt Tokens,Completion Tokens,\
             Total Tokens,Cost ($),Response Time (ms),Key,"
        ),
        "{text}"
    );
    assert!(lines[1].contains(",'=cmd(),one,completion,"), "{text}");
    assert!(
        lines[4].starts_with(
            "2026-11-28T13:00:00+01:00,\"priced, \"\"best\"\"\",one,chat,1000,100,1100,0.0026,100,agent,"
        ),
        "{text}"
    );
    let columns = lines[0].split(',').count();
    assert_eq!(lines[1].split(',').count(), columns, "{text}");
    let request = app.request(
        Method::GET,
        &format!("/api/admin/usage/export?format=jsonl&{ALL}"),
    );
    let text = request.send().await.unwrap().text().await.unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[3]["usage"]["cached_tokens"], 400);
}

#[tokio::test]
async fn prices_have_dates_and_calls_are_charged_anew_on_demand_alone() {
    let (app, _store) = with_calls().await;
    let history = "/api/admin/virtual-models/1/prices";
    let (_, rows) = app.get(history).await;
    assert_eq!(rows[0]["valid_from"], 0);
    assert_eq!(rows[0]["cost_per_1m_tokens_in"], 2.0);
    let (status, body) = app
        .post(
            history,
            &json!({"valid_from": "soon", "cost_per_1m_tokens_in": -1, "colour": 1}),
        )
        .await;
    assert_eq!(status, 400, "{body}");
    for field in ["valid_from", "cost_per_1m_tokens_in", "colour"] {
        assert!(body["fields"][field].is_string(), "{body}");
    }
    let price = json!({
        "valid_from": "2026-11-29", "cost_per_1m_tokens_in": 4, "cost_per_1m_tokens_out": 10,
        "cost_per_1m_tokens_in_cached": 1,
    });
    let (status, body) = app.post(history, &price).await;
    assert_eq!(status, 200, "{body}");
    let range = json!({"start_date": "2026-11-28", "end_date": "2026-11-30", "virtual_model": "priced, \"best\""});
    let (_, preview) = app.post("/api/admin/usage/reprice", &range).await;
    assert_eq!(preview["applied"], false);
    assert_eq!(preview["models"][0]["calls"], 3);
    assert_eq!(preview["models"][0]["changed"], 1);
    assert_eq!(preview["models"][0]["cost_nanos"], 7_800_000);
    assert_eq!(preview["models"][0]["new_cost_nanos"], 9_000_000);
    let mut apply = range.clone();
    apply["token"] = json!("0000");
    let (status, body) = app.post("/api/admin/usage/reprice", &apply).await;
    assert_eq!(status, 400, "{body}");
    apply["token"] = preview["token"].clone();
    let (status, body) = app.post("/api/admin/usage/reprice", &apply).await;
    assert_eq!(
        (status.as_u16(), &body["applied"]),
        (200, &json!(true)),
        "{body}"
    );
    let (_, usage) = app.get(&format!("/api/admin/usage?{ALL}")).await;
    assert_eq!(usage["summary"]["cost_nanos"], 9_000_000, "{usage}");
    let (status, body) = app
        .post("/api/admin/usage/reprice", &json!({"virtual_model": "m"}))
        .await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn public_prices_are_suggested_and_never_set() {
    let (app, store) = with_calls().await;
    let (status, body) = app
        .get("/api/admin/prices/suggestions?model=gpt-4o-2024-08-06")
        .await;
    assert_eq!(status, 200, "{body}");
    let best = &body["suggestions"][0];
    assert_eq!(best["vendor"], "OpenAI", "{body}");
    assert!(
        best["prices"]["cost_per_1m_tokens_in"].as_f64().unwrap() > 0.0,
        "{body}"
    );
    assert!(
        best["source"].as_str().unwrap().starts_with("https://"),
        "{body}"
    );
    let (_, none) = app
        .get("/api/admin/prices/suggestions?model=no-such-model")
        .await;
    assert_eq!(none["suggestions"], json!([]));
    assert_eq!(store.price_history(1).unwrap().len(), 1);
}
