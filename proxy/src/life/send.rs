//! Step four: the request goes out, the response header comes back.

mod exchange;
mod refusal;

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use pingora::ErrorType;
use pingora::protocols::http::ServerSession;

use super::account::Account;
use super::translate::Order;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::Target;
pub(super) use exchange::Sent;

/// A success header from the upstream; its body is still to be read.
///
/// # Errors
/// When the upstream cannot be reached, refuses, fails or is too slow, and when
/// the caller hangs up meanwhile: then the upstream request is given up.
pub(super) async fn send(
    gateway: &Gateway,
    caller: &mut ServerSession,
    target: &Target,
    order: &Order,
    account: &Account,
) -> Result<Sent, Fault> {
    let upstream = &target.upstream;
    let exchange = async {
        let sent = exchange::exchange(&gateway.pool, target, order).await?;
        let status = sent.status();
        if (200..300).contains(&status) {
            Ok(sent)
        } else {
            Err(refusal::read(&gateway.pool, sent, target).await)
        }
    };
    // For a stream the time is the longest silence, for a whole answer it runs
    // from the call's first byte.
    let spent = if order.reply().stream {
        Duration::ZERO
    } else {
        account.started().elapsed()
    };
    let time = gateway.timeouts.silence.saturating_sub(spent);
    let outcome = while_wanted(caller, time, pin!(exchange))
        .await
        .and_then(|r| r);
    match &outcome {
        Ok(_) => {}
        Err(fault) if fault.outcome == store::Outcome::ClientError => upstream.state.succeeded(),
        Err(fault) if fault.hung_up => {}
        Err(fault) => upstream
            .state
            .failed(fault.body.code.as_deref().unwrap_or("error")),
    }
    outcome
}

/// Runs `work` as long as the caller is there, at most for `time`.
///
/// # Errors
/// When the caller hangs up or the time is over; `work` is dropped then, and with
/// it the upstream request.
pub(super) async fn while_wanted<T>(
    caller: &mut ServerSession,
    time: Duration,
    work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        done = pingora::time::timeout(time, work) => {
            done.map_err(|_| Fault::timeout("The upstream took longer than this gateway allows (TIMEOUT)."))
        }
        () = hung_up(caller) => Err(Fault::hung_up()),
    }
}

/// Completes when the caller closes its connection. Its body must have been read.
pub(super) async fn hung_up(caller: &mut ServerSession) {
    match caller.read_body_or_idle(true).await {
        // Something came early: the caller is there, but a byte of it is read and
        // the connection is no good for another call.
        Err(err) if *err.etype() == ErrorType::ConnectError => {
            caller.set_keepalive(None);
            std::future::pending::<()>().await;
        }
        Ok(_) | Err(_) => {}
    }
}
