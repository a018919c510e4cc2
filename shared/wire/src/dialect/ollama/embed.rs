//! `POST /api/embed`: the request, and its reply as OpenAI's list.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::line::count;
use super::options::{KeepAlive, Target};
use super::request::to_json;
use crate::dialect::openai::{ReplyFault, UpstreamError, put_vector};
use crate::hub::Refusal;
use crate::object;
use crate::usage::Usage;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a RawValue,
    /// Always `false`: left to itself the server cuts what does not fit without a word,
    /// and the vector is one of another text.
    truncate: bool,
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
        truncate: false,
        dimensions,
        keep_alive: target.keep_alive(),
        options: target.num_ctx.map(|num_ctx| Options { num_ctx }),
    })
}

/// The length in bytes of the longest text of an `input`; 0 of one that
/// [`write_embed`] refuses.
#[must_use]
pub fn longest_input(input: &str) -> usize {
    let length = |raw: &str| serde_json::from_str::<String>(raw).map_or(0, |text| text.len());
    let list = serde_json::from_str::<Vec<&RawValue>>(input);
    list.map_or_else(
        |_| length(input),
        |list| {
            let lengths = list.into_iter().map(|raw| length(raw.get()));
            lengths.max().unwrap_or(0)
        },
    )
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
    let reply: Reply<'_> = object::read(body).map_err(not_json)?;
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
            put_vector(&numbers, &mut out);
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    const TARGET: Target<'_> = Target {
        model: "nomic-embed-text",
        num_ctx: None,
        keep_alive: None,
        thinks: None,
        takes_tools: None,
    };

    const MODEL: Bytes = Bytes::from_static(b"\"virtual\"");

    #[test]
    fn texts_go_as_they_are() {
        for (input, dimensions, num_ctx, expected) in [
            (
                r#" "a\u00e9" "#,
                None,
                None,
                r#"{"model":"nomic-embed-text","input":"a\u00e9","truncate":false}"#,
            ),
            (
                r#"["a","b"]"#,
                Some(256),
                Some(8192),
                r#"{"model":"nomic-embed-text","input":["a","b"],"truncate":false,"dimensions":256,"options":{"num_ctx":8192}}"#,
            ),
        ] {
            let target = Target { num_ctx, ..TARGET };
            let body = write_embed(input, dimensions, &target).unwrap();
            assert_eq!(body, expected.as_bytes());
        }
    }

    #[test]
    fn the_longest_text_is_measured_as_the_server_reads_it() {
        for (input, longest) in [
            (r#""abcd""#, 4),
            (r#""\u00e9""#, 2),
            (r#"["a","abc",""]"#, 3),
            ("[]", 0),
            ("[[1,2]]", 0),
            ("7", 0),
        ] {
            assert_eq!(longest_input(input), longest, "{input}");
        }
    }

    #[test]
    fn token_numbers_are_refused() {
        for input in [
            "[1,2]",
            "[[1,2],[3]]",
            r#"["a",1]"#,
            "1",
            "{}",
            "null",
            "",
            "\"a",
        ] {
            let refusal = write_embed(input, None, &TARGET).unwrap_err();
            assert_eq!(refusal.param, "input", "{input}");
        }
    }

    #[test]
    fn vectors_become_the_list_of_openai() {
        let reply = include_bytes!("../../../cases/ollama/embed.json");
        let floats = read_embeddings(reply, &MODEL, false).unwrap();
        let expected = include_bytes!("../../../cases/ollama/embed-openai.json");
        assert_eq!(floats.body, expected.trim_ascii());
        assert_eq!(floats.usage.unwrap().prompt_tokens, 5);

        let coded = read_embeddings(reply, &MODEL, true).unwrap();
        let expected = include_bytes!("../../../cases/ollama/embed-openai-base64.json");
        assert_eq!(coded.body, expected.trim_ascii());
        assert_eq!(coded.usage, floats.usage);
    }

    #[test]
    fn nothing_counted_is_no_usage() {
        let reply = read_embeddings(br#"{"embeddings":[]}"#, &MODEL, false).unwrap();
        assert_eq!(reply.usage, None);
        assert_eq!(
            reply.body,
            &br#"{"object":"list","data":[],"model":"virtual","usage":{"prompt_tokens":0,"total_tokens":0}}"#[..]
        );
    }

    #[test]
    fn what_holds_no_vectors_is_a_fault() {
        for body in [
            "",
            "<html>",
            "{}",
            "[]",
            "null",
            r#"{"embeddings":null}"#,
            r#"{"embeddings":[1]}"#,
            r#"{"embeddings":[["a"]]}"#,
            r#"{"embeddings":[[null]]}"#,
        ] {
            for base64 in [false, true] {
                let fault = read_embeddings(body.as_bytes(), &MODEL, base64).unwrap_err();
                assert!(matches!(fault, ReplyFault::NotJson(_)), "{body}: {fault}");
            }
        }
        let fault = read_embeddings(br#"{"error":"no such model"}"#, &MODEL, false).unwrap_err();
        let ReplyFault::Error(error) = fault else {
            unreachable!("an error inside a success");
        };
        assert_eq!(error.message.as_deref(), Some("no such model"));
    }
}
