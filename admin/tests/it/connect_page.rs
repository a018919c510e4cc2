//! The page that connects clients: settings that lead here, and what has been seen to work.

use store::{CallRecord, GatewayStatus, Outcome};

use crate::harness::App;
use crate::usage_page::{call, now, with_model};

const PAGE: &str = "/proxy-dashboard/connect";

/// The cell of a client's check.
fn check<'p>(page: &'p str, client: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("id=\"check-{client}\">")).unwrap();
    rest.split_once("</td>").unwrap().0
}

#[tokio::test]
async fn settings_name_the_model_and_the_address() {
    let (app, store) = with_model().await;
    let page = app.page(PAGE).await;
    assert!(page.contains("http://127.0.0.1:8002/v1"), "{page}");
    store
        .report_gateway(&GatewayStatus {
            id: "a".to_owned(),
            address: "0.0.0.0:9123".to_owned(),
            seen_at: now(),
            ..GatewayStatus::default()
        })
        .unwrap();
    let page = app.page(PAGE).await;
    assert!(page.contains("http://127.0.0.1:9123/v1"), "{page}");
    assert!(page.contains("model = &#34;priced&#34;"), "{page}");
    let page = app
        .page(&format!(
            "{PAGE}?base=https://gw.example/v1&model=a%22%3Cb%3E"
        ))
        .await;
    assert!(
        page.contains("base_url = &#34;https://gw.example/v1&#34;"),
        "{page}"
    );
    assert!(
        page.contains("model = &#34;a\\&#34;&#60;b&#62;&#34;"),
        "{page}"
    );
    assert!(!page.contains("<b>"), "{page}");
    let page = app.page(&format!("{PAGE}?base=javascript:alert(1)")).await;
    assert!(page.contains("id=\"base-error\""), "{page}");
    assert!(!page.contains("href=\"javascript:"), "{page}");
}

#[tokio::test]
async fn an_address_that_is_set_is_no_guess() {
    let (app, _store) = with_model().await;
    const GUESS: &str = "The address is a guess";
    assert!(app.page(PAGE).await.contains(GUESS));
    let set = |url: &'static str| serde_json::json!({ "public_gateway_url": url });
    for bad in ["gw.example", "ftp://gw.example"] {
        let (status, refusal) = app.post("/api/admin/settings", &set(bad)).await;
        assert_eq!(status, 400);
        assert!(
            refusal["fields"]["public_gateway_url"].is_string(),
            "{refusal}"
        );
    }
    let good = set("https://gw.example/ai/");
    assert_eq!(app.post("/api/admin/settings", &good).await.0, 200);
    let page = app.page(PAGE).await;
    assert!(page.contains("https://gw.example/ai/v1"), "{page}");
    assert!(!page.contains(GUESS), "{page}");
    let overview = app.page("/proxy-dashboard").await;
    assert!(overview.contains("https://gw.example/ai/v1"), "{overview}");
    // The environment wins.
    let app = app.restart_with(&[("PUBLIC_GATEWAY_URL", "https://other.example")]);
    let page = app.page(PAGE).await;
    assert!(page.contains("https://other.example/v1"), "{page}");
}

#[tokio::test]
async fn a_check_turns_green_when_a_call_has_worked() {
    let (app, store) = with_model().await;
    assert!(check(&app.page(PAGE).await, "codex").contains("not seen yet"));
    let failed = CallRecord {
        status: 401,
        outcome: Outcome::Refused,
        error_code: Some("invalid_api_key".to_owned()),
        ..call("priced", 60)
    };
    store.record_calls(&[failed]).unwrap();
    let told = check(&app.page(PAGE).await, "codex").to_owned();
    assert!(
        told.contains("fails") && told.contains("invalid_api_key"),
        "{told}"
    );
    store.record_calls(&[call("priced", 5)]).unwrap();
    let page = app.page(PAGE).await;
    assert!(check(&page, "codex").contains("badge good"), "{page}");
    assert!(check(&page, "aider").contains("not seen yet"), "{page}");
    let page = app.page(&format!("{PAGE}?model=other")).await;
    assert!(
        check(&page, "codex").contains("works with priced"),
        "{page}"
    );
}

#[tokio::test]
async fn without_a_virtual_model_the_page_says_what_is_missing() {
    let app = App::start();
    let page = app.page(PAGE).await;
    assert!(page.contains("Add a virtual model"), "{page}");
}
