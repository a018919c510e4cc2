//! What only an Ollama server can be asked: which models it has in memory, and to fetch
//! another one.
//!
//! A pull goes on in the background until the server says how it ended; what is known of it
//! is kept in memory, the latest of them only. The server ends a pull when this program
//! stops and goes on with it where it was when it is asked again.

mod pulls;

use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Endpoint, FieldErrors, Secret};
use wire::dialect::ollama::read_ps;
use wire::provider::{BaseUrl, ProviderKind, UpstreamUrl};
use wire::redact::scrub;

use super::{Context, Failure, Prober, Times, headers, refusal};
use crate::error::ApiError;
pub(crate) use pulls::{Pull, Pulls};

/// Longest silence of a pull: a large model is verified without a word.
const MAX_SILENCE: Duration = Duration::from_secs(900);

/// Longest line of a pull.
const MAX_LINE: usize = 64 * 1024;

/// A model in the server's memory.
#[derive(Debug, Serialize)]
pub(crate) struct Loaded {
    pub(crate) model: String,
    /// The context it was loaded with, in tokens.
    pub(crate) context_length: Option<u32>,
}

/// One line of a pull. What else is in it does not matter here.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    completed: Option<u64>,
    #[serde(default)]
    total: Option<u64>,
}

/// The model a pull is asked for.
///
/// # Errors
/// When it is missing or cannot be a name.
pub(crate) fn model_name(body: &Value) -> Result<String, FieldErrors> {
    let name = body.get("model").and_then(Value::as_str).map(str::trim);
    match name {
        Some(name)
            if (1..=500).contains(&name.chars().count()) && !name.chars().any(char::is_control) =>
        {
            Ok(name.to_owned())
        }
        Some(_) | None => Err(FieldErrors::one(
            "model",
            "must be the name of a model, such as llama3.2 or qwen3:8b",
        )),
    }
}

impl Prober {
    /// The models an Ollama server has in memory; `None` for other types, and when it does
    /// not say.
    pub(crate) async fn loaded(&self, endpoint: &Endpoint) -> Option<Vec<Loaded>> {
        let url = address(endpoint, "/ps")?;
        let (_, body) = self.get(endpoint, self.key(endpoint), &url).await.ok()?;
        let loaded = read_ps(&body).into_iter().map(|model| Loaded {
            model: model.name,
            context_length: model.context_length,
        });
        Some(loaded.collect())
    }

    /// The latest pulls of an endpoint, newest first.
    pub(crate) fn pulls(&self, endpoint_id: i64) -> Vec<Pull> {
        self.pulls.of(endpoint_id)
    }

    /// Notes a pull that is to begin, and whether it is a new one: a model that is being
    /// pulled already is not pulled twice.
    ///
    /// # Errors
    /// When too many are under way.
    pub(crate) fn begin_pull(
        &self,
        endpoint_id: i64,
        model: &str,
    ) -> Result<(Pull, bool), ApiError> {
        self.pulls.begin(endpoint_id, model).ok_or_else(|| {
            let why = "too many pulls are under way: wait until one of them has ended";
            ApiError::Conflict(why.to_owned(), Vec::new())
        })
    }

    /// Pulls the model to the end and notes how it goes.
    pub(crate) async fn pull(&self, endpoint: &Endpoint, model: &str, number: u64) {
        let ended = self.follow(endpoint, model, number).await;
        let ended = ended.map_err(|failure| failure.reason);
        if let Err(reason) = &ended {
            tracing::warn!(endpoint = %endpoint.name, model, "the pull of a model failed: {reason}");
        }
        self.pulls.end(number, ended.err());
    }

    async fn follow(&self, endpoint: &Endpoint, model: &str, number: u64) -> Result<(), Failure> {
        let url = address(endpoint, "/pull")
            .ok_or_else(|| Failure::without_answer("the URL cannot be called".to_owned()))?;
        let key = self.key(endpoint);
        let context = Context {
            url: &url,
            times: Times {
                whole: MAX_SILENCE,
                ..self.usual.at(endpoint)
            },
        };
        let client = self.client(endpoint, &url).await?;
        let call = client
            .post(url.to_string())
            .headers(headers(endpoint, key)?)
            .json(&json!({ "model": model, "stream": true }))
            .send();
        let silent = || Failure {
            endpoint_status: None,
            timed_out: true,
            reason: format!("{url} said nothing for {} s", MAX_SILENCE.as_secs()),
        };
        let response = actix_web::rt::time::timeout(MAX_SILENCE, call)
            .await
            .map_err(|_elapsed| silent())?
            .map_err(|err| Failure::of_call(&err, None, &context))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            let target = response.headers().get(reqwest::header::LOCATION);
            let reason = refusal(status, target, endpoint, key, &url);
            return Err(Failure::with_answer(status, reason));
        }
        let mut chunks = response.bytes_stream();
        let mut rest = Vec::new();
        loop {
            let chunk = actix_web::rt::time::timeout(MAX_SILENCE, chunks.next())
                .await
                .map_err(|_elapsed| silent())?;
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|err| Failure::of_call(&err, Some(status), &context))?;
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if self.take(&line, number, key, status)? {
                    return Ok(());
                }
            }
            if rest.len() > MAX_LINE {
                let reason = format!("{url} sent a line of more than {MAX_LINE} bytes");
                return Err(Failure::with_answer(status, reason));
            }
        }
        if self.take(&rest, number, key, status)? {
            return Ok(());
        }
        let reason = format!("{url} broke off before the model was complete; pull it again");
        Err(Failure::with_answer(status, reason))
    }

    /// Notes what a line says, and whether it is the last one.
    fn take(
        &self,
        line: &[u8],
        number: u64,
        key: Option<&Secret>,
        status: u16,
    ) -> Result<bool, Failure> {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            return Ok(false);
        };
        let secrets: Vec<&str> = key.map(Secret::expose).into_iter().collect();
        let shown = |text: &str| -> String {
            let text = scrub(text, &secrets);
            text.chars().take(500).collect()
        };
        if let Some(error) = &line.error {
            let reason = format!("the server says: {}", shown(error));
            return Err(Failure::with_answer(status, reason));
        }
        let text = line.status.as_deref().map(shown).unwrap_or_default();
        let is_last = text == "success";
        self.pulls.note(number, text, line.completed, line.total);
        Ok(is_last)
    }
}

/// Where an Ollama server is asked for `path`; `None` for other types.
fn address(endpoint: &Endpoint, path: &str) -> Option<UpstreamUrl> {
    if endpoint.provider != ProviderKind::Ollama {
        return None;
    }
    let base = BaseUrl::parse(&endpoint.url).ok()?;
    Some(endpoint.provider.provider().beside(&base, path))
}
