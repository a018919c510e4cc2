//! A caller's request of `/api/generate` for a text that is gone on with as it stands, or into
//! which a gap is filled, as OpenAI's completions have it: there is no chat in it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Number;

use crate::dialect::openai::{BadRequest, LeftOut, Place};
use crate::hub::{Chat, ResponseFormat};

/// Longest completion in tokens when the caller says none: OpenAI's own 16 would be too few
/// for callers of a server that goes on to its end.
const DEFAULT_LIMIT: u64 = 2048;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<&'a str>,
    stream: bool,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
}

/// The request in OpenAI's form: `prompt`, and what follows the gap; `chat` has the settings.
/// What the form has no place for is noted in `left_out`.
///
/// # Errors
/// Never: what is written was read before.
pub(super) fn form(
    model: &str,
    (prompt, suffix): (&str, Option<&str>),
    chat: &Chat,
    left_out: &mut LeftOut,
) -> Result<Bytes, BadRequest> {
    let sampling = &chat.sampling;
    for (is_there, field) in [
        (chat.response_format != ResponseFormat::Text, "format"),
        (chat.effort.is_some(), "think"),
    ] {
        if is_there {
            left_out.add(&Place::Body, field);
        }
    }
    let options = Place::Member(&Place::Body, "options");
    for (value, field) in [
        (&sampling.top_k, "top_k"),
        (&sampling.min_p, "min_p"),
        (&sampling.repetition_penalty, "repeat_penalty"),
    ] {
        if value.is_some() {
            left_out.add(&options, field);
        }
    }
    let body = serde_json::to_vec(&Body {
        model,
        prompt,
        suffix,
        stream: chat.stream,
        max_tokens: chat.max_tokens.unwrap_or(DEFAULT_LIMIT),
        temperature: sampling.temperature.as_ref(),
        top_p: sampling.top_p.as_ref(),
        seed: sampling.seed.as_ref(),
        frequency_penalty: sampling.frequency_penalty.as_ref(),
        presence_penalty: sampling.presence_penalty.as_ref(),
        stop: &chat.stop,
    });
    body.map(Bytes::from).map_err(|err| BadRequest {
        param: None,
        message: format!("the request cannot be written: {err}"),
    })
}
