//! What an answer depends on, whatever the format of the request.

use serde_json::Value;

use crate::signature::Signer;

/// Which call a body belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Chat,
    Completions,
    Embeddings,
    /// Anthropic's conversation.
    Messages,
    /// OpenAI's newer conversation.
    Responses,
    /// The number of its input tokens.
    CountTokens,
    /// Ollama's own API.
    Native(Native),
}

/// Calls of Ollama's own API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Native {
    Chat,
    Generate,
    Embed,
    /// The older call for one vector.
    Embeddings,
}

impl Native {
    pub(crate) fn streams(self) -> bool {
        match self {
            Native::Chat | Native::Generate => true,
            Native::Embed | Native::Embeddings => false,
        }
    }
}

impl Call {
    /// Whether the answer can be streamed.
    pub(crate) fn streams(self) -> bool {
        match self {
            Call::Chat | Call::Completions | Call::Messages | Call::Responses => true,
            Call::Embeddings | Call::CountTokens => false,
            Call::Native(native) => native.streams(),
        }
    }

    /// Whether the answer can call tools.
    pub(crate) fn takes_tools(self) -> bool {
        match self {
            Call::Chat | Call::Messages | Call::Responses => true,
            Call::Completions | Call::Embeddings | Call::CountTokens => false,
            Call::Native(native) => native == Native::Chat,
        }
    }
}

/// What an answer depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Answers wanted for each prompt.
    pub(crate) n: usize,
    /// Prompts of a completion, inputs of an embedding.
    pub(crate) inputs: usize,
    pub(crate) base64: bool,
    pub(crate) dimensions: Option<usize>,
    pub(crate) logprobs: bool,
    pub(crate) tools: Vec<Tool>,
    /// Names of those that take free text.
    pub(crate) custom_tools: Vec<String>,
    pub(crate) choice: Choice,
    /// Text of the last message if it is the user's, of the prompt, or of the input.
    pub(crate) user_text: Option<String>,
    pub(crate) prompt_tokens: u64,
    /// Tokens of each input of Ollama's embeddings.
    pub(crate) lengths: Vec<u64>,
    /// What does not fit is refused, not cut.
    pub(crate) whole_inputs: bool,
    /// Tokens the answer may have, where the vendor must be told.
    pub(crate) max_tokens: Option<u64>,
    /// Not more than one tool call.
    pub(crate) single_call: bool,
    /// The answer begins with thoughts without being told so by a script.
    pub(crate) thinks: bool,
    /// Thoughts are signed but not shown.
    pub(crate) hidden_thoughts: bool,
    /// What signs them.
    pub(crate) signer: Signer,
    pub(crate) stops: Vec<String>,
    /// Messages before the answer.
    pub(crate) turn: usize,
    /// Images in the conversation.
    pub(crate) images: usize,
    /// How a model is to be in memory.
    pub(crate) load: Load,
}

/// A function the caller offers.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) parameters: Value,
}

/// Whether a tool is to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

/// How Ollama is to have a model in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// `num_ctx`: tokens of its context.
    pub(crate) context: u64,
    /// Other options a model is loaded with, as text.
    pub(crate) other: String,
    /// It leaves memory after the call.
    pub(crate) unload: bool,
    /// Nothing is asked of it.
    pub(crate) only: bool,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            context: 4096,
            other: String::new(),
            unload: false,
            only: false,
        }
    }
}
