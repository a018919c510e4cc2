//! A whole response told as a stream, to a caller that wants one from a server that gave
//! none, or from memory.
//!
//! Every item begins empty and ends as it is; texts and arguments come in one piece. What
//! items hold that are none of ours is told at their beginning.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};

use super::reply_writer::put_event;

/// The stream of `reply`; `None` when it is no response, or one that has failed.
#[must_use]
pub fn replay(reply: &[u8]) -> Option<Bytes> {
    let response: Map<String, Value> = serde_json::from_slice(reply).ok()?;
    let output = response.get("output")?.as_array()?.clone();
    let last = match response.get("status")?.as_str()? {
        "completed" => "response.completed",
        "incomplete" => "response.incomplete",
        _ => return None,
    };
    let mut begun = response.clone();
    begun.insert("status".to_owned(), json!("in_progress"));
    begun.insert("output".to_owned(), json!([]));
    begun.insert("usage".to_owned(), Value::Null);
    begun.insert("incomplete_details".to_owned(), Value::Null);
    begun.remove("completed_at");
    let mut stream = Stream::default();
    stream.put("response.created", &json!({ "response": begun }));
    stream.put("response.in_progress", &json!({ "response": begun }));
    for (index, item) in output.iter().enumerate() {
        stream.item(index, item);
    }
    stream.put(last, &json!({ "response": response }));
    Some(stream.out.freeze())
}

#[derive(Default)]
struct Stream {
    sequence: u64,
    out: BytesMut,
}

impl Stream {
    fn put(&mut self, kind: &str, members: &Value) {
        let members = members.to_string();
        let members = members
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        put_event(kind.as_bytes(), &mut self.sequence, &mut self.out, |out| {
            out.put_u8(b',');
            out.put_slice(members.unwrap_or_default().as_bytes());
        });
    }

    fn item(&mut self, index: usize, item: &Value) {
        let mut begun = item.clone();
        let kind = item["type"].as_str().unwrap_or_default();
        let empty = match kind {
            "message" => Some(("content", json!([]))),
            "reasoning" => Some(("summary", json!([]))),
            "function_call" => Some(("arguments", json!(""))),
            "custom_tool_call" => Some(("input", json!(""))),
            _ => None,
        };
        if let Some((name, nothing)) = empty {
            begun[name] = nothing;
        }
        if kind == "reasoning" && begun.get("content").is_some() {
            begun["content"] = json!([]);
        }
        if begun.get("status").is_some() {
            begun["status"] = json!("in_progress");
        }
        let added = json!({ "output_index": index, "item": begun });
        self.put("response.output_item.added", &added);
        let at = |part: Option<(&str, usize)>, mut members: Value| {
            members["item_id"] = item["id"].clone();
            members["output_index"] = json!(index);
            if let Some((name, number)) = part {
                members[name] = json!(number);
            }
            members
        };
        let list = |name: &str| item[name].as_array().cloned().unwrap_or_default();
        match kind {
            "message" => {
                for (number, part) in list("content").iter().enumerate() {
                    self.part(part, &|members| {
                        at(Some(("content_index", number)), members)
                    });
                }
            }
            "reasoning" => {
                for (number, part) in list("summary").iter().enumerate() {
                    self.summary(part, &|members| {
                        at(Some(("summary_index", number)), members)
                    });
                }
                for (number, part) in list("content").iter().enumerate() {
                    self.part(part, &|members| {
                        at(Some(("content_index", number)), members)
                    });
                }
            }
            "function_call" => {
                let all = &item["arguments"];
                self.pieces(
                    "response.function_call_arguments",
                    "arguments",
                    all,
                    &|members| at(None, members),
                );
            }
            "custom_tool_call" => {
                let all = &item["input"];
                self.pieces(
                    "response.custom_tool_call_input",
                    "input",
                    all,
                    &|members| at(None, members),
                );
            }
            _ => {}
        }
        let done = json!({ "output_index": index, "item": item });
        self.put("response.output_item.done", &done);
    }

    fn part(&mut self, part: &Value, at: &dyn Fn(Value) -> Value) {
        let (kind, name) = match part["type"].as_str() {
            Some("output_text") => ("response.output_text", "text"),
            Some("refusal") => ("response.refusal", "refusal"),
            Some("reasoning_text") => ("response.reasoning_text", "text"),
            Some(_) | None => return,
        };
        let mut empty = part.clone();
        empty[name] = json!("");
        self.put("response.content_part.added", &at(json!({ "part": empty })));
        self.pieces(kind, name, &part[name], &|mut members| {
            if kind == "response.output_text" {
                members["logprobs"] = json!([]);
            }
            at(members)
        });
        self.put("response.content_part.done", &at(json!({ "part": part })));
    }

    fn summary(&mut self, part: &Value, at: &dyn Fn(Value) -> Value) {
        let mut empty = part.clone();
        empty["text"] = json!("");
        let added = at(json!({ "part": empty }));
        self.put("response.reasoning_summary_part.added", &added);
        self.pieces("response.reasoning_summary_text", "text", &part["text"], at);
        let done = at(json!({ "part": part }));
        self.put("response.reasoning_summary_part.done", &done);
    }

    /// All of a text in one piece, and what ends it.
    fn pieces(&mut self, kind: &str, name: &str, all: &Value, at: &dyn Fn(Value) -> Value) {
        if all.as_str().is_some_and(|text| !text.is_empty()) {
            self.put(&format!("{kind}.delta"), &at(json!({ "delta": all })));
        }
        let mut members = Map::new();
        members.insert(name.to_owned(), all.clone());
        self.put(&format!("{kind}.done"), &at(Value::Object(members)));
    }
}

/// Whether `reply` may be given again to the same request: it is complete, says something
/// and calls nothing.
#[must_use]
pub fn is_keepable(reply: &[u8]) -> bool {
    let Ok(response) = serde_json::from_slice::<Value>(reply) else {
        return false;
    };
    let Some(output) = response["output"].as_array() else {
        return false;
    };
    let is_text = |item: &Value| matches!(item["type"].as_str(), Some("message" | "reasoning"));
    let says = |item: &Value| item["type"] == "message" && item["content"][0]["text"].is_string();
    response["status"] == "completed" && output.iter().all(is_text) && output.iter().any(says)
}
