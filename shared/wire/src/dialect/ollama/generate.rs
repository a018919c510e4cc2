//! A text to go on with as the body of `POST /api/generate`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::options::{KeepAlive, Options, Target, format};
use super::request::to_json;
use crate::hub::{Refusal, ResponseFormat, Sampling, ToolNames, Written};

/// A completion of one text.
#[derive(Clone, Copy, Debug)]
pub struct Generate<'a> {
    /// The text to go on with.
    pub prompt: &'a str,
    /// What follows the gap to fill.
    pub suffix: Option<&'a str>,
    /// Base64 of pictures.
    pub images: &'a [String],
    /// How tokens are chosen.
    pub sampling: &'a Sampling,
    /// Longest completion in tokens.
    pub max_tokens: Option<u64>,
    /// Texts that end the completion.
    pub stop: &'a [String],
    /// Whether the upstream is to stream.
    pub stream: bool,
    /// The form of the completion.
    pub format: &'a ResponseFormat,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    images: &'a [String],
    stream: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    raw: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<KeepAlive<'a>>,
    options: Options<'a>,
}

/// Writes `generate` for `target`.
///
/// The prompt is continued as it stands, without the model's chat template, unless
/// there is a suffix or a picture: those have their places only in the template.
///
/// # Errors
/// When there is no prompt, or a schema is no JSON.
pub fn write_generate(generate: &Generate<'_>, target: &Target<'_>) -> Result<Written, Refusal> {
    let suffix = generate.suffix.filter(|suffix| !suffix.is_empty());
    if generate.prompt.is_empty() {
        // The server would load the model and answer nothing.
        return Err(Refusal::field("prompt", "must not be empty"));
    }
    let body = Body {
        model: target.model,
        prompt: generate.prompt,
        suffix,
        images: generate.images,
        stream: generate.stream,
        raw: suffix.is_none() && generate.images.is_empty(),
        // A completion has no place for reasoning.
        think: (target.thinks != Some(false)).then_some(false),
        format: format(generate.format)?,
        keep_alive: target.keep_alive(),
        options: Options::new(
            target,
            generate.sampling,
            generate.max_tokens,
            generate.stop,
        ),
    };
    Ok(Written {
        body: to_json(&body)?,
        notes: Vec::new(),
        names: ToolNames::default(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    const TARGET: Target<'_> = Target {
        model: "qwen3",
        num_ctx: Some(4096),
        keep_alive: Some("5m"),
        thinks: None,
        takes_tools: None,
    };

    fn body(generate: &Generate<'_>, target: &Target<'_>) -> String {
        let written = write_generate(generate, target).unwrap();
        String::from_utf8(written.body.to_vec()).unwrap()
    }

    #[test]
    fn a_prompt_goes_as_it_stands_unless_a_template_has_to_place_it() {
        let sampling = Sampling {
            seed: Some(7.into()),
            ..Sampling::default()
        };
        let plain = Generate {
            prompt: "Once \"upon\"",
            suffix: None,
            images: &[],
            sampling: &sampling,
            max_tokens: Some(16),
            stop: &["\n".to_owned()],
            stream: false,
            format: &ResponseFormat::Text,
        };
        let options = r#""options":{"num_ctx":4096,"num_predict":16,"temperature":1,"top_p":1,"seed":7,"stop":["\n"]}"#;
        assert_eq!(
            body(&plain, &TARGET),
            format!(
                r#"{{"model":"qwen3","prompt":"Once \"upon\"","stream":false,"raw":true,"think":false,"keep_alive":"5m",{options}}}"#
            )
        );
        let thoughtless = Target {
            thinks: Some(false),
            ..TARGET
        };
        let middle = Generate {
            suffix: Some("end"),
            stream: true,
            format: &ResponseFormat::JsonObject,
            ..plain
        };
        assert_eq!(
            body(&middle, &thoughtless),
            format!(
                r#"{{"model":"qwen3","prompt":"Once \"upon\"","suffix":"end","stream":true,"format":"json","keep_alive":"5m",{options}}}"#
            )
        );
        let images = ["AAAA".to_owned()];
        let seen = Generate {
            images: &images,
            suffix: Some(""),
            ..plain
        };
        assert_eq!(
            body(&seen, &TARGET),
            format!(
                r#"{{"model":"qwen3","prompt":"Once \"upon\"","images":["AAAA"],"stream":false,"think":false,"keep_alive":"5m",{options}}}"#
            )
        );
    }

    #[test]
    fn no_prompt_is_no_completion() {
        let empty = Generate {
            prompt: "",
            suffix: Some("end"),
            images: &[],
            sampling: &Sampling::default(),
            max_tokens: None,
            stop: &[],
            stream: false,
            format: &ResponseFormat::Text,
        };
        assert_eq!(write_generate(&empty, &TARGET).unwrap_err().param, "prompt");
    }
}
