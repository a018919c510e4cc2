//! The dashboard and its stylesheet.

use reqwest::Method;
use serde_json::json;

use crate::harness::{App, token};

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
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(
            page.contains("<script src=\"/assets/admin.js\" defer>"),
            "{page}"
        );
        assert!(!page.contains("<b>"), "{page}");
        assert!(!page.contains("very-secret"), "{page}");
        assert!(page.contains("alert(1)"), "{page}");
        assert!(page.contains("quick"), "the first call names it: {page}");
        assert!(!page.contains(" style="), "{page}");
    }
}

#[tokio::test]
async fn an_empty_store_says_what_to_do() {
    let app = App::start();
    let response = app.request(Method::GET, "/").send().await.unwrap();
    let page = response.text().await.unwrap();
    assert!(page.contains("No endpoint yet"), "{page}");
    assert!(
        page.contains("href=\"/proxy-dashboard/endpoints/new\""),
        "{page}"
    );
}

#[tokio::test]
async fn what_the_page_loads_is_there() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    for (path, kind) in [
        ("/assets/admin.css", "text/css; charset=utf-8"),
        ("/assets/admin.js", "text/javascript; charset=utf-8"),
    ] {
        let response = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], kind);
        let text = response.text().await.unwrap();
        assert!(text.len() < 32_000, "{path} has {} bytes", text.len());
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_theme_is_kept_and_goes_back_only_within_the_app() {
    let app = App::start();
    let page = app.page("/").await;
    assert!(page.contains("data-theme=\"system\""), "{page}");
    let token = token(&page);
    for (back, to) in [
        ("/proxy-dashboard?x=1", "/proxy-dashboard?x=1"),
        ("//evil.example", "/proxy-dashboard"),
        ("http://evil.example", "/proxy-dashboard"),
    ] {
        let form = [
            ("_token", token.as_str()),
            ("theme", "dark"),
            ("back", back),
        ];
        let request = app.form("/proxy-dashboard/theme", &form);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()["location"], to);
        let cookie = response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(cookie.starts_with("theme=dark;"), "{cookie}");
        let request = app.request(Method::GET, "/").header("cookie", "theme=dark");
        let page = request.send().await.unwrap().text().await.unwrap();
        assert!(page.contains("data-theme=\"dark\""), "{page}");
    }
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let app = App::start();
    for form in [
        vec![("theme", "dark")],
        vec![("theme", "dark"), ("_token", "")],
        vec![("theme", "dark"), ("_token", "0011")],
    ] {
        let request = app.form("/proxy-dashboard/theme", &form);
        let response = request.header("accept", "text/html").send().await.unwrap();
        assert_eq!(response.status(), 403, "{form:?}");
        assert!(!response.headers().contains_key("set-cookie"));
        let page = response.text().await.unwrap();
        assert!(page.contains("load the page again"), "{page}");
    }
}

#[tokio::test]
async fn failures_of_pages_are_pages_and_those_of_the_api_json() {
    let app = App::start();
    for (path, accept, kind) in [
        (
            "/proxy-dashboard/nothing",
            "text/html,*/*",
            "text/html; charset=utf-8",
        ),
        ("/proxy-dashboard/nothing", "*/*", "application/json"),
        ("/api/admin/nothing", "text/html", "application/json"),
    ] {
        let request = app.request(Method::GET, path).header("accept", accept);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], kind, "{path} {accept}");
        let text = response.text().await.unwrap();
        assert!(text.contains("there is nothing at"), "{text}");
        assert_eq!(
            text.contains("aria-current=\"page\""),
            kind.contains("html")
        );
    }
    let request = app.request(Method::GET, "/proxy-dashboard");
    let request = request
        .header("accept", "text/html")
        .header("host", "evil.example");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 403);
    let page = response.text().await.unwrap();
    assert!(
        page.starts_with("<!doctype html>") && !page.contains("_token"),
        "{page}"
    );
}

#[tokio::test]
async fn the_old_address_of_the_list_leads_to_the_dashboard() {
    let app = App::start();
    let response = app.request(Method::GET, "/endpoints").send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/proxy-dashboard");
}
