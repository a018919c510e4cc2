//! Step seven: the answer, on its way to the caller.

mod lane;
mod passed;
mod stream;
mod timed;
mod whole;

pub(super) use lane::Lane;
pub(super) use passed::{pass_on as passed, plainly, response_header as passed_header};
pub(super) use stream::{Ended, relay as stream};
pub(super) use timed::Timed;
pub(super) use whole::{complete, relay as whole};

use http::Version;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::code::Code;
use wire::dialect::openai::{ReplyFault, Situation, StreamFault};
use wire::inbound::CallerDialect;

use super::reply;
use super::send::{Errand, Sent, refusal};
use crate::fault::Fault;
use crate::live::Target;

/// Response headers of the upstream that a caller may see besides
/// `x-ratelimit-*`.
const PASSED: [&str; 2] = ["openai-processing-ms", "retry-after-ms"];

/// Ours, with what the caller may see of the upstream's.
pub(super) fn response_header(
    sent: &Sent,
    errand: &Errand<'_>,
) -> Result<Box<ResponseHeader>, Fault> {
    header_for(sent, errand.dialect(), errand.id)
}

/// The same for a caller of `dialect` whose request is `id`.
fn header_for(sent: &Sent, dialect: CallerDialect, id: &str) -> Result<Box<ResponseHeader>, Fault> {
    let build = || {
        let mut header = reply::header(dialect, sent.status(), id)?;
        for (name, value) in sent.header().iter().flat_map(|h| h.headers.iter()) {
            let limits = ["x-ratelimit-", "anthropic-ratelimit-"];
            let shown = PASSED.contains(&name.as_str())
                || limits.iter().any(|limit| name.as_str().starts_with(limit));
            if shown {
                header.insert_header(name.clone(), value.clone())?;
            }
        }
        Ok(header)
    };
    build()
        .map_err(|err: Box<pingora::Error>| Fault::internal(format!("the response header: {err}")))
}

/// What a fault inside an answer means for the caller.
pub(super) fn stream_fault(fault: &StreamFault, target: &Target) -> Fault {
    let private = target.scrub_for_log(&format!("{fault:?}"));
    // Whoever is asked the same gets no answer.
    if let StreamFault::Upstream(error) = fault
        && error.is_context_overflow()
    {
        return refusal(400, error, target).with_private(private);
    }
    let mut out = Fault::upstream(502, Code::UpstreamStreamError, "").with_private(private);
    if *fault == StreamFault::Truncated {
        out.outcome = store::Outcome::Truncated;
    }
    if let StreamFault::Upstream(error) = fault {
        out.told = true;
        let situation = error.situation(None);
        out.status = situation.map_or(502, status_of);
        // Not mended by waiting a little.
        out.lasting = situation == Some(Situation::NoCredit);
    }
    out.body = fault.public(&|words| target.scrub_for_caller(words));
    out
}

/// The status for a caller of what an upstream tells inside a success. What would be the
/// request's own fault stays the upstream's: another candidate may take it.
fn status_of(situation: Situation) -> u16 {
    match situation {
        Situation::RateLimited | Situation::NoCredit => 429,
        Situation::Overloaded => 503,
        Situation::Timeout => 504,
        Situation::TooLong
        | Situation::NoModel
        | Situation::Forbidden
        | Situation::BadRequest
        | Situation::Failed => 502,
    }
}

pub(super) fn reply_fault(fault: &ReplyFault, target: &Target) -> Fault {
    match fault {
        ReplyFault::NotJson(why) => Fault::upstream(
            502,
            Code::UpstreamBadResponse,
            "The upstream's answer is not a JSON object.",
        )
        .with_private(why.as_str()),
        ReplyFault::Error(error) => stream_fault(&StreamFault::Upstream(error.clone()), target),
    }
}

/// The upstream said nothing for too long in the middle of its answer.
pub(super) fn silent(target: &Target, error: &pingora::Error) -> Fault {
    Fault::timeout(
        "The upstream was silent for longer than this gateway allows (TIMEOUT, or the endpoint's own time); the answer is not complete.",
    )
    .with_private(target.scrub_for_log(&error.to_string()))
}

/// A whole answer that did not come to its end.
pub(super) fn cut(error: &pingora::Error, target: &Target) -> Fault {
    if *error.etype() == pingora::ErrorType::ReadTimedout {
        return silent(target, error);
    }
    let mut fault = Fault::upstream(
        502,
        Code::UpstreamConnectionLost,
        "The upstream closed the connection before its answer was complete.",
    );
    fault.outcome = store::Outcome::Truncated;
    fault.with_private(target.scrub_for_log(&error.to_string()))
}

/// The header of a stream. Over HTTP/1.1 it says how its end is found: without
/// that the caller's connection would have to close with the stream.
pub(super) fn stream_header(
    caller: &ServerSession,
    dialect: CallerDialect,
    header: &mut ResponseHeader,
) -> pingora::Result<()> {
    if !caller.is_http2() && caller.req_header().version == Version::HTTP_11 {
        header.insert_header("transfer-encoding", "chunked")?;
    }
    header.insert_header("content-type", dialect.stream_type())?;
    header.insert_header("cache-control", "no-cache")?;
    // Keeps reverse proxies from collecting the stream.
    header.insert_header("x-accel-buffering", "no")?;
    Ok(())
}
