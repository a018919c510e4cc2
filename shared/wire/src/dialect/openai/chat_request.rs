//! A hub chat as the body of an OpenAI-family chat completion request.
//!
//! Tool results follow the calls that they answer before anything else is said, as
//! servers demand. What the form cannot carry is noted, never dropped in silence.
//!
//! Not here: the limits of one vendor's models; the target says what its server
//! takes.

mod body;
mod messages;

use serde_json::value::RawValue;

use crate::hub::{
    Chat, Effort, Note, Refusal, ResponseFormat, Tool, ToolChoice, ToolNames, Written,
};
use body::{AllowedTool, Body, Cache, Choice, Format, Function, JsonSchema, Named, StreamOptions};

/// What the server takes.
#[derive(Clone, Copy, Debug)]
pub struct ChatTarget<'t> {
    /// The upstream's model id.
    pub model: &'t str,
    /// It knows only `max_tokens`, as most servers; otherwise it gets
    /// `max_completion_tokens`.
    pub only_max_tokens: bool,
    /// It knows the role `developer`.
    pub developer_role: bool,
    /// Ask for usage in the stream.
    pub ask_usage: bool,
    /// It knows only OpenAI's own form of content: text alone goes as a string, and
    /// cache marks are left out. Otherwise marked text goes as a list of parts.
    pub string_content: bool,
    /// Most stop texts that it takes; 4 for OpenAI.
    pub stop_limit: Option<usize>,
    /// It takes only tool names of letters, digits, `_` and `-`, up to 64.
    pub plain_tool_names: bool,
}

/// Longest tool name of OpenAI.
const LONGEST_NAME: usize = 64;

/// Writes `chat` for `target`.
///
/// # Errors
/// When it holds more stop texts than the target takes, or a document by its URL.
pub fn write_chat(chat: &Chat, target: &ChatTarget<'_>) -> Result<Written, Refusal> {
    if let Some(most) = target.stop_limit.filter(|most| chat.stop.len() > *most) {
        return Err(Refusal::field(
            "stop",
            &format!(
                "holds {} texts; this model's server takes at most {most}",
                chat.stop.len()
            ),
        ));
    }
    let mut writer = Writer {
        target,
        notes: Vec::new(),
        names: ToolNames::default(),
    };
    // Definitions come first: they have the better claim to their own names.
    let tools: Vec<_> = chat.tools.iter().map(|tool| writer.tool(tool)).collect();
    let tool_choice = chat
        .tool_choice
        .as_ref()
        .map(|choice| writer.choice(choice));
    let messages = writer.messages(&chat.messages)?;
    for field in &chat.left_out {
        writer.drop(
            field,
            "the server's format is another one than the caller's",
        );
    }
    let has_tools = !tools.is_empty();
    let cache = chat.cache.as_ref();
    let (max_tokens, max_completion_tokens) = if target.only_max_tokens {
        (chat.max_tokens, None)
    } else {
        (None, chat.max_tokens)
    };
    let sampling = &chat.sampling;
    let body = Body {
        model: target.model,
        messages,
        tools,
        tool_choice: tool_choice.filter(|_| has_tools),
        parallel_tool_calls: chat.parallel_tool_calls.filter(|_| has_tools),
        max_tokens,
        max_completion_tokens,
        temperature: sampling.temperature.as_ref(),
        top_p: sampling.top_p.as_ref(),
        top_k: sampling.top_k.as_ref(),
        min_p: sampling.min_p.as_ref(),
        seed: sampling.seed.as_ref(),
        frequency_penalty: sampling.frequency_penalty.as_ref(),
        presence_penalty: sampling.presence_penalty.as_ref(),
        repetition_penalty: sampling.repetition_penalty.as_ref(),
        stop: &chat.stop,
        n: chat.n,
        logprobs: chat.logprobs.map(|_| true),
        top_logprobs: chat.logprobs.filter(|k| *k > 0),
        response_format: format(&chat.response_format),
        reasoning_effort: chat.effort.map(effort),
        user: chat.user.as_deref(),
        service_tier: chat.service_tier.as_deref(),
        cache_control: writer.mark(cache, "cache_control"),
        stream: chat.stream,
        stream_options: (chat.stream && target.ask_usage).then_some(StreamOptions {
            include_usage: true,
        }),
    };
    let body = serde_json::to_vec(&body)
        .map_err(|err| Refusal::field("messages", &format!("cannot be written as JSON: {err}")))?;
    Ok(Written {
        body: body.into(),
        notes: writer.notes,
        names: writer.names,
    })
}

/// What is collected while the parts are written.
struct Writer<'t> {
    target: &'t ChatTarget<'t>,
    notes: Vec<Note>,
    names: ToolNames,
}

impl Writer<'_> {
    fn drop(&mut self, field: &str, why: &'static str) {
        self.notes.push(Note::dropped(field, why));
    }

    fn adapt(&mut self, field: &str, why: &'static str) {
        self.notes.push(Note::adapted(field, why));
    }

    fn name(&mut self, name: &str) -> String {
        if self.target.plain_tool_names {
            self.names.upstream(name, LONGEST_NAME)
        } else {
            name.to_owned()
        }
    }

    /// A cache mark, if the server knows them.
    fn mark<'c>(
        &mut self,
        mark: Option<&'c crate::hub::CacheMark>,
        field: &str,
    ) -> Option<Cache<'c>> {
        let mark = mark?;
        if self.target.string_content {
            self.drop(field, "the server knows no cache marks");
            return None;
        }
        Some(Cache {
            kind: "ephemeral",
            ttl: mark.ttl.as_deref(),
        })
    }

    fn tool<'c>(&mut self, tool: &'c Tool) -> AllowedTool<'c> {
        AllowedTool {
            kind: "function",
            cache_control: self.mark(tool.cache.as_ref(), "tools"),
            function: Function {
                name: self.name(&tool.name),
                description: tool.description.as_deref(),
                parameters: tool.parameters.as_deref().and_then(raw),
                strict: tool.strict,
            },
        }
    }

    fn choice(&mut self, choice: &ToolChoice) -> Choice {
        match choice {
            ToolChoice::Auto => Choice::Word("auto"),
            ToolChoice::None => Choice::Word("none"),
            ToolChoice::Required => Choice::Word("required"),
            ToolChoice::Named(name) => Choice::Tool {
                kind: "function",
                function: Named {
                    name: self.name(name),
                },
            },
        }
    }
}

/// The JSON text as it is; `None` when it is no JSON.
fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

fn format(format: &ResponseFormat) -> Option<Format<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(Format {
            kind: "json_object",
            json_schema: None,
        }),
        ResponseFormat::JsonSchema {
            name,
            schema,
            strict,
        } => Some(Format {
            kind: "json_schema",
            json_schema: Some(JsonSchema {
                name,
                schema: raw(schema),
                strict: *strict,
            }),
        }),
    }
}

fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::None => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}

#[cfg(test)]
mod tests;
