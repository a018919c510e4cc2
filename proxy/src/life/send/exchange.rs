//! One request over one connection, with what HTTP allows an upstream to do: close
//! an idle connection, send 1xx first, answer before it has read the body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::FutureExt;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, RetryType};
use wire::code::Code;
use wire::edit::Segments;

use crate::fault::Fault;
use crate::live::Target;
use crate::upstream::{Pool, Wanted};

/// A body is written in pieces of this size, with a look for an early answer
/// between them.
const PIECE: usize = 256 * 1024;

/// An upstream connection on which a response header has arrived.
pub(in super::super) struct Sent {
    /// Boxed, because it is handed from step to step.
    session: Box<HttpSession>,
    peer: Arc<HttpPeer>,
    /// The whole request was taken: only then may the connection be used again.
    complete: bool,
}

/// A piece of a response body, borrowed from the connection where it can be.
pub(in super::super) enum Piece<'a> {
    Borrowed(&'a [u8]),
    Owned(Bytes),
}

impl AsRef<[u8]> for Piece<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Sent {
    /// The response header.
    pub(in super::super) fn header(&self) -> Option<&ResponseHeader> {
        self.session.response_header()
    }

    /// The status; 0 stands for none and is no success.
    pub(in super::super) fn status(&self) -> u16 {
        self.header().map_or(0, |header| header.status.as_u16())
    }

    /// Whether the body is a stream: of events, or of lines of JSON.
    pub(in super::super) fn is_stream(&self) -> bool {
        let value = self.header().and_then(|h| h.headers.get("content-type"));
        let text = value.and_then(|v| v.to_str().ok()).unwrap_or("");
        let kind = text.split(';').next().unwrap_or("");
        let kind = kind.trim();
        kind.eq_ignore_ascii_case("text/event-stream")
            || kind.eq_ignore_ascii_case("application/x-ndjson")
    }

    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks or is silent for too long.
    pub(in super::super) async fn read(&mut self) -> pingora::Result<Option<Piece<'_>>> {
        match &mut *self.session {
            HttpSession::H1(h1) => Ok(h1.read_body_ref().await?.map(Piece::Borrowed)),
            HttpSession::H2(h2) => Ok(h2.read_response_body().await?.map(Piece::Owned)),
            HttpSession::Custom(()) => Ok(None),
        }
    }

    /// Gives the connection back after the whole body has been read.
    pub(in super::super) async fn release(self, pool: &Pool) {
        if self.complete {
            pool.release(self.session, &self.peer).await;
        }
    }
}

/// A request that can be sent, again if need be.
pub(in super::super) trait Outgoing {
    /// Its header, made anew, and the headers in wire form that come on top of it:
    /// over TLS none.
    ///
    /// # Errors
    /// When a value cannot stand in a header.
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)>;

    /// Its body; may be empty.
    fn body(&self) -> &Segments;

    /// The body from its beginning, in the place of [`Self::body`], where it is not in
    /// memory.
    fn feed(&self) -> Option<Box<dyn Feed + '_>> {
        None
    }

    /// Whether it may go out once more where the upstream closed the connection
    /// without a byte of an answer.
    fn repeats(&self) -> bool {
        true
    }

    /// Whether it takes as long as the caller waits: then the upstream may be silent, and
    /// the connection is a new one, because no idle one shows beforehand that it is closed.
    fn is_long(&self) -> bool {
        false
    }
}

/// A body that comes piece by piece.
#[async_trait]
pub(in super::super) trait Feed: Send {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be had, which is the gateway's own fault.
    async fn next(&mut self) -> pingora::Result<Option<Bytes>>;
}

/// Sends `request` and waits for the response header.
///
/// # Errors
/// When no address of the upstream can be connected to, or the connection breaks.
pub(in super::super) async fn exchange(
    pool: &Pool,
    target: &Target,
    request: &impl Outgoing,
) -> Result<Sent, Fault> {
    let upstream = &target.upstream;
    let peers = upstream.peers().await.map_err(|err| {
        Fault::upstream(
            502,
            Code::UpstreamUnreachable,
            "The upstream's host name does not resolve.",
        )
        .with_private(format!("{}: {err}", upstream.base.host()))
        .unsent()
    })?;
    let mut last = None;
    for peer in peers.iter() {
        match over(pool, peer, request).await {
            Ok(sent) => return Ok(sent),
            Err(Broken {
                at: Stage::Connect,
                error,
            }) => last = Some(error),
            Err(Broken {
                at: Stage::Talk { .. },
                error,
            }) => return Err(broken(&error, target)),
        }
    }
    Err(last.map_or_else(
        || Fault::internal("an upstream without an address"),
        |error| unreachable(&error, target).unsent(),
    ))
}

/// Where an exchange broke.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent: another address may be tried.
    Connect,
    /// The upstream may have seen the request; on a connection used before?
    Talk { reused: bool },
}

struct Broken {
    at: Stage,
    error: Box<Error>,
}

async fn over(pool: &Pool, peer: &Arc<HttpPeer>, request: &impl Outgoing) -> Result<Sent, Broken> {
    if request.is_long() {
        return once(pool, peer, request, Wanted::Fresh).await;
    }
    let began = Instant::now();
    match once(pool, peer, request, Wanted::Any).await {
        // The upstream had closed the idle connection: no byte of an answer came,
        // and the request goes out once more on a connection of its own.
        Err(Broken {
            at: Stage::Talk { reused: true },
            error,
        }) if request.repeats() && is_stale(&error) && began.elapsed() < AT_ONCE => {
            once(pool, peer, request, Wanted::Fresh).await
        }
        other => other,
    }
}

async fn once(
    pool: &Pool,
    peer: &Arc<HttpPeer>,
    request: &impl Outgoing,
    wanted: Wanted,
) -> Result<Sent, Broken> {
    let unsent = |error| Broken {
        at: Stage::Connect,
        error,
    };
    let (mut header, lines) = request.header(peer.is_tls()).map_err(unsent)?;
    let (session, reused) = pool.get(peer, wanted, lines).await.map_err(unsent)?;
    let mut session = Box::new(session);
    let silence = peer.options.read_timeout.filter(|_| !request.is_long());
    session.set_read_timeout(silence);
    session.set_write_timeout(peer.options.write_timeout);
    if matches!(*session, HttpSession::H2(_)) {
        // HTTP/2 has no such thing: a body of unknown length ends where its stream does.
        header.remove_header(&http::header::TRANSFER_ENCODING);
    }
    match talk(&mut session, header, request).await {
        Ok(complete) => Ok(Sent {
            session,
            peer: Arc::clone(peer),
            complete,
        }),
        Err(error) => Err(Broken {
            at: Stage::Talk { reused },
            error,
        }),
    }
}

/// Writes the request and reads the header of the final response. Says whether
/// the whole request was written.
async fn talk(
    session: &mut HttpSession,
    header: Box<RequestHeader>,
    request: &impl Outgoing,
) -> pingora::Result<bool> {
    session.write_request_header(header).await?;
    let written = match request.feed() {
        Some(feed) => Box::pin(write_feed(session, feed)).await,
        None => write_body(session, request.body()).await,
    };
    match written {
        Ok(complete) => {
            if !has_answer(session) {
                read_header(session).await?;
            }
            Ok(complete)
        }
        // The upstream may have answered before it stopped reading.
        Err(Unwritten::Write(error)) => match read_header(session).await {
            Ok(()) => Ok(false),
            Err(_) => Err(error),
        },
        Err(Unwritten::Answer(error)) => Err(error),
    }
}

/// Why a body was not written.
enum Unwritten {
    /// The connection takes no more; an answer may have come before.
    Write(Box<Error>),
    /// What came instead of an answer broke the connection, or a piece of the body could
    /// not be had; it is not read again.
    Answer(Box<Error>),
}

/// Writes the body, unless an answer arrives first. Says whether all of it went.
async fn write_body(session: &mut HttpSession, body: &Segments) -> Result<bool, Unwritten> {
    let parts = body.parts();
    let count = parts.len();
    for (n, part) in parts.iter().enumerate() {
        let mut rest = part.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE));
            let end = n + 1 == count && rest.is_empty();
            let written = session.write_request_body(piece, end).await;
            written.map_err(Unwritten::Write)?;
            if !end && has_answered(session)? {
                return Ok(false);
            }
        }
    }
    let finished = session.finish_request_body().await;
    finished.map_err(Unwritten::Write)?;
    Ok(true)
}

/// The same for a body that comes piece by piece.
async fn write_feed(
    session: &mut HttpSession,
    mut feed: Box<dyn Feed + '_>,
) -> Result<bool, Unwritten> {
    while let Some(piece) = feed.next().await.map_err(Unwritten::Answer)? {
        let written = session.write_request_body(piece, false).await;
        written.map_err(Unwritten::Write)?;
        if has_answered(session)? {
            return Ok(false);
        }
    }
    let finished = session.finish_request_body().await;
    finished.map_err(Unwritten::Write)?;
    Ok(true)
}

/// Whether an answer has come before the body is through.
fn has_answered(session: &mut HttpSession) -> Result<bool, Unwritten> {
    let Some(early) = session.read_response_header().now_or_never() else {
        return Ok(false);
    };
    early.map_err(Unwritten::Answer)?;
    Ok(has_answer(session))
}

/// Reads headers until one that is not informational.
async fn read_header(session: &mut HttpSession) -> pingora::Result<()> {
    loop {
        session.read_response_header().await?;
        if has_answer(session) {
            return Ok(());
        }
    }
}

fn has_answer(session: &HttpSession) -> bool {
    session
        .response_header()
        .is_some_and(|header| !header.status.is_informational())
}

/// A connection that the upstream closed while it was idle says so at once; what
/// takes longer may be the upstream at work on the request.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Whether the connection was found closed, as against slow or nonsensical. Over
/// HTTP/2 Pingora knows which requests the upstream has not looked at.
fn is_stale(error: &Error) -> bool {
    use ErrorType as E;
    let closed = matches!(
        error.etype(),
        E::ConnectionClosed | E::ReadError | E::WriteError
    );
    closed || matches!(error.retry, RetryType::Decided(true))
}

fn unreachable(error: &Error, target: &Target) -> Fault {
    use ErrorType as E;
    let kind = error.etype();
    let fault = if matches!(kind, E::ConnectTimedout | E::TLSHandshakeTimedout) {
        Fault::timeout("The upstream could not be connected to in time (CONNECT_TIMEOUT).")
    } else if *kind == E::ConnectRefused {
        Fault::upstream(
            502,
            Code::UpstreamUnreachable,
            "The upstream refuses connections.",
        )
    } else if matches!(
        kind,
        E::TLSHandshakeFailure | E::InvalidCert | E::HandshakeError
    ) {
        Fault::upstream(
            502,
            Code::UpstreamTlsFailed,
            "The secure connection to the upstream failed.",
        )
    } else {
        Fault::upstream(
            502,
            Code::UpstreamUnreachable,
            "The upstream cannot be connected to.",
        )
    };
    fault.with_private(target.scrub_for_log(&error.to_string()))
}

fn broken(error: &Error, target: &Target) -> Fault {
    use ErrorType as E;
    let kind = error.etype();
    if *kind == E::FileReadError {
        return Fault::internal(error.to_string());
    }
    let fault = if matches!(kind, E::ReadTimedout | E::WriteTimedout) {
        Fault::timeout(
            "The upstream was silent for longer than this gateway allows (TIMEOUT, or the endpoint's own time).",
        )
    } else if *kind == E::InvalidHTTPHeader {
        Fault::upstream(
            502,
            Code::UpstreamBadResponse,
            "The upstream's response is not HTTP.",
        )
    } else {
        Fault::upstream(
            502,
            Code::UpstreamConnectionLost,
            "The upstream closed the connection before it answered.",
        )
    };
    fault.with_private(target.scrub_for_log(&error.to_string()))
}
