//! Where an endpoint's jobs are, from the address that an operator typed.
//!
//! Any server and any path before the endpoint's own are taken: the platform, a
//! relay in front of it, a simulation. Endpoint and job ids are opaque.

use std::fmt::Write as _;

use crate::provider::{BaseUrl, UpstreamUrl};

/// How an endpoint is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lane {
    /// In OpenAI's dialect, below this base.
    OpenAi {
        /// Ends in `/openai/v1`.
        base: BaseUrl,
    },
    /// By jobs.
    Jobs(Addresses),
}

/// The addresses of one endpoint's jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    endpoint: BaseUrl,
}

/// What makes an address one of OpenAI's dialect.
const OPENAI: &str = "/openai/v1";

/// Calls of the platform that may have been pasted behind the endpoint.
const CALLS: [&str; 2] = ["/runsync", "/run"];

impl Lane {
    /// Reads the address of an endpoint, with or without one of the platform's calls
    /// behind it.
    #[must_use]
    pub fn of(base: &BaseUrl) -> Self {
        let path = base.path();
        if let Some(at) = path.rfind(OPENAI) {
            let end = at + OPENAI.len();
            // `/openai/v10` would be another thing.
            if path[end..].is_empty() || path[end..].starts_with('/') {
                return Self::OpenAi {
                    base: base.at(path[..end].to_owned()),
                };
            }
        }
        let endpoint = CALLS.iter().find_map(|call| path.strip_suffix(call));
        Self::Jobs(Addresses {
            endpoint: base.at(endpoint.unwrap_or(path).to_owned()),
        })
    }
}

impl Addresses {
    /// Submits a job; POST.
    #[must_use]
    pub fn run(&self) -> UpstreamUrl {
        self.call("/run", None)
    }

    /// Submits a job and waits a while for its end; POST.
    #[must_use]
    pub fn runsync(&self) -> UpstreamUrl {
        self.call("/runsync", None)
    }

    /// What became of a job; GET.
    #[must_use]
    pub fn status(&self, job: &str) -> UpstreamUrl {
        self.call("/status/", Some(job))
    }

    /// What a job put out since this was last asked; GET, each chunk once.
    #[must_use]
    pub fn stream(&self, job: &str) -> UpstreamUrl {
        self.call("/stream/", Some(job))
    }

    /// Ends a job; POST.
    #[must_use]
    pub fn cancel(&self, job: &str) -> UpstreamUrl {
        self.call("/cancel/", Some(job))
    }

    /// Workers and jobs of the endpoint; GET, costs nothing.
    #[must_use]
    pub fn health(&self) -> UpstreamUrl {
        self.call("/health", None)
    }

    fn call(&self, call: &str, job: Option<&str>) -> UpstreamUrl {
        let mut path = format!("{}{call}", self.endpoint.path());
        for byte in job.unwrap_or_default().bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                path.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
        self.endpoint.with_path(path)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::provider::{Call, ProviderKind};

    /// The address as typed, the lane, and the base below which its calls are.
    const ADDRESSES: &str = include_str!("../../../cases/runpod/addresses.txt");

    fn cases() -> impl Iterator<Item = [&'static str; 3]> {
        ADDRESSES
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                <[&str; 3]>::try_from(fields).unwrap()
            })
    }

    #[test]
    fn every_form_of_an_address_means_its_endpoint() {
        for [typed, lane, base] in cases() {
            match Lane::of(&BaseUrl::parse(typed).unwrap()) {
                Lane::OpenAi { base: got } => {
                    assert_eq!(lane, "openai", "{typed}");
                    assert_eq!(got, BaseUrl::parse(base).unwrap(), "{typed}");
                }
                Lane::Jobs(addresses) => {
                    assert_eq!(lane, "jobs", "{typed}");
                    for (got, call) in [
                        (addresses.run(), "run"),
                        (addresses.runsync(), "runsync"),
                        (addresses.health(), "health"),
                        (addresses.status("j1"), "status/j1"),
                        (addresses.stream("j1"), "stream/j1"),
                        (addresses.cancel("j1"), "cancel/j1"),
                    ] {
                        assert_eq!(got.to_string(), format!("{base}/{call}"), "{typed}");
                    }
                }
            }
        }
        assert!(cases().count() > 12, "the case file is read");
    }

    /// The provider's table sends a chat to the same place.
    #[test]
    fn the_providers_table_agrees() {
        for [typed, lane, base] in cases() {
            let typed = BaseUrl::parse(typed).unwrap();
            let way = ProviderKind::Runpod.provider().way(&typed, Call::Chat);
            let call = match lane {
                "openai" => "chat/completions",
                _ => "run",
            };
            assert_eq!(way.unwrap().url.to_string(), format!("{base}/{call}"));
        }
    }

    #[test]
    fn a_jobs_id_cannot_leave_its_place_in_the_path() {
        let base = BaseUrl::parse("https://api.runpod.ai/v2/abc").unwrap();
        let Lane::Jobs(addresses) = Lane::of(&base) else {
            unreachable!("an endpoint of jobs");
        };
        for (id, written) in [
            ("sync-79164ff4-u1", "sync-79164ff4-u1"),
            ("../other/run?x=1#y", "..%2Fother%2Frun%3Fx%3D1%23y"),
            ("a b%20ä\r\n", "a%20b%2520%C3%A4%0D%0A"),
        ] {
            let expected = format!("/v2/abc/status/{written}");
            assert_eq!(addresses.status(id).path(), expected);
        }
    }
}
