//! Tool calls and the answers to them.

use serde_json::{Value, json};

use crate::scene::with;
use crate::stage::{AFTER_A_TOOL, Stage, TYPES, asking};

/// A tool whose schema has what a grammar must follow.
fn tools() -> Value {
    json!([{
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["city", "unit"],
                "additionalProperties": false,
            },
        },
    }])
}

/// Arguments that the schema allows.
fn fits(arguments: &str) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_str(arguments) else {
        return false;
    };
    fields.len() == 2
        && fields["city"].is_string()
        && matches!(fields["unit"].as_str(), Some("celsius" | "fahrenheit"))
}

/// The conversation after `call` was made and answered.
fn answered(body: &Value, message: &Value, id: &str) -> Value {
    let mut messages = body["messages"].as_array().unwrap().clone();
    messages.push(message.clone());
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": "21 degrees"}));
    with(body.clone(), &json!({"messages": messages}))
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_whole_call_and_the_answer_to_it() {
    let stage = Stage::of("markov").await;
    for kind in TYPES {
        let body = asking(kind, &json!({"tools": tools()}));
        let first = stage.chat(&body).await;
        let choice = &first["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{kind}: {first}");
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{kind}: {first}");
        assert_eq!(calls[0]["type"], "function", "{kind}: {first}");
        assert_eq!(calls[0]["function"]["name"], "get_weather", "{kind}");
        let arguments = calls[0]["function"]["arguments"].as_str().unwrap();
        assert!(fits(arguments), "{kind}: {arguments}");

        let id = calls[0]["id"].as_str().unwrap();
        let second = stage.chat(&answered(&body, &choice["message"], id)).await;
        let choice = &second["choices"][0];
        assert_eq!(
            choice["message"]["content"], AFTER_A_TOOL,
            "{kind}: {second}"
        );
        assert_eq!(choice["finish_reason"], "stop", "{kind}: {second}");
        let prompt = stage.llama.slot().await["prompt"].to_string();
        assert!(prompt.contains("21 degrees"), "{kind}: {prompt}");
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_streamed_call_and_the_answer_to_it() {
    let stage = Stage::of("markov").await;
    for kind in TYPES {
        let body = asking(kind, &json!({"tools": tools(), "tool_choice": "required"}));
        let first = stage.stream(&body).await;
        assert_eq!(first.finish, ["tool_calls"], "{kind}: {first:?}");
        let [(id, name, arguments)] = &first.calls[..] else {
            panic!("{kind}: not one call: {first:?}");
        };
        assert!(!id.is_empty(), "{kind}: {first:?}");
        assert_eq!(name, "get_weather", "{kind}: {first:?}");
        assert!(fits(arguments), "{kind}: {arguments}");

        let call = json!({
            "id": id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        });
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
        let next = with(
            answered(&body, &message, id),
            &json!({"tool_choice": "auto"}),
        );
        let second = stage.stream(&next).await;
        assert_eq!(second.content, AFTER_A_TOOL, "{kind}: {second:?}");
        assert_eq!(second.finish, ["stop"], "{kind}: {second:?}");
        assert!(second.calls.is_empty(), "{kind}: {second:?}");
    }
}
