//! A whole reply told again as a stream, for a caller that wants a stream from an
//! upstream that gave none.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};

/// The events of `reply`, a chat completion or a text completion, `[DONE]`
/// included. With `usage`, the usage chunk comes last. `None` when `reply` is not
/// a JSON object.
#[must_use]
pub fn replay(reply: &[u8], usage: bool) -> Option<Bytes> {
    let Ok(Value::Object(mut reply)) = serde_json::from_slice(reply) else {
        return None;
    };
    let choices = match reply.remove("choices") {
        Some(Value::Array(choices)) => choices,
        Some(_) | None => Vec::new(),
    };
    let declared = reply.remove("usage").filter(|u| !u.is_null());
    let is_chat = choices.iter().any(|c| c.get("message").is_some());
    if is_chat {
        reply.insert("object".to_owned(), json!("chat.completion.chunk"));
    }
    let mut out = BytesMut::new();
    for (position, choice) in choices.into_iter().enumerate() {
        let Value::Object(mut choice) = choice else {
            continue;
        };
        if is_chat {
            put_chat(&reply, position, choice, &mut out);
        } else {
            if !choice.get("index").is_some_and(Value::is_u64) {
                choice.insert("index".to_owned(), json!(position));
            }
            put_event(&reply, Value::Object(choice), &mut out);
        }
    }
    if let (true, Some(declared)) = (usage, declared) {
        let mut last = reply.clone();
        last.insert("choices".to_owned(), json!([]));
        last.insert("usage".to_owned(), declared);
        put_json(&Value::Object(last), &mut out);
    }
    out.put_slice(b"data: [DONE]\n\n");
    Some(out.freeze())
}

/// One choice: its role, then its parts in the order in which a model makes them,
/// then its finish.
fn put_chat(
    envelope: &Map<String, Value>,
    position: usize,
    mut choice: Map<String, Value>,
    out: &mut BytesMut,
) {
    let index = choice
        .remove("index")
        .filter(Value::is_u64)
        .unwrap_or_else(|| json!(position));
    let finish = choice.remove("finish_reason").unwrap_or(Value::Null);
    let logprobs = choice.remove("logprobs").filter(|l| !l.is_null());
    let mut message = match choice.remove("message") {
        Some(Value::Object(message)) => message,
        Some(_) | None => Map::new(),
    };
    let parts = [
        "reasoning_content",
        "reasoning",
        "content",
        "refusal",
        "tool_calls",
    ]
    .map(|name| (name, message.remove(name).filter(|v| !v.is_null())));
    message.entry("role").or_insert_with(|| json!("assistant"));
    let has_text = parts
        .iter()
        .any(|(name, v)| *name == "content" && v.is_some());
    message.insert(
        "content".to_owned(),
        if has_text { json!("") } else { Value::Null },
    );
    put_event(
        envelope,
        json!({"index": index, "delta": message, "finish_reason": null}),
        out,
    );
    let mut logprobs = logprobs;
    for (name, value) in parts {
        let Some(mut value) = value else { continue };
        if matches!(&value, Value::String(text) if text.is_empty()) {
            continue;
        }
        if name == "tool_calls" {
            number_calls(&mut value);
        }
        let mut event = json!({"index": index, "delta": {name: value}, "finish_reason": null});
        if name == "content"
            && let Some(logprobs) = logprobs.take()
        {
            event["logprobs"] = logprobs;
        }
        put_event(envelope, event, out);
    }
    choice.insert("index".to_owned(), index);
    choice.insert("delta".to_owned(), json!({}));
    choice.insert("finish_reason".to_owned(), finish);
    put_event(envelope, Value::Object(choice), out);
}

/// Streamed tool calls carry an index; whole ones do not.
fn number_calls(calls: &mut Value) {
    for (n, call) in calls.as_array_mut().into_iter().flatten().enumerate() {
        if let Value::Object(call) = call {
            call.insert("index".to_owned(), json!(n));
        }
    }
}

fn put_event(envelope: &Map<String, Value>, choice: Value, out: &mut BytesMut) {
    let mut event = envelope.clone();
    event.insert("choices".to_owned(), Value::Array(vec![choice]));
    put_json(&Value::Object(event), out);
}

fn put_json(event: &Value, out: &mut BytesMut) {
    out.put_slice(b"data: ");
    out.put_slice(event.to_string().as_bytes());
    out.put_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::super::{End, StreamEditor, collect};
    use super::*;

    const REPLIES: &[&str] = &[
        r#"{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null,"annotations":[]},"finish_reason":"stop","logprobs":{"content":[{"token":"Hello","logprob":-0.5}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        r#"{"id":"c2","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"think","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        r#"{"id":"c3","object":"chat.completion","created":7,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"b"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        r#"{"id":"t1","object":"text_completion","created":7,"model":"m","choices":[{"index":0,"text":"Hello","logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
    ];

    #[test]
    fn texts_without_a_number_are_told_apart() {
        let reply = r#"{"choices":[{"text":"a","finish_reason":"stop"},{"text":"b","finish_reason":"stop"}]}"#;
        let events = replay(reply.as_bytes(), false).unwrap();
        let again: Value = serde_json::from_slice(&collect(&events).unwrap()).unwrap();
        assert_eq!(again["choices"][0]["text"], "a");
        assert_eq!(again["choices"][1]["text"], "b");
    }

    /// The law: a stream put together again is the reply it was made from.
    #[test]
    fn collecting_a_replay_gives_the_reply() {
        for reply in REPLIES {
            let events = replay(reply.as_bytes(), true).unwrap();
            let again: Value = serde_json::from_slice(&collect(&events).unwrap()).unwrap();
            let mut whole: Value = serde_json::from_str(reply).unwrap();
            for choice in whole["choices"].as_array_mut().unwrap() {
                let choice = choice.as_object_mut().unwrap();
                choice.retain(|_, v| !v.is_null());
                if let Some(message) = choice.get_mut("message") {
                    let message = message.as_object_mut().unwrap();
                    message.retain(|name, v| name == "content" || !v.is_null());
                }
            }
            assert_eq!(again, whole, "{reply}");
        }
    }

    #[test]
    fn a_replay_is_a_complete_stream() {
        for reply in REPLIES {
            let events = replay(reply.as_bytes(), false).unwrap();
            assert!(!String::from_utf8_lossy(&events).contains("\"usage\""));
            let mut editor = StreamEditor::new(Bytes::from_static(b"\"v\""), false);
            let mut out = BytesMut::new();
            editor.push(&events, &mut out);
            assert_eq!(editor.finish(true, &mut out), End::Complete);
            assert!(editor.answer_bytes() > 0, "{reply}");
        }
    }

    #[test]
    fn the_role_comes_first_and_the_finish_last() {
        let events = replay(REPLIES[0].as_bytes(), true).unwrap();
        let text = String::from_utf8(events.to_vec()).unwrap();
        let deltas: Vec<&str> = text.split("\n\n").collect();
        assert!(deltas[0].contains(r#""role":"assistant""#), "{}", deltas[0]);
        assert!(
            deltas[2].contains(r#""finish_reason":"stop""#),
            "{}",
            deltas[2]
        );
        assert!(deltas[3].contains(r#""choices":[]"#), "{}", deltas[3]);
        assert_eq!(deltas[4], "data: [DONE]");
    }
}
