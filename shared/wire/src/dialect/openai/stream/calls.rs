//! Native tool calls of an answer that stays in the dialect, made such that a client can
//! run them.
//!
//! What is mended is as in [`crate::normaliser::Native`]: names, ids, numbers, arguments.
//! Only the members that change are written anew, in their place. A piece whose arguments
//! end where the next may contradict them (behind a comma, inside an escape) leaves without
//! that end, which then leads the next piece; what is left over at the end of a choice goes
//! into its last chunk, when that has a piece of the call, and otherwise into a chunk of its
//! own before it. Calls are numbered 0, 1, 2 in the order in which they begin. Calls of
//! custom tools and the older `function_call` are left alone.

mod found;
mod read;

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::chat_writer::reply_call_id;
use super::super::pieces::{Piece, Pieces, Place};
use crate::edit::{json_string, span_of};
use crate::normaliser::{Alias, CallMender, Tools};
use crate::object;
use found::Found;
use read::{Call, Chunk, Function, calls_of};

/// Choices beyond this number are not looked at; the stream is broken then.
const MOST_CHOICES: usize = 128;

/// An edit of a chunk.
pub(super) type Edit = (Range<usize>, Bytes);

/// Mends the calls of one answer, streamed or whole.
#[derive(Debug)]
pub struct NativeCalls {
    tools: Arc<Tools>,
    aliases: Arc<[Alias]>,
    /// What ids are made of where the upstream gives the answer none.
    fallback_id: String,
    answer_id: String,
    /// The answer is a whole reply.
    whole: bool,
    /// What a chunk of our own begins with, up to the number of its choice.
    head: BytesMut,
    choices: Vec<Choice>,
    repaired: u32,
    broken: u32,
}

#[derive(Debug, Default)]
struct Choice {
    pieces: Pieces,
    /// By the places of the pieces.
    calls: Vec<Open>,
}

/// What has left of a call.
#[derive(Debug, Default)]
struct Open {
    mender: CallMender,
    /// The id that the client has got.
    id: String,
    is_named: bool,
    is_function: bool,
    is_closed: bool,
}

impl NativeCalls {
    /// For an answer to a request that offers `tools`. `fallback_id` tells the answer
    /// from others when the upstream gives it no id.
    #[must_use]
    pub fn new(tools: Arc<Tools>, aliases: Arc<[Alias]>, fallback_id: String) -> Self {
        Self {
            tools,
            aliases,
            fallback_id,
            answer_id: String::new(),
            whole: false,
            head: BytesMut::new(),
            choices: Vec::new(),
            repaired: 0,
            broken: 0,
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

    /// What is to be changed in the whole reply `data`. `ended` tells of each choice
    /// whether the model itself came to its end.
    pub(in super::super) fn reply(&mut self, data: &[u8], ended: &[(u32, bool)]) -> Vec<Edit> {
        self.whole = true;
        let mut edits = Vec::new();
        let mut found = self.read(data, &mut edits);
        for number in (0u32..).take(self.choices.len()) {
            let own = ended.iter().find(|(choice, _)| *choice == number);
            let done = own.is_none_or(|(_, done)| *done);
            self.close(number, done, &mut found, &mut BytesMut::new());
        }
        edits.extend(found.into_iter().filter_map(Found::edit));
        edits
    }

    /// What is to be changed in the chunk `data`. `ended` names the choices that end with
    /// it, and whether the model itself came to their end; `model` is the model's name as
    /// the caller gets it. Chunks that have to go before it are appended to `out`.
    pub(super) fn chunk(
        &mut self,
        data: &[u8],
        ended: &[(u32, bool)],
        model: Option<&Bytes>,
        out: &mut BytesMut,
    ) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut found = Vec::new();
        if memchr::memmem::find(data, b"\"tool_calls\"").is_some() {
            if self.head.is_empty() {
                self.head = read::head(data, model);
            }
            found = self.read(data, &mut edits);
        }
        for (choice, done) in ended {
            self.close(*choice, *done, &mut found, out);
        }
        edits.extend(found.into_iter().filter_map(Found::edit));
        edits
    }

    /// The stream ends: appends what has not left of any call.
    pub(super) fn end(&mut self, done: bool, out: &mut BytesMut) {
        for number in (0u32..).take(self.choices.len()) {
            self.close(number, done, &mut Vec::new(), out);
        }
    }

    /// The pieces of calls in `data`; what is changed of them beside their arguments goes
    /// to `edits`.
    fn read<'d>(&mut self, data: &'d [u8], edits: &mut Vec<Edit>) -> Vec<Found<'d>> {
        let mut found = Vec::new();
        let Ok(chunk) = object::read::<Chunk<'_>>(data) else {
            return found;
        };
        if self.answer_id.is_empty() {
            self.answer_id.push_str(&chunk.id.0);
        }
        for (position, choice) in chunk.choices.0.iter().enumerate() {
            let index = choice.index.0.or(i64::try_from(position).ok());
            let at = index.and_then(|index| usize::try_from(index).ok());
            let Some(at) = at.filter(|at| *at < MOST_CHOICES) else {
                continue;
            };
            if self.choices.len() <= at {
                self.choices.resize_with(at + 1, Choice::default);
            }
            let calls = calls_of(choice);
            let several = calls.len() > 1;
            let begun = self.choices[at].pieces.len();
            for (position, raw) in calls.into_iter().enumerate() {
                let Ok(call) = object::read_str::<Call<'_>>(raw.get()) else {
                    continue;
                };
                let spot = Spot {
                    choice: at,
                    span: span_of(data, raw),
                    position: several.then_some(position),
                    begun,
                };
                found.extend(self.piece(data, &spot, &call, edits));
            }
        }
        found
    }

    fn piece<'d>(
        &mut self,
        data: &'d [u8],
        spot: &Spot,
        call: &Call<'d>,
        edits: &mut Vec<Edit>,
    ) -> Option<Found<'d>> {
        let function = call.function.0.as_ref();
        let text = function.map(Function::text).unwrap_or_default();
        let name = function.map(Function::name).unwrap_or_default();
        let index = call.index();
        let id = call.id();
        let whole = self.whole;
        let choice = self.choices.get_mut(spot.choice)?;
        let taken = choice.pieces.take(&Piece {
            place: index.map_or(Place::Unsaid, Place::Index),
            position: spot.position,
            begun: spot.begun,
            whole,
            id: &id,
            name: &name,
            text: &text,
        })?;
        let (at, names) = (taken.at, taken.names);
        if choice.calls.len() <= at {
            choice.calls.resize_with(at + 1, Open::default);
        }
        let number = i64::try_from(at).ok();
        if !whole && index != number {
            edits.push(spot.member(data, "index", call.index, at.to_string().into()));
        }
        if names || !id.is_empty() {
            let good = self.id_of(spot.choice, at, &id);
            if good != id {
                edits.push(spot.member(data, "id", call.id, json_string(&good)));
            }
        }
        let open = self.choices.get_mut(spot.choice)?.calls.get_mut(at)?;
        let function = function?;
        open.is_function = true;
        open.is_named |= names;
        if let Some(raw) = function.name.filter(|_| !name.is_empty())
            && let Some(better) = open.mender.name(&name, &self.tools)
        {
            edits.push((span_of(data, raw), json_string(&better)));
        }
        open.mender.push(&text);
        let out = if whole {
            String::new()
        } else {
            open.mender.ready()
        };
        Some(Found::new((spot.choice, at), data, function, text, out))
    }

    /// The id that the client gets of a call that has, or goes on with, the upstream's
    /// `id`, which may be empty.
    fn id_of(&mut self, choice: usize, at: usize, id: &str) -> String {
        let Some(calls) = self.choices.get_mut(choice).map(|choice| &mut choice.calls) else {
            return id.to_owned();
        };
        if calls.get(at).is_some_and(|open| open.id.is_empty()) {
            let is_taken = calls.iter().any(|open| open.id == id);
            let own = if is_taken { "" } else { id };
            let numbers = (number(choice), number(at));
            let chosen = reply_call_id(&self.answer_id, &self.fallback_id, numbers, own);
            calls[at].id = chosen.into_owned();
        } else if id.is_empty() {
            return String::new();
        }
        calls
            .get(at)
            .map(|open| open.id.clone())
            .unwrap_or_default()
    }

    /// A choice is complete, or with `done` false cut off: what is left of its calls goes
    /// into the pieces at hand, or into chunks of its own.
    fn close(&mut self, choice: u32, done: bool, found: &mut [Found<'_>], out: &mut BytesMut) {
        let Some(open) = self.choices.get_mut(choice as usize) else {
            return;
        };
        for (at, call) in open.calls.iter_mut().enumerate() {
            if call.is_closed || !call.is_function {
                continue;
            }
            call.is_closed = true;
            let done = done && call.is_named;
            let broken = call.mender.close(done, &self.tools, &self.aliases);
            self.broken += u32::from(broken);
            self.repaired += u32::from(call.mender.is_repaired());
            let rest = call.mender.ready();
            if rest.is_empty() {
                continue;
            }
            let place = (choice as usize, at);
            match found.iter_mut().rfind(|piece| piece.takes(place)) {
                Some(piece) => piece.extend(&rest),
                None => put_chunk(&self.head, place, &rest, out),
            }
        }
    }
}

/// Where a piece of a call stands.
struct Spot {
    choice: usize,
    span: Range<usize>,
    position: Option<usize>,
    begun: usize,
}

impl Spot {
    /// The edit that gives the call's object the member `key`, whose value is at `raw` if
    /// it has one.
    fn member(
        &self,
        data: &[u8],
        key: &str,
        raw: Option<&serde_json::value::RawValue>,
        text: Bytes,
    ) -> Edit {
        if let Some(raw) = raw {
            return (span_of(data, raw), text);
        }
        let inside = data.get(self.span.start + 1..).unwrap_or_default();
        let mut member = format!("\"{key}\":").into_bytes();
        member.extend_from_slice(&text);
        if !inside.trim_ascii_start().starts_with(b"}") {
            member.push(b',');
        }
        (self.span.start + 1..self.span.start + 1, member.into())
    }
}

/// A chunk with a piece of a call's arguments.
fn put_chunk(head: &[u8], (choice, call): (usize, usize), text: &str, out: &mut BytesMut) {
    out.put_slice(b"data: ");
    out.put_slice(head);
    out.put_slice(format!("{choice},\"delta\":{{\"tool_calls\":[{{\"index\":{call}").as_bytes());
    out.put_slice(b",\"function\":{\"arguments\":");
    out.put_slice(&json_string(text));
    out.put_slice(b"}}]},\"finish_reason\":null}]}\n\n");
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
