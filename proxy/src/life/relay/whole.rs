//! An answer that is read to its end before anything goes to the caller.

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::{Reply, coded, collect, normalised_reply};
use wire::inbound::{CallerDialect, Recipient};
use wire::normaliser::Normaliser;
use wire::provider::Call;

use super::super::account::Account;
use super::super::reply;
use super::super::send::{Errand, Times, Whole, local};
use super::super::translate::{Order, native_calls};
use super::{reply_fault, stream_fault, stream_header};
use crate::fault::Fault;
use crate::live::Target;

/// Puts whole replies into the caller's form, one body; each comes with whether it is
/// a stream.
///
/// # Errors
/// When a reply is none, or carries an error.
pub(in super::super) fn complete(
    errand: &Errand<'_>,
    target: &Target,
    order: &Order,
    header: Box<ResponseHeader>,
    replies: Vec<(Bytes, bool)>,
) -> Result<Box<Whole>, Fault> {
    let mut whole = put_together(errand, target, order, header, replies)?;
    if errand.call() == Call::Embeddings {
        let vectors = errand.recipient().vectors(&whole.body);
        if let Some(body) = vectors.map_err(|fault| reply_fault(&fault, target))? {
            whole.body = body;
        }
    }
    Ok(whole)
}

fn put_together(
    errand: &Errand<'_>,
    target: &Target,
    order: &Order,
    mut header: Box<ResponseHeader>,
    replies: Vec<(Bytes, bool)>,
) -> Result<Box<Whole>, Fault> {
    order.tell_changed(&mut header)?;
    if let Some(done) = order.completed(errand, &replies)? {
        tell_repaired(&mut header, done.normaliser.as_ref(), done.repaired)?;
        if let Some(thread) = order.thread() {
            for (call, thinking) in done.thinking {
                errand.gateway.thoughts.keep(thread, call, thinking);
            }
        }
        if !done.proofs.is_empty() {
            errand.gateway.thoughts.signed(target.maker(), done.proofs);
        }
        if let Some((context, counted)) = order.outbound().cut(&done.prompts) {
            local::warn_after(Some(&mut header), target, errand.id, context, counted);
        }
        if let Some(keeping) = errand.keeping() {
            keeping.keep(errand.gateway, done.body.clone());
        }
        return Ok(Box::new(Whole {
            header,
            usage: done.usage,
            answer_bytes: done.answer_bytes,
            empty: done.answer_bytes == 0 && !done.says_why,
            body: done.body,
            streams: errand.form.stream,
            times: Times::default(),
            normaliser: done.normaliser,
        }));
    }
    let (body, is_stream) = replies.into_iter().next().unwrap_or_default();
    let body = if is_stream {
        collect(&body).map_err(|fault| stream_fault(&fault, target))?
    } else {
        body
    };
    let wants_base64 =
        errand.call() == Call::Embeddings && errand.accepted.inbound.request.wants_base64();
    let body = if wants_base64 { coded(&body) } else { body };
    let manner = errand.manner();
    let mut native = manner.as_ref().and_then(|m| native_calls(errand, m));
    let reply = Reply::mended(&body, &errand.target.name, native.as_mut());
    let reply = reply.map_err(|fault| reply_fault(&fault, target))?;
    let mut body = reply.body.to_bytes();
    let mut normaliser = None;
    if let Some(manner) = manner.filter(|manner| manner.may_change(&body)) {
        let shown = manner.shown;
        let found = normaliser.insert(Normaliser::whole(&manner));
        let normalised = normalised_reply(&body, found, shown, &errand.writer().id);
        body = normalised.unwrap_or(body);
    }
    let mended = native.map_or(0, |native| native.repaired());
    tell_repaired(&mut header, normaliser.as_ref(), mended)?;
    Ok(Box::new(Whole {
        header,
        usage: reply.usage,
        answer_bytes: reply.answer_bytes,
        empty: if errand.call() == Call::Embeddings {
            reply.vectors == 0
        } else {
            reply.answer_bytes == 0 && !reply.says_why
        },
        body,
        streams: errand.form.stream,
        times: Times::default(),
        normaliser,
    }))
}

/// Says how many calls of the answer were text, or were mended.
fn tell_repaired(
    header: &mut ResponseHeader,
    normaliser: Option<&Normaliser>,
    mended: u32,
) -> Result<(), Fault> {
    let repaired = normaliser.map_or(0, Normaliser::found) + mended as usize;
    if repaired == 0 {
        return Ok(());
    }
    header
        .insert_header("x-tool-calls-repaired", repaired)
        .map_err(|err| Fault::internal(format!("the response header: {err}")))
}

/// Sends a whole answer, as a stream where there is somebody it is streamed to.
///
/// # Errors
/// When the caller is gone.
pub(in super::super) async fn relay(
    caller: &mut ServerSession,
    whole: Whole,
    recipient: Option<&Recipient>,
    account: &mut Account,
) -> Result<(), Fault> {
    let mut header = whole.header;
    let status = header.status.as_u16();
    account.saw(whole.usage, whole.answer_bytes);
    account.took(whole.times);
    account.normalised(whole.normaliser.as_ref());
    let internal = |err: Box<pingora::Error>| Fault::internal(err.to_string());
    reply::tell_attempts(&mut header, account.attempts()).map_err(internal)?;
    let replayed = recipient.map(|recipient| {
        account.first_token();
        let events = recipient.dialect.replay(&whole.body, recipient);
        let events = events.ok_or_else(|| Fault::internal("a reply that was read is no object"));
        events.map(|events| (recipient.dialect, events))
    });
    let replayed = replayed.transpose()?;
    account.answered(Some(&whole.body));
    account.succeeded(status);
    account.seal();
    account.told.write(&mut header).map_err(internal)?;
    let sending = if let Some((dialect, events)) = replayed {
        Box::pin(send_events(caller, dialect, header, events)).await
    } else {
        reply::send_json(caller, header, whole.body).await
    };
    sending.map_err(|_| Fault::hung_up())
}

/// Sends ready-made events as a stream, which may have begun with comments.
///
/// # Errors
/// When the caller is gone.
async fn send_events(
    caller: &mut ServerSession,
    dialect: CallerDialect,
    mut header: Box<ResponseHeader>,
    events: Bytes,
) -> pingora::Result<()> {
    if !reply::has_begun(caller) {
        stream_header(caller, dialect, &mut header)?;
        caller.write_response_header(header).await?;
    }
    caller.write_response_body(events, true).await
}
