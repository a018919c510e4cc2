//! An answer that is read to its end before anything goes to the caller.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::{Reply, collect, replay};

use super::super::account::Account;
use super::super::send::{Sent, while_wanted};
use super::super::translate::ReplyForm;
use super::super::{Begun, reply};
use super::{note, reply_fault, response_header, stream_fault, stream_header};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::Target;

/// Longest answer; large batches of embeddings reach some ten megabytes.
const MAX: usize = 256 * 1024 * 1024;

/// Passes a whole answer on; as a stream when the caller wants one and the upstream
/// gave none, and the other way round.
///
/// # Errors
/// When the answer is none or is cut, and when the caller is gone.
pub(in super::super) async fn relay(
    gateway: &Gateway,
    caller: &mut ServerSession,
    begun: Begun,
    account: &mut Account,
) -> Result<(), Fault> {
    let Begun { target, form, sent } = begun;
    let outcome = pass_on(gateway, caller, sent, &target, form, account).await;
    note(&target.upstream, &outcome);
    outcome
}

async fn pass_on(
    gateway: &Gateway,
    caller: &mut ServerSession,
    mut sent: Sent,
    target: &Target,
    form: ReplyForm,
    account: &mut Account,
) -> Result<(), Fault> {
    let header = response_header(&sent, account.id())?;
    let status = header.status.as_u16();
    let body = read(gateway, caller, &mut sent, target, account).await?;
    let body = if sent.is_event_stream() {
        collect(&body).map_err(|fault| stream_fault(&fault, target))?
    } else {
        body
    };
    sent.release(&gateway.pool).await;
    let reply = Reply::read(&body, &target.name).map_err(|f| reply_fault(&f, target))?;
    account.saw(reply.usage, reply.answer_bytes);
    let sending = if form.stream {
        account.first_token();
        let events = replay(&reply.body.to_bytes(), form.usage)
            .ok_or_else(|| Fault::internal("a reply that was read is no object"))?;
        Box::pin(send_events(caller, header, events)).await
    } else {
        reply::send_json(caller, header, reply.body.to_bytes()).await
    };
    sending.map_err(|_| Fault::hung_up())?;
    account.succeeded(status);
    Ok(())
}

/// Reads the whole body within the call's time.
///
/// # Errors
/// When the body is cut, too slow or too long, and when the caller hangs up.
async fn read(
    gateway: &Gateway,
    caller: &mut ServerSession,
    sent: &mut Sent,
    target: &Target,
    account: &Account,
) -> Result<Bytes, Fault> {
    let whole = async {
        let mut body = BytesMut::new();
        loop {
            match sent.read().await {
                Ok(Some(piece)) if body.len() + piece.as_ref().len() > MAX => {
                    return Err(Fault::upstream(
                        502,
                        "upstream_bad_response",
                        "The upstream's answer is too long for this gateway.",
                    ));
                }
                Ok(Some(piece)) => body.extend_from_slice(piece.as_ref()),
                Ok(None) => break,
                Err(error) => return Err(cut(&error, target)),
            }
        }
        Ok(body.freeze())
    };
    let time = gateway
        .timeouts
        .silence
        .saturating_sub(account.started().elapsed());
    while_wanted(caller, time, pin!(whole)).await?
}

fn cut(error: &pingora::Error, target: &Target) -> Fault {
    let mut fault = if *error.etype() == pingora::ErrorType::ReadTimedout {
        Fault::timeout("The upstream was silent for longer than this gateway allows (TIMEOUT).")
    } else {
        let mut fault = Fault::upstream(
            502,
            "upstream_connection_lost",
            "The upstream closed the connection before its answer was complete.",
        );
        fault.outcome = store::Outcome::Truncated;
        fault
    };
    fault.private = Some(target.scrub_for_log(&error.to_string()));
    fault
}

/// Sends ready-made events as a stream.
///
/// # Errors
/// When the caller is gone.
async fn send_events(
    caller: &mut ServerSession,
    mut header: Box<ResponseHeader>,
    events: Bytes,
) -> pingora::Result<()> {
    stream_header(caller, &mut header)?;
    caller.write_response_header(header).await?;
    caller.write_response_body(events, true).await
}
