//! Answers of Ollama's own API: lines of a stream, whole objects, and embeddings.

use super::answer::{Answer, ToolCall};
use super::chat::unknown;
use super::faults::garble;
use super::{Event, embeddings, quote};
use crate::script::{Empty, Script, Usage};
use crate::validate::{Facts, Native};

/// The lines of a stream.
pub(super) fn events(
    native: Native,
    facts: &Facts,
    script: &Script,
    answer: &Answer,
) -> Vec<Event> {
    let mut lines = Lines {
        native,
        facts,
        script,
        events: Vec::new(),
    };
    if !facts.load.only && script.empty != Some(Empty::Choices) {
        for piece in &answer.reasoning {
            lines.push(&said(native, "", piece, &[]), true);
        }
        for piece in &answer.pieces {
            lines.push(&said(native, piece, "", &[]), true);
        }
        for (index, call) in answer.calls.iter().enumerate() {
            lines.push(&said(native, "", "", &[call_json(index, call)]), true);
        }
    }
    if !(script.no_finish || script.no_done) {
        let end = ending(facts, script, answer);
        let line = lines.line(&said(native, "", "", &[]), &end);
        lines.events.push(Event {
            last: true,
            ..Event::new(line, false)
        });
    }
    garble(&mut lines.events, script);
    lines.events
}

/// The whole answer.
pub(super) fn whole(native: Native, facts: &Facts, script: &Script, answer: &Answer) -> String {
    let calls: Vec<String> = answer
        .calls
        .iter()
        .enumerate()
        .map(|(index, call)| call_json(index, call))
        .collect();
    let silent = facts.load.only || script.empty == Some(Empty::Choices);
    let content = if silent {
        said(native, "", "", &[])
    } else {
        said(native, &answer.text(), &answer.reasoning.concat(), &calls)
    };
    let lines = Lines {
        native,
        facts,
        script,
        events: Vec::new(),
    };
    lines.line(&content, &ending(facts, script, answer))
}

/// Vectors for each input, or the one of the older call.
pub(super) fn embedded(native: Native, facts: &Facts, script: &Script) -> String {
    let inputs = if script.empty.is_some() {
        0
    } else {
        facts.inputs
    };
    let vectors: Vec<String> = (0..inputs)
        .map(|index| embeddings::numbers(index, facts.dimensions))
        .collect();
    if native == Native::Embeddings {
        let vector = vectors.first().map_or("[]", String::as_str);
        return format!(r#"{{"embedding":{vector}}}"#);
    }
    format!(
        r#"{{"model":{},"embeddings":[{}],"total_duration":14143917,"load_duration":1019500{}}}"#,
        quote(&facts.model),
        vectors.join(","),
        counter("prompt_eval_count", facts.prompt_tokens)
    )
}

struct Lines<'a> {
    native: Native,
    facts: &'a Facts,
    script: &'a Script,
    events: Vec<Event>,
}

impl Lines<'_> {
    fn push(&mut self, content: &str, counts: bool) {
        let line = self.line(content, r#""done":false"#);
        self.events.push(Event::new(line, counts));
    }

    fn line(&self, content: &str, end: &str) -> String {
        let context = match self.native {
            Native::Generate if end.contains("done_reason") => r#","context":[1,2,3]"#,
            Native::Chat | Native::Generate | Native::Embed | Native::Embeddings => "",
        };
        format!(
            r#"{{"model":{},"created_at":"2025-10-09T08:53:20.{:09}Z",{content},{end}{context}{}}}"#,
            quote(&self.facts.model),
            self.events.len() + 1,
            unknown(self.script)
        )
    }
}

/// The fields that say something.
fn said(native: Native, text: &str, thinking: &str, calls: &[String]) -> String {
    let text = quote(text);
    let thinking = if thinking.is_empty() {
        String::new()
    } else {
        format!(r#","thinking":{}"#, quote(thinking))
    };
    if native == Native::Generate {
        return format!(r#""response":{text}{thinking}"#);
    }
    let calls = if calls.is_empty() {
        String::new()
    } else {
        format!(r#","tool_calls":[{}]"#, calls.join(","))
    };
    format!(r#""message":{{"role":"assistant","content":{text}{thinking}{calls}}}"#)
}

fn call_json(index: usize, call: &ToolCall) -> String {
    format!(
        r#"{{"id":{},"function":{{"index":{index},"name":{},"arguments":{}}}}}"#,
        quote(&call.id),
        quote(&call.name),
        call.json()
    )
}

/// The fields of the last line; numbers that are 0 are left out.
fn ending(facts: &Facts, script: &Script, answer: &Answer) -> String {
    let load = &facts.load;
    if load.only {
        let reason = if load.unload { "unload" } else { "load" };
        return format!(r#""done":true,"done_reason":"{reason}""#);
    }
    let reason = match answer.finish.as_str() {
        // Calls do not change it.
        "tool_calls" | "tool_use" | "end_turn" => "stop",
        "max_tokens" => "length",
        other => other,
    };
    let reason = quote(reason);
    if script.usage == Usage::None {
        return format!(r#""done":true,"done_reason":{reason}"#);
    }
    // What does not fit into the context is cut off before it is counted.
    let read = if script.usage == Usage::Huge {
        answer.prompt_tokens
    } else {
        answer.prompt_tokens.min(load.context)
    };
    format!(
        r#""done":true,"done_reason":{reason},"total_duration":1200000000,"load_duration":50000000{},"prompt_eval_duration":300000000{},"eval_duration":800000000"#,
        counter("prompt_eval_count", read),
        counter("eval_count", answer.completion_tokens)
    )
}

fn counter(name: &str, number: u64) -> String {
    if number == 0 {
        String::new()
    } else {
        format!(r#","{name}":{number}"#)
    }
}
