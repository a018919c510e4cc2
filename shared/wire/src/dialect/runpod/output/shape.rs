//! What an object in a worker's output is.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::super::envelope::string;
use crate::object;
use crate::usage::Usage;

/// An object's members in which something is looked for.
#[derive(Default, Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    generated_text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    done_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

/// One object.
pub(super) struct Object<'a> {
    pub(super) json: &'a str,
    pub(super) choices: Option<&'a RawValue>,
    members: Members<'a>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    /// worker-vllm's native form.
    #[serde(borrow, default)]
    tokens: Option<&'a RawValue>,
    #[serde(default)]
    delta: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct NativeUsage {
    input: u64,
    output: u64,
}

impl<'a> Object<'a> {
    /// `None` when the text is not JSON.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        let members: Members<'a> = object::read_str(json).ok()?;
        Some(Self {
            json,
            choices: members.choices,
            members,
        })
    }

    /// Whether it is worth looking for an error.
    pub(super) fn may_be_error(&self) -> bool {
        let kind = self.members.object;
        self.members.error.is_some() || kind.is_some_and(|kind| kind.get() == "\"error\"")
    }

    /// The texts of each choice, in worker-vllm's native form.
    pub(super) fn native_choices(&self) -> Option<Vec<Vec<Cow<'a, str>>>> {
        let choices = self.choices_read();
        let is_native = choices.iter().any(|choice| choice.tokens.is_some());
        is_native.then(|| choices.iter().map(|choice| texts(choice.tokens)).collect())
    }

    /// Whether it is one of several objects of an answer.
    pub(super) fn is_chunk(&self) -> bool {
        self.choices_read().iter().any(|c| c.delta.is_some())
    }

    fn choices_read(&self) -> Vec<Choice<'a>> {
        self.choices
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }

    /// The member that holds the answer, JSON text.
    pub(super) fn answer(&self) -> Option<&'a str> {
        let members = &self.members;
        let member = members
            .response
            .or(members.generated_text)
            .or(members.message)
            .or(members.content)
            .or(members.text)
            .or(members.output);
        member.map(RawValue::get)
    }

    /// Whether it says anything of tokens.
    pub(super) fn has_usage(&self) -> bool {
        self.usage().is_some()
    }

    /// Tokens in any of the forms in use.
    pub(super) fn usage(&self) -> Option<Usage> {
        if let Some(raw) = self.members.usage {
            let native: Option<NativeUsage> = object::read_str(raw.get()).ok();
            return native
                .map(|native| counted(native.input, native.output))
                .or_else(|| Usage::read(raw.get()));
        }
        let count = |raw: Option<&RawValue>| serde_json::from_str(raw?.get()).ok();
        let output = count(self.members.eval_count)?;
        let input = count(self.members.prompt_eval_count);
        Some(counted(input.unwrap_or(0), output))
    }

    /// Whether it says that the limit of tokens was reached.
    pub(super) fn is_cut(&self) -> bool {
        let members = &self.members;
        let reason = members.done_reason.or(members.finish_reason);
        reason.is_some_and(|reason| reason.get() == "\"length\"")
    }
}

fn counted(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens.saturating_add(completion_tokens),
        ..Usage::default()
    }
}

/// A list of texts, or one.
fn texts(tokens: Option<&RawValue>) -> Vec<Cow<'_, str>> {
    let Some(tokens) = tokens else {
        return Vec::new();
    };
    if let Some(text) = string(tokens.get()) {
        return vec![text];
    }
    let list: Vec<&RawValue> = serde_json::from_str(tokens.get()).unwrap_or_default();
    list.into_iter()
        .filter_map(|raw| string(raw.get()))
        .collect()
}

/// Whether `json` is an object with a list under `data`.
pub(super) fn is_list_of_vectors(json: &str) -> bool {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let list: Option<List<'_>> = object::read_str(json).ok();
    list.is_some_and(|list| list.data.get().starts_with('['))
}
