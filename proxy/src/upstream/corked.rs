//! A connection that holds a request's head back until its body follows, so that
//! both leave in one write, that adds headers which are the same for every call
//! without their being built anew, and that notices an answer which comes before the body
//! is through.
//!
//! Pingora's HTTP/1.1 session writes and flushes the head by itself. A model call
//! always has a body, and the second write costs about a tenth of a small call.
//! While a write waits, the connection is read: a server that has refused a long
//! body may never take the rest of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Corked {
    stream: Stream,
    /// What is held back, from `sent` on.
    head: Vec<u8>,
    sent: usize,
    stage: Stage,
    /// Header lines, each with its CRLF, that go in behind the others.
    lines: Bytes,
    /// Bytes of an answer that came while a write waited.
    early: Vec<u8>,
}

/// How a head ends: its last line's end and a blank line.
const END: &[u8] = b"\r\n\r\n";

/// Most bytes of an early answer that are read at once.
const EARLY: usize = 4 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Everything written is part of the head, until it is flushed.
    Head,
    /// The head is complete and waits for the body.
    Waiting,
    /// Writes go through.
    Open,
}

impl Corked {
    pub(super) fn new(stream: Stream, lines: Bytes) -> Self {
        Self {
            stream,
            head: Vec::new(),
            sent: 0,
            stage: Stage::Head,
            lines,
            early: Vec::new(),
        }
    }

    /// The connection itself, for the next request.
    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    /// Puts the lines before the blank line that ends the head.
    fn add_lines(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if !lines.is_empty() && self.head.ends_with(END) {
            self.head.truncate(self.head.len() - 2);
            self.head.extend_from_slice(&lines);
            self.head.extend_from_slice(b"\r\n");
        }
    }

    /// Reads while a write waits. An answer makes the write fail, so that whoever
    /// writes looks for it.
    fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = [0; EARLY];
        let mut room = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        self.early.extend_from_slice(room.filled());
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// Writes what is held back, with as much of `body` as goes along. Gives the
    /// bytes of `body` that went.
    fn poll_uncork(&mut self, cx: &mut Context<'_>, body: &[u8]) -> Poll<io::Result<usize>> {
        self.stage = Stage::Open;
        while self.sent < self.head.len() {
            let held = &self.head[self.sent..];
            let slices = [IoSlice::new(held), IoSlice::new(body)];
            let n = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = n.min(held.len());
            self.sent += of_head;
            if n > of_head {
                self.head = Vec::new();
                self.sent = 0;
                return Poll::Ready(Ok(n - of_head));
            }
        }
        self.head = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(0))
    }
}

impl AsyncWrite for Corked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.stage == Stage::Head {
            let more = buf.len() + self.lines.len();
            self.head.reserve(more);
            self.head.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        let mut written = Poll::Ready(Ok(0));
        if !self.head.is_empty() {
            written = self.poll_uncork(cx, buf);
        }
        if let Poll::Ready(Ok(0)) = written {
            written = Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        if written.is_pending() {
            return self.poll_answered(cx);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stage {
            Stage::Head => {
                self.add_lines();
                self.stage = Stage::Waiting;
                Poll::Ready(Ok(()))
            }
            Stage::Waiting | Stage::Open => {
                ready!(self.poll_uncork(cx, &[]))?;
                Pin::new(&mut self.stream).poll_flush(cx)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Corked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let n = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..n]);
            self.early.drain(..n);
            return Poll::Ready(Ok(()));
        }
        // Whoever reads waits for an answer: the request must be out.
        if !self.head.is_empty() {
            ready!(self.poll_uncork(cx, &[]))?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

#[async_trait]
impl Shutdown for Corked {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Corked {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Corked {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for Corked {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buf).await
    }
}

impl GetTimingDigest for Corked {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Corked {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Corked {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair(room: usize) -> (Corked, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(room);
        (Corked::new(Box::new(ours), Bytes::new()), theirs)
    }

    #[tokio::test]
    async fn head_and_body_leave_together() {
        let (mut corked, mut peer) = pair(1024);
        corked.write_all(b"HEAD").await.unwrap();
        corked.flush().await.unwrap();
        let mut buf = [0; 64];
        let early = futures_util::FutureExt::now_or_never(peer.read(&mut buf));
        assert!(early.is_none(), "the head waits for the body");
        corked.write_all(b"BODY").await.unwrap();
        corked.flush().await.unwrap();
        let mut got = [0; 8];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"HEADBODY");
    }

    #[tokio::test]
    async fn lines_go_in_behind_the_heads_own() {
        let (ours, mut peer) = tokio::io::duplex(1024);
        let lines = Bytes::from_static(b"host: a\r\nx-b: c\r\n");
        let mut corked = Corked::new(Box::new(ours), lines);
        corked
            .write_all(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n")
            .await
            .unwrap();
        corked.flush().await.unwrap();
        corked.write_all(b"{}").await.unwrap();
        corked.flush().await.unwrap();
        let expected = b"POST / HTTP/1.1\r\ncontent-length: 2\r\nhost: a\r\nx-b: c\r\n\r\n{}";
        let mut got = vec![0; expected.len()];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(got, expected);
    }

    #[tokio::test]
    async fn every_byte_arrives_in_order_however_little_room_there_is() {
        for room in 1..20 {
            let (mut corked, mut peer) = pair(room);
            let body: Vec<u8> = (0..200).collect();
            let sent = body.clone();
            let writer = tokio::spawn(async move {
                corked.write_all(b"the head of a request").await.unwrap();
                corked.flush().await.unwrap();
                corked.write_all(&sent).await.unwrap();
                corked.flush().await.unwrap();
                Shutdown::shutdown(&mut corked).await;
                drop(corked);
            });
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.unwrap();
            writer.await.unwrap();
            assert_eq!(
                got,
                [&b"the head of a request"[..], &body].concat(),
                "{room}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_that_comes_before_the_body_is_through_ends_the_write() {
        let (mut corked, mut peer) = pair(16);
        corked.write_all(b"HEAD").await.unwrap();
        corked.flush().await.unwrap();
        // The peer answers and reads nothing.
        peer.write_all(b"413 no").await.unwrap();
        let failed = corked.write_all(&[b'x'; 100]).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
        let mut answer = [0; 6];
        corked.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"413 no");
    }

    #[tokio::test]
    async fn a_head_without_a_body_leaves_when_an_answer_is_waited_for() {
        let (mut corked, mut peer) = pair(64);
        corked.write_all(b"HEAD").await.unwrap();
        corked.flush().await.unwrap();
        peer.write_all(b"!").await.unwrap();
        let mut answer = [0];
        corked.read_exact(&mut answer).await.unwrap();
        let mut got = [0; 4];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"HEAD");
    }
}
