//! Thoughts, from their opening tag to whatever ends them.

use memchr::memchr2;

use super::super::scan::Scan;
use super::candidate::{Asked, Eval};
use super::{Ends, Machine, Mode, Piece, Rules, Seen, Sink, Step};

/// Opening tags, and how long a suffix may be (`<think:x>`).
const OPENINGS: [&str; 6] = [
    "<think>",
    "<thinking>",
    "<seed:think>",
    "<mm:think>",
    "[THINK]",
    "<|START_THINKING|>",
];
const CLOSINGS: [&str; 6] = [
    "</think>",
    "</thinking>",
    "</seed:think>",
    "</mm:think>",
    "[/THINK]",
    "<|END_THINKING|>",
];
const SUFFIX: usize = 32;

/// What ends a message of gpt-oss, and whether it begins another one.
const MESSAGE_ENDS: [(&str, bool); 5] = [
    ("<|end|>", false),
    ("<|return|>", false),
    ("<|call|>", false),
    ("<|start|>", true),
    ("<|channel|>", true),
];

/// An opening tag of thoughts.
pub(super) fn opening(text: &str) -> Scan<()> {
    one_of(text, &OPENINGS, "<think:")
}

/// A closing tag of thoughts.
pub(super) fn closing(text: &str) -> Scan<()> {
    one_of(text, &CLOSINGS, "</think:")
}

fn one_of(text: &str, tags: &[&str], suffixed: &str) -> Scan<()> {
    if text.is_empty() {
        return Scan::No;
    }
    let mut more = suffixed.starts_with(text);
    for tag in tags {
        if text.starts_with(tag) {
            return Scan::Done((), tag.len());
        }
        more |= tag.starts_with(text);
    }
    if let Some(suffix) = text.strip_prefix(suffixed) {
        let length = suffix
            .find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))
            .unwrap_or(suffix.len());
        if suffix[length..].starts_with('>') && length > 0 {
            return Scan::Done((), suffixed.len() + length + 1);
        }
        more |= length == suffix.len() && length <= SUFFIX;
    }
    if more { Scan::More } else { Scan::No }
}

impl Ends {
    /// Whether thoughts end at the start of `text`, and how many bytes of it are their
    /// end.
    fn at(self, text: &str) -> Scan<()> {
        match self {
            Self::Tag => closing(text),
            Self::Field => Scan::No,
            Self::Message => {
                let mut more = false;
                for (token, begins) in MESSAGE_ENDS {
                    if text.starts_with(token) {
                        return Scan::Done((), if begins { 0 } else { token.len() });
                    }
                    more |= token.starts_with(text);
                }
                if more { Scan::More } else { Scan::No }
            }
        }
    }
}

impl Machine {
    /// In thoughts.
    pub(super) fn think(&mut self, ends: Ends, ended: bool, out: Sink<'_>) -> Step {
        let mut at = self.looked.max(self.at);
        while let Some(step) = memchr2(b'<', b'[', &self.held.as_bytes()[at..]) {
            at += step;
            match ends.at(&self.held[at..]) {
                Scan::Done((), length) => {
                    self.end_thoughts(at, at + length, out);
                    return Step::On;
                }
                Scan::More if !ended => return self.hold_thoughts(at, out),
                Scan::More | Scan::No => {}
            }
            if self.calls_for_tools() && self.rules.patterns.may_begin(&self.held.as_bytes()[at..])
            {
                match self.evaluate(at, ended, Asked::InThoughts) {
                    Eval::Found(seized) => {
                        let span = at..at + seized.found.length;
                        self.drafted = Some((seized.row, span));
                        self.mode = Mode::Draft { from: at, ends };
                        self.looked = at;
                        return Step::On;
                    }
                    Eval::More => return self.hold_thoughts(at, out),
                    Eval::No => {}
                }
            }
            at += 1;
        }
        let end = self.held.len();
        if ended {
            self.reason_trimmed(end, out);
            self.at = end;
            return Step::Wait;
        }
        self.hold_thoughts(end, out)
    }

    /// Thoughts up to `at` leave; what begins there is held.
    fn hold_thoughts(&mut self, at: usize, out: Sink<'_>) -> Step {
        self.reason_trimmed(at, out);
        self.looked = at;
        Step::Wait
    }

    /// Thoughts up to `to` leave without the white space at their end, which stays until
    /// more follows; what has a field of its own leaves as it is.
    fn reason_trimmed(&mut self, to: usize, out: Sink<'_>) {
        let end = match self.mode {
            Mode::Think(Ends::Field)
            | Mode::Draft {
                ends: Ends::Field, ..
            } => to,
            Mode::Begin
            | Mode::Held
            | Mode::Glued
            | Mode::Content
            | Mode::Think(_)
            | Mode::Draft { .. } => self.at + self.held[self.at..to].trim_end().len(),
        };
        if end > self.at {
            self.reason(end, out);
        }
    }

    /// Thoughts end at `at`; the answer goes on at `next`.
    fn end_thoughts(&mut self, at: usize, next: usize, out: Sink<'_>) {
        self.reason_trimmed(at, out);
        self.thought = Some(true);
        self.at = next;
        self.go_on(next);
    }

    /// Behind a call inside thoughts: a draft if they end later, else the end of them.
    pub(super) fn draft(&mut self, from: usize, ends: Ends, ended: bool, out: Sink<'_>) -> Step {
        let limit = from + self.rules.hold;
        let mut at = self.looked.max(from);
        while let Some(step) = memchr2(b'<', b'[', &self.held.as_bytes()[at..]) {
            at += step;
            if at > limit {
                break;
            }
            match ends.at(&self.held[at..]) {
                // The end of a message does not make a draft of what is in it.
                Scan::Done((), length) if ends == Ends::Tag => {
                    self.note_draft();
                    self.end_thoughts(at, at + length, out);
                    return Step::On;
                }
                Scan::More if !ended => {
                    self.looked = at;
                    return Step::Wait;
                }
                Scan::Done(..) | Scan::More | Scan::No => {}
            }
            at += 1;
        }
        self.looked = self.held.len();
        if self.held.len() > limit {
            // Too long to be held: thoughts, whatever stands in them.
            self.note_draft();
            self.looked = limit;
            while !self.held.is_char_boundary(self.looked) {
                self.looked += 1;
            }
            self.mode = Mode::Think(ends);
            return Step::On;
        }
        if !ended {
            return Step::Wait;
        }
        self.reason_trimmed(from, out);
        if ends == Ends::Field {
            return self.field_ends(from, out);
        }
        self.thought = Some(true);
        self.at = from;
        self.go_on(from);
        Step::On
    }

    /// A field of reasoning has ended with calls in it, and the answer has no text: they
    /// are its calls if nothing follows them.
    fn field_ends(&mut self, from: usize, out: Sink<'_>) -> Step {
        let rules = Rules {
            thoughts: super::Thoughts::Tagged,
            ..self.rules.clone()
        };
        let mut inner = Self::new(rules);
        let (mut calls, mut other) = (Vec::new(), false);
        let mut each = |piece: Piece<'_>| match piece {
            Piece::Call(call) => calls.push(call),
            Piece::Text(text) => other |= !text.trim().is_empty(),
            Piece::Reasoning(_) => other = true,
        };
        inner.push(&self.held[from..], &mut each);
        inner.finish(&mut each);
        if other {
            self.note_draft();
            let end = self.held.len();
            self.reason(end, out);
        } else {
            calls.into_iter().for_each(|call| self.call(call, out));
            // What the inner machine saw begins where it was set going.
            let by = self.before + from;
            self.seen.extend(inner.seen.into_iter().map(|seen| Seen {
                span: seen.span.start + by..seen.span.end + by,
                ..seen
            }));
        }
        self.at = self.held.len();
        self.looked = self.at;
        self.mode = Mode::Think(Ends::Field);
        Step::Wait
    }
}
