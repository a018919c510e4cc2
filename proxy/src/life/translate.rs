//! Step four: the request as one candidate gets it, and the form of the answer that
//! the caller wants.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};
use wire::dialect::openai::StreamEditor;
use wire::edit::Segments;
use wire::hub::ToolNames;
use wire::outbound::{AnswerForm, Candidate, Inbound, Unsaid};
use wire::provider::Call;

use super::accept::Accepted;
use super::relay::Lane;
use super::send::{Errand, Outgoing, Whole};
use crate::fault::Fault;
use crate::live::{REQUEST_ID, Target};

/// A request ready to be sent, as often as needed.
#[derive(Debug)]
pub(super) struct Order {
    target: Arc<Target>,
    call: Call,
    id: HeaderValue,
    /// Headers that only this call has.
    own: Vec<(HeaderName, HeaderValue)>,
    /// One, or one for each prompt.
    pub(super) bodies: Vec<Segments>,
    pub(super) answer: AnswerForm,
    pub(super) names: ToolNames,
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
        let lean = !tls && order.own.is_empty();
        let (template, lines) = if lean {
            (&road.head.lean, road.head.lines.clone())
        } else {
            (&road.head.full, Bytes::new())
        };
        let mut header = Box::new(template.clone());
        header.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        header.insert_header(REQUEST_ID, order.id.clone())?;
        for (name, value) in &order.own {
            header.insert_header(name.clone(), value.clone())?;
        }
        Ok((header, lines))
    }

    fn body(&self) -> &Segments {
        self.body
    }
}

/// Puts the request into the form that `target` takes.
///
/// # Errors
/// When the endpoint's dialect cannot say it.
pub(super) fn translate(errand: &Errand<'_>, target: &Arc<Target>) -> Result<Order, Fault> {
    let Some(road) = target.road(errand.call) else {
        return Err(Fault::internal("a candidate that does not serve the call"));
    };
    let model = &target.model;
    let inbound = Inbound {
        call: errand.call,
        body: &errand.accepted.body,
        request: &errand.accepted.request,
    };
    let outbound = wire::outbound::write(
        &inbound,
        &Candidate {
            provider: target.upstream.provider,
            way: &road.way,
            model: &model.actual_model,
            model_json: &target.actual,
            defaults: &target.defaults,
            whole: model.disable_streaming || !errand.form.stream,
        },
    )
    .map_err(|unsaid| match unsaid {
        Unsaid::Bad(bad) => Fault::from(bad),
        Unsaid::Refused(refusal) => Fault::from(refusal),
    })?;
    let id = HeaderValue::from_str(errand.id)
        .map_err(|err| Fault::internal(format!("the request id is no header value: {err}")))?;
    Ok(Order {
        target: Arc::clone(target),
        call: errand.call,
        id,
        own: Vec::new(),
        bodies: outbound.bodies,
        answer: outbound.answer,
        names: outbound.names,
    })
}

impl Order {
    /// The way of a streamed answer.
    pub(super) fn lane(&self, errand: &Errand<'_>) -> Lane {
        match self.answer {
            AnswerForm::Edited => {
                let name = errand.target.name.clone();
                Lane::Edited(StreamEditor::new(name, !errand.form.usage))
            }
        }
    }

    /// A whole answer in the caller's dialect; `None` when it is in that already.
    pub(super) fn translated(
        &self,
        _errand: &Errand<'_>,
        _target: &Target,
        _body: &Bytes,
        _is_stream: bool,
    ) -> Result<Option<Whole>, Fault> {
        match self.answer {
            AnswerForm::Edited => Ok(None),
        }
    }
}
