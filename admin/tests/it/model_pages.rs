//! The pages of the virtual models, as a browser without a script uses them.

use reqwest::Method;
use serde_json::{Value, json};
use store::Store;

use crate::browser::{PageForm, plain};
use crate::harness::{App, token};
use crate::upstream::Upstream;

const LIST: &str = "/proxy-dashboard/models";
const NEW: &str = "/proxy-dashboard/models/new";
const ROWS: &str = "/api/admin/virtual-models";
const NASTY: &str = "\"><script>alert('x')</script>&amp;</textarea>";

async fn form(app: &App, path: &str) -> PageForm {
    PageForm::of(&app.page(path).await, path)
}

fn at(id: i64, rest: &str) -> String {
    format!("{LIST}/{id}{rest}")
}

async fn with_endpoint() -> (App, i64) {
    let app = App::start();
    let endpoint = app.endpoint("home", "http://127.0.0.1:9/v1").await;
    (app, endpoint)
}

/// Rows without what moves with every change.
async fn row(app: &App, id: i64) -> Value {
    let mut row = app.row(ROWS, id).await;
    for field in ["updated_at", "version"] {
        row.as_object_mut().unwrap().remove(field);
    }
    row
}

#[tokio::test]
async fn an_empty_list_says_what_is_needed_first() {
    let app = App::start();
    let page = app.page(LIST).await;
    assert!(page.contains("Add an endpoint</a> first"), "{page}");
    app.endpoint("home", "http://127.0.0.1:9").await;
    let page = app.page(LIST).await;
    assert!(page.contains("Add the first one"), "{page}");
}

#[tokio::test]
async fn every_field_of_the_form_is_stored_and_shown_again() {
    let (app, endpoint) = with_endpoint().await;
    let (first, second) = (
        app.model("first", endpoint).await,
        app.model("second", endpoint).await,
    );
    let fields = [
        ("name", "chat \"one\""),
        ("endpoint_id", &endpoint.to_string()),
        ("actual_model", "meta/llama:70b"),
        ("description", "for <talking>"),
        ("cost_per_1m_tokens_in", "0.5"),
        ("cost_per_1m_tokens_out", "1.5"),
        ("cost_per_1m_tokens_in_cached", "0.05"),
        ("cost_per_1m_tokens_out_cached", "0"),
        ("cost_per_1m_tokens_cache_write", "0.6"),
        ("cost_per_1m_tokens_cache_write_1h", "1"),
        ("max_tokens", "4096"),
        ("temperature", "0"),
        ("top_p", "0.9"),
        ("system_prompt", "  Be brief.\n\nAnd kind. "),
        ("queue_priority", "LOW"),
        ("keep_alive", "10m"),
        ("num_ctx", "32768"),
        ("reasoning_form", "inline"),
        ("thinking", "held"),
        ("keep_tool_text_bytes", "65536"),
        ("cache_ttl_seconds", "120"),
        ("limit_requests_per_minute", "60"),
        ("limit_tokens_per_minute", "90000"),
        ("limit_parallel", "4"),
        ("limit_cost_per_day", "2.5"),
        ("limit_cost_per_month", "50"),
        ("routing.strategy", "weighted"),
        ("routing.weight", "3"),
        ("routing.max_attempts", "4"),
        ("routing.failure_threshold", "5"),
        ("routing.cooldown", "60"),
        ("disable_streaming", "1"),
        ("force_non_streaming", "1"),
        ("auto_cache", "1"),
        ("inline_system", "1"),
        ("repaired_comment", "1"),
        ("cache_enabled", "1"),
        ("join_calls", "1"),
        ("capture_bodies", "1"),
        ("routing.affinity", "1"),
    ];
    let off = [
        "show_reasoning",
        "repair_tool_calls",
        "repair_arguments",
        "repair_history",
    ];
    let mut filled = form(&app, NEW).await;
    for (name, value) in fields {
        filled = filled.with(name, value);
    }
    for name in off {
        filled = filled.with(name, "");
    }
    let filled = filled
        .with("custom_headers", "X-Api-Token: abcd1234\nX-Team: blue")
        .with_all("target_name", &["first", "second"])
        .with_all("target_place", &["20", "10"])
        .with_all("target_weight", &["7", ""]);
    filled.send(&app).await.leads_to(LIST);
    let stored = row(&app, 3).await;
    for name in off {
        assert_eq!(stored[name], 0, "{name}");
    }
    assert_eq!(stored["system_prompt"], "  Be brief.\n\nAnd kind. ");
    assert_eq!(
        stored["routing"]["targets"],
        json!([
            { "virtual_model_id": second, "weight": 1 },
            { "virtual_model_id": first, "weight": 7 },
        ])
    );
    let page = app.page(&at(3, "")).await;
    assert!(!page.contains("abcd1234"), "{page}");
    let again = PageForm::of(&page, &at(3, ""));
    for (name, value) in fields {
        assert_eq!(again.value(name), value, "{name}");
    }
    for name in off {
        assert_eq!(again.value(name), "0", "{name}");
    }
    assert_eq!(
        again.value("custom_headers"),
        "X-Api-Token: ***1234\nX-Team: blue"
    );
    assert_eq!(again.values("target_name")[..3], ["second", "first", ""]);
    // Sent as it stands, it changes nothing.
    again.send(&app).await.leads_to(LIST);
    assert_eq!(row(&app, 3).await, stored);
    let headers = Store::open(&app.database())
        .unwrap()
        .virtual_model(3)
        .unwrap();
    assert!(headers.custom_headers.unwrap().contains("abcd1234"));
    // A target is taken out by emptying its name.
    let less = form(&app, &at(3, "")).await;
    less.with_all("target_name", &[""])
        .send(&app)
        .await
        .leads_to(LIST);
    let targets = &row(&app, 3).await["routing"]["targets"];
    assert_eq!(
        *targets,
        json!([{ "virtual_model_id": first, "weight": 7 }])
    );
}

#[tokio::test]
async fn a_form_makes_what_the_api_makes_of_the_required_fields() {
    let (app, endpoint) = with_endpoint().await;
    let page = app
        .page(&format!("{NEW}?endpoint={endpoint}&model=m%2F1"))
        .await;
    let form = PageForm::of(&page, NEW);
    assert_eq!(
        (form.value("name"), form.value("actual_model")),
        ("m/1", "m/1")
    );
    form.send(&app).await.leads_to(LIST);
    let body = json!({ "name": "api", "endpoint_id": endpoint, "actual_model": "m/1" });
    app.post("/virtual-models", &body).await;
    let (mut by_form, mut by_api) = (row(&app, 1).await, row(&app, 2).await);
    for row in [&mut by_form, &mut by_api] {
        let row = row.as_object_mut().unwrap();
        row.retain(|name, _| !["id", "name", "created_at"].contains(&name.as_str()));
    }
    assert_eq!(by_form, by_api);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_the_field_and_the_rest_stays() {
    let (app, endpoint) = with_endpoint().await;
    app.model("taken", endpoint).await;
    let bad = form(&app, NEW)
        .await
        .with("name", "taken")
        .with("actual_model", NASTY)
        .with("temperature", "warm")
        .with("keep_alive", "soon")
        .with("custom_headers", "no colon")
        .with("routing.max_attempts", "0")
        .with("show_reasoning", "")
        .with_all("target_name", &[NASTY, "taken"])
        .with_all("target_place", &["2", "1"]);
    let sent = bad.send(&app).await;
    assert_eq!(sent.status, 400);
    for (field, why) in [
        ("endpoint_id", "id of an endpoint"),
        ("temperature", "from 0 to 2"),
        ("keep_alive", "duration"),
        ("custom_headers", "line 1"),
        ("routing.max_attempts", "from 1 to 100"),
        ("routing.targets", "there is no virtual model named"),
    ] {
        let error = sent
            .error(field)
            .unwrap_or_else(|| panic!("{field}: {}", sent.page));
        assert!(error.contains(why), "{field}: {error}");
    }
    let kept = PageForm::of(&sent.page, NEW);
    for (name, value) in [
        ("actual_model", NASTY),
        ("temperature", "warm"),
        ("keep_alive", "soon"),
        ("custom_headers", "no colon"),
        ("show_reasoning", "0"),
    ] {
        assert_eq!(kept.value(name), value);
    }
    assert_eq!(kept.values("target_name")[..2], ["taken", NASTY]);
    let taken = form(&app, NEW)
        .await
        .with("name", "taken")
        .with("actual_model", "m")
        .with("endpoint_id", &endpoint.to_string());
    let sent = taken.send(&app).await;
    assert_eq!(sent.status, 409);
    assert!(sent.error("name").unwrap().contains("already exists"));
    // A target of itself.
    let own = form(&app, &at(1, ""))
        .await
        .with_all("target_name", &["taken"]);
    let sent = own.send(&app).await;
    assert_eq!(sent.status, 400, "{}", sent.page);
    assert!(sent.error("routing.targets").is_some(), "{}", sent.page);
}

#[tokio::test]
async fn models_are_fetched_into_the_form_without_losing_what_was_typed() {
    let app = App::start();
    let backend = Upstream::json(200, r#"{"data":[{"id":"b"},{"id":"a<i>\""}]}"#).await;
    let endpoint = app.endpoint("home", &backend.url()).await;
    let typed = form(&app, NEW)
        .await
        .with("name", "half typed")
        .with("temperature", "nonsense")
        .with("intent", "models");
    let none = typed.send(&app).await;
    assert!(
        none.page.contains("choose an endpoint first"),
        "{}",
        none.page
    );
    let chosen = PageForm::of(&none.page, NEW)
        .with("endpoint_id", &endpoint.to_string())
        .with("intent", "models");
    let sent = chosen.send(&app).await;
    assert_eq!(sent.status, 200);
    assert!(sent.page.contains("Found 2 models"), "{}", sent.page);
    assert!(
        plain(&sent.page).contains("<option value=\"a<i>\"\">"),
        "{}",
        sent.page
    );
    assert!(!sent.page.contains("<i>"), "{}", sent.page);
    let kept = PageForm::of(&sent.page, NEW);
    assert_eq!(kept.value("name"), "half typed");
    assert_eq!(kept.value("temperature"), "nonsense");
    assert_eq!(app.get(ROWS).await.1, json!([]));
    let gone = app.endpoint("gone", "http://127.0.0.1:9/v1").await;
    let gone = kept
        .with("endpoint_id", &gone.to_string())
        .with("intent", "models");
    let sent = gone.send(&app).await;
    assert!(sent.page.contains("There is no list:"), "{}", sent.page);
}

#[tokio::test]
async fn prices_are_suggested_and_taken() {
    let (app, _) = with_endpoint().await;
    let look = form(&app, NEW)
        .await
        .with("name", "n")
        .with("actual_model", "gpt-4o-mini")
        .with("cost_per_1m_tokens_out_cached", "9")
        .with("intent", "look");
    let sent = look.send(&app).await;
    assert!(
        sent.page.contains("in $0.15, out $0.6, cached in $0.075"),
        "{}",
        sent.page
    );
    let take = PageForm::of(&sent.page, NEW).with("intent", "price-0");
    let sent = take.send(&app).await;
    let filled = PageForm::of(&sent.page, NEW);
    let prices = [
        "cost_per_1m_tokens_in",
        "cost_per_1m_tokens_out",
        "cost_per_1m_tokens_in_cached",
        "cost_per_1m_tokens_out_cached",
        "name",
    ];
    assert_eq!(
        prices.map(|name| filled.value(name)),
        ["0.15", "0.6", "0.075", "", "n"]
    );
    let unknown = filled
        .with("actual_model", "nobody-knows")
        .with("intent", "look");
    let sent = unknown.send(&app).await;
    assert!(
        sent.page.contains("The lists have no such model"),
        "{}",
        sent.page
    );
    assert_eq!(app.get(ROWS).await.1, json!([]));
}

#[tokio::test]
async fn the_list_shows_what_is_special_and_is_sorted_and_filtered() {
    let (app, endpoint) = with_endpoint().await;
    let other = app.endpoint("away", "http://127.0.0.1:9").await;
    for (name, more) in [
        ("plain", json!({})),
        (
            "fancy",
            json!({
                "cost_per_1m_tokens_in": 2, "cache_enabled": true, "limit_parallel": 1,
                "routing": { "strategy": "duplicate" }, "description": "with everything",
            }),
        ),
        ("away", json!({ "endpoint_id": other, "enabled": false })),
    ] {
        let mut body = json!({ "name": name, "endpoint_id": endpoint, "actual_model": "m" });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        assert_eq!(app.post("/virtual-models", &body).await.0, 200);
    }
    let names = |page: &str| -> Vec<String> {
        let rows = page.split("<tr id=\"model-").skip(1);
        let name = |row: &str| row.split("</a>").next()?.rsplit('>').next().map(plain);
        rows.filter_map(name).collect()
    };
    let page = app.page(LIST).await;
    assert_eq!(names(&page), ["away", "fancy", "plain"]);
    for badge in ["failover", "cache", "limits"] {
        assert!(
            page.contains(&format!("<span class=\"badge \">{badge}<")),
            "{badge}: {page}"
        );
    }
    assert!(page.contains("$2"), "{page}");
    for (query, found) in [
        ("sort=-in", vec!["fancy", "plain", "away"]),
        ("sort=-name", vec!["plain", "fancy", "away"]),
        ("q=EVERYTHING", vec!["fancy"]),
        ("feature=failover", vec!["fancy"]),
        ("enabled=0", vec!["away"]),
        (&format!("endpoint={other}"), vec!["away"]),
    ] {
        assert_eq!(
            names(&app.page(&format!("{LIST}?{query}")).await),
            found,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_model_is_switched_copied_and_deleted() {
    let (app, endpoint) = with_endpoint().await;
    let id = app.model("one", endpoint).await;
    let body = json!({ "custom_headers": { "X-Token": "abcd1234" }, "max_tokens": 5,
        "routing": { "strategy": "backup" } });
    assert_eq!(
        app.put(&format!("/virtual-models/{id}"), &body).await.0,
        200
    );
    let page = app.page(LIST).await;
    let switch = PageForm::of(&page, &at(id, "/enabled"));
    switch.send(&app).await.leads_to(LIST);
    assert_eq!(row(&app, id).await["enabled"], 0);
    let copy = PageForm::of(&page, &at(id, "/duplicate"));
    copy.send(&app).await.leads_to(&at(2, ""));
    let copied = row(&app, 2).await;
    assert_eq!(
        (&copied["name"], &copied["enabled"]),
        (&json!("one copy"), &json!(0))
    );
    assert_eq!(copied["max_tokens"], 5);
    assert_eq!(copied["routing"]["strategy"], "backup");
    let stored = Store::open(&app.database())
        .unwrap()
        .virtual_model(2)
        .unwrap();
    assert_eq!(stored.custom_headers.unwrap(), r#"{"X-Token":"abcd1234"}"#);

    let routing = json!({ "routing": { "targets": [{ "virtual_model_id": id }] } });
    assert_eq!(app.put("/virtual-models/2", &routing).await.0, 200);
    let key = json!({ "label": "phone <b>", "allowed_models": ["one"] });
    assert_eq!(app.post("/api/admin/inbound-api-keys", &key).await.0, 200);
    let page = app.page(&at(id, "/delete")).await;
    assert!(
        page.contains("as a target of their failover: one copy"),
        "{page}"
    );
    assert!(
        page.contains("these keys may call: phone &#60;b&#62;"),
        "{page}"
    );
    let ask = PageForm::of(&page, &at(id, "/delete"));
    ask.send(&app).await.leads_to(LIST);
    let (_, rows) = app.get(ROWS).await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["routing"]["targets"], json!([]));
}

#[tokio::test]
async fn missing_and_forged_change_nothing() {
    let (app, endpoint) = with_endpoint().await;
    let id = app.model("one", endpoint).await;
    let before = app.get(ROWS).await.1;
    for rest in ["", "/delete"] {
        let response = app.request(Method::GET, &at(7, rest)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{rest}");
    }
    let token = token(&app.page(LIST).await);
    for rest in ["", "/enabled", "/duplicate", "/delete"] {
        let missing = app.form(&at(7, rest), &[("_token", &token), ("name", "x")]);
        assert_eq!(missing.send().await.unwrap().status(), 404, "{rest}");
        let forged = app.form(&at(id, rest), &[("name", "x"), ("enabled", "0")]);
        assert_eq!(forged.send().await.unwrap().status(), 403, "{rest}");
    }
    for path in [
        NEW,
        "/proxy-dashboard/models/explain",
        "/proxy-dashboard/models/try",
    ] {
        let forged = app.form(path, &[("name", "x"), ("body", "{}")]);
        assert_eq!(forged.send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(app.get(ROWS).await.1, before);
}

#[tokio::test]
async fn rows_full_of_marks_are_harmless() {
    let app = App::start();
    let endpoint = app.endpoint(NASTY, "http://127.0.0.1:9").await;
    let body = json!({
        "name": NASTY, "endpoint_id": endpoint, "actual_model": NASTY,
        "description": format!("{NASTY}\u{202e}\u{7}"), "system_prompt": NASTY,
        "custom_headers": { "X-Team": NASTY },
    });
    assert_eq!(app.post("/virtual-models", &body).await.0, 200);
    let explain = "/proxy-dashboard/models/explain";
    let query =
        "model=%22%3E%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E%26amp%3B%3C%2Ftextarea%3E";
    let mut pages = Vec::new();
    for path in [
        LIST.to_owned(),
        at(1, ""),
        at(1, "/delete"),
        format!("{explain}?{query}"),
        format!("{LIST}/try?{query}"),
        format!("{NEW}?{query}"),
    ] {
        pages.push(app.page(&path).await);
    }
    let asked = form(&app, &at(1, "")).await;
    assert_eq!(asked.value("system_prompt"), NASTY);
    let explained = PageForm::of(&pages[3], explain).send(&app).await;
    assert!(
        explained.page.contains("What would happen"),
        "{}",
        explained.page
    );
    pages.push(explained.page);
    for page in pages {
        assert_eq!(page.matches("<script").count(), 1, "{page}");
    }
}
