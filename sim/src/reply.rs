//! The answer to one call: status, header fields and the steps its body plays.
//!
//! A pure function of vendor, call, facts and script, so the same request always gets
//! the same bytes. What is said is in [`answer`], the vendors' shapes are in [`chat`],
//! [`completions`], [`embeddings`], [`messages`], [`responses`] and [`ollama`], the order of
//! bytes, silences and faults in [`stage`], a stream's own failures in [`faults`].

mod agent;
mod answer;
mod chat;
mod completions;
mod embeddings;
mod faults;
mod headers;
mod messages;
mod ollama;
mod responses;
mod stage;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

pub(crate) use answer::Answer;

use crate::playback::Step;
use crate::script::{Close, Empty, Script};
use crate::validate::{Call, Facts, Native};
use crate::vendor::refusal::Refusal;
use crate::vendor::{Flavor, Voice};
use stage::Framing;

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

impl Reply {
    /// A status without a body.
    pub(crate) fn empty(status: u16) -> Reply {
        Reply {
            status,
            content_type: "text/plain",
            headers: Vec::new(),
            length: Some(0),
            steps: Arc::from(Vec::new()),
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
    let voice = Voice {
        flavor,
        plain: matches!(call, Call::Native(_)),
    };
    let failure = script.status.filter(|&status| status >= 300);
    if failure.is_some() && script.error_after.is_none() {
        return scripted_error(voice, script);
    }
    let streams = call.streams() && facts.stream != script.wrong;
    let mut reply = if script.empty == Some(Empty::Body) {
        whole(String::new(), script)
    } else if streams {
        let (mut events, framing) = events(flavor, call, facts, script, body);
        let told = faults::fail(voice, call, facts, script, &mut events);
        let done = framing == Framing::Sse && told && !script.no_done;
        stage::stream(&events, framing, done, script)
    } else if script.error_after.is_some() {
        whole(refusal(script, 500).event(voice).to_string(), script)
    } else {
        whole(json(flavor, call, facts, script, body), script)
    };
    if let Some(status) = script.status.filter(|_| failure.is_none()) {
        reply.status = status;
    }
    reply.headers.extend(headers::complete(flavor));
    reply.headers.extend(script.headers.iter().cloned());
    reply
}

/// The events of a streamed answer, and how they are framed.
fn events(
    flavor: Flavor,
    call: Call,
    facts: &Facts,
    script: &Script,
    body: &[u8],
) -> (Vec<Event>, Framing) {
    let answer = answer::answer(flavor, call, facts, script, body);
    match call {
        Call::Chat => (chat::events(flavor, facts, script, &answer), Framing::Sse),
        Call::Messages => (messages::events(facts, script, &answer), Framing::Named),
        Call::Responses => (responses::events(facts, script, &answer), Framing::Named),
        Call::Native(native) => {
            let events = ollama::events(native, facts, script, &answer);
            (events, Framing::Lines)
        }
        Call::Completions | Call::Embeddings | Call::CountTokens => {
            let events = completions::events(flavor, facts, script, &answer);
            (events, Framing::Sse)
        }
    }
}

/// The whole answer.
pub(crate) fn json(
    flavor: Flavor,
    call: Call,
    facts: &Facts,
    script: &Script,
    body: &[u8],
) -> String {
    let answer = || answer::answer(flavor, call, facts, script, body);
    match call {
        Call::Chat => chat::whole(flavor, facts, script, &answer()),
        Call::Completions => completions::whole(flavor, facts, script, &answer()),
        Call::Messages => messages::whole(facts, script, &answer()),
        Call::Responses => responses::whole(facts, script, &answer()),
        Call::Embeddings => embeddings::whole(flavor, facts, script),
        Call::CountTokens => messages::counted(facts),
        Call::Native(native @ (Native::Chat | Native::Generate)) => {
            ollama::whole(native, facts, script, &answer())
        }
        Call::Native(native @ (Native::Embed | Native::Embeddings)) => {
            ollama::embedded(native, facts, script)
        }
    }
}

/// The data of each event of a streamed answer, `[DONE]` included.
pub(crate) fn stream_data(
    flavor: Flavor,
    call: Call,
    facts: &Facts,
    script: &Script,
    body: &[u8],
) -> Vec<String> {
    let (mut events, _) = events(flavor, call, facts, script, body);
    let told = faults::fail(flavor.voice("/v1"), call, facts, script, &mut events);
    let mut data: Vec<String> = events.into_iter().map(|event| event.data).collect();
    if told && !script.no_done {
        data.push("[DONE]".to_owned());
    }
    data
}

/// What is said, for a format that has nothing but text.
pub(crate) fn spoken(
    flavor: Flavor,
    call: Call,
    facts: &Facts,
    script: &Script,
    body: &[u8],
) -> Answer {
    answer::answer(flavor, call, facts, script, body)
}

/// What a platform tells about a job. Gates and hangs are the job's, not this reply's.
pub(crate) fn envelope(json: &Value, script: &Script) -> Reply {
    let script = Script {
        gate: None,
        hang: None,
        ..script.clone()
    };
    let mut reply = whole(json.to_string(), &script);
    reply.headers.extend(script.headers.iter().cloned());
    reply
}

/// A stream of JSON lines that have nothing to do with an answer.
pub(crate) fn lines(lines: &[Value]) -> Reply {
    let events: Vec<Event> = lines
        .iter()
        .map(|line| Event::new(line.to_string(), false))
        .collect();
    stage::stream(&events, Framing::Lines, false, &Script::default())
}

/// A whole JSON document, as model lists are.
pub(crate) fn document(json: &Value) -> Reply {
    whole(json.to_string(), &Script::default())
}

/// Events that are no chat's, each a piece for the script to count.
pub(crate) fn media_events(events: &[Value], script: &Script) -> Reply {
    let events: Vec<Event> = events
        .iter()
        .map(|event| Event::new(event.to_string(), true))
        .collect();
    stage::stream(&events, Framing::Sse, !script.no_done, script)
}

/// A document that is no chat's, with everything that the script does to one.
pub(crate) fn media_whole(json: &Value, script: &Script) -> Reply {
    whole(json.to_string(), script)
}

/// A refusal in the vendor's shape.
pub(crate) fn refused(voice: Voice, refusal: &Refusal) -> Reply {
    let (content_type, body) = refusal.render(voice);
    Reply {
        status: refusal.status,
        content_type,
        headers: headers::always(voice.flavor),
        length: Some(body.len() as u64),
        steps: Arc::from(vec![Step::Send(body)]),
    }
}

/// The error a script asks for by `status` (or `early`).
pub(crate) fn scripted_error(voice: Voice, script: &Script) -> Reply {
    let refusal = refusal(script, script.early.unwrap_or(500));
    let mut reply = refused(voice, &refusal);
    if script.double_error {
        let inner = refusal.event(Flavor::OpenAi.voice("")).to_string();
        let body = Bytes::from(serde_json::json!({ "error": inner }).to_string());
        reply.content_type = "application/json";
        reply.length = Some(body.len() as u64);
        reply.steps = Arc::from(vec![Step::Send(body)]);
    }
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

/// A string as a JSON string.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
