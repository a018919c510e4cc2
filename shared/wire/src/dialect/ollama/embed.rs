//! `POST /api/embed`: the request, and its reply as OpenAI's list.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::base64;
use super::line::count;
use super::options::{KeepAlive, Target};
use super::request::to_json;
use crate::dialect::openai::{ReplyFault, UpstreamError};
use crate::hub::Refusal;
use crate::usage::Usage;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<KeepAlive<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Serialize)]
struct Options {
    num_ctx: u32,
}

/// Writes the request for the vectors of `input`, JSON text of a string or of a list of
/// strings.
///
/// # Errors
/// When the input is anything else: an Ollama server takes no token numbers.
pub fn write_embed(
    input: &str,
    dimensions: Option<u32>,
    target: &Target<'_>,
) -> Result<Bytes, Refusal> {
    let refused = || {
        Refusal::field(
            "input",
            "must be a text or a list of texts: an Ollama server takes no token numbers",
        )
    };
    let input: &RawValue = serde_json::from_str(input).map_err(|_| refused())?;
    let is_text = |raw: &RawValue| raw.get().starts_with('"');
    let texts = || serde_json::from_str::<Vec<&RawValue>>(input.get());
    if !is_text(input) && !texts().is_ok_and(|list| list.into_iter().all(is_text)) {
        return Err(refused());
    }
    to_json(&Body {
        model: target.model,
        input,
        dimensions,
        keep_alive: target.keep_alive(),
        options: target.num_ctx.map(|num_ctx| Options { num_ctx }),
    })
}

/// A reply of `/api/embed` in OpenAI's form.
#[derive(Debug)]
pub struct EmbeddingsReply {
    /// OpenAI's list of embeddings, JSON.
    pub body: Bytes,
    /// What the server counted; `None` when it did not.
    pub usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default)]
    embeddings: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Reads a reply of `/api/embed` into OpenAI's list, with `model` (a JSON string) as
/// its model. The numbers stay as the server wrote them, or become base64 of 32-bit
/// floats, little end first.
///
/// # Errors
/// When the body holds no vectors.
pub fn read_embeddings(
    body: &[u8],
    model: &Bytes,
    base64: bool,
) -> Result<EmbeddingsReply, ReplyFault> {
    let not_json = |err: serde_json::Error| ReplyFault::NotJson(err.to_string());
    if body.trim_ascii().starts_with(b"[") {
        return Err(ReplyFault::NotJson("it is a list".to_owned()));
    }
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(not_json)?;
    if reply.error.is_some() {
        return Err(ReplyFault::Error(UpstreamError::read(body)));
    }
    let Some(vectors) = reply.embeddings else {
        return Err(ReplyFault::NotJson("it has no 'embeddings'".to_owned()));
    };
    let mut out = Vec::with_capacity(body.len() + 64 * (vectors.len() + 2));
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for (index, vector) in vectors.iter().enumerate() {
        // Also where they stay text: what is handed on is a vector.
        let numbers: Vec<f32> = serde_json::from_str(vector.get()).map_err(not_json)?;
        if index > 0 {
            out.push(b',');
        }
        let head = format!(r#"{{"object":"embedding","index":{index},"embedding":"#);
        out.extend_from_slice(head.as_bytes());
        if base64 {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            out.push(b'"');
            base64::encode(&bytes, &mut out);
            out.push(b'"');
        } else {
            out.extend_from_slice(vector.get().as_bytes());
        }
        out.push(b'}');
    }
    let counted = count(reply.prompt_eval_count);
    // The server leaves out a count of zero, and OpenAI's form always has one.
    let tokens = counted.unwrap_or(0);
    out.extend_from_slice(br#"],"model":"#);
    out.extend_from_slice(model);
    let tail = format!(r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#);
    out.extend_from_slice(tail.as_bytes());
    Ok(EmbeddingsReply {
        body: out.into(),
        usage: counted.map(|tokens| Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
            ..Usage::default()
        }),
    })
}
