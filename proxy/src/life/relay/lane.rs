//! The two ways of a stream: edited, when the upstream speaks the caller's dialect,
//! or translated.

use bytes::{Bytes, BytesMut};
use wire::dialect::openai::{End, ErrorBody, StreamEditor};
use wire::dialect::{anthropic, responses};
use wire::hub::Thinking;
use wire::inbound::CallerDialect;
use wire::normaliser::Normaliser;
use wire::usage::Usage;

use super::Timed;

/// One stream's way.
#[expect(
    clippy::large_enum_variant,
    reason = "an edited stream is the usual one and is not to cost an allocation"
)]
pub(in super::super) enum Lane {
    Edited(StreamEditor),
    /// Between two that speak Anthropic's messages.
    Messages(Box<anthropic::StreamEditor>),
    /// Between two that speak Responses.
    Responses(Box<responses::Watcher>),
    Translated(Box<Timed>),
}

impl Lane {
    /// Takes upstream bytes and appends what the caller gets to `out`.
    pub(in super::super) fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        match self {
            Self::Edited(editor) => editor.push(bytes, out),
            Self::Messages(editor) => editor.push(bytes, out),
            Self::Responses(watcher) => watcher.push(bytes, out),
            Self::Translated(timed) => timed.push(bytes, out),
        }
    }

    /// The upstream's bytes have ended; see [`StreamEditor::finish`]. Again it only
    /// says how.
    pub(in super::super) fn finish(&mut self, cleanly: bool, out: &mut BytesMut) -> End {
        match self {
            Self::Edited(editor) => editor.finish(cleanly, out),
            Self::Messages(editor) => editor.finish(cleanly, out),
            Self::Responses(watcher) => watcher.finish(cleanly, out),
            Self::Translated(timed) => timed.finish(cleanly, out),
        }
    }

    /// Appends what keeps the caller's stream alive while the upstream is silent.
    pub(in super::super) fn keep_alive(&mut self, out: &mut BytesMut) {
        match self {
            Self::Edited(_) | Self::Responses(_) => {
                out.extend_from_slice(CallerDialect::OpenAiChat.company());
            }
            Self::Messages(editor) => editor.keep_alive(out),
            Self::Translated(timed) => timed.translation.keep_alive(out),
        }
    }

    /// The end of a broken stream, where the dialect's goes on with what was told before;
    /// `None` where an error stands for itself.
    pub(in super::super) fn fail(&mut self, error: &ErrorBody) -> Option<Bytes> {
        match self {
            Self::Edited(_) | Self::Messages(_) => None,
            Self::Responses(watcher) => {
                let mut out = BytesMut::new();
                watcher.fail(error, &mut out);
                Some(out.freeze())
            }
            Self::Translated(timed) => timed.translation.fail(error),
        }
    }

    /// The response that a caller of Responses was told, once the answer is complete.
    pub(in super::super) fn take_response(&mut self) -> Option<Bytes> {
        match self {
            Self::Edited(_) | Self::Messages(_) => None,
            Self::Responses(watcher) => watcher.take_response(),
            Self::Translated(timed) => timed.translation.take_response(),
        }
    }

    /// The end, once it is known.
    pub(in super::super) fn end(&self) -> Option<&End> {
        match self {
            Self::Edited(editor) => editor.end(),
            Self::Messages(editor) => editor.end(),
            Self::Responses(watcher) => watcher.end(),
            Self::Translated(timed) => timed.translation.end(),
        }
    }

    /// Whether the answer is complete: what may still come is usage and the mark of the
    /// end.
    pub(in super::super) fn is_finished(&self) -> bool {
        match self {
            Self::Edited(editor) => editor.is_finished(),
            Self::Messages(editor) => editor.is_finished(),
            Self::Responses(watcher) => watcher.end().is_some(),
            Self::Translated(timed) => timed.translation.is_finished(),
        }
    }

    /// The last usage that the upstream declared.
    pub(in super::super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Edited(editor) => editor.usage(),
            Self::Messages(editor) => editor.usage(),
            Self::Responses(watcher) => watcher.usage(),
            Self::Translated(timed) => timed.translation.usage(),
        }
    }

    /// Bytes of text, reasoning and tool calls so far; 0 before the first meaningful
    /// event.
    pub(in super::super) fn answer_bytes(&self) -> u64 {
        match self {
            Self::Edited(editor) => editor.answer_bytes(),
            Self::Messages(editor) => editor.answer_bytes(),
            Self::Responses(watcher) => watcher.answer_bytes(),
            Self::Translated(timed) => timed.translation.answer_bytes(),
        }
    }

    /// The signed reasoning before each tool call, to be kept for the next turn.
    pub(in super::super) fn take_thinking(&mut self) -> Vec<(String, Vec<Thinking>)> {
        match self {
            Self::Edited(_) | Self::Responses(_) => Vec::new(),
            Self::Messages(editor) => editor.take_thinking(),
            Self::Translated(timed) => timed.translation.take_thinking(),
        }
    }

    /// The proofs that its caller was given without whose they are.
    pub(in super::super) fn take_proofs(&mut self) -> Vec<String> {
        match self {
            Self::Edited(_) => Vec::new(),
            Self::Responses(watcher) => watcher.take_proofs(),
            Self::Messages(editor) => editor.take_proofs(),
            Self::Translated(timed) => timed.translation.take_proofs(),
        }
    }

    /// What was made of the answer's text, where something was looked for.
    pub(in super::super) fn normaliser(&self) -> Option<&Normaliser> {
        match self {
            Self::Edited(editor) => editor.normaliser(),
            Self::Messages(_) => None,
            Self::Responses(watcher) => watcher.normaliser(),
            Self::Translated(timed) => timed.translation.normaliser(),
        }
    }

    /// Whether the answer is complete with nothing in it, and nothing says why.
    pub(in super::super) fn is_empty(&self) -> bool {
        let caused = match self {
            Self::Edited(editor) => editor.says_why(),
            Self::Messages(editor) => editor.says_why(),
            Self::Responses(watcher) => watcher.says_why(),
            Self::Translated(timed) => timed.translation.says_why(),
        };
        matches!(self.end(), Some(End::Complete)) && self.answer_bytes() == 0 && !caused
    }
}
