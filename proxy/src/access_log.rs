//! One line a call, written from the call's record by the ledger's thread: many
//! calls share one write, and the request path formats nothing.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use store::config::LogFormat;
use store::{Attempt, CacheUse, CallRecord, Capture, InboundKey, PatternCount, Redaction};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::telemetry::Traced;

/// A finished call and what only the log says about it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Box<CallRecord>,
    /// Why it failed, in words for the operator.
    pub(crate) reason: Option<String>,
    /// Who made the call.
    pub(crate) caller: CallerMark,
    /// What its tokens cost in nano-dollars, as far as prices are known; `None` when it has
    /// spent none.
    pub(crate) cost: Option<i64>,
    /// What became of candidates for tool calls, for the store alone.
    pub(crate) patterns: Vec<PatternCount>,
    /// What it said and was answered, for the store alone.
    pub(crate) capture: Option<Box<Capture>>,
    pub(crate) ended: SystemTime,
    /// Its place in a trace, for who makes spans of it.
    pub(crate) traced: Option<Box<Traced>>,
}

/// Who made a call, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct CallerMark {
    pub(crate) key: Option<Arc<InboundKey>>,
    pub(crate) address: Option<IpAddr>,
}

/// Writes access log lines to standard error, where every other log line goes.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: LogFormat,
    redaction: Arc<Redaction>,
    lines: String,
}

impl AccessLog {
    pub(crate) fn new(format: LogFormat, redaction: Arc<Redaction>) -> Self {
        Self {
            format,
            redaction,
            lines: String::new(),
        }
    }

    /// What its lines pass.
    pub(crate) fn redaction(&self) -> &Arc<Redaction> {
        &self.redaction
    }

    /// Adds the line of `entry`, unless the log filter leaves it out.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let wanted = if entry.reason.is_some() {
            tracing::enabled!(target: "access", tracing::Level::WARN)
        } else {
            tracing::enabled!(target: "access", tracing::Level::INFO)
        };
        if !wanted {
            return;
        }
        let at = OffsetDateTime::from(entry.ended)
            .format(&Rfc3339)
            .unwrap_or_default();
        match self.format {
            LogFormat::Text => self.add_text(&at, entry),
            LogFormat::Json => self.add_json(at, entry),
        }
        self.lines.push('\n');
    }

    /// Writes what has been added.
    pub(crate) fn flush(&mut self) {
        // With nobody reading the log there is nobody to tell.
        let _ = self.redaction.stderr().write_all(self.lines.as_bytes());
        self.lines.clear();
    }

    fn add_text(&mut self, at: &str, entry: &Entry) {
        let r = &entry.record;
        let level = if entry.reason.is_some() {
            "WARN"
        } else {
            "INFO"
        };
        let line = &mut self.lines;
        // Writing into a string cannot fail.
        let _ = write!(
            line,
            "{at} {level:>5} access: request_id={} call={} model={:?} endpoint={:?} status={} outcome={} stream={} prompt_tokens={} completion_tokens={} ms={} attempt_count={}",
            r.request_id,
            r.kind.as_str(),
            r.virtual_model,
            r.endpoint_name.as_deref().unwrap_or("-"),
            r.status,
            r.outcome.as_str(),
            r.stream,
            r.usage.prompt_tokens,
            r.usage.completion_tokens,
            r.latency_ms,
            r.attempts.len(),
        );
        if let Some(route) = &r.route {
            let _ = write!(line, " route={route:?}");
        }
        if let Some(address) = entry.caller.address {
            let _ = write!(line, " address={address}");
        }
        if let Some(key) = &entry.caller.key {
            let _ = write!(line, " key={:?} key_id={}", key.label, key.id);
        }
        if let Some(client) = &r.client {
            let _ = write!(line, " client={client:?}");
        }
        for (name, number) in [
            ("ttft_ms", r.ttft_ms),
            ("upstream_ms", r.upstream_ms),
            ("cached_tokens", above_zero(r.usage.cached_tokens)),
            ("repairs", above_zero(r.tool_repairs)),
        ] {
            if let Some(number) = number {
                let _ = write!(line, " {name}={number}");
            }
        }
        if r.estimated {
            line.push_str(" estimated=true");
        }
        if let Some(cost) = entry.cost {
            let _ = write!(line, " cost_nanos={cost}");
        }
        if let Some(cache) = memory(r.cache) {
            let _ = write!(line, " cache={cache}");
        }
        if let Some(code) = &r.error_code {
            let _ = write!(line, " code={code:?}");
        }
        if r.attempts.len() > 1 {
            let tried: Vec<_> = r.attempts.iter().map(told).collect();
            let _ = write!(line, " attempts={:?}", tried.join(", "));
        }
        if let Some(reason) = &entry.reason {
            let _ = write!(line, " reason={reason:?}");
        }
    }

    fn add_json(&mut self, at: String, entry: &Entry) {
        let r = &entry.record;
        let level = if entry.reason.is_some() {
            "WARN"
        } else {
            "INFO"
        };
        let mut line = Map::new();
        for (name, value) in [
            ("timestamp", Value::String(at)),
            ("level", json!(level)),
            ("target", json!("access")),
            ("request_id", json!(r.request_id)),
            ("call", json!(r.kind.as_str())),
            ("model", json!(r.virtual_model)),
            ("endpoint", json!(r.endpoint_name)),
            ("status", json!(r.status)),
            ("outcome", json!(r.outcome.as_str())),
            ("stream", json!(r.stream)),
            ("prompt_tokens", json!(r.usage.prompt_tokens)),
            ("completion_tokens", json!(r.usage.completion_tokens)),
            ("cached_tokens", json!(r.usage.cached_tokens)),
            ("estimated", json!(r.estimated)),
            ("cost_nanos", json!(entry.cost)),
            ("ms", json!(r.latency_ms)),
            ("ttft_ms", json!(r.ttft_ms)),
            ("upstream_ms", json!(r.upstream_ms)),
            ("route", json!(r.route)),
            ("client", json!(r.client)),
            ("repairs", json!(r.tool_repairs)),
            ("address", json!(entry.caller.address)),
            (
                "key",
                json!(entry.caller.key.as_ref().map(|key| &key.label)),
            ),
            ("key_id", json!(entry.caller.key.as_ref().map(|key| key.id))),
            ("cache", json!(memory(r.cache))),
            ("code", json!(r.error_code)),
            ("attempt_count", json!(r.attempts.len())),
            ("attempts", json!(r.attempts)),
            ("reason", json!(entry.reason)),
        ] {
            line.insert(name.to_owned(), value);
        }
        self.lines.push_str(&Value::Object(line).to_string());
    }
}

/// A number that is told only where it is one.
fn above_zero(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number > 0)
}

/// What the memory of answers has done, in a word.
fn memory(cache: Option<CacheUse>) -> Option<&'static str> {
    cache.map(|did| match did {
        CacheUse::Hit(_) => "hit",
        CacheUse::Miss => "miss",
    })
}

/// One attempt in a few words.
fn told(attempt: &Attempt) -> String {
    let Attempt {
        endpoint,
        status,
        code,
        ms,
        ..
    } = attempt;
    match code {
        Some(code) => format!("{endpoint} {status} {code} {ms} ms"),
        None => format!("{endpoint} {status} {ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use store::{CallKind, Outcome};
    use wire::usage::Usage;

    fn entry() -> Entry {
        Entry {
            record: Box::new(CallRecord {
                virtual_model: "a\nb \"c\"".to_owned(),
                endpoint_id: Some(1),
                usage: Usage {
                    prompt_tokens: 3,
                    completion_tokens: 4,
                    ..Usage::default()
                },
                status: 502,
                outcome: Outcome::UpstreamError,
                stream: true,
                latency_ms: 12,
                ttft_ms: Some(5),
                upstream_ms: Some(9),
                tool_repairs: 1,
                route: Some("/v1/chat/completions".to_owned()),
                client: Some("Codex".to_owned()),
                estimated: true,
                error_code: Some("upstream_failed".to_owned()),
                ..CallRecord::begun(CallKind::Chat, "req_1".to_owned(), 0)
            }),
            reason: Some("line one\nline two".to_owned()),
            caller: CallerMark::default(),
            cost: Some(77),
            patterns: Vec::new(),
            capture: None,
            ended: SystemTime::UNIX_EPOCH,
            traced: None,
        }
    }

    #[test]
    fn a_text_line_is_one_line_whatever_is_in_it() {
        let mut log = AccessLog::new(LogFormat::Text, Arc::default());
        log.add_text("1970-01-01T00:00:00Z", &entry());
        assert_eq!(
            log.lines,
            r#"1970-01-01T00:00:00Z  WARN access: request_id=req_1 call=chat model="a\nb \"c\"" endpoint="-" status=502 outcome=upstream_error stream=true prompt_tokens=3 completion_tokens=4 ms=12 attempt_count=0 route="/v1/chat/completions" client="Codex" ttft_ms=5 upstream_ms=9 repairs=1 estimated=true cost_nanos=77 code="upstream_failed" reason="line one\nline two""#
        );
    }

    #[test]
    fn attempts_are_told_when_there_is_more_than_one() {
        let attempt = |endpoint: &str, code: Option<&str>| Attempt {
            endpoint: endpoint.to_owned(),
            virtual_model: "v".to_owned(),
            model: "m".to_owned(),
            status: if code.is_some() { 502 } else { 200 },
            code: code.map(str::to_owned),
            ms: 7,
            ..Attempt::default()
        };
        let mut entry = entry();
        entry.record.attempts = vec![attempt("a", Some("upstream_failed"))];
        let mut log = AccessLog::new(LogFormat::Text, Arc::default());
        log.add_text("now", &entry);
        assert!(!log.lines.contains("attempts="));
        entry.record.attempts.push(attempt("b", None));
        log.add_text("now", &entry);
        let tried = r#" attempts="a 502 upstream_failed 7 ms, b 200 7 ms""#;
        assert!(log.lines.contains(tried), "{}", log.lines);
    }

    #[test]
    fn a_json_line_is_an_object_on_one_line() {
        let mut log = AccessLog::new(LogFormat::Json, Arc::default());
        log.add_json("now".to_owned(), &entry());
        assert!(!log.lines.contains('\n'));
        let line: Value = serde_json::from_str(&log.lines).unwrap();
        assert_eq!(line["request_id"], "req_1");
        assert_eq!(line["cost_nanos"], 77);
        assert_eq!(line["attempt_count"], 0);
        assert_eq!(line["reason"], "line one\nline two");
        assert_eq!(line["model"], "a\nb \"c\"");
    }
}
