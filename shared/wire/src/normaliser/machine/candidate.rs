//! Places where a call may begin, and what the patterns make of them.

use super::super::escaped;
use super::super::pattern::Form;
use super::super::patterns::Lead;
use super::super::read::{Candidate, is_strong};
use super::super::row::{Opening, Row};
use super::super::verdict::{Found, Reason, Refused, Verdict};
use super::Machine;

/// Where a candidate stands, which decides what it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// In the text.
    InText,
    /// In thoughts, where only strong forms count.
    InThoughts,
    /// Behind a call: as at the start of a line. In a wrapper that has not closed, a weak
    /// opening of the call's own form is as good as a strong one.
    Behind(Option<Form>),
}

/// What a place is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Eval {
    Found(Seized),
    More,
    No,
}

/// Calls at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seized {
    pub(super) row: usize,
    pub(super) form: Form,
    pub(super) found: Found,
    /// Whether they count only at the end of the answer.
    pub(super) weak: bool,
}

/// Bytes that are read at any place, and not counted as read in vain.
const GLANCE: usize = 64;

impl Machine {
    /// What begins at `at`.
    pub(super) fn evaluate(&mut self, at: usize, ended: bool, asked: Asked) -> Eval {
        if !self.calls_for_tools() {
            return Eval::No;
        }
        if self.exhausted(at) {
            if !self.gave_up {
                self.gave_up = true;
                let mut rows = self.rules.patterns.at(self.held.as_bytes()[at], true);
                if let Some(row) = rows.next() {
                    drop(rows);
                    self.note(row, at..at, Err(Reason::Exhausted));
                }
            }
            return Eval::No;
        }
        let (mut refused, mut wasted) = (Vec::new(), 0);
        let eval = self.judged(at, ended, asked, &mut refused, &mut wasted);
        match &eval {
            Eval::More => {
                self.spent += self.held.len() - at;
                let held = self.held.len() - at;
                if self.spent > 16 * held + (64 << 10) {
                    self.again = self.held.len() + held / 16;
                }
                return eval;
            }
            // Drafts are none, and weak ones have to wait for the end.
            Eval::Found(seized) if seized.weak || asked == Asked::InThoughts => {}
            Eval::Found(seized) => {
                let repaired = seized.found.calls.iter().filter(|call| call.repaired);
                let outcome = (seized.found.calls.len(), repaired.count());
                let span = at..at + seized.found.length;
                self.note(seized.row, span, Ok(outcome));
            }
            Eval::No => {}
        }
        self.spent = 0;
        self.vain += wasted;
        for (row, Refused { reason, reach }) in refused {
            if reach > GLANCE {
                self.vain += reach;
            }
            if self.is_near(row, &reason) {
                self.note(row, at..at + reach, Err(reason));
            }
        }
        eval
    }

    /// Whether a refusal is worth a note: that a word of prose is no tool is not.
    fn is_near(&self, row: usize, reason: &Reason) -> bool {
        let weak = !is_strong(self.rules.patterns.row(row));
        !(weak && matches!(reason, Reason::NotACall | Reason::UnknownTool(_)))
    }

    /// The same, with the rows that were refused.
    fn judged(
        &self,
        at: usize,
        ended: bool,
        asked: Asked,
        refused: &mut Vec<(usize, Refused)>,
        wasted: &mut usize,
    ) -> Eval {
        let rest = &self.held[at..];
        let limit = boundary(rest, self.rules.hold);
        let (text, whole) = (&rest[..limit], limit == rest.len());
        let place = Place {
            before: self.byte_before(at),
            ended: ended && whole,
            line: match asked {
                Asked::InText => self.begins_line(at),
                Asked::InThoughts => false,
                Asked::Behind(_) => true,
            },
            colon: asked == Asked::InText && self.follows_colon(at),
            first: !self.wrote && self.calls == 0 && self.held[self.at..at].trim().is_empty(),
            asked,
        };
        let eval = match text.strip_prefix("&lt;") {
            Some(_) => self.unescaped(text, place, refused, wasted),
            None if !ended && "&lt;".starts_with(text) => Eval::More,
            None => self.tried(text, place, refused, wasted),
        };
        if eval == Eval::More && !whole {
            refused.push((
                self.rules
                    .patterns
                    .at(text.as_bytes()[0], true)
                    .next()
                    .unwrap_or(0),
                Refused {
                    reason: Reason::TooLong,
                    reach: limit,
                },
            ));
            return Eval::No;
        }
        eval
    }

    /// The same of a text whose marks are escaped, of which no more is decoded than it
    /// takes.
    fn unescaped(
        &self,
        text: &str,
        place: Place,
        refused: &mut Vec<(usize, Refused)>,
        wasted: &mut usize,
    ) -> Eval {
        let mut limit = GLANCE;
        loop {
            let length = boundary(text, limit);
            let whole = length == text.len();
            let ended = place.ended && whole;
            let (plain, places) = escaped::read(&text[..length], ended);
            let before = refused.len();
            match self.tried(&plain, Place { ended, ..place }, refused, wasted) {
                Eval::Found(mut seized) => {
                    seized.found.length = places.of(seized.found.length);
                    for range in &mut seized.found.left {
                        *range = places.of(range.start)..places.of(range.end);
                    }
                    return Eval::Found(seized);
                }
                Eval::No => return Eval::No,
                Eval::More if whole => return Eval::More,
                Eval::More => {
                    refused.truncate(before);
                    limit = limit.saturating_mul(4);
                }
            }
        }
    }

    /// The first row that makes something of `text`.
    fn tried(
        &self,
        text: &str,
        place: Place,
        refused: &mut Vec<(usize, Refused)>,
        wasted: &mut usize,
    ) -> Eval {
        let Some(first) = text.bytes().next() else {
            return Eval::More;
        };
        let set = &self.rules.patterns;
        let lead = Lead::of(text.as_bytes());
        for at in set.at(first, place.line || place.colon || first == b'`') {
            if !set.may_lead(at, lead) {
                continue;
            }
            let row = set.row(at);
            let form = row.pattern.form;
            let strong = is_strong(row);
            if !strong && !place.admits(form) {
                continue;
            }
            if place.asked == Asked::InThoughts && form == Form::CodeBlock {
                continue;
            }
            let opening = match opening(row, text, place) {
                Opening::No(read) => {
                    *wasted += read.saturating_sub(GLANCE);
                    continue;
                }
                Opening::More if !strong && !self.may_name(form, text) => continue,
                Opening::More => return Eval::More,
                Opening::Found(opening) => opening,
            };
            let inner = |text: &str, ended: bool| self.inside(text, ended);
            let weak = !strong && place.asked != Asked::Behind(Some(form));
            let candidate = Candidate {
                row,
                tools: &self.rules.tools,
                aliases: &self.rules.aliases,
                text,
                opening,
                ended: place.ended,
                weak,
                first: place.first,
                inner: &inner,
            };
            match candidate.read() {
                Verdict::Found(found) => {
                    return Eval::Found(Seized {
                        row: at,
                        form,
                        found,
                        weak,
                    });
                }
                Verdict::More => return Eval::More,
                Verdict::No(why) => refused.push((at, why)),
            }
        }
        Eval::No
    }

    /// Whether a word that begins `text` and is not complete may name a tool.
    fn may_name(&self, form: Form, text: &str) -> bool {
        let name = match form {
            Form::Tag => &text[1..],
            Form::Calls | Form::Arguments if text.starts_with(char::is_alphabetic) => text,
            Form::Fence
            | Form::Inline
            | Form::Xml
            | Form::Bracket
            | Form::Action
            | Form::Calls
            | Form::Arguments
            | Form::Parameters
            | Form::Pairs
            | Form::Gemma
            | Form::CodeBlock
            | Form::Harmony
            | Form::React => return true,
        };
        let end = name
            .find(|c: char| !c.is_alphanumeric() && !"_-.:".contains(c))
            .unwrap_or(name.len());
        let name = &name[..end];
        let called = name
            .rfind('.')
            .is_some_and(|at| ".call".starts_with(&name[at..]));
        called
            || self.rules.tools.may_begin(name)
            || (form == Form::Calls && "print".starts_with(name))
    }

    /// A call of a strong form inside a block.
    fn inside(&self, text: &str, ended: bool) -> Verdict {
        let set = &self.rules.patterns;
        let Some(first) = text.bytes().next() else {
            return Verdict::no(Reason::NotACall, 0);
        };
        let none = |_: &str, _: bool| Verdict::no(Reason::NotACall, 0);
        let mut why = Verdict::no(Reason::NotACall, 1);
        for at in set.at(first, false) {
            let row = set.row(at);
            if !is_strong(row) || row.pattern.form == Form::CodeBlock {
                continue;
            }
            let opening = match row.opening(text, Some(b'\n'), ended) {
                Opening::No(_) => continue,
                Opening::More => return Verdict::More,
                Opening::Found(opening) => opening,
            };
            let candidate = Candidate {
                row,
                tools: &self.rules.tools,
                aliases: &self.rules.aliases,
                text,
                opening,
                ended,
                weak: false,
                first: false,
                inner: &none,
            };
            match candidate.read() {
                Verdict::No(refused) => why = Verdict::No(refused),
                sure @ (Verdict::Found(_) | Verdict::More) => return sure,
            }
        }
        why
    }
}

/// What is known of a place.
#[derive(Clone, Copy)]
struct Place {
    before: Option<u8>,
    ended: bool,
    /// At the start of a line.
    line: bool,
    /// Behind a colon.
    colon: bool,
    /// Nothing stands before it in the answer.
    first: bool,
    asked: Asked,
}

impl Place {
    /// Whether a weak form may begin here.
    fn admits(&self, form: Form) -> bool {
        match form {
            Form::CodeBlock => true,
            Form::Tag => self.line || self.colon,
            Form::Fence
            | Form::Inline
            | Form::Xml
            | Form::Bracket
            | Form::Action
            | Form::Calls
            | Form::Arguments
            | Form::Parameters
            | Form::Pairs
            | Form::Gemma
            | Form::Harmony
            | Form::React => self.line,
        }
    }
}

/// What a row's expression makes of `text`. An opening that a reader goes on from is
/// short.
fn opening(row: &Row, text: &str, place: Place) -> Opening {
    if row.pattern.form.is_whole() || text.len() <= LONGEST_OPENING {
        return row.opening(text, place.before, place.ended);
    }
    let text = &text[..boundary(text, LONGEST_OPENING)];
    match row.opening(text, place.before, false) {
        Opening::More => Opening::No(LONGEST_OPENING),
        sure @ (Opening::Found(_) | Opening::No(_)) => sure,
    }
}

/// Longest opening in bytes.
const LONGEST_OPENING: usize = 1024;

/// At most `limit` bytes of `text`, up to a character's end.
pub(super) fn boundary(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    let ends = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
    ends.unwrap_or(0)
}
