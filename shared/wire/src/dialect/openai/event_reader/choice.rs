//! One choice of an answer as its pieces arrive.

use super::chunk;
use super::extent::Extent;
use crate::hub::{Event, Finish, StreamFault};

/// More calls than any model makes at once; beyond it the stream is broken.
const MOST_CALLS: usize = 1024;

/// Longest arguments that wait for the name of their call.
const MOST_WAITING: usize = 1024 * 1024;

/// What is known of one choice.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Whether it occurred at all; lower numbers than its own may not have.
    pub(super) seen: bool,
    /// The first reason given.
    pub(super) finish: Option<Finish>,
    calls: Vec<Call>,
    /// Calls that have been told of.
    told: u32,
}

/// What is known of one tool call.
#[derive(Debug)]
struct Call {
    place: Place,
    id: String,
    name: String,
    /// Its number in the answer, once it has a name.
    number: Option<u32>,
    arguments: Extent,
    /// Arguments that came before the name.
    waiting: String,
}

/// Where a piece of a call stands.
#[derive(Clone, Copy)]
struct Spot {
    place: Place,
    /// Among the pieces of its delta, when there are several.
    position: Option<usize>,
    /// Calls that had begun before its delta.
    begun: usize,
    /// It is a call of its own, whatever is said of it.
    whole: bool,
}

/// How a server says which call a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// By number, from 0 or from 1.
    Index(i64),
    /// Not at all.
    Unsaid,
    /// `function_call`, of which there is one.
    Legacy,
}

impl Choice {
    /// Takes the pieces of calls in one delta, or the calls of a `whole` reply.
    pub(super) fn calls(
        &mut self,
        number: u32,
        pieces: Vec<chunk::Call<'_>>,
        whole: bool,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let several = pieces.len() > 1;
        let begun = self.calls.len();
        for (position, piece) in pieces.into_iter().enumerate() {
            let place = piece.index.0.map_or(Place::Unsaid, Place::Index);
            // Mistral's way of saying that there is none.
            let id = if piece.id.0 == "null" {
                ""
            } else {
                &piece.id.0
            };
            let function = piece.function.0.unwrap_or_default();
            let spot = Spot {
                place,
                position: several.then_some(position),
                begun,
                whole,
            };
            self.piece(number, spot, id, &function, each)?;
        }
        Ok(())
    }

    /// Takes a piece of the one call of the older form.
    pub(super) fn function_call(
        &mut self,
        number: u32,
        function: &chunk::Function<'_>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let spot = Spot {
            place: Place::Legacy,
            position: None,
            begun: self.calls.len(),
            whole: false,
        };
        self.piece(number, spot, "", function, each)
    }

    /// The choice is complete: calls without arguments get `{}`, and its reason is
    /// told, by the presence of calls where the server's word does not fit it.
    pub(super) fn close(
        &mut self,
        number: u32,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        for call in &mut self.calls {
            match call.number {
                Some(at) if !call.arguments.has_begun() => each(Event::Arguments {
                    choice: number,
                    call: at,
                    text: "{}".into(),
                }),
                None if !call.waiting.is_empty() => {
                    return Err(StreamFault::BadEvent(
                        "a tool call has arguments and no name".to_owned(),
                    ));
                }
                Some(_) | None => {}
            }
        }
        let has_calls = self.told > 0;
        let reason = match self.finish.unwrap_or(Finish::Stop) {
            Finish::Stop if has_calls => Finish::ToolCalls,
            Finish::ToolCalls if !has_calls => Finish::Stop,
            reason
            @ (Finish::Stop | Finish::Length | Finish::ToolCalls | Finish::ContentFilter) => reason,
        };
        each(Event::Finish {
            choice: number,
            reason,
        });
        Ok(())
    }

    fn piece(
        &mut self,
        choice: u32,
        spot: Spot,
        id: &str,
        function: &chunk::Function<'_>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let name = &*function.name.0;
        let text = function.arguments();
        let at = match self.belongs_to(spot, id, name, &text) {
            Some(at) => at,
            None if self.calls.len() < MOST_CALLS => {
                self.calls.push(Call::at(spot.place));
                self.calls.len() - 1
            }
            None => {
                return Err(StreamFault::BadEvent(format!(
                    "more than {MOST_CALLS} tool calls"
                )));
            }
        };
        let call = &mut self.calls[at];
        if call.number.is_none() && call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.number.is_none() && !name.is_empty() {
            name.clone_into(&mut call.name);
            call.number = Some(self.told);
            // An id that another call has is none: results are told apart by it.
            let call = &self.calls[at];
            let mut others = self.calls.iter().filter(|known| known.number.is_some());
            let is_taken = others.any(|known| known.number != call.number && known.id == call.id);
            each(Event::Call {
                choice,
                call: self.told,
                id: if is_taken { "" } else { &call.id }.into(),
                name: name.into(),
            });
            let waiting = std::mem::take(&mut self.calls[at].waiting);
            if !waiting.is_empty() {
                each(Event::Arguments {
                    choice,
                    call: self.told,
                    text: waiting.into(),
                });
            }
            self.told += 1;
        }
        let call = &mut self.calls[at];
        let text = call.arguments.take(&text);
        if text.is_empty() {
            return Ok(());
        }
        match call.number {
            Some(number) => each(Event::Arguments {
                choice,
                call: number,
                text: text.into(),
            }),
            None if call.waiting.len() + text.len() <= MOST_WAITING => call.waiting.push_str(text),
            None => return Err(StreamFault::TooLong),
        }
        Ok(())
    }

    /// Which call a piece goes on with; `None` when it begins one.
    fn belongs_to(&self, spot: Spot, id: &str, name: &str, text: &str) -> Option<usize> {
        let Spot {
            place,
            position,
            begun,
            whole,
        } = spot;
        if whole {
            return None;
        }
        let last = self.calls.len().checked_sub(1);
        match place {
            Place::Index(_) | Place::Legacy => {
                let at = self.calls.iter().rposition(|call| call.place == place)?;
                (!self.calls[at].is_other(id, name, text)).then_some(at)
            }
            Place::Unsaid if !id.is_empty() => {
                let Some(same) = self.calls.iter().rposition(|call| call.id == id) else {
                    // An id that changes with every piece names no new call.
                    return last.filter(|_| name.is_empty());
                };
                // Some servers give all calls one id. Within a delta, and with another
                // name, a piece that has a name is another call's.
                let known = &self.calls[same].name;
                let is_other =
                    !name.is_empty() && !known.is_empty() && (same >= begun || name != known);
                (!is_other).then_some(same)
            }
            Place::Unsaid if !name.is_empty() => {
                last.filter(|last| self.calls[*last].name.is_empty())
            }
            Place::Unsaid => position.filter(|at| *at < self.calls.len()).or(last),
        }
    }
}

impl Call {
    fn at(place: Place) -> Self {
        Self {
            place,
            id: String::new(),
            name: String::new(),
            number: None,
            arguments: Extent::default(),
            waiting: String::new(),
        }
    }

    /// Whether a piece at this call's place is of another call: some servers number
    /// all calls 0. Only a piece with a name can begin a call.
    fn is_other(&self, id: &str, name: &str, text: &str) -> bool {
        if name.is_empty() || self.name.is_empty() {
            return false;
        }
        if !id.is_empty() && !self.id.is_empty() {
            return id != self.id;
        }
        name != self.name || (self.arguments.is_complete() && !text.trim().is_empty())
    }
}
