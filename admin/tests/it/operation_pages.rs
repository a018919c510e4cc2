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
async fn the_list_of_keys_tells_what_each_may_and_is_sorted_filtered_and_paged() {
    let app = App::start();
    for number in 1..=25 {
        let key = json!({
            "label": format!("key {number:02}"), "notes": format!("of person {number}"),
            "enabled": number != 3, "expires_at": 4_000_000_000_i64 - number,
        });
        let (status, refusal) = app.post("/api/admin/inbound-keys", &key).await;
        assert_eq!(status, 200, "{refusal}");
    }
    let endpoint = app.endpoint("one", "http://127.0.0.1:9").await;
    app.model("chat", endpoint).await;
    let rich = json!({
        "label": "rich", "expires_at": 1_700_000_000, "allowed_models": ["chat"],
        "limit_requests_per_minute": 1200, "limit_tokens_per_minute": 90000,
        "limit_parallel": 4, "limit_cost_per_day": 2.5, "limit_cost_per_month": 50,
    });
    assert_eq!(app.post("/api/admin/inbound-keys", &rich).await.0, 200);
    let used = store::KeyUse {
        id: 26,
        at: 1_800_000_000,
        address: Some("10.1.2.3".to_owned()),
        user_agent: None,
    };
    let store = store::Store::open(&app.database()).unwrap();
    store.record_key_uses(&[used]).unwrap();
    let labels = |page: &str| -> Vec<String> {
        let rows = page.split("<tr id=\"key-").skip(1);
        let label = |row: &str| {
            row.split("</a>")
                .next()?
                .rsplit('>')
                .next()
                .map(str::to_owned)
        };
        rows.filter_map(label).collect()
    };
    let first = labels(&app.page(&format!("{KEYS}?per=20&sort=-expires")).await);
    assert_eq!((first.len(), first[0].as_str()), (20, "key 01"));
    let second = labels(
        &app.page(&format!("{KEYS}?per=20&sort=-expires&page=2"))
            .await,
    );
    assert_eq!(second.len(), 6);
    assert_eq!(second.last().unwrap(), "rich", "it ends first");
    for (query, found) in [
        ("enabled=0", vec!["key 03"]),
        ("q=PERSON 17", vec!["key 17"]),
        ("q=nobody", vec![]),
    ] {
        let page = app
            .page(&format!("{KEYS}?{}", query.replace(' ', "+")))
            .await;
        assert_eq!(labels(&page), found, "{query}");
    }
    let page = app.page(&format!("{KEYS}?q=rich")).await;
    for part in [
        "spk_",
        ">expired</span>",
        "<td>chat</td>",
        "1,200 calls/min",
        "90,000 tokens/min",
        "4 at once",
        "$2.5/day",
        "$50/month",
        "10.1.2.3",
        "2027-01-15",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn every_setting_has_its_source_and_the_time_it_counts_from() {
    let app = App::start_with(&[("MAX_BODY_MB", "77")]);
    let stored = json!({ "usage_days": 91, "display_timezone": "UTC" });
    assert_eq!(app.post("/api/admin/settings", &stored).await.0, 200);
    let page = app.page(SETTINGS).await;
    let (open, fixed) = page.split_once("From the environment alone").unwrap();
    let field = |key: &str| -> &str {
        let (_, rest) = open.split_once(&format!("<label for=\"{key}\">")).unwrap();
        rest.split_once("</div>").unwrap().0
    };
    for setting in store::config::SETTINGS {
        match setting.stored {
            Some(key) => {
                let field = field(key);
                let (source, told) = match key {
                    "usage_days" => ("stored", "Takes effect "),
                    "flask_port" => ("environment", "Set by ADMIN_PORT in the environment"),
                    _ => ("default", "Takes effect "),
                };
                assert!(
                    field.contains(&format!("badge\">{source}<")),
                    "{key}: {field}"
                );
                assert!(field.contains(told), "{key}: {field}");
            }
            None => {
                let (_, row) = fixed
                    .split_once(&format!("<code>{}</code>", setting.name))
                    .unwrap();
                let (row, _) = row.split_once("</tr>").unwrap();
                let set = [
                    "MAX_BODY_MB",
                    "DATABASE_PATH",
                    "ADMIN_PORT",
                    "AUTH_ENABLED",
                    "RUST_LOG",
                ];
                let is_set = set.contains(&setting.name);
                let source = if is_set { ">environment<" } else { ">default<" };
                assert!(row.contains(source), "{}: {row}", setting.name);
            }
        }
    }
    assert!(field("display_timezone").contains("Takes effect within a second"));
    assert!(fixed.contains("read at the start of each program"));
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
