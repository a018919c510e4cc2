//! What each dialect looks like on the wire: who is let in, and the pieces of a
//! stream, framed and ready to be written.
//!
//! What always holds: a stream has one text event for each event asked for, with the
//! same text in every dialect, so that what differs between them is the dialect.

use crate::dialect::Dialect;
use crate::http::Head;
use crate::scenario::{ACTUAL_MODEL, UPSTREAM_KEY, event_text};

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

impl Dialect {
    /// The dialect whose chat a request's first line names.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let line = head.first_line();
        Self::ALL
            .into_iter()
            .find(|dialect| line.starts_with(dialect.chat_line().as_bytes()))
    }

    /// Whether the request carries the key in the way that the vendor wants it.
    pub(super) fn lets_in(self, head: &Head) -> bool {
        match self {
            Self::OpenAi | Self::Ollama => {
                let key = format!("Bearer {UPSTREAM_KEY}");
                head.field("authorization") == Some(key.as_bytes())
            }
            Self::Anthropic => {
                head.field("x-api-key") == Some(UPSTREAM_KEY.as_bytes())
                    && head.field("anthropic-version") == Some(b"2023-06-01")
            }
        }
    }

    fn chat_line(self) -> &'static str {
        match self {
            Self::OpenAi => "POST /v1/chat/completions ",
            Self::Anthropic => "POST /v1/messages ",
            Self::Ollama => "POST /api/chat ",
        }
    }

    /// The head of a stream, and the events that come before its first text.
    pub(super) fn stream_start(self) -> Vec<u8> {
        let kind = match self {
            Self::OpenAi | Self::Anthropic => EVENT_STREAM,
            Self::Ollama => "application/x-ndjson",
        };
        let mut start = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-cache\r\n\
             X-Request-Id: req-bench\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes();
        if self == Self::Anthropic {
            let message = format!(
                "{{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_bench0123456789\",\
                 \"type\":\"message\",\"role\":\"assistant\",\"model\":\"{ACTUAL_MODEL}\",\
                 \"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{\
                 \"input_tokens\":36,\"cache_creation_input_tokens\":0,\
                 \"cache_read_input_tokens\":64,\"output_tokens\":1}}}}}}"
            );
            start.extend(named("message_start", &message));
            start.extend(named(
                "content_block_start",
                "{\"type\":\"content_block_start\",\"index\":0,\
                 \"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
            ));
            start.extend(named("ping", "{\"type\":\"ping\"}"));
        }
        start
    }

    /// One text event in a chunk of its own. OpenAI's is of about 200 bytes, and its
    /// last one says why the answer ends.
    pub(super) fn event(self, index: usize, events: usize) -> Vec<u8> {
        let text = event_text(index);
        match self {
            Self::OpenAi => {
                let role = if index == 0 {
                    "\"role\":\"assistant\","
                } else {
                    ""
                };
                let finish = if index + 1 == events {
                    "\"stop\""
                } else {
                    "null"
                };
                chunk(&format!(
                    "data: {{\"id\":\"chatcmpl-bench0123456789\",\
                     \"object\":\"chat.completion.chunk\",\"created\":1700000000,\
                     \"model\":\"{ACTUAL_MODEL}\",\"choices\":[{{\"index\":0,\
                     \"delta\":{{{role}\"content\":\"{text}\"}},\"logprobs\":null,\
                     \"finish_reason\":{finish}}}]}}\n\n"
                ))
            }
            Self::Anthropic => named(
                "content_block_delta",
                &format!(
                    "{{\"type\":\"content_block_delta\",\"index\":0,\
                     \"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}"
                ),
            ),
            Self::Ollama => chunk(&format!(
                "{{\"model\":\"{ACTUAL_MODEL}\",\"created_at\":\"2026-08-21T10:00:00.123456789Z\",\
                 \"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"done\":false}}\n"
            )),
        }
    }

    /// What comes after the last text, to the end of the reply.
    pub(super) fn stream_end(self) -> Vec<u8> {
        let mut end = match self {
            Self::OpenAi => chunk("data: [DONE]\n\n"),
            Self::Anthropic => [
                named(
                    "content_block_stop",
                    "{\"type\":\"content_block_stop\",\"index\":0}",
                ),
                named(
                    "message_delta",
                    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\
                     \"stop_sequence\":null},\"usage\":{\"output_tokens\":48}}",
                ),
                named("message_stop", "{\"type\":\"message_stop\"}"),
            ]
            .concat(),
            Self::Ollama => chunk(&format!(
                "{{\"model\":\"{ACTUAL_MODEL}\",\"created_at\":\"2026-08-21T10:00:02.123456789Z\",\
                 \"message\":{{\"role\":\"assistant\",\"content\":\"\"}},\"done\":true,\
                 \"done_reason\":\"stop\",\"total_duration\":2000000000,\
                 \"load_duration\":20000000,\"prompt_eval_count\":100,\
                 \"prompt_eval_duration\":80000000,\"eval_count\":48,\
                 \"eval_duration\":1900000000}}\n"
            )),
        };
        end.extend_from_slice(b"0\r\n\r\n");
        end
    }
}

/// What a server says of itself, by the request's first line: Ollama's of its model, and
/// what routers in front of inference servers ask before they send anything.
pub(super) fn about_server(head: &Head) -> Option<String> {
    let line = head.first_line();
    if line.starts_with(b"POST /api/show ") {
        Some(
            "{\"details\":{\"format\":\"gguf\",\"family\":\"llama\"},\"model_info\":{\
             \"general.architecture\":\"llama\",\"llama.context_length\":131072},\
             \"capabilities\":[\"completion\",\"tools\"]}"
                .to_owned(),
        )
    } else if line.starts_with(b"GET /api/ps ") {
        Some(format!(
            "{{\"models\":[{{\"name\":\"{ACTUAL_MODEL}:latest\",\
             \"model\":\"{ACTUAL_MODEL}:latest\",\"size\":2000000000,\
             \"expires_at\":\"2026-08-21T10:05:00Z\",\"context_length\":4096}}]}}"
        ))
    } else if line.starts_with(b"GET /v1/models ") {
        Some(format!(
            "{{\"object\":\"list\",\"data\":[{{\"id\":\"{ACTUAL_MODEL}\",\"object\":\"model\",\
             \"created\":1700000000,\"owned_by\":\"bench\"}}]}}"
        ))
    } else if line.starts_with(b"GET /health ") {
        Some("{}".to_owned())
    } else {
        None
    }
}

/// A chunk of HTTP's chunked coding.
pub(super) fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// An event with its name, as Anthropic sends them.
fn named(name: &str, data: &str) -> Vec<u8> {
    chunk(&format!("event: {name}\ndata: {data}\n\n"))
}
