//! What is measured: the scenarios, and the requests they are made of.
//!
//! The kind of reply travels at the beginning of the prompt, so it reaches the
//! simulated upstream through anything that forwards or translates a request
//! faithfully.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use memchr::memmem;

use crate::dialect::Dialect;

/// The model's name at the upstream.
pub(crate) const ACTUAL_MODEL: &str = "bench-actual-model";
/// The key that the upstream insists on.
pub(crate) const UPSTREAM_KEY: &str = "sk-bench-0123456789abcdef";
/// The events of one burst, the closing `[DONE]` not counted.
pub(crate) const BURST_EVENTS: usize = 100;
/// The gap between the events of a paced stream.
pub(crate) const GAP: Duration = Duration::from_millis(20);

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Small chats, not streamed, over 32 keep-alive connections.
    Chat,
    /// Streams whose 100 events arrive together, over 32 connections.
    Burst,
    /// The same from an upstream that speaks Anthropic's dialect.
    Anthropic,
    /// The same from an upstream that speaks Ollama's dialect.
    Ollama,
    /// 500 streams at once, an event every 20 ms in each.
    Paced,
    /// The same from an upstream that speaks Anthropic's dialect.
    AnthropicPaced,
    /// The same from an upstream that speaks Ollama's dialect.
    OllamaPaced,
    /// Conversations of 200 KB with a small reply, over 8 connections.
    Conversation,
    /// Prompts of 2 MB with a small reply, over 4 connections.
    Prompt,
    /// Time to the first event of a stream, one stream at a time.
    First,
    /// 5,000 streams held open: resident memory of each.
    Hold,
}

impl Scenario {
    /// What the report calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Scenario::Chat => "Small chat, 32 connections",
            Scenario::Burst => "Stream of 100 events that arrive together, 32 connections",
            Scenario::Anthropic => "Stream of 100 events, translated from Anthropic's",
            Scenario::Ollama => "Stream of 100 events, translated from Ollama's",
            Scenario::Paced => "Paced streams, 20 ms gaps, 500 at once",
            Scenario::AnthropicPaced => "Paced streams, translated from Anthropic's",
            Scenario::OllamaPaced => "Paced streams, translated from Ollama's",
            Scenario::Conversation => "200 KB prompt, a conversation, 8 connections",
            Scenario::Prompt => "2 MB prompt, one text, 4 connections",
            Scenario::First => "First event, one stream at a time",
            Scenario::Hold => "Streams held open",
        }
    }

    /// What the upstream speaks; the caller speaks OpenAI's dialect always.
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Scenario::Chat
            | Scenario::Burst
            | Scenario::Paced
            | Scenario::Conversation
            | Scenario::Prompt
            | Scenario::First
            | Scenario::Hold => Dialect::OpenAi,
            Scenario::Anthropic | Scenario::AnthropicPaced => Dialect::Anthropic,
            Scenario::Ollama | Scenario::OllamaPaced => Dialect::Ollama,
        }
    }

    /// Of a translated stream, the same stream in the caller's own dialect: what its
    /// cost is compared with. Only the gateway translates.
    pub(crate) fn untranslated(self) -> Option<Scenario> {
        match self {
            Scenario::Anthropic | Scenario::Ollama => Some(Scenario::Burst),
            Scenario::AnthropicPaced | Scenario::OllamaPaced => Some(Scenario::Paced),
            Scenario::Chat
            | Scenario::Burst
            | Scenario::Paced
            | Scenario::Conversation
            | Scenario::Prompt
            | Scenario::First
            | Scenario::Hold => None,
        }
    }

    /// Whether the upstream leaves a gap between the events.
    pub(crate) fn is_paced(self) -> bool {
        matches!(self.untranslated().unwrap_or(self), Scenario::Paced)
    }

    /// Whether the cost is that of an event; otherwise it is that of a request.
    pub(crate) fn is_by_event(self) -> bool {
        self.is_paced() || matches!(self.untranslated().unwrap_or(self), Scenario::Burst)
    }

    /// The highest CPU cost that the gateway aims at: of a translated stream as a
    /// multiple of the untranslated one, otherwise as a multiple of bare Pingora.
    pub(crate) fn goal(self) -> Option<f64> {
        match self {
            Scenario::Chat | Scenario::Paced | Scenario::Prompt => Some(1.3),
            Scenario::Burst => Some(0.7),
            Scenario::Anthropic
            | Scenario::Ollama
            | Scenario::AnthropicPaced
            | Scenario::OllamaPaced => Some(3.0),
            Scenario::Conversation | Scenario::First | Scenario::Hold => None,
        }
    }

    /// Connections at once; those of the open streams are chosen on the command line.
    pub(crate) fn connections(self) -> usize {
        match self {
            Scenario::Chat | Scenario::Burst | Scenario::Anthropic | Scenario::Ollama => 32,
            Scenario::Paced | Scenario::AnthropicPaced | Scenario::OllamaPaced => 500,
            Scenario::Conversation => 8,
            Scenario::Prompt => 4,
            Scenario::First => 1,
            Scenario::Hold => 64,
        }
    }

    /// The prompt of every request.
    pub(crate) fn prompt(self) -> Prompt {
        match self {
            Scenario::Conversation => Prompt::Conversation(200_000),
            Scenario::Prompt => Prompt::Text(2_000_000),
            Scenario::Chat
            | Scenario::Burst
            | Scenario::Anthropic
            | Scenario::Ollama
            | Scenario::Paced
            | Scenario::AnthropicPaced
            | Scenario::OllamaPaced
            | Scenario::First
            | Scenario::Hold => Prompt::SMALL,
        }
    }

    /// The reply that every request asks for; a paced stream goes on for `time`.
    pub(crate) fn reply(self, time: Duration) -> Reply {
        match self {
            Scenario::Chat | Scenario::Conversation | Scenario::Prompt => Reply::Chat,
            Scenario::Burst | Scenario::Anthropic | Scenario::Ollama => Reply::Burst(BURST_EVENTS),
            Scenario::First => Reply::Burst(3),
            Scenario::Paced | Scenario::AnthropicPaced | Scenario::OllamaPaced => {
                Reply::Paced((time.as_millis() / GAP.as_millis()) as usize)
            }
            Scenario::Hold => Reply::Hold,
        }
    }
}

/// The reply that a request asks the upstream for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// One JSON chat completion.
    Chat,
    /// So many events, all written together.
    Burst(usize),
    /// So many events with 20 ms between them.
    Paced(usize),
    /// The first event, then one every 30 s until the client goes away.
    Hold,
}

impl Reply {
    /// How the prompt spells it.
    pub(crate) fn marker(self) -> String {
        match self {
            Reply::Chat => "bench-chat".to_owned(),
            Reply::Burst(events) => format!("bench-burst-{events}"),
            Reply::Paced(events) => format!("bench-paced-{events}"),
            Reply::Hold => "bench-hold".to_owned(),
        }
    }

    /// Find the marker in a request's body.
    pub(crate) fn find(body: &[u8]) -> Result<Self> {
        let start =
            memmem::find(body, b"\"[bench-").context("no benchmark marker in the prompt")?;
        let rest = &body[start + 2..];
        let end = memchr::memchr(b']', rest).context("the marker has no end")?;
        let marker = std::str::from_utf8(&rest[..end])?;
        let mut parts = marker.splitn(3, '-').skip(1);
        let kind = parts.next().unwrap_or_default();
        let count = parts.next().map(str::parse::<usize>).transpose()?;
        match (kind, count) {
            ("chat", None) => Ok(Reply::Chat),
            ("burst", Some(events)) => Ok(Reply::Burst(events)),
            ("paced", Some(events)) => Ok(Reply::Paced(events)),
            ("hold", None) => Ok(Reply::Hold),
            _ => bail!("unknown benchmark marker {marker:?}"),
        }
    }

    fn streams(self) -> bool {
        self != Reply::Chat
    }
}

/// What a request says to the model, in bytes of text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Prompt {
    /// One text.
    Text(usize),
    /// Short questions and long answers in turn.
    Conversation(usize),
}

impl Prompt {
    /// That of a small call.
    pub(crate) const SMALL: Self = Prompt::Text(400);

    fn bytes(self) -> usize {
        match self {
            Prompt::Text(bytes) | Prompt::Conversation(bytes) => bytes,
        }
    }

    /// The messages after the system's, the first of which begins with the marker.
    fn messages(self, reply: Reply) -> String {
        const QUESTION: usize = 200;
        const ANSWER: usize = 1_800;
        let sizes: Vec<usize> = match self {
            Prompt::Text(bytes) => vec![bytes],
            Prompt::Conversation(bytes) => [QUESTION, ANSWER]
                .into_iter()
                .cycle()
                .take(bytes.div_ceil(QUESTION + ANSWER) * 2 - 1)
                .collect(),
        };
        let messages = sizes.into_iter().enumerate().map(|(index, size)| {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            let start = if index == 0 {
                format!("[{}] ", reply.marker())
            } else {
                String::new()
            };
            format!(
                "{{\"role\":\"{role}\",\"content\":\"{}\"}}",
                filled(start, size)
            )
        });
        messages.collect::<Vec<_>>().join(",")
    }
}

/// Fill a text up with words to this many bytes.
fn filled(mut text: String, bytes: usize) -> String {
    const SENTENCE: &str = "Compare the two drafts and list what changed, briefly. ";
    let rest = bytes.saturating_sub(text.len());
    text.extend(SENTENCE.chars().cycle().take(rest));
    text
}

/// One whole request as bytes: `model` as this target's clients call it, and `fields` what
/// they send beside a provider's header fields, each line with its end.
pub(crate) fn request(model: &str, reply: Reply, prompt: Prompt, fields: &str) -> Vec<u8> {
    let body = format!(
        "{{\"user\":\"bench-caller\",\"metadata\":{{\"bytes\":\"{}\"}},\"model\":\"{model}\",\
         \"stream\":{},\"temperature\":0.2,\"max_tokens\":256,\"messages\":[{{\"role\":\"system\",\
         \"content\":\"You are a careful assistant.\"}},{}]}}",
        prompt.bytes(),
        reply.streams(),
        prompt.messages(reply),
    );
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\n\
         Authorization: Bearer {UPSTREAM_KEY}\r\nContent-Type: application/json\r\n\
         Accept: */*\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The text of event `index`, unique within its stream.
pub(crate) fn event_text(index: usize) -> String {
    format!(" word{index:04}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_reply_is_found_again_in_its_request() {
        for reply in [Reply::Chat, Reply::Burst(3), Reply::Paced(40), Reply::Hold] {
            for prompt in [Prompt::SMALL, Prompt::Conversation(200_000)] {
                let request = request("m", reply, prompt, "");
                assert_eq!(Reply::find(&request).unwrap(), reply);
            }
        }
        assert!(Reply::find(b"{\"content\":\"words\"}").is_err());
        assert!(Reply::find(b"{\"content\":\"[bench-unknown]\"}").is_err());
    }

    #[test]
    fn a_conversation_has_turns_and_is_as_long_as_it_says() {
        let request = request("m", Reply::Chat, Prompt::Conversation(200_000), "A: b\r\n");
        let text = std::str::from_utf8(&request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nA: b\r\nContent-Length: "), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let messages = body["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 200);
        for (index, message) in messages.iter().enumerate().skip(1) {
            let role = ["assistant", "user"][index % 2];
            assert_eq!(message["role"], role, "message {index}");
        }
        assert!((200_000..210_000).contains(&text.len()), "{}", text.len());
    }
}
