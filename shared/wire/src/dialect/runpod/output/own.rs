//! An answer in a form that tells neither its id nor why it ended.

use std::borrow::Cow;

use super::shape::Object;
use crate::hub::{Event, Finish};
use crate::usage::Usage;

/// More answers than any worker gives.
const MOST_CHOICES: u32 = 128;

#[derive(Debug, Default)]
pub(super) struct Own {
    is_started: bool,
    /// One more than the highest number of a choice.
    choices: u32,
    usage: Option<Usage>,
    /// The worker said that it ran into the limit.
    is_cut: bool,
}

impl Own {
    /// The choice occurs.
    pub(super) fn seen(&mut self, choice: u32) {
        self.choices = self.choices.max(choice.min(MOST_CHOICES) + 1);
    }

    pub(super) fn text(&mut self, choice: u32, text: &str, each: &mut dyn FnMut(Event<'_>)) {
        self.start(each);
        self.seen(choice);
        if !text.is_empty() {
            each(Event::Text {
                choice: choice.min(MOST_CHOICES),
                text: Cow::Borrowed(text),
            });
        }
    }

    /// Takes what a chunk says beside its text. Counts are those of the whole answer
    /// so far.
    pub(super) fn usage(&mut self, object: &Object<'_>, each: &mut dyn FnMut(Event<'_>)) {
        self.start(each);
        self.is_cut |= object.is_cut();
        let usage = object.usage().filter(|usage| Some(*usage) != self.usage);
        if let Some(usage) = usage {
            self.usage = Some(usage);
            each(Event::Usage(usage));
        }
    }

    /// The answer is complete: because the model stopped, unless it put out as many
    /// tokens as it was allowed.
    pub(super) fn finish(&mut self, max_tokens: Option<u64>, each: &mut dyn FnMut(Event<'_>)) {
        self.start(each);
        self.seen(0);
        let allowed = max_tokens.map(|most| most.saturating_mul(self.choices.into()));
        let put_out = self.usage.map(|usage| usage.completion_tokens);
        let is_full = matches!((put_out, allowed), (Some(put_out), Some(most)) if put_out >= most);
        let reason = if self.is_cut || is_full {
            Finish::Length
        } else {
            Finish::Stop
        };
        for choice in 0..self.choices {
            each(Event::Finish { choice, reason });
        }
        each(Event::End);
    }

    fn start(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.is_started, true) {
            each(Event::Start {
                id: Cow::Borrowed(""),
                model: Cow::Borrowed(""),
                created: None,
            });
        }
    }
}
