//! A caller's chat completion request as the hub has it.
//!
//! Total on any input: a field of the wrong type is refused with its place in the
//! body. What the hub has no place for is named in `left_out`, never dropped in
//! silence. Schemas and arguments stay the caller's text.
//!
//! Not here: what only same-dialect traffic needs (`Request`), and whether a
//! conversation is well formed, which `Request::read` has checked before.

mod base64;
mod defaults;
mod fields;
mod messages;
mod parts;
mod settings;
mod tools;

pub(super) use defaults::number;
pub(crate) use fields::{Fields, LeftOut, Place, text};
pub(crate) use parts::{file, located};
pub(crate) use settings::{EFFORTS, effort_of};
pub(super) use settings::{number_of_answers, sampling, stop};
pub(crate) use tools::{CUSTOM_SCHEMA, custom_arguments};

use super::request::BadRequest;
use crate::hub::Chat;

/// Reads the body of a chat completion request.
///
/// # Errors
/// When it is not a JSON object, a field that is read has the wrong type or occurs
/// twice, or the request wants what no upstream of another dialect can give: sound,
/// files stored at OpenAI, tools that run at the vendor.
pub fn read_chat(body: &[u8]) -> Result<Chat, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let mut chat = Chat::default();
    let list = fields
        .list("messages")?
        .filter(|list| !list.is_empty())
        .ok_or_else(|| fields.wrong("messages", "must hold at least one message"))?;
    chat.messages = messages::read(&list, &mut left_out)?;
    tools::read(&mut fields, &mut chat, &mut left_out)?;
    settings::read(&mut fields, &mut chat, &mut left_out)?;
    // The gateway's own business, not the other dialect's.
    fields.take("model")?;
    fields.take("stream_options")?;
    fields.leave(&mut left_out);
    chat.left_out = left_out.into_places();
    Ok(chat)
}

#[cfg(test)]
mod tests;
