//! The health check of an endpoint: one GET without a key.

use serde_json::Value;
use wire::provider::UpstreamUrl;

use super::get::Get;
use super::{Pool, Timeouts};

/// Most bytes of an answer that are looked at.
const MOST: usize = 64 * 1024;

/// Where and how an endpoint's health is looked up.
#[derive(Debug)]
pub(super) struct Check(Get);

impl Check {
    /// At `url`, over TLS as `endpoint` has it.
    ///
    /// # Errors
    /// A text for the operator: the CA file cannot be used, or the URL not be sent.
    pub(super) fn new(
        endpoint: &store::Endpoint,
        url: &UpstreamUrl,
        timeouts: Timeouts,
    ) -> Result<Self, String> {
        let get = Get::new(endpoint, url, timeouts, &[]);
        get.map(Self)
            .map_err(|why| format!("its health check URL {why}"))
    }

    /// Asks once, over a connection of its own.
    ///
    /// # Errors
    /// Why the endpoint is not healthy.
    pub(super) async fn ask(&self, pool: &Pool) -> Result<(), String> {
        let asked = self.0.ask(pool, MOST).await;
        let (status, body) = asked.map_err(|err| err.to_string())?;
        judge(status, &body)
    }
}

/// Whether an answer says that its sender is well: a success, unless its JSON says
/// otherwise.
fn judge(status: u16, body: &[u8]) -> Result<(), String> {
    if !(200..300).contains(&status) {
        return Err(format!("it answered with HTTP {status}"));
    }
    let Ok(Value::Object(said)) = serde_json::from_slice(body) else {
        return Ok(());
    };
    if said.get("healthy") == Some(&Value::Bool(false)) {
        return Err("it says that it is not healthy".to_owned());
    }
    let word = said.get("status").and_then(Value::as_str).unwrap_or("");
    let word = word.to_ascii_lowercase();
    if matches!(word.as_str(), "error" | "down" | "unhealthy") {
        return Err(format!("it says that its status is {word}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_status_and_words() {
        for (status, body, well) in [
            (200, "", true),
            (204, "", true),
            (200, "ok", true),
            (200, r#"{"status":"ok"}"#, true),
            (200, r#"{"status":true}"#, true),
            (200, r#"{"healthy":true}"#, true),
            (200, r#"{"healthy":false}"#, false),
            (200, r#"{"status":"DOWN"}"#, false),
            (200, r#"{"status":"unhealthy"}"#, false),
            (200, r#"{"status":"error"}"#, false),
            (503, r#"{"status":"ok"}"#, false),
            (404, "", false),
            (301, "", false),
        ] {
            assert_eq!(
                judge(status, body.as_bytes()).is_ok(),
                well,
                "{status} {body}"
            );
        }
    }
}
