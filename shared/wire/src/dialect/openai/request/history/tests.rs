#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::Request;
use crate::provider::Call;

fn cases() -> Vec<Value> {
    let table = include_str!("../../../../../cases/openai-history.jsonl");
    let rows: Vec<Value> = table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 40, "{}", rows.len());
    rows
}

fn body(case: &Value) -> Value {
    let mut body = json!({"model": "v", "messages": case["messages"]});
    if case["tools"].is_array() {
        body["tools"] = case["tools"].clone();
    }
    body
}

/// The conversation as it leaves, with the fields that the notes name.
fn mended(body: &Bytes) -> Option<(Value, BTreeSet<String>)> {
    let request = Request::read(Call::Chat, body).unwrap();
    let (body, again, notes) = request.mended(body)?;
    let mended: Value = serde_json::from_slice(&body).unwrap();
    assert!(again.mended(&body).is_none(), "once is enough: {mended}");
    assert!(again.refusal().is_none(), "{mended}");
    let fields = notes.into_iter().map(|note| note.field).collect();
    Some((mended["messages"].clone(), fields))
}

#[test]
fn every_case_leaves_as_it_says() {
    for case in cases() {
        let came = body(&case);
        let got = mended(&came.to_string().into());
        let fields = case["notes"].as_array().into_iter().flatten();
        let fields = fields.map(|field| field.as_str().unwrap().to_owned());
        let expected = case
            .get("mended")
            .map(|messages| (messages.clone(), fields.collect()));
        assert_eq!(got, expected, "{}", case["note"]);
    }
}

#[test]
fn white_space_and_long_texts_change_nothing() {
    for case in cases() {
        let mut came = body(&case);
        let arguments = came.pointer("/messages/1/tool_calls/0/function/arguments");
        if arguments.is_some_and(Value::is_object) {
            // It leaves as it is written.
            continue;
        }
        came["padding"] = "\"x\\".repeat(25_000).into();
        let pretty = serde_json::to_string_pretty(&came).unwrap();
        let got = mended(&pretty.into());
        let messages = got.map(|(messages, _)| messages);
        assert_eq!(messages.as_ref(), case.get("mended"), "{}", case["note"]);
    }
}

#[test]
fn only_what_is_damaged_changes_its_bytes() {
    let came = r#"{ "messages" : [ {"role":"assistant" , "tool_calls":[ { "id":"c" ,"type":"function","function":{ "arguments" : "{'a':1}", "name":"f" } } ] },
        {"tool_call_id":"c","role":"tool","content":"é"}, {"tool_call_id":"d", "role":"tool","x":1,"content":"\u00e9"} ] ,"stream":true}"#;
    let leaves = came
        .replace("{'a':1}", "{\\\"a\\\":1}")
        .replace(r#""tool_call_id":"d", "role":"tool""#, r#" "role":"user""#)
        .replace(
            r"\u00e9",
            r"[The result of a tool call that is not part of this conversation:]\n\u00e9",
        );
    let came = Bytes::from(came);
    let request = Request::read(Call::Chat, &came).unwrap();
    let (got, ..) = request.mended(&came).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), leaves);
}

#[test]
fn what_is_not_to_be_mended_is_refused_with_its_field() {
    let refusal = |body: &'static str| {
        let request = Request::read(Call::Chat, body.as_bytes()).unwrap();
        request.refusal().and_then(|refusal| refusal.param.clone())
    };
    let orphan = r#"{"messages":[{"role":"tool","tool_call_id":"a","content":"x"}]}"#;
    assert_eq!(refusal(orphan).as_deref(), Some("messages[0].tool_call_id"));
    let late = r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a"}]},{"role":"user"},{"role":"tool","tool_call_id":"a"}]}"#;
    assert_eq!(refusal(late), None);
}
