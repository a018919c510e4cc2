//! What only Anthropic has: signed thoughts, cache marks, a system text of its own,
//! turns that alternate. The simulator refuses what the vendor would refuse, a thought
//! with a wrong signature among it.

mod schema;
mod signatures;

use serde_json::{Value, json};
use sim::{Flavor, Options, Script, Sim};

use crate::process::Process;
use crate::scene::{Answer, MODEL, Props, Scene, chat, with};

const CHAT: &str = "/v1/chat/completions";

/// A model with a thinking budget.
const THINKER: &str = "claude-sonnet-4-5";

/// A model that knows no `output_config.format`.
const OLDER: &str = "claude-3-5-sonnet-20241022";

async fn scene(model: &Value) -> Scene {
    let options = Options {
        flavor: Flavor::Anthropic,
        models: [
            "sim-model",
            THINKER,
            OLDER,
            "claude-3-7-sonnet-20250219",
            "claude-opus-4-7",
            "claude-opus-4-8",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Options::default()
    };
    Scene::with(Props {
        options,
        model: model.clone(),
        ..Props::default()
    })
    .await
}

/// The body of the last message.
fn sent(scene: &Scene) -> Value {
    sent_to(&scene.sim)
}

fn sent_to(sim: &Sim) -> Value {
    let request = sim.last_request().unwrap();
    assert_eq!(request.path, "/v1/messages");
    serde_json::from_slice(&request.body).unwrap()
}

fn tool(name: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": name, "parameters": schema}})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// A question that a thinking model answers with a call.
fn question() -> Value {
    json!({
        "model": MODEL, "messages": [user("What is the weather in Paris?")],
        "tools": [tool("get_weather")], "reasoning_effort": "low", "max_tokens": 4000,
    })
}

/// Asks it; `script` is the provider's for this one call.
async fn ask(scene: &Scene, question: &Value, script: &str) -> Answer {
    scene.sim.set_script(script.parse().unwrap());
    let got = scene.post(CHAT, question).await;
    scene.sim.set_script(Script::default());
    got
}

/// The assistant's message as a client keeps it, whichever way it came.
fn message(got: &Answer, stream: bool) -> Value {
    assert_eq!(got.status, 200, "{got:?}");
    if !stream {
        return got.json()["choices"][0]["message"].clone();
    }
    let mut call = json!({"id": "", "type": "function", "function": {"name": "", "arguments": ""}});
    let mut details = Vec::new();
    let mut reasoning = String::new();
    for chunk in got.chunks() {
        let delta = &chunk["choices"][0]["delta"];
        let list = delta["reasoning_details"].as_array();
        details.extend(list.into_iter().flatten().cloned());
        reasoning += delta["reasoning_content"].as_str().unwrap_or_default();
        let part = &delta["tool_calls"][0];
        let add = |to: &mut Value, from: &Value| {
            if let Some(more) = from.as_str() {
                *to = json!(format!("{}{more}", to.as_str().unwrap()));
            }
        };
        add(&mut call["id"], &part["id"]);
        add(&mut call["function"]["name"], &part["function"]["name"]);
        add(
            &mut call["function"]["arguments"],
            &part["function"]["arguments"],
        );
    }
    json!({
        "role": "assistant", "content": null, "tool_calls": [call],
        "reasoning_content": reasoning, "reasoning_details": details,
    })
}

/// The next turn: the call's result after `said`.
fn next(question: &Value, said: &Value) -> Value {
    let id = &said["tool_calls"][0]["id"];
    let result = json!({"role": "tool", "tool_call_id": id, "content": "21 degrees"});
    let messages = json!([question["messages"][0], said, result]);
    with(question.clone(), &json!({"messages": messages}))
}

/// The thoughts in the assistant's turn of a request.
fn thoughts(body: &Value) -> Vec<Value> {
    let turn = &body["messages"][1];
    assert_eq!(turn["role"], "assistant", "{body}");
    let blocks = turn["content"].as_array().unwrap();
    let is_thought = |block: &&Value| block["type"].as_str().unwrap().contains("thinking");
    let count = blocks.iter().filter(is_thought).count();
    assert!(blocks.iter().take(count).all(|block| is_thought(&block)));
    assert_eq!(blocks[count]["type"], "tool_use", "{body}");
    blocks[..count].to_vec()
}

/// Whole and streamed, with and without a block that nobody can read.
const WAYS: [(bool, &str); 4] = [
    (false, ""),
    (true, ""),
    (false, "redacted"),
    (true, "redacted"),
];

#[tokio::test]
async fn b16_signed_thoughts_that_come_back_go_on_unchanged() {
    for (stream, script) in WAYS {
        let mut scene = scene(&json!({"actual_model": THINKER})).await;
        let question = with(question(), &json!({"stream": stream}));
        let got = ask(&scene, &question, script).await;
        let said = message(&got, stream);
        assert_eq!(said["reasoning_content"], "Let me think.", "{said}");
        let body = sent(&scene);
        assert_eq!(body["thinking"]["type"], "enabled", "{body}");
        // Another process: nothing is remembered there, all of it comes from the client.
        scene.gateway = Process::gateway(scene.ground.folder.path(), &[]).await;
        let got = scene.post(CHAT, &next(&question, &said)).await;
        assert_eq!(got.status, 200, "{stream} {script}: {got:?}");
        let thoughts = thoughts(&sent(&scene));
        assert_eq!(thoughts.len(), if script.is_empty() { 1 } else { 2 });
        let last = thoughts.last().unwrap();
        assert_eq!(last["thinking"], "Let me think.");
        assert!(last["signature"].is_string());
        assert_eq!(sent(&scene)["thinking"]["type"], "enabled");
    }
}

#[tokio::test]
async fn b17_thoughts_that_the_client_drops_are_recalled() {
    for (stream, script) in WAYS {
        let scene = scene(&json!({"actual_model": THINKER})).await;
        let question = with(question(), &json!({"stream": stream}));
        let got = ask(&scene, &question, script).await;
        let mut said = message(&got, stream);
        for field in ["reasoning_content", "reasoning_details", "reasoning"] {
            said.as_object_mut().unwrap().remove(field);
        }
        let got = scene.post(CHAT, &next(&question, &said)).await;
        assert_eq!(got.status, 200, "{stream} {script}: {got:?}");
        let thoughts = thoughts(&sent(&scene));
        assert_eq!(thoughts.len(), if script.is_empty() { 1 } else { 2 });
        assert_eq!(thoughts.last().unwrap()["thinking"], "Let me think.");
        assert_eq!(sent(&scene)["thinking"]["type"], "enabled");
    }
}

#[tokio::test]
async fn b17_without_its_thoughts_a_call_is_answered_without_thinking() {
    let scene = scene(&json!({"actual_model": THINKER})).await;
    let function = json!({"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"});
    let call = json!({"id": "toolu_of_old", "type": "function", "function": function});
    let said = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let got = scene.post(CHAT, &next(&question(), &said)).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(thoughts(&sent(&scene)), [] as [Value; 0]);
    assert_eq!(sent(&scene)["thinking"]["type"], "disabled");
}

#[tokio::test]
async fn cache_marks_pass() {
    let scene = scene(&json!({})).await;
    let mark = json!({"type": "ephemeral"});
    let part = |text: &str| json!({"type": "text", "text": text, "cache_control": mark});
    let messages = json!([
        {"role": "system", "content": [part("Be terse.")]},
        {"role": "user", "content": [part("A long text."), {"type": "text", "text": "hi"}]},
    ]);
    let got = scene
        .post(CHAT, &json!({"model": MODEL, "messages": messages}))
        .await;
    assert_eq!(got.status, 200, "{got:?}");
    let body = sent(&scene);
    assert_eq!(body["system"][0]["cache_control"], mark, "{body}");
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0]["cache_control"], mark, "{body}");
    assert!(content[1].get("cache_control").is_none(), "{body}");
}

#[tokio::test]
async fn marks_are_placed_where_that_is_wanted() {
    for auto in [false, true] {
        let scene = scene(&json!({"auto_cache": auto, "system_prompt": "Be terse."})).await;
        let body = chat("", &json!({"tools": [tool("a"), tool("b")]}));
        assert_eq!(scene.post(CHAT, &body).await.status, 200);
        let body = sent(&scene);
        let marked = |value: &Value| value.get("cache_control").is_some();
        assert!(!marked(&body["tools"][0]), "{body}");
        assert_eq!(marked(&body["tools"][1]), auto, "{body}");
        assert_eq!(
            body.to_string().matches("ephemeral").count(),
            3 * usize::from(auto)
        );
    }
}

#[tokio::test]
async fn b18_turns_alternate_and_results_come_first() {
    let scene = scene(&json!({})).await;
    let call = |id: &str| {
        let function = json!({"name": "get_weather", "arguments": "{}"});
        json!({"id": id, "type": "function", "function": function})
    };
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "21"});
    let messages = json!([
        user("one"), user("two"),
        {"role": "assistant", "content": null, "tool_calls": [call("call_a"), call("call_b")]},
        result("call_a"), result("call_b"), user("three"),
    ]);
    let body = json!({"model": MODEL, "messages": messages, "tools": [tool("get_weather")]});
    let got = scene.post(CHAT, &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    let body = sent(&scene);
    let turns = body["messages"].as_array().unwrap();
    let roles: Vec<_> = turns.iter().map(|turn| &turn["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "user"], "{body}");
    let kinds = |turn: &Value| {
        let blocks = turn["content"].as_array().unwrap().iter();
        let kind = |block: &Value| block["type"].as_str().unwrap().to_owned();
        blocks.map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&turns[1]), ["tool_use", "tool_use"], "{body}");
    let last = ["tool_result", "tool_result", "text"];
    assert_eq!(kinds(&turns[2]), last, "{body}");
}

#[tokio::test]
async fn b19_system_texts_make_one_or_stay_where_they_are() {
    let messages = json!([
        {"role": "system", "content": "First."}, user("hi"),
        {"role": "assistant", "content": "Hello."}, user("so"),
        {"role": "developer", "content": "Later."}, user("go on"),
    ]);
    let body = json!({"model": MODEL, "messages": messages});
    for inline in [false, true] {
        let model = json!({"actual_model": "claude-opus-4-8", "inline_system": inline});
        let scene = scene(&model).await;
        let got = scene.post(CHAT, &body).await;
        assert_eq!(got.status, 200, "{inline}: {got:?}");
        let body = sent(&scene);
        let system = body["system"].to_string();
        assert!(system.contains("First."), "{body}");
        assert_eq!(system.contains("Later."), !inline, "{body}");
        let stays = body["messages"].to_string().contains("Later.");
        assert_eq!(stays, inline, "{body}");
    }
}

#[tokio::test]
async fn b20_b21_b22_what_the_vendor_would_refuse_is_not_sent() {
    let blank = json!([
        user("hi"), {"role": "assistant", "content": " \n"}, user(""), user("still there?"),
    ]);
    let plain = json!([user("hi")]);
    for (model, asked, messages, temperature, max_tokens) in [
        ("sim-model", json!({}), &plain, Value::Null, 8192),
        (
            "sim-model",
            json!({"max_tokens": 9}),
            &plain,
            Value::Null,
            9,
        ),
        ("sim-model", json!({}), &blank, Value::Null, 8192),
        (
            "sim-model",
            json!({"temperature": 1.7}),
            &plain,
            json!(1.0),
            8192,
        ),
        (
            "claude-opus-4-7",
            json!({"temperature": 0.3}),
            &plain,
            Value::Null,
            8192,
        ),
    ] {
        let scene = scene(&json!({"actual_model": model})).await;
        let body = json!({"model": MODEL, "messages": messages});
        let got = scene.post(CHAT, &with(body, &asked)).await;
        assert_eq!(got.status, 200, "{model} {asked}: {got:?}");
        let body = sent(&scene);
        let told = body
            .get("temperature")
            .map_or(Value::Null, |told| json!(told.as_f64()));
        assert_eq!(told, temperature, "{body}");
        assert_eq!(body["max_tokens"], max_tokens, "{body}");
    }
}

#[tokio::test]
async fn b24_b25_names_and_ids_that_the_vendor_does_not_take_are_mapped() {
    let long = format!("get_weather.{}/now", "x".repeat(130));
    for stream in [false, true] {
        let scene = scene(&json!({})).await;
        let question = json!({
            "model": MODEL, "messages": [user("Paris")],
            "tools": [tool(&long)], "stream": stream,
        });
        let got = ask(&scene, &question, "tools=1").await;
        let mut said = message(&got, stream);
        assert_eq!(said["tool_calls"][0]["function"]["name"], long, "{said}");
        let name = sent(&scene)["tools"][0]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(name.len() <= 128 && !name.contains(['.', '/']), "{name}");
        // A client that came from another provider in the middle of a conversation.
        said["tool_calls"][0]["id"] = json!("functions.search:0");
        let got = scene.post(CHAT, &next(&question, &said)).await;
        assert_eq!(got.status, 200, "{got:?}");
        let body = sent(&scene);
        let used = &body["messages"][1]["content"][0];
        assert_eq!(used["name"], name, "{body}");
        let result = &body["messages"][2]["content"][0];
        assert_eq!(result["tool_use_id"], used["id"], "{body}");
        assert_ne!(used["id"], "functions.search:0", "{body}");
    }
}

#[tokio::test]
async fn b14_b15_a_ping_is_no_event_and_a_refusal_is_a_filter() {
    let scene = scene(&json!({})).await;
    let got = scene.stream("say=one+two").await;
    assert_eq!(got.streamed_text(), "one two");
    assert!(!got.events().iter().any(|event| event.contains("ping")));
    for stream in [false, true] {
        let got = scene
            .chat("finish=refusal", json!({"stream": stream}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        if stream {
            let chunks = got.chunks();
            let finish = |chunk: &Value| chunk["choices"][0]["finish_reason"].clone();
            let reasons = chunks.iter().map(finish).filter(Value::is_string);
            assert_eq!(reasons.collect::<Vec<_>>(), ["content_filter"]);
            assert_eq!(got.streamed_text(), "");
        } else {
            let choice = &got.json()["choices"][0];
            assert_eq!(choice["finish_reason"], "content_filter", "{got:?}");
            assert!(
                choice["message"]["content"]
                    .as_str()
                    .is_none_or(str::is_empty)
            );
        }
    }
}
