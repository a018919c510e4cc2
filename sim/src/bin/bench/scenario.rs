//! What is measured: the requests, the replies they ask for, and what a right
//! reply looks like.
//!
//! The kind of reply travels at the beginning of the prompt, so it reaches the
//! simulated upstream through anything that forwards or translates a request
//! faithfully.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use memchr::memmem;

use crate::dialect::Dialect;

/// The model's name at the upstream.
pub(crate) const ACTUAL_MODEL: &str = "bench-actual-model";
/// The key that the upstream insists on.
pub(crate) const UPSTREAM_KEY: &str = "sk-bench-0123456789abcdef";
/// The events of one burst, the closing `[DONE]` not counted.
pub(crate) const BURST_EVENTS: usize = 100;
/// The prompt of [`Scenario::Prompt`], in bytes.
pub(crate) const PROMPT_BYTES: usize = 2_000_000;

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
            Scenario::Prompt => "2 MB prompt, 4 connections",
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
            Scenario::First | Scenario::Hold => None,
        }
    }

    /// Connections at once; those of the open streams are chosen on the command line.
    pub(crate) fn connections(self) -> usize {
        match self {
            Scenario::Chat | Scenario::Burst | Scenario::Anthropic | Scenario::Ollama => 32,
            Scenario::Paced | Scenario::AnthropicPaced | Scenario::OllamaPaced => 500,
            Scenario::Prompt => 4,
            Scenario::First => 1,
            Scenario::Hold => 64,
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

/// One whole request as bytes: `model` as this target's clients call it, and a
/// prompt of `prompt` bytes.
pub(crate) fn request(model: &str, reply: Reply, prompt: usize) -> Vec<u8> {
    const SENTENCE: &str = "Compare the two drafts and list what changed, briefly. ";
    let mut text = format!("[{}] ", reply.marker());
    let rest = prompt.saturating_sub(text.len());
    text.extend(SENTENCE.chars().cycle().take(rest));
    let body = format!(
        "{{\"user\":\"bench-caller\",\"metadata\":{{\"bytes\":\"{prompt}\"}},\"model\":\"{model}\",\
         \"stream\":{},\"temperature\":0.2,\"max_tokens\":256,\"messages\":[{{\"role\":\"system\",\"content\":\"You are a careful \
         assistant.\"}},{{\"role\":\"user\",\"content\":\"{text}\"}}]}}",
        reply.streams(),
    );
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\n\
         Authorization: Bearer {UPSTREAM_KEY}\r\nContent-Type: application/json\r\n\
         Accept: */*\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The text of event `index`, unique within its stream.
pub(crate) fn event_text(index: usize) -> String {
    format!(" word{index:04}")
}

/// Refuse a chat reply that is not the one asked for.
pub(crate) fn check_chat(body: &[u8], model: &str) -> Result<()> {
    let reply: serde_json::Value = serde_json::from_slice(body).context("not JSON")?;
    ensure!(reply["model"] == model, "wrong model {}", reply["model"]);
    ensure!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .is_some_and(|text| text.ends_with("end of answer.")),
        "wrong content"
    );
    ensure!(reply["usage"]["total_tokens"] == 148, "wrong usage");
    Ok(())
}

/// Follows a stream and refuses it at the first event that is not the right one.
#[derive(Clone)]
pub(crate) struct EventCheck {
    model: Vec<u8>,
    partial: Vec<u8>,
    events: usize,
    /// What comes next of a translated stream.
    translated: Option<Part>,
    done: bool,
}

/// A translated stream has events of their own for the role and the finish, where the
/// simulated OpenAI stream has both in its events with text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Role,
    Texts,
    Done,
}

impl EventCheck {
    /// Expect events that carry this model name, from an upstream of OpenAI's dialect.
    pub(crate) fn new(model: &str) -> Self {
        Self::of(Dialect::OpenAi, model)
    }

    /// Expect events that carry this model name, from an upstream of `dialect`.
    pub(crate) fn of(dialect: Dialect, model: &str) -> Self {
        EventCheck {
            model: format!("\"model\":\"{model}\"").into_bytes(),
            partial: Vec::new(),
            events: 0,
            translated: (dialect != Dialect::OpenAi).then_some(Part::Role),
            done: false,
        }
    }

    /// Take the next bytes; the number of events with text they completed.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<usize> {
        let before = self.events;
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            if self.partial.is_empty() {
                self.line(line)?;
            } else {
                self.partial.extend_from_slice(line);
                let line = std::mem::take(&mut self.partial);
                self.line(&line)?;
            }
        }
        self.partial.extend_from_slice(rest);
        Ok(self.events - before)
    }

    /// Refuse a stream that ended without all of its events and `[DONE]`.
    pub(crate) fn end(&self, events: usize) -> Result<()> {
        ensure!(self.events == events, "{} of {events} events", self.events);
        ensure!(self.done, "no [DONE] at the end");
        ensure!(
            self.translated.is_none_or(|part| part == Part::Done),
            "nothing says that the answer is complete"
        );
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b":") {
            return Ok(());
        }
        let data = line.strip_prefix(b"data: ").context("not a data line")?;
        ensure!(!self.done, "data after [DONE]");
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        match self.translated {
            Some(Part::Role) => {
                self.translated = Some(Part::Texts);
                return self.wordless(data, "{\"role\":\"assistant\",\"content\":\"\"");
            }
            Some(Part::Texts) if memmem::find(data, b"\"delta\":{}").is_some() => {
                self.translated = Some(Part::Done);
                return self.wordless(data, "\"finish_reason\":\"stop\"");
            }
            Some(Part::Done) => bail!("an event after the finish"),
            Some(Part::Texts) | None => {}
        }
        let expected = format!("\"content\":\"{}\"", event_text(self.events));
        ensure!(
            memmem::find(data, expected.as_bytes()).is_some()
                && memmem::find(data, &self.model).is_some(),
            "event {} is wrong: {}",
            self.events,
            String::from_utf8_lossy(data)
        );
        self.events += 1;
        Ok(())
    }

    fn wordless(&self, data: &[u8], expected: &str) -> Result<()> {
        ensure!(
            memmem::find(data, expected.as_bytes()).is_some()
                && memmem::find(data, &self.model).is_some(),
            "an event without text is wrong: {}",
            String::from_utf8_lossy(data)
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn event(index: usize, model: &str) -> String {
        format!(
            "data: {{\"model\":\"{model}\",\"delta\":{{\"content\":\"{}\"}}}}\n\n",
            event_text(index)
        )
    }

    #[test]
    fn every_reply_is_found_again_in_its_request() {
        for reply in [Reply::Chat, Reply::Burst(3), Reply::Paced(40), Reply::Hold] {
            assert_eq!(Reply::find(&request("m", reply, 50)).unwrap(), reply);
        }
        assert!(Reply::find(b"{\"content\":\"words\"}").is_err());
        assert!(Reply::find(b"{\"content\":\"[bench-unknown]\"}").is_err());
    }

    #[test]
    fn a_right_stream_passes_however_it_is_split() {
        let stream = event(0, "m") + &event(1, "m") + "data: [DONE]\n\n";
        for cut in 0..stream.len() {
            let mut check = EventCheck::new("m");
            let (before, after) = stream.as_bytes().split_at(cut);
            let seen = check.push(before).unwrap() + check.push(after).unwrap();
            assert_eq!(seen, 2, "cut at {cut}");
            check.end(2).unwrap();
        }
    }

    #[test]
    fn a_translated_stream_has_its_role_and_its_finish() {
        let role =
            "data: {\"model\":\"m\",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}\n\n";
        let finish = "data: {\"model\":\"m\",\"delta\":{},\"finish_reason\":\"stop\"}\n\n";
        let text = event(0, "m");
        let done = "data: [DONE]\n\n";
        let judge = |stream: &[&str]| {
            let mut check = EventCheck::of(Dialect::Ollama, "m");
            assert!(check.push(stream.concat().as_bytes())? <= 1);
            check.end(1)
        };
        judge(&[role, &text, finish, done]).unwrap();
        assert!(judge(&[&text, finish, done]).is_err());
        assert!(judge(&[role, &text, done]).is_err());
        assert!(judge(&[role, finish, &text, done]).is_err());
        assert!(judge(&[role, &text, &finish.replace("\"m\"", "\"n\""), done]).is_err());
    }

    #[test]
    fn a_wrong_stream_is_refused() {
        let mut check = EventCheck::new("m");
        assert!(check.push(event(0, "other").as_bytes()).is_err());
        let mut check = EventCheck::new("m");
        assert!(check.push(event(1, "m").as_bytes()).is_err());
        let mut check = EventCheck::new("m");
        check.push(event(0, "m").as_bytes()).unwrap();
        assert!(check.end(1).is_err(), "no [DONE]");
        check.push(b"data: [DONE]\n\n").unwrap();
        assert!(check.end(2).is_err(), "an event is missing");
        assert!(check.push(event(1, "m").as_bytes()).is_err());
    }
}
