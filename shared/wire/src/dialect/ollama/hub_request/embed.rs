//! A caller's request for vectors as OpenAI's embeddings have it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::settings;
use super::{Loading, model};
use crate::dialect::ollama::OllamaCall;
use crate::dialect::openai::{BadRequest, Fields, LeftOut};

/// What a caller asks for.
#[derive(Debug)]
pub struct EmbedRequest {
    /// The model as the caller names it.
    pub model: String,
    /// The request in OpenAI's form, or what a request without a text does.
    pub wants: Result<Bytes, Loading>,
    /// What has no place in that form.
    pub left_out: Vec<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
}

/// Reads the body of a request of `/api/embed`, or of the older `/api/embeddings`, as
/// `call` says. The texts stay as they are written.
///
/// # Errors
/// When it is not a JSON object, names no model, or a field that is read has the wrong
/// type.
pub fn read_embed(call: OllamaCall, body: &[u8]) -> Result<EmbedRequest, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let model = model(&mut fields)?;
    let field = match call {
        OllamaCall::Embeddings => "prompt",
        OllamaCall::Embed | OllamaCall::Chat | OllamaCall::Generate => "input",
    };
    let input = fields.take(field)?;
    let dimensions = fields.whole("dimensions")?.filter(|most| *most > 0);
    let unloads = settings::keep_alive(&mut fields, &mut left_out)?;
    let input = match input {
        Some(raw) if is_wrong(call, raw) => return Err(fields.wrong(field, wrong(call))),
        Some(raw) if matches!(raw.get(), "\"\"" | "[]") => None,
        other => other,
    };
    fields.leave(&mut left_out);
    let wants = match input {
        Some(input) => {
            let body = serde_json::to_vec(&Body {
                model: &model,
                input,
                dimensions,
            });
            Ok(body.map(Bytes::from).map_err(|err| BadRequest {
                param: None,
                message: format!("the request body is not valid JSON: {err}"),
            })?)
        }
        None if unloads => Err(Loading::Unload),
        None => Err(Loading::Load),
    };
    Ok(EmbedRequest {
        model,
        wants,
        left_out: left_out.into_places(),
    })
}

/// Whether `raw` is neither a text nor, where that is taken, a list.
fn is_wrong(call: OllamaCall, raw: &RawValue) -> bool {
    match raw.get().as_bytes().first() {
        Some(b'"') => false,
        Some(b'[') => call == OllamaCall::Embeddings,
        Some(_) | None => true,
    }
}

fn wrong(call: OllamaCall) -> &'static str {
    match call {
        OllamaCall::Embeddings => "must be a text",
        OllamaCall::Embed | OllamaCall::Chat | OllamaCall::Generate => {
            "must be a text or a list of texts"
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn texts_come_into_the_form_of_openai() {
        for (call, body, expected) in [
            (
                OllamaCall::Embed,
                r#"{"model":"m","input":["a\u00e9","b"],"truncate":true}"#,
                Ok(r#"{"model":"m","input":["a\u00e9","b"]}"#),
            ),
            (
                OllamaCall::Embed,
                r#"{"name":"m","input":"a","dimensions":8,"options":{"num_ctx":9}}"#,
                Ok(r#"{"model":"m","input":"a","dimensions":8}"#),
            ),
            (
                OllamaCall::Embeddings,
                r#"{"model":"m","prompt":"a"}"#,
                Ok(r#"{"model":"m","input":"a"}"#),
            ),
            (OllamaCall::Embed, r#"{"model":"m"}"#, Err(Loading::Load)),
            (
                OllamaCall::Embed,
                r#"{"model":"m","input":[],"keep_alive":0}"#,
                Err(Loading::Unload),
            ),
            (
                OllamaCall::Embeddings,
                r#"{"model":"m","prompt":""}"#,
                Err(Loading::Load),
            ),
        ] {
            let read = read_embed(call, body.as_bytes()).unwrap();
            assert_eq!(read.model, "m", "{body}");
            let wants = read
                .wants
                .map(|form| String::from_utf8(form.to_vec()).unwrap());
            assert_eq!(wants, expected.map(str::to_owned), "{body}");
        }
    }

    #[test]
    fn what_openai_has_no_place_for_is_named() {
        let body = br#"{"model":"m","input":"a","truncate":false,"keep_alive":"5m"}"#;
        let read = read_embed(OllamaCall::Embed, body).unwrap();
        assert_eq!(read.left_out, ["keep_alive", "truncate"]);
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_name() {
        for (call, body, param) in [
            (OllamaCall::Embed, r#"{"input":"a"}"#, Some("model")),
            (
                OllamaCall::Embed,
                r#"{"model":"m","input":7}"#,
                Some("input"),
            ),
            (
                OllamaCall::Embeddings,
                r#"{"model":"m","prompt":["a"]}"#,
                Some("prompt"),
            ),
            (OllamaCall::Embed, "[]", None),
            (OllamaCall::Embed, "", None),
        ] {
            let bad = read_embed(call, body.as_bytes()).unwrap_err();
            assert_eq!(bad.param.as_deref(), param, "{body}");
        }
    }
}
