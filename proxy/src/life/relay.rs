//! Step five: the answer, on its way to the caller.

mod stream;
mod whole;

use http::Version;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::{Reply, ReplyFault, StreamFault, collect, replay};
use wire::redact::scrub;

use super::account::Account;
use super::reply;
use super::send::Sent;
use super::translate::ReplyForm;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::Target;
use crate::upstream::Upstream;

/// Response headers of the upstream that a caller may see besides
/// `x-ratelimit-*`.
const PASSED: [&str; 2] = ["openai-processing-ms", "retry-after-ms"];

/// Passes the answer on in the form that the caller wants, whatever form the
/// upstream chose.
///
/// # Errors
/// When the answer is none, breaks off, or the caller is gone. If nothing has been
/// sent to the caller yet, the fault can still be told with its own status.
pub(super) async fn relay(
    gateway: &Gateway,
    caller: &mut ServerSession,
    sent: Sent,
    target: &Target,
    form: ReplyForm,
    account: &mut Account,
) -> Result<(), Fault> {
    let is_stream = sent.is_event_stream();
    let upstream = &target.upstream;
    let outcome = if form.stream && is_stream {
        stream::relay(gateway, caller, sent, target, !form.usage, account).await
    } else {
        let header = response_header(&sent, account.id())?;
        let status = header.status.as_u16();
        let body = whole::read(gateway, caller, sent, account).await?;
        let body = if is_stream {
            collect(&body).map_err(|fault| stream_fault(&fault, upstream))?
        } else {
            body
        };
        let reply = Reply::read(&body, &target.name).map_err(|f| reply_fault(&f, upstream))?;
        account.saw(reply.usage, reply.answer_bytes);
        let sending = if form.stream {
            account.first_token();
            let events = replay(&reply.body.to_bytes(), form.usage)
                .ok_or_else(|| Fault::internal("a reply that was read is no object"))?;
            whole::send_events(caller, header, events).await
        } else {
            reply::send_json(caller, header, reply.body.to_bytes()).await
        };
        sending.map_err(|_| Fault::hung_up())?;
        account.succeeded(status);
        Ok(())
    };
    match &outcome {
        Ok(()) => upstream.state.succeeded(),
        Err(fault) if fault.hung_up => {}
        Err(fault) => upstream
            .state
            .failed(fault.body.code.as_deref().unwrap_or("error")),
    }
    outcome
}

/// Ours, with what the caller may see of the upstream's.
fn response_header(sent: &Sent, id: &str) -> Result<ResponseHeader, Fault> {
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

fn stream_fault(fault: &StreamFault, upstream: &Upstream) -> Fault {
    let secrets = upstream.secrets();
    let mut out = Fault::upstream(502, "", "").with_private(format!("{fault:?}"));
    if *fault == StreamFault::Truncated {
        out.outcome = store::Outcome::Truncated;
    }
    out.body = fault.public(&|words| scrub(words, &secrets));
    out
}

fn reply_fault(fault: &ReplyFault, upstream: &Upstream) -> Fault {
    match fault {
        ReplyFault::NotJson(why) => Fault::upstream(
            502,
            "upstream_bad_response",
            "The upstream's answer is not a JSON object.",
        )
        .with_private(why.as_str()),
        ReplyFault::Error(error) => stream_fault(&StreamFault::Upstream(error.clone()), upstream),
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
