//! How many tokens a request would take, which callers of Messages and of Responses ask
//! beforehand.
//!
//! An upstream of the caller's dialect is asked itself; it counts for nothing and bills
//! nothing. Elsewhere, and where that one cannot tell, the number is an estimate and marked
//! as one. It is no call of a model: no limit counts it and it leaves no row.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use wire::dialect::anthropic::{SameTarget, edit_request, estimate_request};
use wire::dialect::openai::Defaults;
use wire::dialect::responses;
use wire::edit::Segments;
use wire::inbound::{CallerDialect, Inbound};
use wire::provider::Format;

use super::send::{Outgoing, exchange, read_whole};
use super::{Told, accept, authenticate, plan, reply, resolve};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::{Head, Live, Target};

/// Says that a number is an estimate.
const ESTIMATED: &str = "x-estimated";

/// How long the upstream may take to count.
const ASK: Duration = Duration::from_secs(10);

/// A request's tokens.
pub(crate) struct Counted {
    pub(crate) tokens: u64,
    is_estimate: bool,
}

impl Counted {
    /// Says in `header` when the number is an estimate.
    ///
    /// # Errors
    /// Never: the value is one.
    pub(crate) fn mark(&self, header: &mut ResponseHeader) -> pingora::Result<()> {
        if self.is_estimate {
            header.insert_header(ESTIMATED, "true")?;
        }
        Ok(())
    }
}

/// Answers a request to count.
///
/// # Errors
/// When the caller is gone.
pub(crate) async fn count(
    gateway: &Gateway,
    caller: &mut ServerSession,
    id: &str,
) -> pingora::Result<()> {
    let dialect = CallerDialect::AnthropicMessages;
    match Box::pin(counted(gateway, caller, id)).await {
        Ok(counted) => {
            let mut header = reply::header(dialect, 200, id)?;
            counted.mark(&mut header)?;
            let body = serde_json::json!({ "input_tokens": counted.tokens }).to_string();
            reply::send_json(caller, header, body.into()).await
        }
        Err(fault) if fault.hung_up => Ok(()),
        Err(fault) => reply::refuse(caller, dialect, &fault, id, 0, &Told::default()).await,
    }
}

async fn counted(
    gateway: &Gateway,
    caller: &mut ServerSession,
    id: &str,
) -> Result<Counted, Fault> {
    let live = gateway.current.live();
    let who = authenticate::authenticate(&live, caller)?;
    let dialect = CallerDialect::AnthropicMessages;
    let owner = who.key.as_ref().map(|key| key.id);
    let kept = accept::Kept { gateway, owner };
    let accepted = accept::accept(caller, dialect, &kept).await?;
    let target = resolve::resolve(&live, &accepted)?;
    who.require_allowed(&target.model.name)?;
    let call = dialect.call();
    let candidates = plan::plan(gateway, &live, &target, call, &accepted, id)?;
    let inbound = &accepted.inbound;
    if let Some(first) = candidates.targets.first()
        && let Some(tokens) = ask(gateway, first, inbound, &accepted.said, id).await
    {
        return Ok(Counted {
            tokens,
            is_estimate: false,
        });
    }
    Ok(Counted {
        tokens: match &inbound.own {
            Some(own) => estimate_request(&own.chat),
            None => accepted.prompt_tokens,
        },
        is_estimate: true,
    })
}

/// The upstream's own number; `None` when it is of another dialect, or cannot tell.
async fn ask(
    gateway: &Gateway,
    target: &Arc<Target>,
    inbound: &Inbound,
    said: &accept::Said,
    id: &str,
) -> Option<u64> {
    let road = target.road(inbound.call)?;
    if road.way.format != Format::Anthropic {
        return None;
    }
    let provider = target.upstream.endpoint.provider.provider();
    let url = provider.beside(&target.upstream.base, "/messages/count_tokens");
    let (body, _) = edit_request(
        inbound.raw()?,
        &SameTarget {
            model: &target.model.actual_model,
            model_json: &target.actual,
            stream: None,
            defaults: &target.defaults,
            default_max_tokens: None,
            auto_cache: false,
            recall: &|_| None,
            is_foreign: &|proof| gateway.thoughts.is_foreign(target.maker(), proof),
            samples: true,
            most: None,
        },
    );
    let question = Question {
        head: target.head("POST", &url).ok()?,
        id: HeaderValue::from_str(id).ok()?,
        own: said
            .to_anthropic(target.betas(), &target.upstream.endpoint.denied_betas)
            .0,
        body,
    };
    number(gateway, target, &question).await
}

/// The number that an upstream answers `question` with.
async fn number(gateway: &Gateway, target: &Target, question: &Question) -> Option<u64> {
    let pool = &gateway.pool;
    let asked = async {
        let mut sent = exchange(pool, target, question).await.ok()?;
        let is_answer = sent.status() == 200;
        let answer = read_whole(&mut sent, target).await.ok()?;
        sent.release(pool).await;
        is_answer.then_some(answer)
    };
    let answer = Box::pin(pingora::time::timeout(ASK, asked)).await.ok()??;
    let answer: serde_json::Value = serde_json::from_slice(&answer).ok()?;
    answer.get("input_tokens")?.as_u64()
}

/// The tokens of a request of Responses, for a caller who may make it.
///
/// # Errors
/// When it is no such request, or names a model that the caller may not call.
pub(crate) async fn count_input(
    gateway: &Gateway,
    live: &Live,
    who: &authenticate::Caller,
    caller: &mut ServerSession,
    id: &str,
) -> Result<Counted, Fault> {
    let dialect = CallerDialect::OpenAiResponses;
    let owner = who.key.as_ref().map(|key| key.id);
    let kept = accept::Kept { gateway, owner };
    let accepted = accept::accept(caller, dialect, &kept).await?;
    let target = resolve::resolve(live, &accepted)?;
    who.require_allowed(&target.model.name)?;
    let call = dialect.call();
    let candidates = plan::plan(gateway, live, &target, call, &accepted, id)?;
    let first = candidates.targets.first();
    let told = match first.filter(|_| target.model.shows_reasoning_apart()) {
        Some(first) => ask_input(gateway, first, &accepted.inbound, id).await,
        None => None,
    };
    Ok(Counted {
        tokens: told.unwrap_or(accepted.prompt_tokens),
        is_estimate: told.is_none(),
    })
}

/// The upstream's own number; `None` when it has no Responses, or cannot tell.
async fn ask_input(
    gateway: &Gateway,
    target: &Arc<Target>,
    inbound: &Inbound,
    id: &str,
) -> Option<u64> {
    target.responses()?;
    let provider = target.upstream.endpoint.provider.provider();
    let url = provider.beside(&target.upstream.base, "/responses/input_tokens");
    let body = inbound.raw()?;
    let request = responses::Request::read(body).ok()?;
    // What shapes an answer is nothing to count.
    let defaults = Defaults {
        system_prompt: target.defaults.system_prompt.clone(),
        ..Defaults::default()
    };
    let (body, _) = request.edited(
        body,
        &responses::Target {
            model: &target.actual,
            stream: None,
            defaults: &defaults,
            is_foreign: &|proof| gateway.thoughts.is_foreign(target.maker(), proof),
        },
    );
    let question = Question {
        head: target.head("POST", &url).ok()?,
        id: HeaderValue::from_str(id).ok()?,
        own: Vec::new(),
        body,
    };
    number(gateway, target, &question).await
}

struct Question {
    head: Head,
    id: HeaderValue,
    own: Vec<(&'static str, HeaderValue)>,
    body: Segments,
}

impl Outgoing for Question {
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let whole = tls || !self.own.is_empty();
        let (mut header, lines) = self.head.for_body(whole, self.body.len(), &self.id)?;
        for (name, value) in &self.own {
            header.insert_header(*name, value.clone())?;
        }
        Ok((header, lines))
    }

    fn body(&self) -> &Segments {
        &self.body
    }
}
