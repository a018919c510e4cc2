//! What the pages of the endpoints learn of a backend: whether it answers, its models, its
//! pulls and its circuits.

use serde_json::json;
use sim::{Flavor, Options, Sim};
use store::{CircuitRow, Store};

use crate::browser::PageForm;
use crate::harness::App;
use crate::upstream::Upstream;

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
async fn a_connection_is_tested_before_anything_is_saved() {
    let app = App::start();
    let sim = Sim::start(Options {
        key: Some(KEY.to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let filled = form(&app, NEW)
        .await
        .with("name", "sim")
        .with("url", &sim.base_url())
        .with("intent", "test");
    let refused = filled.send(&app).await;
    assert_eq!(refused.status, 200);
    assert!(
        refused.page.contains("The key is refused."),
        "{}",
        refused.page
    );
    assert!(refused.page.contains("none is set"), "{}", refused.page);
    let kept = PageForm::of(&refused.page, NEW);
    assert_eq!(kept.value("url"), sim.base_url());
    let good = kept
        .with("api_key", KEY)
        .with("intent", "test")
        .send(&app)
        .await;
    assert!(good.page.contains("It answers."), "{}", good.page);
    assert!(good.page.contains("The key is accepted"), "{}", good.page);
    assert!(!good.page.contains("very-secret"), "{}", good.page);
    let unready = form(&app, NEW)
        .await
        .with("url", "x")
        .with("intent", "test");
    let unready = unready.send(&app).await;
    assert_eq!(unready.status, 400);
    assert!(unready.page.contains("Not tested:"), "{}", unready.page);
    assert!(unready.error("url").is_some());
    assert_eq!(app.get(ROWS).await.1, json!([]));
}

#[tokio::test]
async fn a_stored_key_is_used_by_the_test_of_a_changed_form() {
    let app = App::start();
    let sim = Sim::start(Options {
        key: Some(KEY.to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let body = json!({ "name": "a", "url": "http://127.0.0.1:9", "api_key": KEY });
    let id = app.endpoint_with(body).await;
    let path = at(id, "");
    let moved = form(&app, &path).await.with("url", &sim.base_url());
    let sent = moved.with("intent", "test").send(&app).await;
    assert!(sent.page.contains("The key is accepted"), "{}", sent.page);
    let cleared = PageForm::of(&sent.page, &path).with("clear_api_key", "1");
    let sent = cleared.with("intent", "test").send(&app).await;
    assert!(sent.page.contains("The key is refused."), "{}", sent.page);
    assert_eq!(app.row(ROWS, id).await["url"], "http://127.0.0.1:9");
    // The stored one is tested from the list.
    let page = app.page(LIST).await;
    let sent = PageForm::of(&page, &at(id, "/test")).send(&app).await;
    assert!(sent.page.contains("Nothing answers."), "{}", sent.page);
    let place = format!("id=\"test-{id}\"");
    assert!(page.contains(&place) && sent.page.contains(&place));
}

#[tokio::test]
async fn the_models_of_a_backend_are_listed_and_lead_to_a_new_virtual_model() {
    let app = App::start();
    let backend = Upstream::json(
        200,
        r#"{"data":[{"id":"real"},{"id":"a/b <i>&\"model\""}]}"#,
    )
    .await;
    let id = app.endpoint("a", &backend.url()).await;
    let model = app.model("vm", id).await;
    let path = at(id, "/models");
    let page = app.page(&path).await;
    assert!(page.contains("2 of 2 models"), "{page}");
    assert!(!page.contains("<i>"), "{page}");
    assert!(
        page.contains(&format!("/proxy-dashboard/models/{model}\"")),
        "{page}"
    );
    assert!(
        page.contains("endpoint=1&#38;model=a%2Fb+%3Ci%3E%26%22model%22"),
        "{page}"
    );
    assert_eq!(backend.heads().len(), 1);
    app.page(&format!("{path}?q=rea")).await;
    assert_eq!(backend.heads().len(), 1, "remembered");
    let page = app.page(&format!("{path}?q=rea&refresh=1")).await;
    assert_eq!(backend.heads().len(), 2);
    assert!(page.contains("1 of 2 models"), "{page}");
    let gone = app.endpoint("gone", "http://127.0.0.1:9/v1").await;
    let page = app.page(&at(gone, "/models")).await;
    assert!(page.contains("There is no list:"), "{page}");
}

#[tokio::test]
async fn an_ollama_server_is_told_to_pull() {
    let app = App::start();
    let sim = Sim::start(Options {
        flavor: Flavor::Ollama,
        ..Options::default()
    })
    .await
    .unwrap();
    let body = json!({ "name": "box", "url": sim.base_url(), "endpoint_type": "ollama" });
    let id = app.endpoint_with(body).await;
    let (path, pull) = (at(id, "/models"), at(id, "/pull"));
    let page = app.page(&path).await;
    assert!(page.contains("Nothing was pulled"), "{page}");
    let bad = PageForm::of(&page, &pull)
        .with("model", "")
        .send(&app)
        .await;
    assert_eq!(bad.status, 400);
    assert!(bad.error("model").unwrap().contains("llama3.2"));
    let good = PageForm::of(&page, &pull).with("model", "tiny:1b");
    good.send(&app).await.leads_to(&path);
    let pulls = format!("/api/admin/endpoints/{id}/pulls");
    while app.get(&pulls).await.1["pulls"][0]["state"] == "running" {}
    let page = app.page(&format!("{path}?refresh=1")).await;
    assert!(
        page.contains("tiny:1b") && page.contains(">done<"),
        "{page}"
    );
    let other = app.endpoint("b", "http://127.0.0.1:9").await;
    let token = crate::harness::token(&page);
    let request = app.form(&at(other, "/pull"), &[("_token", &token), ("model", "m")]);
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_open_circuit_is_shown_and_closed() {
    let app = App::start();
    let id = app.endpoint("a", "http://127.0.0.1:9").await;
    let store = Store::open(&app.database()).unwrap();
    let circuit = CircuitRow {
        endpoint_id: id,
        model: "m".to_owned(),
        opened_at: 4_000_000_000,
        open_until: 4_000_000_060,
        failures: 3,
        last_error: Some(NASTY.to_owned()),
    };
    store.save_circuits(&[circuit]).unwrap();
    let page = app.page(&format!("{LIST}?state=resting")).await;
    assert!(page.contains("circuit open"), "{page}");
    assert!(!page.contains("alert('x')"), "{page}");
    let close = PageForm::of(&page, &at(id, "/circuits"));
    close
        .send(&app)
        .await
        .leads_to(&format!("{LIST}?state=resting"));
    assert_eq!(store.circuits().unwrap(), []);
    let page = app.page(LIST).await;
    assert!(!page.contains("badge bad"), "{page}");
}
