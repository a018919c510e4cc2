//! A request explained, and a call tried out, over the pages of the virtual models.

use std::fs;

use serde_json::json;
use sim::{Options, Sim};
use store::{EndpointDraft, Store, VirtualModelDraft};
use tempfile::TempDir;

use crate::browser::{PageForm, plain};
use crate::gateway::Gateway;
use crate::harness::App;

const EXPLAIN: &str = "/proxy-dashboard/models/explain";
const TRY: &str = "/proxy-dashboard/models/try";
const KEY: &str = "sk-upstream-key-4711";

#[tokio::test]
async fn a_request_is_explained_without_being_sent() {
    let app = App::start();
    let sim = Sim::start(Options::default()).await.unwrap();
    let body = json!({ "name": "home", "url": sim.base_url(), "api_key": KEY });
    let endpoint = app.endpoint_with(body).await;
    let spare = app.model("spare", endpoint).await;
    let model = app.model("main", endpoint).await;
    let routing = json!({ "temperature": 0.25, "routing": {
        "strategy": "backup", "targets": [{ "virtual_model_id": spare }],
    }});
    assert_eq!(
        app.put(&format!("/virtual-models/{model}"), &routing)
            .await
            .0,
        200
    );
    let page = app.page(&format!("{EXPLAIN}?model=main")).await;
    let ask = PageForm::of(&page, EXPLAIN);
    assert!(ask.value("body").contains("\"main\""), "{page}");
    let sent = ask.with("headers", "X-Session-Id: s1").send(&app).await;
    assert_eq!(sent.status, 200);
    let text = plain(&sent.page);
    assert!(text.contains("Tried, one after the other"), "{text}");
    assert!(text.contains("\"temperature\":0.25"), "{text}");
    assert!(text.contains("***4711") && !text.contains(KEY), "{text}");
    assert!(
        text.contains(&format!("{}/v1/chat/completions", sim.base_url())),
        "{text}"
    );
    let (main, spare) = (text.find("<strong>main"), text.find("<strong>spare"));
    assert!(main.is_some() && main < spare, "{text}");
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn what_cannot_be_explained_is_told_beside_the_field() {
    let app = App::start();
    for (field, value, why) in [
        ("path", "/nowhere", "path of a model call"),
        ("body", " ", "is required"),
        ("headers", "no colon", "line 1"),
    ] {
        let ask = PageForm::of(&app.page(EXPLAIN).await, EXPLAIN);
        let sent = ask.with(field, value).send(&app).await;
        assert_eq!(sent.status, 400, "{field}");
        assert!(sent.error(field).unwrap().contains(why), "{}", sent.page);
        assert_eq!(PageForm::of(&sent.page, EXPLAIN).value(field), value);
    }
    // A refusal of the gateway is an explanation.
    let sent = PageForm::of(&app.page(EXPLAIN).await, EXPLAIN)
        .send(&app)
        .await;
    assert_eq!(sent.status, 200);
    assert!(sent.page.contains("Refused with 404"), "{}", sent.page);
}

/// Both programs over one store with the virtual model `main`, before a provider.
async fn stage() -> (App, Gateway, Sim) {
    let sim = Sim::start(Options {
        key: Some(KEY.to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let store = Store::open(&folder.path().join("data").join("proxy.db")).unwrap();
    let endpoint = json!({ "name": "sim", "url": sim.base_url(), "api_key": KEY });
    let draft = EndpointDraft::for_create(&endpoint).unwrap();
    let id = store.create_endpoint(&draft).unwrap();
    let model = json!({ "name": "main", "endpoint_id": id, "actual_model": "sim-model" });
    let draft = VirtualModelDraft::for_create(&model).unwrap();
    store.create_virtual_model(&draft).unwrap();
    let gateway = Gateway::start(folder.path());
    let app = App::start_in(folder, &[("API_PORT", gateway.port())]);
    (app, gateway, sim)
}

#[tokio::test]
async fn a_call_is_tried_out_streamed_and_whole() {
    let (app, gateway, sim) = stage().await;
    let page = app.page(&format!("{TRY}?model=main")).await;
    assert!(page.contains(&gateway.base), "{page}");
    let streamed = PageForm::of(&page, TRY);
    assert!(streamed.value("body").contains("\"stream\": true"));
    let sent = streamed.send(&app).await;
    let text = plain(&sent.page);
    assert!(text.contains("badge good\">200<"), "{text}");
    assert!(text.contains("<h3>Text</h3>"), "{text}");
    assert!(text.contains("data: [DONE]"), "{text}");
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let whole = r#"{"model":"main","messages":[{"role":"user","content":"hi"}]}"#;
    let sent = PageForm::of(&page, TRY)
        .with("body", whole)
        .send(&app)
        .await;
    let text = plain(&sent.page);
    assert!(text.contains("\"object\":\"chat.completion\""), "{text}");
    assert!(text.contains("first byte after"), "{text}");
    assert_eq!(sim.requests().len(), 2);
    assert!(!text.contains(KEY), "{text}");
}

#[tokio::test]
async fn errors_are_shown_as_they_are_and_a_key_only_passes_through() {
    let (app, _gateway, sim) = stage().await;
    let page = app.page(&format!("{TRY}?model=nobody")).await;
    let asked = PageForm::of(&page, TRY).with("key", "sp-typed-in-key-0815");
    let sent = asked.send(&app).await;
    let text = plain(&sent.page);
    assert_eq!(sent.status, 200);
    assert!(text.contains("badge bad\">40"), "{text}");
    assert!(text.contains("\"error\""), "{text}");
    assert!(!text.contains("typed-in-key"), "{text}");
    for (field, value) in [("path", "//evil.example x"), ("body", "")] {
        let bad = PageForm::of(&page, TRY).with(field, value).send(&app).await;
        assert_eq!(bad.status, 400, "{field}");
        assert!(bad.error(field).is_some(), "{}", bad.page);
    }
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_named() {
    let app = App::start_with(&[("API_PORT", "9")]);
    let page = app.page(TRY).await;
    let sent = PageForm::of(&page, TRY).send(&app).await;
    let text = plain(&sent.page);
    assert!(
        text.contains("nothing answers at http://127.0.0.1:9/"),
        "{text}"
    );
    let unknown = App::start_with(&[("API_PORT", "0")]);
    let sent = PageForm::of(&unknown.page(TRY).await, TRY)
        .send(&unknown)
        .await;
    assert!(plain(&sent.page).contains("API_PORT is 0"), "{}", sent.page);
}
