//! Changes are noted with who made them, can be undone, and never overwrite one another.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, answer, token};
use crate::people::{app_with_admin, viewer};

const AUDIT: &str = "/proxy-dashboard/audit";
const KEY: &str = "sk-very-secret-1234";

/// The address of the newest entry's undo button.
fn newest_undo(page: &str) -> String {
    let (_, rest) = page.split_once("href=\"/proxy-dashboard/audit/").unwrap();
    format!("{AUDIT}/{}", rest.split_once('"').unwrap().0)
}

async fn undo(app: &App) -> (u16, String) {
    let page = app.page(AUDIT).await;
    let path = newest_undo(&page);
    let ask = app.page(&path).await;
    assert!(ask.contains("Undo that admin"), "{ask}");
    let request = app.form(&path, &[("_token", token(&ask).as_str())]);
    let response = request.header("accept", "text/html").send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_change_is_noted_with_its_maker_and_without_secrets() {
    let (app, ada) = app_with_admin().await;
    let request = ada.request(&app, Method::POST, "/api/admin/endpoints");
    let body = json!({
        "name": "<i>one</i>", "url": "http://127.0.0.1:9", "api_key": KEY,
        "custom_headers": { "Authorization": "Bearer hidden-9876", "x-team": "blue" },
    });
    assert_eq!(answer(request.json(&body)).await.0, 200);
    let request = ada.request(&app, Method::PUT, "/endpoints/1");
    assert_eq!(answer(request.json(&json!({ "priority": 7 }))).await.0, 200);
    let request = ada.request(&app, Method::PUT, "/endpoints/1");
    assert_eq!(answer(request.json(&json!({}))).await.0, 200);
    let page = ada.page(&app, AUDIT).await;
    for part in [
        "ada",
        "127.0.0.1",
        "created endpoint",
        "changed endpoint",
        "***1234",
        "set up",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for part in ["very-secret", "hidden-9876", "<i>"] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    // A change of nothing is none.
    assert_eq!(page.matches("changed endpoint").count(), 1, "{page}");
    for query in [
        "?kind=endpoint&user=ada&q=one",
        "?kind=virtual_model",
        "?per=20&page=9&user=x",
    ] {
        ada.page(&app, &format!("{AUDIT}{query}")).await;
    }
    let stored = std::fs::read(app.database()).unwrap();
    let stored = String::from_utf8_lossy(&stored).into_owned();
    assert!(!stored.contains("very-secret") && !stored.contains("hidden-9876"));
    let vic = viewer(&app, &ada).await;
    assert!(!vic.page(&app, AUDIT).await.contains("/undo"));
}

#[tokio::test]
async fn what_was_changed_deleted_or_made_can_be_undone_with_its_secret() {
    let app = App::start();
    let body = json!({ "name": "one", "url": "http://127.0.0.1:9", "api_key": KEY, "priority": 3 });
    let id = app.endpoint_with(body).await;
    let model = app.model("chat", id).await;
    let before = app.row("/api/endpoints", id).await;
    let changes = json!({ "name": "two", "priority": 9, "api_key": "sk-another-one-5678" });
    assert_eq!(app.put(&format!("/endpoints/{id}"), &changes).await.0, 200);
    assert_eq!(undo(&app).await.0, 303);
    let mut after = app.row("/api/endpoints", id).await;
    for field in ["version", "updated_at"] {
        after[field] = before[field].clone();
    }
    assert_eq!(after, before);
    let key = |app: &App| {
        let store = store::Store::open(&app.database()).unwrap();
        store
            .endpoint(id)
            .unwrap()
            .api_key
            .unwrap()
            .expose()
            .to_owned()
    };
    assert_eq!(key(&app), KEY);
    // The undoing is an entry too, and can be undone.
    assert_eq!(undo(&app).await.0, 303);
    assert_eq!(app.row("/api/endpoints", id).await["name"], "two");
    assert_eq!(undo(&app).await.0, 303);

    let gone = app.delete(&format!("/virtual-models/{model}/delete")).await;
    assert_eq!(gone.0, 200);
    assert_eq!(undo(&app).await.0, 303);
    assert_eq!(app.row("/api/virtual-models", model).await["name"], "chat");

    let (_, made) = app
        .post("/api/admin/inbound-keys", &json!({ "label": "k" }))
        .await;
    let key_id = made["id"].as_i64().unwrap();
    assert_eq!(undo(&app).await.0, 303);
    assert_eq!(app.get("/api/admin/inbound-keys").await.1, json!([]));
    assert_eq!(undo(&app).await.0, 303);
    assert_eq!(
        app.row("/api/admin/inbound-keys", key_id).await["label"],
        "k"
    );

    let (status, _) = app
        .post(
            "/api/admin/settings",
            &json!({ "health_check_interval": 30 }),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(undo(&app).await.0, 303);
    assert_eq!(
        app.get("/api/admin/settings").await.1["health_check_interval"],
        json!(null)
    );
}

/// The address of the undo button of what was done to `name`.
fn undo_of(page: &str, action: &str, name: &str) -> String {
    let row = page
        .split("<tr id=\"entry-")
        .skip(1)
        .find(|row| row.contains(action) && row.contains(&format!("<strong>{name}</strong>")));
    newest_undo(row.unwrap_or_else(|| panic!("{action} {name}: {page}")))
}

async fn undo_at(app: &App, path: &str) -> u16 {
    let ask = app.page(path).await;
    let request = app.form(path, &[("_token", token(&ask).as_str())]);
    request.send().await.unwrap().status().as_u16()
}

/// Two endpoints, four virtual models, and a key. `main` and `other` name `gone` as a target.
async fn failover() -> (App, [i64; 4]) {
    let app = App::start();
    let first = app.endpoint("first", "http://127.0.0.1:9").await;
    let second = app.endpoint("second", "http://127.0.0.1:9").await;
    let ids = [
        app.model("main", first).await,
        app.model("other", first).await,
        app.model("spare", first).await,
        app.model("gone", second).await,
    ];
    let target = |id: i64, weight: i64| json!({ "virtual_model_id": id, "weight": weight });
    let [main, other, spare, gone] = ids;
    for (model, targets) in [
        (main, json!([target(gone, 7), target(spare, 1)])),
        (other, json!([target(spare, 2), target(gone, 3)])),
        (gone, json!([target(spare, 1)])),
    ] {
        let routing = json!({ "routing": { "strategy": "backup", "targets": targets } });
        let (status, why) = app.put(&format!("/virtual-models/{model}"), &routing).await;
        assert_eq!(status, 200, "{why}");
    }
    let key = json!({ "label": "k", "allowed_models": ["main", "gone"] });
    assert_eq!(app.post("/api/admin/inbound-keys", &key).await.0, 200);
    let limits = json!({ "limit_parallel": 3, "cost_per_1m_tokens_in": 1.5 });
    assert_eq!(
        app.put(&format!("/virtual-models/{gone}"), &limits).await.0,
        200
    );
    (app, ids)
}

/// What others say of the virtual models: their targets, and what keys may call.
async fn named(app: &App, [main, other, ..]: [i64; 4]) -> [Value; 3] {
    let targets = async |id: i64| {
        let row = app.row("/api/virtual-models", id).await;
        row["routing"]["targets"].clone()
    };
    let key = app.row("/api/admin/inbound-keys", 1).await;
    [
        targets(main).await,
        targets(other).await,
        key["allowed_models"].clone(),
    ]
}

#[tokio::test]
async fn a_deleted_virtual_model_comes_back_with_its_places() {
    let (app, ids) = failover().await;
    let gone = ids[3];
    let (before, row) = (
        named(&app, ids).await,
        app.row("/api/virtual-models", gone).await,
    );
    let prices = format!("/api/admin/virtual-models/{gone}/prices");
    let history = app.get(&prices).await.1;
    let path = format!("/virtual-models/{gone}");
    assert_eq!(app.delete(&format!("{path}/delete")).await.0, 200);
    assert_ne!(named(&app, ids).await, before);
    // What was changed since elsewhere in the same rows stays.
    let change = json!({ "description": "mine" });
    assert_eq!(
        app.put(&format!("/virtual-models/{}", ids[0]), &change)
            .await
            .0,
        200
    );
    let button = undo_of(&app.page(AUDIT).await, "deleted", "gone");
    assert_eq!(undo_at(&app, &button).await, 303);
    assert_eq!(named(&app, ids).await, before);
    let mut back = app.row("/api/virtual-models", gone).await;
    for field in ["version", "updated_at"] {
        back[field] = row[field].clone();
    }
    assert_eq!(back, row);
    assert_eq!(app.get(&prices).await.1[0]["id"], history[0]["id"]);
    assert_eq!(
        app.row("/api/virtual-models", ids[0]).await["description"],
        "mine"
    );
    // What went along is undone with it, and the undoing is undone as a whole.
    let page = app.page(AUDIT).await;
    let last = undo_of(&page, "created", "gone");
    assert_eq!(undo_at(&app, &last).await, 303);
    assert_ne!(named(&app, ids).await, before);
}

#[tokio::test]
async fn a_target_that_was_chosen_anew_meanwhile_is_not_doubled() {
    let (app, ids) = failover().await;
    let [main, other, spare, gone] = ids;
    assert_eq!(
        app.delete(&format!("/virtual-models/{gone}/delete"))
            .await
            .0,
        200
    );
    let none = json!({ "routing": { "targets": [] } });
    assert_eq!(
        app.put(&format!("/virtual-models/{main}"), &none).await.0,
        200
    );
    assert_eq!(
        app.delete(&format!("/virtual-models/{spare}/delete"))
            .await
            .0,
        200
    );
    let open = json!({ "allowed_models": null });
    assert_eq!(app.put("/api/admin/inbound-keys/1", &open).await.0, 200);
    let button = undo_of(&app.page(AUDIT).await, "deleted", "gone");
    assert_eq!(undo_at(&app, &button).await, 303);
    let target = |weight: i64| json!([{ "virtual_model_id": gone, "weight": weight }]);
    assert_eq!(named(&app, ids).await, [target(7), target(3), Value::Null]);
    // Its own target is gone by now.
    let row = app.row("/api/virtual-models", gone).await;
    assert_eq!(row["routing"]["targets"], json!([]), "{other}");
}

#[tokio::test]
async fn a_deleted_endpoint_comes_back_with_its_virtual_models() {
    let (app, ids) = failover().await;
    let before = named(&app, ids).await;
    let path = "/api/admin/endpoints/2?cascade=true";
    assert_eq!(app.delete(path).await.0, 200);
    assert_eq!(
        app.get("/api/virtual-models")
            .await
            .1
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let button = undo_of(&app.page(AUDIT).await, "deleted", "second");
    assert_eq!(undo_at(&app, &button).await, 303);
    assert_eq!(named(&app, ids).await, before);
    assert_eq!(
        app.row("/api/virtual-models", ids[3]).await["endpoint_name"],
        "second"
    );
    // Not twice.
    assert_eq!(undo_at(&app, &button).await, 400);
}

#[tokio::test]
async fn what_somebody_has_changed_since_is_not_undone() {
    let app = App::start();
    let id = app.endpoint("one", "http://127.0.0.1:9").await;
    let path = format!("/endpoints/{id}");
    assert_eq!(app.put(&path, &json!({ "priority": 5 })).await.0, 200);
    let undo = newest_undo(&app.page(AUDIT).await);
    assert_eq!(app.put(&path, &json!({ "priority": 6 })).await.0, 200);
    let ask = app.page(&undo).await;
    let request = app.form(&undo, &[("_token", token(&ask).as_str())]);
    let response = request.header("accept", "text/html").send().await.unwrap();
    assert_eq!(response.status(), 409);
    let page = response.text().await.unwrap();
    assert!(
        page.contains("changed meanwhile") && page.contains("priority"),
        "{page}"
    );
    assert_eq!(app.row("/api/endpoints", id).await["priority"], 6);
}

#[tokio::test]
async fn the_later_of_two_editors_is_told_and_overwrites_nothing() {
    let app = App::start();
    let endpoint = app.endpoint("one", "http://127.0.0.1:9").await;
    let model = app.model("chat", endpoint).await;
    let (_, made) = app
        .post("/api/admin/inbound-keys", &json!({ "label": "k" }))
        .await;
    let (_, pattern) = app
        .post(
            "/tool-patterns",
            &json!({ "pattern_name": "p", "regex_pattern": "<x>(.*)</x>" }),
        )
        .await;
    for (list, path, change) in [
        (
            "/api/endpoints",
            format!("/endpoints/{endpoint}"),
            json!({ "priority": 1 }),
        ),
        (
            "/api/virtual-models",
            format!("/virtual-models/{model}"),
            json!({ "description": "a" }),
        ),
        (
            "/api/admin/inbound-keys",
            format!("/api/admin/inbound-keys/{}", made["id"]),
            json!({ "notes": "a" }),
        ),
        (
            "/tool-patterns",
            format!("/tool-patterns/{}", pattern["id"]),
            json!({ "priority": 9 }),
        ),
    ] {
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        let version = app.row(list, id).await["version"].as_i64().unwrap();
        let mut mine = change.clone();
        mine["version"] = json!(version);
        assert_eq!(app.put(&path, &mine).await.0, 200, "{path}");
        let row = app.row(list, id).await;
        assert_eq!(row["version"], version + 1, "{path}");
        // The same version again, in the body and in the header.
        let (status, refusal) = app.put(&path, &mine).await;
        assert_eq!(status, 409, "{path}");
        assert_eq!(refusal["code"], "changed_meanwhile", "{refusal}");
        assert_eq!(refusal["version"], version + 1, "{refusal}");
        let field = change.as_object().unwrap().keys().next().unwrap().clone();
        assert!(
            refusal["error"].as_str().unwrap().contains(&field),
            "{refusal}"
        );
        let request = app.request(Method::PUT, &path).json(&change);
        let (status, _) = answer(request.header("if-match", format!("\"{version}\""))).await;
        assert_eq!(status, 409, "{path}");
        assert_eq!(app.row(list, id).await, row);
        let mut bad = change.clone();
        bad["version"] = json!("x");
        assert_eq!(app.put(&path, &bad).await.0, 400);
        let request = app.request(Method::PUT, &path).json(&change);
        assert_eq!(answer(request.header("if-match", "x")).await.0, 400);
    }
    let settings = "/api/admin/settings";
    let response = app.request(Method::GET, settings).send().await.unwrap();
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    for status in [200, 409] {
        let request = app.request(Method::POST, settings).header("if-match", &tag);
        let body = json!({ "health_check_interval": 40 });
        assert_eq!(answer(request.json(&body)).await.0, status);
    }
}
