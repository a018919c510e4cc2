//! What Anthropic refuses, and the words it has for it.

use serde_json::{Value, json};
use sim::Flavor;

use super::{post, request, tool};
use crate::raw::start;

#[tokio::test]
async fn what_the_vendor_does_not_take_is_refused_in_its_words() {
    let sim = start(Flavor::Anthropic).await;
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let image = |kind: &str, data: &str| {
        user(
            json!([{"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}]),
        )
    };
    let cached =
        |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
    let prefill = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    for (extra, words) in [
        (json!({"n": 1}), "n: Extra inputs are not permitted"),
        (
            json!({"stop": ["a"]}),
            "stop: Extra inputs are not permitted",
        ),
        (json!({"max_tokens": null}), "max_tokens: Field required"),
        (
            json!({"max_tokens": 1.5}),
            "max_tokens: Input should be a valid integer",
        ),
        (json!({"model": null}), "model: Field required"),
        (json!({"messages": []}), "at least one message is required"),
        (
            json!({"messages": "hi"}),
            "messages: Input should be a valid list",
        ),
        (
            json!({"messages": [{"role": "tool", "content": "a"}]}),
            "Unexpected role \"tool\"",
        ),
        (
            json!({"messages": [{"role": "system", "content": "a"}]}),
            "role 'system' is not supported",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": "a"}]}),
            "first message must use",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a", "name": "Bo"}]}),
            "messages.0.name: Extra inputs",
        ),
        (user(json!("")), "non-empty content"),
        (user(json!(" \n")), "must contain non-whitespace text"),
        (
            user(json!([{"type": "text", "text": ""}])),
            "must be non-empty",
        ),
        (
            user(json!([{"type": "input_text", "text": "a"}])),
            "Input tag 'input_text'",
        ),
        (
            user(json!([{"type": "text", "text": "a", "id": 1}])),
            "messages.0.content.0.text.id: Extra",
        ),
        (
            image("image/bmp", "QUJD"),
            "media_type: Input should be 'image/jpeg'",
        ),
        (
            image("image/png", "data:image/png;base64,QUJD"),
            "Invalid base64 data",
        ),
        (json!({"system": [{"type": "image"}]}), "Input tag 'image'"),
        (
            json!({"temperature": 1.1}),
            "temperature: Input should be less than or equal to 1",
        ),
        (
            json!({"temperature": "hot"}),
            "temperature: Input should be a valid number",
        ),
        (
            json!({"stop_sequences": "a"}),
            "stop_sequences: Input should be a valid list",
        ),
        (
            json!({"stop_sequences": [" "]}),
            "each stop sequence must contain non-whitespace",
        ),
        (
            json!({"stream": "yes"}),
            "stream: Input should be a valid boolean",
        ),
        (
            json!({"metadata": {"session": "a"}}),
            "metadata.session: Extra inputs",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "a"}}]}),
            "Input tag 'function'",
        ),
        (
            json!({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}),
            "{1,128}$'",
        ),
        (
            json!({"tools": [{"name": "a"}]}),
            "tools.0.custom.input_schema: Field required",
        ),
        (
            json!({"tools": [{"name": "a", "input_schema": {}}]}),
            "input_schema.type: Field required",
        ),
        (
            json!({"tools": [{"name": "a", "input_schema": {"type": "string"}}]}),
            "should be 'object'",
        ),
        (
            json!({"tools": [{"name": "a", "input_schema": {"type": "object", "anyOf": []}}]}),
            "anyOf at the top",
        ),
        (
            json!({"tools": [tool("a"), tool("a")]}),
            "Tool names must be unique",
        ),
        (
            json!({"tool_choice": {"type": "any"}}),
            "while providing `tools`",
        ),
        (
            json!({"tools": [tool("a")], "tool_choice": "auto"}),
            "tool_choice: Input should be an object",
        ),
        (
            json!({"tools": [tool("a")], "tool_choice": {"type": "tool", "name": "b"}}),
            "Tool 'b' not found",
        ),
        (
            json!({"tools": [tool("a")], "tool_choice": {"type": "none", "disable_parallel_tool_use": true}}),
            "tool_choice.none.disable",
        ),
        (
            json!({"thinking": {"type": "enabled"}}),
            "thinking.enabled.budget_tokens: Field required",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1000}}),
            "greater than or equal to 1024",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
            "must be greater than `thinking",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0.5}),
            "only be set to 1",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 5}),
            "`top_k` must be unset",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [tool("a")], "tool_choice": {"type": "any"}}),
            "forces tool use",
        ),
        (
            json!({"system": [cached("a"), cached("b"), cached("c")], "cache_control": {"type": "ephemeral"}, "messages": [{"role": "user", "content": [cached("d")]}]}),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            json!({"model": "claude-opus-4-7", "temperature": 1.0}),
            "`temperature` is deprecated",
        ),
        (
            json!({"model": "claude-opus-4-7", "thinking": {"type": "enabled", "budget_tokens": 1024}}),
            "not supported for this model",
        ),
        (
            json!({"model": "claude-opus-4-6", "messages": prefill}),
            "does not support assistant message prefill",
        ),
        (
            json!({"model": "claude-sonnet-4-5", "temperature": 0.5, "top_p": 0.5}),
            "cannot both be specified",
        ),
        (
            json!({"model": "claude-haiku-4-5", "output_config": {"effort": "low"}}),
            "effort parameter",
        ),
        (
            json!({"model": "claude-opus-4-1", "output_config": {"format": {"type": "json_schema", "schema": {}}}}),
            "support output_config.format",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b "}]}),
            "trailing whitespace",
        ),
    ] {
        let body = request("", &extra);
        let answer = post(&sim, &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["type"], "invalid_request_error", "{body}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{body}: {message}");
    }
    let unknown = post(&sim, &request("", &json!({"model": "claude-none"}))).await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["message"]),
        (404, &json!("model: claude-none"))
    );
    for extra in [
        json!({"model": "claude-opus-4-1", "messages": prefill}),
        json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        json!({"tools": [tool("a")], "tool_choice": {"type": "none"}, "temperature": 0.0}),
    ] {
        assert_eq!(
            post(&sim, &request("", &extra)).await.status,
            200,
            "{extra}"
        );
    }
}
