//! Calls of the gateway's public API, made as any client would make them.
//!
//! Only for trying out a virtual model. An answer is read whole, a streamed one too, and
//! shown as it came; a key is sent on and kept nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use store::Secret;
use store::config::Config;

/// Longest answer that is read.
const LONGEST: usize = 4 * 1024 * 1024;

/// Where the gateway is and how long it is waited for.
pub(crate) struct Gateway {
    /// Unknown when it takes any free port.
    address: Option<SocketAddr>,
    timeout: Duration,
}

/// What the gateway answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In the order they came.
    pub(crate) headers: Vec<(String, String)>,
    /// As far as it was read.
    pub(crate) body: String,
    /// Whether there was more than is read.
    pub(crate) is_cut: bool,
    /// Why the body broke off, if it did.
    pub(crate) broke_off: Option<String>,
    /// Milliseconds to the first byte of the body; `None` of an empty one.
    pub(crate) first_byte_ms: Option<u64>,
    /// Milliseconds to the last.
    pub(crate) whole_ms: u64,
}

impl Gateway {
    /// As configured. One that listens on every address is called on this machine's own.
    pub(crate) fn new(config: &Config) -> Self {
        let mut address = config.api_address();
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Self {
            address: (address.port() != 0).then_some(address),
            timeout: config.timeout,
        }
    }

    /// Its base URL, if it is known.
    pub(crate) fn base(&self) -> Option<String> {
        self.address.map(|address| format!("http://{address}"))
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// Why there is no answer, for the operator.
    pub(crate) async fn call(
        &self,
        path: &str,
        key: Option<&Secret>,
        body: String,
    ) -> Result<Answer, String> {
        let Some(base) = self.base() else {
            return Err(
                "API_PORT is 0, so the gateway takes any free port: set a port to call it"
                    .to_owned(),
            );
        };
        let url = format!("{base}{path}");
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([])
            .timeout(self.timeout)
            .user_agent(concat!(
                "serverless-proxy-admin/",
                env!("CARGO_PKG_VERSION")
            ))
            .build()
            .map_err(|err| format!("the call cannot be made: {err}"))?;
        let mut call = client
            .post(&url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(key) = key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
                .map_err(|_| "the key has characters that no header may have".to_owned())?;
            value.set_sensitive(true);
            call = call.header(AUTHORIZATION, value);
        }
        let started = Instant::now();
        let response = call
            .send()
            .await
            .map_err(|err| self.unanswered(&url, &err))?;
        let mut answer = Answer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    (name.to_string(), value.into_owned())
                })
                .collect(),
            body: String::new(),
            is_cut: false,
            broke_off: None,
            first_byte_ms: None,
            whole_ms: 0,
        };
        let mut bytes = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            answer.first_byte_ms.get_or_insert(millis(started));
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(err) => {
                    answer.broke_off = Some(err.to_string());
                    break;
                }
            }
            if bytes.len() > LONGEST {
                bytes.truncate(LONGEST);
                answer.is_cut = true;
                break;
            }
        }
        answer.whole_ms = millis(started);
        answer.body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(answer)
    }

    fn unanswered(&self, url: &str, err: &reqwest::Error) -> String {
        if err.is_timeout() {
            let seconds = self.timeout.as_secs();
            return format!("{url} did not answer within TIMEOUT, {seconds} s");
        }
        if err.is_connect() {
            return format!(
                "nothing answers at {url}: is the gateway running, with the same API_BIND and \
                 API_PORT as this app?"
            );
        }
        format!("{url} did not answer as an HTTP server does: {err}")
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
