//! A call as the body of a job.
//!
//! The forms with `openai_route` carry the OpenAI request as it is. The other forms
//! say less than a request can; what would change the answer if it were left away
//! (tools, pictures) is refused, other fields are left away, the form of an answer among them:
//! the sampling parameters that vLLM's worker takes have none.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::hub::{Chat, Message, Part, Refusal, Role};

/// What a worker takes. What it puts out is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Worker {
    /// OpenAI's form first; the native one when the worker does not know routes, see
    /// [`super::wants_native`].
    #[default]
    Auto,
    /// worker-vllm by `openai_route` and `openai_input`.
    Vllm,
    /// worker-vllm by `messages` and `sampling_params`.
    VllmNative,
    /// The community's Ollama worker, by `openai_route` and `openai_input`.
    Ollama,
    /// A worker that takes `prompt`, plain text.
    Text,
}

impl Worker {
    /// Every form, in the order shown to operators.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Vllm,
        Self::VllmNative,
        Self::Ollama,
        Self::Text,
    ];

    /// The id in settings.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Vllm => "vllm",
            Self::VllmNative => "vllm_native",
            Self::Ollama => "ollama",
            Self::Text => "text",
        }
    }

    /// Whether a worker of this form may know embeddings.
    #[must_use]
    pub fn makes_embeddings(self) -> bool {
        match self {
            Self::Auto | Self::Vllm => true,
            Self::VllmNative | Self::Ollama | Self::Text => false,
        }
    }

    /// The form with this id; `None` for an unknown id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|worker| worker.id() == id)
    }
}

/// The call that a job makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobRoute {
    /// A chat completion.
    Chat,
    /// A text completion.
    Completions,
    /// Embeddings.
    Embeddings,
}

impl JobRoute {
    /// The path as workers know it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }
}

/// How long the platform keeps a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Milliseconds on a worker, 5 seconds to 7 days.
    pub execution_timeout: u64,
    /// Milliseconds from submission to removal, the wait for a worker included, 10
    /// seconds to 7 days.
    pub ttl: u64,
}

/// The body that submits a job: `openai_body`, a JSON object and the upstream's
/// request in OpenAI's dialect, goes into it unparsed. The forms that are not
/// OpenAI's are written from `chat`.
///
/// # Errors
/// When the worker's form cannot say what is asked.
pub fn job(
    worker: Worker,
    route: JobRoute,
    openai_body: &[u8],
    chat: Option<&Chat>,
    policy: Option<Policy>,
) -> Result<Bytes, Refusal> {
    if route == JobRoute::Embeddings && !worker.makes_embeddings() {
        return Err(no_embeddings(worker));
    }
    let mut body = br#"{"input":"#.to_vec();
    match worker {
        Worker::Auto | Worker::Vllm | Worker::Ollama => {
            body.extend_from_slice(br#"{"openai_route":""#);
            body.extend_from_slice(route.path().as_bytes());
            body.extend_from_slice(br#"","openai_input":"#);
            body.extend_from_slice(openai_body.trim_ascii());
            body.push(b'}');
        }
        Worker::VllmNative => put(&mut body, &native(route, representable(chat, worker)?)),
        Worker::Text => put(&mut body, &text(route, representable(chat, worker)?)),
    }
    if let Some(policy) = policy {
        body.extend_from_slice(br#","policy":"#);
        put(&mut body, &policy);
    }
    body.push(b'}');
    if body.len() > MOST_BYTES {
        return Err(too_long(route, body.len()));
    }
    Ok(body.into())
}

/// The longest body that the platform takes for a job: 10 MB by its documentation.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// The platform would not say whose fault that is, and another backend may take more.
fn too_long(route: JobRoute, bytes: usize) -> Refusal {
    const MB: usize = 1024 * 1024;
    let param = match route {
        JobRoute::Chat => "messages",
        JobRoute::Completions => "prompt",
        JobRoute::Embeddings => "input",
    };
    // Rounded up, so that it never reads as the limit itself.
    let tenths = (bytes * 10).div_ceil(MB);
    Refusal::field(
        param,
        &format!(
            "is too long: the request makes a RunPod job of {}.{} MB, and the platform takes \
             {} MB; send less, or smaller pictures",
            tenths / 10,
            tenths % 10,
            MOST_BYTES / MB
        ),
    )
}

/// Strings and numbers always serialise; the fallback keeps this total.
fn put(body: &mut Vec<u8>, value: &impl Serialize) {
    let json = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
    body.extend_from_slice(&json);
}

fn no_embeddings(worker: Worker) -> Refusal {
    Refusal {
        param: "model".to_owned(),
        message: format!(
            "the model runs on a RunPod worker of the form '{}', which makes no embeddings; \
             name a model that is made for embeddings",
            worker.id()
        ),
    }
}

/// The chat, if one of the forms without `openai_route` can say it.
fn representable(chat: Option<&Chat>, worker: Worker) -> Result<&Chat, Refusal> {
    let cannot = |param: String, what: &str| {
        Refusal::field(
            param,
            &format!(
                "cannot be used with this model: its RunPod worker takes the form '{}', which \
                 has no {what}; leave it away, or set the worker's form to one with openai_route",
                worker.id()
            ),
        )
    };
    let chat = chat.ok_or_else(|| {
        Refusal::field(
            "messages",
            &format!(
                "is needed: the RunPod worker takes the form '{}', which is written from a \
                 conversation",
                worker.id()
            ),
        )
    })?;
    if !chat.tools.is_empty() {
        return Err(cannot("tools".to_owned(), "tools"));
    }
    if worker == Worker::Text && chat.n.is_some_and(|n| n > 1) {
        return Err(cannot("n".to_owned(), "several answers"));
    }
    for message in &chat.messages {
        for part in &message.parts {
            let what = match part {
                Part::Text { .. } | Part::Thinking(..) => continue,
                Part::Image { .. } => "pictures",
                Part::Document { .. } => "documents",
                Part::ToolCall { .. } | Part::ToolResult { .. } => "tool calls",
            };
            return Err(cannot(message.at.clone(), what));
        }
    }
    Ok(chat)
}

/// worker-vllm's native input. In a chat the worker applies the model's template; a
/// completion goes without.
fn native(route: JobRoute, chat: &Chat) -> Map<String, Value> {
    let mut params = sampling(chat);
    // Always written: without it the worker stops after 100 tokens; null is "as many
    // as fit".
    params.insert("max_tokens".to_owned(), json!(chat.max_tokens));
    if let Some(n) = chat.n {
        params.insert("n".to_owned(), json!(n));
    }
    let mut input = Map::new();
    if route == JobRoute::Completions {
        input.insert("prompt".to_owned(), json!(joined(chat)));
    } else {
        let messages = chat.messages.iter().map(|message| {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            json!({"role": role, "content": text_of(message)})
        });
        input.insert("messages".to_owned(), messages.collect());
    }
    input.insert("sampling_params".to_owned(), params.into());
    input.insert("stream".to_owned(), json!(chat.stream));
    input
}

/// A prompt, and beside it what the caller set, under the names that most servers use.
fn text(route: JobRoute, chat: &Chat) -> Map<String, Value> {
    let mut input = sampling(chat);
    let prompt = if route == JobRoute::Completions {
        joined(chat)
    } else {
        dialogue(chat)
    };
    input.insert("prompt".to_owned(), json!(prompt));
    if let Some(most) = chat.max_tokens {
        input.insert("max_tokens".to_owned(), json!(most));
    }
    input.insert("stream".to_owned(), json!(chat.stream));
    input
}

/// What servers name alike, as far as the caller set it.
fn sampling(chat: &Chat) -> Map<String, Value> {
    let sampling = &chat.sampling;
    let mut params = Map::new();
    for (name, number) in [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        ("min_p", &sampling.min_p),
        ("seed", &sampling.seed),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("presence_penalty", &sampling.presence_penalty),
        ("repetition_penalty", &sampling.repetition_penalty),
    ] {
        if let Some(number) = number {
            params.insert(name.to_owned(), Value::Number(number.clone()));
        }
    }
    if !chat.stop.is_empty() {
        params.insert("stop".to_owned(), json!(chat.stop));
    }
    params
}

/// The conversation as one text that ends where the model goes on.
fn dialogue(chat: &Chat) -> String {
    let mut prompt = String::new();
    for message in &chat.messages {
        prompt.push_str(match message.role {
            Role::System => "System: ",
            Role::User => "User: ",
            Role::Assistant => "Assistant: ",
        });
        prompt.push_str(&text_of(message));
        prompt.push('\n');
    }
    prompt.push_str("Assistant:");
    prompt
}

fn joined(chat: &Chat) -> String {
    chat.messages.iter().map(text_of).collect()
}

/// The texts of a message, those of several parts on lines of their own. What the
/// model once thought does not go back to it.
fn text_of(message: &Message) -> String {
    let texts = message.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        Part::Image { .. }
        | Part::Document { .. }
        | Part::Thinking(..)
        | Part::ToolCall { .. }
        | Part::ToolResult { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
