//! What changes on the way between two that speak Messages.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use serde_json::Value;

use super::*;

struct Changes<'c> {
    model: &'c str,
    defaults: Defaults,
    stream: Option<bool>,
    auto_cache: bool,
    counts: bool,
    recall: &'c dyn Fn(&str) -> Option<Vec<Thinking>>,
    is_foreign: &'c dyn Fn(&str) -> bool,
    samples: bool,
}

impl Default for Changes<'_> {
    fn default() -> Self {
        Self {
            model: "up",
            defaults: Defaults::default(),
            stream: None,
            auto_cache: false,
            counts: false,
            recall: &|_| None,
            is_foreign: &|_| false,
            samples: true,
        }
    }
}

fn edited(body: &str, changes: &Changes<'_>) -> (String, Vec<String>) {
    let target = SameTarget {
        model: changes.model,
        model_json: &json_string(changes.model),
        stream: changes.stream,
        defaults: &changes.defaults,
        default_max_tokens: (!changes.counts).then_some(99),
        auto_cache: changes.auto_cache,
        recall: changes.recall,
        is_foreign: changes.is_foreign,
        samples: changes.samples,
        most: None,
    };
    let (out, notes) = edit_request(&Bytes::copy_from_slice(body.as_bytes()), &target);
    let notes = notes.into_iter().map(|note| note.field).collect();
    (String::from_utf8(out.to_bytes().to_vec()).unwrap(), notes)
}

#[test]
fn nothing_changes_but_the_model() {
    let body = r#"{ "max_tokens" : 5, "model":"v" ,"x":[1, 2],"system":"s","stream":false,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"s"} , {"type":"tool_use","id":"t","name":"f","input":{ }}]}],"thinking":{"type":"adaptive"}}"#;
    let (out, notes) = edited(body, &Changes::default());
    assert_eq!(out, body.replace("\"v\"", "\"up\""));
    assert_eq!(notes, ["model"]);
}

#[test]
fn defaults_fill_what_the_caller_left_open() {
    let changes = Changes {
        defaults: Defaults {
            max_tokens: Some("7".into()),
            temperature: Some("0.5".into()),
            top_p: Some("0.25".into()),
            system_prompt: Some("Be \"brief\".".to_owned()),
        },
        stream: Some(false),
        auto_cache: true,
        ..Changes::default()
    };
    let members =
        |body: &str| -> Value { serde_json::from_str(&edited(body, &changes).0).unwrap() };
    let bare = members(r#"{"model":"v","stream":true,"messages":[]}"#);
    let expected = json!({
        "model": "up", "stream": false, "max_tokens": 7, "temperature": 0.5, "top_p": 0.25,
        "system": "Be \"brief\".", "cache_control": {"type": "ephemeral"}, "messages": [],
    });
    assert_eq!(bare, expected);
    let set = r#"{"model":"v","max_tokens":1,"temperature":0,"top_p":1,"system":"own","messages":[],"cache_control":{"type":"ephemeral","ttl":"1h"}}"#;
    let own = members(set);
    assert_eq!(own["max_tokens"], 1);
    assert_eq!(own["temperature"], 0);
    assert_eq!(own["system"], "Be \"brief\".\n\nown");
    assert_eq!(own["cache_control"]["ttl"], "1h");
    let list = members(r#"{"model":"v","system":[{"type":"text","text":"own"}],"messages":[]}"#);
    assert_eq!(list["system"][0]["text"], "Be \"brief\".");
    assert_eq!(list["system"][1]["text"], "own");
    // What the model does not take is not set.
    let newer = Changes {
        model: "claude-opus-4-8",
        ..changes
    };
    let (out, _) = edited(r#"{"model":"v","messages":[]}"#, &newer);
    assert!(!out.contains("temperature"), "{out}");
}

#[test]
fn a_request_to_count_has_nothing_of_an_answer() {
    let changes = Changes {
        counts: true,
        auto_cache: true,
        defaults: Defaults {
            max_tokens: Some("7".into()),
            temperature: Some("0.5".into()),
            ..Defaults::default()
        },
        ..Changes::default()
    };
    let (out, _) = edited(r#"{"model":"v","messages":[]}"#, &changes);
    assert_eq!(out, r#"{"model":"up","messages":[]}"#);
}

#[test]
fn a_default_limit_is_set_where_nobody_says_one() {
    let (out, notes) = edited(
        r#"{"model":"v","max_tokens":null,"messages":[]}"#,
        &Changes::default(),
    );
    assert_eq!(out, r#"{"model":"up","max_tokens":99,"messages":[]}"#);
    assert_eq!(notes, ["model", "max_tokens"]);
}

#[test]
fn thinking_that_nobody_signed_does_not_go_to_the_vendor() {
    let body = r#"{"model":"v","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":""},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"a"}]}]}"#;
    let (out, notes) = edited(body, &Changes::default());
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        out["messages"][0]["content"],
        json!([{"type": "text", "text": "b"}])
    );
    assert_eq!(
        out["messages"][1]["content"][0]["thinking"], "a",
        "not emptied"
    );
    assert_eq!(notes, ["model", "messages[0]"]);
}

#[test]
fn thinking_that_the_caller_dropped_goes_back_where_it_was() {
    let recall: &dyn Fn(&str) -> Option<Vec<Thinking>> = &|id| {
        let signed = |text: &str| Thinking::Plain {
            text: text.to_owned(),
            signature: Some("sig".to_owned()),
        };
        match id {
            "t1" => Some(vec![
                signed("first"),
                Thinking::Redacted {
                    data: "d".to_owned(),
                },
            ]),
            "t3" => Some(vec![signed("third")]),
            _ => None,
        }
    };
    let calls = r#"[{"type":"text","text":"x"},{"type":"tool_use","id":"t1","name":"f","input":{}},{"type":"tool_use","id":"t2","name":"f","input":{}},{"type":"tool_use","id":"t3","name":"f","input":{}}]"#;
    let body = |thinking: &str| {
        format!(
            r#"{{"model":"v","max_tokens":1,"thinking":{{"type":"{thinking}"}},"messages":[{{"role":"assistant","content":{calls}}}]}}"#
        )
    };
    let changes = Changes {
        recall,
        ..Changes::default()
    };
    let (out, _) = edited(&body("adaptive"), &changes);
    let out: Value = serde_json::from_str(&out).unwrap();
    let blocks = out["messages"][0]["content"].as_array().unwrap();
    let kinds: Vec<&str> = blocks
        .iter()
        .map(|block| {
            block["thinking"]
                .as_str()
                .or(block["id"].as_str())
                .unwrap_or("-")
        })
        .collect();
    assert_eq!(kinds, ["first", "-", "-", "t1", "t2", "third", "t3"]);
    let (out, _) = edited(&body("disabled"), &changes);
    assert!(!out.contains("first"), "{out}");
}

#[test]
fn thinking_that_another_has_signed_does_not_go_to_the_vendor() {
    let body = |thinking: &str| {
        format!(
            r#"{{"model":"v","max_tokens":1,"thinking":{thinking},"messages":[{{"role":"assistant","content":[{{"type":"thinking","thinking":"a","signature":"theirs"}},{{"type":"redacted_thinking","data":"theirs"}},{{"type":"tool_use","id":"t1","name":"f","input":{{}}}}]}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"b","signature":"own"}},{{"type":"redacted_thinking","data":"theirs"}},{{"type":"text","text":"c"}}]}}]}}"#
        )
    };
    let is_foreign: &dyn Fn(&str) -> bool = &|proof| proof == "theirs";
    let recall: &dyn Fn(&str) -> Option<Vec<Thinking>> = &|_| {
        Some(vec![Thinking::Redacted {
            data: "own".to_owned(),
        }])
    };
    let budget = r#"{"type":"enabled","budget_tokens":1024}"#;
    for (model, thinking, recalls, kinds, wish) in [
        (
            "up",
            budget,
            false,
            &["tool_use"][..],
            r#"{"type":"disabled"}"#,
        ),
        (
            "up",
            budget,
            true,
            &["redacted_thinking", "tool_use"],
            budget,
        ),
        (
            "up",
            r#"{"type":"adaptive"}"#,
            false,
            &["tool_use"],
            r#"{"type":"adaptive"}"#,
        ),
        ("claude-fable-5", budget, false, &["tool_use"], budget),
    ] {
        let none: &dyn Fn(&str) -> Option<Vec<Thinking>> = &|_| None;
        let changes = Changes {
            model,
            is_foreign,
            recall: if recalls { recall } else { none },
            ..Changes::default()
        };
        let (out, notes) = edited(&body(thinking), &changes);
        let out: Value = serde_json::from_str(&out).unwrap();
        let of = |turn: usize| -> Vec<Value> {
            let blocks = out["messages"][turn]["content"].as_array().unwrap();
            blocks.iter().map(|block| block["type"].clone()).collect()
        };
        assert_eq!(of(0), kinds, "{model} {thinking}");
        assert_eq!(of(1), ["thinking", "text"], "{model} {thinking}");
        let wanted: Value = serde_json::from_str(wish).unwrap();
        assert_eq!(out["thinking"], wanted, "{model} {thinking}");
        assert_eq!(notes.contains(&"thinking".to_owned()), thinking != wish);
    }
}

#[test]
fn a_version_without_sampling_gets_no_defaults_of_it() {
    let changes = Changes {
        defaults: Defaults {
            temperature: Some("0.5".into()),
            top_p: Some("0.25".into()),
            ..Defaults::default()
        },
        samples: false,
        ..Changes::default()
    };
    let body = r#"{"model":"v","max_tokens":1,"messages":[]}"#;
    assert_eq!(edited(body, &changes).0, body.replace("\"v\"", "\"up\""));
}
