//! A caller's request: what the gateway must know of it, and its edited form.
//!
//! The body is read once without building a tree. Only what routing and editing
//! need is looked at; every other field goes upstream as it came. Of a long body only
//! an outline is read. What is wrong is refused with the name of the field, found by a
//! second, slower look that only a refused request pays for.

mod calls;
mod diagnose;
mod history;
mod inputs;
mod limits;
mod messages;
mod notes;
mod offered;
mod outline;
mod renamed;
mod stops;

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::raw::{present, value};
use crate::edit::{Edits, Segments, member_span, span_of};
use crate::hub::Note;
use crate::normaliser::Tools;
use crate::object;
use crate::provider::Call;
pub use calls::CallForm;
use history::History;
use inputs::{check_input, check_prompt};
use limits::{asking_for_usage, fill, put};
use messages::Messages;
use offered::Offered;
use outline::Outline;
pub use stops::Stops;

/// A body above this size, in bytes, is parsed by its outline.
const OUTLINED: usize = 64 * 1024;
/// A string above this size, in bytes, is left out of an outline.
const LONG: usize = 1024;

/// Why a request is refused; always the caller's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct BadRequest {
    /// The field, such as `messages[2].tool_call_id`.
    pub param: Option<String>,
    /// What is wrong with it and what is wanted.
    pub message: String,
}

impl BadRequest {
    fn field(param: impl Into<String>, wrong: &str) -> Self {
        let param = param.into();
        Self {
            message: format!("'{param}' {wrong}"),
            param: Some(param),
        }
    }

    fn body(message: String) -> Self {
        Self {
            param: None,
            message,
        }
    }
}

/// What a virtual model sets when the caller does not. Values are JSON texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// For `max_tokens`; unused when the caller sent `max_completion_tokens`.
    pub max_tokens: Option<Bytes>,
    /// For `temperature`.
    pub temperature: Option<Bytes>,
    /// For `top_p`.
    pub top_p: Option<Bytes>,
    /// Put before the conversation, or before the caller's own leading system
    /// message with a blank line between.
    pub system_prompt: Option<String>,
}

/// What to do about `stream_options` upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOptions {
    /// Ask for usage in the stream.
    AskUsage,
    /// Leave what the caller sent.
    Keep,
    /// Remove them: the upstream is not asked to stream.
    Remove,
}

/// The form in which one upstream gets the request.
#[derive(Clone, Debug)]
pub struct Target<'t> {
    /// The upstream's model id as a JSON string.
    pub model: &'t Bytes,
    /// The value of `stream`; `None` leaves what the caller sent.
    pub stream: Option<bool>,
    /// The treatment of `stream_options`.
    pub stream_options: StreamOptions,
    /// The virtual model's defaults.
    pub defaults: &'t Defaults,
    /// The upstream knows only `max_tokens`: `max_completion_tokens` gets that name.
    pub only_max_tokens: bool,
    /// The upstream does not know the role `developer`: it is sent as `system`.
    pub only_system: bool,
    /// One of OpenAI's reasoning models, which refuse `max_tokens` and any sampling:
    /// defaults for them are none.
    pub reasoning: bool,
    /// The form of the tool calls in the conversation.
    pub calls: CallForm,
    /// The upstream refuses `encoding_format: base64`, which the official clients
    /// send unasked: it is asked for floats, and the caller gets them as base64.
    pub float_embeddings_only: bool,
    /// The upstream may not heed the name of the one tool that is to be called: it is offered
    /// alone.
    pub only_named: bool,
    /// What the upstream takes of the texts that end an answer.
    pub stops: Stops,
    /// The longest answer in tokens that the upstream has room for, when it is known that the
    /// caller, or the default, wants a longer one.
    pub most: Option<u64>,
}

/// A caller's request: decisions and places, no copy of the body.
#[derive(Debug, Default)]
pub struct Request {
    /// The model the caller names.
    pub model: Option<String>,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// Whether the caller wants usage in the stream.
    pub wants_usage: bool,
    chat: bool,
    model_at: Option<Range<usize>>,
    stream_at: Option<Range<usize>>,
    options_at: Option<Range<usize>>,
    max_tokens: Sent,
    max_completion: Sent,
    temperature: Sent,
    top_p: Sent,
    /// Where `encoding_format` says base64.
    base64_at: Option<Range<usize>>,
    offered: Offered,
    /// The list of tools, and the one in it that is to be called, where it is not the only
    /// one.
    alone: Option<(Range<usize>, Range<usize>)>,
    choices: Option<u64>,
    /// Where texts that end the answer stand.
    stop_at: Option<Range<usize>>,
    history: History,
}

/// A member as the caller sent it.
#[derive(Debug, Default)]
enum Sent {
    #[default]
    Nothing,
    /// `null`, which SDKs write for what is not set.
    Null(Range<usize>),
    Value(Range<usize>),
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    model: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    temperature: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    top_p: Option<&'a RawValue>,
    #[serde(default)]
    messages: Option<Messages>,
    #[serde(borrow, default, deserialize_with = "present")]
    input: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    encoding_format: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    functions: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    n: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stop: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl Request {
    /// Reads the body of `call`.
    ///
    /// # Errors
    /// When it is not a JSON object, a field that the gateway reads has the wrong
    /// type or occurs twice, or the conversation or input is missing or empty. A tool
    /// message that answers no call is [`Self::refusal`]'s.
    pub fn read(call: Call, body: &[u8]) -> Result<Self, BadRequest> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            // A list would otherwise be read as the fields in order.
            return Err(diagnose::not_an_object(body));
        }
        if body.len() > OUTLINED
            && let Ok(request) = Self::parse(call, body, &Outline::of(body, LONG))
        {
            return Ok(request);
        }
        // What is wrong is said with its place in the body itself.
        Self::parse(call, body, &Outline::whole(body))
    }

    fn parse(call: Call, body: &[u8], outline: &Outline<'_>) -> Result<Self, BadRequest> {
        let text = outline.text();
        let parsed: Body<'_> =
            object::read(text).map_err(|err| diagnose::explain(call, body, &err))?;
        let place = |raw: &RawValue| outline.in_body(span_of(text, raw));
        let at = |raw: Option<&RawValue>| raw.map(place);
        let sent = |raw: Option<&RawValue>| match raw {
            None => Sent::Nothing,
            Some(raw) if raw.get() == "null" => Sent::Null(place(raw)),
            Some(raw) => Sent::Value(place(raw)),
        };
        let model = match value(parsed.model) {
            Some(raw) => Some(
                serde_json::from_str(raw.get())
                    .map_err(|_| BadRequest::field("model", "must be a string"))?,
            ),
            None => None,
        };
        let stream = match value(parsed.stream).map(RawValue::get) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(BadRequest::field("stream", "must be true or false")),
        };
        let wants_usage = match value(parsed.stream_options) {
            Some(raw) => object::read_str::<Options>(raw.get())
                .map_err(|_| {
                    BadRequest::field(
                        "stream_options",
                        "must be an object such as {\"include_usage\": true}",
                    )
                })?
                .include_usage
                .unwrap_or(false),
            None => false,
        };
        let alone = offered::alone(&parsed);
        let mut history = History::default();
        match call {
            Call::Chat => {
                let refusal = messages::check(parsed.messages)?;
                history = history::read(body, outline);
                match refusal {
                    Some(refusal) if !history.is_damaged() => return Err(refusal),
                    refusal => history.refusal = refusal,
                }
            }
            Call::Embeddings => check_input(value(parsed.input))?,
            Call::Completions => check_prompt(value(parsed.prompt))?,
            Call::Models | Call::Passed(_) => {}
        }
        Ok(Self {
            model,
            stream,
            wants_usage,
            chat: call == Call::Chat,
            model_at: at(parsed.model),
            stream_at: at(parsed.stream),
            options_at: at(parsed.stream_options),
            max_tokens: sent(parsed.max_tokens),
            max_completion: sent(parsed.max_completion_tokens),
            temperature: sent(parsed.temperature),
            top_p: sent(parsed.top_p),
            base64_at: at(parsed
                .encoding_format
                .filter(|raw| raw.get() == "\"base64\"")),
            alone: alone.map(|(list, one)| (place(list), place(one))),
            offered: if Offered::is_none(parsed.tool_choice, parsed.function_call) {
                Offered::default()
            } else {
                Offered {
                    tools: at(value(parsed.tools)),
                    functions: at(value(parsed.functions)),
                }
            },
            stop_at: at(value(parsed.stop)),
            choices: parsed.n.and_then(|raw| raw.get().parse().ok()),
            history,
        })
    }

    /// Whether the caller of embeddings wants them as base64.
    #[must_use]
    pub fn wants_base64(&self) -> bool {
        self.base64_at.is_some()
    }

    /// The tools that a model may call, none when the caller wants no calls. `body` is
    /// the body that was read.
    #[must_use]
    pub fn tools(&self, body: &[u8]) -> Tools {
        self.offered.read(body)
    }

    /// The longest answer that the caller wants, in tokens; `None` when it does not say, or
    /// says what is no number. `body` is the body that was read.
    #[must_use]
    pub fn max_tokens(&self, body: &[u8]) -> Option<u64> {
        let ((Sent::Value(at), _) | (_, Sent::Value(at))) =
            (&self.max_completion, &self.max_tokens)
        else {
            return None;
        };
        str::from_utf8(body.get(at.clone())?).ok()?.parse().ok()
    }

    /// How many answers the caller wants.
    #[must_use]
    pub fn choices(&self) -> u64 {
        self.choices.unwrap_or(1)
    }

    /// Why the request is refused where its conversation is not to be mended.
    #[must_use]
    pub fn refusal(&self) -> Option<&BadRequest> {
        self.history.refusal.as_ref()
    }

    /// `body`, the body that was read, with its tool calls and results such that strict
    /// servers take them, that body's own reading, and what was changed; `None` when
    /// there is nothing to mend.
    #[must_use]
    pub fn mended(&self, body: &Bytes) -> Option<(Bytes, Self, Vec<Note>)> {
        if !self.history.is_damaged() {
            return None;
        }
        let (body, notes) = self.history.mended(body);
        let request = Self::read(Call::Chat, &body).ok()?;
        Some((body, request, notes))
    }

    /// The request as `target` gets it. `body` is the body that was read.
    #[must_use]
    pub fn upstream_body(&self, body: &Bytes, target: &Target<'_>) -> Segments {
        let mut edits = Edits::default();
        put(&mut edits, "model", self.model_at.as_ref(), target.model);
        if let Some(stream) = target.stream.filter(|wanted| *wanted != self.stream) {
            let text = if stream { &b"true"[..] } else { b"false" };
            put(
                &mut edits,
                "stream",
                self.stream_at.as_ref(),
                &Bytes::from_static(text),
            );
        }
        self.edit_options(&mut edits, body, target.stream_options);
        let defaults = target.defaults;
        self.edit_limits(&mut edits, body, target);
        if !self.refuses_sampling(target) {
            let (sent, default) = (&self.temperature, defaults.temperature.as_ref());
            fill(&mut edits, "temperature", sent, default);
            fill(&mut edits, "top_p", &self.top_p, defaults.top_p.as_ref());
        }
        for (span, text) in calls::edits(body, self.call_form(target)) {
            edits.replace(span, text);
        }
        for span in self.foreign_roles(body, target) {
            edits.replace(span, "\"system\"");
        }
        if let (true, Some(prompt)) = (self.chat, &defaults.system_prompt) {
            messages::lead_with(&mut edits, body, prompt);
        }
        if let (true, Some(at)) = (target.float_embeddings_only, &self.base64_at) {
            edits.replace(at.clone(), "\"float\"");
        }
        self.edit_stops(&mut edits, body, target.stops);
        if let (true, Some((list, one))) = (target.only_named, &self.alone) {
            let one = &body[one.clone()];
            edits.replace(list.clone(), [b"[", one, b"]"].concat());
        }
        edits.apply(body)
    }

    fn refuses_sampling(&self, target: &Target<'_>) -> bool {
        target.reasoning && self.chat
    }

    fn foreign_roles(&self, body: &Bytes, target: &Target<'_>) -> Vec<Range<usize>> {
        if self.chat && target.only_system {
            messages::developer_roles(body)
        } else {
            Vec::new()
        }
    }

    fn call_form(&self, target: &Target<'_>) -> CallForm {
        if self.chat {
            target.calls
        } else {
            CallForm::Any
        }
    }

    fn edit_options(&self, edits: &mut Edits, body: &Bytes, options: StreamOptions) {
        const ASK: &[u8] = br#"{"include_usage":true}"#;
        match (options, &self.options_at) {
            (StreamOptions::Keep, _) => {}
            (StreamOptions::AskUsage, None) => edits.insert("stream_options", ASK),
            (StreamOptions::AskUsage, Some(_)) if self.wants_usage => {}
            (StreamOptions::AskUsage, Some(at)) => {
                edits.replace(at.clone(), asking_for_usage(&body[at.clone()]));
            }
            (StreamOptions::Remove, None) => {}
            (StreamOptions::Remove, Some(at)) => match member_span(body, "stream_options", at) {
                Some(member) => edits.replace(member, Bytes::new()),
                None => edits.replace(at.clone(), "null"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
