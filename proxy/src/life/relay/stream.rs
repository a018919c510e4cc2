//! A stream, event by event, as it comes.
//!
//! What is ready from the upstream is taken together, translated and written in
//! one write; nothing waits for more. Memory per open stream is what one read
//! brings. The response header goes out with the first bytes, so that a stream
//! that begins with an error still gets the error's status.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::FutureExt;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::{End, StreamEditor};

use super::super::Begun;
use super::super::account::Account;
use super::super::send::{Sent, hung_up};
use super::{note, response_header, stream_fault, stream_header};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::Target;

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
    begun: Begun,
    account: &mut Account,
) -> Result<(), Fault> {
    let Begun { target, form, sent } = begun;
    let outcome = pass_on(gateway, caller, sent, &target, !form.usage, account).await;
    note(&target.upstream, &outcome);
    outcome
}

async fn pass_on(
    gateway: &Gateway,
    caller: &mut ServerSession,
    mut sent: Sent,
    target: &Target,
    hide_usage: bool,
    account: &mut Account,
) -> Result<(), Fault> {
    let mut header = response_header(&sent, account.id())?;
    stream_header(caller, &mut header).map_err(|err| Fault::internal(err.to_string()))?;
    let status = header.status.as_u16();
    let mut out = Outlet {
        header: Some(header),
        ready: BytesMut::new(),
    };
    let mut editor = StreamEditor::new(target.name.clone(), hide_usage);
    let outcome = pump(caller, &mut sent, &mut editor, &mut out, account).await;
    account.saw(editor.usage(), editor.answer_bytes());
    let cleanly = match outcome? {
        Ended::Cleanly => true,
        Ended::Early => false,
        Ended::Cut(error) if *error.etype() == pingora::ErrorType::ReadTimedout => {
            out.write(caller).await?;
            return Err(Fault::timeout(
                "The upstream was silent for longer than this gateway allows (TIMEOUT); the answer is not complete.",
            )
            .with_private(target.scrub_for_log(&error.to_string())));
        }
        Ended::Cut(error) => {
            tracing::debug!(request_id = account.id(), error = %error, "the upstream's stream ended");
            false
        }
    };
    let end = editor.finish(cleanly, &mut out.ready);
    account.saw(editor.usage(), editor.answer_bytes());
    match end {
        End::Complete => {
            out.write(caller).await?;
            let last = caller.write_response_body(bytes::Bytes::new(), true);
            match pingora::time::timeout(gateway.timeouts.silence, last).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Fault::hung_up()),
            }
            account.succeeded(status);
            Box::pin(give_back(gateway, sent)).await;
            Ok(())
        }
        End::Fault(fault) => {
            // With nothing sent yet the fault is told with its own status.
            if out.header.is_none() || !out.ready.is_empty() {
                out.write(caller).await?;
            }
            Err(stream_fault(&fault, target))
        }
    }
}

/// How long the upstream may take to end its message after the answer's end.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Reads what follows the answer's end, which is nothing, so that the connection
/// can be used again; the caller does not wait for it.
async fn give_back(gateway: &Gateway, mut sent: Sent) {
    let ended = match sent.read().now_or_never() {
        Some(last) => matches!(last, Ok(None)),
        None => {
            let pool = Arc::clone(&gateway.pool);
            tokio::spawn(async move {
                let last = pingora::time::timeout(LAST_BYTES, sent.read()).await;
                if matches!(last, Ok(Ok(None))) {
                    sent.release(&pool).await;
                }
            });
            return;
        }
    };
    if ended {
        sent.release(&gateway.pool).await;
    }
}

/// Why reading stopped.
enum Ended {
    /// The upstream's message is complete.
    Cleanly,
    /// The stream's end is known; what follows does not matter.
    Early,
    /// The connection broke or was silent for too long.
    Cut(Box<pingora::Error>),
}

async fn pump(
    caller: &mut ServerSession,
    sent: &mut Sent,
    editor: &mut StreamEditor,
    out: &mut Outlet,
    account: &mut Account,
) -> Result<Ended, Fault> {
    loop {
        let piece = {
            let mut read = pin!(sent.read());
            match futures_util::poll!(read.as_mut()) {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    out.write(caller).await?;
                    tokio::select! {
                        biased;
                        piece = read => piece,
                        () = hung_up(caller) => return Err(Fault::hung_up()),
                    }
                }
            }
        };
        match piece {
            Ok(Some(piece)) => {
                let before = editor.answer_bytes();
                editor.push(piece.as_ref(), &mut out.ready);
                if before == 0 && editor.answer_bytes() > 0 {
                    account.first_token();
                }
                account.saw(editor.usage(), editor.answer_bytes());
            }
            Ok(None) => return Ok(Ended::Cleanly),
            Err(error) => return Ok(Ended::Cut(error)),
        }
        if editor.end().is_some() {
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
