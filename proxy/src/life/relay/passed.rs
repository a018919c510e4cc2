//! An answer that is not read: its bytes go to the caller as they come, and what they say
//! of usage is noted.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderName, HeaderValue, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::{Error, ErrorType};
use store::route::ReplyForm;
use wire::inbound::CallerDialect;

use super::super::account::Account;
use super::super::reply;
use super::super::send::{Passing, Sent, hung_up, judge};
use super::cut;
use super::stream::{Outlet, WRITE_AT};
use crate::fault::Fault;
use crate::gateway::{Gateway, stopped};

/// What an answer says of its own bytes.
const ABOUT: [HeaderName; 4] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_DISPOSITION,
];

/// The caller's header of an answer whose bytes are not changed.
pub(in super::super) fn response_header(
    sent: &Sent,
    dialect: CallerDialect,
    id: &str,
) -> Result<Box<ResponseHeader>, Fault> {
    let mut header = super::header_for(sent, dialect, id)?;
    for name in ABOUT {
        let value = sent.header().and_then(|theirs| theirs.headers.get(&name));
        if let Some(value) = value.cloned() {
            let inserted = header.insert_header(name, value);
            inserted.map_err(|err| Fault::internal(format!("the response header: {err}")))?;
        }
    }
    Ok(header)
}

/// Passes the answer on to its end.
///
/// # Errors
/// When it breaks off or the caller hangs up; the upstream request is given up with it.
pub(in super::super) async fn pass_on(
    gateway: &Gateway,
    caller: &mut ServerSession,
    mut passing: Box<Passing>,
    account: &mut Account,
) -> Result<(), Fault> {
    account.streams();
    account.first_token();
    account.formed(ReplyForm {
        stream: passing.sent.is_stream(),
        usage: false,
    });
    let told = complete(caller, &mut passing).and_then(|()| match &mut passing.header {
        Some(header) => {
            reply::tell_attempts(header, account.attempts())?;
            account.told.write(header)
        }
        None => Ok(()),
    });
    let outcome = match told {
        Ok(()) => pump(gateway, caller, &mut passing).await,
        Err(err) => Err(Fault::internal(err.to_string())),
    };
    account.saw(passing.watch.usage(), 0);
    if let Some(mut pass) = passing.pass.take() {
        match &outcome {
            Ok(_) => pass.succeeded(),
            Err(fault) => judge(&mut pass, fault, &passing.target.limits),
        }
    }
    let (status, mut last) = outcome?;
    account.succeeded(status);
    // With the last bytes goes the row: whoever has the answer finds it.
    account.seal();
    end(gateway, caller, passing, &mut last).await
}

/// Passes the answer of what is no call of a model on to its end.
///
/// # Errors
/// As [`pass_on`].
pub(in super::super) async fn plainly(
    gateway: &Gateway,
    caller: &mut ServerSession,
    mut passing: Box<Passing>,
) -> Result<(), Fault> {
    complete(caller, &mut passing).map_err(|err| Fault::internal(err.to_string()))?;
    let (_, mut last) = pump(gateway, caller, &mut passing).await?;
    end(gateway, caller, passing, &mut last).await
}

/// Writes the last bytes, and gives the connection back.
async fn end(
    gateway: &Gateway,
    caller: &mut ServerSession,
    mut passing: Box<Passing>,
    last: &mut BytesMut,
) -> Result<(), Fault> {
    let gone = |_| Fault::hung_up();
    Outlet::new(&mut passing.header, last).write(caller).await?;
    if let Some(header) = passing.header.take() {
        caller.write_response_header(header).await.map_err(gone)?;
    }
    let end = caller.write_response_body(Bytes::new(), true);
    let ended = pingora::time::timeout(gateway.timeouts.silence, end).await;
    if !matches!(ended, Ok(Ok(()))) {
        return Err(Fault::hung_up());
    }
    passing.sent.release(&gateway.pool).await;
    reply::drain(caller).await;
    Ok(())
}

/// Passes on all but the last bytes, which are returned with the status.
async fn pump(
    gateway: &Gateway,
    caller: &mut ServerSession,
    passing: &mut Passing,
) -> Result<(u16, BytesMut), Fault> {
    let silence = gateway.timeouts.silence;
    let mut closing = pin!(gateway.closing.told());
    let status = passing.header.as_ref();
    let status = status.map_or(200, |header| header.status.as_u16());
    let announced = passing.header.as_ref().and_then(|header| {
        let length = header.headers.get(CONTENT_LENGTH)?;
        length.to_str().ok()?.parse::<u64>().ok()
    });
    let mut ready = BytesMut::from(passing.first.take().unwrap_or_default());
    let mut come = ready.len() as u64;
    let Passing {
        target,
        header,
        sent,
        watch,
        ..
    } = passing;
    loop {
        let mut out = Outlet::new(header, &mut ready);
        let piece = {
            let mut read = pin!(sent.read());
            match futures_util::poll!(read.as_mut()) {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    if announced != Some(come) && !out.ready.is_empty() {
                        out.write(caller).await?;
                        flush(caller, silence).await?;
                    }
                    tokio::select! {
                        biased;
                        piece = &mut read => piece,
                        () = gone(caller) => return Err(Fault::hung_up()),
                        () = &mut closing => return Err(stopped()),
                    }
                }
            }
        };
        match piece {
            Ok(Some(piece)) => {
                let piece = piece.as_ref();
                come += piece.len() as u64;
                watch.push(piece);
                out.ready.extend_from_slice(piece);
            }
            Ok(None) => return Ok((status, ready)),
            Err(error) => {
                out.write(caller).await?;
                flush(caller, silence).await?;
                return Err(cut(&error, target));
            }
        }
        if ready.len() >= WRITE_AT && announced != Some(come) {
            Outlet::new(header, &mut ready).write(caller).await?;
        }
    }
}

/// Sends off what has been written. Of an answer of announced length Pingora keeps a buffer
/// back until its end, and flushes before only where something fails: so something does.
async fn flush(caller: &mut ServerSession, silence: Duration) -> Result<(), Fault> {
    let ServerSession::H1(h1) = caller else {
        return Ok(());
    };
    const SENT: ErrorType = ErrorType::Custom("flushed");
    let nothing = HttpTask::Body(None, false);
    let flushes = h1.response_duplex_vec(vec![nothing, HttpTask::Failed(Error::new(SENT))]);
    match pingora::time::timeout(silence, flushes).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if *error.etype() == SENT => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Fault::hung_up()),
    }
}

/// What the caller's connection adds to the header.
fn complete(caller: &ServerSession, passing: &mut Passing) -> pingora::Result<()> {
    let is_stream = passing.sent.is_stream();
    let Some(header) = &mut passing.header else {
        return Ok(());
    };
    let is_http1 = !caller.is_http2() && caller.req_header().version == Version::HTTP_11;
    if is_http1 && !header.headers.contains_key(CONTENT_LENGTH) {
        header.insert_header("transfer-encoding", "chunked")?;
    }
    if is_stream {
        header.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
        // Keeps reverse proxies from collecting the stream.
        header.insert_header("x-accel-buffering", HeaderValue::from_static("no"))?;
    }
    Ok(())
}

/// Completes when the caller is gone. One whose body nobody wants may still be sending it.
async fn gone(caller: &mut ServerSession) {
    while !caller.is_body_done() {
        match caller.read_request_body().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => return,
        }
    }
    hung_up(caller).await;
}
