//! A chat as a Messages request.
//!
//! Only known fields are written: the vendor refuses any other. What a model does not
//! take is left out with a note where the answer is still the one that was asked for,
//! and refused where it is not. Tools' schemas and arguments stay the caller's text.

mod body;
mod cache;
mod calls;
mod ids;
mod media;
mod messages;
mod think;
mod tools;

use std::borrow::Cow;

use serde_json::Number;
use serde_json::value::RawValue;

use self::body::{Block, Body, Format, Metadata, OutputConfig, System};
use self::messages::Transcript;
use self::think::Plan;
use self::tools::Tools;
use super::model::{Model, Sampling};
use crate::hub::{Chat, Note, Origin, Refusal, ResponseFormat, Thinking, ToolNames, Written};

/// Longest tool name in bytes that the vendor takes.
const LONGEST_NAME: usize = 128;

/// Longest `metadata.user_id` in bytes that the vendor takes.
const LONGEST_USER: usize = 256;

const JSON_ONLY: &str =
    "Answer with one JSON object and nothing else: no text before or after it, no code fence.";

const ASKED: &str =
    "the provider has no such switch for this model; the model is asked for it in the system text";

const DEMANDED: &str = "the provider has no such switch for this model; the answer is demanded as the arguments of a tool, which the caller gets as text";

/// What the endpoint and its model add to a request.
pub struct Target<'a> {
    /// The upstream's model.
    pub model: &'a str,
    /// Longest answer in tokens when the caller does not say; the format demands one.
    pub default_max_tokens: u64,
    /// Places cache marks where the caller placed none: at the last tool, the end of
    /// the system text and the last turn of the user.
    pub auto_cache: bool,
    /// System messages after the first turn stay where they are. Otherwise they move to
    /// the system text.
    pub inline_system: bool,
    /// Whose signatures the vendor takes; thinking of any other is left out.
    pub origin: Origin,
    /// The signed thinking that led to the call of this id, the caller's, when it was
    /// kept: most callers do not send it back.
    pub recall: &'a dyn Fn(&str) -> Option<Vec<Thinking>>,
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Writes `chat` for `target`.
///
/// # Errors
/// When the request asks for what the format cannot say, or its messages do not fit
/// together. The refusal names the field in OpenAI's words.
pub fn write(chat: &Chat, target: &Target<'_>) -> Result<Written, Refusal> {
    refuse_unsayable(chat)?;
    let model = Model::of(target.model);
    let mut notes: Vec<Note> = Vec::new();
    let mut names = ToolNames::default();
    let mut plan = Plan::of(chat.effort, model, &mut notes);
    let mut tools = Tools::write(chat, model, &mut names, &mut notes)?;
    let Transcript {
        system,
        mut turns,
        called,
        unproven,
    } = Transcript::write(chat, target, model, plan.is_on(), &mut names, &mut notes)?;
    if unproven && plan.budget().is_some() {
        plan.switch_off("the signed thinking before an earlier tool call is lost, and without it the provider refuses to think", &mut notes);
    }
    if turns.last().is_some_and(messages::is_assistants) {
        plan.switch_off(
            "the provider does not think when it goes on from a message of the assistant",
            &mut notes,
        );
    }
    if plan.is_off() {
        for turn in &mut turns {
            turn.content.retain(|block| !block.is_thinking());
        }
        turns.retain(|turn| !turn.content.is_empty());
    }
    tools.complete(&called, &mut names, &mut notes);
    let mut system = System(system);
    let mut tool_choice = tools.choice(chat, plan.budget().is_some(), &mut names, &mut notes)?;
    let form = response_format(chat, model)?;
    let is_free = !plan.is_on() && !turns.last().is_some_and(messages::is_assistants);
    let mut format = None;
    match form {
        Form::Any => {}
        Form::Switch(schema) => format = Some(Format { schema }),
        Form::Asked { schema, words } => {
            let tool = schema
                .filter(|_| is_free)
                .and_then(|schema| tools.answer(chat, schema, &mut names));
            let why = if tool.is_some() { DEMANDED } else { ASKED };
            notes.push(Note::adapted("response_format", why));
            if tool.is_some() {
                tool_choice = tool;
            } else {
                system.0.push(Block::text(words));
            }
        }
    }

    let mut body = Body {
        model: target.model,
        max_tokens: max_tokens(chat, target, model, &mut plan, &mut notes)?,
        stream: chat.stream,
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: stop_sequences(chat, &mut notes),
        thinking: plan.thinking,
        output_config: OutputConfig {
            effort: plan.effort,
            format,
        },
        metadata: chat.user.as_deref().map(|user| Metadata {
            user_id: user_id(user),
        }),
        service_tier: service_tier(chat, &mut notes),
        cache_control: body::Mark::of(chat.cache.as_ref()),
        tools: tools.list,
        tool_choice,
        system,
        messages: turns,
    };
    sampling(chat, model, plan.is_on(), &mut body, &mut notes);
    cache::place(&mut body, target.auto_cache, &mut notes);
    for field in &chat.left_out {
        notes.push(Note::dropped(
            field.as_str(),
            "the provider's API has no such field",
        ));
    }
    let body = serde_json::to_vec(&body).map_err(|err| Refusal {
        param: "messages".to_owned(),
        message: format!("The request cannot be written for this model's provider: {err}"),
    })?;
    Ok(Written {
        body: body.into(),
        notes,
        names,
    })
}

fn refuse_unsayable(chat: &Chat) -> Result<(), Refusal> {
    if chat.n.is_some_and(|n| n > 1) {
        return Err(Refusal::field(
            "n",
            "must be 1: this model's provider gives one answer a request. Send the request several times instead.",
        ));
    }
    if chat.logprobs.is_some() {
        return Err(Refusal::field(
            "logprobs",
            "is not possible: this model's provider does not tell log probabilities.",
        ));
    }
    Ok(())
}

/// How the form of an answer is asked for.
enum Form<'a> {
    /// Not at all.
    Any,
    /// By the switch that newer models have for it.
    Switch(&'a RawValue),
    /// By a tool that takes this schema, if there can be one, or else in words.
    Asked {
        schema: Option<&'a str>,
        words: String,
    },
}

fn response_format<'a>(chat: &'a Chat, model: &Model) -> Result<Form<'a>, Refusal> {
    match &chat.response_format {
        ResponseFormat::Text => Ok(Form::Any),
        ResponseFormat::JsonObject => Ok(Form::Asked {
            schema: None,
            words: JSON_ONLY.to_owned(),
        }),
        ResponseFormat::JsonSchema { schema: text, .. } => {
            let parsed = serde_json::from_str::<&RawValue>(text).ok();
            let schema = parsed.filter(|schema| schema.get().starts_with('{'));
            let Some(schema) = schema else {
                return Err(Refusal::field(
                    "response_format.json_schema.schema",
                    "must be a JSON schema, an object.",
                ));
            };
            if model.structured && schema.get() != "{}" {
                return Ok(Form::Switch(schema));
            }
            Ok(Form::Asked {
                schema: Some(schema.get()).filter(|schema| *schema != "{}"),
                words: format!("{JSON_ONLY} It must be valid against this JSON schema:\n{schema}"),
            })
        }
    }
}

fn max_tokens(
    chat: &Chat,
    target: &Target<'_>,
    model: &Model,
    plan: &mut Plan,
    notes: &mut Vec<Note>,
) -> Result<u64, Refusal> {
    if chat.max_tokens == Some(0) {
        return Err(Refusal::field("max_tokens", "must be at least 1."));
    }
    let visible = chat.max_tokens.unwrap_or(target.default_max_tokens).max(1);
    let mut tokens = visible;
    if let Some(budget) = plan.budget() {
        tokens = tokens.saturating_add(budget);
        notes.push(Note::adapted(
            "max_tokens",
            "the provider counts the thinking's budget in, so it is added",
        ));
    }
    if let Some(longest) = model.longest.filter(|longest| tokens > *longest) {
        tokens = longest;
        if visible > longest {
            notes.push(Note::adapted(
                "max_tokens",
                "lowered to the longest answer that the model gives",
            ));
        }
    }
    plan.fit(tokens);
    Ok(tokens)
}

fn sampling(
    chat: &Chat,
    model: &Model,
    thinking: bool,
    body: &mut Body<'_>,
    notes: &mut Vec<Note>,
) {
    let asked = &chat.sampling;
    let refused = match (model.sampling, thinking) {
        (Sampling::Refused, _) => Some("the model takes no sampling parameters"),
        (Sampling::All | Sampling::Either, true) => {
            Some("the provider does not take it while the model thinks")
        }
        (Sampling::All | Sampling::Either, false) => None,
    };
    if let Some(why) = refused {
        let all = [
            ("temperature", &asked.temperature),
            ("top_p", &asked.top_p),
            ("top_k", &asked.top_k),
        ];
        for (field, value) in all {
            if value.is_some() {
                notes.push(Note::dropped(field, why));
            }
        }
    } else {
        body.temperature = asked.temperature.as_ref().map(|temperature| {
            if temperature.as_f64().is_some_and(|t| t > 1.0) {
                notes.push(Note::adapted(
                    "temperature",
                    "1, the highest that the provider takes",
                ));
                Number::from(1)
            } else {
                temperature.clone()
            }
        });
        body.top_p.clone_from(&asked.top_p);
        body.top_k.clone_from(&asked.top_k);
        if model.sampling == Sampling::Either && body.temperature.is_some() && body.top_p.is_some()
        {
            body.top_p = None;
            notes.push(Note::dropped(
                "top_p",
                "the model does not take it together with temperature",
            ));
        }
    }
    let unknown = [
        ("min_p", &asked.min_p),
        ("seed", &asked.seed),
        ("frequency_penalty", &asked.frequency_penalty),
        ("presence_penalty", &asked.presence_penalty),
        ("repetition_penalty", &asked.repetition_penalty),
    ];
    for (field, value) in unknown {
        if value.is_some() {
            notes.push(Note::dropped(field, "the provider's API has no such field"));
        }
    }
}

fn stop_sequences<'a>(chat: &'a Chat, notes: &mut Vec<Note>) -> Vec<&'a str> {
    let texts = chat.stop.iter().map(String::as_str);
    let kept: Vec<&str> = texts.filter(|text| !text.trim().is_empty()).collect();
    if kept.len() < chat.stop.len() {
        notes.push(Note::adapted(
            "stop",
            "the provider takes no stop text of white space alone: the answer is cut here",
        ));
    }
    kept
}

fn service_tier(chat: &Chat, notes: &mut Vec<Note>) -> Option<&'static str> {
    match chat.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => {
            notes.push(Note::dropped(
                "service_tier",
                "the provider has no tier of this name",
            ));
            None
        }
    }
}

/// The vendor asks for an id that names nobody: an address goes as its hash.
fn user_id(user: &str) -> Cow<'_, str> {
    if !user.contains('@') && user.len() <= LONGEST_USER {
        return Cow::Borrowed(user);
    }
    // FNV-1a, twice from different starts: the same in every process.
    let hash = |start: u64| {
        user.bytes().fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let (one, two) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9ae1_6a3b_2f90_404f));
    Cow::Owned(format!("user_{one:016x}{two:016x}"))
}

#[cfg(test)]
mod tests;
