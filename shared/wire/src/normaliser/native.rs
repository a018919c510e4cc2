//! Native tool calls of an answer, made such that a client can run them.
//!
//! A name becomes the one that is offered ([`Tools::find`]); one that means no tool stays.
//! Calls are numbered 0, 1, 2 in order of appearance and no two of a choice have one id:
//! one that comes again is left out, and the writer makes one, as it does where there is
//! none. Arguments go through a [`super::Mender`]: strict JSON passes as it comes; damaged
//! arguments wait until the choice ends and leave mended, or, where they cannot be mended,
//! as they came. An answer that was cut, by its limit or by a filter, gets no brackets
//! added.
//!
//! Arguments are made to fit the tool's schema, lossless as in [`super::schema`], only
//! where nothing of them has left that would be contradicted: those of whole replies
//! ([`Native::whole`]), and of streams those that are damaged from their beginning on. What streams as
//! strict JSON is the model's own, whatever its types. Nothing is changed where the fitted
//! arguments would not be valid.
//!
//! `tools` have the names that the upstream was given, where those are others than the
//! caller's; the writer turns them back.

mod call;
mod fitted;

use std::collections::HashSet;
use std::sync::Arc;

use super::alias::Alias;
use super::tools::Tools;
use crate::hub::{Event, Finish};
pub(crate) use call::CallMender;

/// Choices beyond this number are not looked at; no server gives so many.
const MOST_CHOICES: usize = 129;

/// Calls of a choice beyond this number are not looked at.
const MOST_CALLS: usize = 4096;

/// Mends the calls of one answer.
#[derive(Debug)]
pub struct Native {
    tools: Arc<Tools>,
    aliases: Arc<[Alias]>,
    /// The answer is a whole reply: nothing of a call leaves before all of it is there.
    whole: bool,
    choices: Vec<Choice>,
    repaired: u32,
    broken: u32,
}

#[derive(Debug, Default)]
struct Choice {
    calls: Vec<Call>,
    ids: HashSet<String>,
}

#[derive(Debug)]
struct Call {
    /// The number that the events name it by.
    theirs: u32,
    mender: CallMender,
}

impl Native {
    /// For a stream.
    #[must_use]
    pub fn new(tools: Arc<Tools>, aliases: Arc<[Alias]>) -> Self {
        Self {
            tools,
            aliases,
            whole: false,
            choices: Vec::new(),
            repaired: 0,
            broken: 0,
        }
    }

    /// For the events of a whole reply: all arguments are made to fit their schema.
    #[must_use]
    pub fn whole(tools: Arc<Tools>, aliases: Arc<[Alias]>) -> Self {
        Self {
            whole: true,
            ..Self::new(tools, aliases)
        }
    }

    /// Takes the next event and tells what becomes of it.
    pub fn event(&mut self, event: Event<'_>, each: &mut dyn FnMut(Event<'_>)) {
        match event {
            Event::Call {
                choice,
                call,
                id,
                name,
            } => match self.begin(choice, call, &id, &name) {
                Some((number, id_is_good, name)) => each(Event::Call {
                    choice,
                    call: number,
                    id: if id_is_good { id } else { "".into() },
                    name: name.into(),
                }),
                None => each(Event::Call {
                    choice,
                    call,
                    id,
                    name,
                }),
            },
            Event::Arguments { choice, call, text } => {
                match self.place(choice, call) {
                    Some(at) => self.arguments(choice, at, &text, each),
                    None => each(Event::Arguments { choice, call, text }),
                };
            }
            Event::Finish { choice, reason } => {
                self.close(choice, was_done(reason), each);
                each(Event::Finish { choice, reason });
            }
            Event::End => {
                self.close_all(true, each);
                each(Event::End);
            }
            Event::Fault(fault) => {
                self.close_all(false, each);
                each(Event::Fault(fault));
            }
            other @ (Event::Start { .. }
            | Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Usage(_)
            | Event::KeepAlive) => each(other),
        }
    }

    /// Calls whose name or arguments were changed, among those that are complete.
    #[must_use]
    pub fn repaired(&self) -> u32 {
        self.repaired
    }

    /// Calls whose arguments are no JSON and left as they came.
    #[must_use]
    pub fn broken(&self) -> u32 {
        self.broken
    }

    /// A call begins: its number, whether its id is its own, and its name. `None` when
    /// there are too many.
    fn begin(
        &mut self,
        choice: u32,
        theirs: u32,
        id: &str,
        name: &str,
    ) -> Option<(u32, bool, String)> {
        let at = choice as usize;
        if at >= MOST_CHOICES {
            return None;
        }
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Choice::default);
        }
        let choice = &mut self.choices[at];
        if choice.calls.len() >= MOST_CALLS {
            return None;
        }
        let number = u32::try_from(choice.calls.len()).ok()?;
        let mut mender = CallMender::default();
        let called = mender.name(name, &self.tools);
        let called = called.unwrap_or_else(|| name.to_owned());
        choice.calls.push(Call { theirs, mender });
        let id_is_good = choice.ids.insert(id.to_owned());
        Some((number, id_is_good, called))
    }

    /// Where the call is that the events number `theirs`: the last one of that number.
    fn place(&self, choice: u32, theirs: u32) -> Option<usize> {
        let calls = &self.choices.get(choice as usize)?.calls;
        calls.iter().rposition(|call| call.theirs == theirs)
    }

    fn arguments(&mut self, choice: u32, at: usize, text: &str, each: &mut dyn FnMut(Event<'_>)) {
        let choices = self.choices.get_mut(choice as usize);
        if let Some(call) = choices.and_then(|choice| choice.calls.get_mut(at)) {
            call.mender.push(text);
            if !self.whole {
                call.tell(choice, at, each);
            }
        }
    }

    fn close_all(&mut self, done: bool, each: &mut dyn FnMut(Event<'_>)) {
        for number in (0u32..).take(self.choices.len()) {
            self.close(number, done, each);
        }
    }

    /// The calls of a choice are complete, or with `done` false cut off.
    fn close(&mut self, number: u32, done: bool, each: &mut dyn FnMut(Event<'_>)) {
        let Some(choice) = self.choices.get_mut(number as usize) else {
            return;
        };
        for (at, mut call) in std::mem::take(choice).calls.into_iter().enumerate() {
            let broken = call.mender.close(done, &self.tools, &self.aliases);
            self.broken += u32::from(broken);
            self.repaired += u32::from(call.mender.is_repaired());
            call.tell(number, at, each);
        }
    }
}

impl Call {
    /// Tells the arguments that are ready.
    fn tell(&mut self, choice: u32, at: usize, each: &mut dyn FnMut(Event<'_>)) {
        let ready = self.mender.ready();
        if !ready.is_empty() {
            each(Event::Arguments {
                choice,
                call: u32::try_from(at).unwrap_or(u32::MAX),
                text: ready.into(),
            });
        }
    }
}

/// Whether the model itself came to the end of an answer that ended so.
pub(crate) fn was_done(reason: Finish) -> bool {
    match reason {
        Finish::Stop | Finish::ToolCalls => true,
        Finish::Length | Finish::ContentFilter => false,
    }
}

#[cfg(test)]
mod tests;
