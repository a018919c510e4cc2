//! Tool patterns over the API, under each of their three addresses, and all at once.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use store::{PatternCount, Store};

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
        assert_eq!(row["strength"], "strong");
        assert_eq!(row["builtin"], Value::Null);

        let one = format!("{path}/{id}");
        let (status, body) = app.put(&one, &json!({ "enabled": false })).await;
        assert_eq!((status.as_u16(), body), (200, json!({ "status": "ok" })));
        let row = app.row(path, id).await;
        assert_eq!(row["enabled"], 0);
        assert_eq!(row["tool_name_group"], 1, "the rest stays");
        assert_eq!(app.put(&one, &row).await.0, 200, "as it came out");

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
        "strength": "sure",
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
                "strength",
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

#[tokio::test]
async fn a_pattern_that_cannot_be_used_is_refused_with_position_and_reason() {
    let app = App::start();
    for (change, field, why) in [
        (
            json!({ "regex_pattern": "ab(c" }),
            "regex_pattern",
            "unclosed group, at line 1, column 3",
        ),
        (
            json!({ "tool_name_group": 2 }),
            "tool_name_group",
            "capture group 2",
        ),
        (
            json!({ "pattern_type": "pairs", "tool_name_group": null }),
            "tool_name_group",
            "set tool_name or tool_name_group",
        ),
        (
            json!({ "parameter_mapping": { "4": "x" } }),
            "parameter_mapping",
            "capture group 4",
        ),
    ] {
        let mut body = pattern("mine");
        let fields = change.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        let (status, answer) = app.post(PATHS[0], &body).await;
        assert_eq!(status, 400, "{answer}");
        let found = answer["fields"][field].as_str().unwrap_or_default();
        assert!(found.contains(why), "{answer}");
    }
}

#[tokio::test]
async fn a_listed_pattern_tells_its_counts() {
    let app = App::start();
    let store = Store::open(&app.database()).unwrap();
    let id = app.get(PATHS[0]).await.1[0]["id"].as_i64().unwrap();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = PatternCount {
        pattern_id: id,
        pattern_name: "p".to_owned(),
        at: i64::try_from(since.as_secs()).unwrap(),
        hits: 5,
        repairs: 2,
        refusals: 3,
        reasons: BTreeMap::from([("unknown_tool".to_owned(), 3)]),
    };
    store.count_tool_patterns(&[count]).unwrap();
    for path in PATHS {
        let (_, rows) = app.get(path).await;
        let expected = json!({
            "days": 30, "hits": 5, "repairs": 2, "refusals": 3,
            "refusal_reasons": { "unknown_tool": 3 },
        });
        assert_eq!(rows[0]["counts"], expected);
        assert_eq!(rows[1]["counts"]["hits"], 0);
    }
}

#[tokio::test]
async fn patterns_go_out_and_come_in_as_one_document() {
    let app = App::start();
    app.post(PATHS[0], &pattern("mine")).await;
    let (status, mut document) = app.get("/api/admin/tool-patterns/export").await;
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["version"], 1);
    assert_eq!(document["patterns"][0]["pattern_name"], "mine");
    assert_eq!(document["patterns"][0]["id"], Value::Null);
    let count = document["patterns"].as_array().unwrap().len();

    let other = App::start();
    document["mode"] = "replace".into();
    let import = "/api/admin/tool-patterns/import";
    let (status, answer) = other.post(import, &document).await;
    assert_eq!(status, 200, "{answer}");
    let unchanged = count - 1;
    assert_eq!(
        answer,
        json!({
            "status": "ok",
            "patterns": { "created": 1, "updated": 0, "unchanged": unchanged, "removed": 0 },
            "aliases": { "created": 0, "updated": 0, "unchanged": 2, "removed": 0 },
        })
    );
    let (_, rows) = other.get(PATHS[0]).await;
    assert_eq!(rows[0]["pattern_name"], "mine");

    // A list alone is merged, and may be the rows as they are listed.
    let (status, answer) = other.post(import, &rows).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["patterns"]["unchanged"], count, "{answer}");

    let bad = json!({ "patterns": [{ "pattern_name": "a", "regex_pattern": "(" }] });
    let (status, answer) = other.post(import, &bad).await;
    assert_eq!(status, 400);
    let why = answer["fields"]["patterns[0].regex_pattern"].as_str();
    assert!(why.unwrap().contains("column 1"), "{answer}");
    assert_eq!(other.post(import, &json!(7)).await.0, 400);
    assert_eq!(other.get(import).await.0, 405);
    assert_eq!(
        other
            .post("/api/admin/tool-patterns/export", &json!({}))
            .await
            .0,
        405
    );
}
