//! An answer tried out: what becomes of it, which patterns made what of which part of it,
//! and which nearly did.
//!
//! What comes out is found with the engine that normalises answers, once with the answer
//! in one piece and once character by character.

use std::ops::Range;

use super::machine::{Machine, Piece, Rules};
use super::read::{blank, mark};
use super::scan::Scan;
use super::verdict::{Called, Reason};

/// The answer that is tried, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// What the upstream gave as reasoning, in a field of its own; comes first.
    pub reasoning: String,
    /// Its text.
    pub text: String,
}

impl Sample {
    /// One of the sample's fields.
    #[must_use]
    pub fn field(&self, field: Field) -> &str {
        match field {
            Field::Text => &self.text,
            Field::Reasoning => &self.reasoning,
        }
    }
}

/// A field of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The text.
    Text,
    /// The reasoning that the upstream gave as such.
    Reasoning,
}

impl Field {
    /// The word for it in the admin API, which is that of OpenAI's messages.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Text => "content",
            Self::Reasoning => "reasoning",
        }
    }
}

/// What came of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What comes out of it in one piece.
    pub whole: Outcome,
    /// The same when it comes character by character.
    pub letters: Outcome,
    /// Parts that patterns made calls of, in order. With the near ones no more than 256 of
    /// a field.
    pub matches: Vec<Match>,
    /// Parts at which a pattern's opening matched and that stayed text, in order.
    pub near: Vec<Near>,
}

/// What comes out of a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The calls.
    pub calls: Vec<Called>,
    /// The text that is left.
    pub text: String,
    /// The reasoning.
    pub reasoning: String,
}

/// A part that a pattern made calls of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The pattern's place in the set.
    pub row: usize,
    /// Which field the part is of.
    pub field: Field,
    /// Where, in bytes of it.
    pub span: Range<usize>,
    /// How many calls it was.
    pub calls: usize,
    /// How many of them were mended.
    pub repaired: usize,
}

/// A part that began like a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The pattern's place in the set.
    pub row: usize,
    /// Which field the part is of.
    pub field: Field,
    /// Where, in bytes of it, as far as it was read.
    pub span: Range<usize>,
    /// Why it is no call.
    pub reason: Reason,
}

/// Tries `sample` by `rules`.
#[must_use]
pub fn trial(rules: &Rules, sample: &Sample) -> Trial {
    let mut run = Run::new(rules);
    run.take(sample, &mut |text, each| each(text));
    let (mut matches, mut near) = (Vec::new(), Vec::new());
    for (field, machine) in [
        (Field::Reasoning, &run.thoughts),
        (Field::Text, &run.answer),
    ] {
        let mut notes = machine.seen().to_vec();
        notes.sort_by_key(|note| note.span.start);
        let starts: Vec<_> = notes.iter().map(|note| note.span.start).collect();
        for (place, seen) in notes.into_iter().enumerate() {
            let text = sample.field(field);
            let mut span = within(text, &seen.span);
            if matches!(seen.outcome, Ok(_) | Err(Reason::Draft)) {
                let next = starts
                    .iter()
                    .skip(place + 1)
                    .find(|next| **next >= span.end);
                let next = next.copied().unwrap_or(text.len());
                span.end = closed(text, span.end, next);
            }
            let row = seen.row;
            match seen.outcome {
                Ok((calls, repaired)) => matches.push(Match {
                    row,
                    field,
                    span,
                    calls,
                    repaired,
                }),
                Err(reason) => near.push(Near {
                    row,
                    field,
                    span,
                    reason,
                }),
            }
        }
    }
    let mut letters = Run::new(rules);
    letters.take(sample, &mut |text, each| {
        text.split_inclusive(|_: char| true).for_each(each);
    });
    Trial {
        whole: run.outcome,
        letters: letters.outcome,
        matches,
        near,
    }
}

/// Takes a text in pieces.
type Cut<'c> = &'c mut dyn FnMut(&str, &mut dyn FnMut(&str));

/// The engines of one answer, as [`super::Normaliser`] has them.
struct Run {
    thoughts: Machine,
    answer: Machine,
    outcome: Outcome,
}

impl Run {
    fn new(rules: &Rules) -> Self {
        Self {
            thoughts: Machine::for_reasoning(rules.clone()),
            answer: Machine::new(rules.clone()),
            outcome: Outcome::default(),
        }
    }

    fn take(&mut self, sample: &Sample, cut: Cut<'_>) {
        let Self {
            thoughts,
            answer,
            outcome,
        } = self;
        let mut out = |piece: Piece<'_>| match piece {
            Piece::Text(text) => outcome.text.push_str(text),
            Piece::Reasoning(text) => outcome.reasoning.push_str(text),
            Piece::Call(call) => outcome.calls.push(call),
        };
        cut(&sample.reasoning, &mut |piece| {
            thoughts.push(piece, &mut out);
        });
        if sample.text.is_empty() {
            thoughts.finish(&mut out);
        } else {
            thoughts.release(&mut out);
        }
        cut(&sample.text, &mut |piece| answer.push(piece, &mut out));
        answer.finish(&mut out);
    }
}

/// The characters of `text` that `span` reaches into. What was read of an escaped text is
/// measured without the escapes, so that it may end anywhere.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end)
}

/// Where what closes a call ends that was read up to `end`, before `next`. The engine takes
/// closing marks for themselves, since they may stand behind several calls.
fn closed(text: &str, end: usize, next: usize) -> usize {
    let mut closed = end;
    let mut at = end;
    while let Some(rest) = text.get(at..next) {
        at += blank(rest);
        match text.get(at..next).map(mark) {
            Some(Scan::Done(_, length)) => {
                at += length;
                closed = at;
            }
            Some(Scan::More | Scan::No) | None => break,
        }
    }
    closed
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
