//! How long the body of a request may take. The server behind gives a head five seconds, and
//! a body for ever.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::rt::time::sleep;
use actix_web::web::{Bytes, Data};
use futures_util::{StreamExt as _, stream};

/// Time for a whole body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(pub(crate) Duration);

/// A request's body, for whoever reads it and for its answer.
type Shared = Rc<RefCell<Payload>>;

/// An answer that keeps its request's body until it is sent. Of a body in chunks that nobody
/// holds any more the server would wait for the end, without any limit; one that is held when
/// the answer is out ends with its connection.
struct Answer {
    body: BoxBody,
    _request: Shared,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// Has a body that does not come in time end as one that was cut off.
///
/// # Errors
/// Those of the request.
pub(crate) async fn limit(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, actix_web::Error> {
    let patience = req.app_data::<Data<Patience>>();
    let most = patience.map_or(Duration::MAX, |patience| patience.0);
    let payload = req.take_payload();
    if matches!(payload, Payload::None) {
        return Ok(next.call(req).await?.map_into_boxed_body());
    }
    let body = Rc::new(RefCell::new(payload));
    req.set_payload(within(Rc::clone(&body), most));
    let answer = next.call(req).await?;
    Ok(answer.map_body(|_, answer| {
        BoxBody::new(Answer {
            body: answer.boxed(),
            _request: body,
        })
    }))
}

fn within(body: Shared, most: Duration) -> Payload {
    let late = Box::pin(sleep(most));
    let timed = stream::unfold((body, late), |(body, mut late)| async move {
        let piece = tokio::select! {
            biased;
            piece = poll_fn(|context| body.borrow_mut().poll_next_unpin(context)) => piece?,
            () = &mut late => {
                let why = "it did not come in time";
                Err(PayloadError::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
            }
        };
        Some((piece, (body, late)))
    });
    Payload::Stream {
        payload: Box::pin(timed.fuse()),
    }
}
