//! An answer that is read to its end before anything goes to the caller.

use bytes::{Bytes, BytesMut};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use super::super::account::Account;
use super::super::send::{Sent, while_wanted};
use super::stream_header;
use crate::fault::Fault;
use crate::gateway::Gateway;

/// Longest answer; large batches of embeddings reach some ten megabytes.
const MAX: usize = 256 * 1024 * 1024;

/// Reads the whole body within the call's time and gives the connection back.
///
/// # Errors
/// When the body is cut, too slow or too long, and when the caller hangs up.
pub(super) async fn read(
    gateway: &Gateway,
    caller: &mut ServerSession,
    mut sent: Sent,
    account: &Account,
) -> Result<Bytes, Fault> {
    let whole = async {
        let mut body = BytesMut::new();
        loop {
            match sent.read().await {
                Ok(Some(piece)) if body.len() + piece.as_ref().len() > MAX => {
                    return Err(Fault::upstream(
                        502,
                        "upstream_bad_response",
                        "The upstream's answer is too long for this gateway.",
                    ));
                }
                Ok(Some(piece)) => body.extend_from_slice(piece.as_ref()),
                Ok(None) => break,
                Err(error) => return Err(cut(&error)),
            }
        }
        sent.release(&gateway.pool).await;
        Ok(body.freeze())
    };
    let time = gateway
        .timeouts
        .silence
        .saturating_sub(account.started().elapsed());
    while_wanted(caller, time, whole).await?
}

fn cut(error: &pingora::Error) -> Fault {
    let mut fault = if *error.etype() == pingora::ErrorType::ReadTimedout {
        Fault::timeout("The upstream was silent for longer than this gateway allows (TIMEOUT).")
    } else {
        let mut fault = Fault::upstream(
            502,
            "upstream_connection_lost",
            "The upstream closed the connection before its answer was complete.",
        );
        fault.outcome = store::Outcome::Truncated;
        fault
    };
    fault.private = Some(error.to_string());
    fault
}

/// Sends ready-made events as a stream.
///
/// # Errors
/// When the caller is gone.
pub(super) async fn send_events(
    caller: &mut ServerSession,
    mut header: ResponseHeader,
    events: Bytes,
) -> pingora::Result<()> {
    stream_header(caller, &mut header)?;
    caller.write_response_header(Box::new(header)).await?;
    caller.write_response_body(events, true).await
}
