//! Step five: the answer, on its way to the caller.

mod stream;
mod whole;

pub(super) use stream::relay as stream;
pub(super) use whole::relay as whole;

use http::Version;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::{ReplyFault, StreamFault};

use super::reply;
use super::send::Sent;
use crate::fault::Fault;
use crate::live::Target;
use crate::upstream::Upstream;

/// Response headers of the upstream that a caller may see besides
/// `x-ratelimit-*`.
const PASSED: [&str; 2] = ["openai-processing-ms", "retry-after-ms"];

/// Counts the outcome for the endpoint's state.
fn note(upstream: &Upstream, outcome: &Result<(), Fault>) {
    match outcome {
        Ok(()) => upstream.state.succeeded(),
        Err(fault) if fault.hung_up => {}
        Err(fault) => upstream
            .state
            .failed(fault.body.code.as_deref().unwrap_or("error")),
    }
}

/// Ours, with what the caller may see of the upstream's.
fn response_header(sent: &Sent, id: &str) -> Result<Box<ResponseHeader>, Fault> {
    let build = || {
        let mut header = reply::header(sent.status(), id)?;
        for (name, value) in sent.header().iter().flat_map(|h| h.headers.iter()) {
            if PASSED.contains(&name.as_str()) || name.as_str().starts_with("x-ratelimit-") {
                header.insert_header(name.clone(), value.clone())?;
            }
        }
        Ok(header)
    };
    build()
        .map_err(|err: Box<pingora::Error>| Fault::internal(format!("the response header: {err}")))
}

fn stream_fault(fault: &StreamFault, target: &Target) -> Fault {
    let private = target.scrub_for_log(&format!("{fault:?}"));
    let mut out = Fault::upstream(502, "", "").with_private(private);
    if *fault == StreamFault::Truncated {
        out.outcome = store::Outcome::Truncated;
    }
    out.body = fault.public(&|words| target.scrub_for_caller(words));
    out
}

fn reply_fault(fault: &ReplyFault, target: &Target) -> Fault {
    match fault {
        ReplyFault::NotJson(why) => Fault::upstream(
            502,
            "upstream_bad_response",
            "The upstream's answer is not a JSON object.",
        )
        .with_private(why.as_str()),
        ReplyFault::Error(error) => stream_fault(&StreamFault::Upstream(error.clone()), target),
    }
}

/// The header of a stream. Over HTTP/1.1 it says how its end is found: without
/// that the caller's connection would have to close with the stream.
fn stream_header(caller: &ServerSession, header: &mut ResponseHeader) -> pingora::Result<()> {
    if !caller.is_http2() && caller.req_header().version == Version::HTTP_11 {
        header.insert_header("transfer-encoding", "chunked")?;
    }
    header.insert_header("content-type", "text/event-stream; charset=utf-8")?;
    header.insert_header("cache-control", "no-cache")?;
    // Keeps reverse proxies from collecting the stream.
    header.insert_header("x-accel-buffering", "no")?;
    Ok(())
}
