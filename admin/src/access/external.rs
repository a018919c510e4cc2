//! The external login service: asked whether a caller's cookies or token are a session.
//!
//! Only a body with `valid: true` means yes; whatever fails means no. An answer is kept for
//! at most ten seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::{self, HeaderMap};
use futures_util::StreamExt;
use reqwest::Client;
use serde_json::Value;
use store::config::Config;

/// How long the service may take.
const WAIT: Duration = Duration::from_secs(5);
/// How long an answer counts.
const KEPT: Duration = Duration::from_secs(10);
/// Most answers kept.
const REMEMBERED: usize = 1000;
/// Longest answer that is read.
const LONGEST: usize = 64 * 1024;

const TOKEN: &str = "x-session-token";

/// Says that this app asks.
const ASKED: &str = "x-asked-by";

/// The service, if one is set.
pub(crate) struct External {
    validate: String,
    login: String,
    client: Client,
    kept: Mutex<HashMap<Asked, (Instant, Option<String>)>>,
}

/// Cookies and token of a caller.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    cookies: Vec<u8>,
    token: Vec<u8>,
}

impl External {
    /// The service that the settings name.
    pub(crate) fn from_config(config: &Config) -> Option<Self> {
        let url = config.aimenu_url.as_ref()?.trim_end_matches('/');
        let public = config.aimenu_public_url.as_deref().unwrap_or(url);
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(WAIT);
        // No certificate is needed, so a machine without any is no obstacle.
        let client = if url.starts_with("http://") {
            client.tls_certs_only([])
        } else {
            client
        };
        let client = client
            .build()
            .inspect_err(|err| tracing::error!(error = %err, "the login service cannot be asked"))
            .ok()?;
        Some(Self {
            validate: format!("{url}/session/validate"),
            login: format!("{}/login", public.trim_end_matches('/')),
            client,
            kept: Mutex::default(),
        })
    }

    /// Where a browser logs in, to come back to `back`.
    pub(crate) fn login(&self, back: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("redirect", back)
            .finish();
        format!("{}?{query}", self.login)
    }

    /// The name of whoever sent `headers`; `None` for nobody. Callers with neither cookie
    /// nor token are not asked about.
    pub(crate) async fn user(&self, headers: &HeaderMap) -> Option<String> {
        let bytes = |name: &str| -> Vec<u8> {
            let all: Vec<&[u8]> = headers
                .get_all(name)
                .map(|value| value.as_bytes())
                .collect();
            all.join(&b"; "[..])
        };
        let asked = Asked {
            cookies: bytes(header::COOKIE.as_str()),
            token: bytes(TOKEN),
        };
        // This app, asked by itself, would ask itself.
        if headers.contains_key(ASKED) || (asked.cookies.is_empty() && asked.token.is_empty()) {
            return None;
        }
        let begun = Instant::now();
        if let Some(kept) = self.kept(&asked, begun) {
            return kept;
        }
        let user = self.ask(&asked).await;
        // Counted from the question on.
        self.keep(asked, begun, user.clone());
        user
    }

    async fn ask(&self, asked: &Asked) -> Option<String> {
        let mut request = self
            .client
            .get(&self.validate)
            .header(ASKED, "serverless-proxy-admin");
        if !asked.cookies.is_empty() {
            request = request.header(reqwest::header::COOKIE, asked.cookies.as_slice());
        }
        if !asked.token.is_empty() {
            request = request.header(TOKEN, asked.token.as_slice());
        }
        let failed =
            |why: String| tracing::warn!(why, "the login service does not say who is there");
        let response = request
            .send()
            .await
            .map_err(|err| failed(err.without_url().to_string()))
            .ok()?;
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk
                .map_err(|err| failed(err.without_url().to_string()))
                .ok()?;
            if body.len() + chunk.len() > LONGEST {
                failed("its answer is too long".to_owned());
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|err| failed(format!("its answer is no JSON: {err}")))
            .ok()?;
        if answer.get("valid") != Some(&Value::Bool(true)) {
            return None;
        }
        let user = answer.get("user").and_then(Value::as_str);
        Some(user.unwrap_or("unnamed").chars().take(100).collect())
    }

    fn kept(&self, asked: &Asked, now: Instant) -> Option<Option<String>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, user) = kept.get(asked)?;
        (now.duration_since(*at) < KEPT).then(|| user.clone())
    }

    fn keep(&self, asked: Asked, now: Instant, user: Option<String>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| now.saturating_duration_since(*at) < KEPT);
        if kept.len() < REMEMBERED {
            kept.insert(asked, (now, user));
        }
    }
}
