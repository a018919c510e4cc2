//! All choices of an answer on their way through the engine: events in, events out.
//!
//! Tool calls that the upstream gave as such come first: one that the model also wrote as
//! text is told once. A choice with a call in it finishes for its tool calls. An answer
//! that breaks off has no calls that only its end would make: what is held leaves as text.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use super::machine::{Machine, Piece, Rules, Seen, Thoughts};
use super::native::Native;
use super::shown::Shown;
use super::tally::{Tally, tally};
use super::tools::Tools;
use super::verdict::Called;
use crate::hub::{Event, Finish};

/// How an answer is normalised.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The engine's rules.
    pub rules: Rules,
    /// What tells this answer from all others: the ids of its calls are made of it.
    pub id: String,
    /// The tools that calls which the upstream gives as such are mended for; `None` leaves
    /// them as they come.
    pub native: Option<Arc<Tools>>,
    /// What becomes of reasoning.
    pub shown: Shown,
    /// How many answers the caller asked for.
    pub choices: u64,
    /// Whether a comment at the end of a stream tells how many calls were repaired.
    pub comment: bool,
}

impl Manner {
    /// What mends the calls of a stream that the upstream gives as such.
    #[must_use]
    pub fn native(&self) -> Option<Native> {
        let tools = self.native.as_ref()?;
        Some(Native::new(
            Arc::clone(tools),
            Arc::clone(&self.rules.aliases),
        ))
    }

    /// The same for a whole reply.
    #[must_use]
    pub fn native_whole(&self) -> Option<Native> {
        let tools = self.native.as_ref()?;
        Some(Native::whole(
            Arc::clone(tools),
            Arc::clone(&self.rules.aliases),
        ))
    }

    /// Whether a whole reply can come out otherwise than it is: a glance that spares most
    /// replies to requests without tools the reading.
    #[must_use]
    pub fn may_change(&self, reply: &[u8]) -> bool {
        static SIGNS: LazyLock<[Finder<'_>; 5]> =
            LazyLock::new(|| ["think", "THINK", "analysis", "<|", "\"reasoning"].map(Finder::new));
        !self.rules.tools.is_empty()
            || self.rules.thoughts == Thoughts::Open
            || SIGNS.iter().any(|sign| sign.find(reply).is_some())
    }
}

/// Most choices that are looked at; no server gives so many.
const MOST_CHOICES: usize = 129;

/// Takes an answer's events and tells what becomes of them.
#[derive(Debug)]
pub struct Normaliser {
    rules: Rules,
    id: String,
    choices: Vec<Option<Box<Choice>>>,
}

#[derive(Debug)]
struct Choice {
    /// What ids of calls begin with.
    id: String,
    text: Machine,
    thoughts: Machine,
    /// Whether text has begun, so that the field of reasoning has ended.
    answered: bool,
    /// Calls told so far.
    calls: u32,
    /// Calls that were text, as they were told.
    written: Vec<Called>,
    native: Vec<NativeCall>,
    finished: bool,
}

/// A call that the upstream gave as such.
#[derive(Debug)]
struct NativeCall {
    /// Its number there.
    theirs: u32,
    /// Its number for the caller; `None` while it may be one that was told as text.
    ours: Option<u32>,
    id: String,
    name: String,
    arguments: String,
}

/// Takes events.
type Each<'e> = &'e mut dyn FnMut(Event<'_>);

impl Normaliser {
    /// For a stream.
    #[must_use]
    pub fn new(manner: &Manner) -> Self {
        Self {
            rules: manner.rules.clone(),
            id: short(&manner.id),
            choices: Vec::new(),
        }
    }

    /// For a whole reply, whose beginning can wait for its end.
    #[must_use]
    pub fn whole(manner: &Manner) -> Self {
        let mut whole = Self::new(manner);
        if whole.rules.thoughts == Thoughts::Tagged {
            whole.rules.thoughts = Thoughts::Held;
        }
        whole
    }

    /// Takes the next event.
    pub fn event(&mut self, event: Event<'_>, each: Each<'_>) {
        match event {
            Event::Text { choice, text } => match self.choice(choice) {
                Some(own) => own.text(choice, &text, each),
                None => each(Event::Text { choice, text }),
            },
            Event::Reasoning { choice, text } => match self.choice(choice) {
                Some(own) => own.reasoning(choice, &text, each),
                None => each(Event::Reasoning { choice, text }),
            },
            Event::Call {
                choice,
                call,
                id,
                name,
            } => match self.choice(choice) {
                Some(own) => own.call(choice, call, id, name, each),
                None => each(Event::Call {
                    choice,
                    call,
                    id,
                    name,
                }),
            },
            Event::Arguments { choice, call, text } => match self.choice(choice) {
                Some(own) => own.arguments(choice, call, &text, each),
                None => each(Event::Arguments { choice, call, text }),
            },
            Event::Finish { choice, reason } => match self.choice(choice) {
                Some(own) => {
                    own.close(choice, each);
                    let reason = own.reason(reason);
                    each(Event::Finish { choice, reason });
                }
                None => each(Event::Finish { choice, reason }),
            },
            Event::End => {
                self.for_all(&mut |own, choice| own.close(choice, each));
                each(Event::End);
            }
            Event::Fault(fault) => {
                self.for_all(&mut |own, choice| own.abandon(choice, each));
                each(Event::Fault(fault));
            }
            other @ (Event::Start { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Usage(_)
            | Event::KeepAlive) => each(other),
        }
    }

    /// Whether a call that was text has been told of this choice, so that the upstream's
    /// own calls have other numbers or wait for its end.
    #[must_use]
    pub fn has_written(&self, choice: u32) -> bool {
        let own = self.choices.get(choice as usize);
        let own = own.and_then(Option::as_ref);
        own.is_some_and(|own| !own.written.is_empty())
    }

    /// How many calls were mended beyond their form.
    #[must_use]
    pub fn repaired(&self) -> usize {
        let choices = self.choices.iter().flatten();
        choices
            .map(|own| own.text.repaired() + own.thoughts.repaired())
            .sum()
    }

    /// How many calls were text.
    #[must_use]
    pub fn found(&self) -> usize {
        let choices = self.choices.iter().flatten();
        choices
            .map(|own| own.text.calls() + own.thoughts.calls())
            .sum()
    }

    /// What was seen, choice by choice.
    pub fn seen(&self) -> impl Iterator<Item = &Seen> {
        let choices = self.choices.iter().flatten();
        choices.flat_map(|own| own.thoughts.seen().iter().chain(own.text.seen()))
    }

    /// What was seen, counted pattern by pattern.
    #[must_use]
    pub fn tally(&self) -> Vec<Tally> {
        tally(&self.rules.patterns, self.seen())
    }

    /// Whether nothing more can become of the answer than that it passes.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().flatten().all(|own| own.is_idle())
    }

    fn choice(&mut self, choice: u32) -> Option<&mut Choice> {
        let at = choice as usize;
        if at >= MOST_CHOICES {
            return None;
        }
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, || None);
        }
        let (rules, id) = (&self.rules, &self.id);
        let own = self.choices[at].get_or_insert_with(|| Box::new(Choice::new(rules, id)));
        (!own.finished).then_some(own)
    }

    fn for_all(&mut self, each: &mut dyn FnMut(&mut Choice, u32)) {
        for (own, choice) in self.choices.iter_mut().zip(0..) {
            if let Some(own) = own.as_mut().filter(|own| !own.finished) {
                each(own, choice);
            }
        }
    }
}

impl Choice {
    fn new(rules: &Rules, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            text: Machine::new(rules.clone()),
            thoughts: Machine::for_reasoning(rules.clone()),
            answered: false,
            calls: 0,
            written: Vec::new(),
            native: Vec::new(),
            finished: false,
        }
    }

    fn is_idle(&self) -> bool {
        self.finished || (self.text.is_idle() && !self.thoughts.holds())
    }

    fn text(&mut self, choice: u32, text: &str, each: Each<'_>) {
        if !self.answered {
            self.answered = true;
            self.thoughts(choice, each, Machine::release);
        }
        let mut pieces = Pieces::default();
        self.text.push(text, &mut |piece| pieces.take(piece));
        self.tell(choice, pieces, each);
    }

    fn reasoning(&mut self, choice: u32, text: &str, each: Each<'_>) {
        let answered = self.answered;
        self.thoughts(choice, each, |machine, out| {
            machine.push(text, out);
            // Reasoning behind the answer's beginning is no place for its calls.
            if answered {
                machine.release(out);
            }
        });
    }

    fn thoughts(
        &mut self,
        choice: u32,
        each: Each<'_>,
        act: impl FnOnce(&mut Machine, &mut dyn FnMut(Piece<'_>)),
    ) {
        let mut pieces = Pieces::default();
        act(&mut self.thoughts, &mut |piece| pieces.take(piece));
        self.tell(choice, pieces, each);
    }

    fn tell(&mut self, choice: u32, pieces: Pieces, each: Each<'_>) {
        for piece in pieces.0 {
            match piece {
                Told::Text(text) => {
                    let text = text.into();
                    each(Event::Text { choice, text });
                }
                Told::Reasoning(text) => {
                    let text = text.into();
                    each(Event::Reasoning { choice, text });
                }
                Told::Call(call) => self.written(choice, call, each),
            }
        }
    }

    /// Tells a call that was text, unless the upstream gave it too.
    fn written(&mut self, choice: u32, called: Called, each: Each<'_>) {
        let mut native = self.native.iter();
        if native.any(|native| native.is(&called)) {
            return;
        }
        let call = self.next();
        each(Event::Call {
            choice,
            call,
            id: format!("call_{}{choice:02x}{call:03x}", self.id).into(),
            name: called.name.as_str().into(),
        });
        each(Event::Arguments {
            choice,
            call,
            text: called.arguments.as_str().into(),
        });
        self.written.push(called);
    }

    fn next(&mut self) -> u32 {
        self.calls += 1;
        self.calls - 1
    }

    fn call(
        &mut self,
        choice: u32,
        theirs: u32,
        id: Cow<'_, str>,
        name: Cow<'_, str>,
        each: Each<'_>,
    ) {
        // While it may be one that was told as text, it waits.
        let ours = self.written.is_empty().then(|| self.next());
        self.native.push(NativeCall {
            theirs,
            ours,
            id: id.clone().into_owned(),
            name: name.clone().into_owned(),
            arguments: String::new(),
        });
        if let Some(call) = ours {
            each(Event::Call {
                choice,
                call,
                id,
                name,
            });
        }
    }

    fn arguments(&mut self, choice: u32, theirs: u32, text: &str, each: Each<'_>) {
        let mut native = self.native.iter_mut();
        let Some(native) = native.find(|native| native.theirs == theirs) else {
            return;
        };
        native.arguments.push_str(text);
        if let Some(call) = native.ours {
            let text = text.into();
            each(Event::Arguments { choice, call, text });
        }
    }

    /// The choice is complete.
    fn close(&mut self, choice: u32, each: Each<'_>) {
        if !self.answered {
            self.thoughts(choice, each, Machine::finish);
        }
        let mut pieces = Pieces::default();
        self.text.finish(&mut |piece| pieces.take(piece));
        self.tell(choice, pieces, each);
        self.end(choice, each);
    }

    /// The answer broke off: nothing is made a call by that.
    fn abandon(&mut self, choice: u32, each: Each<'_>) {
        if !self.answered {
            self.thoughts(choice, each, Machine::release);
        }
        let mut pieces = Pieces::default();
        self.text.abandon(&mut |piece| pieces.take(piece));
        self.tell(choice, pieces, each);
        self.end(choice, each);
    }

    fn end(&mut self, choice: u32, each: Each<'_>) {
        self.finished = true;
        let waiting = std::mem::take(&mut self.native);
        for native in waiting.into_iter().filter(|native| native.ours.is_none()) {
            if self.written.iter().any(|called| native.is(called)) {
                continue;
            }
            let call = self.next();
            each(Event::Call {
                choice,
                call,
                id: native.id.into(),
                name: native.name.into(),
            });
            if !native.arguments.is_empty() {
                let text = native.arguments.into();
                each(Event::Arguments { choice, call, text });
            }
        }
    }

    /// Why the choice ended: for its calls, if it has some that were text.
    fn reason(&self, reason: Finish) -> Finish {
        match reason {
            Finish::Stop | Finish::Length if !self.written.is_empty() => Finish::ToolCalls,
            Finish::Stop | Finish::Length | Finish::ToolCalls | Finish::ContentFilter => reason,
        }
    }
}

impl NativeCall {
    fn is(&self, called: &Called) -> bool {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        self.name == called.name && read(&self.arguments) == read(&called.arguments)
    }
}

/// Letters and digits of `id`, the last ones, so that a call's id stays below the 40
/// characters that OpenAI takes.
fn short(id: &str) -> String {
    let plain = id.chars().filter(char::is_ascii_alphanumeric);
    let plain: Vec<char> = plain.collect();
    plain[plain.len().saturating_sub(24)..].iter().collect()
}

/// Pieces that are told when the machine is done with them.
#[derive(Default)]
struct Pieces(Vec<Told>);

enum Told {
    Text(String),
    Reasoning(String),
    Call(Called),
}

impl Pieces {
    fn take(&mut self, piece: Piece<'_>) {
        match (piece, self.0.last_mut()) {
            (Piece::Text(more), Some(Told::Text(text)))
            | (Piece::Reasoning(more), Some(Told::Reasoning(text))) => text.push_str(more),
            (Piece::Text(text), _) => self.0.push(Told::Text(text.to_owned())),
            (Piece::Reasoning(text), _) => self.0.push(Told::Reasoning(text.to_owned())),
            (Piece::Call(call), _) => self.0.push(Told::Call(call)),
        }
    }
}
