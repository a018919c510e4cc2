//! A whole reply, as the events that its stream would be.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Block, Each, Meaning, StopDetails, Text, upstream_error};
use super::counts::Counts;
use crate::hub::{Event, StreamFault};
use crate::object::{self, Object};

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    content: Option<Vec<Object<Block<'a>>>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    stop_details: Option<StopDetails<'a>>,
    #[serde(default, deserialize_with = "object::member")]
    usage: Option<Counts>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Hands the events of the whole reply `body` to `each`, the terminal one last.
pub fn read_reply(body: &[u8], each: &mut dyn FnMut(Event<'_>)) {
    let mut meaning = Meaning::default();
    match read(body) {
        Ok(reply) => tell(reply, &mut meaning, each),
        Err(fault) => meaning.fault(fault, each),
    }
}

fn read(body: &[u8]) -> Result<Reply<'_>, StreamFault> {
    let bad = |why: &str| StreamFault::BadEvent(format!("the upstream's reply is {why}"));
    let body = body.trim_ascii();
    if !body.starts_with(b"{") {
        return Err(bad("not a JSON object"));
    }
    let reply: Reply<'_> =
        object::read(body).map_err(|err| bad(&format!("not a message in JSON: {err}")))?;
    if reply.kind.0 == "error" || reply.error.is_some() {
        return Err(upstream_error(body));
    }
    if reply.content.is_none() {
        return Err(bad("not a message: it has no content"));
    }
    Ok(reply)
}

fn tell(reply: Reply<'_>, meaning: &mut Meaning, each: &mut Each<'_>) {
    meaning.start(reply.id, reply.model, each);
    for Object(block) in reply.content.into_iter().flatten() {
        meaning.open(block, each);
        meaning.close(each);
    }
    meaning.stop(&reply.stop_reason.0, reply.stop_details, each);
    if let Some(counts) = &reply.usage {
        meaning.count(counts, each);
    }
    meaning.end(each);
}
