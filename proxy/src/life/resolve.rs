//! Step two: the virtual model that the caller names.

use std::sync::Arc;

use store::route::NoRoute;

use super::accept::Accepted;
use super::account::short;
use crate::fault::Fault;
use crate::live::{Live, Target};

/// Finds the target of the call.
///
/// # Errors
/// When no virtual model answers to the name, or it could not be prepared.
pub(super) fn resolve(live: &Live, accepted: &Accepted) -> Result<Arc<Target>, Fault> {
    let asked = accepted.request.model.as_deref();
    match live.target(asked) {
        Ok(Some(target)) => Ok(target),
        Ok(None) => Err(Fault::upstream(
            502,
            "endpoint_misconfigured",
            "The endpoint of this model is not usable as it is configured. The operator finds the reason in the gateway's log and in its admin app.",
        )),
        Err(none) => Err(no_model(&none)),
    }
}

/// The answer for a name that no virtual model answers to.
pub(super) fn no_model(none: &NoRoute) -> Fault {
    let message = none.to_string();
    let mut fault = Fault::refused(404, "model_not_found", short(&message));
    fault.body.param = Some("model".to_owned());
    fault
}
