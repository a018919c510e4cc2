//! Step five: the request as one candidate gets it, and the form of the answer that
//! the caller wants.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};
use store::route::{self, Known, Said};
use wire::dialect::openai::{NativeCalls, StreamEditor};
use wire::dialect::{anthropic, responses};
use wire::edit::Segments;
use wire::hub::{Note, Origin};
use wire::inbound::{CallerDialect, Recipient};
use wire::normaliser::{Manner, Shown};
use wire::outbound::{AnswerForm, Completed, Dialect, Failed, LocalModel, Outbound};
use wire::provider::{Call, Format};

use super::accept::BETA;
use super::relay::{self, Lane, Timed};
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
    /// Who signs the answer's reasoning.
    origin: Origin,
    thread: Option<Thread>,
    outbound: Outbound,
}

/// An order with one of its bodies.
pub(super) struct Parcel<'o> {
    pub(super) order: &'o Order,
    pub(super) body: &'o Segments,
}

impl Outgoing for Parcel<'_> {
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let order = self.order;
        let road = match order.format {
            Format::Responses => order.target.responses(),
            Format::OpenAi
            | Format::Anthropic
            | Format::OllamaChat
            | Format::OllamaGenerate
            | Format::OllamaEmbed
            | Format::RunpodJob => order.target.road(order.call),
        };
        let road = road.ok_or_else(|| {
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
    let Some(road) = errand.road(target) else {
        return Err(Fault::internal("a candidate that does not serve the call"));
    };
    let inbound = &errand.accepted.inbound;
    let thoughts = &errand.gateway.thoughts;
    let destination = target.destination(road);
    let origin = destination.origin();
    let thread = thread(errand, origin, road.way.format);
    let own_time = target.upstream.endpoint.times.whole;
    let known = Known {
        local,
        recall: &|id| thoughts.recall(thread?, id),
        is_foreign: &|proof| thoughts.is_foreign(target.maker(), proof),
        samples: errand.accepted.said.has_sampling(),
        timeout: own_time.unwrap_or(errand.gateway.timeouts.silence),
    };
    let mut outbound = destination.outbound(inbound, errand.form, &known)?;
    let own = own_headers(errand, target, &mut outbound)?;
    let id = HeaderValue::from_str(errand.id)
        .map_err(|err| Fault::internal(format!("the request id is no header value: {err}")))?;
    for note in &outbound.notes {
        tracing::debug!(request_id = errand.id, field = %note.field, change = ?note.change, "{}", note.why);
    }
    Ok(Order {
        target: Arc::clone(target),
        call: errand.call(),
        id,
        own,
        format: road.way.format,
        origin,
        thread,
        outbound,
    })
}

/// The conversation whose signed reasoning is kept; only Anthropic signs.
fn thread(errand: &Errand<'_>, origin: Origin, format: Format) -> Option<Thread> {
    let of = || Thread::of(origin, &errand.accepted.inbound.body);
    (format == Format::Anthropic).then(of)
}

/// The headers of this call that replace what stands for all calls. What of them is kept
/// back is noted in `outbound`.
///
/// # Errors
/// When the caller's are refused.
fn own_headers(
    errand: &Errand<'_>,
    target: &Target,
    outbound: &mut Outbound,
) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let accepted = errand.accepted;
    let said = Said {
        priority: accepted.said.priority.as_ref().map(HeaderValue::as_bytes),
        user: accepted.said.user.as_ref().map(HeaderValue::as_bytes),
    };
    let own = route::own_headers(&target.upstream.endpoint, &said, &accepted.inbound.body)?;
    let checked = own.into_iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(&value)
            .map_err(|err| Fault::internal(format!("the header {name}: {err}")))?;
        Ok((HeaderName::from_static(name), value))
    });
    let mut headers = checked.collect::<Result<Vec<_>, Fault>>()?;
    headers.extend(errand.trace.iter().flat_map(|trace| trace.headers()));
    let is_same = outbound.answer == AnswerForm::Edited;
    if is_same && accepted.inbound.dialect == CallerDialect::AnthropicMessages {
        let denied = &target.upstream.endpoint.denied_betas;
        let (said, is_kept_back) = accepted.said.to_anthropic(target.betas(), denied);
        if is_kept_back {
            let why = "the endpoint is not told of every beta";
            outbound.notes.push(Note::adapted(BETA, why));
        }
        headers.extend(
            said.into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), value)),
        );
    }
    Ok(headers)
}

/// What of the caller's request its upstream got otherwise or not at all.
const CHANGED: &str = "x-gateway-changed";

/// Longest list of it, in bytes.
const LONGEST: usize = 1024;

/// What mends the tool calls of an answer that is edited.
pub(super) fn native_calls(errand: &Errand<'_>, manner: &Manner) -> Option<NativeCalls> {
    let tools = Arc::clone(manner.native.as_ref()?);
    let aliases = Arc::clone(&manner.rules.aliases);
    Some(NativeCalls::new(tools, aliases, errand.writer().id))
}

impl Order {
    /// The request in its upstream's terms.
    pub(super) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Names the fields of the request that the upstream got otherwise or not at all.
    ///
    /// # Errors
    /// Never: what cannot stand in a header is left out.
    pub(super) fn tell_changed(&self, header: &mut ResponseHeader) -> Result<(), Fault> {
        let mut list = String::new();
        for note in &self.outbound.notes {
            let field = note.field.as_str();
            let is_plain = field.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
            let is_new = list.split(", ").all(|known| known != field);
            if is_plain && is_new && list.len() + field.len() < LONGEST {
                if !list.is_empty() {
                    list.push_str(", ");
                }
                list.push_str(field);
            }
        }
        if list.is_empty() {
            return Ok(());
        }
        let told = header.insert_header(CHANGED, list);
        told.map_err(|err| Fault::internal(format!("the response header: {err}")))
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
        let manner = errand.manner();
        let edited = || match errand.dialect() {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_) => openai_editor(errand),
            CallerDialect::AnthropicMessages => {
                let editor = anthropic::StreamEditor::new(errand.target.name.clone());
                Lane::Messages(Box::new(editor))
            }
            CallerDialect::OpenAiResponses => {
                let watcher = responses::Watcher::default();
                let namespaces = self.recipient(errand).namespaces();
                let watcher = match &manner {
                    Some(manner) => watcher.normalising(manner, &self.outbound.names, &namespaces),
                    None => watcher,
                };
                Lane::Responses(Box::new(watcher))
            }
            // Nothing is ever edited for a caller of Ollama's.
            CallerDialect::Ollama(_) => openai_editor(errand),
        };
        let answer = self.answer(errand, manner.as_ref());
        if answer == AnswerForm::Edited {
            return edited();
        }
        let names = self.outbound.names.clone();
        let translation = answer.translation(&self.recipient(errand), names, manner.as_ref());
        translation.map_or_else(edited, |translation| {
            Lane::Translated(Box::new(Timed::new(translation, errand.started)))
        })
    }

    /// How the answer becomes the caller's.
    fn answer(&self, errand: &Errand<'_>, manner: Option<&Manner>) -> AnswerForm {
        let answer = self.outbound.answer.clone();
        match errand.dialect() {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_) => answer,
            // Passed on as it is, unless something is to be made of its text.
            CallerDialect::AnthropicMessages
                if answer == AnswerForm::Edited && manner.is_some_and(|m| self.is_made_over(m)) =>
            {
                AnswerForm::Chat(Dialect::Anthropic)
            }
            CallerDialect::AnthropicMessages
            | CallerDialect::OpenAiResponses
            | CallerDialect::Ollama(_) => answer,
        }
    }

    /// Whether an answer in Anthropic's form is written anew for the sake of `manner`. Its
    /// own vendor's models write no calls as text, and what those servers say besides has
    /// no place in the hub.
    fn is_made_over(&self, manner: &Manner) -> bool {
        let is_vendors = self.target.upstream.base.host() == "api.anthropic.com";
        let looks_for = !manner.rules.tools.is_empty() || manner.native.is_some();
        manner.shown != Shown::Apart || (looks_for && !is_vendors)
    }

    /// Whom the answer is written for, and who signs its reasoning.
    fn recipient(&self, errand: &Errand<'_>) -> Recipient {
        let mut recipient = errand.recipient();
        recipient.options.origin = Some(self.origin);
        recipient.stops.clone_from(&self.outbound.stops);
        recipient
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
        let manner = errand.manner();
        let answer = self.answer(errand, manner.as_ref());
        let completed = match (&answer, errand.dialect(), replies) {
            (AnswerForm::Edited, CallerDialect::AnthropicMessages, [(body, is_stream)]) => {
                Completed::messages(body, *is_stream, &self.recipient(errand)).map(Some)
            }
            (AnswerForm::Edited, CallerDialect::OpenAiResponses, [(body, is_stream)]) => {
                let recipient = self.recipient(errand);
                let names = &self.outbound.names;
                Completed::response(body, *is_stream, &recipient, names, manner.as_ref()).map(Some)
            }
            (AnswerForm::Edited, _, _) => return Ok(None),
            _ => answer.completed(
                replies,
                &self.recipient(errand),
                &self.outbound.names,
                manner.as_ref(),
            ),
        };
        completed.map_err(|failed| match failed {
            Failed::Reply(fault) => relay::reply_fault(&fault, &self.target),
            Failed::Stream(fault) => relay::stream_fault(&fault, &self.target),
        })
    }
}

/// Between two that speak OpenAI's dialects.
fn openai_editor(errand: &Errand<'_>) -> Lane {
    let name = errand.target.name.clone();
    let editor = StreamEditor::new(name, !errand.form.usage);
    let Some(manner) = errand.manner() else {
        return Lane::Edited(editor);
    };
    let editor = match native_calls(errand, &manner) {
        Some(native) => editor.with_native(native),
        None => editor,
    };
    Lane::Edited(editor.normalising(&manner, errand.writer()))
}
