//! Two people at the same row: the later one is told, and what was typed is kept.

use reqwest::Method;
use serde_json::json;

use crate::browser::PageForm;
use crate::harness::App;

/// A row with a form: where it is, where its list is, the route that changes it, and the
/// field that both change.
struct Place {
    page: String,
    list: &'static str,
    route: String,
    rows: &'static str,
    id: i64,
    field: &'static str,
}

async fn places(app: &App) -> Vec<Place> {
    let endpoint = app.endpoint("e", "http://127.0.0.1:9").await;
    let model = app.model("m", endpoint).await;
    let pattern = json!({ "pattern_name": "p", "pattern_type": "calls", "regex_pattern": "<p>" });
    let (_, made) = app.post("/api/admin/tool-patterns", &pattern).await;
    let pattern = made["id"].as_i64().unwrap();
    let (_, key) = app
        .post("/api/admin/inbound-keys", &json!({ "label": "k" }))
        .await;
    let key = key["id"].as_i64().unwrap();
    let place = |list: &'static str, rows: &'static str, id: i64, field: &'static str| Place {
        page: format!("{list}/{id}"),
        list,
        route: format!("{rows}/{id}"),
        rows,
        id,
        field,
    };
    vec![
        place(
            "/proxy-dashboard/endpoints",
            "/api/admin/endpoints",
            endpoint,
            "name",
        ),
        place(
            "/proxy-dashboard/models",
            "/api/admin/virtual-models",
            model,
            "description",
        ),
        place(
            "/proxy-dashboard/patterns",
            "/api/admin/tool-patterns",
            pattern,
            "tool_name",
        ),
        place(
            "/proxy-dashboard/patterns/aliases",
            "/api/admin/tool-aliases",
            1,
            "fill",
        ),
        place(
            "/proxy-dashboard/keys",
            "/api/admin/inbound-keys",
            key,
            "notes",
        ),
    ]
}

#[tokio::test]
async fn the_later_of_two_is_told_and_nothing_is_overwritten_unseen() {
    let app = App::start();
    for place in places(&app).await {
        let Place {
            page,
            list,
            route,
            rows,
            id,
            field,
        } = place;
        let mine = PageForm::of(&app.page(&page).await, &page).with(field, "mine");
        let (status, body) = app.put(&route, &json!({ field: "theirs" })).await;
        assert_eq!(status, 200, "{body}");
        let told = mine.send(&app).await;
        assert_eq!(told.status, 409, "{page}");
        assert!(told.page.contains("was changed meanwhile"), "{}", told.page);
        assert_eq!(app.row(rows, id).await[field], "theirs", "{page}");
        // What is stored by now stands beside what was typed, and only there.
        let beside = format!("id=\"{field}-now\">Stored now: <q>theirs</q>");
        assert!(told.page.contains(&beside), "{page}: {}", told.page);
        assert_eq!(
            told.page.matches("Stored now: ").count(),
            1,
            "{}",
            told.page
        );
        // Sent again as it is, it is refused again.
        let again = PageForm::of(&told.page, &page);
        assert_eq!(again.value(field), "mine", "{page}");
        assert_eq!(again.send(&app).await.status, 409, "{page}");
        // The button that says so saves it over theirs.
        let (_, rest) = told
            .page
            .split_once("<button name=\"version\" value=\"")
            .unwrap();
        let version = rest.split('"').next().unwrap();
        let over = again.with("version", version).send(&app).await;
        over.leads_to(list);
        assert_eq!(app.row(rows, id).await[field], "mine", "{page}");
    }
}

#[tokio::test]
async fn settings_that_somebody_else_has_changed_stand_beside_what_was_typed() {
    const PAGE: &str = "/proxy-dashboard/settings";
    let app = App::start();
    let mine = PageForm::of(&app.page(PAGE).await, PAGE)
        .with("health_check_interval", "30")
        .with("usage_days", "7");
    let theirs = json!({ "health_check_interval": 45, "display_timezone": "UTC" });
    assert_eq!(app.post("/api/admin/settings", &theirs).await.0, 200);
    let told = mine.send(&app).await;
    assert_eq!(told.status, 409, "{}", told.page);
    for part in [
        "id=\"health_check_interval-now\">Stored now: <q>45</q>",
        "id=\"display_timezone-now\">Stored now: <q>UTC</q>",
        "id=\"usage_days-now\">Stored now: nothing",
    ] {
        assert!(told.page.contains(part), "{part}: {}", told.page);
    }
    let again = PageForm::of(&told.page, PAGE);
    assert_eq!(again.value("health_check_interval"), "30");
    assert_eq!(again.send(&app).await.status, 409);
    let (_, rest) = told
        .page
        .split_once("<button name=\"version\" value=\"")
        .unwrap();
    let version = rest.split('"').next().unwrap();
    let over = again
        .with("display_timezone", "UTC")
        .with("version", version);
    over.send(&app).await.leads_to(PAGE);
    let stored = app.get("/api/admin/settings").await.1;
    let kept = [
        &stored["health_check_interval"],
        &stored["usage_days"],
        &stored["display_timezone"],
    ];
    assert_eq!(kept, [&json!("30"), &json!("7"), &json!("UTC")]);
}

#[tokio::test]
async fn a_key_whose_models_somebody_else_has_changed_shows_both() {
    let app = App::start();
    let endpoint = app.endpoint("e", "http://127.0.0.1:9").await;
    for name in ["a", "b"] {
        app.model(name, endpoint).await;
    }
    app.post(
        "/api/admin/inbound-keys",
        &json!({ "label": "k", "allowed_models": ["a"] }),
    )
    .await;
    let page = "/proxy-dashboard/keys/1";
    let mine = PageForm::of(&app.page(page).await, page).with("notes", "mine");
    let theirs = json!({ "allowed_models": ["b"], "enabled": false });
    assert_eq!(app.put("/api/admin/inbound-keys/1", &theirs).await.0, 200);
    let told = mine.send(&app).await;
    assert_eq!(told.status, 409, "{}", told.page);
    for part in [
        "stored now: not ticked",
        "stored now: ticked",
        "id=\"enabled-now\">Stored now: off",
    ] {
        assert!(told.page.contains(part), "{part}: {}", told.page);
    }
    assert_eq!(PageForm::of(&told.page, page).values("allowed"), ["a"]);
}

#[tokio::test]
async fn what_somebody_else_has_changed_is_not_deleted_unseen() {
    let app = App::start();
    for place in places(&app).await {
        if place.rows == "/api/admin/endpoints" {
            // Its virtual model goes with it, and is in this list itself.
            continue;
        }
        let delete = format!("{}/delete", place.page);
        let mine = PageForm::of(&app.page(&delete).await, &delete);
        let theirs = json!({ place.field: "theirs" });
        assert_eq!(app.put(&place.route, &theirs).await.0, 200, "{delete}");
        assert_eq!(mine.send(&app).await.status, 409, "{delete}");
        let seen = PageForm::of(&app.page(&delete).await, &delete);
        seen.send(&app).await.leads_to(place.list);
    }
}

#[tokio::test]
async fn a_row_that_is_gone_meanwhile_is_named() {
    let app = App::start();
    for place in places(&app).await {
        let form = PageForm::of(&app.page(&place.page).await, &place.page);
        if place.rows == "/api/admin/endpoints" {
            continue;
        }
        let gone = app
            .request(Method::DELETE, &place.route)
            .send()
            .await
            .unwrap();
        assert_eq!(gone.status(), 200);
        let sent = form.send(&app).await;
        assert_eq!(sent.status, 404, "{}", place.page);
        assert!(sent.page.contains("there is no"), "{}", sent.page);
    }
}

#[tokio::test]
async fn link_local_addresses_are_not_even_tested() {
    let app = App::start();
    let new = "/proxy-dashboard/endpoints/new";
    let form = PageForm::of(&app.page(new).await, new)
        .with("name", "cloud")
        .with("url", "http://169.254.169.254/v1");
    for intent in ["test", "save"] {
        let sent = form.send_with(&app, "intent", intent).await;
        assert_eq!(sent.status, 400, "{intent}");
        assert!(sent.error("url").is_some(), "{}", sent.page);
    }
}
