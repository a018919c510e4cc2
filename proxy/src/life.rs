//! The life of a model call: one road, from the caller's first byte to the row in
//! the ledger.
//!
//! Each step has its own file and takes what the step before returned. Steps never
//! call each other. Whatever happens, a call is answered once, logged once and
//! accounted once.

mod accept;
mod account;
mod detached;
mod relay;
pub(crate) mod reply;
mod resolve;
mod send;
mod translate;

use std::sync::Arc;

use pingora::protocols::http::ServerSession;
use pingora_proxy::Session;
use wire::provider::Call;

use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::{Live, Target, model_entry};
use account::Account;
use send::Sent;
use translate::ReplyForm;

/// Takes one call down the road.
pub(crate) async fn run(gateway: &Arc<Gateway>, session: &mut Session, call: Call, id: String) {
    let mut account = Account::open(gateway.ledger.clone(), call, id);
    let caller = &mut *session.downstream_session;
    match begin(gateway, caller, call, &mut account).await {
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

/// The first half: from the caller's first byte to the upstream's header.
async fn begin(
    gateway: &Gateway,
    caller: &mut ServerSession,
    call: Call,
    account: &mut Account,
) -> Result<Begun, Fault> {
    let live = gateway.current.live();
    let accepted = accept::accept(caller, call, gateway.max_body).await?;
    account.accepted(&accepted);
    let target = Arc::clone(resolve::resolve(&live, &accepted)?);
    account.resolved(&target);
    let order = translate::translate(&target, call, accepted, account.id())?;
    account.ordered(&order);
    let sent = send::send(gateway, caller, &target, &order, account).await?;
    let form = order.reply();
    Ok(Begun { target, form, sent })
}

/// A call whose upstream has begun to answer. The request is no longer held.
struct Begun {
    target: Arc<Target>,
    form: ReplyForm,
    sent: Sent,
}

impl Begun {
    /// Whether the answer may take as long as a model thinks.
    fn takes_long(&self) -> bool {
        self.form.stream && self.sent.is_event_stream()
    }
}

/// The second half: the answer, then the row.
async fn end(
    gateway: &Gateway,
    caller: &mut ServerSession,
    begun: Begun,
    mut account: Box<Account>,
) -> Caller {
    let outcome = if begun.takes_long() {
        Box::pin(relay::stream(gateway, caller, begun, &mut account)).await
    } else {
        relay::whole(gateway, caller, begun, &mut account).await
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
    if fault.hung_up {
        account.close();
        return Caller::Gone;
    }
    let told = Box::pin(answer(caller, fault, account.id()));
    let told = pingora::time::timeout(gateway.timeouts.silence, told).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!(
            request_id = account.id(),
            "the caller was gone before it could be told"
        );
        account.close();
        return Caller::Gone;
    }
    account.close();
    Box::pin(reply::drain(caller)).await;
    Caller::There
}

/// Tells the caller about `fault`: in place of an answer, or at the end of what it
/// has of one.
async fn answer(caller: &mut ServerSession, fault: &Fault, id: &str) -> pingora::Result<()> {
    if caller.response_written().is_some() {
        reply::break_off(caller, fault).await
    } else {
        reply::refuse(caller, fault, id).await
    }
}

/// The entry of `GET /v1/models/{name}`.
///
/// # Errors
/// When no virtual model answers to the name.
pub(crate) fn describe(live: &Live, name: &str) -> Result<serde_json::Value, Fault> {
    let (model, endpoint) = live
        .snapshot
        .resolve(Some(name))
        .map_err(|none| resolve::no_model(&none))?;
    Ok(model_entry(name, model, endpoint))
}
