//! Tool patterns over the API, under each of their three addresses.

use serde_json::{Value, json};

use crate::harness::App;

const PATHS: [&str; 3] = [
    "/api/admin/tool-patterns",
    "/tool-patterns",
    "/endpoints/patterns",
];

fn pattern(name: &str) -> Value {
    json!({
        "pattern_name": name,
        "pattern_type": "xml",
        "regex_pattern": "<call>(\\w+)</call>",
        "tool_name_group": 1,
        "tool_name_mapping": "{\"sh\":\"bash\"}",
        "parameter_mapping": { "file_path": "filePath" },
        "priority": 200,
    })
}

#[tokio::test]
async fn a_pattern_is_created_listed_first_changed_and_deleted() {
    let app = App::start();
    for path in PATHS {
        let before = app.get(path).await.1;
        let (status, body) = app.post(path, &pattern("mine")).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["status"], "ok");
        let id = body["id"].as_i64().unwrap();

        let (_, rows) = app.get(path).await;
        let row = &rows[0];
        assert_eq!(row["id"], id, "the highest priority comes first");
        assert_eq!(row["pattern_name"], "mine");
        assert_eq!(row["tool_name_mapping"], "{\"sh\":\"bash\"}");
        assert_eq!(row["parameter_mapping"], "{\"file_path\":\"filePath\"}");
        assert_eq!(row["enabled"], 1);

        let one = format!("{path}/{id}");
        let (status, body) = app.put(&one, &json!({ "enabled": false })).await;
        assert_eq!((status.as_u16(), body), (200, json!({ "status": "ok" })));
        let row = app.row(path, id).await;
        assert_eq!(row["enabled"], 0);
        assert_eq!(row["tool_name_group"], 1, "the rest stays");

        let (status, body) = app.delete(&one).await;
        assert_eq!((status.as_u16(), body), (200, json!({ "status": "ok" })));
        assert_eq!(app.get(path).await.1, before);
    }
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let app = App::start();
    let bad = json!({
        "pattern_name": "",
        "pattern_type": "magic",
        "regex_pattern": "(",
        "tool_name_group": "first",
        "tool_name_mapping": "{",
        "parameter_mapping": [],
        "enabled": "yes",
        "priority": "high",
        "colour": 1,
    });
    for path in PATHS {
        let (status, body) = app.post(path, &bad).await;
        assert_eq!(status, 400, "{body}");
        let named: Vec<&String> = body["fields"].as_object().unwrap().keys().collect();
        assert_eq!(
            named,
            [
                "colour",
                "enabled",
                "parameter_mapping",
                "pattern_name",
                "pattern_type",
                "priority",
                "regex_pattern",
                "tool_name_group",
                "tool_name_mapping"
            ],
            "{body}"
        );
        let (status, body) = app.post(path, &json!({})).await;
        assert_eq!(status, 400);
        assert!(body["fields"]["pattern_name"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn duplicates_and_missing_ids_are_told_apart() {
    let app = App::start();
    for path in PATHS {
        let (status, _) = app
            .put(&format!("{path}/777"), &json!({ "enabled": true }))
            .await;
        assert_eq!(status, 404);
        assert_eq!(app.delete(&format!("{path}/777")).await.0, 404);
        assert_eq!(app.get(&format!("{path}/777")).await.0, 405);
    }
    assert_eq!(app.post(PATHS[0], &pattern("mine")).await.0, 200);
    let (status, body) = app.post(PATHS[0], &pattern("mine")).await;
    assert_eq!(status, 409, "{body}");
}
