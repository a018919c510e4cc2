//! One choice of an answer as its pieces arrive.

use super::super::pieces::{MOST_CALLS, Piece, Pieces, Place};
use super::chunk;
use crate::hub::{Event, Finish, StreamFault};

/// Longest arguments that wait for the name of their call.
const MOST_WAITING: usize = 1024 * 1024;

/// What is known of one choice.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Whether it occurred at all; lower numbers than its own may not have.
    pub(super) seen: bool,
    /// The first reason given.
    pub(super) finish: Option<Finish>,
    pieces: Pieces,
    /// By the places of the pieces.
    calls: Vec<Call>,
    /// Calls that have been told of.
    told: u32,
}

/// What has been told of one tool call.
#[derive(Debug, Default)]
struct Call {
    /// Its number in the answer, once it has a name.
    number: Option<u32>,
    /// Arguments that came before the name.
    waiting: String,
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
        let begun = self.pieces.len();
        for (position, piece) in pieces.into_iter().enumerate() {
            let place = piece.index.0.map_or(Place::Unsaid, Place::Index);
            // Mistral's way of saying that there is none.
            let id = if piece.id.0 == "null" {
                ""
            } else {
                &piece.id.0
            };
            let function = piece.function.0.unwrap_or_default();
            let piece = Piece {
                place,
                position: several.then_some(position),
                begun,
                whole,
                id,
                name: &function.name.0,
                text: &function.arguments(),
            };
            self.piece(number, &piece, each)?;
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
        let piece = Piece {
            place: Place::Legacy,
            position: None,
            begun: self.pieces.len(),
            whole: false,
            id: "",
            name: &function.name.0,
            text: &function.arguments(),
        };
        self.piece(number, &piece, each)
    }

    /// The choice is complete: calls without arguments get `{}`, and its reason is
    /// told, by the presence of calls where the server's word does not fit it.
    pub(super) fn close(
        &mut self,
        number: u32,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        for (place, call) in self.calls.iter().enumerate() {
            match call.number {
                Some(at) if !self.pieces.has_arguments(place) => each(Event::Arguments {
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
        piece: &Piece<'_>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let Some(taken) = self.pieces.take(piece) else {
            return Err(StreamFault::BadEvent(format!(
                "more than {MOST_CALLS} tool calls"
            )));
        };
        if self.calls.len() <= taken.at {
            self.calls.resize_with(taken.at + 1, Call::default);
        }
        let call = &mut self.calls[taken.at];
        if taken.names {
            call.number = Some(self.told);
            // An id that another call has is none: results are told apart by it.
            each(Event::Call {
                choice,
                call: self.told,
                id: self.pieces.id(taken.at).into(),
                name: piece.name.into(),
            });
            let waiting = std::mem::take(&mut call.waiting);
            if !waiting.is_empty() {
                each(Event::Arguments {
                    choice,
                    call: self.told,
                    text: waiting.into(),
                });
            }
            self.told += 1;
        }
        let text = taken.text;
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
}
