//! The way to the platform: one question about a job and its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use wire::code::Code;
use wire::dialect::runpod::{Addresses, Envelope, EnvelopeError, JobStatus, failure};
use wire::edit::Segments;
use wire::provider::UpstreamUrl;

use super::super::attempt::read_whole;
use super::super::exchange::{Outgoing, exchange};
use super::super::refusal;
use crate::closing::Closing;
use crate::fault::Fault;
use crate::live::{Head, Target};
use crate::upstream::Pool;

/// The way to the platform.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) pool: Arc<Pool>,
    pub(super) target: Arc<Target>,
    pub(super) addresses: Addresses,
    pub(super) request_id: HeaderValue,
    /// The attempt's place in the call's trace.
    pub(super) trace: Vec<(HeaderName, HeaderValue)>,
    pub(super) closing: Closing,
}

/// Why a question has no answer.
pub(super) struct Missed {
    pub(super) fault: Fault,
    /// An answer may have been on its way: what it carried is not told again.
    pub(super) lost: bool,
}

impl Missed {
    /// Of a question whose answer would be the same again.
    pub(super) fn harmless(self) -> Self {
        Self {
            lost: false,
            ..self
        }
    }

    /// The answer is there and cannot be read.
    pub(super) fn unread(err: &EnvelopeError) -> Self {
        Self {
            fault: Fault::upstream(502, Code::UpstreamBadResponse, err.to_string()),
            lost: true,
        }
    }
}

impl Line {
    /// One request to the platform and its whole answer.
    pub(super) async fn ask(
        &self,
        method: &str,
        url: &UpstreamUrl,
        body: Segments,
    ) -> Result<Bytes, Missed> {
        self.put(method, url, body, true).await
    }

    /// The same for a page of outputs: one that was on its way would be missing from the
    /// next, so that it is not asked for twice unnoticed.
    pub(super) async fn ask_once(&self, url: &UpstreamUrl) -> Result<Bytes, Missed> {
        self.put("GET", url, Segments::default(), false).await
    }

    async fn put(
        &self,
        method: &str,
        url: &UpstreamUrl,
        body: Segments,
        repeats: bool,
    ) -> Result<Bytes, Missed> {
        let harmless = |fault| Missed { fault, lost: false };
        let internal = |err: Box<pingora::Error>| harmless(Fault::internal(err.to_string()));
        let question = Question {
            head: self.target.head(method, url).map_err(internal)?,
            request_id: &self.request_id,
            trace: &self.trace,
            body,
            repeats,
        };
        let sent = exchange(&self.pool, &self.target, &question).await;
        let mut sent = sent.map_err(|fault| Missed {
            lost: !fault.unsent,
            fault,
        })?;
        if !(200..300).contains(&sent.status()) {
            let refused = refusal::read(&self.pool, sent, &self.target).await;
            return Err(harmless(refused));
        }
        let answer = read_whole(&mut sent, &self.target).await;
        let answer = answer.map_err(|fault| Missed { fault, lost: true })?;
        sent.release(&self.pool).await;
        Ok(answer)
    }

    /// What a job means that ended without an answer.
    pub(super) fn failed(&self, envelope: &Envelope<'_>) -> Fault {
        let failure = failure(envelope);
        let mut fault = refusal::fault(failure.status, &failure.error, &self.target);
        let (code, message) = match envelope.status {
            JobStatus::Cancelled => (
                Code::UpstreamJobCancelled,
                "The job was cancelled at the upstream.",
            ),
            JobStatus::TimedOut => (
                Code::UpstreamJobTimedOut,
                "The job ran out of time at the upstream: no worker took it, or its worker did not finish.",
            ),
            JobStatus::InQueue
            | JobStatus::InProgress
            | JobStatus::Completed
            | JobStatus::Failed
            | JobStatus::Unknown(_) => (Code::UpstreamJobFailed, "The job failed at the upstream."),
        };
        if failure.status >= 500 {
            fault.body.code = Some(code.as_str().to_owned());
            fault.body.message = match &failure.error.message {
                Some(words) => format!("{message} {}", self.target.scrub_for_caller(words)),
                None => message.to_owned(),
            };
        }
        let private = format!(
            "the job ended as {:?}: {:?}",
            envelope.status, failure.error
        );
        fault.with_private(self.target.scrub_for_log(&private))
    }
}

/// A request about a job.
struct Question<'q> {
    head: Head,
    request_id: &'q HeaderValue,
    trace: &'q [(HeaderName, HeaderValue)],
    body: Segments,
    repeats: bool,
}

impl Outgoing for Question<'_> {
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let (mut header, lines) = self.head.for_body(tls, self.body.len(), self.request_id)?;
        for (name, value) in self.trace {
            header.insert_header(name, value)?;
        }
        Ok((header, lines))
    }

    fn body(&self) -> &Segments {
        &self.body
    }

    fn repeats(&self) -> bool {
        self.repeats
    }
}
