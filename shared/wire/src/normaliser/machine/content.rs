//! The answer itself, outside of thoughts.

use memchr::{memchr, memchr2};

use super::super::read::{self, Mark, mark};
use super::super::scan::Scan;
use super::candidate::{Asked, Eval, Seized, boundary};
use super::tail::Tail;
use super::think::{closing, opening};
use super::{Code, Ends, Machine, Mode, Sink, Step};

/// Whether only blanks stand between a colon and a place, or the start of the text.
fn is_behind_colon(text: &[u8], at: usize) -> bool {
    let before = text[..at].iter().rev();
    let mut before = before.skip_while(|byte| matches!(byte, b' ' | b'\t'));
    before.next().is_none_or(|byte| *byte == b':')
}

/// What a look at one place came to.
enum Looked {
    /// Nothing begins here; so many bytes are text.
    Text(usize),
    /// Something was done; look again.
    Done,
    /// More text decides.
    More,
}

impl Machine {
    /// Whether all of `text` leaves as it is, with nothing held before it.
    pub(super) fn passes(&mut self, text: &str) -> bool {
        if self.mode != Mode::Content || self.tail.is_some() || !self.wrote || self.calls > 0 {
            return false;
        }
        let passes = match self.code {
            Code::None => self.next(text.as_bytes(), 0, self.line_start) == text.len(),
            Code::Block(_) => memchr(b'`', text.as_bytes()).is_none(),
            Code::Inline(_) => memchr2(b'`', b'\n', text.as_bytes()).is_none(),
        };
        if passes {
            let end = text.trim_end_matches([' ', '\t', '\r']);
            match end.as_bytes().last() {
                Some(last) => {
                    self.line_start = *last == b'\n';
                    self.after_colon = *last == b':';
                }
                None => {
                    self.line_start &= !text.contains(|c: char| !c.is_whitespace());
                }
            }
            self.last = text.as_bytes().last().copied();
            self.before += text.len();
        }
        passes
    }

    /// The first place from `at` on where something may begin: a byte that some pattern
    /// begins with, or one at the start of a line.
    fn next(&self, text: &[u8], mut at: usize, mut line: bool) -> usize {
        let set = &self.rules.patterns;
        while let Some(&byte) = text.get(at) {
            if !line && set.is_plain(byte) {
                let rest = &text[at..];
                let plain = rest.iter().position(|byte| !set.is_plain(*byte));
                at += plain.unwrap_or(rest.len());
                continue;
            }
            if line {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    b'`' => return at,
                    _ if set.begins_lines(byte) => return at,
                    _ if !set.is_plain(byte) && set.may_begin(&text[at..]) => return at,
                    _ => line = false,
                }
            } else {
                match byte {
                    b'\n' => line = true,
                    b'`' => return at,
                    // A tag may stand behind a colon.
                    b'<' if is_behind_colon(text, at) => return at,
                    _ if set.may_begin(&text[at..]) => return at,
                    _ => {}
                }
            }
            at += 1;
        }
        text.len()
    }

    /// In the answer.
    pub(super) fn content(&mut self, ended: bool, out: Sink<'_>) -> Step {
        if self.tail.is_some() {
            return self.behind_call(ended, out);
        }
        let mut at = self.looked.max(self.at);
        loop {
            at = match self.code {
                Code::None => {
                    let line = self.begins_line(at);
                    self.next(self.held.as_bytes(), at, line)
                }
                Code::Block(_) => self.find(at, b"`"),
                Code::Inline(_) => self.find(at, b"`\n"),
            };
            if at == self.held.len() {
                return self.passed(at, ended, out);
            }
            match self.look(at, ended, out) {
                Looked::Text(length) => at += length,
                Looked::Done => return Step::On,
                Looked::More => {
                    self.passed(at, false, out);
                    return Step::Wait;
                }
            }
        }
    }

    fn find(&self, at: usize, bytes: &[u8]) -> usize {
        let text = &self.held.as_bytes()[at..];
        let found = match bytes {
            [one] => memchr(*one, text),
            [one, other] => memchr2(*one, *other, text),
            _ => None,
        };
        found.map_or(self.held.len(), |found| at + found)
    }

    /// Text up to `to` leaves; white space that nothing precedes waits for what follows.
    fn passed(&mut self, to: usize, ended: bool, out: Sink<'_>) -> Step {
        self.looked = to;
        let blank = !self.wrote && self.held[self.at..to].trim().is_empty();
        if ended || !blank {
            self.text(to, out);
        }
        Step::Wait
    }

    /// Looks at one place.
    fn look(&mut self, at: usize, ended: bool, out: Sink<'_>) -> Looked {
        let byte = self.held.as_bytes()[at];
        match (self.code, byte) {
            (Code::Inline(_), b'\n') => {
                self.code = Code::None;
                return Looked::Text(1);
            }
            (_, b'`') => return self.ticks(at, ended, out),
            (Code::Inline(_) | Code::Block(_), _) => return Looked::Text(1),
            (Code::None, _) => {}
        }
        match self.evaluate(at, ended, Asked::InText) {
            Eval::Found(seized) => {
                self.seize(at, seized, out);
                return Looked::Done;
            }
            Eval::More => return Looked::More,
            Eval::No => {}
        }
        if matches!(byte, b'<' | b'[') {
            return self.marks(at, ended, out);
        }
        let letter = self.held[at..].chars().next();
        Looked::Text(letter.map_or(1, char::len_utf8))
    }

    /// A run of back-ticks: a block of calls, or code.
    fn ticks(&mut self, at: usize, ended: bool, out: Sink<'_>) -> Looked {
        let rest = &self.held[at..];
        let run = rest.len() - rest.trim_start_matches('`').len();
        if run == rest.len() && !ended {
            return Looked::More;
        }
        match self.code {
            Code::None if run >= 3 => match self.evaluate(at, ended, Asked::InText) {
                Eval::Found(seized) => {
                    self.seize(at, seized, out);
                    return Looked::Done;
                }
                Eval::More => return Looked::More,
                Eval::No => self.code = Code::Block(run),
            },
            Code::None => self.code = Code::Inline(run),
            Code::Inline(open) if open == run => self.code = Code::None,
            Code::Block(open) if run >= open => self.code = Code::None,
            Code::Inline(_) | Code::Block(_) => {}
        }
        Looked::Text(run)
    }

    /// Calls at `at` leave, or wait for the end.
    fn seize(&mut self, at: usize, seized: Seized, out: Sink<'_>) {
        let blank = !self.wrote && self.held[self.at..at].trim().is_empty();
        if !blank {
            self.text(at, out);
        }
        let mut tail = Tail::new(at);
        if !seized.weak {
            self.at = at;
        }
        self.take(&mut tail, at, seized, out);
        self.tail = Some(tail);
    }

    /// Tags of thoughts, headers and tokens that are no text.
    fn marks(&mut self, at: usize, ended: bool, out: Sink<'_>) -> Looked {
        let rest = &self.held[at..];
        match opening(rest) {
            Scan::Done((), length) => return self.thoughts(at, length, ended, out),
            Scan::More if !ended => return Looked::More,
            Scan::More | Scan::No => {}
        }
        if self.rules.patterns.knows_harmony()
            && (rest.starts_with("<|start|>") || rest.starts_with("<|channel|>"))
            && let Scan::Done(header, length) =
                read::header(&rest[..boundary(rest, self.rules.hold)])
            && (header.recipient.is_none() || header.channel == "analysis")
        {
            self.text_before(at, out);
            self.at = at + length;
            self.harmony = true;
            self.go_on(self.at);
            if header.channel == "analysis" {
                self.mode = Mode::Think(Ends::Message);
            }
            return Looked::Done;
        }
        let tokens: &[&str] = if self.harmony {
            &["<|end|>", "<|return|>", "<|call|>"]
        } else if self.thought.is_some() {
            &["<|START_RESPONSE|>", "<|END_RESPONSE|>"]
        } else {
            &[]
        };
        for token in tokens {
            if rest.starts_with(token) {
                self.text_before(at, out);
                self.at = at + token.len();
                self.looked = self.at;
                self.fresh = self.before + self.at;
                return Looked::Done;
            }
            if token.starts_with(rest) && !ended {
                return Looked::More;
            }
        }
        if self.calls > 0 {
            match mark(rest) {
                Scan::Done(Mark::Turn, length) if rest[length..].trim().is_empty() => {
                    if !ended {
                        return Looked::More;
                    }
                    self.text(at, out);
                    self.at = self.held.len();
                    self.looked = self.at;
                    return Looked::Done;
                }
                Scan::More if !ended => return Looked::More,
                Scan::Done(..) | Scan::More | Scan::No => {}
            }
        }
        Looked::Text(1)
    }

    /// Text up to `at` leaves, but for white space that nothing precedes.
    fn text_before(&mut self, at: usize, out: Sink<'_>) {
        if self.wrote || !self.held[self.at..at].trim().is_empty() {
            self.text(at, out);
        }
        self.at = at;
    }

    /// An opening tag of thoughts. At the beginning they have begun; in the midst of text
    /// they have when they end.
    fn thoughts(&mut self, at: usize, length: usize, ended: bool, out: Sink<'_>) -> Looked {
        let from = at + length;
        if !self.wrote && self.held[self.at..at].trim().is_empty() && self.calls == 0 {
            self.at = from;
            self.looked = from;
            self.mode = Mode::Think(Ends::Tag);
            return Looked::Done;
        }
        let limit = from + self.rules.hold;
        let mut end = from.max(self.unclosed.saturating_sub(self.before));
        while let Some(step) = memchr2(b'<', b'[', &self.held.as_bytes()[end..]) {
            end += step;
            if end > limit {
                break;
            }
            match closing(&self.held[end..]) {
                Scan::Done((), length) => {
                    self.text(at, out);
                    self.at = from;
                    let inner =
                        end - (self.held[from..end].len() - self.held[from..end].trim_end().len());
                    self.reason(inner, out);
                    self.thought = Some(true);
                    self.at = end + length;
                    self.go_on(self.at);
                    return Looked::Done;
                }
                Scan::More if !ended => return Looked::More,
                Scan::More | Scan::No => {
                    end += 1;
                    self.unclosed = self.before + end;
                }
            }
        }
        if ended || self.held.len() > limit {
            Looked::Text(length)
        } else {
            Looked::More
        }
    }
}
