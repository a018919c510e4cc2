//! A stream, event by event, as it comes.
//!
//! What is ready from the upstream is taken together, translated and written in
//! one write; nothing waits for more. Memory per open stream is what one read
//! brings. While the upstream is silent the caller gets a comment from time to time.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use futures_util::future::FutureExt;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::End;

use super::super::account::Account;
use super::super::reply;
use super::super::send::{KEEP_ALIVE, LAST_BYTES, Source, Streaming, hung_up, judge, local};
use super::{Lane, silent, stream_fault, stream_header};
use crate::fault::Fault;
use crate::gateway::Gateway;

/// Bytes gathered before they are written although more is ready.
const WRITE_AT: usize = 64 * 1024;
/// A buffer that a burst has made larger is given back after it.
const KEEP: usize = 4 * 1024;

/// Passes the stream on until its end.
///
/// # Errors
/// When it breaks off or the caller hangs up; the upstream request is given up
/// with it.
pub(in super::super) async fn relay(
    gateway: &Gateway,
    caller: &mut ServerSession,
    streaming: Box<Streaming>,
    account: &mut Account,
) -> Result<(), Fault> {
    // By value: the box would live as long as the stream.
    let mut streaming = unboxed(streaming);
    let pass = streaming.pass.take();
    let target = Arc::clone(&streaming.target);
    let outcome = pass_on(gateway, caller, streaming, account).await;
    if let Some(mut pass) = pass {
        match &outcome {
            Ok(()) => pass.succeeded(),
            Err(fault) => judge(&mut pass, fault, &target.limits),
        }
    }
    outcome
}

fn unboxed(streaming: Box<Streaming>) -> Streaming {
    *streaming
}

async fn pass_on(
    gateway: &Gateway,
    caller: &mut ServerSession,
    streaming: Streaming,
    account: &mut Account,
) -> Result<(), Fault> {
    let Streaming {
        target,
        mut header,
        mut source,
        mut lane,
        ready,
        ended,
        context,
        pass: _,
    } = streaming;
    let internal = |err: Box<pingora::Error>| Fault::internal(err.to_string());
    let status = header.status.as_u16();
    let header = if caller.response_written().is_some() {
        None
    } else {
        stream_header(caller, &mut header).map_err(internal)?;
        reply::tell_attempts(&mut header, account.attempts()).map_err(internal)?;
        Some(header)
    };
    let mut out = Outlet { header, ready };
    if lane.answer_bytes() > 0 {
        account.first_token();
    }
    account.saw(lane.usage(), lane.answer_bytes());
    let outcome = match ended {
        Some(ended) => Ok(ended),
        None => pump(gateway, caller, &mut source, &mut lane, &mut out, account).await,
    };
    account.saw(lane.usage(), lane.answer_bytes());
    account.took(source.times());
    let cleanly = match outcome? {
        Ended::Cleanly => true,
        Ended::Early => false,
        Ended::Cut(error) if *error.etype() == pingora::ErrorType::ReadTimedout => {
            out.write(caller).await?;
            return Err(silent(&target, &error));
        }
        Ended::Cut(error) => {
            tracing::debug!(request_id = account.id(), error = %error, "the upstream's stream ended");
            false
        }
    };
    if let Some(fault) = source.take_fault() {
        out.write(caller).await?;
        return Err(fault);
    }
    let end = lane.finish(cleanly, &mut out.ready);
    account.saw(lane.usage(), lane.answer_bytes());
    match end {
        End::Complete => {
            out.write(caller).await?;
            let last = caller.write_response_body(bytes::Bytes::new(), true);
            match pingora::time::timeout(gateway.timeouts.silence, last).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Fault::hung_up()),
            }
            account.succeeded(status);
            for (call, thinking) in lane.take_thinking() {
                let model = &target.model.actual_model;
                gateway.thoughts.keep(model, call, thinking);
            }
            if let Some(context) = context {
                local::warn_after(None, &target, account.id(), context, lane.usage());
            }
            Box::pin(give_back(gateway, source)).await;
            Ok(())
        }
        End::Fault(fault) => {
            out.write(caller).await?;
            Err(stream_fault(&fault, &target))
        }
    }
}

/// Reads what follows the answer's end, which is nothing, so that the connection
/// can be used again; the caller does not wait for it.
async fn give_back(gateway: &Gateway, mut source: Source) {
    let ended = match source.read().now_or_never() {
        Some(last) => matches!(last, Ok(None)),
        None => {
            let pool = Arc::clone(&gateway.pool);
            tokio::spawn(async move {
                let last = pingora::time::timeout(LAST_BYTES, source.read()).await;
                if matches!(last, Ok(Ok(None))) {
                    source.release(&pool).await;
                }
            });
            return;
        }
    };
    if ended {
        source.release(&gateway.pool).await;
    }
}

/// Why reading stopped.
pub(in super::super) enum Ended {
    /// The upstream's message is complete.
    Cleanly,
    /// The stream's end is known; what follows does not matter.
    Early,
    /// The connection broke or was silent for too long.
    Cut(Box<pingora::Error>),
}

async fn pump(
    gateway: &Gateway,
    caller: &mut ServerSession,
    source: &mut Source,
    lane: &mut Lane,
    out: &mut Outlet,
    account: &mut Account,
) -> Result<Ended, Fault> {
    loop {
        let piece = {
            let mut read = pin!(source.read());
            match futures_util::poll!(read.as_mut()) {
                Poll::Ready(piece) => piece,
                Poll::Pending => loop {
                    out.write(caller).await?;
                    tokio::select! {
                        biased;
                        piece = &mut read => break piece,
                        () = hung_up(caller) => return Err(Fault::hung_up()),
                        () = pingora::time::sleep(gateway.timeouts.keep_alive) => {}
                    }
                    out.ready.extend_from_slice(KEEP_ALIVE);
                },
            }
        };
        match piece {
            Ok(Some(piece)) => {
                let before = lane.answer_bytes();
                lane.push(piece.as_ref(), &mut out.ready);
                if before == 0 && lane.answer_bytes() > 0 {
                    account.first_token();
                }
                account.saw(lane.usage(), lane.answer_bytes());
            }
            Ok(None) => return Ok(Ended::Cleanly),
            Err(error) => return Ok(Ended::Cut(error)),
        }
        if lane.end().is_some() {
            return Ok(Ended::Early);
        }
        if out.ready.len() >= WRITE_AT {
            out.write(caller).await?;
        }
    }
}

/// What is ready for the caller.
struct Outlet {
    /// The response header until it has been sent.
    header: Option<Box<ResponseHeader>>,
    ready: BytesMut,
}

impl Outlet {
    /// Writes and flushes what is ready, the header before the first bytes.
    async fn write(&mut self, caller: &mut ServerSession) -> Result<(), Fault> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let gone = |_| Fault::hung_up();
        if let Some(header) = self.header.take() {
            caller.write_response_header(header).await.map_err(gone)?;
        }
        match caller {
            ServerSession::H1(h1) => {
                h1.write_body(&self.ready).await.map_err(gone)?;
                self.ready.clear();
                if self.ready.capacity() > KEEP {
                    self.ready = BytesMut::new();
                }
            }
            ServerSession::H2(_) | ServerSession::Subrequest(_) | ServerSession::Custom(_) => {
                let ready = self.ready.split().freeze();
                caller
                    .write_response_body(ready, false)
                    .await
                    .map_err(gone)?;
            }
        }
        Ok(())
    }
}
