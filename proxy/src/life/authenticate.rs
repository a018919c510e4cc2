//! Step one: who calls, and whether they may. Nothing of a body has been read yet.
//!
//! A valid key is attributed and its limits hold wherever it is shown, also where none is
//! asked for; any other text counts only where one is. No key ever leaves this step: what
//! goes upstream is made anew from the endpoint's own headers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, HeaderMap, USER_AGENT};
use pingora::protocols::http::ServerSession;
use store::{InboundKey, KeyUse, caller_address};
use wire::code::Code;

use crate::fault::Fault;
use crate::live::{Door, Live};

/// Most characters of a caller's `User-Agent` that are kept.
const LONGEST: usize = 255;

/// Who makes a call.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The valid key that was shown.
    pub(crate) key: Option<Arc<InboundKey>>,
    /// Where the call comes from; `None` when its proxies do not say.
    pub(crate) address: Option<IpAddr>,
}

impl Caller {
    /// Passes when its key allows the virtual model `name`.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn require_allowed(&self, name: &str) -> Result<(), Fault> {
        match &self.key {
            Some(key) if !key.allows(name) => Err(not_allowed(&key.label, name)),
            Some(_) | None => Ok(()),
        }
    }
}

/// Why a text opens nothing; the most telling is last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Useless {
    Missing,
    Unknown,
    Disabled,
    Expired,
}

/// Finds out who calls.
///
/// # Errors
/// When a key is asked for and none that counts was shown.
pub(crate) fn authenticate(live: &Live, session: &ServerSession) -> Result<Caller, Fault> {
    let headers = &session.req_header().headers;
    let address = address(live, session);
    let now = now();
    match valid_key(live, headers, now) {
        Ok(key) => {
            live.key_uses.note(key.id, now, || KeyUse {
                id: key.id,
                at: now,
                address: address.map(|address| address.to_string()),
                user_agent: text(headers, USER_AGENT.as_str())
                    .map(|name| name.chars().take(LONGEST).collect()),
            });
            Ok(Caller {
                key: Some(key),
                address,
            })
        }
        Err(_) if !live.door.asks(address) => Ok(Caller { key: None, address }),
        Err(why) => Err(refusal(why, address)),
    }
}

fn address(live: &Live, session: &ServerSession) -> Option<IpAddr> {
    let peer = session.client_addr()?.as_inet()?.ip();
    let Door { proxies, .. } = &live.door;
    let fields = session.req_header().headers.get_all("x-forwarded-for");
    // What is no text is no address either.
    let fields = fields.iter().map(|field| field.to_str().unwrap_or("?"));
    caller_address(peer, fields, proxies)
}

/// The first valid key among those shown.
fn valid_key(live: &Live, headers: &HeaderMap, now: i64) -> Result<Arc<InboundKey>, Useless> {
    let bearer = text(headers, AUTHORIZATION.as_str()).and_then(bearer);
    let shown = [bearer, text(headers, "x-api-key"), text(headers, "api-key")];
    let mut why = Useless::Missing;
    for key in shown.into_iter().flatten().filter(|key| !key.is_empty()) {
        let useless = match live.snapshot.inbound_keys.find(key) {
            None => Useless::Unknown,
            Some(key) if key.is_expired(now) => Useless::Expired,
            Some(key) if !key.enabled => Useless::Disabled,
            Some(key) => return Ok(Arc::clone(key)),
        };
        why = why.max(useless);
    }
    Err(why)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The token of `Bearer <token>`; other schemes carry none.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refusal(why: Useless, address: Option<IpAddr>) -> Fault {
    let (code, message) = match why {
        Useless::Missing => (
            Code::MissingApiKey,
            "This gateway asks for an API key. Send one as 'Authorization: Bearer <key>', 'x-api-key' or 'api-key'; whoever runs the gateway makes it.",
        ),
        Useless::Unknown => (
            Code::InvalidApiKey,
            "This API key is not known here. Check that it is complete, and that it is a key of this gateway (spk_...) and not one of a provider.",
        ),
        Useless::Disabled => (
            Code::DisabledApiKey,
            "This API key has been switched off. Ask whoever runs the gateway.",
        ),
        Useless::Expired => (
            Code::ExpiredApiKey,
            "This API key has expired. Ask whoever runs the gateway for a new one.",
        ),
    };
    let from = address.map_or_else(
        || "an address that its proxy does not tell".to_owned(),
        |address| address.to_string(),
    );
    Fault::caller(401, code, message)
        .with_private(format!("a call from {from} without a key that counts"))
}

fn not_allowed(label: &str, name: &str) -> Fault {
    let message = format!(
        "This API key may not call the model '{}'. GET /v1/models lists those it may call.",
        store::route::short(name)
    );
    Fault::caller(403, Code::ModelNotAllowed, message)
        .with_private(format!("the key {label:?} does not allow it"))
}

/// Unix seconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Useless, bearer};

    #[test]
    fn a_bearer_token_is_taken_in_any_case_and_nothing_else() {
        for (value, token) in [
            ("Bearer spk_a", Some("spk_a")),
            ("bearer   spk_a ", Some("spk_a")),
            ("BEARER spk_a", Some("spk_a")),
            ("Basic spk_a", None),
            ("spk_a", None),
            ("Bearer", None),
        ] {
            assert_eq!(bearer(value), token, "{value}");
        }
    }

    #[test]
    fn the_most_telling_reason_counts() {
        assert!(Useless::Missing < Useless::Unknown);
        assert!(Useless::Unknown < Useless::Disabled);
        assert!(Useless::Disabled < Useless::Expired);
    }
}
