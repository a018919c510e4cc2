//! One log line for each request, written when its answer is ready.
//!
//! This is the only place that logs faults of handlers. Bodies, queries and
//! headers are never logged: they may carry keys.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;

/// Middleware: logs method, path, status and duration, and the private text of a
/// failure.
pub(crate) async fn log(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let method = req.method().clone();
    let path = req.path().to_owned();
    let outcome = next.call(req).await;
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, error) = match &outcome {
        Ok(res) => (res.status(), res.response().error()),
        Err(err) => (err.as_response_error().status_code(), Some(err)),
    };
    let status_code = status.as_u16();
    match error {
        Some(err) if is_own_fault(status) => {
            tracing::error!(%method, path, status = status_code, ms, error = %err, "request failed");
        }
        Some(err) => {
            tracing::info!(%method, path, status = status_code, ms, error = %err, "request refused");
        }
        // Asked again and again by those who watch.
        None if path == "/health" => {
            tracing::debug!(%method, path, status = status_code, ms, "request");
        }
        None => tracing::info!(%method, path, status = status_code, ms, "request"),
    }
    outcome
}

/// Whether a status says that this app failed, and not the caller or a backend.
fn is_own_fault(status: StatusCode) -> bool {
    status.is_server_error()
        && !matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        )
}
