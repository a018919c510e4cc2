//! What becomes of a request on its way upstream: what the virtual model adds, and
//! that nothing else changes.

use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::scene::{MODEL, Props, Scene};

const CHAT: &str = "/v1/chat/completions";

/// The last body that the provider got.
fn sent(scene: &Scene) -> Value {
    serde_json::from_str(&sent_text(scene)).unwrap()
}

fn sent_text(scene: &Scene) -> String {
    String::from_utf8(scene.sim.last_request().unwrap().body.to_vec()).unwrap()
}

fn of(flavor: Flavor) -> Options {
    Options {
        flavor,
        ..Options::default()
    }
}

/// White space, key order, escapes, long numbers and fields nobody specified.
const ODD: &str = "{ \"messages\" : [ {\"content\":\"h\\u00e9 \\ud83d\\ude42 \u{1f642} [[sim: say=ok]]\", \"role\":\"user\", \"x_mark\":[1, 2]} ] ,\r\n\t\"temperature\": 0.70, \"x_number\":12345678901234567890.10e-2,\n \"model\" :\t\"virtual/one:latest\" , \"x_deep\":{\"model\":\"virtual/one:latest\",\"stream\":true},\"seed\":7 , \"user\":null }";

#[tokio::test]
async fn a_request_arrives_byte_for_byte_but_for_the_model() {
    let scene = Scene::of(Flavor::Vllm).await;
    let got = scene.post_bytes(CHAT, ODD).await;
    assert_eq!(got.status, 200, "{got:?}");
    let expected = ODD.replacen(":\t\"virtual/one:latest\"", ":\t\"sim-model\"", 1);
    assert_eq!(sent_text(&scene), expected);
}

#[tokio::test]
async fn a_streamed_request_is_asked_for_usage_and_not_changed_otherwise() {
    const ASKED: &str = r#""stream_options":{"include_usage":true}"#;
    let scene = Scene::of(Flavor::Vllm).await;
    let body = ODD.replace("\"seed\":7", "\"stream\" : true");
    let got = scene.post_bytes(CHAT, body.clone()).await;
    assert_eq!(got.status, 200, "{got:?}");
    let text = sent_text(&scene);
    let added = text.matches(ASKED).count();
    assert_eq!(added, 1, "{text}");
    let expected = body.replacen(":\t\"virtual/one:latest\"", ":\t\"sim-model\"", 1);
    let without = [format!("{ASKED},"), format!(",{ASKED}")]
        .iter()
        .find_map(|member| text.contains(member).then(|| text.replacen(member, "", 1)));
    assert_eq!(without.unwrap(), expected);
}

#[tokio::test]
async fn other_stream_options_of_the_caller_are_kept() {
    let scene = Scene::of(Flavor::Vllm).await;
    for options in [
        json!({"continuous_usage_stats": true}),
        json!({"continuous_usage_stats": true, "include_usage": false}),
    ] {
        let asked = json!({"stream": true, "stream_options": options});
        let got = scene.chat("say=a", asked).await;
        assert!(
            got.chunks()
                .iter()
                .all(|chunk| chunk["choices"] != json!([]))
        );
        let told = sent(&scene)["stream_options"].clone();
        assert_eq!(
            told,
            json!({"continuous_usage_stats": true, "include_usage": true})
        );
    }
}

#[tokio::test]
async fn no_default_is_invented() {
    // An Ollama server is told the context besides, because its own cuts prompts.
    for flavor in Flavor::OPENAI_FORMAT
        .into_iter()
        .filter(|&f| f != Flavor::Ollama)
    {
        let scene = Scene::of(flavor).await;
        scene.chat("", json!({})).await;
        let sent = sent(&scene);
        let mut keys: Vec<&str> = sent
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, ["messages", "model"], "{flavor:?}");
    }
}

#[tokio::test]
async fn the_virtual_models_defaults_fill_what_the_caller_left_out() {
    let scene = Scene::with(Props {
        options: of(Flavor::Vllm),
        model: json!({"max_tokens": 17, "temperature": 0, "top_p": 0.25}),
        ..Props::default()
    })
    .await;
    scene.chat("", json!({})).await;
    let filled = sent(&scene);
    assert_eq!(filled["max_tokens"], 17);
    assert_eq!(filled["temperature"].as_f64(), Some(0.0));
    assert_eq!(filled["top_p"].as_f64(), Some(0.25));

    let own = json!({"max_tokens": 0, "temperature": 0, "top_p": 0});
    scene.chat("", own.clone()).await;
    for name in ["max_tokens", "temperature", "top_p"] {
        assert_eq!(sent(&scene)[name], own[name], "{name}: 0 is a value");
    }

    scene.chat("", json!({"max_completion_tokens": 5})).await;
    let other = sent(&scene);
    assert_eq!(other["max_completion_tokens"], 5);
    assert!(other.get("max_tokens").is_none(), "{other}");
}

#[tokio::test]
async fn completions_get_the_defaults_too() {
    let scene = Scene::model(json!({"max_tokens": 17, "temperature": 0.5})).await;
    let body = json!({"model": MODEL, "prompt": "hi"});
    scene.post("/v1/completions", &body).await;
    assert_eq!(sent(&scene)["max_tokens"], 17);
    assert_eq!(sent(&scene)["temperature"], 0.5);
}

#[tokio::test]
async fn a_system_prompt_comes_first_or_before_the_callers_own() {
    let prompt = "You are \"terse\".\nAlways.";
    let scene = Scene::model(json!({"system_prompt": prompt})).await;
    let user = json!({"role": "user", "content": "hi"});
    for (messages, expected) in [
        (
            json!([user]),
            json!([{"role": "system", "content": prompt}, user]),
        ),
        (
            json!([{"role": "system", "content": "And kind."}, user]),
            json!([{"role": "system", "content": format!("{prompt}\n\nAnd kind.")}, user]),
        ),
        (
            json!([{"role": "system", "content": [{"type": "text", "text": "And kind."}]}, user]),
            json!(null),
        ),
        (
            json!([user, {"role": "system", "content": "Later."}, user]),
            json!([{"role": "system", "content": prompt}, user, {"role": "system", "content": "Later."}, user]),
        ),
    ] {
        let got = scene
            .post(CHAT, &json!({"model": MODEL, "messages": messages}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        let sent = sent(&scene)["messages"].clone();
        if expected.is_null() {
            // Content parts: the prompt in a part or a message of its own, first in any case.
            let text = sent.to_string();
            let ours = text.find("You are").unwrap();
            assert!(ours < text.find("And kind.").unwrap(), "{text}");
            assert_eq!(sent[0]["role"], "system");
        } else {
            assert_eq!(sent, expected);
        }
    }
    scene
        .post("/v1/embeddings", &json!({"model": MODEL, "input": "hi"}))
        .await;
    assert!(sent(&scene).get("messages").is_none());
}

#[tokio::test]
async fn b22_ollama_learns_the_limit_by_the_name_it_knows() {
    let scene = Scene::of(Flavor::Ollama).await;
    let got = scene.chat("", json!({"max_completion_tokens": 9})).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(sent(&scene)["options"]["num_predict"], 9);
}

#[tokio::test]
async fn every_alias_is_the_same_call() {
    let scene = Scene::start().await;
    let chat = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
    let prompt = json!({"model": MODEL, "prompt": "hi"});
    let input = json!({"model": MODEL, "input": "hi"});
    for (body, paths) in [
        (
            &chat,
            &[
                "/v1/chat/completions",
                "/chat/completions",
                "/api/chat/completions",
                "/api/v1/chat/completions",
                "/v1/chat/completions/",
                "/v1/chat/completions?beta=true",
            ][..],
        ),
        (&prompt, &["/v1/completions", "/completions"]),
        (
            &input,
            &["/v1/embeddings", "/embeddings", "/api/v1/embeddings"],
        ),
    ] {
        let first = scene.post(paths[0], body).await;
        for path in paths {
            let got = scene.post(path, body).await;
            assert_eq!(
                (got.status, &got.body),
                (first.status, &first.body),
                "{path}"
            );
        }
        assert_eq!(first.status, 200, "{first:?}");
    }
    scene.ground.rows(14).await;
}
