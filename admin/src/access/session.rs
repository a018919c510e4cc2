//! The cookie of a session of the built-in login, and what is known of its caller.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{self, HeaderMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use store::{Networks, Origin, Secret, caller_address};

/// The cookie's name.
pub(crate) const COOKIE: &str = "sp_session";

/// Now, in unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// The cookie with a token; it goes over https alone where the browser speaks https.
pub(crate) fn cookie(token: &Secret, secure: bool) -> Cookie<'static> {
    Cookie::build(COOKIE, token.expose().to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .finish()
}

/// The cookie that takes the token away.
pub(crate) fn no_cookie(secure: bool) -> Cookie<'static> {
    let mut cookie = cookie(&Secret::new(""), secure);
    cookie.make_removal();
    cookie
}

/// Where a request comes from, as far as trusted proxies say.
pub(crate) fn origin(peer: Option<SocketAddr>, headers: &HeaderMap, proxies: &Networks) -> Origin {
    let text = |value: &header::HeaderValue| value.to_str().unwrap_or("?").to_owned();
    let forwarded: Vec<String> = headers.get_all("x-forwarded-for").map(text).collect();
    let address: Option<IpAddr> = peer
        .and_then(|peer| caller_address(peer.ip(), forwarded.iter().map(String::as_str), proxies));
    Origin {
        address: address.map(|address| address.to_string()),
        user_agent: headers.get(header::USER_AGENT).map(text),
    }
}

/// Whether the browser speaks https, which only a trusted proxy can say.
pub(crate) fn is_https(peer: Option<SocketAddr>, headers: &HeaderMap, proxies: &Networks) -> bool {
    let says = headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
    says && peer.is_some_and(|peer| proxies.contain(peer.ip()))
}
