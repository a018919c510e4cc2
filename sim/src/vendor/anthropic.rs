//! Whom Anthropic lets in.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::Flavor;
use super::refusal::{self, Refusal};

/// The key in one of two places, never in both, and the version of the format.
pub(super) fn authenticate(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let shown = match (text("x-api-key"), bearer) {
        (Some(_), Some(_)) => {
            let message = "Only one of x-api-key and Authorization may be sent";
            return Err(Refusal::new(401, message));
        }
        (one, other) => one.or(other),
    };
    if key.is_some() && key != shown {
        return Err(refusal::no_entry(Flavor::Anthropic, shown));
    }
    match text("anthropic-version") {
        Some("2026-10-21" | "2023-06-01" | "2023-01-01") => Ok(()),
        Some(other) => {
            let message = format!("anthropic-version: \"{other}\" is not a valid version");
            Err(Refusal::new(400, message))
        }
        None => Err(Refusal::new(400, "anthropic-version: header is required")),
    }
}
