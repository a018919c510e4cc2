//! What is said: pieces of text, tool calls, the reason for ending, and token counts.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::agent::{self, Step};
use super::quote;
use crate::script::{Empty, Script, Usage};
use crate::validate::{Call, Choice, Facts, Tool};
use crate::vendor::Flavor;

/// The content of an answer, the same whether streamed or whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) pieces: Vec<String>,
    pub(super) reasoning: Vec<String>,
    pub(super) calls: Vec<ToolCall>,
    pub(super) finish: String,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
    pub(super) cached_tokens: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl ToolCall {
    /// The call as many open models write it.
    fn written(&self) -> String {
        let (name, arguments) = (quote(&self.name), self.json());
        format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {arguments}}}\n</tool_call>")
    }

    /// The arguments as JSON, where a vendor has them so: other text becomes a string.
    pub(super) fn json(&self) -> String {
        match self.arguments.as_str() {
            "" => "{}".to_owned(),
            text if serde_json::from_str::<IgnoredAny>(text).is_ok() => text.to_owned(),
            text => quote(text),
        }
    }
}

pub(super) fn answer(
    flavor: Flavor,
    call: Call,
    facts: &Facts,
    script: &Script,
    body: &[u8],
) -> Answer {
    let agent = script.agent.as_deref().filter(|_| call.takes_tools());
    let step = agent.map(|path| agent::step(path, &facts.tools, body));
    let (mut calls, mut said) = match step {
        Some(Step::Call {
            name,
            arguments,
            number,
        }) => {
            let call = ToolCall {
                // An assistant takes calls of one id for the same one.
                id: id(flavor, facts, number),
                name,
                arguments,
            };
            (vec![call], None)
        }
        Some(Step::Say(text)) => (Vec::new(), Some(text)),
        None if call.takes_tools() => (tool_calls(flavor, facts, script), None),
        None => (Vec::new(), None),
    };
    if script.written && !calls.is_empty() {
        said = Some(calls.drain(..).map(|call| call.written()).collect());
    }
    let mut answer = Answer {
        finish: done(flavor).to_owned(),
        calls,
        ..Answer::default()
    };
    if let Some(bytes) = script.repeat {
        answer.reasoning = repeated(facts, bytes).0;
    } else if script.reasoning || facts.thinks {
        answer.reasoning = ["Let ", "me ", "think."].map(str::to_owned).to_vec();
    }
    if let Some(said) = said {
        answer.pieces = words(&said);
    } else if answer.calls.is_empty() {
        answer.pieces = pieces(flavor, facts, script, body);
    } else {
        answer.finish = "tool_calls".to_owned();
    }
    if let Some(finish) = &script.finish {
        answer.finish.clone_from(finish);
    }
    count(&mut answer, facts, script);
    answer
}

/// The vendor's word for an answer at its end.
fn done(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Together => "eos",
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => "stop",
    }
}

impl Answer {
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// The usage object the vendor's way.
    pub(super) fn usage(&self, flavor: Flavor) -> String {
        usage(
            flavor,
            self.prompt_tokens,
            self.completion_tokens,
            self.cached_tokens,
        )
    }
}

/// A usage object the vendor's way, also for embeddings.
pub(super) fn usage(flavor: Flavor, prompt: u64, completion: u64, cached: u64) -> String {
    let total = prompt.saturating_add(completion);
    let base = format!(
        r#""prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}"#
    );
    let extra = match flavor {
        Flavor::OpenAi => format!(
            r#","prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#
        ),
        Flavor::Together => format!(r#","cached_tokens":{cached}"#),
        Flavor::DeepInfra => format!(
            r#","estimated_cost":0.000012,"prompt_tokens_details":{{"cached_tokens":{cached}}}"#
        ),
        Flavor::Vllm | Flavor::OpenWebui | Flavor::Queue if cached > 0 => {
            format!(r#","prompt_tokens_details":{{"cached_tokens":{cached}}}"#)
        }
        Flavor::Vllm
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => String::new(),
    };
    format!("{{{base}{extra}}}")
}

fn count(answer: &mut Answer, facts: &Facts, script: &Script) {
    let arguments: usize = answer
        .calls
        .iter()
        .map(|call| call.arguments.len() / 4 + 1)
        .sum();
    let each = answer.pieces.len() + answer.reasoning.len() + arguments;
    answer.prompt_tokens = facts.prompt_tokens;
    answer.completion_tokens = (each * facts.n * facts.inputs) as u64;
    match script.usage {
        Usage::Zero => {
            answer.prompt_tokens = 0;
            answer.completion_tokens = 0;
        }
        Usage::Huge => {
            answer.prompt_tokens = 1 << 40;
            answer.completion_tokens = 1 << 41;
        }
        Usage::Cached => answer.cached_tokens = answer.prompt_tokens / 2,
        Usage::Vendor | Usage::None | Usage::Finish | Usage::Every => {}
    }
}

fn pieces(flavor: Flavor, facts: &Facts, script: &Script, body: &[u8]) -> Vec<String> {
    let refusal = matches!(script.finish.as_deref(), Some("refusal" | "content_filter"));
    let told = script.say.is_some() || script.chunks.is_some();
    // Anthropic's refusals come before the first word.
    let unsaid = flavor == Flavor::Anthropic && refusal && !told;
    if unsaid || script.empty == Some(Empty::Content) {
        return Vec::new();
    }
    if script.echo {
        return words(&String::from_utf8_lossy(body));
    }
    if let Some(bytes) = script.repeat {
        return repeated(facts, bytes).1;
    }
    if let Some(text) = &script.say {
        return words(text);
    }
    if script.chunks.is_some() || script.chunk_bytes.is_some() || script.unicode {
        let chunks = script.chunks.unwrap_or(3);
        return (0..chunks).map(|index| filler(index, script)).collect();
    }
    let said = facts.user_text.as_deref().map(without_script);
    words(&match said.as_deref() {
        None => format!("The simulated {} has read the tool's answer.", flavor.id()),
        Some("") => format!("Hello from the simulated {}.", flavor.id()),
        Some(said) => format!("Hello from the simulated {}. You said: {said}", flavor.id()),
    })
}

fn filler(index: usize, script: &Script) -> String {
    let word = if script.unicode {
        ["h\u{e9}llo ", "\u{6f22}\u{5b57} ", "\u{1f642} "][index % 3]
    } else {
        "word "
    };
    match script.chunk_bytes {
        None => word.to_owned(),
        Some(bytes) if script.unicode => word.repeat(bytes.div_ceil(word.len())),
        Some(bytes) => word.chars().cycle().take(bytes).collect(),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// The reasoning and the text that the user has written, in pieces.
fn repeated(facts: &Facts, bytes: usize) -> (Vec<String>, Vec<String>) {
    let text = facts.user_text.as_deref().unwrap_or_default();
    let text = text.rfind("[[sim:").map_or(text, |script| &text[..script]);
    let (reasoning, text) = text.split_once('\u{1e}').unwrap_or(("", text));
    (pieces_of(reasoning, bytes), pieces_of(text, bytes))
}

/// A text in pieces of at most so many bytes, but whole characters; 0 for one piece.
fn pieces_of(text: &str, bytes: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for letter in text.chars() {
        match pieces.last_mut() {
            Some(piece) if bytes == 0 || piece.len() + letter.len_utf8() <= bytes => {
                piece.push(letter);
            }
            Some(_) | None => pieces.push(letter.to_string()),
        }
    }
    pieces
}

fn without_script(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(start) = text.find("[[sim:") {
        let end = text.get(start..).and_then(|rest| rest.find("]]"));
        text.replace_range(start..end.map_or(text.len(), |end| start + end + 2), "");
    }
    text.trim().chars().take(200).collect()
}

fn tool_calls(flavor: Flavor, facts: &Facts, script: &Script) -> Vec<ToolCall> {
    let chosen: Vec<&Tool> = match (script.tools, &facts.choice) {
        (Some(calls), _) => facts.tools.iter().cycle().take(calls).collect(),
        (None, Choice::None) => Vec::new(),
        (None, Choice::Required) => facts.tools.iter().take(1).collect(),
        (None, Choice::Named(name)) => facts
            .tools
            .iter()
            .filter(|tool| tool.name == *name)
            .take(1)
            .collect(),
        (None, Choice::Auto) => {
            let said = facts
                .user_text
                .as_deref()
                .unwrap_or_default()
                .to_lowercase();
            let meant = |tool: &&Tool| {
                let name = tool.name.to_lowercase();
                name.split('_')
                    .any(|word| word.len() > 3 && said.contains(word))
            };
            facts.tools.iter().filter(meant).take(1).collect()
        }
    };
    let last_word = facts
        .user_text
        .as_deref()
        .map(without_script)
        .and_then(|text| text.split_whitespace().last().map(str::to_owned))
        .unwrap_or_default();
    let word = last_word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let most = if facts.single_call { 1 } else { usize::MAX };
    chosen
        .into_iter()
        .take(most)
        .enumerate()
        .map(|(index, tool)| ToolCall {
            id: id(flavor, facts, index),
            name: tool.name.clone(),
            arguments: script
                .tool_args
                .clone()
                .unwrap_or_else(|| arguments(&tool.parameters, word)),
        })
        .collect()
}

/// The id of a call. Anthropic's must be unique in a conversation, not only in an answer.
fn id(flavor: Flavor, facts: &Facts, index: usize) -> String {
    match flavor {
        Flavor::Vllm => format!("chatcmpl-tool-{index:08x}"),
        Flavor::Anthropic => format!("toolu_sim{:04}{index:04}", facts.turn),
        Flavor::OpenAi
        | Flavor::Together
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Runpod => format!("call_sim{index:04}"),
    }
}

/// An object that fits the schema's properties.
fn arguments(schema: &Value, word: &str) -> String {
    let mut fields = Vec::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let first = property.get("enum").and_then(|values| values.get(0));
        let value = match (first, property.get("type").and_then(Value::as_str)) {
            (Some(first), _) => first.clone(),
            (None, Some("integer" | "number")) => json!(1),
            (None, Some("boolean")) => json!(true),
            (None, Some("array")) => json!([]),
            (None, Some("object")) => json!({}),
            (None, _) => json!(word),
        };
        fields.push(format!("{}:{value}", quote(name)));
    }
    format!("{{{}}}", fields.join(","))
}
