//! A stream, event by event, as it comes.
//!
//! What is ready from the upstream is taken together, translated and written in
//! one write; nothing waits for more. Memory per open stream is what one read
//! brings. While the upstream is silent the caller gets a comment from time to time.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::future::FutureExt;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use wire::dialect::openai::End;

use super::super::account::Account;
use super::super::reply;
use super::super::send::{
    AFTER_FINISH, Job, LAST_BYTES, Sent, Source, Streaming, hung_up, judge, local,
};
use super::{Lane, silent, stream_fault, stream_header};
use crate::fault::Fault;
use crate::gateway::{Gateway, stopped};

/// Bytes gathered before they are written although more is ready.
pub(super) const WRITE_AT: usize = 64 * 1024;
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
    // Used where it lies: taken apart it would lie in the future twice.
    mut streaming: Box<Streaming>,
    account: &mut Account,
) -> Result<(), Fault> {
    account.streams();
    let outcome = pass_on(gateway, caller, &mut streaming, account).await;
    account.normalised(streaming.lane.normaliser());
    if let Err(fault) = &outcome {
        account.last_words(streaming.lane.fail(&fault.body));
    }
    if let Some(mut pass) = streaming.pass.take() {
        match &outcome {
            Ok(()) => pass.succeeded(),
            Err(fault) => judge(&mut pass, fault, &streaming.target.limits),
        }
    }
    if outcome.is_ok() {
        match streaming.source {
            Source::Http(sent) => Box::pin(give_back(gateway, sent)).await,
            Source::Job(job) if job.is_over() => {}
            Source::Job(job) => settle(job, account.hand_on()),
        }
    }
    outcome
}

async fn pass_on(
    gateway: &Gateway,
    caller: &mut ServerSession,
    streaming: &mut Streaming,
    account: &mut Account,
) -> Result<(), Fault> {
    let internal = |err: Box<pingora::Error>| Fault::internal(err.to_string());
    let status = streaming.status();
    if reply::has_begun(caller) {
        streaming.header = None;
    } else if let Some(header) = &mut streaming.header {
        stream_header(caller, account.dialect(), header).map_err(internal)?;
        reply::tell_attempts(header, account.attempts()).map_err(internal)?;
        account.told.write(header).map_err(internal)?;
    }
    account.answered(Some(&streaming.ready));
    if streaming.lane.answer_bytes() > 0 {
        account.first_token();
    }
    saw(streaming, account);
    let ended = match streaming.ended.take() {
        Some(ended) => Ok(ended),
        None => pump(gateway, caller, streaming, account).await,
    };
    saw(streaming, account);
    account.took(streaming.source.times());
    let cleanly = match ended? {
        Ended::Cleanly => true,
        Ended::Early => false,
        Ended::Cut(error)
            if *error.etype() == pingora::ErrorType::ReadTimedout
                && !streaming.lane.is_finished() =>
        {
            write(streaming, caller).await?;
            return Err(silent(&streaming.target, &error));
        }
        Ended::Cut(error) => {
            tracing::debug!(request_id = account.id(), error = %error, "the upstream's stream ended");
            false
        }
    };
    if let Some(fault) = streaming.source.take_fault()
        && !streaming.lane.is_finished()
    {
        write(streaming, caller).await?;
        return Err(fault);
    }
    let held = streaming.ready.len();
    let end = streaming.lane.finish(cleanly, &mut streaming.ready);
    account.answered(streaming.ready.get(held..));
    saw(streaming, account);
    match end {
        End::Complete => {
            // Whoever has the whole answer can go on with it.
            if let (Some(keeping), Some(response)) =
                (&streaming.keeping, streaming.lane.take_response())
            {
                keeping.keep(gateway, response);
            }
            remember(gateway, streaming, account);
            account.succeeded(status);
            if streaming.source.is_over() {
                account.normalised(streaming.lane.normaliser());
                account.seal();
            } else {
                // A job that goes on tells its times only later.
                account.complete();
            }
            write(streaming, caller).await?;
            let last = caller.write_response_body(bytes::Bytes::new(), true);
            match pingora::time::timeout(gateway.timeouts.silence, last).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Fault::hung_up()),
            }
            Ok(())
        }
        End::Fault(fault) => {
            write(streaming, caller).await?;
            Err(stream_fault(&fault, &streaming.target))
        }
    }
}

fn saw(streaming: &Streaming, account: &mut Account) {
    let lane = &streaming.lane;
    account.saw(lane.usage(), lane.answer_bytes());
}

/// What outlives a complete answer.
fn remember(gateway: &Gateway, streaming: &mut Streaming, account: &Account) {
    let target = &streaming.target;
    if let Some(thread) = streaming.thread {
        for (call, thinking) in streaming.lane.take_thinking() {
            gateway.thoughts.keep(thread, call, thinking);
        }
    }
    let proofs = streaming.lane.take_proofs();
    if !proofs.is_empty() {
        gateway.thoughts.signed(target.maker(), proofs);
    }
    if let Some(context) = streaming.context {
        let counted = streaming
            .lane
            .usage()
            .map_or(0, |usage| usage.prompt_tokens);
        if context.has_cut(counted) {
            local::warn_after(None, target, account.id(), context, counted);
        }
    }
}

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

/// Follows a job to the end that its answer was before; then its times are known and go
/// into the row. The caller does not wait for it.
fn settle(mut job: Box<Job>, mut account: Box<Account>) {
    tokio::spawn(async move {
        job.settle().await;
        account.took(job.times());
        account.close();
    });
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
    streaming: &mut Streaming,
    account: &mut Account,
) -> Result<Ended, Fault> {
    let Streaming {
        source,
        lane,
        header,
        ready,
        ..
    } = streaming;
    let mut out = Outlet::new(header, ready);
    let mut rest = Rest::default();
    rest.look(lane, false);
    let mut closing = pin!(gateway.closing.told());
    loop {
        let piece = {
            let mut read = pin!(source.read());
            match futures_util::poll!(read.as_mut()) {
                Poll::Ready(piece) => piece,
                Poll::Pending => loop {
                    out.write(caller).await?;
                    let pause = out.patience(gateway.timeouts.keep_alive);
                    tokio::select! {
                        biased;
                        piece = &mut read => break piece,
                        () = hung_up(caller) => return Err(Fault::hung_up()),
                        () = &mut closing => return Err(stopped()),
                        () = pingora::time::sleep(pause.min(rest.left())) => {}
                    }
                    if rest.left().is_zero() {
                        return Ok(Ended::Early);
                    }
                    if out.patience(gateway.timeouts.keep_alive).is_zero() {
                        lane.keep_alive(out.ready);
                    }
                },
            }
        };
        match piece {
            Ok(Some(piece)) => {
                let before = lane.answer_bytes();
                let held = out.ready.len();
                lane.push(piece.as_ref(), out.ready);
                account.answered(out.ready.get(held..));
                if before == 0 && lane.answer_bytes() > 0 {
                    account.first_token();
                }
                account.saw(lane.usage(), lane.answer_bytes());
                rest.look(lane, lane.answer_bytes() > before);
            }
            Ok(None) => return Ok(Ended::Cleanly),
            Err(error) => return Ok(Ended::Cut(error)),
        }
        if lane.end().is_some() || rest.left().is_zero() {
            return Ok(Ended::Early);
        }
        if out.ready.len() >= WRITE_AT {
            out.write(caller).await?;
        }
    }
}

/// Since when nothing more of a complete answer has come.
#[derive(Default)]
struct Rest(Option<Instant>);

impl Rest {
    /// Looks whether the answer is complete. Some servers give a reason to end with
    /// every piece: one that `grew` goes on.
    fn look(&mut self, lane: &Lane, grew: bool) {
        if !lane.is_finished() {
            self.0 = None;
        } else if grew || self.0.is_none() {
            self.0 = Some(Instant::now());
        }
    }

    /// How long more may still be waited for.
    fn left(&self) -> Duration {
        let gone = |since: Instant| AFTER_FINISH.saturating_sub(since.elapsed());
        self.0.map_or(Duration::MAX, gone)
    }
}

/// What is ready for the caller.
pub(super) struct Outlet<'s> {
    /// The response header until it has been sent.
    header: &'s mut Option<Box<ResponseHeader>>,
    pub(super) ready: &'s mut BytesMut,
    /// When the caller has last been written to. An upstream may send much that says
    /// nothing to the caller.
    written: Instant,
}

/// Writes and flushes what is ready.
async fn write(streaming: &mut Streaming, caller: &mut ServerSession) -> Result<(), Fault> {
    let Streaming { header, ready, .. } = streaming;
    Outlet::new(header, ready).write(caller).await
}

impl<'s> Outlet<'s> {
    pub(super) fn new(
        header: &'s mut Option<Box<ResponseHeader>>,
        ready: &'s mut BytesMut,
    ) -> Self {
        Self {
            header,
            ready,
            written: Instant::now(),
        }
    }

    /// How long the caller may still be left without a word, of `most`.
    fn patience(&self, most: Duration) -> Duration {
        most.saturating_sub(self.written.elapsed())
    }

    /// Writes and flushes what is ready, the header before the first bytes.
    pub(super) async fn write(&mut self, caller: &mut ServerSession) -> Result<(), Fault> {
        if self.ready.is_empty() {
            return Ok(());
        }
        self.written = Instant::now();
        let gone = |_| Fault::hung_up();
        if let Some(header) = self.header.take() {
            caller.write_response_header(header).await.map_err(gone)?;
        }
        match caller {
            ServerSession::H1(h1) => {
                h1.write_body(self.ready).await.map_err(gone)?;
                self.ready.clear();
                if self.ready.capacity() > KEEP {
                    *self.ready = BytesMut::new();
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
