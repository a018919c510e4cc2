//! A translated stream that knows the time: the last line of an answer in Ollama's dialect
//! says how long it took.

use std::time::Instant;

use bytes::BytesMut;
use wire::dialect::ollama::Durations;
use wire::dialect::openai::End;
use wire::translation::Translation;

/// A translation, and when its call began.
pub(in super::super) struct Timed {
    pub(in super::super) translation: Translation,
    started: Instant,
    /// Nanoseconds to the first token.
    first_token: Option<u64>,
}

impl Timed {
    pub(in super::super) fn new(translation: Translation, started: Instant) -> Self {
        Self {
            translation,
            started,
            first_token: None,
        }
    }

    /// Takes upstream bytes and appends what the caller gets to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let now = self.tell();
        self.translation.push(bytes, out);
        if self.first_token.is_none() && self.translation.answer_bytes() > 0 {
            self.first_token = now;
        }
    }

    /// See [`Translation::finish`].
    pub(super) fn finish(&mut self, cleanly: bool, out: &mut BytesMut) -> End {
        self.tell();
        self.translation.finish(cleanly, out)
    }

    /// Tells the time, where it is wanted; nanoseconds since the call began.
    fn tell(&mut self) -> Option<u64> {
        if !self.translation.tells_time() {
            return None;
        }
        let total = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.translation
            .took(Durations::seen(total, self.first_token));
        Some(total)
    }
}
