//! Tools and the choice among them.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::model::Model;
use super::LONGEST_NAME;
use super::body::{Choice, Mark, Tool};
use crate::edit::{Edits, span_of};
use crate::hub::{self, Chat, Note, Refusal, ToolChoice, ToolNames};
use crate::object;

/// The schema of a function without arguments.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// The tool whose arguments are an answer of the form that the caller wants; the name is
/// another where the conversation has a tool of this one.
const ANSWER: &str = "answer_as_json";
const ANSWERS: &str = "Gives the answer. Its arguments are the whole answer: call it once, with all that was asked for.";

/// The tools of a request.
pub(super) struct Tools<'a> {
    pub(super) list: Vec<Tool<'a>>,
    /// The caller gave none; they were made up for the history's calls.
    made_up: bool,
}

/// The members at a schema's top that matter here.
#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "oneOf")]
    one_of: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "anyOf")]
    any_of: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "allOf")]
    all_of: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "additionalProperties")]
    additional: Option<&'a RawValue>,
    #[serde(borrow, default)]
    required: Option<&'a RawValue>,
}

impl<'a> Tools<'a> {
    /// # Errors
    /// When two tools have one name, or a schema is none of an object.
    pub(super) fn write(
        chat: &'a Chat,
        model: &Model,
        names: &mut ToolNames,
        notes: &mut Vec<Note>,
    ) -> Result<Self, Refusal> {
        let mut known = HashSet::new();
        let mut list = Vec::with_capacity(chat.tools.len());
        for (at, tool) in chat.tools.iter().enumerate() {
            if !known.insert(tool.name.as_str()) {
                return Err(Refusal::field(
                    format!("tools[{at}].function.name"),
                    "is the name of an earlier tool; names must be unique.",
                ));
            }
            let (input_schema, is_closed) = schema(tool, at)?;
            let strict = tool.strict == Some(true) && model.structured && is_closed;
            if tool.strict == Some(true) && !strict {
                notes.push(Note::dropped(
                    format!("tools[{at}].function.strict"),
                    "the provider keeps a schema strictly only on newer models, and only with \"additionalProperties\": false and \"required\"",
                ));
            }
            list.push(Tool {
                name: names.upstream(&tool.name, LONGEST_NAME),
                description: tool.description.as_deref(),
                input_schema,
                strict,
                cache_control: Mark::of(tool.cache.as_ref()),
            });
        }
        Ok(Self {
            list,
            made_up: false,
        })
    }

    /// A history with calls needs tools: where the caller sends none, the least that
    /// fits the calls.
    pub(super) fn complete(
        &mut self,
        called: &[&str],
        names: &mut ToolNames,
        notes: &mut Vec<Note>,
    ) {
        if !self.list.is_empty() || called.is_empty() {
            return;
        }
        let mut known = HashSet::new();
        let new = called.iter().filter(|name| known.insert(**name));
        self.list = new
            .map(|name| Tool {
                name: names.upstream(name, LONGEST_NAME),
                description: None,
                input_schema: constant(r#"{"type":"object"}"#),
                strict: false,
                cache_control: None,
            })
            .collect();
        self.made_up = true;
        notes.push(Note::adapted(
            "tools",
            "the provider wants tools with a history of calls; they are named as in the history and not to be called",
        ));
    }

    /// Adds a tool that takes `schema` and the choice that demands its call, so that the
    /// answer keeps the schema. `None` where the caller's own tools would be shut out by
    /// it, and for a schema that is none of a tool. The last one to name a tool.
    pub(super) fn answer(
        &mut self,
        chat: &Chat,
        schema: &'a str,
        names: &mut ToolNames,
    ) -> Option<Choice> {
        if !chat.tools.is_empty() {
            return None;
        }
        let (input_schema, _) = of_object(schema, |_| ()).ok()?;
        let name = names.demand_answer(ANSWER);
        self.list.push(Tool {
            name: name.clone(),
            description: Some(ANSWERS),
            input_schema,
            strict: false,
            cache_control: None,
        });
        Some(Choice::Tool {
            name,
            disable_parallel_tool_use: true,
        })
    }

    /// # Errors
    /// When a tool must be called that is not there.
    pub(super) fn choice(
        &self,
        chat: &Chat,
        thinks_on_budget: bool,
        names: &mut ToolNames,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Choice>, Refusal> {
        let disable_parallel_tool_use = chat.parallel_tool_calls == Some(false);
        let auto = Choice::Auto {
            disable_parallel_tool_use,
        };
        let choice = match &chat.tool_choice {
            Some(ToolChoice::Required) if chat.tools.is_empty() => {
                return Err(Refusal::field(
                    "tool_choice",
                    "is only possible with 'tools'.",
                ));
            }
            Some(ToolChoice::Named(name)) if chat.tools.iter().all(|tool| tool.name != *name) => {
                return Err(Refusal::field(
                    "tool_choice",
                    "names a function that is not in 'tools'.",
                ));
            }
            _ if self.list.is_empty() => return Ok(None),
            _ if self.made_up => Choice::None,
            None if !disable_parallel_tool_use => return Ok(None),
            None | Some(ToolChoice::Auto) => auto,
            Some(ToolChoice::None) => Choice::None,
            Some(ToolChoice::Required | ToolChoice::Named(_)) if thinks_on_budget => {
                notes.push(Note::adapted(
                    "tool_choice",
                    "auto: the provider cannot demand a call while the model thinks",
                ));
                auto
            }
            Some(ToolChoice::Required) => Choice::Any {
                disable_parallel_tool_use,
            },
            Some(ToolChoice::Named(name)) => Choice::Tool {
                name: names.upstream(name, LONGEST_NAME),
                disable_parallel_tool_use,
            },
        };
        Ok(Some(choice))
    }
}

/// The schema as the vendor takes it, and whether it can be kept strictly.
fn schema(tool: &hub::Tool, at: usize) -> Result<(Cow<'_, RawValue>, bool), Refusal> {
    let Some(text) = tool.parameters.as_deref() else {
        return Ok((constant(NO_ARGUMENTS), false));
    };
    if text.trim() == "null" {
        return Ok((constant(NO_ARGUMENTS), false));
    }
    of_object(text, |wrong| {
        Refusal::field(format!("tools[{at}].function.parameters"), wrong)
    })
}

/// The schema `text` with the type that the vendor wants at its top; `refuse` makes an
/// error of what is wrong with it.
fn of_object<E>(text: &str, refuse: impl Fn(&str) -> E) -> Result<(Cow<'_, RawValue>, bool), E> {
    let not_object = || refuse("must be a JSON schema of type \"object\".");
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| not_object())?;
    let text = raw.get();
    if !text.starts_with('{') {
        return Err(not_object());
    }
    let top: Schema<'_> = object::read_str(text).map_err(|_| not_object())?;
    if top.one_of.or(top.any_of).or(top.all_of).is_some() {
        return Err(refuse(
            "has 'oneOf', 'anyOf' or 'allOf' at its top, which this model's provider does not take. Put them inside a property.",
        ));
    }
    let is_closed =
        top.additional.is_some_and(|value| value.get() == "false") && top.required.is_some();
    let mut edits = Edits::default();
    match top.kind.map(RawValue::get) {
        Some("\"object\"") => return Ok((Cow::Borrowed(raw), is_closed)),
        None => edits.insert("type", b"\"object\""),
        Some(kinds) if kinds.starts_with('[') && kinds.contains("\"object\"") => {
            let span = top.kind.map_or(0..0, |kind| span_of(text.as_bytes(), kind));
            edits.replace(span, "\"object\"");
        }
        Some(_) => return Err(not_object()),
    }
    let edited = edits.apply(&Bytes::copy_from_slice(text.as_bytes()));
    let edited = String::from_utf8_lossy(&edited.to_bytes()).into_owned();
    let edited = RawValue::from_string(edited).map_err(|_| not_object())?;
    Ok((Cow::Owned(edited), is_closed))
}

fn constant(json: &'static str) -> Cow<'static, RawValue> {
    serde_json::from_str::<&RawValue>(json).map_or(Cow::Borrowed(RawValue::NULL), Cow::Borrowed)
}
