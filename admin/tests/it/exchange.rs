//! The configuration as one document: out, in again, and refused without a trace.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use store::Store;

use crate::harness::{App, answer, token};

const ROUTE: &str = "/api/admin/configuration";
const PAGE: &str = "/proxy-dashboard/settings/exchange";
const IMPORT: &str = "/proxy-dashboard/patterns/import";

#[tokio::test]
async fn the_configuration_goes_out_and_comes_in_the_same() {
    let app = App::start();
    let endpoint = app
        .endpoint_with(json!({
            "name": "one", "url": "http://127.0.0.1:9", "api_key": "sk-very-secret-1234",
            "custom_headers": { "Authorization": "Bearer hidden-9876", "x-team": "blue" },
        }))
        .await;
    app.model("spare", endpoint).await;
    let chat = app.model("chat", endpoint).await;
    let routing =
        json!({ "routing": { "strategy": "backup", "targets": [{ "virtual_model_id": 1 }] } });
    let (status, refusal) = app.put(&format!("/virtual-models/{chat}"), &routing).await;
    assert_eq!(status, 200, "{refusal}");
    app.post("/api/admin/settings", &json!({ "default_model": "chat" }))
        .await;
    app.post(
        "/api/admin/inbound-keys",
        &json!({ "label": "k", "limit_parallel": 3 }),
    )
    .await;
    let (status, document) = app.get("/api/admin/configuration").await;
    assert_eq!(status, 200);
    let text = document.to_string();
    assert!(
        !text.contains("very-secret") && !text.contains("hidden"),
        "{text}"
    );

    let other = App::start();
    let (status, report) = other.post("/api/admin/configuration", &document).await;
    assert_eq!(status, 200, "{report}");
    assert!(
        report["left_out"][0].as_str().unwrap().contains("\"k\""),
        "{report}"
    );
    let mut came = other.get("/api/admin/configuration").await.1;
    // What a document cannot carry: the secret header, and the key.
    came["keys"] = document["keys"].clone();
    came["endpoints"][0]["custom_headers"] = document["endpoints"][0]["custom_headers"].clone();
    assert_eq!(came, document);

    // Where the rows are there, all stays: secrets too.
    let (status, report) = app.post("/api/admin/configuration", &document).await;
    assert_eq!(
        (status.as_u16(), &report["created"]),
        (200, &json!(0)),
        "{report}"
    );
    assert_eq!(app.get("/api/admin/configuration").await.1, document);
    let stored = Store::open(&app.database())
        .unwrap()
        .endpoint(endpoint)
        .unwrap();
    assert_eq!(stored.api_key.unwrap().expose(), "sk-very-secret-1234");
    let secret = ("Authorization".to_owned(), "Bearer hidden-9876".to_owned());
    assert!(stored.custom_headers.contains(&secret));
}

/// A document that is good but for what `spoil` does to it.
async fn document(app: &App, spoil: impl FnOnce(&mut Value)) -> Value {
    let mut document = app.get(ROUTE).await.1;
    document["endpoints"] = json!([
        { "name": "one", "url": "http://127.0.0.1:9" },
        { "name": "two", "url": "http://127.0.0.1:9" },
    ]);
    document["virtual_models"] = json!([
        { "name": "a", "endpoint_name": "one", "actual_model": "m" },
        {
            "name": "b", "endpoint_name": "two", "actual_model": "m",
            "routing": { "strategy": "backup", "targets": [{ "virtual_model": "a", "weight": 1 }] },
        },
    ]);
    spoil(&mut document);
    document
}

/// What spoils the document: the path that is named for it, the place, and what comes there.
fn bad() -> Vec<(&'static str, &'static str, Value)> {
    let set = |path, place, value| (path, place, value);
    let key = |label: &str| json!({ "label": label, "limit_parallel": -1 });
    vec![
        set("format", "/format", json!("another")),
        set("version", "/version", json!(2)),
        set("colours", "/colours", json!([])),
        set("endpoints", "/endpoints", json!({})),
        set("virtual_models[2]", "/virtual_models/-", json!("x")),
        set("endpoints[1].url", "/endpoints/1/url", json!("ftp://h")),
        set(
            "endpoints[1].url",
            "/endpoints/1/url",
            json!("http://169.254.169.254/v1"),
        ),
        set("endpoints[1].name", "/endpoints/1/name", json!("one")),
        set("endpoints[0].colour", "/endpoints/0/colour", json!(1)),
        set(
            "virtual_models[1].endpoint_name",
            "/virtual_models/1/endpoint_name",
            json!("three"),
        ),
        set(
            "virtual_models[1].top_p",
            "/virtual_models/1/top_p",
            json!(7),
        ),
        set(
            "virtual_models[1].routing.targets[0].virtual_model",
            "/virtual_models/1/routing/targets/0/virtual_model",
            json!("nobody"),
        ),
        // An id is one of another store.
        set(
            "virtual_models[1].routing.targets[1].virtual_model",
            "/virtual_models/1/routing/targets/-",
            json!({ "virtual_model_id": 1 }),
        ),
        set(
            "virtual_models[1].routing.strategy",
            "/virtual_models/1/routing/strategy",
            json!("magic"),
        ),
        set(
            "patterns.patterns[0].regex_pattern",
            "/patterns",
            json!({ "patterns": [{ "pattern_name": "p", "regex_pattern": "(" }] }),
        ),
        set("keys[1].limit_parallel", "/keys/-", key("other")),
        // What is refused last of all, when everything else is written.
        set(
            "settings.default_model",
            "/settings/default_model",
            json!("nobody"),
        ),
    ]
}

/// `-` is the end of a list.
fn put(document: &mut Value, place: &str, value: Value) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(list) => list.push(value),
        None => parent[name] = value,
    }
}

#[tokio::test]
async fn a_document_with_anything_bad_leaves_no_trace_and_names_it() {
    let app = App::start();
    app.post("/api/admin/inbound-keys", &json!({ "label": "k" }))
        .await;
    let before = app.get(ROUTE).await.1;
    let store = Store::open(&app.database()).unwrap();
    let (revision, audit) = (store.revision().unwrap(), entries(&store));
    for (path, place, value) in bad() {
        let document = document(&app, |document| put(document, place, value)).await;
        let (status, refusal) = app.post(ROUTE, &document).await;
        assert_eq!(status, 400, "{path}: {refusal}");
        assert!(refusal["fields"][path].is_string(), "{path}: {refusal}");
        assert_eq!(app.get(ROUTE).await.1, before, "{path}");
        assert_eq!(store.revision().unwrap(), revision, "{path}");
        assert_eq!(entries(&store), audit, "{path}");
    }
    let good = document(&app, |_| {}).await;
    let (status, report) = app.post(ROUTE, &good).await;
    assert_eq!(
        (status.as_u16(), &report["created"]),
        (200, &json!(4)),
        "{report}"
    );
    assert_eq!(entries(&store), audit + 4);
}

fn entries(store: &Store) -> usize {
    let query = store::AuditQuery {
        limit: 100,
        ..store::AuditQuery::default()
    };
    store.audit(&query).unwrap().1
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_at_once() {
    let app = App::start();
    let document = document(&app, |document| {
        document["endpoints"][0]["url"] = json!("ftp://h");
        document["endpoints"][1]["priority"] = json!("high");
        document["virtual_models"][0]["top_p"] = json!(7);
        document["settings"]["usage_days"] = json!("many");
    })
    .await;
    let (status, refusal) = app.post(ROUTE, &document).await;
    assert_eq!(status, 400);
    let fields: Vec<&String> = refusal["fields"].as_object().unwrap().keys().collect();
    // That "a" has no endpoint is the fault of "one".
    let expected = [
        "endpoints[0].url",
        "endpoints[1].priority",
        "settings.usage_days",
        "virtual_models[0].top_p",
    ];
    assert_eq!(fields, expected, "{refusal}");
}

/// A form with files, as a browser without a script sends it.
async fn upload(app: &App, path: &str, parts: &[(&str, Option<&str>, &[u8])]) -> (u16, String) {
    const BOUND: &str = "----part-7d1c";
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map_or(String::new(), |file| {
            format!("; filename=\"{file}\"\r\nContent-Type: application/json")
        });
        let head =
            format!("--{BOUND}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUND}--\r\n").as_bytes());
    let request = app
        .request(Method::POST, path)
        .header(
            CONTENT_TYPE,
            format!("multipart/form-data; boundary={BOUND}"),
        )
        .header("accept", "text/html")
        .body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_file_is_imported_without_a_script() {
    let app = App::start();
    let page = app.page(PAGE).await;
    assert!(page.contains("enctype=\"multipart/form-data\""), "{page}");
    let token = token(&page);
    let file = document(&app, |_| {}).await.to_string();
    // What is typed counts where no file is chosen, and a file before what is typed.
    let bad: &[u8] = b"{";
    let (status, page) = upload(
        &app,
        PAGE,
        &[
            ("_token", None, token.as_bytes()),
            ("file", Some(""), b""),
            ("document", None, bad),
        ],
    )
    .await;
    assert_eq!(status, 400);
    assert!(page.contains("it is no JSON"), "{page}");
    let (status, page) = upload(
        &app,
        PAGE,
        &[
            ("_token", None, token.as_bytes()),
            ("file", Some("all.json"), file.as_bytes()),
            ("document", None, bad),
        ],
    )
    .await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Imported: 4 new"), "{page}");
    // A file that is refused is shown, to be mended.
    let spoilt = file.replace("127.0.0.1", "");
    let (status, page) = upload(
        &app,
        PAGE,
        &[
            ("_token", None, token.as_bytes()),
            ("document", None, b""),
            ("file", Some("all.json"), spoilt.as_bytes()),
        ],
    )
    .await;
    assert_eq!(status, 400);
    assert!(page.contains("endpoints[1].url"), "{page}");
    assert!(page.contains("&#34;actual_model&#34;"), "{page}");
    let own = json!([{ "pattern_name": "mine", "pattern_type": "calls", "regex_pattern": "<m>" }]);
    let own = own.to_string();
    let (status, page) = upload(
        &app,
        IMPORT,
        &[
            ("_token", None, token.as_bytes()),
            ("mode", None, b"merge"),
            ("file", Some("p.json"), own.as_bytes()),
        ],
    )
    .await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Patterns: 1 new"), "{page}");
}

/// Texts that YAML without quotes would read as something else.
const TRICKY: [&str; 8] = [
    "n",
    "on",
    "0123",
    "1e3",
    "~",
    "2026-11-28",
    "a: b #c",
    "- [x]",
];

#[tokio::test]
async fn the_configuration_goes_out_as_yaml_and_comes_in_the_same() {
    let app = App::start();
    let prompt = "first: 'line'\n  second \"line\" # no comment\n\n- third\t\u{1f600}\n";
    for (number, name) in TRICKY.into_iter().enumerate() {
        let endpoint = app.endpoint(name, "http://127.0.0.1:9").await;
        let body = json!({
            "name": name, "endpoint_id": endpoint, "actual_model": name,
            "system_prompt": prompt, "max_tokens": number + 1, "temperature": 0.5, "custom_headers": { "x-odd": name },
        });
        let (status, refusal) = app.post("/virtual-models", &body).await;
        assert_eq!(status, 200, "{refusal}");
    }
    let document = app.get(ROUTE).await.1;
    let export = format!("{PAGE}/export");
    for (query, kind, name) in [
        ("", "application/json", "serverless-proxy.json"),
        ("?format=json", "application/json", "serverless-proxy.json"),
        ("?format=yaml", "application/yaml", "serverless-proxy.yaml"),
    ] {
        let request = app.request(Method::GET, &format!("{export}{query}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{query}");
        assert_eq!(response.headers()[CONTENT_TYPE], kind, "{query}");
        let file = response.headers()["content-disposition"].clone();
        assert!(file.to_str().unwrap().contains(name), "{query}: {file:?}");
        let text = response.bytes().await.unwrap();

        let other = App::start();
        let page = other.page(PAGE).await;
        assert!(page.contains("/export?format=yaml"), "{page}");
        let token = token(&page);
        let parts = [
            ("_token", None, token.as_bytes()),
            ("file", Some(name), &text[..]),
        ];
        let (status, page) = upload(&other, PAGE, &parts).await;
        assert_eq!(status, 200, "{query}: {page}");
        assert!(page.contains("Imported: 16 new"), "{query}: {page}");
        assert_eq!(other.get(ROUTE).await.1, document, "{query}");
    }
    let request = app.request(Method::GET, &format!("{export}?format=xml"));
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn yaml_that_cannot_be_read_is_refused_with_a_reason() {
    let app = App::start();
    let token = token(&app.page(PAGE).await);
    for (text, reason) in [
        ("a: [1, 2", "it is no YAML"),
        ("a: sk-very-secret-1234\n b: [", "it is no YAML"),
        ("- 1\n- 2", "this is another kind of file"),
        ("just words", "this is another kind of file"),
        ("", "this is another kind of file"),
    ] {
        let parts = [
            ("_token", None, token.as_bytes()),
            ("document", None, text.as_bytes()),
        ];
        let (status, page) = upload(&app, PAGE, &parts).await;
        assert_eq!(status, 400, "{text}");
        assert!(page.contains(reason), "{text}: {page}");
        let list = page.split_once("role=\"alert\"").unwrap().1;
        let list = list.split_once("</div>").unwrap().0;
        assert!(!list.contains("very-secret"), "{list}");
    }
}

#[tokio::test]
async fn a_file_that_is_forged_too_large_or_no_text_is_refused() {
    let app = App::start();
    let token = token(&app.page(PAGE).await);
    let file = document(&app, |_| {}).await.to_string();
    let large = vec![b' '; 8 * 1024 * 1024 + 1];
    let proof = ("_token", None, token.as_bytes());
    for path in [PAGE, IMPORT] {
        for (parts, status) in [
            (vec![("file", Some("a.json"), file.as_bytes())], 403),
            (
                vec![
                    ("_token", None, &b"0"[..]),
                    ("file", Some("a"), file.as_bytes()),
                ],
                403,
            ),
            (vec![proof, ("file", Some("a.json"), &large)], 413),
            (vec![proof, ("file", Some("a.json"), &b"\xff\xfe"[..])], 400),
        ] {
            assert_eq!(upload(&app, path, &parts).await.0, status, "{path}");
        }
        let request = app
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "multipart/form-data")
            .body("no parts");
        assert_eq!(answer(request).await.0, 400, "{path}");
    }
    assert_eq!(app.get("/api/endpoints").await.1, json!([]));
}
