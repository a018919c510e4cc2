//! The dashboard and its stylesheet.

use reqwest::Method;
use serde_json::json;

use crate::harness::App;

#[tokio::test]
async fn the_dashboard_lists_what_is_stored_escaped_and_without_keys() {
    let app = App::start();
    let endpoint = app
        .endpoint_with(json!({
            "name": "<script>alert(1)</script>",
            "url": "http://127.0.0.1:9",
            "api_key": "sk-very-secret-1234",
        }))
        .await;
    app.model("quick\"><b>model", endpoint).await;
    for path in ["/", "/proxy-dashboard"] {
        let response = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        let page = response.text().await.unwrap();
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("<b>"), "{page}");
        assert!(!page.contains("very-secret"), "{page}");
        assert!(page.contains("***1234"), "{page}");
        assert!(page.contains("alert(1)"), "{page}");
        assert!(page.contains("model"), "{page}");
        assert!(!page.contains(" style="), "{page}");
    }
}

#[tokio::test]
async fn an_empty_store_says_what_to_do() {
    let app = App::start();
    let response = app.request(Method::GET, "/").send().await.unwrap();
    let page = response.text().await.unwrap();
    assert!(page.contains("No endpoint yet"), "{page}");
    assert!(page.contains(&format!("curl {}", app.base)), "{page}");
}

#[tokio::test]
async fn the_stylesheet_the_page_asks_for_is_there() {
    let app = App::start();
    let response = app
        .request(Method::GET, "/assets/admin.css")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/css; charset=utf-8"
    );
}

#[tokio::test]
async fn the_old_address_of_the_list_leads_to_the_dashboard() {
    let app = App::start();
    let response = app.request(Method::GET, "/endpoints").send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/proxy-dashboard");
}
