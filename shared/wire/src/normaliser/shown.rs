//! Whether and how a caller sees what the model thinks.

use crate::hub::Event;

/// What becomes of reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// It is told as reasoning.
    #[default]
    Apart,
    /// It is told as text, between tags.
    Inline,
    /// It is not told.
    Hidden,
}

/// Shows one answer's reasoning as [`Shown`] says.
#[derive(Debug, Default)]
pub struct Reveal {
    shown: Shown,
    /// Choices whose reasoning is being told as text, a bit each.
    open: u128,
}

impl Reveal {
    /// For an answer that has not begun.
    #[must_use]
    pub fn new(shown: Shown) -> Self {
        Self { shown, open: 0 }
    }

    /// Whether every event is told as it is.
    #[must_use]
    pub fn shows_all(&self) -> bool {
        self.shown == Shown::Apart
    }

    /// Takes the next event and tells what the caller sees of it.
    pub fn event(&mut self, event: Event<'_>, each: &mut dyn FnMut(Event<'_>)) {
        match (self.shown, event) {
            (Shown::Apart, event) => each(event),
            (
                Shown::Hidden,
                Event::Reasoning { .. } | Event::Signature { .. } | Event::Redacted { .. },
            )
            | (Shown::Inline, Event::Signature { .. } | Event::Redacted { .. }) => {}
            (Shown::Hidden, event) => each(event),
            (Shown::Inline, Event::Reasoning { choice, text }) => {
                let bit = bit(choice);
                let text = if self.open & bit == 0 {
                    format!("<think>{text}").into()
                } else {
                    text
                };
                self.open |= bit;
                each(Event::Text { choice, text });
            }
            (Shown::Inline, event) => {
                match event {
                    Event::Text { choice, .. }
                    | Event::Refusal { choice, .. }
                    | Event::Call { choice, .. }
                    | Event::Finish { choice, .. } => self.close(choice, each),
                    Event::End | Event::Fault(_) => {
                        (0..u128::BITS).for_each(|choice| self.close(choice, each));
                    }
                    Event::Start { .. }
                    | Event::Reasoning { .. }
                    | Event::Signature { .. }
                    | Event::Redacted { .. }
                    | Event::Arguments { .. }
                    | Event::Usage(_)
                    | Event::KeepAlive => {}
                }
                each(event);
            }
        }
    }

    fn close(&mut self, choice: u32, each: &mut dyn FnMut(Event<'_>)) {
        let bit = bit(choice);
        if self.open & bit != 0 {
            self.open &= !bit;
            let text = "</think>\n\n".into();
            each(Event::Text { choice, text });
        }
    }
}

fn bit(choice: u32) -> u128 {
    1_u128.checked_shl(choice).unwrap_or_default()
}
