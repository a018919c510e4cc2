//! What only a queue has: urgency, names of who asks, and errors inside errors.

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};

use crate::crowd::{CHAT, Crowd, Member, text};
use crate::process::Process;
use crate::scene::{Answer, Ground, KEY, Props, Scene, answer, chat, client, provider, with};

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

/// A gateway that passes on to a queue whatever name it does not know.
async fn passed_on(in_use: &str) -> (Process, Sim, Ground) {
    let (ground, sim) = (Ground::new(), provider(Flavor::Queue).await);
    let url = sim.base_url();
    let env = [
        ("USE_AI_QUEUE", in_use),
        ("AI_QUEUE_URL", &url),
        ("AI_QUEUE_API_KEY", KEY),
        ("AI_QUEUE_SOURCE", "shop"),
    ];
    let gateway = Process::gateway(ground.folder.path(), &env).await;
    (gateway, sim, ground)
}

/// Asks for the queue's own model; `more` adds fields.
async fn of_the_queue(gateway: &Process, path: &str, more: &Value) -> Answer {
    let url = format!("{}{path}", gateway.base);
    let body = with(json!({"model": "queue-model"}), more);
    answer(client().post(url).json(&body)).await
}

fn said(words: &str) -> Value {
    json!([{"role": "user", "content": words}])
}

#[tokio::test]
async fn a_name_that_nobody_has_is_served_by_the_ai_queue() {
    let (gateway, sim, ground) = passed_on("true").await;
    let chat = json!({"messages": said("[[sim: say=ok]]")});
    let whole = of_the_queue(&gateway, CHAT, &chat).await;
    assert_eq!(text(&whole), "ok");
    assert_eq!(whole.json()["model"], "queue-model");
    assert_eq!(whole.header("x-gateway-attempts"), "1");
    let request = sim.last_request().unwrap();
    assert_eq!(request.headers["x-model"], "queue-model");
    assert_eq!(request.headers["x-source"], "shop");
    let key = format!("Bearer {KEY}");
    assert_eq!(request.headers["authorization"], key.as_str());

    let streamed = with(chat, &json!({"stream": true}));
    let streamed = of_the_queue(&gateway, CHAT, &streamed).await;
    assert_eq!(text(&streamed), "ok");
    let chunks = streamed.chunks();
    assert!(chunks.iter().all(|chunk| chunk["model"] == "queue-model"));

    let input = json!({"input": ["one", "two"]});
    let vectors = of_the_queue(&gateway, "/v1/embeddings", &input).await;
    assert_eq!(vectors.status, 200, "{vectors:?}");
    assert_eq!(vectors.json()["model"], "queue-model");
    assert_eq!(vectors.json()["data"].as_array().unwrap().len(), 2);

    for row in ground.rows(3).await {
        assert_eq!(row.virtual_model, "queue-model");
        assert_eq!(row.endpoint_id, None, "no row stands for it: {row:?}");
        assert_eq!(row.endpoint_name.as_deref(), Some("AI queue"));
        assert_eq!(row.outcome.as_deref(), Some("success"));
        assert!(row.prompt_tokens > 0, "{row:?}");
    }
}

#[tokio::test]
async fn what_the_ai_queue_refuses_is_told_in_its_words() {
    let (gateway, _sim, ground) = passed_on("true").await;
    let script = "[[sim: status=400 double_error message=because+of+this]]";
    for stream in [false, true] {
        let chat = json!({"messages": said(script), "stream": stream});
        let got = of_the_queue(&gateway, CHAT, &chat).await;
        assert_eq!(got.status, 400, "{got:?}");
        assert_eq!(got.error()["message"], "because of this");
    }
    let stranger = json!({"model": "stranger", "messages": said("hi")});
    let got = of_the_queue(&gateway, CHAT, &stranger).await;
    assert_eq!(got.status, 404, "the queue does not know it: {got:?}");
    assert_eq!(got.error()["code"], "model_not_found");
    assert_eq!(ground.rows(3).await[2].attempt_count, 1);
}

#[tokio::test]
async fn what_is_no_name_does_not_go_to_the_ai_queue() {
    let (gateway, sim, ground) = passed_on("true").await;
    for (name, status) in [
        ("q".repeat(200), 404),
        ("q".repeat(201), 404),
        ("a line\nbreak".to_owned(), 404),
    ] {
        let chat = json!({"model": name, "messages": said("hi")});
        let got = of_the_queue(&gateway, CHAT, &chat).await;
        assert_eq!(got.status, status, "{name}: {got:?}");
        assert_eq!(got.error()["code"], "model_not_found");
    }
    assert_eq!(sim.served().received, 1, "the first of them is a name");
    let rows = ground.rows(3).await;
    assert_eq!(rows[1].attempt_count, 0, "{:?}", rows[1]);

    let (gateway, sim, _ground) = passed_on("false").await;
    let chat = json!({"messages": said("[[sim: say=ok]]")});
    let got = of_the_queue(&gateway, CHAT, &chat).await;
    assert_eq!(got.status, 404, "{got:?}");
    assert_eq!(sim.served().received, 0);
}
