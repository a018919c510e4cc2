//! The oldest form: pieces of text called tokens, and no reason for ending.

use serde_json::{Map, Value, json};

use super::{Work, batches, exception};
use crate::reply;
use crate::script::Script;
use crate::validate::{Call, Choice, Facts};
use crate::vendor::Flavor;

/// Tokens of an answer when the input does not say.
const TOKENS: u64 = 100;

/// What the server's sampling parameters may be; others raise an exception.
const SAMPLING: &[&str] = &[
    "n",
    "best_of",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "stop_token_ids",
    "bad_words",
    "ignore_eos",
    "max_tokens",
    "min_tokens",
    "logprobs",
    "prompt_logprobs",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "include_stop_str_in_output",
    "truncate_prompt_tokens",
    "length_penalty",
];

pub(super) fn work(
    input: &Map<String, Value>,
    models: &[String],
    script: &Script,
) -> Result<Work, String> {
    let empty = Map::new();
    let sampling = input.get("sampling_params").and_then(Value::as_object);
    let sampling = sampling.unwrap_or(&empty);
    if let Some(name) = sampling
        .keys()
        .find(|name| !SAMPLING.contains(&name.as_str()))
    {
        let message = format!("Unexpected keyword argument '{name}'");
        return Err(exception("TypeError", &message));
    }
    let limit = sampling.get("max_tokens").and_then(Value::as_u64);
    let facts = facts(input, models)?;
    let said = reply::spoken(Flavor::Vllm, Call::Completions, &facts, script, &[]);
    let limit = usize::try_from(limit.unwrap_or(TOKENS)).unwrap_or(usize::MAX);
    let pieces = said.pieces.get(..limit).unwrap_or(&said.pieces);
    let one = |tokens: Value, output: usize| {
        json!({
            "choices": [{"tokens": tokens}],
            "usage": {"input": facts.prompt_tokens, "output": output}
        })
    };
    if !facts.stream {
        return Ok(Work::yielded(vec![one(
            json!([pieces.concat()]),
            pieces.len(),
        )]));
    }
    let numbered: Vec<(usize, &String)> = pieces.iter().enumerate().collect();
    let pieces = batches(&numbered, |batch| {
        let texts: Vec<&String> = batch.iter().map(|(_, text)| *text).collect();
        let last = batch.last().map_or(0, |(number, _)| number + 1);
        one(json!(texts), last)
    });
    Ok(Work::yielded(pieces))
}

/// The conversation or the prompt; contents are texts, nothing else is looked at.
fn facts(input: &Map<String, Value>, models: &[String]) -> Result<Facts, String> {
    let text = match (input.get("messages"), input.get("prompt")) {
        (Some(Value::Array(messages)), _) => {
            let texts = messages
                .iter()
                .map(|message| message.get("content")?.as_str());
            let texts: Option<Vec<&str>> = texts.collect();
            texts.map(|texts| texts.join("\n"))
        }
        (_, Some(Value::String(prompt))) => Some(prompt.clone()),
        _ => None,
    };
    let Some(text) = text else {
        return Err(exception("ValueError", "messages or prompt must be text"));
    };
    Ok(Facts {
        model: models.first().cloned().unwrap_or_default(),
        stream: input
            .get("stream")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        n: 1,
        inputs: 1,
        prompt_tokens: u64::try_from(text.len().div_ceil(4)).unwrap_or(u64::MAX),
        user_text: Some(text),
        choice: Choice::None,
        ..Facts::default()
    })
}
