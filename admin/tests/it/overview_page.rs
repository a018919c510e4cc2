//! The first page: first steps, the gateway, circuits, failures, figures.

use serde_json::json;
use store::{CallRecord, CircuitRow, GatewayStatus, Outcome};

use crate::harness::App;
use crate::usage_page::{call, now, with_model};

const PAGE: &str = "/proxy-dashboard";

#[tokio::test]
async fn the_first_steps_go_as_they_are_done() {
    let app = App::start();
    let page = app.page(PAGE).await;
    assert!(page.contains("id=\"first-steps\""), "{page}");
    assert!(page.contains("No endpoint yet"), "{page}");
    assert!(
        page.contains("No gateway has used this store yet"),
        "{page}"
    );
    let (app, store) = with_model().await;
    let page = app.page(PAGE).await;
    assert!(!page.contains("No endpoint yet"), "{page}");
    assert!(
        page.contains("curl http://127.0.0.1:8002/v1/chat/completions"),
        "{page}"
    );
    assert!(page.contains("&#34;model&#34;:&#34;priced&#34;"), "{page}");
    store.record_calls(&[call("priced", 10)]).unwrap();
    let page = app.page(PAGE).await;
    assert!(!page.contains("id=\"first-steps\""), "{page}");
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let (app, store) = with_model().await;
    let mut status = GatewayStatus {
        id: "a".to_owned(),
        version: "1.2.3".to_owned(),
        address: "127.0.0.1:8002".to_owned(),
        started_at: now() - 100,
        seen_at: now(),
        troubles: vec!["3 <usage> records".to_owned()],
        ..GatewayStatus::default()
    };
    store.report_gateway(&status).unwrap();
    store
        .save_circuits(&[CircuitRow {
            endpoint_id: 1,
            model: "real".to_owned(),
            opened_at: now(),
            open_until: now() + 300,
            failures: 3,
            last_error: Some("<b>refused</b>".to_owned()),
        }])
        .unwrap();
    let failed = CallRecord {
        status: 502,
        outcome: Outcome::UpstreamError,
        error_code: Some("upstream_unreachable".to_owned()),
        ..call("priced", 10)
    };
    store.record_calls(&[failed]).unwrap();
    let page = app.page(PAGE).await;
    for part in [
        "badge good\">running",
        "3 &#60;usage&#62; records",
        "circuit open",
        "&#60;b&#62;refused",
        "upstream_unreachable",
        "id=\"errors\">1<",
        "id=\"calls\">1<",
        "id=\"cost\">$0.0026<",
        "id=\"tokens\">1,100<",
        "id=\"latency\">1.5 s<",
        "<svg class=\"spark\"",
        "created the endpoint one",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(page.matches("<svg class=\"spark\"").count(), 5, "{page}");
    status.ended_at = Some(now());
    store.report_gateway(&status).unwrap();
    let page = app.page(PAGE).await;
    assert!(page.contains("badge bad\">stopped"), "{page}");
    status.ended_at = None;
    status.seen_at = now() - 600;
    store.report_gateway(&status).unwrap();
    let page = app.page(PAGE).await;
    assert!(page.contains("not heard from"), "{page}");
}

#[tokio::test]
async fn problems_of_the_configuration_follow_its_revision() {
    let (app, _store) = with_model().await;
    assert!(!app.page(PAGE).await.contains("id=\"problems\""));
    let setting = json!({"default_model": "priced"});
    let (status, body) = app.post("/api/admin/settings", &setting).await;
    assert_eq!(status, 200, "{body}");
    assert!(!app.page(PAGE).await.contains("id=\"problems\""));
    let off = json!({"enabled": 0});
    let (status, body) = app.put("/api/admin/virtual-models/1", &off).await;
    assert_eq!(status, 200, "{body}");
    let page = app.page(PAGE).await;
    assert!(page.contains("id=\"problems\""), "{page}");
}
