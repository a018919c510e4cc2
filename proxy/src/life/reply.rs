//! What a caller receives that is not an upstream's answer: refusals, faults, and
//! the headers of everything.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use wire::code::Code;
use wire::inbound::CallerDialect;

use super::admit::Told;
use crate::fault::Fault;

/// A response header with what every response to a caller of `dialect` carries.
///
/// # Errors
/// When `id` is no header value; ids are checked before.
pub(crate) fn header(
    dialect: CallerDialect,
    status: u16,
    id: &str,
) -> pingora::Result<Box<ResponseHeader>> {
    let mut header = Box::new(ResponseHeader::build_no_case(status, Some(10))?);
    header.insert_header("x-request-id", id)?;
    if let Some(name) = dialect.id_header() {
        header.insert_header(name, id)?;
    }
    header.insert_header(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    )?;
    header.insert_header(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("*"),
    )?;
    Ok(header)
}

/// Whether the caller has the header of its reply; a `100 Continue` is none.
pub(crate) fn has_begun(caller: &ServerSession) -> bool {
    let written = caller.response_written();
    written.is_some_and(|header| !header.status.is_informational())
}

/// Whether what the caller has begun to get is no stream of events or lines: a fault cannot be told
/// in it, only shown by cutting it off.
pub(crate) fn has_begun_otherwise(caller: &ServerSession) -> bool {
    let is_events = |header: &ResponseHeader| {
        let kind = header.headers.get(header::CONTENT_TYPE);
        let is_stream = |kind: &HeaderValue| {
            let kind = kind.as_bytes();
            kind.starts_with(b"text/event-stream") || kind.starts_with(b"application/x-ndjson")
        };
        kind.is_some_and(is_stream)
    };
    has_begun(caller) && !caller.response_written().is_some_and(is_events)
}

/// Says how many candidates were asked for the answer.
///
/// # Errors
/// Never: a number is a header value.
pub(crate) fn tell_attempts(header: &mut ResponseHeader, attempts: usize) -> pingora::Result<()> {
    header.insert_header("x-gateway-attempts", attempts)
}

/// Sends `body` whole, as JSON.
///
/// # Errors
/// When the caller is gone.
pub(crate) async fn send_json(
    caller: &mut ServerSession,
    mut header: Box<ResponseHeader>,
    body: Bytes,
) -> pingora::Result<()> {
    header.insert_header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    caller.write_response_header(header).await?;
    caller.write_response_body(body, true).await
}

/// Answers with `fault` instead of an answer, after so many `attempts`; with what the caller
/// is told of its `limits`.
///
/// # Errors
/// When the caller is gone.
pub(crate) async fn refuse(
    caller: &mut ServerSession,
    dialect: CallerDialect,
    fault: &Fault,
    id: &str,
    attempts: usize,
    limits: &Told,
) -> pingora::Result<()> {
    let (status, body) = dialect.error(fault.status, &fault.body, id);
    let mut header = header(dialect, status, id)?;
    limits.write(&mut header)?;
    if attempts > 0 {
        tell_attempts(&mut header, attempts)?;
    }
    let spent = fault.body.code.as_deref() == Some(Code::BudgetExceeded.as_str());
    if attempts > 1 || spent {
        // The official clients would repeat what has been repeated, or what helps nothing.
        header.insert_header("x-should-retry", "false")?;
    }
    if fault.status == 401 {
        header.insert_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))?;
    }
    if let Some(after) = &fault.retry_after {
        header.insert_header(header::RETRY_AFTER, after.as_str())?;
    }
    send_json(caller, header, body).await
}

/// Most bytes of an unread request body that are read to be thrown away.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;
/// Longest time spent on that.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads what is left of the request after a refusal. A connection closed on
/// unread bytes resets, and the caller would see a broken pipe in place of the
/// refusal. A caller that was waiting to be told to go on sends nothing more.
pub(crate) async fn drain(caller: &mut ServerSession) {
    let waits = caller.get_header(header::EXPECT).is_some() && caller.body_bytes_read() == 0;
    if waits || caller.is_body_done() {
        return;
    }
    let rest = async {
        let mut left = DRAIN_BYTES;
        while let Ok(Some(more)) = caller.read_request_body().await {
            left = left.saturating_sub(more.len());
            if left == 0 {
                break;
            }
        }
    };
    // What was not read in time stays unread; the connection closes then.
    drop(pingora::time::timeout(DRAIN_TIME, rest).await);
}

/// Ends a stream that cannot be completed: an error event, and not what ends a complete
/// one.
///
/// # Errors
/// When the caller is gone.
pub(crate) async fn break_off(caller: &mut ServerSession, event: Bytes) -> pingora::Result<()> {
    caller.write_response_body(event, true).await
}
