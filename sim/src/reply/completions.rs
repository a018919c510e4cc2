//! Legacy completions: the whole answer and the chunks of a stream.

use super::answer::{Answer, usage};
use super::chat::{finish_usage, model, separate_usage, unknown};
use super::{Event, quote};
use crate::script::{Empty, Script, Usage};
use crate::validate::Facts;
use crate::vendor::Flavor;
use crate::vendor::models::CREATED;

/// The whole answer: one choice for each prompt and each of its `n` answers.
pub(super) fn whole(flavor: Flavor, facts: &Facts, script: &Script, answer: &Answer) -> String {
    let text = answer.text();
    let choices: Vec<String> = (0..choices(facts, script))
        .map(|index| {
            let logprobs = logprobs(facts, &answer.pieces);
            choice(flavor, index, &text, &logprobs, Some(&answer.finish))
        })
        .collect();
    let usage = (script.usage != Usage::None).then(|| answer.usage(flavor));
    object(
        "text_completion",
        flavor,
        facts,
        script,
        &choices.join(","),
        usage,
    )
}

/// The chunks of a stream; every one has the shape of the whole answer.
pub(super) fn events(
    flavor: Flavor,
    facts: &Facts,
    script: &Script,
    answer: &Answer,
) -> Vec<Event> {
    let kind = match flavor {
        Flavor::Together => "completion.chunk",
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => "text_completion",
    };
    let running = match (script.usage, flavor) {
        (Usage::Every, _) => Some(answer.usage(flavor)),
        // Ollama repeats zeros, vLLM null.
        (_, Flavor::Ollama) if facts.include_usage => Some(usage(flavor, 0, 0, 0)),
        (_, Flavor::Vllm | Flavor::OpenAi) if facts.include_usage => Some("null".to_owned()),
        _ => None,
    };
    let event = |choices: &str, usage: Option<String>, content| {
        let data = object(kind, flavor, facts, script, choices, usage);
        Event::new(data, content)
    };
    let total = choices(facts, script);
    let mut events = Vec::new();
    for piece in &answer.pieces {
        for index in 0..total {
            let logprobs = logprobs(facts, std::slice::from_ref(piece));
            let choice = choice(flavor, index, piece, &logprobs, None);
            events.push(event(&choice, running.clone(), true));
        }
    }
    if !script.no_finish {
        for index in 0..total {
            let choice = choice(flavor, index, "", "null", Some(&answer.finish));
            let last = index + 1 == total && finish_usage(flavor, script);
            let usage = if last {
                Some(answer.usage(flavor))
            } else {
                running.clone()
            };
            events.push(event(&choice, usage, false));
        }
    }
    if facts.include_usage && separate_usage(flavor, script) {
        events.push(event("", Some(answer.usage(flavor)), false));
    }
    events
}

fn choices(facts: &Facts, script: &Script) -> usize {
    if script.empty == Some(Empty::Choices) {
        0
    } else {
        facts.n * facts.inputs
    }
}

/// In columns, not in rows as those of a chat.
fn logprobs(facts: &Facts, pieces: &[String]) -> String {
    if !facts.logprobs || pieces.is_empty() {
        return "null".to_owned();
    }
    let tokens: Vec<String> = pieces.iter().map(|piece| quote(piece)).collect();
    let each: Vec<&str> = pieces.iter().map(|_| "-0.25").collect();
    format!(
        r#"{{"tokens":[{}],"token_logprobs":[{}],"top_logprobs":null,"text_offset":[]}}"#,
        tokens.join(","),
        each.join(",")
    )
}

fn choice(
    flavor: Flavor,
    index: usize,
    text: &str,
    logprobs: &str,
    finish: Option<&String>,
) -> String {
    let finish = finish.map_or_else(|| "null".to_owned(), |finish| quote(finish));
    let extra = if flavor == Flavor::Vllm {
        r#","stop_reason":null"#
    } else {
        ""
    };
    format!(
        r#"{{"text":{},"index":{index},"logprobs":{logprobs},"finish_reason":{finish}{extra}}}"#,
        quote(text)
    )
}

fn object(
    kind: &str,
    flavor: Flavor,
    facts: &Facts,
    script: &Script,
    choices: &str,
    usage: Option<String>,
) -> String {
    let usage = usage
        .map(|usage| format!(r#","usage":{usage}"#))
        .unwrap_or_default();
    format!(
        r#"{{"id":"cmpl-sim","object":"{kind}","created":{CREATED},"model":{},"choices":[{choices}]{usage}{}}}"#,
        model(flavor, facts),
        unknown(script)
    )
}
