//! OpenAI's Responses: the events of its streams, and what it refuses.

use serde_json::{Value, json};
use sim::{Flavor, Sim};

use crate::raw::{Answer, Caller, start};

const PATH: &str = "/v1/responses";

async fn post(sim: &Sim, body: &Value) -> Answer {
    let mut caller = Caller::connect(sim).await;
    caller.post_with(PATH, "", &body.to_string()).await
}

/// A request with the members of `extra` put over it.
fn request(script: &str, extra: &Value) -> Value {
    let mut body = json!({ "model": "sim-model", "input": format!("hi [[sim: {script}]]") });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The kinds of a stream's events and the events.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    let blocks = answer.body.split_terminator("\n\n").map(|block| {
        let (name, data) = block.split_once("\ndata: ").unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        (name, serde_json::from_str(data).unwrap())
    });
    blocks.collect()
}

#[tokio::test]
async fn a_stream_has_every_item_from_its_beginning_to_its_end() {
    let sim = start(Flavor::OpenAi).await;
    let tools = json!([
        { "type": "function", "name": "get_country", "parameters": { "type": "object", "properties": {} } },
        { "type": "custom", "name": "apply_patch" },
    ]);
    let extra = json!({ "stream": true, "tools": tools });
    let answer = post(&sim, &request("reasoning tools=2 tool_args=abc", &extra)).await;
    assert!(answer.head.contains("content-type: text/event-stream"));
    let events = events(&answer);
    for (number, (name, event)) in events.iter().enumerate() {
        assert_eq!(event["type"], name.as_str());
        assert_eq!(event["sequence_number"], number);
    }
    let kinds: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        kinds[..3],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added"
        ]
    );
    assert_eq!(*kinds.last().unwrap(), "response.completed");
    let output = &events.last().unwrap().1["response"]["output"];
    assert_eq!(output[0]["type"], "reasoning");
    assert_eq!(output[1]["type"], "function_call");
    assert_eq!(output[2]["type"], "custom_tool_call");
    assert_eq!(output[2]["input"], "abc");
    let mut next = request("reasoning", &json!({}));
    let mut input = output.as_array().unwrap().clone();
    for call in ["call_sim0000", "call_sim0001"] {
        input.push(json!({ "type": "function_call_output", "call_id": call, "output": "x" }));
    }
    next["input"] = json!(input);
    assert_eq!(post(&sim, &next).await.status, 200);
}

#[tokio::test]
async fn a_whole_response_may_be_incomplete() {
    let sim = start(Flavor::OpenAi).await;
    let answer = post(&sim, &request("finish=length say=Well", &json!({})))
        .await
        .json();
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(answer["output"][0]["content"][0]["text"], "Well");
}

#[tokio::test]
async fn a_failure_in_a_stream_is_an_error_and_a_response_that_failed() {
    let sim = start(Flavor::OpenAi).await;
    let script = "error_after=1 code=context_length_exceeded message=long";
    let answer = post(&sim, &request(script, &json!({ "stream": true }))).await;
    let events = events(&answer);
    let (name, error) = &events[events.len() - 2];
    assert_eq!(
        (name.as_str(), &error["error"]["code"]),
        ("error", &json!("context_length_exceeded"))
    );
    let (name, failed) = events.last().unwrap();
    assert_eq!(name, "response.failed");
    assert_eq!(
        failed["response"]["error"]["code"],
        "context_length_exceeded"
    );
}

#[tokio::test]
async fn what_the_vendor_refuses_is_refused() {
    let sim = start(Flavor::OpenAi).await;
    for (extra, param) in [
        (json!({ "messages": [] }), "messages"),
        (json!({ "max_output_tokens": 15 }), "max_output_tokens"),
        (
            json!({ "previous_response_id": "resp_1" }),
            "previous_response_id",
        ),
        (json!({ "input": 7 }), "input"),
        (
            json!({ "input": [{ "type": "function_call_output", "call_id": "x", "output": "" }] }),
            "input",
        ),
        (
            json!({ "input": [{ "type": "function_call", "call_id": "x", "name": "f", "arguments": "{}" }] }),
            "input",
        ),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "text", "text": "x" }] }] }),
            "input[0].content[0]",
        ),
        (
            json!({ "input": [{ "role": "user", "content": "x", "id": "x_1" }] }),
            "input[0].id",
        ),
        (
            json!({ "input": [{ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gw" }] }),
            "input[0].encrypted_content",
        ),
        (
            json!({ "tools": [{ "type": "function", "function": { "name": "f" } }] }),
            "tools[0].name",
        ),
    ] {
        let answer = post(&sim, &request("", &extra)).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert_eq!(answer.json()["error"]["param"], param, "{extra}");
    }
}
