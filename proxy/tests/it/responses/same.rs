//! Endpoints that speak Responses themselves: what goes there and comes back as it is, and
//! what is made good on the way.

use serde_json::{Value, json};
use sim::{Options, Script};

use super::{RESPONSES, ask, own, sent};
use crate::dialects::responses::{events, hear};
use crate::scene::{KEY, MODEL, Props, Scene, answer, client};

/// A model that writes its calls as text, at an endpoint of chats and at one of Responses.
#[tokio::test]
async fn a_written_call_is_an_item() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": schema}]);
    for (scene, path) in [
        (Scene::start().await, "/v1/chat/completions"),
        (own(json!({})).await, RESPONSES),
    ] {
        let say = r#"Well. [TOOL_CALLS][{"name":"get_weather","arguments":{"city":"Paris"}}]"#;
        scene.sim.set_script(Script {
            say: Some(say.to_owned()),
            tools: Some(0),
            ..Script::default()
        });
        for stream in [false, true] {
            let body = json!({"model": MODEL, "input": "hi", "tools": tools, "stream": stream});
            let got = scene.post(RESPONSES, &body).await;
            let response = if stream {
                events(&got).last().unwrap()["response"].clone()
            } else {
                assert_eq!(got.header("x-tool-calls-repaired"), "1", "{path}: {got:?}");
                got.json()
            };
            assert_eq!(response["status"], "completed", "{path}: {got:?}");
            let output = &response["output"];
            assert_eq!(output.as_array().unwrap().len(), 2, "{path}: {got:?}");
            assert_eq!(output[0]["content"][0]["text"], "Well. ", "{path}: {got:?}");
            assert_eq!(output[1]["type"], "function_call", "{path}: {got:?}");
            let arguments = output[1]["arguments"].as_str().unwrap();
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            assert_eq!(arguments, json!({"city": "Paris"}), "{path}: {got:?}");

            // The call is the conversation's from then on.
            let result = json!({"type": "function_call_output", "call_id": output[1]["call_id"], "output": "sun"});
            let more =
                json!({"model": MODEL, "previous_response_id": response["id"], "input": [result]});
            let got = scene.post(RESPONSES, &more).await;
            assert_eq!(got.status, 200, "{path}: {got:?}");
            let request = scene.sim.last_request().unwrap();
            assert_eq!(request.path, path);
            let sent = String::from_utf8_lossy(&request.body).into_owned();
            assert!(!sent.contains("TOOL_CALLS"), "{path}: {sent}");
            assert!(
                sent.contains(output[1]["call_id"].as_str().unwrap()),
                "{path}: {sent}"
            );
        }
        for row in scene.ground.rows(4).await {
            assert_eq!(row.status, Some(200), "{path}: {row:?}");
        }
    }
}

/// Thoughts that a server leaves in the text, and a call of its own that no client could run.
#[tokio::test]
async fn thoughts_and_damaged_calls_of_an_endpoint_of_the_dialect_are_made_good() {
    // Its answers keep its name of the model, which is the caller's too.
    let scene = Scene::with(Props {
        options: Options {
            models: vec![MODEL.to_owned()],
            ..Options::default()
        },
        endpoint: json!({"responses": "yes"}),
        model: json!({"actual_model": MODEL}),
        ..Props::default()
    })
    .await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": schema}]);
    for stream in [false, true] {
        let heard = async |script: &str| {
            let more = json!({"tools": tools, "stream": stream});
            let got = scene.post(RESPONSES, &ask(script, &more)).await;
            hear(&got, stream)
        };
        let thought = heard("say=<think>Let+me+see.</think>yes tools=0").await;
        let said = (&*thought.reasoning, &*thought.text);
        assert_eq!(said, ("Let me see.", "yes"));
        let called = heard("tools=1 tool_args={'city':'Rome',}").await;
        assert_eq!(called.calls[0].arguments, json!({"city": "Rome"}));
    }
}

#[tokio::test]
async fn to_an_endpoint_of_the_dialect_only_the_models_name_changes() {
    let scene = own(json!({})).await;
    let body = format!(
        r#"{{ "input" : [{{"role":"user","content":[{{"type":"input_text","text":"h\u00ef [[sim: reasoning say=a+b+c]]"}}]}}], "model":"{MODEL}",  "metadata":{{"a":"b"}}, "store":false,"stream":STREAM, "include":["reasoning.encrypted_content"]}}"#
    );
    for stream in ["false", "true"] {
        let body = body.replace("STREAM", stream);
        let got = scene.post_bytes(RESPONSES, body.clone()).await;
        let request = scene.sim.last_request().unwrap();
        assert_eq!(request.path, RESPONSES);
        let sent = body.replace(MODEL, "sim-model");
        assert_eq!(String::from_utf8_lossy(&request.body), sent);
        let direct = client()
            .post(format!("{}{RESPONSES}", scene.sim.base_url()))
            .bearer_auth(KEY)
            .body(sent);
        assert_eq!(got.body, answer(direct).await.body, "byte for byte");
    }
    for row in scene.ground.rows(2).await {
        assert_eq!(row.usage.unwrap().completion_tokens, 6, "{row:?}");
    }
}

#[tokio::test]
async fn a_conversation_goes_on_at_an_endpoint_of_the_dialect() {
    let scene = own(json!({})).await;
    let first = scene
        .post(RESPONSES, &ask("reasoning say=one", &json!({})))
        .await
        .json();
    let more = json!({"previous_response_id": first["id"], "input": "and [[sim: say=two]]"});
    let second = scene.post(RESPONSES, &ask("", &more)).await;
    assert_eq!(second.status, 200, "{second:?}");
    let sent = sent(&scene, RESPONSES);
    assert_eq!(sent.get("previous_response_id"), None);
    let kinds: Vec<&Value> = sent["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(kinds, ["message", "reasoning", "message", "message"]);
}

/// Reasoning that is not to be shown, and an address that is not OpenAI's.
#[tokio::test]
async fn other_calls_go_as_chats() {
    let hidden = own(json!({"show_reasoning": false})).await;
    let usual = Scene::start().await;
    for scene in [hidden, usual] {
        let got = scene
            .post(RESPONSES, &ask("reasoning say=one", &json!({})))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(
            scene.sim.last_request().unwrap().path,
            "/v1/chat/completions"
        );
    }
}
