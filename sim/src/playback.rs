//! A response body that plays a list of [`Step`]s: bytes, silences and faults, in order.
//!
//! The list is made beforehand ([`crate::reply`]) and shared, so that a reply used many
//! times costs nothing to repeat. Dropping a body before its last step means that the
//! caller hung up, and is counted so.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use crate::line::Control;
use crate::record::Open;
use crate::script::Close;

/// What stands for a flush on a connection shared with other calls.
const SHARED_FLUSH: Duration = Duration::from_millis(20);

/// One thing a body does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Bytes),
    Wait(Duration),
    /// Goes on when all earlier bytes have left the process.
    Flush,
    /// The connection closes after so many more bytes (with a reset if true).
    Limit(usize, bool),
    /// The connection ends here, without an end of the body.
    Abort,
    /// Goes on when the simulator's gate is open.
    Gate,
    /// Nothing more, for ever.
    Hang,
    /// What happens to the connection after the reply.
    Close(Close),
}

/// The scripted end of a body; hyper closes the connection on it.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut as the script says")
    }
}

impl std::error::Error for Cut {}

/// Ends when the gate is open; never if the simulator is gone.
pub(crate) async fn opened(mut gate: watch::Receiver<bool>) {
    if gate.wait_for(|&open| open).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A body being played.
pub(crate) struct Playback {
    steps: Arc<[Step]>,
    next: usize,
    /// Bytes of the whole body when they are announced by `Content-Length`.
    length: Option<u64>,
    /// What is being waited for: a time or the gate.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    gate: watch::Receiver<bool>,
    flush: Option<u64>,
    /// Bytes of the next write that may leave.
    part: Option<usize>,
    control: Arc<Control>,
    open: Open,
}

impl Playback {
    pub(crate) fn new(
        steps: Arc<[Step]>,
        length: Option<u64>,
        gate: watch::Receiver<bool>,
        control: Arc<Control>,
        open: Open,
    ) -> Playback {
        let mut playback = Playback {
            steps,
            next: 0,
            length,
            pause: None,
            gate,
            flush: None,
            part: None,
            control,
            open,
        };
        playback.advance(0);
        playback
    }

    fn advance(&mut self, steps: usize) {
        self.next += steps;
        if self.next >= self.steps.len() {
            self.open.complete();
        }
    }
}

impl Body for Playback {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        while let Some(step) = this.steps.get(this.next) {
            match step {
                Step::Send(bytes) => {
                    let mut bytes = bytes.clone();
                    if let Some(part) = this.part.take() {
                        bytes.truncate(part);
                    }
                    this.advance(1);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Step::Wait(time) => {
                    let wait = || Box::pin(tokio::time::sleep(*time)) as Pin<Box<_>>;
                    ready!(this.pause.get_or_insert_with(wait).as_mut().poll(cx));
                    this.pause = None;
                }
                Step::Gate => {
                    let gate = &this.gate;
                    let wait = || Box::pin(opened(gate.clone())) as Pin<Box<_>>;
                    ready!(this.pause.get_or_insert_with(wait).as_mut().poll(cx));
                    this.pause = None;
                }
                Step::Flush if this.control.is_multiplexed() => {
                    // Another task writes for all calls and cannot be watched: leave it time.
                    let wait = || Box::pin(tokio::time::sleep(SHARED_FLUSH)) as Pin<Box<_>>;
                    ready!(this.pause.get_or_insert_with(wait).as_mut().poll(cx));
                    this.pause = None;
                }
                Step::Flush => {
                    let since = *this.flush.get_or_insert_with(|| this.control.flushes());
                    ready!(this.control.poll_flushed(since, cx));
                    this.flush = None;
                }
                // Other calls are on this connection: only this one's bytes end here.
                Step::Limit(bytes, false) if this.control.is_multiplexed() => {
                    this.part = Some(*bytes);
                }
                Step::Limit(bytes, rst) => this.control.limit(*bytes, *rst),
                Step::Abort => {
                    this.open.complete();
                    return Poll::Ready(Some(Err(Cut)));
                }
                Step::Hang => return Poll::Pending,
                Step::Close(close) => this.control.after_reply(*close),
            }
            this.advance(1);
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.steps.len()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
