//! Texts that end an answer, where the upstream was not told of them.
//!
//! The text before the first of them leaves, and what comes after reaches nobody: neither
//! text nor calls. What may be the beginning of one waits until it is known. Any split of the
//! text gives the same. The upstream goes on to its own end, because only there it tells what
//! was used.

use crate::hub::{Event, Finish};

/// Most choices that are looked at; no server gives so many.
const MOST_CHOICES: u32 = 129;

/// Takes an answer's events and ends its text.
#[derive(Debug)]
pub(crate) struct Stops {
    texts: Vec<String>,
    choices: Vec<Choice>,
}

#[derive(Clone, Debug, Default)]
struct Choice {
    /// What may be the beginning of a stop text.
    held: String,
    is_over: bool,
}

impl Stops {
    /// For an answer that ends before the first of `texts`; `None` without any.
    pub(crate) fn of(texts: &[String]) -> Option<Self> {
        let texts: Vec<String> = texts
            .iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .collect();
        (!texts.is_empty()).then(|| Self {
            texts,
            choices: Vec::new(),
        })
    }

    /// Takes the next event.
    pub(crate) fn event(&mut self, event: Event<'_>, each: &mut dyn FnMut(Event<'_>)) {
        match event {
            Event::Text { choice, text } => match self.choice(choice) {
                Some(_) => self.text(choice, &text, each),
                None => each(Event::Text { choice, text }),
            },
            Event::Call { choice, .. }
            | Event::Arguments { choice, .. }
            | Event::Reasoning { choice, .. }
            | Event::Refusal { choice, .. } => {
                if !self.is_over(choice) {
                    self.release(choice, each);
                    each(event);
                }
            }
            Event::Finish { choice, reason } => {
                let reason = if self.is_over(choice) {
                    Finish::Stop
                } else {
                    self.release(choice, each);
                    reason
                };
                each(Event::Finish { choice, reason });
            }
            Event::End | Event::Fault(_) => {
                for choice in (0..).take(self.choices.len()) {
                    self.release(choice, each);
                }
                each(event);
            }
            other @ (Event::Start { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Usage(_)
            | Event::KeepAlive) => each(other),
        }
    }

    fn text(&mut self, choice: u32, more: &str, each: &mut dyn FnMut(Event<'_>)) {
        let Self { texts, choices } = self;
        let Some(own) = choices.get_mut(choice as usize).filter(|own| !own.is_over) else {
            return;
        };
        own.held.push_str(more);
        let found = texts.iter().filter_map(|text| own.held.find(text.as_str()));
        let (passes, rest) = match found.min() {
            Some(at) => {
                own.is_over = true;
                (own.held[..at].to_owned(), String::new())
            }
            None => {
                let waits = texts.iter().map(|text| begun(&own.held, text)).max();
                let rest = own.held.split_off(own.held.len() - waits.unwrap_or(0));
                (std::mem::take(&mut own.held), rest)
            }
        };
        own.held = rest;
        if !passes.is_empty() {
            let text = passes.into();
            each(Event::Text { choice, text });
        }
    }

    /// Nothing more of a stop text can come: what was held was none.
    fn release(&mut self, choice: u32, each: &mut dyn FnMut(Event<'_>)) {
        let own = self.choices.get_mut(choice as usize);
        let held = own.map(|own| std::mem::take(&mut own.held));
        if let Some(held) = held.filter(|held| !held.is_empty()) {
            let text = held.into();
            each(Event::Text { choice, text });
        }
    }

    fn is_over(&self, choice: u32) -> bool {
        let own = self.choices.get(choice as usize);
        own.is_some_and(|own| own.is_over)
    }

    fn choice(&mut self, choice: u32) -> Option<&mut Choice> {
        if choice >= MOST_CHOICES {
            return None;
        }
        let at = choice as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Choice::default);
        }
        self.choices.get_mut(at)
    }
}

/// Bytes at the end of `text` that `stop` may begin with; never all of `stop`.
fn begun(text: &str, stop: &str) -> usize {
    let most = stop.len().saturating_sub(1).min(text.len());
    let fits = |length: &usize| stop.is_char_boundary(*length) && text.ends_with(&stop[..*length]);
    (1..=most).rev().find(fits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `text` in pieces of `size` characters, and how it finishes.
    fn cut(text: &str, size: usize, stops: &[&str]) -> (String, Finish) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut stage = Stops::of(&stops);
        let (mut out, mut finish) = (String::new(), Finish::Length);
        let mut take = |event: Event<'_>| match event {
            Event::Text { text, .. } => out.push_str(&text),
            Event::Finish { reason, .. } => finish = reason,
            Event::Call { name, .. } => out.push_str(&name),
            Event::Start { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Arguments { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_) => {}
        };
        let mut give = |event: Event<'_>| match &mut stage {
            Some(stage) => stage.event(event, &mut take),
            None => take(event),
        };
        let all: Vec<char> = text.chars().collect();
        for piece in all.chunks(size) {
            let text = piece.iter().collect::<String>().into();
            give(Event::Text { choice: 0, text });
        }
        give(Event::Call {
            choice: 0,
            call: 0,
            id: "".into(),
            name: "!".into(),
        });
        give(Event::Finish {
            choice: 0,
            reason: Finish::Length,
        });
        give(Event::End);
        (out, finish)
    }

    #[test]
    fn text_ends_before_the_first_stop_however_it_is_split() {
        for (text, stops, expected) in [
            ("one END two", &["END"][..], "one "),
            ("one EN END", &["END", "zwei"], "one EN "),
            ("aab", &["aab"], ""),
            ("aaab", &["aab"], "a"),
            ("one\n\ntwo", &["\n\n"], "one"),
            ("grüße ü!", &["ü!"], "grüße "),
            ("ababc", &["abc", "babc"], "a"),
        ] {
            for size in 1..=text.len() {
                let (out, finish) = cut(text, size, stops);
                assert_eq!(
                    (&*out, finish),
                    (expected, Finish::Stop),
                    "{text} by {size}"
                );
            }
        }
        for (text, stops) in [
            ("one EN", &["END"][..]),
            ("one", &[]),
            ("one", &[""]),
            ("grü", &["üß"]),
        ] {
            for size in 1..=text.len() {
                let (out, finish) = cut(text, size, stops);
                assert_eq!((out, finish), (format!("{text}!"), Finish::Length));
            }
        }
    }
}
