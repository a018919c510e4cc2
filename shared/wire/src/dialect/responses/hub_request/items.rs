//! The conversation: items of many kinds, which become messages.
//!
//! What the model made in one turn is one message: its reasoning, its text and all calls
//! that it made at once, as other dialects demand.

use serde_json::value::RawValue;

use super::parts::{self, Allowed};
use super::results::{self, Calls};
use super::tools::Offer;
use super::{Namespaces, reasoning};
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, custom_arguments, text};
use crate::hub::{Chat, Message, Part, Role};

/// The name that the shell tool of older clients has as a function.
const LOCAL_SHELL: &str = "local_shell";

/// Reads items into a chat, one after the other.
pub(super) struct Reader<'r> {
    chat: &'r mut Chat,
    namespaces: &'r mut Namespaces,
    left_out: &'r mut LeftOut,
    calls: Calls,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        chat: &'r mut Chat,
        namespaces: &'r mut Namespaces,
        left_out: &'r mut LeftOut,
    ) -> Self {
        Self {
            chat,
            namespaces,
            left_out,
            calls: Calls::default(),
        }
    }

    pub(super) fn read(&mut self, raw: &RawValue, place: &Place<'_>) -> Result<(), BadRequest> {
        let mut fields = Fields::read(raw, place)?;
        let kind = fields.text("type")?;
        match kind.as_deref() {
            None | Some("message") => self.message(&mut fields, place)?,
            Some("function_call") => {
                let arguments = fields.text("arguments")?.unwrap_or_default();
                self.call(&mut fields, place, arguments)?;
            }
            Some("custom_tool_call") => {
                let input = fields.text("input")?.unwrap_or_default();
                self.call(&mut fields, place, custom_arguments(&input))?;
            }
            Some("local_shell_call") => self.shell_call(&mut fields, place)?,
            Some(
                "function_call_output" | "custom_tool_call_output" | "local_shell_call_output",
            ) => {
                let result = results::read(&mut fields, place, &self.calls, self.left_out)?;
                self.chat.messages.push(result);
            }
            Some("reasoning") => {
                if let Some(part) = reasoning::read(&mut fields, place, self.left_out)? {
                    self.turn(place, |parts| has_calls(parts) || only_thoughts(parts))
                        .push(part);
                }
            }
            Some("additional_tools") => self.tools(&mut fields, place)?,
            Some("item_reference") => {
                return Err(
                    place.refuse("refers to an item that is not kept here: send the item itself")
                );
            }
            Some(other) => {
                self.left_out.add(place, other);
                return Ok(());
            }
        }
        // Ids and states of items say nothing to a model.
        for name in ["id", "status", "phase", "namespace", "created_by"] {
            fields.take(name)?;
        }
        fields.leave(self.left_out);
        Ok(())
    }

    fn message(
        &mut self,
        fields: &mut Fields<'_, '_>,
        place: &Place<'_>,
    ) -> Result<(), BadRequest> {
        let role = fields.needed_text("role")?;
        let (role, allowed) = match role.as_str() {
            "user" => (Role::User, Allowed::All),
            "system" | "developer" => (Role::System, Allowed::Text),
            "assistant" => (Role::Assistant, Allowed::Text),
            _ => {
                return Err(
                    fields.wrong("role", "must be one of user, assistant, system, developer")
                );
            }
        };
        let content = fields.needed("content")?;
        let parts = parts::read(
            content,
            &Place::Member(place, "content"),
            allowed,
            self.left_out,
        )?;
        if role == Role::Assistant {
            self.turn(place, |had| has_calls(had) || only_thoughts(had))
                .extend(parts);
        } else {
            self.chat.messages.push(Message {
                role,
                parts,
                at: place.to_string(),
            });
        }
        Ok(())
    }

    fn call(
        &mut self,
        fields: &mut Fields<'_, '_>,
        place: &Place<'_>,
        arguments: String,
    ) -> Result<(), BadRequest> {
        let id = fields.needed_text("call_id")?;
        let own = fields.needed_text("name")?;
        let namespace = fields.text("namespace")?;
        let name = Namespaces::joined(namespace.as_deref(), &own);
        self.add_call(place, id, name, arguments);
        Ok(())
    }

    /// The older shell tool: what is to run stands in `action`.
    fn shell_call(
        &mut self,
        fields: &mut Fields<'_, '_>,
        place: &Place<'_>,
    ) -> Result<(), BadRequest> {
        let id = match fields.text("call_id")? {
            Some(id) => id,
            None => fields.needed_text("id")?,
        };
        let arguments = fields.object("action")?.unwrap_or_else(|| "{}".to_owned());
        self.add_call(place, id, LOCAL_SHELL.to_owned(), arguments);
        Ok(())
    }

    fn add_call(&mut self, place: &Place<'_>, id: String, name: String, arguments: String) {
        self.calls.insert(id.clone(), name.clone());
        self.turn(place, |_| true).push(Part::ToolCall {
            id,
            name,
            arguments,
        });
    }

    fn tools(&mut self, fields: &mut Fields<'_, '_>, place: &Place<'_>) -> Result<(), BadRequest> {
        let all = Place::Member(place, "tools");
        let mut offer = Offer {
            chat: self.chat,
            namespaces: self.namespaces,
            left_out: self.left_out,
        };
        for (index, raw) in fields.list("tools")?.unwrap_or_default().iter().enumerate() {
            offer.read(raw, &Place::Element(&all, index), None)?;
        }
        if let Some(raw) = fields.take("role")? {
            text(raw, &Place::Member(place, "role"))?;
        }
        Ok(())
    }

    /// The parts of the model's turn at the end of the conversation, if `goes_on` says
    /// that what comes now belongs to it; of a new one otherwise.
    fn turn(&mut self, place: &Place<'_>, goes_on: fn(&[Part]) -> bool) -> &mut Vec<Part> {
        let messages = &mut self.chat.messages;
        let belongs = messages
            .last()
            .is_some_and(|last| last.role == Role::Assistant && goes_on(&last.parts));
        if !belongs {
            messages.push(Message {
                role: Role::Assistant,
                parts: Vec::new(),
                at: place.to_string(),
            });
        }
        let at = messages.len() - 1;
        &mut messages[at].parts
    }
}

/// Calls without their results: what follows was made together with them.
fn has_calls(parts: &[Part]) -> bool {
    parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall { .. }))
}

fn only_thoughts(parts: &[Part]) -> bool {
    parts.iter().all(|part| matches!(part, Part::Thinking(..)))
}
