//! Step three: the request as its upstream gets it, and the form of the answer
//! that the caller wants.

use http::header;
use pingora::http::RequestHeader;
use store::route::not_served;
use wire::dialect::openai::{self, StreamOptions};
use wire::edit::Segments;
use wire::provider::Call;

use super::accept::Accepted;
use crate::fault::Fault;
use crate::live::Target;

/// A request ready to be sent, as often as needed.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) header: RequestHeader,
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
    pub(super) fn reply(&self) -> ReplyForm {
        self.reply
    }
}

/// Puts the request into the form that `target` takes.
///
/// # Errors
/// When the endpoint's provider type does not serve `call`.
pub(super) fn translate(
    target: &Target,
    call: Call,
    accepted: Accepted,
    id: &str,
) -> Result<Order, Fault> {
    let endpoint = &target.upstream.endpoint;
    let template = target
        .header(call)
        .ok_or_else(|| Fault::refused(400, "call_not_served", not_served(endpoint, call)))?;
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
    let mut header = template.clone();
    let built = header
        .insert_header(header::CONTENT_LENGTH, body.len())
        .and_then(|()| header.insert_header("x-request-id", id));
    built.map_err(|err| Fault::internal(format!("the upstream request header: {err}")))?;
    Ok(Order {
        header,
        body,
        reply: ReplyForm {
            stream: streams && !model.force_non_streaming,
            usage: request.wants_usage,
        },
    })
}
