//! What the gateway must know of a model on an Ollama server before it asks it: its
//! longest context, what it is loaded with, what it can do.
//!
//! Asked of the server itself and remembered with the model's standing. A server that
//! does not tell is called all the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use pingora::http::{RequestHeader, ResponseHeader};
use wire::dialect::ollama::{read_ps, read_show, same_model};
use wire::edit::Segments;
use wire::outbound::{Context, LocalModel, Room};
use wire::provider::{Format, UpstreamUrl};

use super::Errand;
use super::attempt::read_whole;
use super::exchange::{Outgoing, exchange};
use crate::fault::Fault;
use crate::live::{Head, Target};

/// How long the answer about a model holds.
const SHOW: Duration = Duration::from_secs(600);
/// How long the answer about what is loaded holds.
const PS: Duration = Duration::from_secs(5);
/// How long the questions may take.
const ASK: Duration = Duration::from_secs(5);

/// What is known of the candidate's model; of other servers than Ollama's only what their
/// refusals have told.
pub(super) async fn known(errand: &Errand<'_>, target: &Arc<Target>) -> LocalModel {
    let format = errand.road(target).map(|road| road.way.format);
    let is_local = match format {
        Some(Format::OllamaChat | Format::OllamaGenerate | Format::OllamaEmbed) => true,
        Some(Format::OpenAi | Format::Anthropic | Format::RunpodJob | Format::Responses) | None => {
            false
        }
    };
    let memory = &target.standing.local;
    if !is_local {
        return memory.told();
    }
    let is_due = |now| memory.show_due(now, SHOW) || memory.ps_due(now, PS);
    if is_due(Instant::now()) {
        let _turn = memory.turn().await;
        let now = Instant::now();
        if memory.show_due(now, SHOW) {
            let body = format!(r#"{{"model":{}}}"#, text(&target.actual));
            let answer = ask(errand, target, "POST", "/show", body.into()).await;
            memory.learn_show(now, SHOW, answer.as_deref().map(read_show));
        }
        if memory.ps_due(now, PS) {
            let answer = ask(errand, target, "GET", "/ps", Bytes::new()).await;
            let loaded = answer.as_deref().map(|body| {
                let all = read_ps(body);
                let of_model = |name: &str| same_model(name, &target.model.actual_model);
                let found = all.into_iter().find(|one| of_model(&one.name));
                found.and_then(|one| one.context_length)
            });
            memory.learn_ps(now, PS, loaded, target.standing.is_busy());
        }
    }
    memory.known()
}

/// What is known once a server has refused an answer, or a prompt with its answer, as too
/// long; `None` for other refusals, and where no shorter answer would do.
pub(super) fn learn_room(target: &Target, refused: &Fault) -> Option<LocalModel> {
    if !refused.answered || !(400..500).contains(&refused.status) {
        return None;
    }
    let room = Room::read(&refused.body.message);
    if !room.has_some() {
        return None;
    }
    let memory = &target.standing.local;
    memory.learn_room(Instant::now(), room);
    Some(LocalModel {
        counted: room.prompt,
        ..memory.known()
    })
}

/// The model answers with `context`: it is loaded so.
pub(super) fn loaded(target: &Target, context: Context) {
    target.standing.local.loaded(context.num_ctx);
}

fn text(json: &Bytes) -> &str {
    std::str::from_utf8(json).unwrap_or("\"\"")
}

async fn ask(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    method: &str,
    path: &str,
    body: Bytes,
) -> Option<Bytes> {
    let road = errand.road(target)?;
    let url = road.way.url.sibling(path);
    let question = Question::new(errand, target, method, &url, body)?;
    let pool = &errand.gateway.pool;
    let asked = async {
        let mut sent = exchange(pool, target, &question).await.ok()?;
        let is_answer = sent.status() == 200;
        let answer = read_whole(&mut sent, target).await.ok()?;
        sent.release(pool).await;
        is_answer.then_some(answer)
    };
    Box::pin(pingora::time::timeout(ASK, asked)).await.ok()?
}

struct Question {
    head: Head,
    id: HeaderValue,
    body: Segments,
}

impl Question {
    fn new(
        errand: &Errand<'_>,
        target: &Target,
        method: &str,
        url: &UpstreamUrl,
        body: Bytes,
    ) -> Option<Self> {
        Some(Self {
            head: target.head(method, url).ok()?,
            id: HeaderValue::from_str(errand.id).ok()?,
            body: if body.is_empty() {
                Segments::default()
            } else {
                body.into()
            },
        })
    }
}

impl Outgoing for Question {
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        self.head.for_body(tls, self.body.len(), &self.id)
    }

    fn body(&self) -> &Segments {
        &self.body
    }
}

/// Name of the header that warns of a prompt that does not fit.
const WARNING: &str = "x-gateway-warning";

/// Tells of a prompt that cannot fit, before its answer.
pub(in super::super) fn warn_before(
    header: &mut ResponseHeader,
    target: &Target,
    id: &str,
    context: Context,
) {
    if context.will_cut() {
        warn(Some(header), target, id, context, None);
    }
}

/// Tells of a prompt that the server has cut, as what it has `counted` shows.
pub(in super::super) fn warn_after(
    header: Option<&mut ResponseHeader>,
    target: &Target,
    id: &str,
    context: Context,
    counted: u64,
) {
    warn(header, target, id, context, Some(counted));
}

fn warn(
    header: Option<&mut ResponseHeader>,
    target: &Target,
    id: &str,
    context: Context,
    counted: Option<u64>,
) {
    tracing::warn!(
        request_id = id,
        endpoint = %target.upstream.endpoint.name,
        model = %target.model.actual_model,
        num_ctx = context.num_ctx,
        estimated_prompt_tokens = context.prompt_tokens,
        counted_prompt_tokens = counted,
        "the prompt does not fit the model's context and is cut by the server; raise the virtual model's num_ctx or choose a model with a longer context"
    );
    if let Some(header) = header {
        let text = format!(
            "prompt_cut; num_ctx={}; estimated_prompt_tokens={}",
            context.num_ctx, context.prompt_tokens
        );
        // Plain text and digits: it is a header value.
        let _ = header.insert_header(WARNING, text);
    }
}
