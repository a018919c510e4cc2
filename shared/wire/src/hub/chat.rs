//! A chat request.

pub use serde_json::Number;

use super::Origin;

/// A conversation and what is asked of it.
///
/// What a caller did not say is `None` or empty; nothing here is a default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chat {
    /// In order, system messages among them.
    pub messages: Vec<Message>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Names of those of `tools` that take free text with their caller, whose calls
    /// it expects as calls of a custom tool. Here they are functions with the one
    /// argument `input`.
    pub custom_tools: Vec<String>,
    /// Whether and which.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tool_calls: Option<bool>,
    /// Longest answer in tokens, reasoning included.
    pub max_tokens: Option<u64>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Whether the upstream is to stream.
    pub stream: bool,
    /// Number of answers.
    pub n: Option<u32>,
    /// `Some(k)`: log probabilities with the `k` best alternatives.
    pub logprobs: Option<u32>,
    /// The form of the answer.
    pub response_format: ResponseFormat,
    /// How much to think.
    pub effort: Option<Effort>,
    /// Who asks, as the caller names them.
    pub user: Option<String>,
    /// OpenAI's `service_tier`.
    pub service_tier: Option<String>,
    /// A cache mark for the request as a whole.
    pub cache: Option<CacheMark>,
    /// Names of the caller's fields that have no place here; no upstream of another
    /// dialect gets them.
    pub left_out: Vec<String>,
}

/// How tokens are chosen. Numbers stay as the caller wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// `temperature`, 0 to 2.
    pub temperature: Option<Number>,
    /// `top_p`.
    pub top_p: Option<Number>,
    /// `top_k`.
    pub top_k: Option<Number>,
    /// `min_p`.
    pub min_p: Option<Number>,
    /// `seed`.
    pub seed: Option<Number>,
    /// `frequency_penalty`.
    pub frequency_penalty: Option<Number>,
    /// `presence_penalty`.
    pub presence_penalty: Option<Number>,
    /// `repetition_penalty`, in open servers.
    pub repetition_penalty: Option<Number>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Whose.
    pub role: Role,
    /// What it holds, in order.
    pub parts: Vec<Part>,
    /// Where the caller has it, such as `messages[3]`; for refusals and notes.
    pub at: String,
}

/// Whose message it is. Tool results have no role of their own: they are
/// [`Part::ToolResult`]s in a user message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The operator's: `system` and `developer`.
    System,
    /// The caller's.
    User,
    /// The model's.
    Assistant,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text; may be empty.
    Text {
        /// The text.
        text: String,
        /// Whether a cache ends here.
        cache: Option<CacheMark>,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// Whether a cache ends here.
        cache: Option<CacheMark>,
    },
    /// A document: PDF or plain text.
    Document {
        /// Where it is.
        source: Source,
        /// Its file name or title.
        title: Option<String>,
        /// Whether a cache ends here.
        cache: Option<CacheMark>,
    },
    /// What the model thought, in an assistant's message, and who has signed it, as far
    /// as that is known.
    Thinking(Thinking, Option<Origin>),
    /// A call that the model made, in an assistant's message.
    ToolCall {
        /// The caller's id of it.
        id: String,
        /// The function.
        name: String,
        /// The arguments as the model wrote them: JSON text, or not.
        arguments: String,
    },
    /// The result of a call, in a user's message.
    ToolResult {
        /// The id of the call.
        id: String,
        /// The function's name, as far as the history tells it.
        name: Option<String>,
        /// Text and pictures.
        parts: Vec<Part>,
        /// Whether the call failed.
        is_error: bool,
        /// Whether a cache ends here.
        cache: Option<CacheMark>,
    },
}

impl Part {
    /// Text without a cache mark.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            cache: None,
        }
    }
}

/// What a model thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// In words.
    Plain {
        /// The words; may be empty where only the signature was given.
        text: String,
        /// The vendor's proof that the words are the model's; without one they
        /// cannot go back to a vendor that asks for it.
        signature: Option<String>,
    },
    /// Not in words that anyone else can read.
    Redacted {
        /// The vendor's opaque data.
        data: String,
    },
}

/// Where a picture or document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the request.
    Data {
        /// Media type, such as `image/png`.
        media_type: String,
        /// Base64 without line breaks.
        data: String,
    },
    /// Plain text in the request.
    Text(String),
    /// On the web, `http` or `https`.
    Url(String),
}

/// An explicit mark up to where a provider is to cache the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMark {
    /// `5m` or `1h`, when the caller says.
    pub ttl: Option<String>,
}

/// A function that the model may call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON text of the schema of its arguments, as the caller wrote it.
    pub parameters: Option<String>,
    /// Whether arguments must keep the schema.
    pub strict: Option<bool>,
    /// Whether a cache ends here.
    pub cache: Option<CacheMark>,
}

/// Whether the model calls a tool, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Not at all.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ResponseFormat {
    /// Any text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// JSON text of the schema; an empty one is `{}`.
        schema: String,
        /// Whether it must be kept exactly.
        strict: Option<bool>,
    },
}

/// How much a model is to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    XHigh,
    /// `max`.
    Max,
}
