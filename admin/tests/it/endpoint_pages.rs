//! The pages of the endpoints, as a browser without a script uses them.

use reqwest::Method;
use serde_json::{Value, json};
use store::{CallRecord, CircuitRow, HealthCheckRow, Store};

use crate::browser::{PageForm, plain};
use crate::harness::App;
use crate::usage_page::{call, now, with_model};

const LIST: &str = "/proxy-dashboard/endpoints";
const NEW: &str = "/proxy-dashboard/endpoints/new";
const ROWS: &str = "/api/admin/endpoints";
const KEY: &str = "sk-very-secret-1234";
const NASTY: &str = "\"><script>alert('x')</script>&amp;</textarea>";

async fn form(app: &App, path: &str) -> PageForm {
    PageForm::of(&app.page(path).await, path)
}

fn at(id: i64, rest: &str) -> String {
    format!("{LIST}/{id}{rest}")
}

#[tokio::test]
async fn what_the_last_health_check_found_stands_in_the_list() {
    let app = App::start();
    let body = json!({ "name": "a", "url": "http://127.0.0.1:9", "health_check_url": "/up" });
    let id = app.endpoint_with(body).await;
    let store = Store::open(&app.database()).unwrap();
    assert!(app.page(LIST).await.contains("not asked yet"));
    let found = |is_well: bool, reason: Option<&str>| HealthCheckRow {
        endpoint_id: id,
        checked_at: 1_700_000_600,
        since: 1_700_000_000,
        is_well,
        reason: reason.map(str::to_owned),
    };
    let why = format!("it says {NASTY}");
    store
        .save_health_checks(&[found(false, Some(&why))])
        .unwrap();
    let page = app.page(LIST).await;
    for part in ["not well", "it says &#34;&#62;&#60;script"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let overview = app.page("/proxy-dashboard").await;
    assert!(overview.contains("not well"), "{overview}");
    store.save_health_checks(&[found(true, None)]).unwrap();
    let page = app.page(LIST).await;
    assert!(
        page.contains(">well<") && !page.contains("not well"),
        "{page}"
    );
    // It told of the endpoint as it was.
    assert_eq!(
        app.put(&format!("{ROWS}/{id}"), &json!({ "priority": 1 }))
            .await
            .0,
        200
    );
    assert!(app.page(LIST).await.contains("not asked yet"));
    // Of an endpoint that is not there nothing is kept.
    let gone = HealthCheckRow {
        endpoint_id: 77,
        ..found(true, None)
    };
    store.save_health_checks(&[gone]).unwrap();
    assert_eq!(store.health_checks().unwrap(), []);
}

#[tokio::test]
async fn an_empty_list_leads_to_the_form() {
    let app = App::start();
    let page = app.page(LIST).await;
    assert!(page.contains("There is no endpoint yet"), "{page}");
    assert!(page.contains(&format!("href=\"{NEW}\"")), "{page}");
}

#[tokio::test]
async fn every_field_of_the_form_is_stored_and_shown_again() {
    let app = App::start();
    let fields = [
        ("name", "home & <away>"),
        ("url", "https://127.0.0.1:9/v1"),
        ("endpoint_type", "runpod"),
        ("priority", "-3"),
        (
            "custom_headers",
            "X-Team: blue\nAuthorization: Bearer abcd1234",
        ),
        ("health_check_url", "./health"),
        ("ca_file", "/etc/ca.pem"),
        ("tls_insecure", "1"),
        ("worker_form", "vllm_native"),
        ("timeout_seconds", "1800"),
        ("connect_timeout_seconds", "2.5"),
        ("first_byte_timeout_seconds", "60"),
        ("limit_requests_per_minute", "60"),
        ("limit_tokens_per_minute", "90000"),
        ("limit_parallel", "4"),
        ("limit_cost_per_day", "2.5"),
        ("limit_cost_per_month", "50"),
    ];
    let mut filled = form(&app, NEW).await.with("api_key", KEY);
    for (name, value) in fields {
        filled = filled.with(name, value);
    }
    filled.send(&app).await.leads_to(LIST);
    let row = app.row(ROWS, 1).await;
    assert_eq!(row["api_key"], "***1234");
    assert_eq!(
        (&row["enabled"], &row["tls_insecure"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(row["limit_cost_per_day"], json!(2.5));
    assert_eq!(row["worker_form"], "vllm_native");

    let page = app.page(&at(1, "")).await;
    assert!(
        !page.contains("very-secret") && !page.contains("abcd1234"),
        "{page}"
    );
    assert!(page.contains("Stored: ***1234"), "{page}");
    let again = PageForm::of(&page, &at(1, ""));
    for (name, value) in fields {
        let shown = again.value(name);
        if name == "custom_headers" {
            assert_eq!(shown, "Authorization: ***1234\nX-Team: blue");
        } else {
            assert_eq!(shown, value, "{name}");
        }
    }
    // Sent as it stands, it changes nothing.
    again.send(&app).await.leads_to(LIST);
    let mut same = app.row(ROWS, 1).await;
    for moved in ["updated_at", "version"] {
        same[moved] = row[moved].clone();
    }
    same["version"] = row["version"].clone();
    assert_eq!(same, row);
    let stored = Store::open(&app.database()).unwrap().endpoint(1).unwrap();
    assert_eq!(stored.api_key.unwrap().expose(), KEY);
    let secret = ("Authorization".to_owned(), "Bearer abcd1234".to_owned());
    assert!(stored.custom_headers.contains(&secret));
}

#[tokio::test]
async fn a_key_is_kept_replaced_or_taken_away() {
    let app = App::start();
    let body = json!({ "name": "a", "url": "http://127.0.0.1:9", "api_key": KEY });
    let id = app.endpoint_with(body).await;
    let path = at(id, "");
    let same = form(&app, &path).await.with("name", "b");
    same.send(&app).await.leads_to(LIST);
    assert_eq!(app.row(ROWS, id).await["api_key"], "***1234");
    let other = form(&app, &path)
        .await
        .with("api_key", "sk-quite-another-5678");
    other.send(&app).await.leads_to(LIST);
    assert_eq!(app.row(ROWS, id).await["api_key"], "***5678");
    let none = form(&app, &path).await.with("clear_api_key", "1");
    none.send(&app).await.leads_to(LIST);
    assert_eq!(app.row(ROWS, id).await["api_key"], Value::Null);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_the_field_and_the_rest_stays() {
    let app = App::start();
    app.endpoint("taken", "http://127.0.0.1:9").await;
    let bad = form(&app, NEW)
        .await
        .with("name", NASTY)
        .with("url", "ftp://x")
        .with("priority", "many")
        .with("api_key", KEY)
        .with("custom_headers", "no colon here");
    let sent = bad.send(&app).await;
    assert_eq!(sent.status, 400);
    assert!(sent.error("custom_headers").unwrap().contains("line 1"));
    let bad = PageForm::of(&sent.page, NEW).with("custom_headers", "Host: x");
    let sent = bad.send(&app).await;
    assert_eq!(sent.status, 400);
    for (field, why) in [
        ("url", "http"),
        ("priority", "whole number"),
        ("custom_headers", "belongs to the connection"),
    ] {
        let error = sent
            .error(field)
            .unwrap_or_else(|| panic!("{field}: {}", sent.page));
        assert!(error.contains(why), "{field}: {error}");
        assert!(sent.page.contains(&format!("href=\"#{field}\"")));
    }
    assert!(!sent.page.contains("very-secret"), "{}", sent.page);
    let kept = PageForm::of(&sent.page, NEW);
    for (name, value) in [
        ("name", NASTY),
        ("url", "ftp://x"),
        ("priority", "many"),
        ("custom_headers", "Host: x"),
    ] {
        assert_eq!(kept.value(name), value);
    }
    let taken = form(&app, NEW)
        .await
        .with("name", "taken")
        .with("url", "http://127.0.0.1:9");
    let sent = taken.send(&app).await;
    assert_eq!(sent.status, 409);
    assert!(sent.error("name").unwrap().contains("already exists"));
    assert_eq!(app.get(ROWS).await.1.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pages_of_a_missing_endpoint_say_so() {
    let app = App::start();
    for rest in ["", "/models", "/delete"] {
        let request = app.request(Method::GET, &at(7, rest));
        let response = request.header("accept", "text/html").send().await.unwrap();
        assert_eq!(response.status(), 404, "{rest}");
        let page = response.text().await.unwrap();
        assert!(page.contains("there is no endpoint with id 7"), "{page}");
    }
    let token = crate::harness::token(&app.page(LIST).await);
    for rest in [
        "",
        "/enabled",
        "/test",
        "/duplicate",
        "/circuits",
        "/delete",
        "/pull",
    ] {
        let request = app.form(&at(7, rest), &[("_token", &token), ("model", "m")]);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 404, "{rest}");
    }
}

#[tokio::test]
async fn forged_forms_change_nothing() {
    let app = App::start();
    let id = app.endpoint("a", "http://127.0.0.1:9").await;
    let before = app.row(ROWS, id).await;
    for rest in [
        "",
        "/enabled",
        "/test",
        "/duplicate",
        "/circuits",
        "/delete",
        "/pull",
    ] {
        let request = app.form(&at(id, rest), &[("name", "b"), ("enabled", "0")]);
        assert_eq!(request.send().await.unwrap().status(), 403, "{rest}");
    }
    let request = app.form(NEW, &[("name", "b"), ("url", "http://127.0.0.1:9")]);
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert_eq!(app.get(ROWS).await.1, json!([before]));
    // No address that only reads changes anything.
    for rest in ["/enabled", "/test", "/duplicate", "/circuits", "/pull"] {
        let response = app
            .request(Method::GET, &at(id, rest))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 405, "{rest}");
    }
}

#[tokio::test]
async fn the_list_is_sorted_filtered_and_paged_by_its_address() {
    let app = App::start();
    for number in 0..30 {
        app.endpoint_with(json!({
            "name": format!("e{number:02}"),
            "url": format!("http://127.0.0.1:{}", 100 + number),
            "endpoint_type": if number % 2 == 0 { "ollama" } else { "vllm" },
            "priority": number,
            "enabled": number < 20,
        }))
        .await;
    }
    let names = |page: &str| -> Vec<String> {
        let rows = page.split("<tr id=\"endpoint-").skip(1);
        let name = |row: &str| row.split("</a></th>").next()?.rsplit('>').next().map(plain);
        rows.filter_map(name).collect()
    };
    let first = names(&app.page(&format!("{LIST}?per=20&sort=-priority")).await);
    assert_eq!((first.len(), first[0].as_str()), (20, "e29"));
    let second = names(
        &app.page(&format!("{LIST}?per=20&sort=-priority&page=2"))
            .await,
    );
    assert_eq!((second.len(), second[0].as_str()), (10, "e09"));
    let off = names(&app.page(&format!("{LIST}?enabled=0&type=ollama")).await);
    assert_eq!(off, ["e20", "e22", "e24", "e26", "e28"]);
    assert_eq!(names(&app.page(&format!("{LIST}?q=E07")).await), ["e07"]);
    assert_eq!(names(&app.page(&format!("{LIST}?q=:107")).await), ["e07"]);
    let page = app
        .page(&format!("{LIST}?q=nothing&sort=bogus&page=x"))
        .await;
    assert!(page.contains("No endpoint is like that"), "{page}");
}

#[tokio::test]
async fn the_list_tells_models_the_middle_time_and_the_last_error() {
    let (app, store) = with_model().await;
    let other = app.endpoint("two", "http://127.0.0.1:9").await;
    let times = [400, 1500, 1500, 1600, 9000];
    let calls = times.map(|latency_ms| CallRecord {
        latency_ms,
        ..call("priced", 5)
    });
    store.record_calls(&calls).unwrap();
    // What is a day old is not counted.
    let old = CallRecord {
        latency_ms: 60_000,
        ..call("priced", 30 * 3600)
    };
    store.record_calls(&vec![old; 9]).unwrap();
    let circuit = |model: &str, opened_at, why: &str| CircuitRow {
        endpoint_id: other,
        model: model.to_owned(),
        opened_at,
        open_until: now() + 300,
        failures: 3,
        last_error: Some(why.to_owned()),
    };
    let circuits = [
        circuit("a", now() - 60, "an older one"),
        circuit("b", now(), "connection refused"),
    ];
    store.save_circuits(&circuits).unwrap();
    let page = app.page(&format!("{LIST}?sort=-p50")).await;
    let rows: Vec<&str> = page.split("<tr id=\"endpoint-").skip(1).collect();
    // What nobody has called has no time, and comes last.
    let [one, two] = rows[..] else {
        panic!("{page}")
    };
    for part in [
        ">one</a>",
        "<a href=\"/proxy-dashboard/models?endpoint=1\">1</a>",
        "<td class=\"num\">1.5 s</td>",
        ">good</span>",
    ] {
        assert!(one.contains(part), "{part}: {one}");
    }
    for part in [
        ">two</a>",
        "circuit open",
        "2 until",
        "connection refused",
        "no calls",
        "?endpoint=2\">0</a>",
    ] {
        assert!(two.contains(part), "{part}: {two}");
    }
    assert!(!two.contains("an older one"), "{two}");
}

#[tokio::test]
async fn the_switch_of_the_list_goes_back_to_the_list_as_it_was() {
    let app = App::start();
    let id = app.endpoint("a", "http://127.0.0.1:9").await;
    let here = format!("{LIST}?q=a&sort=-name");
    let action = at(id, "/enabled");
    let page = app.page(&here).await;
    let sent = PageForm::of(&page, &action).send(&app).await;
    sent.leads_to(&here);
    assert_eq!(app.row(ROWS, id).await["enabled"], 0);
    let page = app.page(sent.location.as_deref().unwrap()).await;
    assert!(page.contains("Switched off."), "{page}");
    PageForm::of(&page, &action)
        .send(&app)
        .await
        .leads_to(&here);
    assert_eq!(app.row(ROWS, id).await["enabled"], 1);
    let away = PageForm::of(&page, &action).with("back", "//evil.example");
    away.send(&app).await.leads_to(LIST);
}

#[tokio::test]
async fn a_copy_is_switched_off_and_has_the_secrets() {
    let app = App::start();
    let id = app
        .endpoint_with(json!({
            "name": "a", "url": "http://127.0.0.1:9", "api_key": KEY, "priority": 5,
            "custom_headers": { "X-Api-Token": "abcd9999" }, "limit_parallel": 3,
        }))
        .await;
    let duplicate = at(id, "/duplicate");
    let page = app.page(LIST).await;
    PageForm::of(&page, &duplicate)
        .send(&app)
        .await
        .leads_to(&at(2, ""));
    PageForm::of(&page, &duplicate)
        .send(&app)
        .await
        .leads_to(&at(3, ""));
    let row = app.row(ROWS, 2).await;
    assert_eq!(
        (&row["name"], &row["enabled"]),
        (&json!("a copy"), &json!(0))
    );
    assert_eq!(
        (&row["priority"], &row["limit_parallel"]),
        (&json!(5), &json!(3))
    );
    assert_eq!(app.row(ROWS, 3).await["name"], "a copy 2");
    let stored = Store::open(&app.database()).unwrap().endpoint(2).unwrap();
    assert_eq!(stored.api_key.unwrap().expose(), KEY);
    assert_eq!(stored.custom_headers[0].1, "abcd9999");
}

#[tokio::test]
async fn deleting_asks_first_and_says_what_goes_with_it() {
    let app = App::start();
    let (id, other) = (
        app.endpoint("a", "http://127.0.0.1:9").await,
        app.endpoint("b", "http://127.0.0.1:9").await,
    );
    let going = app.model("going<b>", id).await;
    let stays = app.model("stays", other).await;
    let routing = json!({ "routing": {
        "strategy": "backup", "targets": [{ "virtual_model_id": going }],
    }});
    let (status, _) = app.put(&format!("/virtual-models/{stays}"), &routing).await;
    assert_eq!(status, 200);
    let path = at(id, "/delete");
    let page = app.page(&path).await;
    assert!(
        page.contains("go with it") && page.contains("going&#60;b&#62;"),
        "{page}"
    );
    assert!(
        page.contains("lose a target of their failover: stays"),
        "{page}"
    );
    let asked = PageForm::of(&page, &path);
    // What has come since was not agreed to.
    app.model("late", id).await;
    let again = asked.send(&app).await;
    assert_eq!(again.status, 200);
    assert!(again.page.contains("late"), "{}", again.page);
    assert_eq!(app.get(ROWS).await.1.as_array().unwrap().len(), 2);
    PageForm::of(&again.page, &path)
        .send(&app)
        .await
        .leads_to(LIST);
    let (_, rows) = app.get("/api/admin/virtual-models").await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["routing"]["targets"], json!([]));
    let page = app.page(&at(other, "/delete")).await;
    assert!(page.contains("stays"), "{page}");
}

#[tokio::test]
async fn rows_full_of_marks_are_harmless() {
    let app = App::start();
    let id = app
        .endpoint_with(json!({
            "name": NASTY, "url": "http://127.0.0.1:9/'\"<b>",
            "ca_file": NASTY, "custom_headers": { "X-Team": NASTY },
        }))
        .await;
    for path in [
        LIST.to_owned(),
        at(id, ""),
        at(id, "/delete"),
        at(id, "/models"),
    ] {
        let page = app.page(&path).await;
        assert_eq!(page.matches("<script").count(), 1, "{path}: {page}");
        assert!(!page.contains("<b>"), "{path}: {page}");
    }
    let form = form(&app, &at(id, "")).await;
    assert_eq!(form.value("name"), NASTY);
    assert_eq!(form.value("custom_headers"), format!("X-Team: {NASTY}"));
}
