//! Between resolve and recall: requests of Ollama's that ask for nothing. They load a model
//! into a server's memory, or take it out; the gateway has none, and whatever serves the
//! model sees to that itself. They are answered at once and cost nothing.

use super::reply;
use super::send::{Errand, Times, Whole};
use crate::fault::Fault;

/// The answer, if the request is one of them.
///
/// # Errors
/// Never: ids are checked before.
pub(super) fn answer(errand: &Errand<'_>) -> Result<Option<Box<Whole>>, Fault> {
    let wordless = errand.accepted.inbound.wordless.as_ref();
    let loading = wordless.and_then(|rest| rest.loading);
    let Some(body) = loading.and_then(|loading| errand.recipient().loaded(loading)) else {
        return Ok(None);
    };
    let header = reply::header(errand.dialect(), 200, errand.id)
        .map_err(|err| Fault::internal(format!("the response header: {err}")))?;
    Ok(Some(Box::new(Whole {
        header,
        body,
        usage: None,
        answer_bytes: 0,
        empty: false,
        streams: false,
        times: Times::default(),
        normaliser: None,
    })))
}
