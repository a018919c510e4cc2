//! Tool aliases over the API.

use serde_json::json;

use crate::harness::App;

const LIST: &str = "/api/admin/tool-aliases";

#[tokio::test]
async fn an_alias_is_created_listed_changed_and_deleted() {
    let app = App::start();
    let (_, seeded) = app.get(LIST).await;
    assert_eq!(seeded[0]["tool_name"], "bash");
    assert_eq!(seeded[0]["aliases"][0], "filePath");
    assert_eq!(seeded[1]["fill"], "Run bash command");
    let body = json!({
        "tool_name": "read", "parameter": "filePath", "aliases": ["path", "file_path"],
    });
    let (status, answer) = app.post(LIST, &body).await;
    assert_eq!(status, 200, "{answer}");
    let id = answer["id"].as_i64().unwrap();
    let mut row = app.row(LIST, id).await;
    assert_eq!(row["created_at"].take(), row["updated_at"].take());
    let expected = json!({
        "id": id, "tool_name": "read", "parameter": "filePath",
        "aliases": ["path", "file_path"], "fill": null, "enabled": 1,
        "created_at": null, "updated_at": null, "version": 1,
    });
    assert_eq!(row, expected);
    let one = format!("{LIST}/{id}");
    let (status, body) = app.put(&one, &json!({ "enabled": false })).await;
    assert_eq!((status.as_u16(), body), (200, json!({ "status": "ok" })));
    let row = app.row(LIST, id).await;
    assert_eq!(
        (&row["enabled"], &row["aliases"][0]),
        (&json!(0), &json!("path"))
    );
    assert_eq!(app.put(&one, &row).await.0, 200, "as it came out");
    let (status, body) = app.delete(&one).await;
    assert_eq!((status.as_u16(), body), (200, json!({ "status": "ok" })));
    assert_eq!(app.get(LIST).await.1, seeded);
}

#[tokio::test]
async fn bad_fields_duplicates_and_missing_ids_are_told_apart() {
    let app = App::start();
    let bad = json!({ "parameter": "", "aliases": [1], "fill": [], "enabled": 7, "x": 1 });
    let (status, body) = app.post(LIST, &bad).await;
    assert_eq!(status, 400, "{body}");
    let named: Vec<&String> = body["fields"].as_object().unwrap().keys().collect();
    assert_eq!(
        named,
        ["aliases", "enabled", "fill", "parameter", "tool_name", "x"],
        "{body}"
    );
    let taken = json!({ "tool_name": "bash", "parameter": "command", "fill": "ls" });
    let (status, body) = app.post(LIST, &taken).await;
    assert_eq!(status, 409, "{body}");
    let (status, body) = app
        .put(&format!("{LIST}/1"), &json!({ "aliases": [] }))
        .await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(app.put(&format!("{LIST}/77"), &json!({})).await.0, 404);
    assert_eq!(app.delete(&format!("{LIST}/77")).await.0, 404);
    assert_eq!(app.get(&format!("{LIST}/77")).await.0, 405);
}
