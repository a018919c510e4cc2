//! Who may call: exposure, keys of callers, the admin app's door.

use store::config::{Config, DeploymentMode};
use store::{InboundKey, Snapshot};

use super::verdict::Section;

/// So many seconds before a key's end it is told.
const SOON: i64 = 14 * 24 * 3600;

/// All of it.
pub(super) fn look(config: &Config, snapshot: &Snapshot, now: i64) -> Section {
    let mut section = Section::new("Access");
    let mode = config.exposure.mode(snapshot);
    let keys: Vec<_> = snapshot.inbound_keys.iter().collect();
    let usable = keys
        .iter()
        .filter(|key| key.enabled && !key.is_expired(now))
        .count();
    match mode {
        DeploymentMode::InternalOnly if !config.api_bind.is_loopback() => section.warning(
            format!(
                "the gateway listens at {} and asks nobody for a key (internal_only)",
                config.api_bind
            ),
            "if strangers can reach it, set deployment_mode to internet_facing and give callers keys",
        ),
        DeploymentMode::InternalOnly => {
            section.ok("nobody outside this machine reaches the gateway directly; no key is asked for");
        }
        DeploymentMode::InternetFacing if usable == 0 => section.warning(
            "a key is asked for, and there is none that opens anything",
            "make keys for the callers in the admin app; until then only trusted networks get in",
        ),
        DeploymentMode::InternetFacing => section.ok(format!("a key is asked for; {usable} are in use")),
    }
    for key in keys {
        expiry(key, snapshot, now, &mut section);
    }
    if !config.auth_enabled && !config.admin_bind.is_loopback() {
        section.error(
            format!(
                "the admin app is open to everyone who reaches {}",
                config.admin_address()
            ),
            "set AUTH_ENABLED=true",
        );
    } else if !config.auth_enabled {
        section.note(
            "the admin app asks for no login; only this machine reaches it",
            "set AUTH_ENABLED=true unless all its users may change everything",
        );
    }
    section
}

fn expiry(key: &InboundKey, snapshot: &Snapshot, now: i64, section: &mut Section) {
    let (Some(end), true) = (key.expires_at, key.enabled) else {
        return;
    };
    let stamp = snapshot.zone.stamp(end);
    if end <= now {
        section.note(
            format!("key {:?} has expired ({stamp})", key.label),
            "delete it, or give it more time",
        );
    } else if end - now < SOON {
        section.warning(
            format!("key {:?} expires on {stamp}", key.label),
            "give it more time, or its caller a new one",
        );
    }
}
