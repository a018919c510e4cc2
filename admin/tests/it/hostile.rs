//! Names, addresses, patterns and what models wrote, full of HTML, quotes and characters that
//! are not seen, come out harmless on every page: the list of pages is
//! `tests/cases/pages.txt`, and a unit test of the program sees that none is missing in it.

use reqwest::Method;
use serde_json::json;
use sim::{Options, Sim};
use store::{
    Actor, Attempt, CallRecord, Capture, CircuitRow, EndpointDraft, GatewayStatus, HealthCheckRow,
    Outcome, Store, VirtualModelDraft,
};
use url::form_urlencoded::byte_serialize;

use crate::browser::PageForm;
use crate::harness::App;
use crate::people::{PASSWORD, Person, app_with_admin};
use crate::usage_page::{call, now};

/// Leaves a tag, an attribute, a quoted text and a template, and turns the text round.
const NASTY: &str =
    "\"><script>alert('x')</script><img src=x onerror=alert(1)>'`{{7*7}}&lt;\u{202e}\u{200b}";

/// The same with characters that no name may have.
fn nastier() -> String {
    format!("{NASTY}\u{7}\u{1b}[31m\u{85}")
}

/// Rows of every kind with it, and everything that others tell.
async fn furnish(app: &App, ada: &Person, sim: &Sim) {
    let post = async |path: &str, body: serde_json::Value| {
        let request = ada.request(app, Method::POST, path).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
    };
    post(
        "/endpoints",
        json!({
            "name": NASTY, "url": sim.base_url(), "api_key": "sk-nasty-4711", "ca_file": NASTY,
            "health_check_url": "/up", "custom_headers": { "x-team": "\"><script>" },
        }),
    )
    .await;
    for name in [NASTY.to_owned(), format!("{NASTY} 2")] {
        let model = json!({
            "name": name, "endpoint_id": 1, "actual_model": NASTY, "description": NASTY,
            "system_prompt": nastier(), "capture_bodies": true,
        });
        post("/virtual-models", model).await;
    }
    let store = Store::open(&app.database()).unwrap();
    let nasty = store.by(Actor {
        user: NASTY.to_owned(),
        address: Some(nastier()),
    });
    let routing = json!({ "routing": {
        "strategy": "backup", "targets": [{ "virtual_model_id": 1 }],
    }});
    let draft = VirtualModelDraft::for_update(&routing).unwrap();
    nasty.update_virtual_model(2, &draft).unwrap();
    let draft = EndpointDraft::for_update(&json!({ "priority": 3 })).unwrap();
    nasty.update_endpoint(1, &draft).unwrap();
    post(
        "/tool-patterns",
        json!({
            "pattern_name": NASTY, "pattern_type": "calls", "regex_pattern": "<script>alert",
            "tool_name": NASTY,
        }),
    )
    .await;
    post(
        "/api/admin/tool-aliases",
        json!({
            "tool_name": NASTY, "parameter": NASTY, "aliases": [NASTY], "fill": NASTY,
        }),
    )
    .await;
    let key = json!({ "label": NASTY, "notes": nastier(), "allowed_models": [NASTY] });
    post("/api/admin/inbound-keys", key).await;
    post("/api/admin/settings", json!({ "default_model": NASTY })).await;
    let users = "/proxy-dashboard/settings/users";
    let user = [
        ("user", "<i>vic</i>\"'&"),
        ("role", "viewer"),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    // Whether such a name is taken or refused, the page is harmless.
    let sent = ada.send(app, users, users, &user).await;
    harmless("a new user", &sent.text().await.unwrap());
    told(&store);
}

/// What the gateway writes.
fn told(store: &Store) {
    let mut record = CallRecord {
        virtual_model: NASTY.to_owned(),
        endpoint_name: Some(nastier()),
        key_label: Some(nastier()),
        status: 502,
        outcome: Outcome::UpstreamError,
        error_code: Some(nastier()),
        address: Some(nastier()),
        route: Some(nastier()),
        client: Some(nastier()),
        attempts: vec![Attempt {
            endpoint: nastier(),
            virtual_model: nastier(),
            model: nastier(),
            status: 502,
            code: Some(nastier()),
            ..Attempt::default()
        }],
        ..call("nasty", 60)
    };
    record.request_id = NASTY.to_owned();
    let capture = Capture {
        request_id: record.request_id.clone(),
        started_at: record.started_at,
        request: nastier().into_bytes(),
        answer: [nastier().as_bytes(), b"\xff\xfe\x00"].concat(),
        ..Capture::default()
    };
    store.record_calls(&[record]).unwrap();
    store.keep_captures(&[capture]).unwrap();
    store
        .save_circuits(&[CircuitRow {
            endpoint_id: 1,
            model: nastier(),
            opened_at: now(),
            open_until: now() + 3600,
            failures: 3,
            last_error: Some(nastier()),
        }])
        .unwrap();
    store
        .save_health_checks(&[HealthCheckRow {
            endpoint_id: 1,
            checked_at: now(),
            since: now(),
            is_well: false,
            reason: Some(nastier()),
        }])
        .unwrap();
    store
        .report_gateway(&GatewayStatus {
            id: nastier(),
            version: nastier(),
            address: nastier(),
            seen_at: now(),
            troubles: vec![nastier()],
            ..GatewayStatus::default()
        })
        .unwrap();
}

/// What of it has become markup on a page, or hides there.
fn harm(page: &str, html: &str) -> Vec<String> {
    let mut harm = Vec::new();
    if html.contains("<img") || html.matches("<script").count() > 1 {
        harm.push(format!("{page}: markup: {html}"));
    }
    let hides = |c: char| c.is_control() && c != '\n' && c != '\t';
    let turns = |c: char| ('\u{202a}'..='\u{202e}').contains(&c);
    for line in seen(html).lines() {
        if line.contains(|c| hides(c) || turns(c)) {
            harm.push(format!("{page}: unseen characters: {line:?}"));
        }
    }
    harm
}

/// That there is no harm.
fn harmless(page: &str, html: &str) {
    let harm = harm(page, html);
    assert!(harm.is_empty(), "{}", harm.join("\n"));
}

/// The text of a page: without tags, whose values are what forms send back, and without what
/// stands in fields to be edited.
fn seen(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push('\n');
        let end = if tag.starts_with("textarea") {
            "</textarea>"
        } else {
            ">"
        };
        rest = tag.split_once(end).map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

#[tokio::test]
async fn every_page_is_harmless() {
    let sim = Sim::start(Options::default()).await.unwrap();
    let (app, ada) = app_with_admin().await;
    furnish(&app, &ada, &sim).await;
    let activity = ada.page(&app, "/proxy-dashboard/activity").await;
    let (_, link) = activity
        .split_once("href=\"/proxy-dashboard/activity/")
        .unwrap();
    let link = link.split_once('"').unwrap().0.replace("&#38;", "&");
    let patterns = ada.request(&app, Method::GET, "/tool-patterns");
    let patterns: Vec<serde_json::Value> = patterns.send().await.unwrap().json().await.unwrap();
    let pattern = patterns.iter().find(|row| row["pattern_name"] == NASTY);
    let pattern = pattern.unwrap()["id"].to_string();
    let mut found = Vec::new();
    let hostile: String = byte_serialize(NASTY.as_bytes()).collect();
    for line in include_str!("../cases/pages.txt").lines() {
        let mut words = line.split_whitespace();
        let path = words.next().unwrap();
        let rest = words.next().unwrap_or_default();
        let rest = rest.replace("{pattern}", &pattern);
        let path = if rest.starts_with('?') {
            format!("{path}{}", rest.replace("{hostile}", &hostile))
        } else {
            path.replace("{id}", &rest)
        };
        let path = path.replace("{call}", &link);
        let request = ada
            .request(&app, Method::GET, &path)
            .header("accept", "text/html");
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        // Once somebody is set up, the link is closed.
        let is_open = matches!(status, 200 | 303) || (path == "/set-up" && status == 403);
        assert!(is_open, "{path}: {status}");
        let kind = response.headers().get("content-type").cloned();
        let is_html = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let html = response.text().await.unwrap();
        if is_html {
            found.extend(harm(&path, &html));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Pages that answer what was sent.
#[tokio::test]
async fn every_answer_to_a_form_is_harmless() {
    let sim = Sim::start(Options::default()).await.unwrap();
    let (app, ada) = app_with_admin().await;
    furnish(&app, &ada, &sim).await;
    let typed = nastier();
    let mut found = Vec::new();
    for (page, action, field, more) in [
        ("/endpoints/new", "/endpoints/new", "url", ""),
        ("/endpoints/1", "/endpoints/1", "custom_headers", "test"),
        ("/models/new", "/models/new", "name", "models"),
        ("/models/1", "/models/1", "routing.weight", "save"),
        ("/models/explain", "/models/explain", "body", ""),
        ("/patterns/new", "/patterns/new", "regex_pattern", "test"),
        ("/patterns/test", "/patterns/test", "bench_text", ""),
        ("/patterns/import", "/patterns/import", "document", ""),
        (
            "/patterns/aliases/new",
            "/patterns/aliases/new",
            "parameter",
            "",
        ),
        ("/keys/new", "/keys/new", "expires_at", ""),
        ("/keys/new", "/keys/new", "label", ""),
        ("/settings", "/settings", "display_timezone", ""),
        ("/settings/exchange", "/settings/exchange", "document", ""),
        ("/account", "/account", "old", ""),
    ] {
        let page = format!("/proxy-dashboard{page}");
        let action = format!("/proxy-dashboard{action}");
        let form = PageForm::of(&ada.page(&app, &page).await, &action).with(field, &typed);
        let form = form.with("intent", more);
        let html = form.send_as(&app, &ada).await;
        found.extend(harm(&format!("{action} {field}"), &html));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
