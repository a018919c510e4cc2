//! Repaired tool calls as callers, providers and the ledger see them; that each case comes
//! out right is in [`crate::corpus`].

use std::time::Instant;

use serde_json::{Value, json};
use sim::Flavor;

use crate::crowd::CHAT;
use crate::process::{LOOK, PATIENCE};
use crate::scene::{Answer, MODEL, Props, Scene, answer};

const CALL: &str = r#"<tool_call>{"name": "glob", "arguments": {"pattern": "*.rs"}}</tool_call>"#;

fn tools() -> Value {
    json!([{"type": "function", "function": {
        "name": "glob",
        "parameters": {
            "type": "object",
            "properties": {"pattern": {"type": "string"}},
            "required": ["pattern"],
        },
    }}])
}

async fn scene(model: Value) -> Scene {
    Scene::with(Props {
        options: sim::Options {
            flavor: Flavor::Vllm,
            ..sim::Options::default()
        },
        model,
        ..Props::default()
    })
    .await
}

/// What the model says to a request with tools, `more` in it.
async fn said(scene: &Scene, text: &str, more: &Value) -> Answer {
    let body = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": format!("{text}[[sim: tools=0 repeat=4]]")}],
        "tools": tools(),
    });
    let body = crate::scene::with(body, more);
    let answer = answer(scene.request(reqwest::Method::POST, CHAT).json(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[tokio::test]
async fn a_switched_off_model_gives_what_it_says() {
    let scene = scene(json!({"repair_tool_calls": false})).await;
    let whole = said(&scene, CALL, &json!({})).await.json();
    assert_eq!(whole["choices"][0]["message"]["content"], CALL);
    let stream = said(&scene, CALL, &json!({"stream": true})).await;
    assert_eq!(stream.streamed_text(), CALL);
}

#[tokio::test]
async fn without_tools_and_with_none_to_be_chosen_nothing_is_parsed() {
    let scene = scene(json!({})).await;
    for more in [json!({"tools": null}), json!({"tool_choice": "none"})] {
        let whole = said(&scene, CALL, &more).await.json();
        assert_eq!(whole["choices"][0]["message"]["content"], CALL);
        let more = crate::scene::with(more, &json!({"stream": true}));
        let stream = said(&scene, CALL, &more).await;
        assert_eq!(stream.streamed_text(), CALL);
    }
}

#[tokio::test]
async fn reasoning_is_shown_told_as_text_or_hidden() {
    let text = "<think>It is late.</think>Good night.";
    for (model, content, reasoning) in [
        (json!({}), "Good night.", "It is late."),
        (
            json!({"reasoning_form": "inline"}),
            "<think>It is late.</think>\n\nGood night.",
            "",
        ),
        (json!({"show_reasoning": false}), "Good night.", ""),
    ] {
        let scene = scene(model).await;
        // In the text, and in the field that this provider has for it.
        for text in [text, "It is late.\u{1e}Good night."] {
            let whole = said(&scene, text, &json!({})).await.json();
            let message = &whole["choices"][0]["message"];
            assert_eq!(message["content"], content);
            let shown = message["reasoning_content"].as_str().unwrap_or_default();
            assert_eq!(shown, reasoning);
            assert_eq!(message.get("reasoning").and_then(Value::as_str), None);
            let stream = said(&scene, text, &json!({"stream": true})).await;
            assert_eq!(stream.streamed_text(), content);
            let shown: String = stream
                .chunks()
                .iter()
                .filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str())
                .map(str::to_owned)
                .collect();
            assert_eq!(shown, reasoning);
        }
    }
}

#[tokio::test]
async fn a_comment_tells_of_repairs_where_it_is_wanted() {
    let scene = scene(json!({"repaired_comment": true})).await;
    let stream = said(&scene, CALL, &json!({"stream": true})).await;
    let lines: Vec<_> = stream
        .body
        .lines()
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len() - 2..];
    assert_eq!(last, [": x-tool-calls-repaired: 1", "data: [DONE]"]);
    let plain = said(&scene, "No call.", &json!({"stream": true})).await;
    assert!(!plain.body.contains("x-tool-calls-repaired"));
}

#[tokio::test]
async fn what_the_patterns_did_is_counted() {
    let scene = scene(json!({})).await;
    let unknown = CALL.replace("glob", "rm");
    said(&scene, CALL, &json!({})).await;
    said(
        &scene,
        &format!("{CALL} and {unknown}"),
        &json!({"stream": true}),
    )
    .await;
    let since = Instant::now();
    loop {
        let totals = scene.ground.store.tool_pattern_counts(1).unwrap();
        let found = totals
            .iter()
            .find(|total| total.pattern_name == "tool_call");
        if let Some(total) = found.filter(|total| total.hits == 2) {
            assert_eq!(total.refusals, 1, "{total:?}");
            assert_eq!(total.refusal_reasons["unknown_tool"], 1);
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{totals:?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn a_row_of_ones_own_is_used_within_moments() {
    let scene = scene(json!({})).await;
    let row = json!({
        "pattern_name": "execute",
        "pattern_type": "bracket",
        "regex_pattern": r"\[EXECUTE:(\w+):([^\]]+)\]",
        "tool_name_group": 1,
        "parameter_mapping": {"2": "pattern"},
    });
    let draft = store::ToolPatternDraft::for_create(&row).unwrap();
    scene.ground.store.create_tool_pattern(&draft).unwrap();
    let since = Instant::now();
    loop {
        let whole = said(&scene, "I [EXECUTE:glob:*.md] it.", &json!({}))
            .await
            .json();
        let message = &whole["choices"][0]["message"];
        if let Some(calls) = message["tool_calls"].as_array() {
            assert_eq!(calls[0]["function"]["arguments"], r#"{"pattern":"*.md"}"#);
            assert_eq!(message["content"], "I  it.");
            assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{whole}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn every_choice_has_calls_of_its_own() {
    let scene = scene(json!({})).await;
    let more = json!({"n": 2, "stream": true});
    let stream = said(&scene, &format!("One moment.\n{CALL}\n{CALL}"), &more).await;
    let mut ids = Vec::new();
    for choice in 0..2 {
        let of_it: Vec<_> = stream
            .chunks()
            .into_iter()
            .flat_map(|chunk| chunk["choices"].as_array().cloned().unwrap_or_default())
            .filter(|found| found["index"] == choice)
            .collect();
        let calls = of_it
            .iter()
            .filter_map(|found| found["delta"]["tool_calls"].as_array());
        let begun: Vec<_> = calls
            .flatten()
            .filter(|call| call["id"].is_string())
            .collect();
        let indexes: Vec<_> = begun.iter().map(|call| call["index"].clone()).collect();
        assert_eq!(indexes, [0, 1], "choice {choice}: {stream:?}");
        ids.extend(begun.iter().map(|call| call["id"].to_string()));
        let reasons = of_it
            .iter()
            .filter_map(|found| found["finish_reason"].as_str());
        assert_eq!(reasons.collect::<Vec<_>>(), ["tool_calls"]);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}
