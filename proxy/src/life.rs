//! The life of a model call: one road, from the caller's first byte to the row in
//! the ledger.
//!
//! Each step has its own file and takes what the step before returned. Steps never
//! call each other. Whatever happens, a call is answered once, logged once and
//! accounted once.

mod accept;
mod account;
mod admit;
pub(crate) mod authenticate;
mod cargo;
mod count;
mod detached;
mod loading;
mod manner;
mod pass;
mod plan;
mod recall;
mod relay;
pub(crate) mod reply;
mod resolve;
mod send;
mod tend;
mod translate;

use std::sync::{Arc, OnceLock};

use pingora::protocols::http::ServerSession;
use pingora_proxy::Session;
use store::route::{Refused, ReplyForm};
use wire::inbound::{CallerDialect, Recipient};

use crate::fault::Fault;
use crate::gateway::{Gateway, stopped};
use crate::live::{Live, model_entry};
pub(crate) use accept::small as read_small;
use account::Account;
pub(crate) use admit::Told;
pub(crate) use count::{count, count_input};
use recall::{Question, Recalled};
use send::{Answer, Errand};
pub(crate) use tend::tend;

/// Takes one call down the road.
pub(crate) async fn run(
    gateway: &Arc<Gateway>,
    session: &mut Session,
    dialect: CallerDialect,
    id: String,
) {
    let mut account = Account::open(gateway.ledger.clone(), dialect, id);
    let caller = &mut *session.downstream_session;
    let arrived = caller.req_header();
    let user_agent = arrived.headers.get(http::header::USER_AGENT);
    account.arrived(
        arrived.uri.path(),
        user_agent.and_then(|name| name.to_str().ok()),
    );
    if let Some(trace) = gateway.ledger.trace(&arrived.headers) {
        account.traces(trace);
    }
    let beginning = async {
        if matches!(dialect, CallerDialect::OpenAiPassed(_)) {
            Box::pin(pass::begin(gateway, caller, dialect, &mut account)).await
        } else {
            begin(gateway, caller, dialect, &mut account).await
        }
    };
    let begun = tokio::select! {
        biased;
        begun = beginning => begun,
        () = gateway.closing.told() => Err(stopped()),
    };
    match begun {
        Ok(begun) if begun.takes_long() && !caller.is_http2() => {
            detached::spawn(gateway, session, begun, account);
        }
        Ok(begun) => {
            if end(gateway, caller, begun, account).await == Caller::Gone {
                detached::close(session);
            }
        }
        Err(fault) => {
            if close(gateway, caller, Err(fault), account).await == Caller::Gone {
                detached::close(session);
            }
        }
    }
}

/// What a call leaves behind of its caller's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// In order: the next call may come on it.
    There,
    /// Closed, or stuck in the middle of a reply: it must not be used again.
    Gone,
}

/// The first half: from the caller's first byte to the first meaningful one of an
/// answer.
async fn begin(
    gateway: &Gateway,
    caller: &mut ServerSession,
    dialect: CallerDialect,
    account: &mut Account,
) -> Result<Begun, Fault> {
    let live = gateway.current.live();
    let who = authenticate::authenticate(&live, caller)?;
    account.authenticated(&who);
    let owner = who.key.as_ref().map(|key| key.id);
    let kept = accept::Kept { gateway, owner };
    let accepted = accept::accept(caller, dialect, &kept).await?;
    account.accepted(&accepted);
    let target = resolve::resolve(&live, &accepted)?;
    account.resolved(&target);
    account.captures(
        &target,
        accepted.inbound.raw().unwrap_or(&accepted.inbound.body),
    );
    who.require_allowed(&target.model.name)?;
    let call = accepted.inbound.call;
    let form = ReplyForm::of(&target.model, &accepted.inbound);
    account.formed(form);
    let expected = admit::admit(&live, &who, &target, call, &accepted, account)?;
    let id = account.id().to_owned();
    let errand = Errand {
        gateway,
        accepted: &accepted,
        owner,
        cargo: None,
        form,
        target: &target,
        id: &id,
        started: account.started(),
        created: account.started_at(),
        expected,
        zone: &live.snapshot.zone,
        told: account.told.clone(),
        trace: account.trace(),
        repairs: &live.repairs,
        tools: OnceLock::new(),
    };
    if let Some(whole) = loading::answer(&errand)? {
        return Ok(Begun {
            recipient: errand.streamed_to(),
            answer: Answer::Whole(whole),
        });
    }
    let recalled = match Question::of(&errand, &live, &who) {
        Some(question) => Box::pin(recall::recall(&errand, question, caller, account)).await?,
        None => Recalled::Nothing(None),
    };
    let question = match recalled {
        Recalled::Answer(whole) => {
            let answer = Answer::Whole(whole);
            return Ok(Begun {
                recipient: errand.streamed_to(),
                answer,
            });
        }
        Recalled::Nothing(question) => question,
    };
    let candidates = plan::plan(gateway, &live, &target, call, &accepted, &id)?;
    let mut answer = Box::pin(send::send(&errand, caller, &candidates, account)).await?;
    if let Some(question) = question {
        question.answered(&errand, &mut answer)?;
    }
    Ok(Begun {
        recipient: errand.streamed_to(),
        answer,
    })
}

/// A call whose answer has begun. The request is no longer held.
struct Begun {
    /// Whom a whole answer is streamed to.
    recipient: Option<Recipient>,
    answer: Answer,
}

impl Begun {
    /// Whether the answer may take as long as a model thinks.
    fn takes_long(&self) -> bool {
        matches!(self.answer, Answer::Stream(_) | Answer::Passed(_))
    }
}

/// The second half: the answer, then the row.
async fn end(
    gateway: &Gateway,
    caller: &mut ServerSession,
    begun: Begun,
    mut account: Box<Account>,
) -> Caller {
    let outcome = match begun.answer {
        Answer::Stream(streaming) => {
            Box::pin(relay::stream(gateway, caller, streaming, &mut account)).await
        }
        Answer::Whole(whole) => {
            relay::whole(caller, *whole, begun.recipient.as_ref(), &mut account).await
        }
        Answer::Passed(passing) => {
            Box::pin(relay::passed(gateway, caller, passing, &mut account)).await
        }
    };
    close(gateway, caller, outcome, account).await
}

async fn close(
    gateway: &Gateway,
    caller: &mut ServerSession,
    outcome: Result<(), Fault>,
    mut account: Box<Account>,
) -> Caller {
    let Err(fault) = &outcome else {
        account.close();
        return Caller::There;
    };
    account.failed(fault);
    account.seal();
    if fault.hung_up || reply::has_begun_otherwise(caller) {
        return Caller::Gone;
    }
    let told = Box::pin(answer(caller, fault, &account));
    let told = pingora::time::timeout(gateway.timeouts.silence, told).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!(
            request_id = account.id(),
            "the caller was gone before it could be told"
        );
        return Caller::Gone;
    }
    Box::pin(reply::drain(caller)).await;
    Caller::There
}

/// Tells the caller about `fault`: in place of an answer, or at the end of what it
/// has of one.
async fn answer(
    caller: &mut ServerSession,
    fault: &Fault,
    account: &Account,
) -> pingora::Result<()> {
    if reply::has_begun(caller) {
        reply::break_off(caller, account.end_of_stream(fault)).await
    } else {
        reply::refuse(
            caller,
            account.dialect(),
            fault,
            account.id(),
            account.attempts(),
            &account.told,
        )
        .await
    }
}

/// The answer of Ollama's `/api/show`, with what is known of the model.
///
/// # Errors
/// When no virtual model answers to the name, or `who` may not call it.
pub(crate) fn show(
    live: &Live,
    who: &authenticate::Caller,
    dialect: CallerDialect,
    name: &str,
) -> Result<serde_json::Value, Fault> {
    let (model, _) = live
        .snapshot
        .resolve_for(dialect, Some(name))
        .map_err(|none| Refused::from(&none))?;
    who.require_allowed(&model.name)?;
    let target = live.by_id(model.id);
    let known = target.map(|target| target.standing.local.known());
    Ok(crate::live::show(model, known.unwrap_or_default()))
}

/// The entry of `GET /v1/models/{name}`.
///
/// # Errors
/// When no virtual model answers to the name, or `who` may not call it.
pub(crate) fn describe(
    live: &Live,
    who: &authenticate::Caller,
    dialect: CallerDialect,
    name: &str,
) -> Result<serde_json::Value, Fault> {
    let (model, endpoint) = live
        .snapshot
        .resolve_for(dialect, Some(name))
        .map_err(|none| Refused::from(&none))?;
    who.require_allowed(&model.name)?;
    Ok(model_entry(dialect, name, model, endpoint))
}
