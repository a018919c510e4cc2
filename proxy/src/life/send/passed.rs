//! One attempt at a call that is passed on, up to the first bytes of its answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};
use wire::edit::Segments;
use wire::outbound::LocalModel;
use wire::usage::Watch;

use super::super::account::Account;
use super::super::cargo::Cargo;
use super::super::plan::Candidates;
use super::super::{relay, translate};
use super::attempt::{Answer, ask, within};
use super::attempts::late;
use super::exchange::{Feed, Outgoing, Sent, exchange};
use super::{Errand, attempts, refusal};
use crate::fault::Fault;
use crate::live::Target;
use crate::upstream::Pass;

/// An answer that goes on as it comes; its first bytes are there.
pub(in super::super) struct Passing {
    pub(in super::super) target: Arc<Target>,
    pub(in super::super) header: Option<Box<ResponseHeader>>,
    pub(in super::super) sent: Sent,
    /// The first bytes; `None` for an answer without any.
    pub(in super::super) first: Option<Bytes>,
    /// What it says of its usage.
    pub(in super::super) watch: Watch,
    pub(in super::super) pass: Option<Pass>,
}

/// An answer that has begun. Whoever waits for it watches the caller meanwhile.
///
/// # Errors
/// When no candidate gives one.
pub(in super::super) async fn send(
    errand: &Errand<'_>,
    candidates: &Candidates,
    account: &mut Account,
) -> Result<Answer, Fault> {
    attempts::run(errand, candidates, account).await
}

/// Asks `target`, which has `first_byte` to begin once it has the request.
///
/// # Errors
/// When the request cannot be put to it, it cannot be reached, refuses, or fails before the
/// first byte of its answer.
pub(super) async fn attempt(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    first_byte: Duration,
) -> Result<Answer, Fault> {
    let begun = match errand.cargo {
        None => in_memory(errand, target, first_byte).await,
        Some(cargo) => {
            let begun = form(errand, target, cargo, first_byte).await;
            begun.map_err(|mut fault| {
                // The next candidate would get only a part of the form.
                fault.next = fault.next && !cargo.is_spent();
                fault
            })
        }
    };
    Ok(Answer::Passed(Box::new(begun?)))
}

async fn in_memory(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    first_byte: Duration,
) -> Result<Passing, Fault> {
    let order = translate::translate(errand, target, LocalModel::default())?;
    let [body] = &order.outbound().bodies[..] else {
        return Err(Fault::internal("a call that is passed on has one body"));
    };
    let asked = pin!(ask(errand, target, &order, body));
    let sent = within(first_byte, asked).await??;
    first(errand, target, sent, first_byte).await
}

async fn form(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    cargo: &Cargo,
    first_byte: Duration,
) -> Result<Passing, Fault> {
    let pool = &errand.gateway.pool;
    let freight = Freight {
        errand,
        target,
        cargo,
        nothing: Segments::default(),
    };
    let mut asked = pin!(exchange(pool, target, &freight));
    // The caller takes its time; that of the upstream is bounded by its silence.
    let sent = if cargo.flows() {
        asked.await?
    } else {
        within(first_byte, asked.as_mut()).await??
    };
    if !(200..300).contains(&sent.status()) {
        return Err(refusal::read(pool, sent, target).await);
    }
    first(errand, target, sent, first_byte).await
}

/// The answer with its first bytes: until they are there another candidate can be asked.
async fn first(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    mut sent: Sent,
    first_byte: Duration,
) -> Result<Passing, Fault> {
    let header = relay::passed_header(&sent, errand.dialect(), errand.id)?;
    let kind = header.headers.get(CONTENT_TYPE);
    let mut watch = Watch::of(kind.and_then(|kind| kind.to_str().ok()).unwrap_or(""));
    let read = pingora::time::timeout(first_byte, sent.read()).await;
    let first = match read.map_err(|_| late())? {
        Ok(piece) => piece.map(|piece| Bytes::copy_from_slice(piece.as_ref())),
        Err(error) => return Err(relay::cut(&error, target)),
    };
    watch.push(first.as_deref().unwrap_or_default());
    Ok(Passing {
        target: Arc::clone(target),
        header: Some(header),
        sent,
        first,
        watch,
        pass: None,
    })
}

/// A form for one candidate.
struct Freight<'f> {
    errand: &'f Errand<'f>,
    target: &'f Target,
    cargo: &'f Cargo,
    nothing: Segments,
}

impl Outgoing for Freight<'_> {
    fn header(&self, _tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let wrong = |what: &'static str| Error::explain(ErrorType::InternalError, what);
        let road = self.target.road(self.errand.call());
        let road = road.ok_or_else(|| wrong("a candidate that does not serve the call"))?;
        let id = HeaderValue::from_str(self.errand.id);
        let id = id.map_err(|_| wrong("the request id is no header value"))?;
        let (mut header, lines) = road.head.for_body(true, 0, &id)?;
        header.insert_header(CONTENT_TYPE, self.cargo.content_type())?;
        for (name, value) in self.errand.trace.iter().flat_map(|trace| trace.headers()) {
            header.insert_header(name, value)?;
        }
        match self.cargo.load(&self.target.model.actual_model).length() {
            Some(length) => header.insert_header(CONTENT_LENGTH, length)?,
            None => header.insert_header(TRANSFER_ENCODING, "chunked")?,
        };
        Ok((header, lines))
    }

    fn body(&self) -> &Segments {
        &self.nothing
    }

    fn feed(&self) -> Option<Box<dyn Feed + '_>> {
        Some(Box::new(self.cargo.load(&self.target.model.actual_model)))
    }

    fn repeats(&self) -> bool {
        !self.cargo.is_spent()
    }
}
