//! A call as a RunPod job.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    AnswerForm, Candidate, Dialect, Inbound, Outbound, Unsaid, edited, no_logprobs, read_completion,
};
use crate::dialect::runpod::{self, JobRoute, Worker};
use crate::edit::{Edits, span_of};
use crate::hub::{Chat, Note, Refusal, ResponseFormat};
use crate::object;
use crate::provider::Call;

/// What a worker without OpenAI's routes is asked.
struct Native {
    chat: Chat,
    /// The prompt, where the answer is to begin with it: such a worker does not repeat
    /// it.
    echo: Option<Arc<str>>,
}

pub(super) fn write(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let route = match inbound.call {
        Call::Completions => JobRoute::Completions,
        Call::Embeddings => JobRoute::Embeddings,
        Call::Chat | Call::Models | Call::Passed(_) => JobRoute::Chat,
    };
    if wants_logprobs(inbound) {
        return Err(no_logprobs(candidate).into());
    }
    let body = edited(inbound, candidate).to_bytes();
    let job = |worker, body: &[u8], chat: Option<&Chat>| {
        runpod::job(worker, route, body, chat, candidate.policy)
    };
    let mut second = None;
    let (first, asked) = match candidate.worker {
        Worker::Vllm => (job(Worker::Vllm, &body, None)?, None),
        Worker::Ollama => {
            one_prompt(inbound)?;
            one_answer(inbound)?;
            (job(Worker::Ollama, &body, None)?, None)
        }
        Worker::VllmNative | Worker::Text => {
            let asked = native(inbound, candidate)?;
            let chat = asked.as_ref().map(|asked| &asked.chat);
            (job(candidate.worker, &body, chat)?, asked)
        }
        Worker::Auto => {
            // A request that has no native form still has the other.
            let mut asked = native(inbound, candidate).ok().flatten();
            let chat = asked.as_ref().map(|asked| &asked.chat);
            second = chat.and_then(|chat| job(Worker::VllmNative, &body, Some(chat)).ok());
            asked = asked.filter(|_| second.is_some());
            let echoes = asked.as_ref().is_some_and(|asked| asked.echo.is_some());
            // Which of the two forms gets the answer is not known yet, so neither repeats.
            let body = if echoes { without_echo(&body) } else { body };
            (job(Worker::Auto, &body, None)?, asked)
        }
    };
    let note = asked
        .as_ref()
        .and_then(|asked| form_note(candidate.worker, &asked.chat));
    let dialect = Dialect::Job {
        max_tokens: asked.as_ref().and_then(|asked| asked.chat.max_tokens),
    };
    let form = match inbound.call {
        Call::Completions => {
            let echo = asked.and_then(|asked| asked.echo);
            AnswerForm::Completion(dialect, vec![echo])
        }
        Call::Embeddings => AnswerForm::JobEmbeddings {
            base64: inbound.request.wants_base64(),
        },
        Call::Chat | Call::Models | Call::Passed(_) => AnswerForm::Chat(dialect),
    };
    Ok(Outbound {
        native: second,
        notes: note.into_iter().collect(),
        ..Outbound::plain(first.into(), form)
    })
}

/// What becomes of the form of an answer where the worker does not get it as it came.
fn form_note(worker: Worker, chat: &Chat) -> Option<Note> {
    let has_form = chat.response_format != ResponseFormat::Text;
    let note = match worker {
        Worker::VllmNative => Note::dropped(
            "response_format",
            "the worker's own form has none; worker_form vllm does",
        ),
        Worker::Text => Note::dropped("response_format", "the worker takes plain text"),
        // As OpenAI has it; of the second form it is not known whether it is sent.
        Worker::Auto | Worker::Vllm | Worker::Ollama => return None,
    };
    has_form.then_some(note)
}

fn native(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Option<Native>, Unsaid> {
    match inbound.call {
        Call::Chat | Call::Models | Call::Passed(_) => {
            let chat = super::chat(inbound, candidate)?;
            Ok(Some(Native { chat, echo: None }))
        }
        Call::Completions => {
            let completion = read_completion(inbound, candidate)?;
            let mut chats = completion.to_chats()?;
            if chats.len() > 1 {
                return Err(several_prompts().into());
            }
            let echo = completion.echoes(1).pop().flatten();
            Ok(chats.pop().map(|chat| Native { chat, echo }))
        }
        Call::Embeddings => Ok(None),
    }
}

/// Whether a body that goes as it is asks for log probabilities: a chat with a switch, a
/// completion with a number, which may be 0.
fn wants_logprobs(inbound: &Inbound) -> bool {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        logprobs: Option<&'a RawValue>,
    }
    let asks = |raw: &RawValue| !matches!(raw.get(), "false" | "null");
    match inbound.call {
        Call::Chat | Call::Completions => object::read::<Body<'_>>(&inbound.body)
            .is_ok_and(|body| body.logprobs.is_some_and(asks)),
        Call::Embeddings | Call::Models | Call::Passed(_) => false,
    }
}

/// An Ollama server takes no list of prompts, and its worker would not say whose fault
/// that is.
fn one_prompt(inbound: &Inbound) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        prompt: &'a RawValue,
    }
    let body = object::read::<Body<'_>>(&inbound.body);
    let is_list = body.is_ok_and(|body| body.prompt.get().starts_with('['));
    if inbound.call == Call::Completions && is_list {
        return Err(several_prompts());
    }
    Ok(())
}

/// Nor does it take a number of answers: it would give one and say nothing of it.
fn one_answer(inbound: &Inbound) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Body {
        n: u64,
    }
    let is_several = object::read::<Body>(&inbound.body).is_ok_and(|body| body.n > 1);
    if inbound.call != Call::Embeddings && is_several {
        let wrong = "must be 1: the endpoint's worker gives one answer";
        return Err(Refusal::field("n", wrong));
    }
    Ok(())
}

fn several_prompts() -> Refusal {
    let wrong = "must be one text: the endpoint's worker takes one prompt";
    Refusal::field("prompt", wrong)
}

/// The completion request without its wish for the prompt.
fn without_echo(body: &Bytes) -> Bytes {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        echo: &'a RawValue,
    }
    let mut edits = Edits::default();
    if let Ok(Body { echo }) = serde_json::from_slice(body) {
        edits.replace(span_of(body, echo), "false");
    }
    edits.apply(body).to_bytes()
}
