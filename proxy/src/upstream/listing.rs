//! Asking an endpoint for its models: the one call that costs nothing anywhere.

use store::{Endpoint, Secret};
use wire::provider::{BaseUrl, Call};

use super::get::{Get, GetError};
use super::{Pool, Timeouts};

/// Longest model list that is read; the longest known is a tenth of it.
const MOST: usize = 16 * 1024 * 1024;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Listing {
    /// The ids, sorted.
    Models(Vec<String>),
    /// Its type has no list.
    None,
    /// It answered with another status than success.
    Refused(u16),
    /// What it answered is no list: why.
    Unreadable(String),
    /// It did not answer.
    Unreachable(Trouble),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The endpoint cannot be called at all.
    Endpoint(String),
    /// Its host's name leads nowhere.
    Name(String),
    /// Nothing listens there.
    Refused,
    /// It took too long.
    Slow,
    /// TLS, and what it says.
    Tls(String),
    /// Anything else.
    Other(String),
}

/// Asks `endpoint` with `key`.
pub(crate) async fn listing(
    endpoint: &Endpoint,
    key: Option<&Secret>,
    timeouts: Timeouts,
    pool: &Pool,
) -> Listing {
    let provider = endpoint.provider.provider();
    let base = match BaseUrl::parse(&endpoint.url) {
        Ok(base) => base,
        Err(why) => return Listing::Unreachable(Trouble::Endpoint(format!("its URL {why}"))),
    };
    let Some(way) = provider.way(&base, Call::Models) else {
        return Listing::None;
    };
    let own = provider.headers(key.map(Secret::expose)).into_iter();
    let mut headers: Vec<(String, String)> =
        own.map(|(name, value)| (name.to_owned(), value)).collect();
    headers.extend(endpoint.custom_headers.iter().cloned());
    let get = match Get::new(endpoint, &way.url, timeouts, &headers) {
        Ok(get) => get,
        Err(why) => return Listing::Unreachable(Trouble::Endpoint(why)),
    };
    match get.ask(pool, MOST).await {
        Err(why) => Listing::Unreachable(trouble(&why)),
        Ok((status, body)) if (200..300).contains(&status) => match provider.model_ids(&body) {
            Ok(models) => Listing::Models(models),
            Err(why) => Listing::Unreadable(why.to_string()),
        },
        Ok((status, _)) => Listing::Refused(status),
    }
}

fn trouble(why: &GetError) -> Trouble {
    use pingora::ErrorType as E;
    let error = match why {
        GetError::Name(error) => return Trouble::Name(error.to_string()),
        GetError::Connection(error) => error,
    };
    let kind = error.etype();
    if *kind == E::ConnectRefused {
        Trouble::Refused
    } else if matches!(
        kind,
        E::ConnectTimedout | E::TLSHandshakeTimedout | E::ReadTimedout | E::WriteTimedout
    ) {
        Trouble::Slow
    } else if matches!(
        kind,
        E::TLSHandshakeFailure | E::InvalidCert | E::HandshakeError
    ) {
        Trouble::Tls(root(&**error))
    } else {
        Trouble::Other(root(&**error))
    }
}

/// The text of the innermost error: those around it say where it happened.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
