//! The types settings are parsed into, and the texts each of them accepts.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use wire::provider::BaseUrl;

use super::{DeploymentMode, LogFormat, QueuePriority};
use crate::network::Networks;
use crate::secret::Secret;
use crate::vault::{self, SecretKey};

/// A value read from a setting's text, which is trimmed and not empty.
pub(super) trait Parse: Sized {
    /// What is accepted, to follow "must be".
    const ACCEPTED: &'static str;

    /// Reads the text; `None` when it is not accepted.
    fn parse(text: &str) -> Option<Self>;
}

/// A size in MiB, from 1 to 4096.
pub(super) struct Megabytes(u64);

impl Megabytes {
    /// The same in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0 * 1024 * 1024
    }
}

/// A size on disk in MiB, from 1 to 2^20.
pub(super) struct Storage(u64);

impl Storage {
    /// The same in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0 * 1024 * 1024
    }
}

/// A number of days; `None`, written 0, for ever.
pub(super) struct Days(pub(super) Option<u32>);

/// A port of its own, or 0 for none.
pub(super) struct PortOrNone(pub(super) Option<u16>);

/// A time that may be zero.
pub(super) struct OrZero(pub(super) Duration);

/// A number of failures, from 1 to 1000.
pub(super) struct Failures(pub(super) u32);

/// A number of threads, from 1 to 1024.
pub(super) struct Threads(pub(super) usize);

/// A version of three numbers.
pub(super) struct OllamaVersion(pub(super) String);

/// An http or https URL as typed, without a trailing slash.
pub(super) struct HttpUrl(pub(super) String);

/// One for each core of the machine.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Parse for u16 {
    const ACCEPTED: &'static str = "a port from 0 to 65535 (0 takes a free one)";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Parse for PortOrNone {
    const ACCEPTED: &'static str = "a port from 1 to 65535, or 0 for none";

    fn parse(text: &str) -> Option<Self> {
        let port = text.parse().ok()?;
        Some(Self(Some(port).filter(|port| *port != 0)))
    }
}

impl Parse for IpAddr {
    const ACCEPTED: &'static str = "an IP address such as 127.0.0.1, 0.0.0.0 or ::1, or localhost";

    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("localhost") {
            return Some(Self::V4(Ipv4Addr::LOCALHOST));
        }
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }
}

impl Parse for PathBuf {
    const ACCEPTED: &'static str = "the path of a file";

    fn parse(text: &str) -> Option<Self> {
        (!text.contains('\0') && !text.ends_with('/')).then(|| Self::from(text))
    }
}

impl Parse for Duration {
    const ACCEPTED: &'static str = "a number of seconds from 0.1 to 86400";

    fn parse(text: &str) -> Option<Self> {
        let seconds: f64 = text.parse().ok()?;
        (0.1..=86_400.0)
            .contains(&seconds)
            .then(|| Self::from_secs_f64(seconds))
    }
}

impl Parse for OrZero {
    const ACCEPTED: &'static str = "0, or a number of seconds from 0.1 to 86400";

    fn parse(text: &str) -> Option<Self> {
        if text.parse() == Ok(0.0) {
            return Some(Self(Duration::ZERO));
        }
        Duration::parse(text).map(Self)
    }
}

impl Parse for Failures {
    const ACCEPTED: &'static str = "a whole number from 1 to 1000";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (1..=1000).contains(&number).then_some(Self(number))
    }
}

impl Parse for Megabytes {
    const ACCEPTED: &'static str = "a whole number of MiB from 1 to 4096";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (1..=4096).contains(&number).then_some(Self(number))
    }
}

impl Parse for Storage {
    const ACCEPTED: &'static str = "a whole number of MiB from 1 to 1048576";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (1..=1 << 20).contains(&number).then_some(Self(number))
    }
}

impl Parse for Days {
    const ACCEPTED: &'static str = "a whole number of days from 1 to 36500, or 0 for ever";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (0..=36_500)
            .contains(&number)
            .then(|| Self(Some(number).filter(|days| *days > 0)))
    }
}

impl Parse for Threads {
    const ACCEPTED: &'static str = "a whole number from 1 to 1024, or empty for one a core";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (1..=1024).contains(&number).then_some(Self(number))
    }
}

impl Parse for bool {
    const ACCEPTED: &'static str = "true or false (also 1, 0, yes, no, on, off)";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

impl Parse for LogFormat {
    const ACCEPTED: &'static str = "text or json";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Parse for QueuePriority {
    const ACCEPTED: &'static str = "HIGH, NORMAL or LOW";

    fn parse(text: &str) -> Option<Self> {
        Self::from_id(text)
    }
}

impl Parse for HttpUrl {
    const ACCEPTED: &'static str =
        "an http or https URL without user name, query and fragment, such as http://host:8102";

    fn parse(text: &str) -> Option<Self> {
        BaseUrl::parse(text).ok()?;
        Some(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Parse for Secret {
    const ACCEPTED: &'static str = "printable ASCII without spaces";

    fn parse(text: &str) -> Option<Self> {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then(|| Self::new(text))
    }
}

impl Parse for SecretKey {
    const ACCEPTED: &'static str = vault::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Parse for DeploymentMode {
    const ACCEPTED: &'static str = "internal_only or internet_facing";

    fn parse(text: &str) -> Option<Self> {
        Self::from_id(text)
    }
}

impl Parse for Networks {
    const ACCEPTED: &'static str = "networks joined by commas, such as 10.0.0.0/8,fd00::/8 or \
        192.168.1.7, or none";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Parse for OllamaVersion {
    const ACCEPTED: &'static str = "three numbers such as 0.13.5";

    fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<_> = text.split('.').collect();
        let is_number = |part: &&str| part.len() <= 5 && part.parse::<u32>().is_ok();
        (numbers.len() == 3 && numbers.iter().all(is_number)).then(|| Self(text.to_owned()))
    }
}

impl Parse for String {
    const ACCEPTED: &'static str = "printable ASCII of at most 1000 characters";

    fn parse(text: &str) -> Option<Self> {
        let printable = text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        (printable && text.len() <= 1000).then(|| text.to_owned())
    }
}
