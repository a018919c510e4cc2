//! One attempt: the request to one candidate, up to the first meaningful event of
//! its answer, or to the end of a whole one.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::http::ResponseHeader;
use wire::dialect::openai::End;
use wire::usage::Usage;

use super::super::relay::{self, Ended, Lane};
use super::super::translate::{self, Order, Parcel};
use super::exchange::{Sent, exchange};
use super::{Errand, refusal};
use crate::fault::Fault;
use crate::live::Target;
use crate::upstream::Pass;

/// An answer that has begun, or is complete.
pub(in super::super) enum Answer {
    Stream(Box<Streaming>),
    Whole(Box<Whole>),
}

/// A stream whose first meaningful event is there.
pub(in super::super) struct Streaming {
    pub(in super::super) target: Arc<Target>,
    pub(in super::super) header: Box<ResponseHeader>,
    pub(in super::super) sent: Sent,
    pub(in super::super) lane: Lane,
    /// What the caller is to get first.
    pub(in super::super) ready: BytesMut,
    /// The upstream's end, when it came with the beginning.
    pub(in super::super) ended: Option<Ended>,
    pub(in super::super) pass: Option<Pass>,
}

/// A whole answer, as the caller gets it.
pub(in super::super) struct Whole {
    pub(in super::super) header: Box<ResponseHeader>,
    pub(in super::super) body: Bytes,
    pub(in super::super) usage: Option<Usage>,
    pub(in super::super) answer_bytes: u64,
    /// Nothing is in it, and nothing says why.
    pub(in super::super) empty: bool,
}

impl Answer {
    /// Whether nothing is in it, and nothing says why.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Stream(streaming) => streaming.lane.is_empty(),
            Self::Whole(whole) => whole.empty,
        }
    }

    /// The answer with what tells the circuit of its end; of a whole answer that is
    /// now.
    pub(super) fn with_pass(mut self, mut pass: Pass) -> Self {
        match &mut self {
            Self::Stream(streaming) => streaming.pass = Some(pass),
            Self::Whole(_) => pass.succeeded(),
        }
        self
    }
}

/// Asks `target`.
///
/// # Errors
/// When the request cannot be put to it, it cannot be reached, refuses, or fails
/// before the first meaningful event.
pub(super) async fn attempt(errand: &Errand<'_>, target: &Arc<Target>) -> Result<Answer, Fault> {
    let order = translate::translate(errand, target)?;
    let pool = &errand.gateway.pool;
    let Some(body) = order.bodies.first() else {
        return Err(Fault::internal("a request without a body"));
    };
    let parcel = Parcel {
        order: &order,
        body,
    };
    let sent = exchange(pool, target, &parcel).await?;
    if !(200..300).contains(&sent.status()) {
        return Err(refusal::read(pool, sent, target).await);
    }
    if errand.form.stream && sent.is_stream() {
        begin(errand, target, &order, sent).await
    } else {
        let whole = relay::take_whole(errand, target, &order, sent).await?;
        Ok(Answer::Whole(Box::new(whole)))
    }
}

/// Most bytes that wait for a meaningful event.
const HELD: usize = 64 * 1024;

/// Reads a stream up to its first meaningful event.
async fn begin(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    order: &Order,
    mut sent: Sent,
) -> Result<Answer, Fault> {
    let header = relay::response_header(&sent, errand.id)?;
    let mut lane = order.lane(errand);
    let mut ready = BytesMut::new();
    let mut ended = None;
    while lane.answer_bytes() == 0 && ready.len() < HELD {
        match sent.read().await {
            Ok(Some(piece)) => lane.push(piece.as_ref(), &mut ready),
            Ok(None) => ended = Some(Ended::Cleanly),
            Err(error) => ended = Some(Ended::Cut(error)),
        }
        if lane.end().is_some() {
            ended = Some(Ended::Early);
        }
        if ended.is_some() {
            break;
        }
    }
    // With nothing meaningful in it the end decides now.
    if lane.answer_bytes() == 0
        && let Some(how) = &ended
    {
        let cleanly = matches!(how, Ended::Cleanly);
        if let Ended::Cut(error) = how
            && *error.etype() == pingora::ErrorType::ReadTimedout
        {
            return Err(relay::silent(target, error));
        }
        if let End::Fault(fault) = lane.finish(cleanly, &mut ready) {
            return Err(relay::stream_fault(&fault, target));
        }
        ended = Some(Ended::Early);
    }
    Ok(Answer::Stream(Box::new(Streaming {
        target: Arc::clone(target),
        header,
        sent,
        lane,
        ready,
        ended,
        pass: None,
    })))
}

/// Longest answer; large batches of embeddings reach some ten megabytes.
const MAX: usize = 256 * 1024 * 1024;

/// Reads a whole body.
///
/// # Errors
/// When it is cut, too slow or too long.
pub(in super::super) async fn read_whole(sent: &mut Sent, target: &Target) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        match sent.read().await {
            Ok(Some(piece)) if body.len() + piece.as_ref().len() > MAX => {
                return Err(Fault::upstream(
                    502,
                    "upstream_bad_response",
                    "The upstream's answer is too long for this gateway.",
                ));
            }
            Ok(Some(piece)) => body.extend_from_slice(piece.as_ref()),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(relay::cut(&error, target)),
        }
    }
}

/// How long the upstream may take to end its message after the answer's end.
pub(in super::super) const LAST_BYTES: Duration = Duration::from_secs(1);
