//! Who is logged in, and whether the app is well.

use reqwest::Method;
use serde_json::json;

use crate::harness::App;

#[tokio::test]
async fn without_a_login_everyone_is_the_administrator() {
    let app = App::start_with(&[
        ("USE_AI_QUEUE", "true"),
        ("AI_QUEUE_URL", "http://127.0.0.1:9"),
    ]);
    let (status, body) = app.get("/session/validate").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({ "valid": true, "user": "admin", "auth_enabled": false, "use_ai_queue": true })
    );
}

#[tokio::test]
async fn with_a_login_demanded_nobody_is_logged_in() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    let (status, body) = app.get("/session/validate").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({ "valid": false, "auth_enabled": true, "use_ai_queue": false })
    );
}

#[tokio::test]
async fn health_needs_no_login() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    let (status, body) = app.get("/health").await;
    assert_eq!(status, 200);
    assert_eq!(body["status"], "ok");
    assert_eq!(body["store"], "ok");
}

#[tokio::test]
async fn health_answers_a_probe_that_wants_no_body() {
    let app = App::start();
    let response = app.request(Method::HEAD, "/health").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "");
}
