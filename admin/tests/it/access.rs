//! Who is let in: login, foreign names, other sites.

use reqwest::Method;
use serde_json::json;

use crate::harness::{App, answer};

/// Every routed path with a method it takes.
const ROUTES: [(Method, &str); 44] = [
    (Method::GET, "/"),
    (Method::GET, "/proxy-dashboard"),
    (Method::GET, "/api/endpoints"),
    (Method::GET, "/api/admin/endpoints"),
    (Method::POST, "/api/admin/endpoints"),
    (Method::PUT, "/api/admin/endpoints/1"),
    (Method::DELETE, "/api/admin/endpoints/1"),
    (Method::GET, "/endpoints"),
    (Method::POST, "/endpoints"),
    (Method::PUT, "/endpoints/1"),
    (Method::DELETE, "/endpoints/1/delete"),
    (Method::POST, "/endpoints/1/delete"),
    (Method::POST, "/endpoints/1/test"),
    (Method::GET, "/endpoints/1/models"),
    (Method::GET, "/api/virtual-models"),
    (Method::GET, "/api/admin/virtual-models"),
    (Method::POST, "/virtual-models"),
    (Method::PUT, "/virtual-models/1"),
    (Method::DELETE, "/virtual-models/1/delete"),
    (Method::POST, "/virtual-models/1/delete"),
    (Method::GET, "/api/admin/tool-patterns"),
    (Method::POST, "/api/admin/tool-patterns"),
    (Method::PUT, "/api/admin/tool-patterns/1"),
    (Method::DELETE, "/api/admin/tool-patterns/1"),
    (Method::GET, "/tool-patterns"),
    (Method::POST, "/tool-patterns"),
    (Method::PUT, "/tool-patterns/1"),
    (Method::DELETE, "/tool-patterns/1"),
    (Method::GET, "/endpoints/patterns"),
    (Method::POST, "/endpoints/patterns"),
    (Method::PUT, "/endpoints/patterns/1"),
    (Method::DELETE, "/endpoints/patterns/1"),
    (Method::GET, "/api/admin/settings"),
    (Method::POST, "/api/admin/settings"),
    (Method::POST, "/api/admin/virtual-models"),
    (Method::PUT, "/api/admin/virtual-models/1"),
    (Method::DELETE, "/api/admin/virtual-models/1"),
    (Method::GET, "/api/admin/endpoints/1/models"),
    (Method::POST, "/api/admin/endpoints/1/pull"),
    (Method::GET, "/api/admin/endpoints/1/pulls"),
    (Method::GET, "/api/admin/circuits"),
    (Method::POST, "/api/admin/circuits/reset"),
    (Method::POST, "/api/admin/explain"),
    (Method::GET, "/no/such/path"),
];

#[tokio::test]
async fn with_a_login_demanded_nobody_gets_in() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    for (method, path) in ROUTES {
        let request = app.request(method.clone(), path).json(&json!({}));
        if ["/", "/proxy-dashboard"].contains(&path) {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 303, "{path}");
            let to = response.headers()["location"].to_str().unwrap();
            assert_eq!(to, format!("/login?return={}", path.replace('/', "%2F")));
            continue;
        }
        let (status, body) = answer(request).await;
        assert_eq!(status, 401, "{method} {path}");
        assert_eq!(body, json!({ "error": "Unauthorized" }), "{method} {path}");
    }
}

#[tokio::test]
async fn a_login_is_demanded_unless_switched_off() {
    let app = App::start_with(&[("AUTH_ENABLED", "")]);
    assert_eq!(app.get("/api/endpoints").await.0, 401);
}

#[tokio::test]
async fn a_request_made_by_another_site_is_refused_everywhere() {
    let app = App::start();
    for (method, path) in ROUTES {
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("host", "evil.example"),
        ] {
            let request = app
                .request(method.clone(), path)
                .header(name, value)
                .header("x-requested-with", "forged")
                .json(&json!({}));
            let (status, body) = answer(request).await;
            assert_eq!(status, 403, "{method} {path} {name}: {value}");
            assert!(body["error"].is_string(), "{body}");
        }
    }
}

#[tokio::test]
async fn a_page_of_the_app_itself_may_do_everything() {
    let app = App::start();
    let request = app
        .request(Method::POST, "/endpoints")
        .header("origin", &app.base)
        .header("sec-fetch-site", "same-origin")
        .json(&json!({ "name": "a", "url": "http://127.0.0.1:9" }));
    let (status, body) = answer(request).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn following_a_link_to_the_dashboard_is_no_forgery() {
    let app = App::start();
    let response = app
        .request(Method::GET, "/proxy-dashboard")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn an_open_address_answers_under_any_name_when_told_so() {
    let app = App::start_with(&[("ADMIN_ALLOW_OPEN", "true"), ("ADMIN_BIND", "0.0.0.0")]);
    let port = app.base.rsplit_once(':').unwrap().1;
    let url = format!("http://127.0.0.1:{port}/api/endpoints");
    let request = app.client.get(url).header("host", "admin.example");
    assert_eq!(answer(request).await.0, 200);
}

#[tokio::test]
async fn a_form_of_another_site_without_marks_changes_nothing() {
    let app = App::start();
    let endpoint = app.endpoint("a", "http://127.0.0.1:9").await;
    for path in [
        "/endpoints",
        "/virtual-models",
        "/tool-patterns",
        "/api/admin/settings",
    ] {
        let request = app
            .request(Method::POST, path)
            .header("content-type", "text/plain")
            .body(r#"{"name":"forged","url":"http://evil.example"}"#);
        assert_eq!(answer(request).await.0, 415, "{path}");
    }
    let request = app.request(Method::POST, &format!("/endpoints/{endpoint}/delete"));
    assert_eq!(answer(request).await.0, 403);
    let (_, rows) = app.get("/api/endpoints").await;
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
}

#[tokio::test]
async fn no_answer_lets_another_site_read_it() {
    let app = App::start();
    let response = app
        .request(Method::GET, "/api/endpoints")
        .send()
        .await
        .unwrap();
    let headers = response.headers();
    assert!(!headers.contains_key("access-control-allow-origin"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");
    let request = app
        .request(Method::OPTIONS, "/api/admin/endpoints")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "DELETE");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn refusals_carry_the_protective_headers_too() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    let response = app
        .request(Method::GET, "/api/endpoints")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("content-security-policy"));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    let app = App::start();
    let (status, body) = app.get("/api/admin/nothing").await;
    assert_eq!(status, 404);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .contains("/api/admin/nothing")
    );
    for (path, allow) in [
        ("/endpoints/1/delete", "DELETE, POST"),
        ("/virtual-models/1/delete", "DELETE, POST"),
        ("/endpoints/1/test", "POST"),
        ("/api/admin/endpoints/1", "PUT, DELETE"),
    ] {
        let response = app.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], allow, "{path}");
        let body = response.text().await.unwrap();
        assert!(body.contains("\"error\""), "{path}: {body}");
    }
    let (status, _) = app.get("/endpoints/abc/models").await;
    assert_eq!(status, 404);
}
