//! One connection's socket, and the faults a script can ask of it.
//!
//! [`Line`] passes bytes through unchanged until its [`Control`] says otherwise: extra
//! bytes before the next write, a close after so many more bytes, an end of file as soon
//! as the reply is out, or a reset when the next request arrives. Not here: when to do
//! so ([`crate::playback`]).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::script::Close;

/// A stream that can be told to reset its TCP connection when dropped.
pub(crate) trait Reset {
    fn reset_on_drop(&self) -> io::Result<()>;
}

impl Reset for TcpStream {
    fn reset_on_drop(&self) -> io::Result<()> {
        self.set_zero_linger()
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset_on_drop(&self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}

/// Faults ordered for one connection; shared by its socket and its replies.
#[derive(Default)]
pub(crate) struct Control {
    /// False as long as nothing was ever ordered: the fast lane takes no lock.
    armed: AtomicBool,
    /// True for HTTP/2: orders touch every call on the connection.
    multiplexed: AtomicBool,
    orders: Mutex<Orders>,
}

#[derive(Default)]
struct Orders {
    before_write: Bytes,
    /// Bytes that may still be written, and whether the close is a reset.
    limit: Option<(usize, bool)>,
    after_reply: Option<Close>,
    flushes: u64,
    flush_waker: Option<Waker>,
}

impl Control {
    /// Sends `bytes` ahead of whatever is written next.
    pub(crate) fn before_write(&self, bytes: Bytes) {
        self.arm().before_write = bytes;
    }

    /// Closes the connection after `bytes` more bytes, with a reset if `rst`.
    pub(crate) fn limit(&self, bytes: usize, rst: bool) {
        self.arm().limit = Some((bytes, rst));
    }

    /// Closes the connection once the current reply is out.
    pub(crate) fn after_reply(&self, close: Close) {
        self.arm().after_reply = Some(close);
    }

    /// Number of flushes so far; from the first call on they are counted.
    pub(crate) fn flushes(&self) -> u64 {
        self.arm().flushes
    }

    /// Ready once a flush was done after `since` was read.
    pub(crate) fn poll_flushed(&self, since: u64, cx: &Context<'_>) -> Poll<()> {
        let mut orders = self.arm();
        if orders.flushes > since {
            return Poll::Ready(());
        }
        orders.flush_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Says that the connection carries several calls at once.
    pub(crate) fn multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Release);
    }

    pub(crate) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Acquire)
    }

    fn arm(&self) -> MutexGuard<'_, Orders> {
        self.armed.store(true, Ordering::Release);
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }
}

/// A socket under the orders of its [`Control`].
pub(crate) struct Line<S: Reset> {
    inner: S,
    control: Arc<Control>,
}

impl<S: Reset> Line<S> {
    pub(crate) fn new(inner: S, control: Arc<Control>) -> Line<S> {
        Line { inner, control }
    }
}

impl<S: Reset> Drop for Line<S> {
    fn drop(&mut self) {
        if self.control.armed() && matches!(self.control.lock().limit, Some((_, true))) {
            // Fails only when the peer is already gone.
            let _reset = self.inner.reset_on_drop();
        }
    }
}

impl<S: AsyncRead + Reset + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let order = if self.control.armed() {
            self.control.lock().after_reply
        } else {
            None
        };
        match order {
            None => Pin::new(&mut self.inner).poll_read(cx, buf),
            Some(Close::After) => Poll::Ready(Ok(())),
            Some(Close::Next) => {
                let before = buf.filled().len();
                let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
                if matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() > before {
                    self.inner.reset_on_drop()?;
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                polled
            }
        }
    }
}

impl<S: AsyncWrite + Reset + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.control.armed() {
            return Pin::new(&mut self.inner).poll_write(cx, buf);
        }
        let Line { inner, control } = &mut *self;
        let mut orders = control.lock();
        while orders.before_write.has_remaining() {
            match Pin::new(&mut *inner).poll_write(cx, &orders.before_write) {
                Poll::Ready(Ok(sent)) => orders.before_write.advance(sent),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some((left, rst)) = orders.limit else {
            return Pin::new(inner).poll_write(cx, buf);
        };
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let part = buf.get(..left.min(buf.len())).unwrap_or(buf);
        let polled = Pin::new(inner).poll_write(cx, part);
        if let Poll::Ready(Ok(sent)) = polled {
            orders.limit = Some((left - sent, rst));
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        if self.control.armed() && polled.is_ready() {
            let mut orders = self.control.lock();
            orders.flushes += 1;
            if let Some(waker) = orders.flush_waker.take() {
                waker.wake();
            }
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let limit = if self.control.armed() {
            self.control.lock().limit
        } else {
            None
        };
        if limit.is_some() {
            // A cut is not announced: no TLS close_notify either.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.control.armed() {
            return Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| &**buf))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
