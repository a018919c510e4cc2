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
