//! Requests to an Ollama server.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::several::with_seed;
use super::{
    AnswerForm, Candidate, Context, Dialect, Inbound, Outbound, Unsaid, read_completion, streams,
};
use crate::dialect::ollama::{self, ContextNeed, Generate, longest_input, prompt_tokens};
use crate::dialect::openai::BadRequest;
use crate::edit::Segments;
use crate::hub::{Chat, Note, ResponseFormat};
use crate::object;
use crate::usage::estimate_tokens;

/// A chat.
pub(super) fn chat(chat: &Chat, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let context = context(prompt_tokens(chat), chat.max_tokens, candidate);
    let written = ollama::write(chat, &target(candidate, Some(context.num_ctx)))?;
    let form = AnswerForm::Chat(Dialect::Ollama);
    Ok(Outbound {
        contexts: vec![context],
        ..Outbound::written(written, form, chat)
    })
}

/// A text completion: one request for each answer to each prompt.
pub(super) fn generate(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let completion = read_completion(inbound, candidate)?;
    let each = completion.requests_each()?;
    let tokens = |prompt: &String| estimate_tokens(prompt.len() as u64);
    // One size for all: with another one the server would load the model anew.
    let longest = completion.prompts.iter().map(tokens).max().unwrap_or(0);
    let max_tokens = completion.max_tokens();
    let context = context(longest, Some(max_tokens), candidate);
    let stream = streams(inbound, candidate).1 && completion.prompts.len() * each == 1;
    let mut out = Outbound::plain(
        Segments::default(),
        AnswerForm::Completion(Dialect::Ollama, completion.echoes(each)),
    );
    out.bodies.clear();
    for prompt in &completion.prompts {
        let request = Generate {
            prompt,
            suffix: completion.suffix.as_deref(),
            images: &[],
            sampling: &completion.sampling,
            max_tokens: Some(max_tokens),
            stop: &completion.stop,
            stream,
            format: &ResponseFormat::Text,
        };
        let written = ollama::write_generate(&request, &target(candidate, Some(context.num_ctx)))?;
        let context = Context {
            prompt_tokens: tokens(prompt),
            ..context
        };
        for answer in 0..each {
            out.bodies.push(with_seed(&written.body, answer));
            out.contexts.push(context);
        }
        out.notes = written.notes;
    }
    let left_out = completion.left_out.iter();
    let why = "an Ollama server has no such field";
    out.notes
        .extend(left_out.map(|field| Note::dropped(field, why)));
    Ok(out)
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(default)]
    dimensions: Option<u32>,
    #[serde(borrow, default)]
    encoding_format: Option<&'a RawValue>,
}

/// Embeddings.
pub(super) fn embed(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let request: Embedding<'_> = object::read(&inbound.body).map_err(|_| {
        Unsaid::Bad(BadRequest {
            param: Some("dimensions".to_owned()),
            message: "'dimensions' must be a whole number".to_owned(),
        })
    })?;
    let base64 = request
        .encoding_format
        .is_some_and(|raw| raw.get() == "\"base64\"");
    let input = request.input.get();
    let estimate = estimate_tokens(longest_input(input) as u64);
    // Too little room is a refusal and not a shorter text, so the estimate is doubled.
    let context = Context {
        cuts: false,
        ..context(estimate, Some(estimate), candidate)
    };
    let target = target(candidate, Some(context.num_ctx));
    let body: Bytes = ollama::write_embed(input, request.dimensions, &target)?;
    Ok(Outbound {
        contexts: vec![context],
        ..Outbound::plain(body.into(), AnswerForm::Embeddings { base64 })
    })
}

fn context(prompt_tokens: u64, max_tokens: Option<u64>, candidate: &Candidate<'_>) -> Context {
    let local = candidate.local;
    let need = ContextNeed {
        prompt_tokens,
        max_tokens,
        model_max: local.longest,
        loaded: local.loaded,
        ceiling: local.ceiling,
    };
    Context {
        num_ctx: need.num_ctx(),
        prompt_tokens,
        cuts: true,
    }
}

fn target<'c>(candidate: &Candidate<'c>, num_ctx: Option<u32>) -> ollama::Target<'c> {
    ollama::Target {
        model: candidate.model,
        num_ctx,
        keep_alive: candidate.keep_alive,
        thinks: candidate.local.thinks,
        takes_tools: candidate.local.takes_tools,
    }
}
