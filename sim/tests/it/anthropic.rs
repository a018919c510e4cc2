//! Anthropic: the bytes of its answers, and what it refuses.

mod refusals;

use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};

use crate::raw::{Answer, Caller, start};

const PATH: &str = "/v1/messages";
const VERSION: &str = "anthropic-version: 2023-06-01\r\n";

async fn post(sim: &Sim, body: &Value) -> Answer {
    let mut caller = Caller::connect(sim).await;
    caller.post_with(PATH, VERSION, &body.to_string()).await
}

/// A request with the fields of `extra` put over it.
fn request(script: &str, extra: &Value) -> Value {
    let mut body = json!({
        "model": "sim-model",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": format!("hi [[sim: {script}]]")}],
    });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object", "properties": {}}})
}

#[tokio::test]
async fn a_stream_has_the_vendors_bytes() {
    let sim = start(Flavor::Anthropic).await;
    let extra = json!({"stream": true, "tools": [tool("get_country")]});
    let answer = post(&sim, &request("reasoning tools=1", &extra)).await;
    assert!(answer.head.contains("content-type: text/event-stream"));
    assert!(answer.head.contains("request-id: req_sim"));
    let signature = post(&sim, &request("reasoning", &json!({}))).await.json();
    let signature = signature["content"][0]["signature"]
        .as_str()
        .unwrap()
        .to_owned();
    let wanted = [
        (
            "message_start",
            r#"{"type":"message_start","message":{"model":"sim-model","id":"msg_sim","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
        ),
        (
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        ),
        ("ping", r#"{"type": "ping"}"#),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let "}}"#,
        ),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"me "} }"#,
        ),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"think."}  }"#,
        ),
        (
            "content_block_delta",
            &format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"signature_delta","signature":"{signature}"}}   }}"#
            ),
        ),
        (
            "content_block_stop",
            "{\"type\":\"content_block_stop\",\"index\":0}  ",
        ),
        (
            "content_block_start",
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_sim00010000","name":"get_country","input":{}}}"#,
        ),
        (
            "content_block_delta",
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        ),
        (
            "content_block_stop",
            "{\"type\":\"content_block_stop\",\"index\":1}  ",
        ),
        (
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":4}}"#,
        ),
        ("message_stop", r#"{"type":"message_stop"}"#),
    ];
    let frames: Vec<String> = wanted
        .iter()
        .map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"))
        .collect();
    assert_eq!(answer.body, frames.concat());
}

#[tokio::test]
async fn a_whole_message_says_what_its_stream_says() {
    let sim = start(Flavor::Anthropic).await;
    let script = "reasoning tools=2 tool_args=[4] usage=cached";
    let tools = json!({"tools": [tool("get_weather")]});
    let whole = post(&sim, &request(script, &tools.clone())).await.json();
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(whole["content"][2]["input"], json!([4]));
    let usage = &whole["usage"];
    let plain = request(&script.replace("cached", "vendor"), &tools);
    let plain = &post(&sim, &plain).await.json()["usage"];
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(
        number(&usage["input_tokens"])
            + number(&usage["cache_read_input_tokens"])
            + number(&usage["cache_creation_input_tokens"]),
        number(&plain["input_tokens"])
    );
    assert!(number(&usage["cache_creation_input_tokens"]) > 0, "{usage}");
    assert_eq!(plain["cache_creation_input_tokens"], 0);

    let mut body = request(script, &tools);
    body["stream"] = json!(true);
    let answer = post(&sim, &body).await;
    let mut blocks: Vec<(Value, String)> = Vec::new();
    let mut ending = Value::Null;
    for data in answer.events() {
        let event: Value = serde_json::from_str(data).unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => blocks.push((event["content_block"].clone(), String::new())),
            "content_block_delta" => {
                let delta = &event["delta"];
                let (block, text) = blocks.last_mut().unwrap();
                if let Some(signature) = delta.get("signature") {
                    block["signature"] = signature.clone();
                }
                for field in ["text", "thinking", "partial_json"] {
                    text.push_str(delta[field].as_str().unwrap_or_default());
                }
            }
            "message_delta" => ending = event,
            _ => {}
        }
    }
    let blocks: Vec<Value> = blocks
        .into_iter()
        .map(|(mut block, text)| {
            let kind = block["type"].as_str().unwrap().to_owned();
            match kind.as_str() {
                "tool_use" => block["input"] = serde_json::from_str(&text).unwrap(),
                kind => block[kind] = json!(text),
            }
            block
        })
        .collect();
    assert_eq!(whole["content"], json!(blocks));
    assert_eq!(whole["usage"], ending["usage"]);
    assert_eq!(whole["stop_reason"], ending["delta"]["stop_reason"]);
}

#[tokio::test]
async fn faults_come_the_vendors_way() {
    let sim = start(Flavor::Anthropic).await;
    let refused = post(&sim, &request("status=529 retry_after=3", &json!({}))).await;
    assert_eq!(refused.status, 529);
    assert_eq!(
        refused.json(),
        json!({
            "type": "error",
            "error": {"type": "overloaded_error", "message": "Simulated failure with status 529."},
            "request_id": "req_sim",
        })
    );
    assert!(refused.head.contains("retry-after: 3"));
    assert!(refused.head.contains("request-id: req_sim"));
    let body = request(
        "chunks=3 error_after=2 status=529",
        &json!({"stream": true}),
    );
    let answer = post(&sim, &body).await;
    assert_eq!(answer.body.matches("text_delta").count(), 2);
    let (_, end) = answer.body.rsplit_once("event: ").unwrap();
    assert!(
        end.starts_with("error\ndata: {") && end.contains("overloaded_error"),
        "{end}"
    );
    assert!(!answer.body.contains("message_stop"));
    let body = request("chunks=2 cut=done", &json!({"stream": true}));
    let cut = post(&sim, &body).await;
    assert!(
        !cut.complete && cut.body.contains("message_delta") && !cut.body.contains("message_stop")
    );
}

#[tokio::test]
async fn reasons_for_ending_are_the_vendors_own() {
    let sim = start(Flavor::Anthropic).await;
    for (script, reason, sequence) in [
        ("", "end_turn", Value::Null),
        ("finish=length", "max_tokens", Value::Null),
        ("finish=pause_turn", "pause_turn", Value::Null),
        ("finish=stop_sequence", "stop_sequence", json!("STOP")),
        ("finish=refusal", "refusal", Value::Null),
    ] {
        let body = request(script, &json!({"stop_sequences": ["STOP"]}));
        let message = post(&sim, &body).await.json();
        assert_eq!(
            (&message["stop_reason"], &message["stop_sequence"]),
            (&json!(reason), &sequence)
        );
        if reason == "refusal" {
            assert_eq!(message["content"], json!([]));
            assert_eq!(message["stop_details"]["type"], "refusal");
        }
    }
    let body = request("finish=refusal", &json!({"stream": true}));
    let events: Vec<Value> = post(&sim, &body)
        .await
        .events()
        .iter()
        .map(|data| serde_json::from_str::<Value>(data).unwrap()["type"].clone())
        .collect();
    assert_eq!(
        events,
        ["message_start", "ping", "message_delta", "message_stop"]
    );
}

#[tokio::test]
async fn a_turn_with_signed_thoughts_and_results_is_taken() {
    let sim = start(Flavor::Anthropic).await;
    let on = json!({"type": "enabled", "budget_tokens": 1024});
    let first = request("tools=2", &json!({"thinking": on, "tools": [tool("look")]}));
    let message = post(&sim, &first).await.json();
    let content = message["content"].clone();
    assert_eq!(content[0]["type"], "thinking");
    let results: Vec<Value> = content
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "42"}))
        .collect();
    let mut next = first.clone();
    next["messages"] = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": results},
    ]);
    assert_eq!(post(&sim, &next).await.status, 200);
    for (pointer, value, words) in [
        (
            "/messages/1/content/0/thinking",
            json!("Let me sink."),
            "Invalid `signature`",
        ),
        (
            "/messages/1/content/0",
            json!({"type": "text", "text": "no thoughts"}),
            "Expected `thinking`",
        ),
        (
            "/messages/1/content/2/id",
            content[1]["id"].clone(),
            "ids must be unique",
        ),
        (
            "/messages/2/content",
            json!([results[0]]),
            "without `tool_result` blocks immediately after",
        ),
        (
            "/messages/2/content",
            json!([{"type": "text", "text": "first"}, results[0], results[1]]),
            "immediately after",
        ),
        (
            "/messages/2/content",
            json!([results[0], results[1], {"type": "tool_result", "tool_use_id": "toolu_none"}]),
            "unexpected `tool_use_id`",
        ),
        (
            "/messages/2/content",
            json!("no results"),
            "immediately after",
        ),
        (
            "/messages/1/content/1/input",
            json!("{}"),
            "input: Input should be an object",
        ),
        (
            "/messages/1/content/1/id",
            json!("call.1"),
            "String should match pattern",
        ),
        ("/tools", json!([]), "must define tools"),
    ] {
        let mut wrong = next.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let answer = post(&sim, &wrong).await;
        assert_eq!(answer.status, 400, "{pointer} {words}");
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains(words), "{pointer}: {message}");
    }
}

#[tokio::test]
async fn the_key_is_shown_in_one_place_and_the_version_always() {
    let options = Options {
        flavor: Flavor::Anthropic,
        key: Some("sk-ant".to_owned()),
        ..Options::default()
    };
    let sim = Sim::start(options).await.unwrap();
    let mut caller = Caller::connect(&sim).await;
    let body = request("", &json!({})).to_string();
    let key = "x-api-key: sk-ant\r\n";
    let bearer = "authorization: Bearer sk-ant\r\n";
    for (headers, status, words) in [
        (format!("{VERSION}{key}"), 200, ""),
        (format!("{VERSION}{bearer}"), 200, ""),
        (format!("{VERSION}{key}{bearer}"), 401, "Only one of"),
        (VERSION.to_owned(), 401, "x-api-key header is required"),
        (
            format!("{VERSION}x-api-key: sk-other\r\n"),
            401,
            "invalid x-api-key",
        ),
        (key.to_owned(), 400, "anthropic-version: header is required"),
    ] {
        let answer = caller.post_with(PATH, &headers, &body).await;
        assert_eq!(answer.status, status, "{headers}");
        assert!(answer.body.contains(words), "{headers}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.json()["error"]["type"], "authentication_error");
        }
    }
}

#[tokio::test]
async fn tokens_are_counted_and_models_come_in_pages() {
    let sim = start(Flavor::Anthropic).await;
    let mut caller = Caller::connect(&sim).await;
    let path = "/v1/messages/count_tokens";
    let body = json!({"model": "sim-model", "messages": [{"role": "user", "content": "12345678"}]});
    let answer = caller.post_with(path, VERSION, &body.to_string()).await;
    assert_eq!(answer.body, r#"{"input_tokens":2}"#);
    let with_limit = request("", &json!({})).to_string();
    let refused = caller.post_with(path, VERSION, &with_limit).await;
    assert!(
        refused
            .body
            .contains("max_tokens: Extra inputs are not permitted")
    );

    let mut get = async |query: &str| {
        let request = format!("GET /v1/models{query} HTTP/1.1\r\nhost: sim\r\n{VERSION}\r\n");
        caller.send(request.as_bytes()).await;
        caller.answer().await.unwrap().json()
    };
    let all = get("").await;
    assert_eq!(all["has_more"], false);
    assert_eq!(all["data"][0]["type"], "model");
    let page = get("?limit=2").await;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (2, &json!(true))
    );
    let last = page["last_id"].as_str().unwrap();
    let next = get(&format!("?limit=2&after_id={last}")).await;
    assert_eq!(next["first_id"], all["data"][2]["id"]);
}

#[tokio::test]
async fn thoughts_can_be_hidden_or_unreadable_and_come_back_all_the_same() {
    let sim = start(Flavor::Anthropic).await;
    let on = json!({"type": "enabled", "budget_tokens": 1024, "display": "omitted"});
    let extra = json!({"thinking": on, "tools": [tool("look")], "tool_choice": {
        "type": "auto", "disable_parallel_tool_use": true
    }});
    let first = request("tools=2 redacted", &extra);
    let message = post(&sim, &first).await.json();
    let content = message["content"].as_array().unwrap();
    let kinds: Vec<&str> = content
        .iter()
        .map(|block| block["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["redacted_thinking", "thinking", "tool_use"]);
    assert_eq!(content[1]["thinking"], "");
    let mut stream = first.clone();
    stream["stream"] = json!(true);
    let body = post(&sim, &stream).await.body;
    assert!(!body.contains("thinking_delta") && body.contains("signature_delta"));
    let mut next = first;
    let result = json!({"type": "tool_result", "tool_use_id": content[2]["id"]});
    next["messages"] = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]);
    assert_eq!(post(&sim, &next).await.status, 200);
    next["messages"][1]["content"][0]["data"] = json!("AAAA");
    assert_eq!(post(&sim, &next).await.status, 400);
}
