//! The engine: the text of an answer in, piece by piece, and out again as text, reasoning
//! and tool calls.
//!
//! One machine for streams and whole answers: what comes out depends on the text alone,
//! not on how it was cut into pieces. Text that cannot begin a call leaves with the piece
//! it came in; a candidate is held until it is a call, which leaves whole, or is none,
//! and then leaves as the text it was. Nothing is lost or made up: what comes out is the
//! text, less the calls, the marks round them and the tags round reasoning.
//!
//! Deliberately not here: what becomes of the pieces in a dialect.

mod begin;
mod candidate;
mod content;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a case that cannot be read fails the test"
)]
mod corpus;
mod tail;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests;
mod think;

use std::ops::Range;
use std::sync::Arc;

use super::alias::Alias;
use super::patterns::Patterns;
use super::tools::Tools;
use super::verdict::{Called, Reason};
use tail::Tail;

/// What the engine goes by, for one answer.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The patterns in force.
    pub patterns: Arc<Patterns>,
    /// The tools that the request offers; without any, no calls are looked for.
    pub tools: Arc<Tools>,
    /// Other names of parameters.
    pub aliases: Arc<[Alias]>,
    /// Where thoughts begin.
    pub thoughts: Thoughts,
    /// Bytes of a candidate that are held at most.
    pub hold: usize,
}

/// Where the thoughts of an answer begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thoughts {
    /// At a tag that says so.
    #[default]
    Tagged,
    /// At the beginning, if a closing tag comes: the text is held until that is known.
    /// What a whole answer gets in any case.
    Held,
    /// At the beginning: the model's prompt has opened them.
    Open,
}

/// Bytes of a candidate that are held unless something else is set.
pub const HOLD: usize = 1 << 20;

/// One piece of what comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text of the answer, never empty.
    Text(&'a str),
    /// What the model thinks, never empty.
    Reasoning(&'a str),
    /// A tool call, complete.
    Call(Called),
}

/// Something that the engine saw: a pattern's opening, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The pattern's place in the set.
    pub row: usize,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// How many calls it was, and how many of them were mended; or why none.
    pub outcome: Result<(usize, usize), Reason>,
}

/// Most notes that are kept of one answer.
const MOST_SEEN: usize = 256;

/// Text that is read in vain, beyond which nothing more is tried: so many bytes, and so
/// many times the text.
const VAIN: (usize, usize) = (256 << 10, 3);

/// What the machine is in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    /// Before the first character.
    Begin,
    /// Before it is known whether the answer begins with thoughts.
    Held,
    /// In `analysis...` without its tokens.
    Glued,
    /// In the answer.
    Content,
    /// In thoughts.
    Think(Ends),
    /// In thoughts, behind a call in them that began there: a draft, if they end later.
    Draft { from: usize, ends: Ends },
}

/// What ends thoughts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// A closing tag.
    Tag,
    /// The end of a message of gpt-oss.
    Message,
    /// The end of the field that they are in.
    Field,
}

/// The code that the text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    None,
    /// Between so many back-ticks on a line.
    Inline(usize),
    /// In a block, begun with so many.
    Block(usize),
}

/// The machine, for one choice of an answer.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    mode: Mode,
    /// The text that has not left.
    held: String,
    /// Up to here it has left, in bytes of `held`.
    at: usize,
    /// Up to here it is known that nothing begins.
    looked: usize,
    /// Bytes of the text before `held`.
    before: usize,
    /// The byte before `held`.
    last: Option<u8>,
    /// What code the text is in.
    code: Code,
    /// Whether nothing but blanks stands between the line's start and `held`.
    line_start: bool,
    /// Whether nothing but blanks stands between a colon and `held`.
    after_colon: bool,
    /// Where a line begins because thoughts or a call ended there, in bytes of the text.
    fresh: usize,
    /// Whether text of the answer has left.
    wrote: bool,
    /// Whether reasoning has left, and whether it is complete.
    thought: Option<bool>,
    /// Whether the message has a header of its own, whose tokens are no text.
    harmony: bool,
    tail: Option<Tail>,
    calls: usize,
    repaired: usize,
    /// Up to here no closing tag of thoughts begins, in bytes of the text, as far as one
    /// was looked for.
    unclosed: usize,
    /// The call inside thoughts behind which the machine is: its pattern and its bytes.
    drafted: Option<(usize, Range<usize>)>,
    /// Bytes read in vain.
    vain: usize,
    /// Whether nothing more is tried because of them.
    gave_up: bool,
    /// What was spent on the candidate that is held.
    spent: usize,
    /// Before the held text is longer, it is not looked at again.
    again: usize,
    seen: Vec<Seen>,
}

/// What comes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is more to do.
    On,
    /// More text is needed.
    Wait,
}

/// Takes the pieces.
pub(super) type Sink<'s> = &'s mut dyn FnMut(Piece<'_>);

impl Machine {
    /// A machine before the first character.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            mode: Mode::Begin,
            held: String::new(),
            at: 0,
            looked: 0,
            before: 0,
            last: None,
            code: Code::None,
            line_start: true,
            after_colon: false,
            fresh: 0,
            wrote: false,
            thought: None,
            harmony: false,
            tail: None,
            calls: 0,
            repaired: 0,
            unclosed: 0,
            drafted: None,
            vain: 0,
            gave_up: false,
            spent: 0,
            again: 0,
            seen: Vec::new(),
        }
    }

    /// A machine for the reasoning of an answer that has a field of its own: calls that
    /// end it are held until it is known whether they are drafts.
    #[must_use]
    pub fn for_reasoning(rules: Rules) -> Self {
        Self {
            mode: Mode::Think(Ends::Field),
            thought: Some(false),
            ..Self::new(rules)
        }
    }

    /// Takes the next piece of the text.
    pub fn push(&mut self, text: &str, out: Sink<'_>) {
        if text.is_empty() {
            return;
        }
        if self.held.is_empty() && self.passes(text) {
            out(Piece::Text(text));
            return;
        }
        self.held.push_str(text);
        if self.held.len() < self.again && !text.contains(['}', ']', ')', '>', '\n', '`']) {
            return;
        }
        self.run(false, out);
    }

    /// The text has ended.
    pub fn finish(&mut self, out: Sink<'_>) {
        self.run(true, out);
    }

    /// Reasoning of its own field has ended because the answer has begun: what was held of
    /// it is reasoning.
    pub fn release(&mut self, out: Sink<'_>) {
        if let Mode::Draft { ends, .. } = self.mode {
            self.note_draft();
            self.mode = Mode::Think(ends);
        }
        let end = self.held.len();
        self.reason(end, out);
        self.held.clear();
        (self.at, self.looked) = (0, 0);
    }

    /// The text breaks off: what is held leaves as what it is, and nothing is a call that
    /// only the end would make one.
    pub fn abandon(&mut self, out: Sink<'_>) {
        let end = self.held.len();
        self.tail = None;
        match self.mode {
            Mode::Think(_) | Mode::Draft { .. } => self.reason(end, out),
            Mode::Begin | Mode::Held | Mode::Glued | Mode::Content => self.text(end, out),
        }
        self.forget();
    }

    /// Whether the rest of the text can only pass: there are no tools, and thoughts have
    /// not begun at its beginning.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.wrote
            && self.held.is_empty()
            && self.mode == Mode::Content
            && !self.calls_for_tools()
            && !self.harmony
    }

    /// Calls that have left.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// How many of them were mended beyond their form.
    #[must_use]
    pub fn repaired(&self) -> usize {
        self.repaired
    }

    /// Whether text is held that has not left.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was seen, in order.
    #[must_use]
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// Whether calls are looked for.
    fn calls_for_tools(&self) -> bool {
        !self.rules.tools.is_empty()
    }

    fn run(&mut self, ended: bool, out: Sink<'_>) {
        self.again = 0;
        loop {
            let step = match self.mode {
                Mode::Begin => self.begin(ended, out),
                Mode::Held => self.beginning(ended, out),
                Mode::Glued => self.glued(ended, out),
                Mode::Content => self.content(ended, out),
                Mode::Think(ends) => self.think(ends, ended, out),
                Mode::Draft { from, ends } => self.draft(from, ends, ended, out),
            };
            if step == Step::Wait {
                break;
            }
        }
        self.forget();
    }

    /// Lets go of what has left.
    fn forget(&mut self) {
        let gone = self.at;
        if gone == 0 {
            return;
        }
        self.last = self.held.as_bytes().get(gone - 1).copied().or(self.last);
        self.line_start = self.begins_line(gone);
        self.after_colon = self.follows_colon(gone);
        self.held.drain(..gone);
        self.before += gone;
        self.looked = self.looked.saturating_sub(gone);
        self.at = 0;
        if let Some(tail) = &mut self.tail {
            tail.moved(gone);
        }
        if let Mode::Draft { from, .. } = &mut self.mode {
            *from = from.saturating_sub(gone);
        }
        if let Some((_, span)) = &mut self.drafted {
            *span = span.start.saturating_sub(gone)..span.end.saturating_sub(gone);
        }
        if self.held.is_empty() && self.held.capacity() > 4096 {
            self.held = String::new();
        }
    }

    /// Whether only blanks stand between a line's start and a place of the held text.
    fn begins_line(&self, at: usize) -> bool {
        let text = self.held[..at].trim_end_matches([' ', '\t', '\r']);
        text.len() + self.before <= self.fresh && self.fresh <= self.before + at
            || match text.as_bytes().last() {
                Some(last) => *last == b'\n',
                None => self.line_start,
            }
    }

    /// Whether only blanks stand between a colon and a place of the held text.
    fn follows_colon(&self, at: usize) -> bool {
        let text = self.held[..at].trim_end_matches([' ', '\t']);
        match text.as_bytes().last() {
            Some(last) => *last == b':',
            None => self.after_colon,
        }
    }

    /// The byte before a place of the held text.
    fn byte_before(&self, at: usize) -> Option<u8> {
        match at.checked_sub(1) {
            Some(before) => self.held.as_bytes().get(before).copied(),
            None => self.last,
        }
    }

    /// Text up to `to` leaves as what it is.
    fn text(&mut self, to: usize, out: Sink<'_>) {
        let mut text = &self.held[self.at..to];
        if !self.wrote && self.thought.is_some() {
            text = text.trim_start();
        }
        if !text.is_empty() {
            self.wrote = true;
            out(Piece::Text(text));
        }
        self.at = to;
        self.looked = self.looked.max(to);
    }

    /// Reasoning up to `to` leaves; line ends round it do not.
    fn reason(&mut self, to: usize, out: Sink<'_>) {
        let mut text = &self.held[self.at..to];
        let is_first = self.thought != Some(false);
        if is_first {
            text = text.trim_start();
        }
        if !text.is_empty() {
            if self.thought == Some(true) && is_first {
                out(Piece::Reasoning("\n"));
            }
            self.thought = Some(false);
            out(Piece::Reasoning(text));
        }
        self.at = to;
        self.looked = self.looked.max(to);
    }

    /// A call leaves.
    fn call(&mut self, call: Called, out: Sink<'_>) {
        self.calls += 1;
        self.repaired += usize::from(call.repaired);
        out(Piece::Call(call));
    }

    /// Keeps a note.
    fn note(&mut self, row: usize, span: Range<usize>, outcome: Result<(usize, usize), Reason>) {
        if self.seen.len() < MOST_SEEN {
            let span = span.start + self.before..span.end + self.before;
            self.seen.push(Seen { row, span, outcome });
        }
    }

    /// The call inside thoughts was a draft.
    fn note_draft(&mut self) {
        if let Some((row, span)) = self.drafted.take() {
            self.note(row, span, Err(Reason::Draft));
        }
    }

    /// Whether too much was read in vain to try anything more before `at`.
    fn exhausted(&self, at: usize) -> bool {
        let (most, times) = VAIN;
        self.vain > most + times * (self.before + at)
    }
}
