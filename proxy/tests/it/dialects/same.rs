//! Anthropic's messages to Anthropic: what the caller sent goes upstream, and what the
//! upstream says comes back.

use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::scene::{Answer, MODEL, Props, Scene, answer};
use reqwest::Method;

const MESSAGES: &str = "/v1/messages?beta=true";

async fn scene(model: Value) -> Scene {
    Scene::with(Props {
        options: Options {
            flavor: Flavor::Anthropic,
            ..Options::default()
        },
        model,
        ..Props::default()
    })
    .await
}

async fn send(scene: &Scene, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = scene.request(Method::POST, MESSAGES);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.body(body.to_owned())).await
}

fn sent(scene: &Scene) -> String {
    let request = scene.sim.last_request().unwrap();
    assert_eq!(request.path, "/v1/messages");
    String::from_utf8(request.body.to_vec()).unwrap()
}

#[tokio::test]
async fn every_byte_but_the_models_name_goes_upstream() {
    let scene = scene(json!({})).await;
    let body = format!(
        r#"{{ "max_tokens" : 100,"model":"{MODEL}",  "system":[{{"type":"text","text":"Be br\u00edef.","cache_control":{{"type":"ephemeral"}}}}],"messages":[{{"role":"user","content":"Say it. [[sim: say=yes]]"}}], "metadata":{{"user_id":"u"}}}}"#
    );
    for stream in [false, true] {
        let body = if stream {
            body.replacen("100,", "100, \"stream\":true,", 1)
        } else {
            body.clone()
        };
        let got = send(&scene, &body, &[]).await;
        assert_eq!(super::messages::hear(&got, stream).text, "yes");
        assert_eq!(sent(&scene), body.replace(MODEL, "sim-model"));
    }
}

#[tokio::test]
async fn betas_that_an_endpoint_is_not_told_of_stay_here() {
    for (denied, told) in [
        (json!(null), Some("a-1, b-2,c-3")),
        (json!("b-2,d-4"), Some("a-1,c-3")),
        (json!("*"), None),
    ] {
        let scene = Scene::with(Props {
            options: Options {
                flavor: Flavor::Anthropic,
                ..Options::default()
            },
            endpoint: json!({ "denied_betas": denied }),
            ..Props::default()
        })
        .await;
        let body = json!({
            "model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
        });
        let betas = [("anthropic-beta", "a-1, b-2"), ("anthropic-beta", "c-3")];
        let got = send(&scene, &body.to_string(), &betas).await;
        assert_eq!(got.status, 200, "{got:?}");
        let request = scene.sim.last_request().unwrap();
        let sent = request.headers.get("anthropic-beta");
        assert_eq!(sent.map(|value| value.to_str().unwrap()), told, "{denied}");
        let changed = got.header("x-gateway-changed").contains("anthropic-beta");
        assert_eq!(changed, !denied.is_null(), "{got:?}");
    }
}

/// A version without sampling parameters gets none from the virtual model either.
#[tokio::test]
async fn defaults_are_those_that_the_version_has() {
    let scene = scene(json!({"temperature": 0.5})).await;
    for (version, sampled) in [("2023-06-01", true), ("2026-10-21", false)] {
        let body = json!({
            "model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
        });
        let got = send(&scene, &body.to_string(), &[("anthropic-version", version)]).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(sent(&scene).contains("temperature"), sampled, "{version}");
        let request = scene.sim.last_request().unwrap();
        assert_eq!(request.headers["anthropic-version"], version);
    }
}

/// A server that is not the vendor's own may leave calls in the text, and thoughts too.
#[tokio::test]
async fn calls_and_thoughts_that_are_text_become_what_they_are() {
    let scene = scene(json!({})).await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    for stream in [false, true] {
        let asked = |script: &str| {
            json!({
                "model": MODEL, "max_tokens": 100, "stream": stream,
                "tools": [{"name": "get_weather", "input_schema": schema}],
                "messages": [{"role": "user", "content": format!("Paris? [[sim: {script}]]")}],
            })
        };
        let got = send(&scene, &asked("written tools=1").to_string(), &[]).await;
        let heard = super::messages::hear(&got, stream);
        assert_eq!(heard.calls.len(), 1, "{got:?}");
        assert_eq!(heard.calls[0].name, "get_weather", "{got:?}");
        assert_eq!(heard.stop, super::Stop::Calls, "{got:?}");
        let said = "say=<think>Let+me+see.</think>yes tools=0";
        let got = send(&scene, &asked(said).to_string(), &[]).await;
        let heard = super::messages::hear(&got, stream);
        assert_eq!(
            (&*heard.reasoning, &*heard.text),
            ("Let me see.", "yes"),
            "{got:?}"
        );
    }
}
