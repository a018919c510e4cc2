//! Why a job failed.
//!
//! The platform hands on what the worker's program said, in whatever way its language
//! prints it: plain text, JSON inside a string, a Python dictionary. The message is
//! taken out of all of them; tracebacks, host names and worker ids never are.

use serde::Deserialize;
use serde_json::Value;

use super::envelope::{Envelope, JobStatus, string};
use super::python;
use crate::dialect::openai::UpstreamError;

/// Why a job failed, and the status that says the same in HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// 502 unless something better is known: the worker's own status, 400 for a prompt
    /// that is too long, 503 for a cancelled job, 504 for one that ran out of time.
    pub status: u16,
    /// What the worker or the platform said, as far as it said it.
    pub error: UpstreamError,
}

/// Texts in texts are read up to this depth.
const DEEPEST: usize = 4;

/// What a job that ended without an answer means: one that failed, was cancelled or
/// timed out, or that completed with an error as its output.
#[must_use]
pub fn failure(envelope: &Envelope<'_>) -> Failure {
    let said = match (&envelope.error, envelope.output) {
        (Some(error), _) => of_text(error, DEEPEST),
        (None, Some(output)) => output_error(output).unwrap_or_else(Failure::silent),
        (None, None) => Failure::silent(),
    };
    let status = match envelope.status {
        JobStatus::Cancelled => 503,
        JobStatus::TimedOut => 504,
        JobStatus::InQueue
        | JobStatus::InProgress
        | JobStatus::Completed
        | JobStatus::Failed
        | JobStatus::Unknown(_) => said.status,
    };
    Failure { status, ..said }
}

/// The error that a worker's output is; `None` when it is none.
#[must_use]
pub fn output_error(output: &str) -> Option<Failure> {
    let value = serde_json::from_str(output).ok()?;
    of_output(&value, DEEPEST)
}

/// Whether a job failed because its worker knows no `openai_route`: the same call in
/// worker-vllm's native form may succeed.
#[must_use]
pub fn wants_native(envelope: &Envelope<'_>) -> bool {
    if !envelope.status.is_final() {
        return false;
    }
    let failure = match (&envelope.error, envelope.output) {
        (Some(error), _) => of_text(error, DEEPEST),
        (None, Some(output)) => match output_error(output) {
            Some(failure) => failure,
            None => return false,
        },
        (None, None) => return false,
    };
    let message = failure.error.message.unwrap_or_default().to_lowercase();
    // A worker that forwards the call to a server knows routes.
    if http_status(&message).is_some() {
        return false;
    }
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let no_route = says(&["route"]) && says(&["invalid", "unknown", "unsupported", "not found"]);
    let is_key_error = failure.error.kind.is_some_and(|kind| kind == "KeyError");
    let no_prompt = says(&["prompt", "messages"])
        && (is_key_error
            || says(&[
                "keyerror",
                "missing",
                "required",
                "not provided",
                "no prompt",
            ]));
    no_route || no_prompt
}

impl Failure {
    fn silent() -> Self {
        Self::of(UpstreamError::default())
    }

    /// The status is the one that the error or its message names.
    fn of(error: UpstreamError) -> Self {
        let code = error.code.as_deref().and_then(|code| code.parse().ok());
        let named = code.filter(|code| (400..600).contains(code));
        let status = named.or_else(|| error.message.as_deref().and_then(http_status));
        // A worker's program has no statuses; of this its caller alone can do something.
        let callers = || error.is_context_overflow().then_some(400);
        Self {
            status: status.or_else(callers).unwrap_or(502),
            error,
        }
    }
}

/// Reads an error's text in any of its forms.
fn of_text(text: &str, depth: usize) -> Failure {
    let text = text.trim();
    if depth > 0
        && let Some(value) = structured(text)
    {
        let found = of_value(&value, depth - 1);
        if found.error.message.is_some() {
            return found;
        }
    }
    // `vLLM returned HTTP 400: <body>`
    if depth > 0
        && let Some(status) = http_status(text)
        && let Some(start) = text.find('{')
        && let Some(value) = structured(&text[start..])
    {
        let inner = of_value(&value, depth - 1);
        if inner.error.message.is_some() {
            return Failure {
                status,
                error: inner.error,
            };
        }
    }
    Failure::of(UpstreamError {
        message: (!text.is_empty()).then(|| text.to_owned()),
        ..UpstreamError::default()
    })
}

/// JSON, or Python's way of it.
fn structured(text: &str) -> Option<Value> {
    let is_json = text.starts_with(['{', '[', '"']);
    let json = is_json.then(|| serde_json::from_str(text).ok()).flatten();
    let is_python = is_json || text.starts_with('(') || text.ends_with(')');
    json.or_else(|| is_python.then(|| python::value(text)).flatten())
}

/// The exception that the Python SDK reports.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Exception {
    error_type: Option<String>,
    error_message: Option<String>,
}

fn of_value(value: &Value, depth: usize) -> Failure {
    if let Value::String(text) = value {
        return of_text(text, depth);
    }
    let Exception {
        error_type,
        error_message,
    } = Exception::deserialize(value).unwrap_or_default();
    if let Some(message) = error_message {
        let mut inner = of_text(&message, depth);
        let kind = error_type.map(|kind| class_name(&kind).to_owned());
        inner.error.kind = inner.error.kind.or(kind);
        return inner;
    }
    let mut error = UpstreamError::read(value.to_string().as_bytes());
    let Some(message) = error.message.take() else {
        return Failure::of(error);
    };
    let inner = if depth > 0 {
        of_text(&message, depth)
    } else {
        Failure::of(UpstreamError {
            message: Some(message),
            ..UpstreamError::default()
        })
    };
    let error = UpstreamError {
        message: inner.error.message,
        kind: inner.error.kind.or(error.kind),
        param: inner.error.param.or(error.param),
        code: inner.error.code.or(error.code),
    };
    match inner.status {
        502 => Failure::of(error),
        status => Failure { status, error },
    }
}

/// `<class 'ValueError'>` is a `ValueError`.
fn class_name(printed: &str) -> &str {
    printed.split('\'').nth(1).unwrap_or(printed)
}

/// An output is an error when it has a truthy `error`, or is one of vLLM's flat ones.
fn of_output(output: &Value, depth: usize) -> Option<Failure> {
    match output {
        Value::Array(list) if list.len() == 1 && depth > 0 => of_output(&list[0], depth - 1),
        Value::Object(object) => {
            let is_flat = object.get("object").is_some_and(|kind| kind == "error");
            let is_error = object.get("error").is_some_and(|error| match error {
                Value::Null => false,
                Value::Bool(is_error) => *is_error,
                Value::Number(_) => true,
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                Value::Object(object) => !object.is_empty(),
            });
            (is_flat || is_error).then(|| of_value(output, DEEPEST))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// The status in `… HTTP 400 …`, if it is one of a failure.
fn http_status(text: &str) -> Option<u16> {
    let upper = text.to_ascii_uppercase();
    upper.match_indices("HTTP ").find_map(|(at, mark)| {
        let digits: &str = upper.get(at + mark.len()..at + mark.len() + 3)?;
        let goes_on = upper[at + mark.len() + 3..].starts_with(|c: char| c.is_ascii_digit());
        let status = digits.parse().ok().filter(|_| !goes_on)?;
        (400..600).contains(&status).then_some(status)
    })
}

/// For an output that is itself JSON text inside a string.
pub(super) fn unwrapped(output: &str) -> Option<String> {
    let text = string(output)?;
    let inner = text.trim();
    let is_object = inner.starts_with('{') && inner.ends_with('}');
    is_object.then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    /// Each case: a name, whether the native form is wanted, the status, the error's
    /// type and message; on the line below, the platform's answer.
    const FAILURES: &str = include_str!("../../../cases/runpod/failures.txt");

    #[test]
    fn every_failure_gives_its_message_and_status() {
        let mut seen = 0;
        let mut lines = FAILURES
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        while let Some(head) = lines.next() {
            let fields: Vec<&str> = head.split('|').map(str::trim).collect();
            let [name, native, status, kind, message] = fields[..] else {
                unreachable!("five fields: {head}");
            };
            let envelope = Envelope::read(lines.next().unwrap().as_bytes()).unwrap();
            let failure = failure(&envelope);
            assert_eq!(failure.status.to_string(), status, "{name}");
            let got = failure.error;
            assert_eq!(got.kind.as_deref().unwrap_or("-"), kind, "{name}");
            assert_eq!(got.message.as_deref().unwrap_or("-"), message, "{name}");
            assert_eq!(wants_native(&envelope), native == "native", "{name}");
            seen += 1;
        }
        assert!(seen > 15, "the case file is read");
    }

    /// No text panics, and a text is never lost.
    #[test]
    fn errors_that_are_cut_keep_their_text() {
        for line in FAILURES.lines().filter(|line| line.starts_with('{')) {
            let Some(error) = Envelope::read(line.as_bytes()).unwrap().error else {
                continue;
            };
            for (cut, _) in error.char_indices().skip(1) {
                for piece in [&error[..cut], &error[cut..]] {
                    let failure = of_text(piece, DEEPEST);
                    let is_blank = piece.trim().is_empty();
                    assert_eq!(failure.error.message.is_none(), is_blank, "{piece}");
                }
            }
        }
    }

    #[test]
    fn an_answer_is_no_error() {
        for output in [
            r#"[{"choices":[]}]"#,
            r#"{"error":null,"choices":[]}"#,
            r#""error""#,
            r#"[{"error":"a"},{"error":"b"}]"#,
            "null",
            "{",
        ] {
            assert_eq!(output_error(output), None, "{output}");
        }
    }

    #[test]
    fn a_status_stands_after_http() {
        for (text, status) in [
            ("vLLM returned HTTP 400: x", Some(400)),
            ("http 503", Some(503)),
            ("HTTP 200 then HTTP 429.", Some(429)),
            ("HTTP 4000", None),
            ("HTTP 40", None),
            ("HTTP äö", None),
            ("status 400", None),
        ] {
            assert_eq!(http_status(text), status, "{text}");
        }
    }
}
