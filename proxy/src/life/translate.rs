//! Step four: the request as one candidate gets it, and the form of the answer that
//! the caller wants.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};
use store::config::QueuePriority;
use wire::dialect::openai::StreamEditor;
use wire::dialect::runpod::{Policy, Worker};
use wire::edit::Segments;
use wire::outbound::{Candidate, Completed, Failed, Inbound, LocalModel, Outbound, Unsaid};
use wire::provider::{Call, Format, ProviderKind};

use super::accept::Accepted;
use super::relay::{self, Lane};
use super::send::{Errand, Outgoing};
use crate::fault::Fault;
use crate::live::Target;
use crate::thoughts::Thread;

/// A request ready to be sent, as often as needed.
#[derive(Debug)]
pub(super) struct Order {
    target: Arc<Target>,
    call: Call,
    id: HeaderValue,
    /// Headers that only this call has.
    own: Vec<(HeaderName, HeaderValue)>,
    format: Format,
    thread: Option<Thread>,
    outbound: Outbound,
}

/// What the caller is to receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyForm {
    /// A stream, whatever the upstream sends.
    pub(super) stream: bool,
    /// Usage in the stream.
    pub(super) usage: bool,
}

impl ReplyForm {
    /// What the caller of `target` is to receive.
    pub(super) fn of(target: &Target, call: Call, accepted: &Accepted) -> Self {
        let request = &accepted.request;
        let streams = request.stream && call != Call::Embeddings;
        Self {
            stream: streams && !target.model.force_non_streaming,
            usage: request.wants_usage,
        }
    }
}

/// An order with one of its bodies.
pub(super) struct Parcel<'o> {
    pub(super) order: &'o Order,
    pub(super) body: &'o Segments,
}

impl Outgoing for Parcel<'_> {
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let order = self.order;
        let road = order.target.road(order.call).ok_or_else(|| {
            Error::explain(
                ErrorType::InternalError,
                "a candidate that does not serve the call",
            )
        })?;
        // What the call itself says replaces what stands for all calls.
        let whole = tls || !order.own.is_empty();
        let (mut header, lines) = road.head.for_body(whole, self.body.len(), &order.id)?;
        for (name, value) in &order.own {
            header.insert_header(name.clone(), value.clone())?;
        }
        Ok((header, lines))
    }

    fn body(&self) -> &Segments {
        self.body
    }
}

/// Puts the request into the form that `target` takes. `local` is what is known of a
/// model on an Ollama server.
///
/// # Errors
/// When the endpoint's dialect cannot say it.
pub(super) fn translate(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    local: LocalModel,
) -> Result<Order, Fault> {
    let Some(road) = target.road(errand.call) else {
        return Err(Fault::internal("a candidate that does not serve the call"));
    };
    let model = &target.model;
    let inbound = Inbound {
        call: errand.call,
        body: &errand.accepted.body,
        request: &errand.accepted.request,
    };
    let thoughts = &errand.gateway.thoughts;
    let thread = thread(errand, target, road.way.format);
    let recall = |id: &str| thoughts.recall(thread?, id);
    let outbound = wire::outbound::write(
        &inbound,
        &Candidate {
            provider: target.upstream.provider,
            way: &road.way,
            model: &model.actual_model,
            model_json: &target.actual,
            defaults: &target.defaults,
            whole: model.disable_streaming || !errand.form.stream,
            auto_cache: model.auto_cache,
            inline_system: model.inline_system,
            recall: &recall,
            keep_alive: model.keep_alive.as_deref(),
            local: LocalModel {
                ceiling: model.num_ctx,
                ..local
            },
            worker: Worker::from_id(&target.upstream.endpoint.worker_form).unwrap_or_default(),
            policy: Some(policy(errand.gateway.timeouts.silence)),
        },
    )
    .map_err(|unsaid| match unsaid {
        Unsaid::Bad(bad) => Fault::from(bad),
        Unsaid::Refused(refusal) => Fault::from(refusal),
    })?;
    let id = HeaderValue::from_str(errand.id)
        .map_err(|err| Fault::internal(format!("the request id is no header value: {err}")))?;
    for note in &outbound.notes {
        tracing::debug!(request_id = errand.id, field = %note.field, change = ?note.change, "{}", note.why);
    }
    Ok(Order {
        target: Arc::clone(target),
        call: errand.call,
        id,
        own: own_headers(errand, target)?,
        format: road.way.format,
        thread,
        outbound,
    })
}

/// The conversation whose signed reasoning is kept; only Anthropic signs.
fn thread(errand: &Errand<'_>, target: &Target, format: Format) -> Option<Thread> {
    let endpoint = target.upstream.endpoint.id;
    let model = &target.model.actual_model;
    let of = || Thread::of(endpoint, model, &errand.accepted.body);
    (format == Format::Anthropic).then(of)
}

/// A job is not to outlive the call that it was made for by much.
fn policy(time: Duration) -> Policy {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4);
    Policy {
        execution_timeout: millis.clamp(5_000, 7 * 24 * 3_600_000),
        ttl: millis.saturating_mul(2).clamp(10_000, 7 * 24 * 3_600_000),
    }
}

/// What the caller itself tells a queue: its urgency and who it is.
///
/// # Errors
/// When the urgency is none of the queue's.
fn own_headers(
    errand: &Errand<'_>,
    target: &Target,
) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let mut own = Vec::new();
    if target.upstream.endpoint.provider != ProviderKind::Queue {
        return Ok(own);
    }
    let said = &errand.accepted.said;
    if let Some(asked) = &said.priority {
        let known = asked.to_str().ok().and_then(QueuePriority::from_id);
        let Some(known) = known else {
            let mut fault = Fault::caller(
                400,
                "invalid_value",
                "The header 'x-priority' must be HIGH, NORMAL or LOW.",
            );
            fault.body.param = Some(PRIORITY.to_owned());
            return Err(fault);
        };
        let value = HeaderValue::from_static(known.as_str());
        own.push((HeaderName::from_static(PRIORITY), value));
    }
    let user = said.user.clone().or_else(|| {
        let user = wire::dialect::openai::user(&errand.accepted.body)?;
        HeaderValue::from_str(&user).ok()
    });
    if let Some(user) = user {
        own.push((HeaderName::from_static(USER), user));
    }
    Ok(own)
}

const PRIORITY: &str = "x-priority";
const USER: &str = "x-user-id";

impl Order {
    /// The request in its upstream's terms.
    pub(super) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// The conversation whose signed reasoning is kept.
    pub(super) fn thread(&self) -> Option<Thread> {
        self.thread
    }

    /// Whether it is a job that is submitted and followed.
    pub(super) fn is_job(&self) -> bool {
        self.format == Format::RunpodJob
    }

    /// The id that the upstream gets.
    pub(super) fn id(&self) -> HeaderValue {
        self.id.clone()
    }

    /// The way of a streamed answer.
    pub(super) fn lane(&self, errand: &Errand<'_>) -> Lane {
        let names = self.outbound.names.clone();
        match self.outbound.answer.translation(errand.writer(), names) {
            Some(translation) => Lane::Translated(Box::new(translation)),
            None => {
                let name = errand.target.name.clone();
                Lane::Edited(StreamEditor::new(name, !errand.form.usage))
            }
        }
    }

    /// The caller's answer that whole `replies` make, each with whether it came as a
    /// stream; `None` when the one reply is in the caller's dialect already.
    ///
    /// # Errors
    /// When a reply is none, or carries an error.
    pub(super) fn completed(
        &self,
        errand: &Errand<'_>,
        replies: &[(Bytes, bool)],
    ) -> Result<Option<Completed>, Fault> {
        let outbound = &self.outbound;
        let completed = outbound
            .answer
            .completed(replies, &errand.writer(), &outbound.names);
        completed.map_err(|failed| match failed {
            Failed::Reply(fault) => relay::reply_fault(&fault, &self.target),
            Failed::Stream(fault) => relay::stream_fault(&fault, &self.target),
        })
    }
}
