//! Chat completions: the whole answer and the chunks of a stream, in each vendor's shape.

use super::answer::{Answer, ToolCall};
use super::faults::garble;
use super::{Event, quote};
use crate::script::{Empty, Script, Usage};
use crate::validate::Facts;
use crate::vendor::Flavor;
use crate::vendor::models::CREATED;

/// The whole answer.
pub(super) fn whole(flavor: Flavor, facts: &Facts, script: &Script, answer: &Answer) -> String {
    let mut message = String::from(r#""role":"assistant","content":"#);
    if answer.calls.is_empty() {
        message.push_str(&quote(&answer.text()));
    } else {
        message.push_str("null");
    }
    if flavor == Flavor::OpenAi {
        message.push_str(r#","refusal":null,"annotations":[]"#);
    }
    if !answer.reasoning.is_empty() {
        let text = quote(&answer.reasoning.concat());
        message.push_str(&format!(r#","{}":{text}"#, reasoning_field(flavor)));
    }
    if !answer.calls.is_empty() {
        let calls: Vec<String> = answer
            .calls
            .iter()
            .enumerate()
            .map(|(index, call)| {
                let index = matches!(flavor, Flavor::Together | Flavor::Ollama).then_some(index);
                call_json(index, call, &call.arguments)
            })
            .collect();
        message.push_str(&format!(r#","tool_calls":[{}]"#, calls.join(",")));
    }
    let choices = if script.empty == Some(Empty::Choices) {
        String::new()
    } else {
        let each: Vec<String> = (0..facts.n)
            .map(|index| {
                let logprobs = logprobs(facts, &answer.pieces);
                let finish = quote(&answer.finish);
                let extra = if flavor == Flavor::Vllm { r#","stop_reason":null"# } else { "" };
                format!(
                    r#"{{"index":{index},"message":{{{message}}},"logprobs":{logprobs},"finish_reason":{finish}{extra}}}"#
                )
            })
            .collect();
        each.join(",")
    };
    let usage = match script.usage {
        Usage::None => String::new(),
        Usage::Vendor
        | Usage::Cached
        | Usage::Finish
        | Usage::Every
        | Usage::Zero
        | Usage::Huge => format!(r#","usage":{}"#, answer.usage(flavor)),
    };
    let extra = match flavor {
        Flavor::OpenAi => r#","service_tier":"default","system_fingerprint":"fp_sim""#,
        Flavor::Vllm => r#","prompt_logprobs":null,"kv_transfer_params":null"#,
        Flavor::Together => r#","prompt":[]"#,
        Flavor::Ollama => r#","system_fingerprint":"fp_ollama""#,
        Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Anthropic
        | Flavor::Runpod => "",
    };
    let unknown = unknown(script);
    format!(
        r#"{{"id":"chatcmpl-sim","object":"chat.completion","created":{CREATED},"model":{},"choices":[{choices}]{usage}{extra}{unknown}}}"#,
        model(flavor, facts)
    )
}

/// The chunks of a stream.
pub(super) fn events(
    flavor: Flavor,
    facts: &Facts,
    script: &Script,
    answer: &Answer,
) -> Vec<Event> {
    let stream = Stream {
        flavor,
        facts,
        script,
        answer,
    };
    let mut events = Vec::new();
    if script.empty != Some(Empty::Choices) {
        stream.content(&mut events);
    }
    if facts.include_usage && separate_usage(flavor, script) {
        events.push(stream.event("", Some(answer.usage(flavor)), false));
    }
    garble(&mut events, script);
    events
}

/// A chunk that says nothing, as Ollama sends for its own faults.
pub(super) fn empty_chunk(flavor: Flavor, facts: &Facts) -> String {
    format!(
        r#"{{"id":"chatcmpl-sim","object":"chat.completion.chunk","created":{CREATED},"model":{},"system_fingerprint":"fp_ollama","choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},"finish_reason":null}}]}}"#,
        model(flavor, facts)
    )
}

/// The model's name in a reply; OpenAI answers with the dated snapshot.
pub(super) fn model(flavor: Flavor, facts: &Facts) -> String {
    match (flavor, facts.model.as_str()) {
        (Flavor::OpenAi, "gpt-4o") => quote("gpt-4o-2024-08-06"),
        (_, name) => quote(name),
    }
}

/// Whether usage asked for comes in a chunk of its own.
pub(super) fn separate_usage(flavor: Flavor, script: &Script) -> bool {
    match script.usage {
        Usage::None | Usage::Finish => false,
        Usage::Vendor | Usage::Cached | Usage::Every | Usage::Zero | Usage::Huge => {
            !finish_usage(flavor, script)
        }
    }
}

/// Whether usage comes, asked for or not, in the chunk with the finish reason.
pub(super) fn finish_usage(flavor: Flavor, script: &Script) -> bool {
    match script.usage {
        Usage::None => false,
        Usage::Finish => true,
        Usage::Vendor | Usage::Cached | Usage::Every | Usage::Zero | Usage::Huge => match flavor {
            Flavor::Together | Flavor::DeepInfra => true,
            Flavor::OpenAi
            | Flavor::Vllm
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => false,
        },
    }
}

pub(super) fn unknown(script: &Script) -> &'static str {
    if script.unknown {
        r#","x_sim":{"nested":[1,{"deep":"ünknown"}]},"x_null":null"#
    } else {
        ""
    }
}

struct Stream<'a> {
    flavor: Flavor,
    facts: &'a Facts,
    script: &'a Script,
    answer: &'a Answer,
}

impl Stream<'_> {
    fn content(&self, events: &mut Vec<Event>) {
        let Stream {
            flavor,
            facts,
            answer,
            ..
        } = *self;
        let single_call = flavor == Flavor::OpenAi && answer.calls.len() == 1;
        for index in 0..facts.n {
            if !single_call {
                events.push(self.chunk(index, self.role(), "null", None, false));
            }
        }
        let field = reasoning_field(flavor);
        for piece in &answer.reasoning {
            for index in 0..facts.n {
                let delta = self.delta(&format!(r#""{field}":{}"#, quote(piece)));
                events.push(self.chunk(index, &delta, "null", None, true));
            }
        }
        // vLLM's last text comes together with the finish reason.
        let (last, pieces) = match answer.pieces.split_last() {
            Some((last, pieces)) if flavor == Flavor::Vllm => (Some(last), pieces),
            _ => (None, answer.pieces.as_slice()),
        };
        for piece in pieces {
            for index in 0..facts.n {
                let delta = self.delta(&format!(r#""content":{}"#, quote(piece)));
                events.push(self.chunk(index, &delta, "null", Some(piece), true));
            }
        }
        for index in 0..facts.n {
            self.calls(index, single_call, events);
        }
        if !self.script.no_finish {
            for index in 0..facts.n {
                self.finish(index, last, events);
            }
        }
    }

    fn calls(&self, index: usize, single_call: bool, events: &mut Vec<Event>) {
        for (number, call) in self.answer.calls.iter().enumerate() {
            // Ollama sends each call whole.
            let whole = self.flavor == Flavor::Ollama;
            let head = if whole { call.arguments.as_str() } else { "" };
            let head = call_json(Some(number), call, head);
            let delta = if single_call {
                format!(r#""role":"assistant","content":null,"tool_calls":[{head}],"refusal":null"#)
            } else {
                self.delta(&format!(r#""tool_calls":[{head}]"#))
            };
            events.push(self.chunk(index, &delta, "null", None, true));
            if whole {
                continue;
            }
            for part in fragments(&call.arguments, self.script.tool_fragments.unwrap_or(3)) {
                let part = quote(part);
                let delta = self.delta(&format!(
                    r#""tool_calls":[{{"index":{number},"function":{{"arguments":{part}}}}}]"#
                ));
                events.push(self.chunk(index, &delta, "null", None, true));
            }
        }
    }

    fn finish(&self, index: usize, last: Option<&String>, events: &mut Vec<Event>) {
        let delta = match last {
            Some(last) => format!(r#""content":{}"#, quote(last)),
            None if self.flavor == Flavor::Together => self.delta(r#""content":"""#),
            None => String::new(),
        };
        let finish = quote(&self.answer.finish);
        let usage = finish_usage(self.flavor, self.script) && index + 1 == self.facts.n;
        let mut choice = self.choice(index, &delta, &finish, last);
        if self.flavor == Flavor::Vllm {
            choice.pop();
            choice.push_str(r#","stop_reason":null}"#);
        }
        let usage = usage.then(|| self.answer.usage(self.flavor));
        events.push(self.event(&choice, usage, last.is_some()));
    }

    fn role(&self) -> &'static str {
        match self.flavor {
            Flavor::OpenAi if self.answer.calls.is_empty() => {
                r#""role":"assistant","content":"","refusal":null"#
            }
            Flavor::OpenAi => r#""role":"assistant","content":null"#,
            Flavor::Vllm
            | Flavor::Together
            | Flavor::DeepInfra
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => r#""role":"assistant","content":"""#,
        }
    }

    /// Together repeats the role in every delta.
    fn delta(&self, fields: &str) -> String {
        match self.flavor {
            Flavor::Together => format!(r#""role":"assistant",{fields}"#),
            Flavor::OpenAi
            | Flavor::Vllm
            | Flavor::DeepInfra
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => fields.to_owned(),
        }
    }

    fn chunk(
        &self,
        index: usize,
        delta: &str,
        finish: &str,
        piece: Option<&String>,
        content: bool,
    ) -> Event {
        let usage = (self.script.usage == Usage::Every).then(|| self.answer.usage(self.flavor));
        self.event(&self.choice(index, delta, finish, piece), usage, content)
    }

    fn choice(&self, index: usize, delta: &str, finish: &str, piece: Option<&String>) -> String {
        let logprobs = logprobs(self.facts, piece.map_or(&[], std::slice::from_ref));
        format!(
            r#"{{"index":{index},"delta":{{{delta}}},"logprobs":{logprobs},"finish_reason":{finish}}}"#
        )
    }

    fn event(&self, choices: &str, usage: Option<String>, content: bool) -> Event {
        let head = match self.flavor {
            Flavor::OpenAi => r#""service_tier":"default","system_fingerprint":"fp_sim","#,
            Flavor::Ollama => r#""system_fingerprint":"fp_ollama","#,
            Flavor::Vllm
            | Flavor::Together
            | Flavor::DeepInfra
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Anthropic
            | Flavor::Runpod => "",
        };
        let usage = match (usage, self.flavor) {
            (Some(usage), _) => format!(r#","usage":{usage}"#),
            (None, Flavor::OpenAi) if self.facts.include_usage => r#","usage":null"#.to_owned(),
            (None, Flavor::Together) => r#","usage":null"#.to_owned(),
            (None, _) => String::new(),
        };
        let tail = if self.flavor == Flavor::OpenAi {
            r#","obfuscation":"x""#
        } else {
            ""
        };
        let unknown = unknown(self.script);
        let data = format!(
            r#"{{"id":"chatcmpl-sim","object":"chat.completion.chunk","created":{CREATED},"model":{},{head}"choices":[{choices}]{usage}{tail}{unknown}}}"#,
            model(self.flavor, self.facts)
        );
        Event::new(data, content)
    }
}

fn reasoning_field(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Vllm | Flavor::Together | Flavor::Ollama => "reasoning",
        Flavor::OpenAi
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Anthropic
        | Flavor::Runpod => "reasoning_content",
    }
}

/// A call; in a stream it has its number, whole only where the vendor builds both alike.
fn call_json(index: Option<usize>, call: &ToolCall, arguments: &str) -> String {
    let (id, name, arguments) = (quote(&call.id), quote(&call.name), quote(arguments));
    let index = index
        .map(|index| format!(r#""index":{index},"#))
        .unwrap_or_default();
    format!(
        r#"{{{index}"id":{id},"type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#
    )
}

/// `text` in up to `pieces` parts, cut between characters.
pub(super) fn fragments(text: &str, pieces: usize) -> Vec<&str> {
    let size = text.len().div_ceil(pieces.max(1)).max(1);
    let mut rest = text;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let mut end = size.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (part, left) = rest.split_at(end);
        parts.push(part);
        rest = left;
    }
    parts
}

fn logprobs(facts: &Facts, pieces: &[String]) -> String {
    if !facts.logprobs || pieces.is_empty() {
        return "null".to_owned();
    }
    let tokens: Vec<String> = pieces
        .iter()
        .map(|piece| {
            let bytes: Vec<String> = piece.bytes().map(|byte| byte.to_string()).collect();
            format!(
                r#"{{"token":{},"logprob":-0.25,"bytes":[{}],"top_logprobs":[]}}"#,
                quote(piece),
                bytes.join(",")
            )
        })
        .collect();
    format!(r#"{{"content":[{}],"refusal":null}}"#, tokens.join(","))
}
