//! Behind a call: marks that close it, more calls, or the answer going on.

use std::ops::Range;

use super::super::pattern::Form;
use super::super::read::{Mark, mark};
use super::super::scan::Scan;
use super::super::verdict::{Called, Reason};
use super::candidate::{Asked, Eval, Seized};
use super::{Machine, Piece, Sink, Step};

/// What stands behind the calls so far.
#[derive(Debug)]
pub(super) struct Tail {
    /// Where it begins.
    from: usize,
    /// The form of the last call, and whether what wraps it may be open.
    open: Option<Form>,
    /// Calls that wait for the end of the answer, and others among them.
    waiting: Vec<Unit>,
}

/// Calls that have not left.
#[derive(Debug)]
struct Unit {
    span: Range<usize>,
    calls: Vec<Called>,
    /// The pattern, when they count only at the end of the answer.
    weak: Option<usize>,
}

/// What the marks behind a call come to.
enum Marks {
    /// Something else stands there, and whether a wrapper has closed before it.
    Text(usize, bool),
    /// The text ends.
    End,
    More,
}

impl Tail {
    pub(super) fn new(from: usize) -> Self {
        Self {
            from,
            open: None,
            waiting: Vec::new(),
        }
    }

    /// The held text has lost its first `gone` bytes.
    pub(super) fn moved(&mut self, gone: usize) {
        self.from = self.from.saturating_sub(gone);
        for unit in &mut self.waiting {
            unit.span.start = unit.span.start.saturating_sub(gone);
            unit.span.end = unit.span.end.saturating_sub(gone);
        }
    }
}

impl Machine {
    /// Takes calls at `at`: they leave, or wait behind others that wait.
    pub(super) fn take(&mut self, tail: &mut Tail, at: usize, seized: Seized, out: Sink<'_>) {
        let end = at + seized.found.length;
        tail.from = end;
        tail.open = (!seized.weak).then_some(seized.form);
        if seized.weak || !tail.waiting.is_empty() {
            tail.waiting.push(Unit {
                span: at..end,
                calls: seized.found.calls,
                weak: seized.weak.then_some(seized.row),
            });
            return;
        }
        for call in seized.found.calls {
            self.call(call, out);
        }
        // What stays text of a list leaves behind its calls.
        for range in seized.found.left {
            let left = &self.held[at + range.start..at + range.end];
            if !left.is_empty() {
                self.wrote = true;
                out(Piece::Text(left));
            }
        }
        self.at = end;
        self.looked = end;
    }

    /// Behind a call.
    pub(super) fn behind_call(&mut self, ended: bool, out: Sink<'_>) -> Step {
        let Some(mut tail) = self.tail.take() else {
            return Step::On;
        };
        loop {
            let (at, closed) = match self.close(&tail, ended) {
                Marks::Text(at, closed) => (at, closed),
                Marks::More => {
                    self.tail = Some(tail);
                    return Step::Wait;
                }
                Marks::End => {
                    self.accept(tail, out);
                    self.at = self.held.len();
                    self.looked = self.at;
                    return Step::Wait;
                }
            };
            let open = tail.open.filter(|_| !closed);
            match self.evaluate(at, ended, Asked::Behind(open)) {
                Eval::Found(seized) if at - self.at <= self.rules.hold => {
                    let waits = !tail.waiting.is_empty() || seized.weak;
                    if !waits {
                        self.at = at;
                    }
                    self.take(&mut tail, at, seized, out);
                }
                Eval::More => {
                    self.tail = Some(tail);
                    return Step::Wait;
                }
                Eval::Found(_) | Eval::No => {
                    self.refuse(tail, at, out);
                    return Step::On;
                }
            }
        }
    }

    /// Goes over the marks behind a call.
    fn close(&self, tail: &Tail, ended: bool) -> Marks {
        let text = &self.held[tail.from..];
        let (mut at, mut closed, mut touching) = (0, false, true);
        loop {
            let rest = &text[at..];
            let blank = super::super::read::blank(rest);
            if blank > 0 {
                (at, touching) = (at + blank, false);
                continue;
            }
            if rest.is_empty() {
                return if ended { Marks::End } else { Marks::More };
            }
            match mark(rest) {
                Scan::Done(kind, length) => {
                    closed |= kind == Mark::Wrapper;
                    (at, touching) = (at + length, false);
                    continue;
                }
                Scan::More if !ended => return Marks::More,
                Scan::More | Scan::No => {}
            }
            match stray(rest, tail, touching, ended) {
                Some(0) => return Marks::More,
                Some(length) => at += length,
                None => return Marks::Text(tail.from + at, closed),
            }
        }
    }

    /// The answer has ended: what waited for that are calls.
    fn accept(&mut self, tail: Tail, out: Sink<'_>) {
        for unit in tail.waiting {
            if let Some(row) = unit.weak {
                let repaired = unit.calls.iter().filter(|call| call.repaired);
                let outcome = (unit.calls.len(), repaired.count());
                self.note(row, unit.span.clone(), Ok(outcome));
            }
            for call in unit.calls {
                self.call(call, out);
            }
        }
    }

    /// The answer goes on at `at`: weak calls that waited for its end are text.
    fn refuse(&mut self, tail: Tail, at: usize, out: Sink<'_>) {
        let mut last_is_text = false;
        for unit in tail.waiting {
            last_is_text = unit.weak.is_some();
            if let Some(row) = unit.weak {
                self.note(row, unit.span.clone(), Err(Reason::NotAlone));
                self.text(unit.span.end, out);
            } else {
                for call in unit.calls {
                    self.call(call, out);
                }
                self.at = unit.span.end;
            }
        }
        if !last_is_text {
            // Of what stands between a call and the text only white space is text.
            let between = &self.held[self.at..at];
            self.at = at - (between.len() - between.trim_end().len());
            self.fresh = self.before + at;
        }
        self.looked = self.at;
    }
}

/// Bytes at the start of `rest` that are left over of a call: separators, a bracket too
/// many, the end of its code block. `Some(0)` when more text decides.
fn stray(rest: &str, tail: &Tail, touching: bool, ended: bool) -> Option<usize> {
    let more = |rest: &str| rest.is_empty() && !ended;
    if let Some(after) = rest.strip_prefix(';') {
        return if more(after) { Some(0) } else { Some(1) };
    }
    if tail.open.is_some() && rest.starts_with(',') {
        let after = rest[1..].trim_start();
        if after.is_empty() {
            return (!ended).then_some(0);
        }
        return after.starts_with(['{', '[']).then_some(1);
    }
    if rest.starts_with(['}', ']']) && touching {
        let after = rest.trim_start_matches(['}', ']']);
        let run = rest.len() - after.len();
        let ends = after.is_empty() || after.starts_with(char::is_whitespace);
        return match mark(after) {
            _ if more(after) => Some(0),
            Scan::Done(..) => Some(run),
            Scan::More if !ended => Some(0),
            Scan::More | Scan::No => ends.then_some(run),
        };
    }
    if tail.open == Some(Form::Arguments) && rest.starts_with("```") {
        let after = rest[3..].trim_start();
        return match mark(after) {
            _ if after.is_empty() && ended => Some(3),
            _ if after.is_empty() => Some(0),
            Scan::Done(..) => Some(3),
            Scan::More if !ended => Some(0),
            Scan::More | Scan::No => None,
        };
    }
    if tail.open == Some(Form::Arguments) && !ended && "```".starts_with(rest) {
        return Some(0);
    }
    None
}
