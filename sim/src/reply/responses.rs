//! OpenAI's Responses: the whole response and the events of a stream, numbered, each item
//! from its beginning to its end, and no `[DONE]`.

use serde_json::{Value, json};

use super::Event;
use super::answer::{Answer, ToolCall};
use super::chat::fragments;
use super::faults::garble;
use crate::script::{Script, Usage};
use crate::signature::SEALED;
use crate::validate::Facts;
use crate::vendor::Flavor;
use crate::vendor::models::CREATED;
use crate::vendor::refusal::Refusal;

/// The whole response.
pub(super) fn whole(facts: &Facts, script: &Script, answer: &Answer) -> String {
    let items = items(facts, answer);
    let output = items.iter().map(|item| item.done.clone()).collect();
    ended(facts, script, answer, output).to_string()
}

/// The events of a stream.
pub(super) fn events(facts: &Facts, script: &Script, answer: &Answer) -> Vec<Event> {
    let mut stream = Stream::default();
    let begun = response(facts, "in_progress", &json!([]), &Value::Null);
    stream.put("response.created", json!({ "response": begun }), false);
    stream.put("response.in_progress", json!({ "response": begun }), false);
    let items = items(facts, answer);
    for (index, item) in items.iter().enumerate() {
        item.tell(index, script, &mut stream);
    }
    if !script.no_finish && !script.no_done {
        let output = items.iter().map(|item| item.done.clone()).collect();
        let response = ended(facts, script, answer, output);
        let kind = match response["status"].as_str() {
            Some("incomplete") => "response.incomplete",
            _ => "response.completed",
        };
        stream.put(kind, json!({ "response": response }), false);
        if let Some(event) = stream.events.last_mut() {
            event.last = true;
        }
    }
    garble(&mut stream.events, script);
    stream.events
}

/// Ends `events` as a failure does: the error, and the response that failed.
pub(super) fn fail(facts: &Facts, refusal: &Refusal, events: &mut Vec<Event>) {
    let mut stream = Stream {
        events: std::mem::take(events),
    };
    let told = refusal.event(Flavor::OpenAi.voice("/v1"));
    stream.put("error", json!({ "error": told["error"] }), false);
    let mut response = response(facts, "failed", &json!([]), &Value::Null);
    let code = told["error"]["code"].as_str().unwrap_or("server_error");
    response["error"] = json!({ "code": code, "message": told["error"]["message"] });
    stream.put("response.failed", json!({ "response": response }), false);
    *events = stream.events;
}

#[derive(Default)]
struct Stream {
    events: Vec<Event>,
}

impl Stream {
    fn put(&mut self, kind: &'static str, mut members: Value, content: bool) {
        members["type"] = json!(kind);
        members["sequence_number"] = json!(self.events.len());
        self.events.push(Event {
            name: Some(kind),
            ..Event::new(members.to_string(), content)
        });
    }
}

/// One item, at its beginning and at its end.
struct Item {
    id: String,
    begun: Value,
    done: Value,
    pieces: Pieces,
}

enum Pieces {
    Reasoning(Vec<String>),
    Text(Vec<String>),
    Call(ToolCall, bool),
}

fn items(facts: &Facts, answer: &Answer) -> Vec<Item> {
    let mut items = Vec::new();
    if !answer.reasoning.is_empty() {
        let text = answer.reasoning.concat();
        let id = "rs_sim".to_owned();
        items.push(Item {
            begun: json!({ "id": id, "type": "reasoning", "summary": [] }),
            done: json!({
                "id": id, "type": "reasoning",
                "summary": [{ "type": "summary_text", "text": text }],
                "encrypted_content": format!("{SEALED}{}", facts.signer.sign(&text)),
            }),
            pieces: Pieces::Reasoning(answer.reasoning.clone()),
            id,
        });
    }
    if !answer.pieces.is_empty() {
        let id = "msg_sim".to_owned();
        let part = part(&answer.text());
        items.push(Item {
            begun: json!({
                "id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": [],
            }),
            done: json!({
                "id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part],
            }),
            pieces: Pieces::Text(answer.pieces.clone()),
            id,
        });
    }
    for (number, call) in answer.calls.iter().enumerate() {
        let is_custom = facts.custom_tools.contains(&call.name);
        let (kind, prefix, member) = if is_custom {
            ("custom_tool_call", "ctc", "input")
        } else {
            ("function_call", "fc", "arguments")
        };
        let id = format!("{prefix}_sim{number}");
        let mut begun = json!({
            "id": id, "type": kind, "status": "in_progress", "call_id": call.id, "name": call.name,
        });
        begun[member] = json!("");
        let mut done = begun.clone();
        done["status"] = json!("completed");
        done[member] = json!(call.arguments);
        items.push(Item {
            begun,
            done,
            pieces: Pieces::Call(call.clone(), is_custom),
            id,
        });
    }
    items
}

impl Item {
    fn tell(&self, index: usize, script: &Script, stream: &mut Stream) {
        let begun = json!({ "output_index": index, "item": self.begun });
        stream.put("response.output_item.added", begun, false);
        match &self.pieces {
            Pieces::Reasoning(pieces) => {
                let part = |text: &str| json!({ "type": "summary_text", "text": text });
                let at = |members| self.at(index, "summary_index", members);
                let added = at(json!({ "part": part("") }));
                stream.put("response.reasoning_summary_part.added", added, false);
                for piece in pieces {
                    let delta = at(json!({ "delta": piece }));
                    stream.put("response.reasoning_summary_text.delta", delta, true);
                }
                let text = pieces.concat();
                let done = at(json!({ "text": text }));
                stream.put("response.reasoning_summary_text.done", done, false);
                let done = at(json!({ "part": part(&text) }));
                stream.put("response.reasoning_summary_part.done", done, false);
            }
            Pieces::Text(pieces) => {
                let at = |members| self.at(index, "content_index", members);
                let added = at(json!({ "part": part("") }));
                stream.put("response.content_part.added", added, false);
                for piece in pieces {
                    let delta = at(json!({ "delta": piece, "logprobs": [], "obfuscation": "x" }));
                    stream.put("response.output_text.delta", delta, true);
                }
                let text = pieces.concat();
                let done = at(json!({ "text": text, "logprobs": [] }));
                stream.put("response.output_text.done", done, false);
                let done = at(json!({ "part": part(&text) }));
                stream.put("response.content_part.done", done, false);
            }
            Pieces::Call(call, is_custom) => {
                let (delta, done, member) = if *is_custom {
                    (
                        "response.custom_tool_call_input.delta",
                        "response.custom_tool_call_input.done",
                        "input",
                    )
                } else {
                    (
                        "response.function_call_arguments.delta",
                        "response.function_call_arguments.done",
                        "arguments",
                    )
                };
                let at = |mut members: Value| {
                    members["item_id"] = json!(self.id);
                    members["output_index"] = json!(index);
                    members
                };
                let pieces = script.tool_fragments.unwrap_or(3);
                for piece in fragments(&call.arguments, pieces) {
                    stream.put(delta, at(json!({ "delta": piece })), true);
                }
                stream.put(done, at(json!({ member: call.arguments })), false);
            }
        }
        let done = json!({ "output_index": index, "item": self.done });
        stream.put("response.output_item.done", done, false);
    }

    fn at(&self, index: usize, part: &str, mut members: Value) -> Value {
        members["item_id"] = json!(self.id);
        members["output_index"] = json!(index);
        members[part] = json!(0);
        members
    }
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

/// The response at its end.
fn ended(facts: &Facts, script: &Script, answer: &Answer, output: Vec<Value>) -> Value {
    let usage = match script.usage {
        Usage::None => Value::Null,
        Usage::Vendor
        | Usage::Cached
        | Usage::Finish
        | Usage::Every
        | Usage::Zero
        | Usage::Huge => json!({
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": { "cached_tokens": answer.cached_tokens },
            "output_tokens": answer.completion_tokens,
            "output_tokens_details": { "reasoning_tokens": answer.reasoning.len() },
            "total_tokens": answer.prompt_tokens.saturating_add(answer.completion_tokens),
        }),
    };
    let reason = match answer.finish.as_str() {
        "length" => Some("max_output_tokens"),
        "content_filter" => Some("content_filter"),
        _ => None,
    };
    let status = if reason.is_some() {
        "incomplete"
    } else {
        "completed"
    };
    let mut response = response(facts, status, &Value::Array(output), &usage);
    if let Some(reason) = reason {
        response["incomplete_details"] = json!({ "reason": reason });
    }
    if script.unknown {
        response["x_sim"] = json!({ "nested": [1, { "deep": "ünknown" }] });
    }
    response
}

fn response(facts: &Facts, status: &str, output: &Value, usage: &Value) -> Value {
    json!({
        "id": "resp_sim", "object": "response", "created_at": CREATED, "status": status,
        "background": false, "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": null, "max_tool_calls": null, "metadata": {}, "model": facts.model,
        "output": output, "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null }, "service_tier": "default",
        "store": true, "temperature": 1.0, "text": { "format": { "type": "text" } },
        "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "user": null,
    })
}
