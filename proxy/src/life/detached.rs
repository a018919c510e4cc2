//! A stream that goes on in a task of its own.
//!
//! Pingora's future for a request holds every phase of its proxy, some thirty
//! kilobytes with the connection's task around it. A stream that lasts for minutes
//! needs a tenth of that: it takes the caller's session along, `request_filter`
//! returns, and the connection comes back to the listener when the stream is over.

use std::io::Cursor;
use std::sync::{Arc, Weak};

use pingora::protocols::http::ServerSession;
use pingora_proxy::Session;

use super::account::Account;
use super::{Begun, Caller, end};
use crate::gateway::Gateway;

/// Takes the caller's session out of `session`, which is left with a connection
/// that is closed, and goes on with the call in a task of its own.
pub(super) fn spawn(
    gateway: &Arc<Gateway>,
    session: &mut Session,
    begun: Begun,
    account: Box<Account>,
) {
    let mut caller = take(session);
    let gateway = Arc::clone(gateway);
    let open = gateway.phase.enter();
    // Held from now on: when no more connections are taken nobody else holds it.
    let listener = gateway.listener.get().and_then(Weak::upgrade);
    tokio::spawn(async move {
        if end(&gateway, &mut caller, begun, account).await == Caller::Gone {
            return;
        }
        drop(gateway);
        if let Some(listener) = listener {
            Box::pin(listener.resume(*caller)).await;
        }
        drop(open);
    });
}

/// Closes the caller's connection at once, whatever state its reply is in.
pub(super) fn close(session: &mut Session) {
    drop(take(session));
}

fn take(session: &mut Session) -> Box<ServerSession> {
    let closed = Cursor::new(Vec::new());
    let closed = Box::new(ServerSession::new_http1(Box::new(closed)));
    std::mem::replace(&mut session.downstream_session, closed)
}
