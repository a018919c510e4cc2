//! A call as a RunPod job.

use super::{AnswerForm, Candidate, Dialect, Inbound, Outbound, Unsaid, edited};
use crate::dialect::openai;
use crate::dialect::runpod::{self, JobRoute, Worker};
use crate::hub::{Chat, Refusal};
use crate::provider::Call;

pub(super) fn write(inbound: &Inbound<'_>, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let (route, form) = match inbound.call {
        Call::Completions => (
            JobRoute::Completions,
            AnswerForm::Completion(Dialect::Job, Vec::new()),
        ),
        Call::Embeddings => (JobRoute::Embeddings, AnswerForm::JobEmbeddings),
        Call::Chat | Call::Models => (JobRoute::Chat, AnswerForm::Chat(Dialect::Job)),
    };
    let body = edited(inbound, candidate).to_bytes();
    let job =
        |worker, chat: Option<&Chat>| runpod::job(worker, route, &body, chat, candidate.policy);
    let native_form = || -> Result<Option<Chat>, Unsaid> {
        Ok(match inbound.call {
            Call::Chat | Call::Models => Some(super::chat(inbound, candidate)?),
            Call::Completions => {
                let mut completion = openai::read_completion(inbound.body)?;
                completion.apply(candidate.defaults);
                let mut chats = completion.to_chats()?;
                if chats.len() > 1 {
                    let wrong = "must be one text: the endpoint's worker takes one prompt";
                    return Err(Refusal::field("prompt", wrong).into());
                }
                chats.pop()
            }
            Call::Embeddings => None,
        })
    };
    let (first, native) = match candidate.worker {
        Worker::Vllm | Worker::Ollama => (job(candidate.worker, None)?, None),
        Worker::VllmNative | Worker::Text => {
            (job(candidate.worker, native_form()?.as_ref())?, None)
        }
        Worker::Auto => {
            // A request that has no native form still has the other.
            let native = native_form().ok().flatten();
            let native = native.and_then(|chat| job(Worker::VllmNative, Some(&chat)).ok());
            (job(Worker::Auto, None)?, native)
        }
    };
    Ok(Outbound {
        native,
        ..Outbound::plain(first.into(), form)
    })
}
