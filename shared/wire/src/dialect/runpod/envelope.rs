//! What the platform says of a job.
//!
//! Everything but an object, or a list of chunks, is an error; in an object each
//! member that is not of the documented form reads as absent.

use std::borrow::Cow;

use crate::object;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Where a job is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// It waits for a worker.
    InQueue,
    /// A worker is at it.
    InProgress,
    /// It is done; its output may still be an error.
    Completed,
    /// The worker failed.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// No worker took it up, or none came to an end, in time.
    TimedOut,
    /// A state that is not documented; empty when the answer names none, as a bare
    /// list of chunks.
    Unknown(String),
}

impl JobStatus {
    /// Whether nothing more happens to the job.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut => true,
            Self::InQueue | Self::InProgress | Self::Unknown(_) => false,
        }
    }

    fn read(name: &str) -> Self {
        match name {
            "IN_QUEUE" => Self::InQueue,
            "IN_PROGRESS" | "RUNNING" => Self::InProgress,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            "CANCELLED" => Self::Cancelled,
            "TIMED_OUT" => Self::TimedOut,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// A job as the platform's answers tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Opaque; empty when the answer has none.
    pub id: Cow<'a, str>,
    /// Where the job is.
    pub status: JobStatus,
    /// Milliseconds that it waited for a worker, the worker's start included.
    pub delay_ms: Option<u64>,
    /// Milliseconds on the worker.
    pub execution_ms: Option<u64>,
    /// What the worker put out, JSON text; absent as long as there is nothing.
    pub output: Option<&'a str>,
    /// What went wrong, as the platform has it; see [`super::failure`].
    pub error: Option<Cow<'a, str>>,
}

/// Why an answer with a success status tells nothing of a job.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// It is not JSON, or neither an object nor a list.
    #[error("RunPod's answer is not a JSON object: {0}")]
    NotJson(String),
    /// An object with neither an id nor a state.
    #[error(
        "RunPod's answer has neither a job's id nor its status; check that the address is that of a serverless endpoint"
    )]
    NotAJob,
}

/// One answer of `/stream`: the chunks since the last one, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPage<'a> {
    /// The job; of unknown state when the answer is a bare list.
    pub envelope: Envelope<'a>,
    /// The output of each chunk, JSON text, for [`super::OutputReader::push`].
    pub chunks: Vec<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delay_time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    execution_time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stream: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

/// A string of JSON, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates and the sign was looked at"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// The string that `json` is.
pub(super) fn string(json: &str) -> Option<Cow<'_, str>> {
    let Text(text) = serde_json::from_str(json).ok()?;
    Some(text)
}

impl<'a> Envelope<'a> {
    /// Reads an answer of `/run`, `/runsync`, `/status` or `/cancel`.
    ///
    /// # Errors
    /// When it tells nothing of a job.
    pub fn read(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        StreamPage::read(body).map(|page| page.envelope)
    }

    fn of(members: &Members<'a>) -> Self {
        let text = |member: Option<&'a RawValue>| member.and_then(|raw| string(raw.get()));
        let millis = |member: Option<&'a RawValue>| {
            let number: f64 = serde_json::from_str(member?.get()).ok()?;
            (number >= 0.0).then(|| whole(number))
        };
        let status = text(members.status).unwrap_or_default();
        let error = members
            .error
            .map(|raw| string(raw.get()).unwrap_or(Cow::Borrowed(raw.get())));
        Self {
            id: text(members.id).unwrap_or_default(),
            status: JobStatus::read(&status),
            delay_ms: millis(members.delay_time),
            execution_ms: millis(members.execution_time),
            output: members.output.map(RawValue::get),
            error: error.filter(|text| !matches!(text.as_ref(), "" | "false" | "{}")),
        }
    }
}

impl<'a> StreamPage<'a> {
    /// Reads an answer of `/stream`, or any other that tells of a job.
    ///
    /// # Errors
    /// When it tells nothing of a job.
    pub fn read(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let not_json = |err: serde_json::Error| EnvelopeError::NotJson(err.to_string());
        let text = std::str::from_utf8(body)
            .map_err(|_| EnvelopeError::NotJson("it is not UTF-8".to_owned()))?;
        if text.trim_ascii_start().starts_with('[') {
            let raw: &RawValue = serde_json::from_str(text).map_err(not_json)?;
            return Ok(Self {
                envelope: Envelope::of(&Members::default()),
                chunks: chunks(raw),
            });
        }
        if !text.trim_ascii_start().starts_with('{') {
            return Err(EnvelopeError::NotJson("it is something else".to_owned()));
        }
        let members: Members<'a> = object::read_str(text).map_err(not_json)?;
        if members.id.is_none() && members.status.is_none() && members.stream.is_none() {
            return Err(EnvelopeError::NotAJob);
        }
        Ok(Self {
            envelope: Envelope::of(&members),
            chunks: members.stream.map(chunks).unwrap_or_default(),
        })
    }

    /// Whether this was the last one: the job has ended and all chunks have been told.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.envelope.status.is_final() && self.chunks.is_empty()
    }
}

/// The outputs of a list of chunks. What is no chunk is the output itself.
fn chunks(list: &RawValue) -> Vec<&str> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    list.into_iter().filter_map(output_of).collect()
}

fn output_of(chunk: &RawValue) -> Option<&str> {
    if !chunk.get().starts_with('{') {
        return Some(chunk.get());
    }
    let Chunk { output } = object::read_str(chunk.get()).ok()?;
    output.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn a_finished_job_is_read() {
        let body = br#"{"id":"sync-1-u1","status":"COMPLETED","delayTime":824,"executionTime":3391.5,"workerId":"w","output":[{"a": 1}]}"#;
        assert_eq!(
            Envelope::read(body),
            Ok(Envelope {
                id: "sync-1-u1".into(),
                status: JobStatus::Completed,
                delay_ms: Some(824),
                execution_ms: Some(3391),
                output: Some(r#"[{"a": 1}]"#),
                error: None,
            })
        );
    }

    #[test]
    fn every_state_is_known_and_final_or_not() {
        for (name, status, is_final) in [
            ("IN_QUEUE", JobStatus::InQueue, false),
            ("IN_PROGRESS", JobStatus::InProgress, false),
            ("RUNNING", JobStatus::InProgress, false),
            ("COMPLETED", JobStatus::Completed, true),
            ("FAILED", JobStatus::Failed, true),
            ("CANCELLED", JobStatus::Cancelled, true),
            ("TIMED_OUT", JobStatus::TimedOut, true),
            ("PAUSED", JobStatus::Unknown("PAUSED".to_owned()), false),
        ] {
            let body = format!(r#"{{"id":"1","status":"{name}"}}"#);
            let envelope = Envelope::read(body.as_bytes()).unwrap();
            assert_eq!(envelope.status, status);
            assert_eq!(envelope.status.is_final(), is_final, "{name}");
        }
    }

    #[test]
    fn b27_a_runsync_that_still_waits_is_not_done() {
        let envelope = Envelope::read(br#"{"id":"sync-1","status":"IN_QUEUE"}"#).unwrap();
        assert!(!envelope.status.is_final());
        assert_eq!(envelope.output, None);
    }

    #[test]
    fn errors_of_any_form_are_kept_as_text() {
        for (error, expected) in [
            (r#""broken""#, Some("broken")),
            (r#""{\"a\":1}""#, Some(r#"{"a":1}"#)),
            (r#"{"message":"m"}"#, Some(r#"{"message":"m"}"#)),
            ("null", None),
            (r#""""#, None),
            ("false", None),
        ] {
            let body = format!(r#"{{"id":"1","status":"FAILED","error":{error}}}"#);
            let envelope = Envelope::read(body.as_bytes()).unwrap();
            assert_eq!(envelope.error.as_deref(), expected, "{error}");
        }
    }

    #[test]
    fn both_forms_of_a_stream_page_are_read() {
        let chunks = [r#""data: 1""#, "[1, 2]", r#"{"a":1}"#];
        let list = r#"[{"metrics":{},"output":"data: 1"},{"output":[1, 2]},{"output":{"a":1}},{"output":null},{}]"#;
        let page = StreamPage::read(list.as_bytes()).unwrap();
        assert_eq!(page.chunks, chunks);
        assert_eq!(page.envelope.status, JobStatus::Unknown(String::new()));
        let object = format!(r#"{{"status":"COMPLETED","stream":{list}}}"#);
        let page = StreamPage::read(object.as_bytes()).unwrap();
        assert_eq!(page.chunks, chunks);
        assert!(!page.is_last(), "the next answer may have more");
        let last = StreamPage::read(br#"{"status":"COMPLETED","stream":[]}"#).unwrap();
        assert!(last.is_last());
        assert!(!StreamPage::read(b"[]").unwrap().is_last());
    }

    #[test]
    fn what_tells_nothing_of_a_job_is_an_error() {
        for body in ["", "<html>", "null", "\"x\"", "{\"id\":", "[1,", "7"] {
            let got = StreamPage::read(body.as_bytes());
            assert!(matches!(got, Err(EnvelopeError::NotJson(_))), "{body}");
        }
        let body = br#"{"object":"list","data":[]}"#;
        assert_eq!(StreamPage::read(body), Err(EnvelopeError::NotAJob));
        assert!(Envelope::read(b"{\"id\":\"\xff\"}").is_err());
    }
}
