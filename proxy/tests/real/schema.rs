//! Answers in the form of a JSON schema.

use serde_json::{Value, json};

use crate::stage::{Stage, asking};

fn person() -> Value {
    json!({"response_format": {"type": "json_schema", "json_schema": {
        "name": "person",
        "strict": true,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": false,
        },
    }}})
}

fn is_person(content: &str) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_str(content) else {
        return false;
    };
    fields.len() == 2 && fields["name"].is_string() && fields["age"].is_i64()
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn the_answer_has_the_form_of_the_schema() {
    let stage = Stage::of("markov").await;
    for kind in ["openai", "vllm"] {
        let whole = stage.chat(&asking(kind, &person())).await;
        let choice = &whole["choices"][0];
        let content = choice["message"]["content"].as_str().unwrap();
        assert!(is_person(content), "{kind}: {whole}");
        assert_eq!(choice["finish_reason"], "stop", "{kind}: {whole}");
        let streamed = stage.stream(&asking(kind, &person())).await;
        assert!(is_person(&streamed.content), "{kind}: {streamed:?}");
        assert_eq!(streamed.finish, ["stop"], "{kind}: {streamed:?}");
    }
}

/// The server knows no schema in Anthropic's format, so the answer is demanded as the
/// arguments of a tool, which is none to the caller.
#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn in_anthropics_format_a_tool_demands_it() {
    let stage = Stage::of("markov").await;
    let whole = stage.chat(&asking("anthropic", &person())).await;
    let choice = &whole["choices"][0];
    let content = choice["message"]["content"].as_str().unwrap();
    assert!(is_person(content), "{whole}");
    assert_eq!(choice["finish_reason"], "stop", "{whole}");
    assert!(choice["message"].get("tool_calls").is_none(), "{whole}");
    let streamed = stage.stream(&asking("anthropic", &person())).await;
    assert!(is_person(&streamed.content), "{streamed:?}");
    assert_eq!(streamed.finish, ["stop"], "{streamed:?}");
}
