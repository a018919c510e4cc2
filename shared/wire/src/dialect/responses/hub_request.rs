//! A caller's Responses request as the hub has it.
//!
//! Total on any input: a field of the wrong type is refused with its place in the body.
//! What the hub has no place for is named in `left_out`, never dropped in silence: tools
//! that run at the vendor, items of kinds that no other dialect knows. What would change
//! the prompt if it were left out is refused. Schemas and arguments stay the caller's
//! text.
//!
//! Deliberately not here: ids of earlier answers, which [`super::expand`] has put in
//! their place before.

mod items;
mod parts;
mod reasoning;
mod results;
mod settings;
mod tools;

use std::collections::HashMap;

use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, text};
use crate::hub::{Chat, Message, Part, Role};

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerRequest {
    /// The model as the caller names it.
    pub model: String,
    /// What it is to answer.
    pub chat: Chat,
    /// How the caller knows those of its tools that are in a namespace.
    pub namespaces: Namespaces,
}

/// The tools that a caller has in namespaces. Elsewhere each has one name, made of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(HashMap<String, (String, String)>);

/// The namespace that tools without one are in.
const DEFAULT_NAMESPACE: &str = "functions";

impl Namespaces {
    /// The one name of the tool `name` in `namespace`.
    pub(super) fn joined(namespace: Option<&str>, name: &str) -> String {
        match namespace {
            None | Some("" | DEFAULT_NAMESPACE) => name.to_owned(),
            Some(namespace) => format!(
                "{}__{}",
                namespace.trim_end_matches('_'),
                name.trim_start_matches('_')
            ),
        }
    }

    /// A tool in a namespace is offered under its one name.
    fn add(&mut self, joined: &str, namespace: Option<&str>, name: &str) {
        if let Some(namespace) = namespace.filter(|_| joined != name) {
            let split = (namespace.to_owned(), name.to_owned());
            self.0.insert(joined.to_owned(), split);
        }
    }

    /// The namespace and the name that the caller knows a tool by.
    #[must_use]
    pub fn split<'n>(&'n self, joined: &'n str) -> (Option<&'n str>, &'n str) {
        match self.0.get(joined) {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, joined),
        }
    }
}

/// Reads the body of a request of `/v1/responses`.
///
/// # Errors
/// When it is not a JSON object, names no model, a field that is read has the wrong type
/// or occurs twice, or the request wants what no upstream of another dialect can give:
/// work in the background, prompts and conversations stored at OpenAI, sound, files
/// stored there.
pub fn read_response(body: &[u8]) -> Result<CallerRequest, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let model = fields.needed_text("model")?;
    let mut chat = Chat::default();
    let mut namespaces = Namespaces::default();
    refuse_stored(&mut fields)?;
    let place = Place::Member(&Place::Body, "tools");
    let mut offer = tools::Offer {
        chat: &mut chat,
        namespaces: &mut namespaces,
        left_out: &mut left_out,
    };
    for (index, raw) in fields.list("tools")?.unwrap_or_default().iter().enumerate() {
        offer.read(raw, &Place::Element(&place, index), None)?;
    }
    if let Some(text) = fields.text("instructions")?.filter(|text| !text.is_empty()) {
        chat.messages.push(Message {
            role: Role::System,
            parts: vec![Part::text(text)],
            at: "instructions".to_owned(),
        });
    }
    input(&mut fields, &mut chat, &mut namespaces, &mut left_out)?;
    tools::choose(&mut fields, &mut chat, &mut left_out)?;
    settings::read(&mut fields, &mut chat, &mut left_out)?;
    fields.leave(&mut left_out);
    chat.left_out = left_out.into_places();
    Ok(CallerRequest {
        model,
        chat,
        namespaces,
    })
}

/// `input`: a text of the user, or a list of items.
fn input(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    namespaces: &mut Namespaces,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let place = Place::Member(&Place::Body, "input");
    let raw = fields.needed("input")?;
    if raw.get().starts_with('"') {
        chat.messages.push(Message {
            role: Role::User,
            parts: vec![Part::text(text(raw, &place)?)],
            at: "input".to_owned(),
        });
        return Ok(());
    }
    let Ok(list) = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(raw.get()) else {
        return Err(place.refuse("must be a string or a list of items"));
    };
    let mut reader = items::Reader::new(chat, namespaces, left_out);
    for (index, raw) in list.into_iter().enumerate() {
        reader.read(raw, &Place::Element(&place, index))?;
    }
    let has_turn = chat
        .messages
        .iter()
        .any(|message| message.role != Role::System || message.at != "instructions");
    if has_turn {
        Ok(())
    } else {
        Err(place.refuse("must hold at least one message"))
    }
}

/// Refuses what only the place can give where it is stored.
fn refuse_stored(fields: &mut Fields<'_, '_>) -> Result<(), BadRequest> {
    if fields.flag("background")? == Some(true) {
        return Err(fields.wrong(
            "background",
            "must not be true: answers are not made in the background here; leave it out, and \
             stream the answer if it takes long",
        ));
    }
    for (name, wrong) in [
        (
            "previous_response_id",
            "names an answer that is not kept here: send the whole conversation as 'input'",
        ),
        (
            "conversation",
            "cannot be used: conversations are not stored here; send 'previous_response_id' or \
             the whole conversation as 'input'",
        ),
        (
            "prompt",
            "cannot be used: stored prompts are at OpenAI only; send the prompt itself",
        ),
    ] {
        if fields.take(name)?.is_some() {
            return Err(fields.wrong(name, wrong));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
