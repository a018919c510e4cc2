//! How long an answer the model has room for, where its server has told.
//!
//! Coding assistants ask for tens of thousands of tokens whatever the model is. A server that
//! counts them into the context refuses every such request of theirs, however short the
//! conversation. What it says of its room is read from the refusal.

use super::{Candidate, Inbound};
use crate::hub::{Chat, Note};
use crate::provider::Format;
use crate::usage::estimate_prompt;

/// Why a limit is not the caller's.
pub(crate) const CUT: &str = "the model has no room for so long an answer";

/// With less room than this left, in tokens, the conversation itself is too long, which is
/// the server's to say.
const LEAST: u64 = 256;

/// What a refusal says of room, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The context.
    pub context: Option<u64>,
    /// The prompt that was refused.
    pub prompt: Option<u64>,
    /// The longest answer.
    pub answer: Option<u64>,
}

impl Room {
    /// Reads a server's words. Words that speak of something else hold nothing.
    #[must_use]
    pub fn read(words: &str) -> Self {
        let words: String = words
            .chars()
            .filter(|c| !matches!(c, '`' | '\'' | '"' | ','))
            .collect();
        let words = words.to_ascii_lowercase();
        let behind = |marks: &[&str]| marks.iter().find_map(|mark| behind(&words, mark));
        let before = |marks: &[&str]| marks.iter().find_map(|mark| before(&words, mark));
        let (mut context, mut prompt) = (
            behind(&[
                "maximum context length is ",
                "maximum context length of ",
                "context length is only ",
                "available context size (",
                "max_new_tokens must be <= ",
            ]),
            before(&[
                " in the messages",
                " in the prompt",
                " input tokens",
                " tokens from the input messages",
                " inputs tokens and ",
            ])
            .or_else(|| behind(&["request ("])),
        );
        if let Some(at) = words.find("exceed context limit: ") {
            // Three numbers: prompt + answer > context.
            let mut numbers = numbers(&words[at..]);
            prompt = numbers.next();
            context = numbers.nth(1);
        }
        let answer = behind(&[
            "supports at most ",
            "max_tokens must be less than or equal to ",
        ])
        .or_else(|| {
            let at = words.find(" which is the maximum allowed number of output tokens")?;
            numbers(&words[..at]).last()
        });
        Self {
            context,
            prompt: prompt.filter(|_| context.is_some()),
            answer,
        }
    }

    /// Whether a shorter answer would have been possible.
    #[must_use]
    pub fn has_some(&self) -> bool {
        let left = self.context.zip(self.prompt);
        let left = left.map(|(context, prompt)| context.saturating_sub(prompt));
        left.is_some_and(|left| left >= LEAST) || self.answer.is_some()
    }
}

/// The number behind `mark`.
fn behind(words: &str, mark: &str) -> Option<u64> {
    let at = words.find(mark)? + mark.len();
    let rest = &words[at..];
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// The number before `mark`.
fn before(words: &str, mark: &str) -> Option<u64> {
    let head = &words[..words.find(mark)?];
    let begin = head.rfind(|c: char| !c.is_ascii_digit());
    head[begin.map_or(0, |at| at + 1)..].parse().ok()
}

/// All numbers.
fn numbers(words: &str) -> impl Iterator<Item = u64> {
    let each = words.split(|c: char| !c.is_ascii_digit());
    each.filter_map(|digits| digits.parse().ok())
}

/// The longest answer in tokens that there is room for, where the caller, or the virtual
/// model, asks for a longer one and that is known.
pub(super) fn most(inbound: &Inbound, candidate: &Candidate<'_>) -> Option<u64> {
    match candidate.way.format {
        Format::OpenAi | Format::Anthropic => {}
        // Ollama's servers cut the answer themselves, Responses are their server's own, and a
        // job is not refused but fails.
        Format::OllamaChat
        | Format::OllamaGenerate
        | Format::OllamaEmbed
        | Format::Responses
        | Format::RunpodJob => return None,
    }
    let local = &candidate.local;
    if local.longest.is_none() && local.longest_answer.is_none() {
        return None;
    }
    let default = || {
        let default = candidate.defaults.max_tokens.as_ref()?;
        std::str::from_utf8(default).ok()?.parse().ok()
    };
    let asked = inbound.request.max_tokens(&inbound.body);
    let asked = asked.or_else(default)?;
    let left = local.longest.and_then(|longest| {
        let prompt = local.counted.unwrap_or_else(|| {
            let estimate = estimate_prompt(&inbound.body);
            // More rather than less: a refusal costs a request.
            estimate + estimate / 8 + 64
        });
        let left = u64::from(longest).saturating_sub(prompt);
        Some(left).filter(|left| *left >= LEAST)
    });
    let most = [left, local.longest_answer].into_iter().flatten().min()?;
    (asked > most).then_some(most)
}

/// Cuts the answer of `chat` to the room there is; says so when it does.
pub(super) fn cut(chat: &mut Chat, inbound: &Inbound, candidate: &Candidate<'_>) -> Option<Note> {
    let most = most(inbound, candidate)?;
    chat.max_tokens = Some(most);
    Some(Note::adapted("max_tokens", CUT))
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn every_servers_words_are_read() {
        for (words, context, prompt, answer) in [
            (
                "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (1000 in the messages, 4000 in the completion). Please reduce the length of the messages or completion.",
                Some(4096),
                Some(1000),
                None,
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens and your request has 1200 input tokens (32000 > 32768 - 1200).",
                Some(32768),
                Some(1200),
                None,
            ),
            (
                "You passed 31000 input tokens and requested 2000 output tokens. However, the model's context length is only 32768 tokens.",
                Some(32768),
                Some(31000),
                None,
            ),
            (
                "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 9000 tokens: 1000 tokens from the input messages and 8000 tokens for the completion.",
                Some(8192),
                Some(1000),
                None,
            ),
            (
                "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 20 `inputs` tokens and 32000 `max_new_tokens`",
                Some(8193),
                Some(20),
                None,
            ),
            (
                "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
                Some(200_000),
                Some(190_000),
                None,
            ),
            (
                "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.",
                None,
                None,
                Some(16384),
            ),
            (
                "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20241022",
                None,
                None,
                Some(8192),
            ),
            (
                "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model",
                None,
                None,
                Some(8192),
            ),
            (
                "the request exceeds the available context size (2048 tokens), request (3000 tokens)",
                Some(2048),
                Some(3000),
                None,
            ),
            ("You have 3 input tokens left.", None, None, None),
            ("maximum context length is unknown", None, None, None),
            ("", None, None, None),
        ] {
            let expected = Room {
                context,
                prompt,
                answer,
            };
            assert_eq!(Room::read(words), expected, "{words}");
        }
    }

    #[test]
    fn a_conversation_that_is_too_long_itself_has_no_room() {
        let room = |context, prompt, answer| Room {
            context,
            prompt,
            answer,
        };
        assert!(room(Some(4096), Some(1000), None).has_some());
        assert!(room(None, None, Some(1)).has_some());
        assert!(!room(Some(4096), Some(4000), None).has_some());
        assert!(!room(Some(4096), Some(5000), None).has_some());
        assert!(!room(Some(4096), None, None).has_some());
        assert!(!Room::default().has_some());
    }
}
