//! How long the body of a request may take. The server behind gives a head five seconds, and
//! a body for ever.

use std::io;
use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::ConnectionType;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::rt::time::sleep;
use actix_web::web::Data;
use futures_util::{StreamExt as _, stream};

/// Time for a whole body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(pub(crate) Duration);

/// Has a body that does not come in time end as one that was cut off. Behind a body in chunks
/// the connection ends: of one that was answered without being read the server would wait for
/// the end, without any limit.
///
/// # Errors
/// Those of the request.
pub(crate) async fn limit(
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let patience = req.app_data::<Data<Patience>>();
    let most = patience.map_or(Duration::MAX, |patience| patience.0);
    let payload = req.take_payload();
    let timed = match payload {
        Payload::None => payload,
        Payload::H1 { .. } | Payload::Stream { .. } => within(payload, most),
    };
    req.set_payload(timed);
    let in_chunks = req.headers().contains_key(TRANSFER_ENCODING);
    let mut answer = next.call(req).await?;
    if in_chunks {
        let head = answer.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

fn within(payload: Payload, most: Duration) -> Payload {
    let late = Box::pin(sleep(most));
    let timed = stream::unfold((payload, late), |(mut payload, mut late)| async move {
        let piece = tokio::select! {
            biased;
            piece = payload.next() => piece?,
            () = &mut late => {
                let why = "it did not come in time";
                Err(PayloadError::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
            }
        };
        Some((piece, (payload, late)))
    });
    Payload::Stream {
        payload: Box::pin(timed.fuse()),
    }
}
