//! Step three: the request as its upstream gets it, and the form of the answer
//! that the caller wants.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType};
use store::route::not_served;
use wire::dialect::openai::{self, StreamOptions};
use wire::edit::Segments;
use wire::provider::Call;

use super::accept::Accepted;
use crate::fault::Fault;
use crate::live::{REQUEST_ID, Target};

/// A request ready to be sent, as often as needed.
#[derive(Debug)]
pub(super) struct Order {
    target: Arc<Target>,
    call: Call,
    id: HeaderValue,
    pub(super) body: Segments,
    reply: ReplyForm,
}

/// What the caller is to receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyForm {
    /// A stream, whatever the upstream sends.
    pub(super) stream: bool,
    /// Usage in the stream.
    pub(super) usage: bool,
}

impl Order {
    /// The request header, made anew for each attempt, and the headers in wire form
    /// that come on top of it: over TLS none.
    ///
    /// # Errors
    /// When a value cannot stand in a header.
    pub(super) fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let head = self.target.head(self.call).ok_or_else(|| {
            Error::explain(
                ErrorType::InternalError,
                "a call that the provider does not serve",
            )
        })?;
        let (template, lines) = if tls {
            (&head.full, Bytes::new())
        } else {
            (&head.lean, head.lines.clone())
        };
        let mut header = Box::new(template.clone());
        header.insert_header(header::CONTENT_LENGTH, self.body.len())?;
        header.insert_header(REQUEST_ID, self.id.clone())?;
        Ok((header, lines))
    }

    pub(super) fn reply(&self) -> ReplyForm {
        self.reply
    }
}

/// Puts the request into the form that `target` takes.
///
/// # Errors
/// When the endpoint's provider type does not serve `call`.
pub(super) fn translate(
    target: &Arc<Target>,
    call: Call,
    accepted: Accepted,
    id: &str,
) -> Result<Order, Fault> {
    let endpoint = &target.upstream.endpoint;
    if target.head(call).is_none() {
        return Err(Fault::refused(
            400,
            "call_not_served",
            not_served(endpoint, call),
        ));
    }
    let request = accepted.request;
    let model = &target.model;
    let streams = request.stream && call != Call::Embeddings;
    let provider = target.upstream.provider;
    let upstream_streams =
        streams && provider.streams && !model.disable_streaming && !model.force_non_streaming;
    let stream_options = match (upstream_streams, streams) {
        (true, _) if provider.takes_stream_options => StreamOptions::AskUsage,
        (false, true) => StreamOptions::Remove,
        (true, _) | (false, false) => StreamOptions::Keep,
    };
    let body = request.upstream_body(
        &accepted.body,
        &openai::Target {
            model: &target.actual,
            stream: streams.then_some(upstream_streams),
            stream_options,
            defaults: &target.defaults,
            only_max_tokens: provider.only_max_tokens,
            float_embeddings_only: provider.float_embeddings_only,
        },
    );
    let id = HeaderValue::from_str(id)
        .map_err(|err| Fault::internal(format!("the request id is no header value: {err}")))?;
    Ok(Order {
        target: Arc::clone(target),
        call,
        id,
        body,
        reply: ReplyForm {
            stream: streams && !model.force_non_streaming,
            usage: request.wants_usage,
        },
    })
}
