//! The beginning of an answer: whether it begins with thoughts that nothing opens.

use memchr::memmem;

use super::super::read::is_strong;
use super::super::row::Opening;
use super::super::scan::Scan;
use super::think::{closing, opening};
use super::{Ends, Machine, Mode, Sink, Step, Thoughts};

/// The word that begins the thoughts of gpt-oss.
const ANALYSIS: &str = "analysis";
/// What ends them when the special tokens are gone.
const FINAL: &str = "assistantfinal";
const COMMENTARY: &str = "assistantcommentary to=";
const MESSAGE: &str = "<|message|>";

impl Machine {
    /// Before the first character.
    pub(super) fn begin(&mut self, ended: bool, _out: Sink<'_>) -> Step {
        if self.rules.thoughts == Thoughts::Open {
            self.mode = Mode::Think(Ends::Tag);
            return Step::On;
        }
        let text = &self.held[self.at..];
        if text.is_empty() && !ended {
            return Step::Wait;
        }
        if self.rules.patterns.knows_harmony() {
            if !ended && text.len() < ANALYSIS.len() && ANALYSIS.starts_with(text) {
                return Step::Wait;
            }
            if let Some(rest) = text.strip_prefix(ANALYSIS) {
                if rest.starts_with(MESSAGE) {
                    self.at += ANALYSIS.len() + MESSAGE.len();
                    self.looked = self.at;
                    self.harmony = true;
                    self.mode = Mode::Think(Ends::Message);
                    return Step::On;
                }
                if !ended && MESSAGE.starts_with(rest) {
                    return Step::Wait;
                }
                self.mode = Mode::Glued;
                return Step::On;
            }
        }
        self.mode = match self.rules.thoughts {
            Thoughts::Held => Mode::Held,
            Thoughts::Tagged | Thoughts::Open => Mode::Content,
        };
        Step::On
    }

    /// In `analysis...` of which it is not known whether it is the word.
    pub(super) fn glued(&mut self, ended: bool, out: Sink<'_>) -> Step {
        let text = &self.held[self.at..];
        let from = self.looked.saturating_sub(self.at + COMMENTARY.len());
        let from = (0..=from).rev().find(|at| text.is_char_boundary(*at));
        let from = from.unwrap_or(0).max(ANALYSIS.len().min(text.len()));
        let found = [FINAL, COMMENTARY]
            .iter()
            .filter_map(|word| {
                let at = memmem::find(&text.as_bytes()[from..], word.as_bytes())?;
                Some((from + at, *word))
            })
            .min()
            .filter(|(at, _)| *at <= self.rules.hold);
        if let Some((at, word)) = found {
            let (start, end) = (self.at + ANALYSIS.len(), self.at + at);
            self.at = start;
            self.reason(end, out);
            self.thought = Some(true);
            if word == FINAL {
                self.at = end + FINAL.len();
            }
            self.go_on(self.at);
            return Step::On;
        }
        self.looked = self.held.len();
        if ended || text.len() > self.rules.hold + COMMENTARY.len() {
            self.looked = self.at;
            self.mode = match self.rules.thoughts {
                Thoughts::Held => Mode::Held,
                Thoughts::Tagged | Thoughts::Open => Mode::Content,
            };
            return Step::On;
        }
        Step::Wait
    }

    /// In text of which it is not known whether a closing tag makes thoughts of it.
    pub(super) fn beginning(&mut self, ended: bool, out: Sink<'_>) -> Step {
        let start = self.at + super::super::read::blank(&self.held[self.at..]);
        let begun = opening(&self.held[start..]);
        if let Scan::Done((), _) = begun {
            return self.decided();
        }
        let mut at = self.looked.max(start);
        while let Some(step) = memchr::memchr2(b'<', b'[', &self.held.as_bytes()[at..]) {
            at += step;
            if at - self.at > self.rules.hold {
                break;
            }
            match closing(&self.held[at..]) {
                Scan::Done((), length) => match self.ends_thoughts(at, at + length, ended) {
                    Some(true) => {
                        let end = self.held[..at].trim_end().len().max(self.at);
                        self.reason(end, out);
                        self.thought = Some(true);
                        self.at = at + length;
                        self.go_on(self.at);
                        return Step::On;
                    }
                    Some(false) => {}
                    None => {
                        self.looked = at;
                        return self.waited(ended);
                    }
                },
                Scan::More if !ended => {
                    self.looked = at;
                    return self.waited(ended);
                }
                Scan::More | Scan::No => {}
            }
            at += 1;
        }
        self.looked = self.held.len();
        self.waited(ended)
    }

    /// Waits for more, unless nothing comes or too much is held.
    fn waited(&mut self, ended: bool) -> Step {
        if ended || self.held.len() - self.at > self.rules.hold {
            return self.decided();
        }
        Step::Wait
    }

    /// No thoughts, or such as open with a tag.
    fn decided(&mut self) -> Step {
        self.looked = self.at;
        self.mode = Mode::Content;
        Step::On
    }

    /// Whether a closing tag without an opening one ends thoughts: where it ends its line,
    /// or a call follows, and not in code. `None` when more text decides.
    fn ends_thoughts(&self, tag: usize, end: usize, ended: bool) -> Option<bool> {
        let line = self.held[..tag].rfind('\n').map_or(0, |at| at + 1);
        if self.held[line..tag].matches('`').count() % 2 == 1 {
            return Some(false);
        }
        let after = &self.held[end..];
        let rest = after.trim_start_matches([' ', '\t', '\r']);
        let Some(first) = rest.bytes().next() else {
            return ended.then_some(true);
        };
        if first == b'\n' {
            return Some(true);
        }
        let before = Some(b'>');
        let mut more = false;
        for row in self.rules.patterns.at(first, false) {
            let row = self.rules.patterns.row(row);
            if !is_strong(row) {
                continue;
            }
            match row.opening(rest, before, ended) {
                Opening::Found(_) => return Some(true),
                Opening::More => more = true,
                Opening::No(_) => {}
            }
        }
        if more && !ended { None } else { Some(false) }
    }

    /// Goes on with the answer behind thoughts.
    pub(super) fn go_on(&mut self, at: usize) {
        self.looked = at;
        self.fresh = self.before + at;
        self.code = super::Code::None;
        self.mode = Mode::Content;
    }
}
