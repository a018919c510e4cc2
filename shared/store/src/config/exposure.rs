//! Which callers must show a key. A running gateway follows what is stored; what the
//! environment says holds to the end of the process.

use super::value::Parse;
use super::{Sources, default_of, present};
use crate::network::Networks;
use crate::snapshot::Snapshot;

/// Where the gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentMode {
    /// In a network where everyone may call: no key is asked for.
    InternalOnly,
    /// Where strangers reach it: a key is asked for outside the trusted networks.
    InternetFacing,
}

impl DeploymentMode {
    /// The mode with this text, in capitals or not.
    pub fn from_id(text: &str) -> Option<Self> {
        [Self::InternalOnly, Self::InternetFacing]
            .into_iter()
            .find(|mode| mode.id().eq_ignore_ascii_case(text))
    }

    /// Its text.
    pub fn id(self) -> &'static str {
        match self {
            Self::InternalOnly => "internal_only",
            Self::InternetFacing => "internet_facing",
        }
    }
}

/// Which callers must show a key, from the environment, the store and the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// The mode that the environment says.
    pub environment_mode: Option<DeploymentMode>,
    /// The mode when nothing is said.
    pub default_mode: DeploymentMode,
    /// The trusted networks that the environment says.
    pub environment_trusted: Option<Networks>,
    /// The trusted networks when nothing is said.
    pub default_trusted: Networks,
    /// Reverse proxies whose word about their callers is believed.
    pub proxies: Networks,
}

impl Exposure {
    /// The mode under the configuration `snapshot`.
    pub fn mode(&self, snapshot: &Snapshot) -> DeploymentMode {
        self.environment_mode
            .or(snapshot.deployment_mode)
            .unwrap_or(self.default_mode)
    }

    /// The networks whose callers need no key, under the configuration `snapshot`.
    pub fn trusted<'a>(&'a self, snapshot: &'a Snapshot) -> &'a Networks {
        self.environment_trusted
            .as_ref()
            .or(snapshot.trusted_internal.as_ref())
            .unwrap_or(&self.default_trusted)
    }
}

impl Sources<'_> {
    /// Every setting of the exposure; `None` after a problem was noted.
    pub(super) fn exposure(&mut self) -> Option<Exposure> {
        const MODE: &str = "DEPLOYMENT_MODE";
        const TRUSTED: &str = "TRUSTED_INTERNAL_CIDRS";
        let mode = self.required(MODE);
        let trusted = self.required(TRUSTED);
        let proxies = self.required("TRUSTED_PROXY_CIDRS");
        let is_fixed = |name| present((self.env)(name)).is_some();
        Some(Exposure {
            environment_mode: mode.filter(|_| is_fixed(MODE)),
            default_mode: default_of(MODE)?,
            environment_trusted: trusted.filter(|_| is_fixed(TRUSTED)),
            default_trusted: default_of(TRUSTED)?,
            proxies: proxies?,
        })
    }
}

/// A stored mode.
///
/// # Errors
/// What would be accepted.
pub(crate) fn stored_mode(text: &str) -> Result<DeploymentMode, &'static str> {
    Parse::parse(text.trim()).ok_or(<DeploymentMode as Parse>::ACCEPTED)
}

/// Stored networks.
///
/// # Errors
/// What would be accepted.
pub(crate) fn stored_networks(text: &str) -> Result<Networks, &'static str> {
    Parse::parse(text.trim()).ok_or(<Networks as Parse>::ACCEPTED)
}
