//! The results of calls.

use std::ops::Range;

use super::{Message, Reader};
use crate::edit::{json_string, member_span};

/// Before a result whose call is not there.
const ORPHAN: &str = "[The result of a tool call that is not part of this conversation:]\n";

impl Reader<'_> {
    /// The result in the message at `span`.
    pub(super) fn result(&mut self, index: usize, message: &Message<'_>, span: &Range<usize>) {
        let id = self.text(message.tool_call_id).filter(|id| !id.is_empty());
        let Some((answered, is_new)) = self.open.answer(id.as_deref()) else {
            return self.orphan(index, message, span);
        };
        self.open.extend(span.end);
        if !is_new {
            return;
        }
        match message.tool_call_id {
            Some(raw) => {
                let place = self.place(raw);
                self.edit(place, json_string(&answered));
            }
            None => self.insert(span, "tool_call_id", &answered),
        }
        self.note(
            format!("messages[{index}].tool_call_id"),
            "the result gets the id of the call that it answers",
        );
    }

    /// A result that answers no call becomes the user's.
    fn orphan(&mut self, index: usize, message: &Message<'_>, span: &Range<usize>) {
        self.open.passed();
        if let Some(role) = message.role {
            let place = self.place(role);
            self.edit(place, "\"user\"");
        }
        if let Some(raw) = message.tool_call_id {
            let place = self.place(raw);
            if let Some(member) = member_span(self.body, "tool_call_id", &place) {
                self.edit(member, "");
            }
        }
        let lead = json_string(ORPHAN);
        let content = message.content.map(|raw| self.place(raw));
        match content.map(|at| (self.body.get(at.clone()).unwrap_or_default(), at)) {
            Some(([b'"', ..], at)) => {
                // What the tool said follows, untouched.
                self.edit(at.start + 1..at.start + 1, lead.slice(1..lead.len() - 1));
            }
            Some(([b'[', rest @ ..], at)) => {
                let mut part = br#"{"type":"text","text":"#.to_vec();
                part.extend_from_slice(&lead);
                part.push(b'}');
                if !rest.trim_ascii_start().starts_with(b"]") {
                    part.push(b',');
                }
                self.edit(at.start + 1..at.start + 1, part);
            }
            Some((_, at)) => self.edit(at, lead),
            None => self.insert(span, "content", ORPHAN),
        }
        self.note(
            format!("messages[{index}]"),
            "the result answers no call of the assistant's last message: it goes as the user's",
        );
    }
}
