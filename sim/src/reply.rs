//! The answer to one call: status, header fields and the steps its body plays.
//!
//! A pure function of vendor, call, facts and script, so the same request always gets
//! the same bytes. What is said is in [`answer`], the vendors' shapes are in [`chat`],
//! [`completions`] and [`embeddings`], the order of bytes, silences and faults in [`stage`].

mod answer;
mod chat;
mod completions;
mod embeddings;
mod stage;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::playback::Step;
use crate::script::{Close, Empty, Script};
use crate::validate::{Call, Facts};
use crate::vendor::Flavor;
use crate::vendor::refusal::Refusal;

/// A reply, ready to be played any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    /// Announced `Content-Length`; without it the body is sent in chunks.
    pub(crate) length: Option<u64>,
    pub(crate) steps: Arc<[Step]>,
}

impl Reply {
    /// 400 without a word, for callers that are gone.
    pub(crate) fn nothing() -> Reply {
        Reply {
            status: 400,
            content_type: "text/plain",
            headers: Vec::new(),
            length: Some(0),
            // Never played: the connection is already closed.
            steps: Arc::from(vec![Step::Hang]),
        }
    }
}

/// One event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) data: String,
    /// True for what the script counts and paces as a content chunk.
    pub(crate) content: bool,
}

/// The reply to a call that passed the checks; `body` is the request's, for `echo`.
pub(crate) fn to_call(
    flavor: Flavor,
    call: Call,
    facts: &Facts,
    script: &Script,
    body: &[u8],
) -> Reply {
    let failure = script.status.filter(|&status| status >= 300);
    if failure.is_some() && script.error_after.is_none() {
        return scripted_error(flavor, script);
    }
    let streams = call != Call::Embeddings && facts.stream != script.wrong;
    let mut reply = if script.empty == Some(Empty::Body) {
        whole(String::new(), script)
    } else if streams {
        let answer = answer::answer(flavor, call, facts, script, body);
        let mut events = match call {
            Call::Chat => chat::events(flavor, facts, script, &answer),
            Call::Completions | Call::Embeddings => {
                completions::events(flavor, facts, script, &answer)
            }
        };
        let done = fail(flavor, facts, script, &mut events) && !script.no_done;
        stage::stream(&events, done, script)
    } else if script.error_after.is_some() {
        whole(refusal(script, 500).event(flavor).to_string(), script)
    } else {
        let json = match call {
            Call::Chat => {
                let answer = answer::answer(flavor, call, facts, script, body);
                chat::whole(flavor, facts, script, &answer)
            }
            Call::Completions => {
                let answer = answer::answer(flavor, call, facts, script, body);
                completions::whole(flavor, facts, script, &answer)
            }
            Call::Embeddings => embeddings::whole(flavor, facts, script),
        };
        whole(json, script)
    };
    if let Some(status) = script.status.filter(|_| failure.is_none()) {
        reply.status = status;
    }
    if flavor == Flavor::OpenAi {
        for (name, value) in [
            ("x-request-id", "req_sim"),
            ("openai-version", "2020-10-01"),
            ("openai-processing-ms", "1"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
        ] {
            reply.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    reply.headers.extend(script.headers.iter().cloned());
    reply
}

/// A whole JSON document, as model lists are.
pub(crate) fn document(json: &Value) -> Reply {
    whole(json.to_string(), &Script::default())
}

/// A refusal in the vendor's shape.
pub(crate) fn refused(flavor: Flavor, refusal: &Refusal) -> Reply {
    let (content_type, body) = refusal.render(flavor);
    Reply {
        status: refusal.status,
        content_type,
        headers: Vec::new(),
        length: Some(body.len() as u64),
        steps: Arc::from(vec![Step::Send(body)]),
    }
}

/// The error a script asks for by `status` (or `early`).
pub(crate) fn scripted_error(flavor: Flavor, script: &Script) -> Reply {
    let refusal = refusal(script, script.early.unwrap_or(500));
    let mut reply = refused(flavor, &refusal);
    if script.html {
        let page = format!(
            "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n",
            refusal.status
        );
        reply.content_type = "text/html";
        reply.length = Some(page.len() as u64);
        reply.steps = Arc::from(vec![Step::Send(Bytes::from(page))]);
    }
    if let Some(after) = &script.retry_after {
        reply
            .headers
            .push(("retry-after".to_owned(), after.clone()));
    }
    reply.headers.extend(script.headers.iter().cloned());
    if script.close == Some(Close::Next) || script.close == Some(Close::After) {
        reply.steps = script
            .close
            .map(Step::Close)
            .into_iter()
            .chain(reply.steps.iter().cloned())
            .collect();
    }
    reply
}

fn refusal(script: &Script, otherwise: u16) -> Refusal {
    let status = script
        .status
        .filter(|&status| status >= 300)
        .unwrap_or(otherwise);
    Refusal {
        status,
        message: script
            .message
            .clone()
            .unwrap_or_else(|| format!("Simulated failure with status {status}.")),
        kind: script.kind.clone(),
        param: None,
        code: script.code.clone(),
    }
}

fn whole(json: String, script: &Script) -> Reply {
    let mut json = json;
    if script.bad_json {
        json.truncate(json.len() / 2);
    }
    stage::whole(json, script)
}

/// Ends the events the way the vendor fails in a stream; says if `[DONE]` still follows.
fn fail(flavor: Flavor, facts: &Facts, script: &Script, events: &mut Vec<Event>) -> bool {
    let Some(after) = script.error_after else {
        return true;
    };
    let mut content = 0;
    let end = events.iter().position(|event| {
        let beyond = event.content && content == after;
        content += usize::from(event.content);
        beyond
    });
    // Without so many chunks: before whatever ends the stream.
    let end = end.or_else(|| {
        events
            .iter()
            .rposition(|event| event.content)
            .map(|at| at + 1)
    });
    events.truncate(end.unwrap_or(0));
    let data = match flavor {
        // Ollama's own error line becomes an empty answer here: nothing tells of the fault.
        Flavor::Ollama => chat::empty_chunk(flavor, facts),
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::Together
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue => refusal(script, 500).event(flavor).to_string(),
    };
    events.push(Event {
        data,
        content: false,
    });
    flavor == Flavor::Vllm
}

/// A string as a JSON string.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
