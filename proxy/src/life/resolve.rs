//! Step three: the virtual model that the caller names.

use std::sync::Arc;

use store::route::Refused;

use super::accept::Accepted;
use crate::fault::Fault;
use crate::live::{Live, Target};

/// Finds the target of the call.
///
/// # Errors
/// When no virtual model answers to the name, or it could not be prepared.
pub(super) fn resolve(live: &Live, accepted: &Accepted) -> Result<Arc<Target>, Fault> {
    let asked = accepted.inbound.request.model.as_deref();
    match live.target(accepted.inbound.dialect, asked) {
        Ok(Some(target)) => Ok(target),
        Ok(None) => Err(Refused::misconfigured().into()),
        Err(none) => Err(Refused::from(&none).into()),
    }
}
