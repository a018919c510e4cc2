//! Anthropic's messages: the whole message and the events of a stream.
//!
//! As the vendor sends it: a ping after the first block has begun, blanks after or inside
//! some objects, an empty first piece of a tool's input, and no `[DONE]`.

use super::answer::{Answer, ToolCall};
use super::chat::{fragments, unknown};
use super::faults::garble;
use super::{Event, quote};
use crate::script::{Empty, Script, Usage};
use crate::signature::Signer;
use crate::validate::Facts;

/// The whole message.
pub(super) fn whole(facts: &Facts, script: &Script, answer: &Answer) -> String {
    let content: Vec<String> = blocks(facts, script, answer)
        .iter()
        .map(|block| block.json(facts.signer))
        .collect();
    let ending = Ending::of(facts, answer);
    let usage = usage(script, answer, answer.completion_tokens);
    format!(
        r#"{{{},"content":[{}],{}{usage}{}}}"#,
        head(facts),
        content.join(","),
        ending.json(),
        unknown(script)
    )
}

/// The events of a stream.
pub(super) fn events(facts: &Facts, script: &Script, answer: &Answer) -> Vec<Event> {
    let early = match script.usage {
        // Told at the end only: the beginning knows nothing yet.
        Usage::Finish => r#","usage":{"input_tokens":0,"output_tokens":0}"#.to_owned(),
        Usage::Vendor | Usage::None | Usage::Cached | Usage::Every | Usage::Zero | Usage::Huge => {
            usage(script, answer, answer.completion_tokens.min(1))
        }
    };
    let mut events = vec![event(
        "message_start",
        &format!(
            r#","message":{{{},"content":[],"stop_reason":null,"stop_sequence":null{early}{}}}"#,
            head(facts),
            unknown(script)
        ),
    )];
    let blocks = blocks(facts, script, answer);
    if blocks.is_empty() {
        events.push(ping());
    }
    for (index, block) in blocks.iter().enumerate() {
        let start = format!(
            r#","index":{index},"content_block":{}"#,
            block.start(facts.signer)
        );
        events.push(event("content_block_start", &start));
        if index == 0 {
            events.push(ping());
        }
        for (number, (delta, content)) in block.deltas(script, facts.signer).into_iter().enumerate()
        {
            let blanks = " ".repeat(number % 4);
            let fields = format!(r#","index":{index},"delta":{{{delta}}}{blanks}"#);
            let mut event = event("content_block_delta", &fields);
            event.content = content;
            events.push(event);
        }
        let mut stop = event("content_block_stop", &format!(r#","index":{index}"#));
        stop.data.push_str("  ");
        events.push(stop);
    }
    if !script.no_finish {
        let usage = usage(script, answer, answer.completion_tokens);
        let ending = Ending::of(facts, answer).json();
        events.push(event(
            "message_delta",
            &format!(r#","delta":{{{ending}}}{usage}{}"#, unknown(script)),
        ));
    }
    if !script.no_done {
        let mut stop = event("message_stop", "");
        stop.last = true;
        events.push(stop);
    }
    garble(&mut events, script);
    events
}

/// The number of input tokens alone.
pub(super) fn counted(facts: &Facts) -> String {
    format!(r#"{{"input_tokens":{}}}"#, facts.prompt_tokens)
}

enum Block<'a> {
    Thinking(Vec<&'a str>),
    Redacted,
    Text(&'a [String]),
    Call(&'a ToolCall),
}

impl Block<'_> {
    fn json(&self, signer: Signer) -> String {
        match self {
            Block::Thinking(pieces) => {
                let text = pieces.concat();
                let signature = quote(&signer.sign(&text));
                let text = quote(&text);
                format!(r#"{{"type":"thinking","thinking":{text},"signature":{signature}}}"#)
            }
            Block::Redacted => self.start(signer),
            Block::Text(pieces) => {
                format!(r#"{{"type":"text","text":{}}}"#, quote(&pieces.concat()))
            }
            Block::Call(call) => {
                let input = call.json();
                format!(
                    r#"{{"type":"tool_use","id":{},"name":{},"input":{input}}}"#,
                    quote(&call.id),
                    quote(&call.name)
                )
            }
        }
    }

    fn start(&self, signer: Signer) -> String {
        match self {
            Block::Thinking(_) => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            Block::Redacted => {
                let data = quote(&signer.sign(""));
                format!(r#"{{"type":"redacted_thinking","data":{data}}}"#)
            }
            Block::Text(_) => r#"{"type":"text","text":""}"#.to_owned(),
            Block::Call(call) => format!(
                r#"{{"type":"tool_use","id":{},"name":{},"input":{{}}}}"#,
                quote(&call.id),
                quote(&call.name)
            ),
        }
    }

    /// The fields of each delta, and whether the script counts it as content.
    fn deltas(&self, script: &Script, signer: Signer) -> Vec<(String, bool)> {
        match self {
            Block::Thinking(pieces) => {
                let signature = quote(&signer.sign(&pieces.concat()));
                let last = format!(r#""type":"signature_delta","signature":{signature}"#);
                let thoughts = pieces.iter().map(|piece| {
                    let piece = quote(piece);
                    (
                        format!(r#""type":"thinking_delta","thinking":{piece}"#),
                        true,
                    )
                });
                thoughts.chain([(last, false)]).collect()
            }
            Block::Redacted => Vec::new(),
            Block::Text(pieces) => {
                let texts = pieces.iter().map(|piece| {
                    let piece = quote(piece);
                    (format!(r#""type":"text_delta","text":{piece}"#), true)
                });
                texts.collect()
            }
            Block::Call(call) => {
                // The vendor says nothing more of an input without fields.
                let input = match call.arguments.as_str() {
                    "{}" => "",
                    input => input,
                };
                let parts = fragments(input, script.tool_fragments.unwrap_or(3));
                let parts = [""].into_iter().chain(parts).map(|part| {
                    let part = quote(part);
                    (
                        format!(r#""type":"input_json_delta","partial_json":{part}"#),
                        true,
                    )
                });
                parts.collect()
            }
        }
    }
}

fn blocks<'a>(facts: &Facts, script: &Script, answer: &'a Answer) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    if script.empty == Some(Empty::Choices) || facts.max_tokens == Some(0) {
        return blocks;
    }
    if script.redacted {
        blocks.push(Block::Redacted);
    }
    if !answer.reasoning.is_empty() {
        let shown = if facts.hidden_thoughts {
            Vec::new()
        } else {
            answer.reasoning.iter().map(String::as_str).collect()
        };
        blocks.push(Block::Thinking(shown));
    }
    if !answer.pieces.is_empty() {
        blocks.push(Block::Text(&answer.pieces));
    }
    blocks.extend(answer.calls.iter().map(Block::Call));
    blocks
}

/// Why the message ends; a script may say it in OpenAI's words too.
struct Ending<'a> {
    reason: &'a str,
    sequence: Option<&'a str>,
}

impl<'a> Ending<'a> {
    fn of(facts: &'a Facts, answer: &'a Answer) -> Ending<'a> {
        let reason = match answer.finish.as_str() {
            "stop" if facts.max_tokens == Some(0) => "max_tokens",
            "stop" => "end_turn",
            "length" => "max_tokens",
            "tool_calls" => "tool_use",
            "content_filter" => "refusal",
            other => other,
        };
        let stop = facts.stops.first().map_or("END", String::as_str);
        Ending {
            reason,
            sequence: (reason == "stop_sequence").then_some(stop),
        }
    }

    fn json(&self) -> String {
        let sequence = self.sequence.map_or_else(|| "null".to_owned(), quote);
        let details = if self.reason == "refusal" {
            r#","stop_details":{"type":"refusal","category":null,"explanation":"Simulated."}"#
        } else {
            ""
        };
        let reason = quote(self.reason);
        format!(r#""stop_reason":{reason},"stop_sequence":{sequence}{details}"#)
    }
}

fn head(facts: &Facts) -> String {
    format!(
        r#""model":{},"id":"msg_sim","type":"message","role":"assistant""#,
        quote(&facts.model)
    )
}

fn usage(script: &Script, answer: &Answer, output: u64) -> String {
    if script.usage == Usage::None {
        return String::new();
    }
    let cached = answer.cached_tokens;
    // What is read from the cache goes on with what is put there anew.
    let written = cached / 2;
    let input = answer.prompt_tokens - cached - written;
    format!(
        r#","usage":{{"input_tokens":{input},"cache_creation_input_tokens":{written},"cache_read_input_tokens":{cached},"output_tokens":{output}}}"#
    )
}

fn event(name: &'static str, fields: &str) -> Event {
    Event {
        name: Some(name),
        ..Event::new(format!(r#"{{"type":"{name}"{fields}}}"#), false)
    }
}

fn ping() -> Event {
    Event {
        name: Some("ping"),
        ..Event::new(r#"{"type": "ping"}"#.to_owned(), false)
    }
}
