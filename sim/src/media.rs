//! Pictures, sound, moderations and rankings: calls whose bodies are forms or whose answers
//! are not words.
//!
//! Bodies are checked as strictly as chats are; what a file in a form was is told in the
//! answer (its length and [`digest`]), so that a caller can see that every byte arrived.

mod answer;
mod form;

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::reply::{self, Reply};
use crate::script::Script;
use crate::vendor::refusal::{self, Refusal};
use crate::vendor::{Flavor, Voice};
use form::Part;

/// One of these calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Generation,
    Edit,
    Variation,
    Speech,
    Transcription,
    Translation,
    Moderation,
    Rerank,
}

impl Media {
    /// What stands behind the vendor's base path, if the vendor has it.
    pub(crate) fn route(flavor: Flavor, path: &str) -> Option<Media> {
        let media = match path {
            "/images/generations" => Media::Generation,
            "/images/edits" => Media::Edit,
            "/images/variations" => Media::Variation,
            "/audio/speech" => Media::Speech,
            "/audio/transcriptions" => Media::Transcription,
            "/audio/translations" => Media::Translation,
            "/moderations" => Media::Moderation,
            "/rerank" => Media::Rerank,
            _ => return None,
        };
        let has = match flavor {
            Flavor::OpenAi => media != Media::Rerank,
            Flavor::Vllm => matches!(
                media,
                Media::Transcription | Media::Translation | Media::Rerank
            ),
            Flavor::Together => {
                !matches!(media, Media::Edit | Media::Variation | Media::Moderation)
            }
            Flavor::DeepInfra => !matches!(media, Media::Moderation | Media::Rerank),
            Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => false,
        };
        has.then_some(media)
    }

    fn is_form(self) -> bool {
        match self {
            Media::Edit | Media::Variation | Media::Transcription | Media::Translation => true,
            Media::Generation | Media::Speech | Media::Moderation | Media::Rerank => false,
        }
    }

    /// The fields that must be there, and those that may be besides.
    fn fields(self) -> (&'static [&'static str], &'static [&'static str]) {
        const PICTURE: &[&str] = &[
            "n",
            "size",
            "quality",
            "response_format",
            "user",
            "background",
            "output_format",
            "output_compression",
            "moderation",
            "style",
            "stream",
            "partial_images",
            "input_fidelity",
            "mask",
        ];
        match self {
            Media::Generation => (&["model", "prompt"], PICTURE),
            Media::Edit => (&["model", "prompt", "image"], PICTURE),
            Media::Variation => (&["model", "image"], PICTURE),
            Media::Speech => (
                &["model", "input", "voice"],
                &["response_format", "speed", "instructions", "stream_format"],
            ),
            Media::Transcription => (
                &["model", "file"],
                &[
                    "language",
                    "prompt",
                    "response_format",
                    "temperature",
                    "stream",
                    "include",
                    "timestamp_granularities",
                    "chunking_strategy",
                ],
            ),
            Media::Translation => (
                &["model", "file"],
                &["prompt", "response_format", "temperature"],
            ),
            Media::Moderation => (&["model", "input"], &[]),
            Media::Rerank => (
                &["model", "query", "documents"],
                &["top_n", "return_documents", "max_tokens_per_doc"],
            ),
        }
    }
}

/// What an answer depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    fields: Map<String, Value>,
    files: Vec<Part>,
}

impl Asked {
    fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or("")
    }

    fn is_set(&self, name: &str) -> bool {
        self.text(name) == "true" || self.fields.get(name) == Some(&Value::Bool(true))
    }
}

/// A number for these bytes: FNV-1a of 64 bits, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// The reply to one of these calls.
pub(crate) fn reply(
    media: Media,
    voice: Voice,
    models: &[String],
    headers: &HeaderMap,
    script: &Script,
    body: &[u8],
) -> Reply {
    let asked = match check(media, voice.flavor, models, headers, body) {
        Ok(asked) => asked,
        Err(refusal) => return reply::refused(voice, &refusal),
    };
    if script.status.is_some_and(|status| status >= 300) && script.error_after.is_none() {
        return reply::scripted_error(voice, script);
    }
    answer::answer(media, voice.flavor, &asked, script)
}

fn check(
    media: Media,
    flavor: Flavor,
    models: &[String],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Asked, Refusal> {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let mut asked = Asked::default();
    if media.is_form() {
        for part in form::parts(kind, body)? {
            // Lists are sent as `name[]`.
            let name = part
                .name
                .strip_suffix("[]")
                .unwrap_or(&part.name)
                .to_owned();
            let is_list = name != part.name;
            let is_file = matches!(name.as_str(), "file" | "image" | "mask");
            if is_file != part.file_name.is_some() {
                let message = format!("'{name}' must be a file, and only files are.");
                return Err(Refusal::field(&name, None, message));
            }
            let value = if is_file {
                Value::Null
            } else {
                let text = String::from_utf8(part.value.to_vec());
                let text = text.map_err(|_| Refusal::field(&name, None, "is no text"))?;
                Value::from(text)
            };
            if asked.fields.insert(name.clone(), value).is_some() && !is_list {
                return Err(Refusal::field(
                    &name,
                    None,
                    format!("'{name}' comes twice."),
                ));
            }
            if is_file {
                asked.files.push(part);
            }
        }
    } else {
        if !kind.starts_with("application/json") {
            let message = format!("Unsupported content type: '{kind}'.");
            return Err(Refusal::new(400, message));
        }
        asked.fields = serde_json::from_slice(body).map_err(|error| {
            Refusal::new(400, format!("We could not parse the JSON body: {error}"))
        })?;
    }
    let (required, more) = media.fields();
    for name in required {
        if !asked.fields.contains_key(*name) {
            let message = format!("Missing required parameter: '{name}'.");
            let code = Some("missing_required_parameter");
            return Err(Refusal::field(name, code, message));
        }
    }
    let known = |name: &&String| required.contains(&name.as_str()) || more.contains(&name.as_str());
    if let Some(name) = asked.fields.keys().find(|name| !known(name)) {
        let message = format!("Unknown parameter: '{name}'.");
        return Err(Refusal::field(name, Some("unknown_parameter"), message));
    }
    for name in ["prompt", "input", "voice", "query"] {
        let is_list = name == "input" && media == Media::Moderation;
        if let Some(value) = asked.fields.get(name)
            && !(value.is_string() || (is_list && value.is_array()))
        {
            return Err(Refusal::field(name, None, format!("'{name}' is no text.")));
        }
    }
    let documents = asked.fields.get("documents");
    if documents.is_some_and(|list| list.as_array().is_none_or(Vec::is_empty)) {
        let message = "'documents' must be a list with something in it.";
        return Err(Refusal::field("documents", None, message));
    }
    let model = asked.text("model");
    if models.iter().any(|known| known == model) {
        Ok(asked)
    } else {
        Err(refusal::no_such_model(flavor, model))
    }
}
