//! The pages of keys and settings, and the configuration as a file.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, answer, token};

const KEYS: &str = "/proxy-dashboard/keys";
const SETTINGS: &str = "/proxy-dashboard/settings";
const EXCHANGE: &str = "/proxy-dashboard/settings/exchange";
const HOSTILE: &str = "\"><script>alert('1')</script>\u{202e}&";

async fn send(app: &App, page: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let token = token(&app.page(page).await);
    let mut all = vec![("_token", token.as_str())];
    all.extend_from_slice(fields);
    let request = app.form(path, &all).header("accept", "text/html");
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_key_is_shown_once_and_then_only_its_beginning() {
    let app = App::start();
    let endpoint = app.endpoint("one", "http://127.0.0.1:9").await;
    app.model("chat", endpoint).await;
    let new = format!("{KEYS}/new");
    let (status, page) = send(
        &app,
        &new,
        &new,
        &[("label", ""), ("limit_parallel", "-1"), ("expires_at", "x")],
    )
    .await;
    assert_eq!(status, 400);
    assert!(page.contains("-error\""), "{page}");
    let fields = [
        ("label", HOSTILE),
        ("enabled", "1"),
        ("restricted", "1"),
        ("allowed", "chat"),
        ("expires_at", "2099-01-02T03:04"),
        ("limit_cost_per_day", "2.5"),
        ("limit_parallel", "4"),
    ];
    let (status, page) = send(&app, &new, &new, &fields).await;
    assert_eq!(status, 200, "{page}");
    let (_, rest) = page.split_once("id=\"key\">").unwrap();
    let key = rest.split_once('<').unwrap().0.to_owned();
    assert!(key.starts_with("spk_"), "{key}");
    let row = app.row("/api/admin/inbound-keys", 1).await;
    assert_eq!(row["allowed_models"], json!(["chat"]));
    assert_eq!(
        (&row["limit_cost_per_day"], &row["limit_parallel"]),
        (&json!(2.5), &json!(4))
    );
    for path in [
        KEYS.to_owned(),
        format!("{KEYS}/1"),
        format!("{KEYS}/1/delete"),
        "/proxy-dashboard/audit".to_owned(),
    ] {
        let page = app.page(&path).await;
        assert!(
            !page.contains(&key) && !page.contains("<script>"),
            "{path}: {page}"
        );
    }
    assert_eq!(
        send(
            &app,
            KEYS,
            &format!("{KEYS}/1/enabled"),
            &[("enabled", "0")]
        )
        .await
        .0,
        303
    );
    let old = app.row("/api/admin/inbound-keys", 1).await["version"].to_string();
    let change = [("label", "b"), ("enabled", "1"), ("version", old.as_str())];
    assert_eq!(send(&app, KEYS, &format!("{KEYS}/1"), &change).await.0, 303);
    let (status, page) = send(&app, KEYS, &format!("{KEYS}/1"), &change).await;
    assert_eq!(status, 409);
    assert!(page.contains("changed meanwhile"), "{page}");
    assert_eq!(
        app.row("/api/admin/inbound-keys", 1).await["allowed_models"],
        Value::Null
    );
    assert_eq!(
        send(
            &app,
            KEYS,
            &format!("{KEYS}/1/delete"),
            &[("version", &old)]
        )
        .await
        .0,
        409
    );
    assert_eq!(
        send(&app, KEYS, &format!("{KEYS}/1/delete"), &[]).await.0,
        303
    );
    assert!(app.page(KEYS).await.contains("There is no key yet"));
}

#[tokio::test]
async fn settings_say_where_they_come_from_and_what_is_wrong() {
    let app = App::start_with(&[
        ("USE_AI_QUEUE", "false"),
        ("AI_QUEUE_API_KEY", "sk-queue-secret"),
    ]);
    let page = app.page(SETTINGS).await;
    assert!(
        page.contains("Set by USE_AI_QUEUE in the environment"),
        "{page}"
    );
    assert!(
        page.contains("AI_QUEUE_API_KEY") && !page.contains("queue-secret"),
        "{page}"
    );
    let version = "1";
    let bad = [("display_timezone", "Mars/Olympus"), ("version", version)];
    let (status, page) = send(&app, SETTINGS, SETTINGS, &bad).await;
    assert_eq!(status, 400);
    assert!(page.contains("display_timezone-error"), "{page}");
    let page = app.page(SETTINGS).await;
    let (_, rest) = page.split_once("name=\"version\" value=\"").unwrap();
    let version = rest.split_once('"').unwrap().0.to_owned();
    let good = [
        ("display_timezone", "Asia/Kolkata"),
        ("version", version.as_str()),
    ];
    assert_eq!(send(&app, SETTINGS, SETTINGS, &good).await.0, 303);
    let page = app.page("/proxy-dashboard/audit").await;
    assert!(page.contains("+05:30"), "{page}");
    let late = [("display_timezone", "UTC"), ("version", version.as_str())];
    assert_eq!(send(&app, SETTINGS, SETTINGS, &late).await.0, 409);
    let stored = app.get("/api/admin/settings").await.1;
    assert_eq!(stored["display_timezone"], "Asia/Kolkata");
}

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
    let stored = store::Store::open(&app.database())
        .unwrap()
        .endpoint(endpoint)
        .unwrap();
    assert_eq!(stored.api_key.unwrap().expose(), "sk-very-secret-1234");
    let secret = ("Authorization".to_owned(), "Bearer hidden-9876".to_owned());
    assert!(stored.custom_headers.contains(&secret));
}

#[tokio::test]
async fn a_bad_document_writes_nothing_and_says_what_is_wrong() {
    let app = App::start();
    let mut document = app.get("/api/admin/configuration").await.1;
    document["endpoints"] = json!([
        { "name": "good", "url": "http://127.0.0.1:9" },
        { "name": "bad", "url": "ftp://127.0.0.1:9" },
    ]);
    let (status, refusal) = app.post("/api/admin/configuration", &document).await;
    assert_eq!(status, 400);
    assert!(
        refusal["fields"].get("endpoints[1].url").is_some(),
        "{refusal}"
    );
    for text in ["no json", "[]", "{}", &document.to_string()] {
        let (status, page) = send(&app, EXCHANGE, EXCHANGE, &[("document", text)]).await;
        assert_eq!(status, 400, "{text}");
        assert!(page.contains("Nothing was saved"), "{page}");
    }
    assert_eq!(app.get("/api/endpoints").await.1, json!([]));
}

#[tokio::test]
async fn a_backup_is_a_whole_store() {
    let app = App::start();
    app.endpoint("one", "http://127.0.0.1:9").await;
    let token = token(&app.page(EXCHANGE).await);
    let path = format!("{EXCHANGE}/backup");
    let response = app
        .form(&path, &[("_token", token.as_str())])
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let bytes = response.bytes().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    std::fs::write(&file, &bytes).unwrap();
    let copy = store::Store::open(&file).unwrap();
    assert_eq!(copy.endpoints().unwrap()[0].name, "one");
    let left = std::fs::read_dir(app.database().parent().unwrap()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("download")),
        "{left:?}"
    );
    let request = app.request(Method::POST, &path).json(&json!({}));
    assert_eq!(answer(request).await.0, 415);
}
