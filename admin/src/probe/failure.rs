//! From a failed HTTP call to a sentence an operator can act on.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::{CertificateError, Error as TlsError};
use wire::provider::UpstreamUrl;

use super::Context;

/// Whether the call ran out of time.
pub(super) fn timed_out(err: &reqwest::Error) -> bool {
    err.is_timeout()
}

/// What is said of an answer that does not begin in time.
pub(super) fn late(url: &UpstreamUrl, limit: Duration) -> String {
    format!(
        "{url} did not begin to answer within {} s",
        limit.as_secs_f64()
    )
}

/// What happened, to whom, and what to do.
pub(super) fn reason(err: &reqwest::Error, context: &Context<'_>) -> String {
    let url = context.url;
    let address = format!("{}:{}", url.host(), url.port());
    if err.is_timeout() {
        return if err.is_connect() {
            format!(
                "no connection to {address} came about within {} s; check the address, http or \
                 https, and any firewall",
                context.times.connect.as_secs_f64()
            )
        } else {
            format!(
                "{url} took the connection but did not answer within {} s",
                context.times.whole.as_secs_f64()
            )
        };
    }
    if let Some(tls) = find_tls(err) {
        return format!("TLS with {address} failed: {}", tls_reason(tls, url.host()));
    }
    let text = chain(err);
    if text.contains("dns error") || text.contains("failed to lookup address") {
        return format!(
            "the host name {} cannot be resolved; check its spelling",
            url.host()
        );
    }
    match find_io(err).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            format!("{address} refused the connection: nothing listens there")
        }
        Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
            format!("there is no network route to {address}")
        }
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            format!("{address} closed the connection before it answered")
        }
        _ if err.is_connect() => format!("no connection to {address}: {text}"),
        _ if err.is_body() || err.is_decode() => {
            format!("the answer of {url} broke off: {text}")
        }
        _ => format!("the call to {url} failed: {text}"),
    }
}

/// The causes below an error, outermost first, each once. The first line of
/// `reqwest` (which names the URL) is left out: the reason has it already.
pub(super) fn chain(err: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut source = err.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        source = cause.source();
    }
    if parts.is_empty() {
        return "no further cause is known".to_owned();
    }
    parts.join(": ")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's lists grow; what is not named here explains itself"
)]
fn tls_reason(err: &TlsError, host: &str) -> String {
    match err {
        TlsError::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => "its certificate is signed by an unknown issuer; \
                 for a private authority name its certificate in the field ca_file"
                .to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; check both clocks".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is for another name than {host}")
            }
            CertificateError::Revoked => "its certificate has been revoked".to_owned(),
            other => format!("its certificate is not accepted: {other}"),
        },
        TlsError::InvalidMessage(_) => {
            "what answered there does not speak TLS; is it an http:// address?".to_owned()
        }
        other => other.to_string(),
    }
}

/// The first TLS error below `err`. An `io::Error` hides what it wraps from
/// `source`, so it is opened.
fn find_tls<'e>(err: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    let mut next = Some(err);
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<TlsError>() {
            return Some(tls);
        }
        let inside = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        if let Some(tls) = inside.and_then(|inner| find_tls(inner)) {
            return Some(tls);
        }
        next = cause.source();
    }
    None
}

fn find_io<'e>(err: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut next = err.source();
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = cause.source();
    }
    None
}
