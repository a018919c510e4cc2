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
