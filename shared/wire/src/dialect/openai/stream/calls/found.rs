//! The arguments of one piece of a call, as they came and as they leave.

use std::borrow::Cow;
use std::ops::Range;

use super::Edit;
use super::read::Function;
use crate::edit::{json_string, span_of};

/// One piece with a function in it.
pub(super) struct Found<'d> {
    /// The numbers of the choice and of the call.
    call: (usize, usize),
    place: Where,
    came: Cow<'d, str>,
    out: String,
}

/// Where the arguments are written.
enum Where {
    /// There, as a string or `null`.
    At(Range<usize>),
    /// There, as something else that has to become a string.
    Foreign(Range<usize>),
    /// Not there; behind the name is room for them.
    Behind(usize),
    /// Not there, and neither is a name.
    Nowhere,
}

impl<'d> Found<'d> {
    /// A piece of `call` whose arguments `came` and leave as `out`.
    pub(super) fn new(
        call: (usize, usize),
        data: &[u8],
        function: &Function<'_>,
        came: Cow<'d, str>,
        out: String,
    ) -> Self {
        let place = match (function.arguments, function.name) {
            (Some(raw), _) if raw.get().starts_with('"') || raw.get() == "null" => {
                Where::At(span_of(data, raw))
            }
            (Some(raw), _) => Where::Foreign(span_of(data, raw)),
            (None, Some(name)) => Where::Behind(span_of(data, name).end),
            (None, None) => Where::Nowhere,
        };
        Self {
            call,
            place,
            came,
            out,
        }
    }

    /// Whether it is of this call and has room for more arguments.
    pub(super) fn takes(&self, call: (usize, usize)) -> bool {
        let has_room = match self.place {
            Where::At(_) | Where::Foreign(_) | Where::Behind(_) => true,
            Where::Nowhere => false,
        };
        has_room && self.call == call
    }

    /// Adds to the arguments.
    pub(super) fn extend(&mut self, more: &str) {
        self.out.push_str(more);
    }

    /// What is to be written, if anything is.
    pub(super) fn edit(self) -> Option<Edit> {
        match self.place {
            Where::At(span) => (self.out != self.came).then(|| (span, json_string(&self.out))),
            Where::Foreign(span) => Some((span, json_string(&self.out))),
            Where::Behind(at) if !self.out.is_empty() => {
                let mut member = b",\"arguments\":".to_vec();
                member.extend_from_slice(&json_string(&self.out));
                Some((at..at, member.into()))
            }
            Where::Behind(_) | Where::Nowhere => None,
        }
    }
}
