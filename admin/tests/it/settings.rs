//! Stored settings over the API.

use serde_json::{Value, json};

use crate::harness::App;

const PATH: &str = "/api/admin/settings";

#[tokio::test]
async fn settings_are_saved_shown_and_cleared() {
    let app = App::start();
    let endpoint = app.endpoint("home", "http://127.0.0.1:9").await;
    app.model("chat", endpoint).await;
    let (status, body) = app
        .post(
            PATH,
            &json!({ "default_model": "chat", "use_ai_queue": true }),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["success"], true);
    assert!(
        body["message"].as_str().unwrap().contains("restart"),
        "{body}"
    );
    let (status, settings) = app.get(PATH).await;
    assert_eq!(status, 200);
    assert_eq!(settings["default_model"], "chat");
    assert_eq!(settings["use_ai_queue"], "true");

    let (status, body) = app.post(PATH, &json!({ "default_model": null })).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["message"], "Settings saved.");
    for followed in [
        json!({ "health_check_interval": 5 }),
        json!({ "deployment_mode": "internet_facing", "trusted_internal_cidrs": "10.0.0.0/8" }),
    ] {
        let (_, body) = app.post(PATH, &followed).await;
        assert_eq!(body["message"], "Settings saved.", "it is followed");
    }
    let bad = json!({ "deployment_mode": "open", "trusted_internal_cidrs": "10.0.0.0/99" });
    let (status, body) = app.post(PATH, &bad).await;
    assert_eq!(status, 400, "{body}");
    for field in ["deployment_mode", "trusted_internal_cidrs"] {
        assert!(body["fields"][field].is_string(), "{body}");
    }
    let (_, settings) = app.get(PATH).await;
    assert_eq!(settings.get("default_model"), None);
    assert_eq!(settings["use_ai_queue"], "true");
}

#[tokio::test]
async fn every_value_is_a_text() {
    let app = App::start();
    let (_, settings) = app.get(PATH).await;
    let values: Vec<&Value> = settings.as_object().unwrap().values().collect();
    assert!(values.iter().all(|value| value.is_string()), "{settings}");
}

#[tokio::test]
async fn unknown_and_bad_settings_are_named_and_nothing_is_saved() {
    let app = App::start();
    let (_, before) = app.get(PATH).await;
    let bad = json!({
        "default_model": "no-such-model",
        "use_ai_queue": "perhaps",
        "auth_enabled": "false",
        "colour": "blue",
    });
    let (status, body) = app.post(PATH, &bad).await;
    assert_eq!(status, 400, "{body}");
    for field in ["use_ai_queue", "auth_enabled", "colour"] {
        assert!(body["fields"][field].is_string(), "{field}: {body}");
    }
    let (status, body) = app
        .post(PATH, &json!({ "default_model": "no-such-model" }))
        .await;
    assert_eq!(status, 400);
    assert!(body["fields"]["default_model"].is_string(), "{body}");
    let (status, body) = app.post(PATH, &json!({})).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(app.get(PATH).await.1, before);
}

#[tokio::test]
async fn a_saved_setting_counts_at_the_next_start_unless_the_environment_says_otherwise() {
    let first = App::start();
    let (status, body) = first.post(PATH, &json!({ "use_ai_queue": "true" })).await;
    assert_eq!(status, 200, "{body}");
    let file = first.database();
    let file = file.to_str().unwrap();
    let queue = ("AI_QUEUE_URL", "http://127.0.0.1:9");
    let second = App::start_with(&[("DATABASE_PATH", file), queue]);
    assert_eq!(
        second.get("/session/validate").await.1["use_ai_queue"],
        true
    );
    let third = App::start_with(&[("DATABASE_PATH", file), queue, ("USE_AI_QUEUE", "false")]);
    assert_eq!(
        third.get("/session/validate").await.1["use_ai_queue"],
        false
    );
}
