//! What only a queue has: urgency, names of who asks, and errors inside errors.

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::crowd::{Crowd, Member, text};
use crate::scene::{Answer, Props, Scene, answer, chat};

async fn scene(model: Value, env: &[(&str, &str)]) -> Scene {
    let options = Options {
        flavor: Flavor::Queue,
        ..Options::default()
    };
    Scene::with(Props {
        options,
        model,
        env,
        ..Props::default()
    })
    .await
}

async fn ask(scene: &Scene, header: Option<(&str, &str)>, more: &Value) -> Answer {
    let mut request = scene.request(Method::POST, "/v1/chat/completions");
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    answer(request.json(&chat("say=ok", more))).await
}

fn told(scene: &Scene, name: &str) -> Option<String> {
    let request = scene.sim.last_request().unwrap();
    let all: Vec<_> = request.headers.get_all(name).iter().collect();
    assert!(all.len() < 2, "{name}: {all:?}");
    all.first().map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_nearest_word_on_urgency_counts() {
    let low = &[("AI_QUEUE_PRIORITY", "LOW")][..];
    for (env, model, header, priority) in [
        (&[][..], json!({}), None, "NORMAL"),
        (low, json!({}), None, "LOW"),
        (low, json!({"queue_priority": "NORMAL"}), None, "NORMAL"),
        (
            low,
            json!({"queue_priority": "NORMAL"}),
            Some("HIGH"),
            "HIGH",
        ),
        (low, json!({}), Some("HIGH"), "HIGH"),
    ] {
        let scene = scene(model.clone(), env).await;
        let header = header.map(|value| ("x-priority", value));
        let got = ask(&scene, header, &json!({})).await;
        assert_eq!(got.status, 200, "{got:?}");
        let told = told(&scene, "x-priority");
        assert_eq!(
            told.as_deref(),
            Some(priority),
            "{env:?} {model} {header:?}"
        );
    }
}

#[tokio::test]
async fn an_urgency_that_is_none_is_refused() {
    let scene = scene(json!({}), &[]).await;
    for value in ["URGENT", "", "1"] {
        let got = ask(&scene, Some(("x-priority", value)), &json!({})).await;
        assert_eq!(got.status, 400, "{value:?}: {got:?}");
        assert_eq!(got.error()["param"], "x-priority");
        for word in ["HIGH", "NORMAL", "LOW"] {
            assert!(got.body.contains(word), "{got:?}");
        }
    }
    assert_eq!(scene.sim.served().requests, 0);
    for row in scene.ground.rows(3).await {
        assert_eq!(row.outcome.as_deref(), Some("client_error"), "{row:?}");
    }
}

#[tokio::test]
async fn the_queue_learns_who_asks() {
    let scene = scene(json!({}), &[]).await;
    for (header, more, user) in [
        (None, json!({}), None),
        (Some(("x-user-id", "anna")), json!({}), Some("anna")),
        (None, json!({"user": "ben"}), Some("ben")),
        (
            Some(("x-user-id", "anna")),
            json!({"user": "ben"}),
            Some("anna"),
        ),
    ] {
        assert_eq!(ask(&scene, header, &more).await.status, 200);
        assert_eq!(
            told(&scene, "x-user-id").as_deref(),
            user,
            "{header:?} {more}"
        );
    }
}

#[tokio::test]
async fn an_error_inside_an_error_is_taken_out() {
    let scene = scene(json!({}), &[]).await;
    for stream in [false, true] {
        let script = "status=400 double_error message=because+of+this";
        let got = scene.chat(script, json!({"stream": stream})).await;
        assert_eq!(got.status, 400, "{got:?}");
        assert_eq!(got.error()["message"], "because of this", "{got:?}");
        assert!(!got.body.contains("\\\""), "{got:?}");
    }
}

#[tokio::test]
async fn no_other_provider_hears_of_urgency() {
    let scene = Scene::start().await;
    let got = ask(&scene, Some(("x-priority", "HIGH")), &json!({})).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(told(&scene, "x-priority"), None);
    assert_eq!(told(&scene, "x-model"), None);
}

#[tokio::test]
async fn a_call_may_wait_its_turn() {
    let scene = scene(json!({}), &[("TIMEOUT", "1")]).await;
    for stream in [false, true] {
        let got = scene
            .chat("say=ok delay_ms=2000", json!({"stream": stream}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(text(&got), "ok");
    }
    for row in scene.ground.rows(2).await {
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    }
}

#[tokio::test]
async fn a_turn_that_never_comes_is_given_up() {
    let scene = scene(json!({}), &[("TIMEOUT", "0.2")]).await;
    let got = scene.chat("hang=header", json!({})).await;
    assert_eq!(got.status, 504, "{got:?}");
    let row = scene.ground.row().await;
    assert!(row.response_time_ms >= 800, "{row:?}");
}

#[tokio::test]
async fn with_another_at_hand_a_queue_has_its_time_and_the_other_has_its_own() {
    let env = [("TIMEOUT", "1"), ("FIRST_BYTE_TIMEOUT", "0.5")];
    let members = vec![Member::of(Flavor::Queue), Member::usual()];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &env).await;
    crowd.script(0, "delay_ms=1500 say=from+0");
    assert_eq!(crowd.served_by(json!({})).await, 0);
    // It fails when any other endpoint's time would be over.
    crowd.script(0, "delay_ms=1500 status=500");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    crowd.script(1, "hang=header");
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 502, "the queue's error tells more: {got:?}");
    let rows = crowd.ground.rows(3).await;
    assert!(rows[2].response_time_ms < 3900, "{:?}", rows[2]);
}
