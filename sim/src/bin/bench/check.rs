//! What a right reply looks like: exactly that of the simulated upstream, or, from a peer
//! that writes replies anew, one with the right text.

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;

use crate::dialect::Dialect;
use crate::scan;
use crate::scenario::event_text;

/// How the text of a whole reply ends.
const LAST_WORDS: &str = "end of answer.";

/// What a caller expects of every reply.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// The right text with this model's name and usage, and no event beside those that an
    /// upstream of this dialect accounts for.
    Exact(Dialect, &'static str),
    /// The right text in as many events as were sent. The members around it, their order,
    /// the model's name and events without text are the peer's affair.
    Text,
}

/// Refuse a chat reply that is not the one asked for.
pub(crate) fn check_chat(body: &[u8], expected: Expected) -> Result<()> {
    let reply: serde_json::Value = serde_json::from_slice(body).context("not JSON")?;
    ensure!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .is_some_and(|text| text.ends_with(LAST_WORDS)),
        "wrong content"
    );
    if let Expected::Exact(_, model) = expected {
        ensure!(reply["model"] == model, "wrong model {}", reply["model"]);
        ensure!(reply["usage"]["total_tokens"] == 148, "wrong usage");
    }
    Ok(())
}

/// Follows a stream and refuses it at the first event that is not the right one.
#[derive(Clone)]
pub(crate) struct EventCheck {
    manner: Manner,
    partial: Vec<u8>,
    events: usize,
    done: bool,
}

#[derive(Clone)]
enum Manner {
    Exact {
        /// The member that names the model.
        model: Vec<u8>,
        /// What comes next of a translated stream.
        translated: Option<Part>,
    },
    Text,
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
    /// Expect a stream from its beginning.
    pub(crate) fn new(expected: Expected) -> Self {
        let manner = match expected {
            Expected::Exact(dialect, model) => Manner::Exact {
                model: format!("\"model\":\"{model}\"").into_bytes(),
                translated: (dialect != Dialect::OpenAi).then_some(Part::Role),
            },
            Expected::Text => Manner::Text,
        };
        EventCheck {
            manner,
            partial: Vec::new(),
            events: 0,
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
        if let Manner::Exact { translated, .. } = self.manner {
            ensure!(
                translated.is_none_or(|part| part == Part::Done),
                "nothing says that the answer is complete"
            );
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b":") {
            return Ok(());
        }
        let data = line
            .strip_prefix(b"data: ")
            .with_context(|| format!("not a data line: {}", String::from_utf8_lossy(line)))?;
        ensure!(!self.done, "data after [DONE]");
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let has_text = match &mut self.manner {
            Manner::Exact { model, translated } => exact(data, model, translated, self.events)?,
            Manner::Text => some_text(data, self.events)?,
        };
        self.events += usize::from(has_text);
        Ok(())
    }
}

/// Whether an event is that with the next text; refuses one that is nothing expected.
fn exact(data: &[u8], model: &[u8], next: &mut Option<Part>, index: usize) -> Result<bool> {
    let (has_text, member) = match *next {
        Some(Part::Role) => {
            *next = Some(Part::Texts);
            (false, "{\"role\":\"assistant\",\"content\":\"\"".to_owned())
        }
        Some(Part::Texts) if memmem::find(data, b"\"delta\":{}").is_some() => {
            *next = Some(Part::Done);
            (false, "\"finish_reason\":\"stop\"".to_owned())
        }
        Some(Part::Done) => bail!("an event after the finish"),
        Some(Part::Texts) | None => (true, format!("\"content\":\"{}\"", event_text(index))),
    };
    ensure!(
        memmem::find(data, member.as_bytes()).is_some() && memmem::find(data, model).is_some(),
        "after {index} events with text, this one is wrong: {}",
        String::from_utf8_lossy(data)
    );
    Ok(has_text)
}

/// Whether an event has text; refuses one whose text is not the next.
fn some_text(data: &[u8], index: usize) -> Result<bool> {
    let found = scan::text(data, "content").unwrap_or_default();
    ensure!(
        found.is_empty() || found == event_text(index).as_bytes(),
        "after {index} events with text, this one is wrong: {}",
        String::from_utf8_lossy(data)
    );
    Ok(!found.is_empty())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const EXACT: Expected = Expected::Exact(Dialect::OpenAi, "m");

    fn event(index: usize, model: &str) -> String {
        format!(
            "data: {{\"model\":\"{model}\",\"delta\":{{\"content\":\"{}\"}}}}\n\n",
            event_text(index)
        )
    }

    fn judge(expected: Expected, stream: &[&str], events: usize) -> Result<()> {
        let mut check = EventCheck::new(expected);
        check.push(stream.concat().as_bytes())?;
        check.end(events)
    }

    #[test]
    fn a_right_stream_passes_however_it_is_split() {
        let stream = event(0, "m") + &event(1, "m") + "data: [DONE]\n\n";
        for expected in [EXACT, Expected::Text] {
            for cut in 0..stream.len() {
                let mut check = EventCheck::new(expected);
                let (before, after) = stream.as_bytes().split_at(cut);
                let seen = check.push(before).unwrap() + check.push(after).unwrap();
                assert_eq!(seen, 2, "cut at {cut}");
                check.end(2).unwrap();
            }
        }
    }

    #[test]
    fn a_translated_stream_has_its_role_and_its_finish() {
        let role =
            "data: {\"model\":\"m\",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}\n\n";
        let finish = "data: {\"model\":\"m\",\"delta\":{},\"finish_reason\":\"stop\"}\n\n";
        let text = event(0, "m");
        let done = "data: [DONE]\n\n";
        let judge = |stream: &[&str]| judge(Expected::Exact(Dialect::Ollama, "m"), stream, 1);
        judge(&[role, &text, finish, done]).unwrap();
        assert!(judge(&[&text, finish, done]).is_err());
        assert!(judge(&[role, &text, done]).is_err());
        assert!(judge(&[role, finish, &text, done]).is_err());
        assert!(judge(&[role, &text, &finish.replace("\"m\"", "\"n\""), done]).is_err());
    }

    #[test]
    fn a_wrong_stream_is_refused() {
        let mut check = EventCheck::new(EXACT);
        assert!(check.push(event(0, "other").as_bytes()).is_err());
        for expected in [EXACT, Expected::Text] {
            let mut check = EventCheck::new(expected);
            assert!(check.push(event(1, "m").as_bytes()).is_err());
            let mut check = EventCheck::new(expected);
            check.push(event(0, "m").as_bytes()).unwrap();
            assert!(check.end(1).is_err(), "no [DONE]");
            check.push(b"data: [DONE]\n\n").unwrap();
            assert!(check.end(2).is_err(), "an event is missing");
            assert!(check.push(event(1, "m").as_bytes()).is_err());
        }
    }

    #[test]
    fn a_peer_may_say_the_same_in_other_words() {
        let role = "data: {\"delta\": {\"content\": \"\", \"role\": \"assistant\"}}\n\n";
        let text =
            "data: {\"choices\": [{\"delta\": {\"content\": \" word0000\"}}], \"id\": 1}\n\n";
        let usage = "data: {\"choices\": [], \"usage\": {\"total_tokens\": 148}}\n\n";
        let done = "data: [DONE]\n\n";
        let judge = |expected, stream: &[&str]| judge(expected, stream, 1);
        for stream in [
            [role, text, usage, done].as_slice(),
            &[": kept alive\n\n", text, done],
        ] {
            judge(Expected::Text, stream).unwrap();
            assert!(judge(EXACT, stream).is_err());
        }
        assert!(judge(Expected::Text, &[role, usage, done]).is_err());
        assert!(judge(Expected::Text, &[text, text, done]).is_err());
        assert!(judge(Expected::Text, &["{\"error\":\"no\"}\n", done]).is_err());
    }

    #[test]
    fn a_peers_chat_reply_needs_the_text_alone() {
        let reply = |text: &str| {
            format!(
                "{{\"model\": \"n\", \"choices\": [{{\"message\": {{\"content\": \"{text}\"}}}}]}}"
            )
        };
        check_chat(reply("the end of answer.").as_bytes(), Expected::Text).unwrap();
        assert!(check_chat(reply("the end of answer.").as_bytes(), EXACT).is_err());
        assert!(check_chat(reply("the end of").as_bytes(), Expected::Text).is_err());
    }
}
