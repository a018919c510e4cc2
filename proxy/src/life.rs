//! The life of a model call: one road, from the caller's first byte to the row in
//! the ledger.
//!
//! Each step has its own file and takes what the step before returned. Steps never
//! call each other. Whatever happens, a call is answered once, logged once and
//! accounted once.

mod accept;
mod account;
mod relay;
pub(crate) mod reply;
mod resolve;
mod send;
mod translate;

use std::sync::Arc;

use pingora::protocols::http::ServerSession;
use wire::provider::Call;

use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::{Live, model_entry};
use account::Account;

/// Takes one call down the road.
pub(crate) async fn run(gateway: &Gateway, caller: &mut ServerSession, call: Call, id: String) {
    let live = gateway.current.live();
    let mut account = Account::open(&gateway.ledger, call, id);
    let outcome = async {
        let accepted = accept::accept(caller, call, gateway.max_body).await?;
        account.accepted(&accepted);
        let target = Arc::clone(resolve::resolve(&live, &accepted)?);
        account.resolved(&target);
        let order = translate::translate(&target, call, accepted, account.id())?;
        account.ordered(&order);
        let sent = send::send(gateway, caller, &target.upstream, &order, &account).await?;
        relay::relay(gateway, caller, sent, &target, order.reply(), &mut account).await
    }
    .await;
    if let Err(fault) = &outcome {
        account.failed(fault);
        answer(caller, fault, &account).await;
    }
    account.close();
}

/// Tells the caller about `fault`, as far as that is still possible.
async fn answer(caller: &mut ServerSession, fault: &Fault, account: &Account<'_>) {
    if fault.hung_up {
        return;
    }
    let told = if caller.response_written().is_some() {
        reply::break_off(caller, fault).await
    } else {
        reply::refuse(caller, fault, account.id()).await
    };
    if let Err(err) = told {
        tracing::debug!(request_id = account.id(), error = %err, "the caller was gone before it could be told");
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
