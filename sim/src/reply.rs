//! The answer to one call: status, header fields and the steps its body plays.
//!
//! A pure function of vendor, call, facts and script, so the same request always gets
//! the same bytes. What is said is in [`answer`], the vendors' shapes are in [`chat`],
//! [`completions`] and [`embeddings`], the order of bytes, silences and faults in [`stage`].

mod answer;
mod chat;
mod completions;
mod embeddings;
mod messages;
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
    /// The event's own name, where the vendor's events have one.
    pub(crate) name: Option<&'static str>,
    /// True for what the script counts and paces as a content chunk.
    pub(crate) content: bool,
    /// True for the event that ends a stream, as `[DONE]` does elsewhere.
    pub(crate) last: bool,
}

impl Event {
    fn new(data: String, content: bool) -> Event {
        Event {
            data,
            name: None,
            content,
            last: false,
        }
    }
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
    let streams = call.streams() && facts.stream != script.wrong;
    let mut reply = if script.empty == Some(Empty::Body) {
        whole(String::new(), script)
    } else if streams {
        let answer = answer::answer(flavor, call, facts, script, body);
        let mut events = match call {
            Call::Chat => chat::events(flavor, facts, script, &answer),
            Call::Messages => messages::events(facts, script, &answer),
            Call::Completions | Call::Embeddings | Call::CountTokens => {
                completions::events(flavor, facts, script, &answer)
            }
        };
        let done =
            fail(flavor, facts, script, &mut events) && !script.no_done && call != Call::Messages;
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
            Call::Messages => {
                let answer = answer::answer(flavor, call, facts, script, body);
                messages::whole(facts, script, &answer)
            }
            Call::CountTokens => messages::counted(facts),
        };
        whole(json, script)
    };
    if let Some(status) = script.status.filter(|_| failure.is_none()) {
        reply.status = status;
    }
    let own = if flavor == Flavor::OpenAi {
        OPENAI
    } else {
        own_headers(flavor)
    };
    reply.headers.extend(owned(own));
    reply.headers.extend(script.headers.iter().cloned());
    reply
}

/// Header fields of the vendor's complete answers.
const OPENAI: &[(&str, &str)] = &[
    ("x-request-id", "req_sim"),
    ("openai-version", "2020-10-01"),
    ("openai-processing-ms", "1"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
];
const ANTHROPIC: &[(&str, &str)] = &[
    ("request-id", "req_sim"),
    ("anthropic-organization-id", "org-sim"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-requests-reset", "2025-10-09T08:53:21Z"),
];

/// Header fields of all the vendor's answers, refusals too.
fn own_headers(flavor: Flavor) -> &'static [(&'static str, &'static str)] {
    if flavor == Flavor::Anthropic {
        ANTHROPIC
    } else {
        &[]
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    headers.iter().map(owned).collect()
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
        headers: owned(own_headers(flavor)),
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
        | Flavor::Queue
        | Flavor::Anthropic => refusal(script, 500).event(flavor).to_string(),
    };
    events.push(Event {
        name: (flavor == Flavor::Anthropic).then_some("error"),
        ..Event::new(data, false)
    });
    flavor == Flavor::Vllm
}

/// Makes the middle content event half of one, if the script says so.
fn garble(events: &mut [Event], script: &Script) {
    if !script.bad_json {
        return;
    }
    let middle = events.iter().filter(|event| event.content).count() / 2;
    if let Some(event) = events.iter_mut().filter(|event| event.content).nth(middle) {
        let mut half = event.data.len() / 2;
        while !event.data.is_char_boundary(half) {
            half += 1;
        }
        event.data.truncate(half);
    }
}

/// A string as a JSON string.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
