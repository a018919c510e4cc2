//! Which callers a key is asked from, under one revision of the configuration.

use std::net::IpAddr;

use store::config::{DeploymentMode, Exposure};
use store::{Networks, Snapshot};

/// Who comes in without a key.
#[derive(Debug)]
pub(crate) struct Door {
    /// The networks whose callers need none; `None` where nobody does.
    trusted: Option<Networks>,
    /// Whose word about their callers is believed.
    pub(crate) proxies: Networks,
}

impl Door {
    pub(super) fn new(exposure: &Exposure, snapshot: &Snapshot) -> Self {
        let trusted = match exposure.mode(snapshot) {
            DeploymentMode::InternalOnly => None,
            DeploymentMode::InternetFacing => Some(exposure.trusted(snapshot).clone()),
        };
        Self {
            trusted,
            proxies: exposure.proxies.clone(),
        }
    }

    /// Whether a key is asked from a caller at `address`; one that cannot be told is a
    /// stranger.
    pub(crate) fn asks(&self, address: Option<IpAddr>) -> bool {
        let Some(trusted) = &self.trusted else {
            return false;
        };
        !address.is_some_and(|address| trusted.contain(address))
    }
}
