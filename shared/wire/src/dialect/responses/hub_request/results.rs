//! What tools have answered.

use std::collections::HashMap;

use super::parts::{self, Allowed};
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place};
use crate::hub::{Message, Part, Role};

/// What is known of the calls of the conversation: their tools, by id.
pub(super) type Calls = HashMap<String, String>;

/// Reads the result of a call. One that answers no call of the conversation becomes a
/// message of the user that says so: in that role every server takes it, and no call is
/// made up that the model never made.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    calls: &Calls,
    left_out: &mut LeftOut,
) -> Result<Message, BadRequest> {
    let id = match fields.text("call_id")? {
        Some(id) => id,
        // The older shell tool's results name their call so.
        None => fields.needed_text("id")?,
    };
    let parts = match fields.take("output")? {
        Some(raw) => parts::read(raw, &Place::Member(place, "output"), Allowed::All, left_out)?,
        None => Vec::new(),
    };
    let parts = match calls.get(&id) {
        Some(name) => vec![Part::ToolResult {
            id,
            name: Some(name.clone()),
            parts,
            is_error: false,
            cache: None,
        }],
        None => {
            left_out.add(place, "call_id");
            let why = "The result of a tool call that is not in this conversation:";
            std::iter::once(Part::text(why)).chain(parts).collect()
        }
    };
    Ok(Message {
        role: Role::User,
        parts,
        at: place.to_string(),
    })
}
