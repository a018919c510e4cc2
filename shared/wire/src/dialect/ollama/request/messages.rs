//! Messages as Ollama takes them: one text, pictures beside it, results of tools as
//! messages of their own.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::openai::base64;
use crate::hub::{Chat, Message, Note, Part, Refusal, Role, Source, Thinking};

#[derive(Serialize)]
pub(super) struct OutMessage<'a> {
    role: &'static str,
    /// Always a text: the server takes no `null` and no parts.
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct OutCall<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    function: OutFunction<'a>,
}

#[derive(Serialize)]
struct OutFunction<'a> {
    name: &'a str,
    arguments: Cow<'a, RawValue>,
}

/// The messages of a request.
pub(super) struct Messages<'a> {
    pub(super) list: Vec<OutMessage<'a>>,
    /// Whether a part has a cache mark.
    pub(super) cache_marks: bool,
    /// Names of the functions called so far, by the call's id.
    called: HashMap<&'a str, &'a str>,
}

impl<'a> Messages<'a> {
    pub(super) fn read(chat: &'a Chat, notes: &mut Vec<Note>) -> Result<Self, Refusal> {
        let mut messages = Self {
            list: Vec::with_capacity(chat.messages.len()),
            cache_marks: false,
            called: HashMap::new(),
        };
        for message in &chat.messages {
            messages.message(message, notes)?;
        }
        if messages.list.is_empty() {
            // The server would load the model and answer nothing.
            return Err(Refusal::field(
                "messages",
                "must hold a message with content",
            ));
        }
        Ok(messages)
    }

    fn message(&mut self, message: &'a Message, notes: &mut Vec<Note>) -> Result<(), Refusal> {
        let mut out = OutMessage::new(match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        });
        let mut results = 0;
        for (number, part) in message.parts.iter().enumerate() {
            let at = || format!("{}.content[{number}]", message.at);
            match part {
                Part::Thinking(Thinking::Plain { text, .. }, _) => join(&mut out.thinking, text),
                Part::Thinking(Thinking::Redacted { .. }, _) => notes.push(Note::dropped(
                    at(),
                    "reasoning that only its vendor can read",
                )),
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                } => {
                    self.called.insert(id, name);
                    let number = out.tool_calls.len();
                    let at = || format!("{}.tool_calls[{number}]", message.at);
                    let arguments = object(arguments, &at, notes);
                    out.tool_calls.push(OutCall {
                        id,
                        function: OutFunction { name, arguments },
                    });
                }
                // Results directly follow their calls, ahead of what else the user says.
                Part::ToolResult {
                    id,
                    name,
                    parts,
                    is_error,
                    cache,
                } => {
                    self.cache_marks |= cache.is_some();
                    let mut result = OutMessage::new("tool");
                    for part in parts {
                        self.content(&mut result, part, &at)?;
                    }
                    if *is_error {
                        result.content = format!("Error: {}", result.content).into();
                    }
                    let named = name.as_deref().filter(|name| !name.is_empty());
                    let called = || self.called.get(id.as_str()).copied();
                    result.tool_name = named.or_else(called);
                    result.tool_call_id = Some(id.as_str()).filter(|id| !id.is_empty());
                    self.list.push(result);
                    results += 1;
                }
                Part::Text { .. } | Part::Image { .. } | Part::Document { .. } => {
                    self.content(&mut out, part, &at)?;
                }
            }
        }
        // An empty text of the user is a message; results are that message already,
        // and an empty turn of the model is nothing.
        if !out.is_empty() || (message.role == Role::User && results == 0) {
            self.list.push(out);
        }
        Ok(())
    }

    /// Adds a text, picture or document.
    fn content(
        &mut self,
        out: &mut OutMessage<'a>,
        part: &'a Part,
        at: &dyn Fn() -> String,
    ) -> Result<(), Refusal> {
        match part {
            Part::Text { text, cache } => {
                self.cache_marks |= cache.is_some();
                join(&mut out.content, text);
            }
            Part::Image { source, cache } => {
                self.cache_marks |= cache.is_some();
                out.images.push(picture(source, at)?);
            }
            Part::Document {
                source,
                title,
                cache,
            } => {
                self.cache_marks |= cache.is_some();
                let text = document(source, at)?;
                if let Some(title) = title.as_deref().filter(|title| !title.is_empty()) {
                    join(&mut out.content, title);
                }
                join_owned(&mut out.content, text);
            }
            Part::Thinking(..) | Part::ToolCall { .. } | Part::ToolResult { .. } => {
                return Err(Refusal::field(
                    at(),
                    "holds, inside the result of a tool, what is neither text nor picture",
                ));
            }
        }
        Ok(())
    }
}

impl OutMessage<'_> {
    fn new(role: &'static str) -> Self {
        Self {
            role,
            content: Cow::Borrowed(""),
            thinking: Cow::Borrowed(""),
            images: Vec::new(),
            tool_calls: Vec::new(),
            tool_name: None,
            tool_call_id: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.content.is_empty()
            && self.thinking.is_empty()
            && self.images.is_empty()
            && self.tool_calls.is_empty()
    }
}

/// Adds `more` on a line of its own. Empty texts add nothing.
fn join<'a>(text: &mut Cow<'a, str>, more: &'a str) {
    join_owned(text, Cow::Borrowed(more));
}

fn join_owned<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else if !more.is_empty() {
        let text = text.to_mut();
        text.push('\n');
        text.push_str(&more);
    }
}

/// The base64 of a picture.
fn picture<'a>(source: &'a Source, at: &dyn Fn() -> String) -> Result<&'a str, Refusal> {
    match source {
        Source::Data { data, .. } => Ok(data),
        Source::Url(_) => Err(Refusal::field(
            at(),
            "is a picture by its address, which an Ollama server does not fetch: send it as a \
             data URL (data:image/png;base64,...)",
        )),
        Source::Text(_) => Err(Refusal::field(at(), "is a picture without image data")),
    }
}

/// The text of a document.
fn document<'a>(source: &'a Source, at: &dyn Fn() -> String) -> Result<Cow<'a, str>, Refusal> {
    let refuse = |wrong: &str| Err(Refusal::field(at(), wrong));
    match source {
        Source::Text(text) => Ok(Cow::Borrowed(text)),
        Source::Data { media_type, data } if media_type.starts_with("text/") => {
            let bytes = base64::decode(data.as_bytes());
            match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => Ok(Cow::Owned(text)),
                None => refuse("is a text document that is not base64 of UTF-8 text"),
            }
        }
        Source::Data { .. } => refuse(
            "is a document that is not plain text, such as a PDF, and an Ollama model reads \
             text and pictures only: send its text",
        ),
        Source::Url(_) => refuse(
            "is a document by its address, which an Ollama server does not fetch: send its text",
        ),
    }
}

/// A call's arguments as an object: the server takes nothing else. What is no object
/// is kept inside of one, as text.
fn object<'a>(text: &'a str, at: &dyn Fn() -> String, notes: &mut Vec<Note>) -> Cow<'a, RawValue> {
    let text = text.trim();
    let text = if text.is_empty() { "{}" } else { text };
    if text.starts_with('{')
        && let Ok(raw) = serde_json::from_str::<&RawValue>(text)
    {
        return Cow::Borrowed(raw);
    }
    notes.push(Note::adapted(
        format!("{}.function.arguments", at()),
        "arguments that are no JSON object are sent as the text '_raw_arguments' in one",
    ));
    #[derive(Serialize)]
    struct Raw<'a> {
        _raw_arguments: &'a str,
    }
    // A text always serialises; the fallback keeps this total.
    serde_json::value::to_raw_value(&Raw {
        _raw_arguments: text,
    })
    .map_or_else(|_| Cow::Owned(RawValue::NULL.to_owned()), Cow::Owned)
}
