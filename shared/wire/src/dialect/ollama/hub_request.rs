//! A caller's request of `/api/chat` or `/api/generate` as the hub has it.
//!
//! Total on any input: a field of the wrong type is refused with its place in the
//! body. What the hub has no place for is named in `left_out`, never dropped in
//! silence; what would change the prompt itself if it were left out is refused. Schemas
//! and arguments stay the caller's text. Every result of a tool belongs to a call
//! before it, and every call has an id, although the format needs none.
//!
//! Deliberately not here: the options with which a server loads a model (`num_ctx`,
//! `keep_alive`, …), which are the business of the endpoint, and which virtual model a
//! name with or without a tag means.

mod calls;
mod complete;
mod embed;
mod messages;
mod pictures;
mod settings;

use bytes::Bytes;

use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place};
use crate::hub::{Chat, Message, Part, Role};
pub use embed::{EmbedRequest, read_embed};

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerRequest {
    /// The model as the caller names it, with or without a tag.
    pub model: String,
    /// What it is to do.
    pub wants: Wanted,
}

/// What a model is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Answer this. Streamed unless the caller says otherwise.
    Answer(Box<Chat>),
    /// Go on with a text as it stands, or fill a gap in it: the request in the form of
    /// OpenAI's completions, and what has no place in it.
    Complete {
        /// The body.
        form: Bytes,
        /// Places in the caller's body.
        left_out: Vec<String>,
    },
    /// Nothing: the request has no messages, or an empty prompt.
    Nothing(Loading),
}

/// What a request without a question does on an Ollama server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// The model is loaded into memory.
    Load,
    /// The model is removed from memory: `keep_alive` is 0.
    Unload,
}

/// Reads the body of a request of `/api/chat`.
///
/// # Errors
/// When it is not a JSON object, names no model, a field that is read has the wrong
/// type or occurs twice, a picture is none, or the result of a tool belongs to no call.
pub fn read_chat(body: &[u8]) -> Result<CallerRequest, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let model = model(&mut fields)?;
    let mut chat = Chat::default();
    let list = fields.list("messages")?.unwrap_or_default();
    chat.messages = messages::read(&list, &mut left_out)?;
    settings::tools(&mut fields, &mut chat, &mut left_out)?;
    finish(model, fields, chat, left_out)
}

/// Reads the body of a request of `/api/generate`: the prompt as the one message of a
/// user; `raw`, or with a suffix, as a text without a chat.
///
/// # Errors
/// As [`read_chat`], and when the prompt is to be put into a template of the caller's, or
/// after the tokens of an earlier answer.
pub fn read_generate(body: &[u8]) -> Result<CallerRequest, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let model = model(&mut fields)?;
    let mut chat = Chat::default();
    if let Some(system) = fields.text("system")?.filter(|text| !text.is_empty()) {
        chat.messages.push(Message {
            role: Role::System,
            parts: vec![Part::text(system)],
            at: "system".to_owned(),
        });
    }
    let prompt = fields.text("prompt")?.unwrap_or_default();
    let mut parts = pictures::read(&mut fields, &Place::Body)?;
    refuse_foreign_prompts(&mut fields)?;
    let suffix = fields.text("suffix")?.filter(|text| !text.is_empty());
    let is_raw = fields.flag("raw")? == Some(true);
    if !prompt.is_empty() && (is_raw || suffix.is_some()) {
        if !chat.messages.is_empty() {
            left_out.add(&Place::Body, "system");
        }
        if !parts.is_empty() {
            left_out.add(&Place::Body, "images");
        }
        settings::read(&mut fields, &mut chat, &mut left_out)?;
        settings::keep_alive(&mut fields, &mut left_out)?;
        fields.leave(&mut left_out);
        let text = (prompt.as_str(), suffix.as_deref());
        let form = complete::form(&model, text, &chat, &mut left_out)?;
        let left_out = left_out.into_places();
        let wants = Wanted::Complete { form, left_out };
        return Ok(CallerRequest { model, wants });
    }
    if prompt.is_empty() {
        // The system text alone asks for nothing.
        chat.messages.clear();
    } else {
        parts.push(Part::text(prompt));
        chat.messages.push(Message {
            role: Role::User,
            parts,
            at: "prompt".to_owned(),
        });
    }
    finish(model, fields, chat, left_out)
}

/// Reads what both calls have.
fn finish(
    model: String,
    mut fields: Fields<'_, '_>,
    mut chat: Chat,
    mut left_out: LeftOut,
) -> Result<CallerRequest, BadRequest> {
    settings::read(&mut fields, &mut chat, &mut left_out)?;
    let unloads = settings::keep_alive(&mut fields, &mut left_out)?;
    fields.leave(&mut left_out);
    chat.left_out = left_out.into_places();
    let wants = match (chat.messages.is_empty(), unloads) {
        (false, _) => Wanted::Answer(Box::new(chat)),
        (true, false) => Wanted::Nothing(Loading::Load),
        (true, true) => Wanted::Nothing(Loading::Unload),
    };
    Ok(CallerRequest { model, wants })
}

/// `model`, or `name` as the older API has it.
fn model(fields: &mut Fields<'_, '_>) -> Result<String, BadRequest> {
    let (model, name) = (fields.text("model")?, fields.text("name")?);
    let named = [model, name].into_iter().flatten();
    named
        .into_iter()
        .find(|text| !text.is_empty())
        .ok_or_else(|| fields.wrong("model", "is required"))
}

/// Refuses what would be another prompt if it were left out.
fn refuse_foreign_prompts(fields: &mut Fields<'_, '_>) -> Result<(), BadRequest> {
    let has_template = fields
        .text("template")?
        .is_some_and(|text| !text.is_empty());
    let has_context = fields.list("context")?.is_some_and(|list| !list.is_empty());
    for (is_there, name, wrong) in [
        (
            has_template,
            "template",
            "cannot be used with this model: its server has its own template; leave it out",
        ),
        (
            has_context,
            "context",
            "holds the tokens of a conversation, which this model's server cannot read: send the \
             conversation itself to /api/chat",
        ),
    ] {
        if is_there {
            return Err(fields.wrong(name, wrong));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
