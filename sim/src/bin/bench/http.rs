//! HTTP/1.1 as the benchmark needs it: one keep-alive connection, framed exactly.
//!
//! What always holds: a body ends where its framing says, never earlier; anything
//! malformed is an error, so that a damaged reply cannot count as a fast one.
//! Not here: TLS, HTTP/2, redirects, compression.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head accepted, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// Room offered to one read, in bytes.
const READ_ROOM: usize = 64 * 1024;

/// A client's keep-alive connection.
pub(crate) struct Connection {
    wire: Wire,
    body: Body,
    closes: bool,
}

impl Connection {
    /// Connect without Nagle's delay.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        Ok(Connection {
            wire: Wire::new(stream)?,
            body: Body::Done,
            closes: false,
        })
    }

    /// Send one whole request and read the reply's head: its status.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<u16> {
        self.wire.stream.write_all(request).await?;
        let head = self.wire.head().await?.context("closed before the reply")?;
        let status = head.status()?;
        self.body = head.body(true)?;
        self.closes = head.field("connection") == Some(b"close");
        Ok(status)
    }

    /// Whether the last reply is the last one of this connection.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// The next piece of the reply's body; `None` at its proper end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.wire.piece(&mut self.body).await
    }

    /// Send one request and read the whole reply: status and body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        let status = self.send(request).await?;
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }
}

/// A socket and what was read from it but not yet used.
pub(crate) struct Wire {
    /// The socket; writes go straight to it.
    pub(crate) stream: TcpStream,
    buffer: BytesMut,
}

impl Wire {
    /// Take over a connected socket.
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Wire {
            stream,
            buffer: BytesMut::new(),
        })
    }

    /// Read one head; `None` when the peer closed before its first byte.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer[searched..], b"\r\n\r\n") {
                return Ok(Some(Head(
                    self.buffer.split_to(searched + end + 4).freeze(),
                )));
            }
            ensure!(
                self.buffer.len() < HEAD_LIMIT,
                "head over {HEAD_LIMIT} bytes"
            );
            searched = self.buffer.len().saturating_sub(3);
            if self.fill().await? == 0 {
                ensure!(self.buffer.is_empty(), "closed inside a head");
                return Ok(None);
            }
        }
    }

    /// The next piece of a body; `None` at its proper end.
    pub(crate) async fn piece(&mut self, body: &mut Body) -> Result<Option<Bytes>> {
        loop {
            match body.take(&mut self.buffer)? {
                Step::Data(piece) => return Ok(Some(piece)),
                Step::End => return Ok(None),
                Step::NeedMore => {
                    if self.fill().await? == 0 {
                        bail!("closed inside a body");
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<usize> {
        self.buffer.reserve(READ_ROOM);
        Ok(self.stream.read_buf(&mut self.buffer).await?)
    }
}

/// A request's or reply's head, from its first line to the empty one.
pub(crate) struct Head(Bytes);

impl Head {
    /// The first line, without its end.
    pub(crate) fn first_line(&self) -> &[u8] {
        let end = memchr::memchr(b'\r', &self.0).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// A field's value, by lower-case name.
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        self.0.split(|&byte| byte == b'\n').find_map(|line| {
            let (field, value) = line.split_at_checked(name.len())?;
            (field.eq_ignore_ascii_case(name.as_bytes()) && value.first() == Some(&b':'))
                .then(|| value[1..].trim_ascii())
        })
    }

    /// How the body that follows is framed. A reply without framing is refused,
    /// a request without it has no body.
    pub(crate) fn body(&self, reply: bool) -> Result<Body> {
        if let Some(coding) = self.field("transfer-encoding") {
            ensure!(
                coding.eq_ignore_ascii_case(b"chunked"),
                "unknown transfer-encoding"
            );
            return Ok(Body::Chunk(Chunk::Size));
        }
        match self.field("content-length") {
            Some(length) => Ok(Body::Length(std::str::from_utf8(length)?.parse()?)),
            None if reply => bail!(
                "a reply with neither content-length nor chunks: {}",
                String::from_utf8_lossy(&self.0).trim_end()
            ),
            None => Ok(Body::Done),
        }
    }

    fn status(&self) -> Result<u16> {
        let line = std::str::from_utf8(self.first_line())?;
        let status = line.split(' ').nth(1).context("no status")?;
        status
            .parse()
            .with_context(|| format!("bad status in {line:?}"))
    }
}

/// What is left of a body.
pub(crate) enum Body {
    /// So many bytes.
    Length(usize),
    /// Chunks, until the last one.
    Chunk(Chunk),
    /// Nothing.
    Done,
}

/// Where in the chunked coding the reader stands.
pub(crate) enum Chunk {
    /// Before a size line.
    Size,
    /// Inside a chunk, with so many bytes to come.
    Data(usize),
    /// Before the line end that closes a chunk.
    End,
    /// After the last chunk, before the empty line.
    Trailer,
}

enum Step {
    Data(Bytes),
    NeedMore,
    End,
}

impl Body {
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Step> {
        loop {
            match self {
                Body::Done | Body::Length(0) => return Ok(Step::End),
                Body::Length(left) | Body::Chunk(Chunk::Data(left)) if *left > 0 => {
                    if buffer.is_empty() {
                        return Ok(Step::NeedMore);
                    }
                    let piece = buffer.split_to(buffer.len().min(*left)).freeze();
                    *left -= piece.len();
                    return Ok(Step::Data(piece));
                }
                Body::Length(_) => return Ok(Step::End),
                Body::Chunk(Chunk::Data(_)) => *self = Body::Chunk(Chunk::End),
                Body::Chunk(Chunk::End) => {
                    if buffer.len() < 2 {
                        return Ok(Step::NeedMore);
                    }
                    ensure!(buffer.starts_with(b"\r\n"), "a chunk runs past its size");
                    buffer.advance(2);
                    *self = Body::Chunk(Chunk::Size);
                }
                Body::Chunk(Chunk::Size) => {
                    let Some(line) = line(buffer)? else {
                        return Ok(Step::NeedMore);
                    };
                    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
                    let digits = std::str::from_utf8(digits.trim_ascii())?;
                    let size = usize::from_str_radix(digits, 16)
                        .with_context(|| format!("bad chunk size {digits:?}"))?;
                    *self = Body::Chunk(match size {
                        0 => Chunk::Trailer,
                        size => Chunk::Data(size),
                    });
                }
                Body::Chunk(Chunk::Trailer) => {
                    let Some(line) = line(buffer)? else {
                        return Ok(Step::NeedMore);
                    };
                    if line.is_empty() {
                        *self = Body::Done;
                    }
                }
            }
        }
    }
}

/// Take one line off the buffer, without its end; `None` while it is incomplete.
fn line(buffer: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        ensure!(buffer.len() < HEAD_LIMIT, "line over {HEAD_LIMIT} bytes");
        return Ok(None);
    };
    let mut line = buffer.split_to(end + 1).freeze();
    ensure!(line.ends_with(b"\r\n"), "a line without CRLF");
    line.truncate(end - 1);
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn decode(head: &str, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool)> {
        let mut body = Head(Bytes::copy_from_slice(head.as_bytes())).body(true)?;
        let mut buffer = BytesMut::new();
        let mut got = Vec::new();
        let mut ended = false;
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match body.take(&mut buffer)? {
                    Step::Data(data) => got.extend_from_slice(&data),
                    Step::NeedMore => break,
                    Step::End => {
                        ended = true;
                        break;
                    }
                }
            }
        }
        Ok((got, ended))
    }

    #[test]
    fn chunks_read_the_same_however_they_are_split() {
        let wire = b"5\r\nhello\r\n6;note=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for cut in 0..wire.len() {
            let (before, after) = wire.split_at(cut);
            let (got, ended) = decode(head, &[before, after]).unwrap();
            assert_eq!(got, b"hello world", "cut at {cut}");
            assert!(ended, "cut at {cut}");
        }
    }

    #[test]
    fn a_body_that_stops_early_has_not_ended() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(decode(head, &[b"hell"]).unwrap(), (b"hell".to_vec(), false));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(!decode(head, &[b"1\r\na\r\n"]).unwrap().1);
        assert!(!decode(head, &[b"1\r\na\r\n0\r\n"]).unwrap().1);
    }

    #[test]
    fn damaged_framing_is_refused() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(decode(chunked, &[b"1\r\nab\r\n"]).is_err());
        assert!(decode(chunked, &[b"xyz\r\n"]).is_err());
        assert!(decode("HTTP/1.1 200 OK\r\n\r\n", &[b"a"]).is_err());
    }

    #[test]
    fn fields_are_found_whatever_their_case() {
        let head = Head(Bytes::from_static(
            b"POST /v1 HTTP/1.1\r\nAuthorization:  Bearer k \r\n\r\n",
        ));
        assert_eq!(head.field("authorization"), Some(&b"Bearer k"[..]));
        assert_eq!(head.field("auth"), None);
        assert_eq!(head.first_line(), b"POST /v1 HTTP/1.1");
    }
}
