//! The case files of usage: whole replies and streams in the vendors' form, through the
//! readers that a call goes through.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use super::Usage;
use crate::dialect::ollama::read_embeddings;
use crate::dialect::openai::{Reply, StreamEditor};
use crate::dialect::runpod::{Envelope, StreamPage};
use crate::hub::{Answer, Event};
use crate::outbound::Dialect;
use crate::translation::{StreamFrom, WholeFrom, read_whole};

/// A file a vendor. A line with a `case` begins one and says what it is and what usage
/// comes of it: members that are not named are 0, a cost that is not named is unknown.
/// The lines behind it are the answer: an object is an event in the form's framing, a
/// text is a line as it is.
const FILES: [(&str, &str); 16] = [
    (
        "anthropic",
        include_str!("../../cases/usage/anthropic.jsonl"),
    ),
    (
        "deepinfra",
        include_str!("../../cases/usage/deepinfra.jsonl"),
    ),
    ("deepseek", include_str!("../../cases/usage/deepseek.jsonl")),
    ("gemini", include_str!("../../cases/usage/gemini.jsonl")),
    ("groq", include_str!("../../cases/usage/groq.jsonl")),
    ("mistral", include_str!("../../cases/usage/mistral.jsonl")),
    ("objects", include_str!("../../cases/usage/objects.jsonl")),
    ("ollama", include_str!("../../cases/usage/ollama.jsonl")),
    ("openai", include_str!("../../cases/usage/openai.jsonl")),
    (
        "openrouter",
        include_str!("../../cases/usage/openrouter.jsonl"),
    ),
    (
        "openwebui",
        include_str!("../../cases/usage/openwebui.jsonl"),
    ),
    ("relayed", include_str!("../../cases/usage/relayed.jsonl")),
    ("runpod", include_str!("../../cases/usage/runpod.jsonl")),
    ("together", include_str!("../../cases/usage/together.jsonl")),
    ("vllm", include_str!("../../cases/usage/vllm.jsonl")),
    ("xai", include_str!("../../cases/usage/xai.jsonl")),
];

/// What a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Form {
    #[serde(rename = "usage object")]
    Object,
    #[serde(rename = "openai stream")]
    OpenAiStream,
    #[serde(rename = "openai reply")]
    OpenAiReply,
    #[serde(rename = "openai embeddings")]
    OpenAiEmbeddings,
    #[serde(rename = "anthropic stream")]
    AnthropicStream,
    #[serde(rename = "anthropic reply")]
    AnthropicReply,
    #[serde(rename = "ollama stream")]
    OllamaStream,
    #[serde(rename = "ollama reply")]
    OllamaReply,
    #[serde(rename = "ollama embeddings")]
    OllamaEmbeddings,
    /// Answers to `/stream/{id}`.
    #[serde(rename = "job pages")]
    JobPages,
    /// The last answer to `/status/{id}`.
    #[serde(rename = "job status")]
    JobStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    case: String,
    form: Form,
    usage: Option<Expected>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    cached_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    reasoning_tokens: u64,
    cached_completion_tokens: u64,
    audio_prompt_tokens: u64,
    audio_completion_tokens: u64,
    image_prompt_tokens: u64,
    image_completion_tokens: u64,
    cost: Option<u64>,
}

/// One answer and what it spent.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) usage: Option<Usage>,
    pub(super) lines: Vec<&'static str>,
}

impl From<Expected> for Usage {
    fn from(is: Expected) -> Self {
        Self {
            prompt_tokens: is.prompt_tokens,
            completion_tokens: is.completion_tokens,
            total_tokens: is.total_tokens,
            cached_tokens: is.cached_tokens,
            cache_write_tokens: is.cache_write_tokens,
            cache_write_1h_tokens: is.cache_write_1h_tokens,
            reasoning_tokens: is.reasoning_tokens,
            cached_completion_tokens: is.cached_completion_tokens,
            audio_prompt_tokens: is.audio_prompt_tokens,
            audio_completion_tokens: is.audio_completion_tokens,
            image_prompt_tokens: is.image_prompt_tokens,
            image_completion_tokens: is.image_completion_tokens,
            cost: is.cost,
            ..Self::default()
        }
    }
}

/// Every case of every file.
pub(super) fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (file, text) in FILES {
        for line in text.lines().filter(|line| !line.is_empty()) {
            if line.starts_with("{\"case\"") {
                let head: Head = serde_json::from_str(line).unwrap();
                cases.push(Case {
                    name: format!("{file}: {}", head.case),
                    form: head.form,
                    usage: head.usage.map(Usage::from),
                    lines: Vec::new(),
                });
            } else {
                cases.last_mut().unwrap().lines.push(line);
            }
        }
    }
    cases
}

impl Case {
    /// The answer's bytes as they come from the vendor.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.framed(&self.lines)
    }

    /// `lines` in the framing of the case's form.
    pub(super) fn framed(&self, lines: &[&str]) -> Vec<u8> {
        let mut out = String::new();
        for line in lines {
            if line.starts_with('"') {
                out.push_str(&serde_json::from_str::<String>(line).unwrap());
                out.push_str("\n\n");
                continue;
            }
            match self.form {
                Form::OpenAiStream => out.push_str(&format!("data: {line}\n\n")),
                Form::AnthropicStream => {
                    let data: serde_json::Value = serde_json::from_str(line).unwrap();
                    let kind = data["type"].as_str().unwrap();
                    out.push_str(&format!("event: {kind}\ndata: {line}\n\n"));
                }
                Form::OllamaStream => out.push_str(&format!("{line}\n")),
                Form::Object
                | Form::OpenAiReply
                | Form::OpenAiEmbeddings
                | Form::AnthropicReply
                | Form::OllamaReply
                | Form::OllamaEmbeddings
                | Form::JobPages
                | Form::JobStatus => out.push_str(line),
            }
        }
        out.into_bytes()
    }

    /// The reader of its streams, if it is one.
    pub(super) fn stream(&self) -> Option<StreamFrom> {
        let dialect = match self.form {
            Form::OpenAiStream => Dialect::OpenAi,
            Form::AnthropicStream => Dialect::Anthropic,
            Form::OllamaStream => Dialect::Ollama,
            Form::JobPages => Dialect::Job { max_tokens: None },
            Form::Object
            | Form::OpenAiReply
            | Form::OpenAiEmbeddings
            | Form::AnthropicReply
            | Form::OllamaReply
            | Form::OllamaEmbeddings
            | Form::JobStatus => return None,
        };
        Some(dialect.stream())
    }

    /// The outputs of a job.
    pub(super) fn outputs(&self) -> Vec<&'static str> {
        let pages = self.lines.iter().map(|line| {
            let page = StreamPage::read(line.as_bytes()).unwrap();
            page.chunks
        });
        pages.flatten().collect()
    }

    /// Every usage that its readers tell, by reader, the last word last.
    pub(super) fn told(&self) -> Vec<(&'static str, Vec<Usage>)> {
        let bytes = self.bytes();
        let whole = |from: WholeFrom, body: &[u8]| told_by(|each| read_whole(from, body, each));
        let edited = |body: &[u8]| {
            let body = Bytes::copy_from_slice(body);
            let model = Bytes::from_static(b"\"virtual\"");
            Vec::from_iter(Reply::read(&body, &model).unwrap().usage)
        };
        match self.form {
            Form::Object => {
                let text = std::str::from_utf8(&bytes).unwrap();
                vec![("object", Vec::from_iter(Usage::read(text)))]
            }
            Form::OpenAiReply => vec![
                ("reader", whole(WholeFrom::OpenAi, &bytes)),
                ("editor", edited(&bytes)),
            ],
            Form::OpenAiEmbeddings => vec![("editor", edited(&bytes))],
            Form::AnthropicReply => vec![("reader", whole(WholeFrom::Anthropic, &bytes))],
            Form::OllamaReply => vec![("reader", whole(WholeFrom::Ollama, &bytes))],
            Form::OllamaEmbeddings => {
                let model = Bytes::from_static(b"\"virtual\"");
                let reply = read_embeddings(&bytes, &model, false).unwrap();
                vec![("reader", Vec::from_iter(reply.usage))]
            }
            Form::JobStatus => {
                let envelope = Envelope::read(&bytes).unwrap();
                let output = envelope.output.unwrap();
                let job = WholeFrom::Job { max_tokens: None };
                vec![("reader", whole(job, output.as_bytes()))]
            }
            Form::JobPages => {
                let outputs = self.outputs();
                let outputs: Vec<&[u8]> = outputs.iter().map(|text| text.as_bytes()).collect();
                vec![("reader", self.streamed(&outputs))]
            }
            Form::OpenAiStream => vec![
                ("reader", self.streamed(&[&bytes])),
                ("editor", Vec::from_iter(edited_stream(&[&bytes], false))),
                ("hiding", Vec::from_iter(edited_stream(&[&bytes], true))),
            ],
            Form::AnthropicStream | Form::OllamaStream => {
                vec![("reader", self.streamed(&[&bytes]))]
            }
        }
    }

    /// What the stream's reader tells of `pieces`. The stream is complete.
    pub(super) fn streamed(&self, pieces: &[&[u8]]) -> Vec<Usage> {
        let mut from = self.stream().unwrap();
        let mut answer = Answer::default();
        let told = told_by(|each| {
            let mut each = |event: Event<'_>| {
                answer.add(&event);
                each(event);
            };
            for piece in pieces {
                from.push(piece, &mut each);
            }
            from.finish(true, &mut each);
        });
        assert_eq!(answer.end, Some(Ok(())), "{}", self.name);
        told
    }
}

fn told_by(read: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> Vec<Usage> {
    let mut told = Vec::new();
    read(&mut |event| {
        if let Event::Usage(usage) = event {
            told.push(usage);
        }
    });
    told
}

/// What the editor makes of the pieces of a stream.
pub(super) fn edited_stream(pieces: &[&[u8]], hide: bool) -> Option<Usage> {
    let mut editor = StreamEditor::new(Bytes::from_static(b"\"virtual\""), hide);
    let mut out = BytesMut::new();
    for piece in pieces {
        editor.push(piece, &mut out);
    }
    editor.finish(true, &mut out);
    editor.usage()
}

#[test]
fn every_vendors_usage_is_what_it_declares() {
    let cases = all();
    for case in &cases {
        for (reader, told) in case.told() {
            let last = told.last().copied();
            assert_eq!(last, case.usage, "{}, {reader}", case.name);
        }
    }
    assert!(cases.len() > 80, "the case files are read");
}
