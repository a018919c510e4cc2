//! A call as a RunPod job: submitted, followed to its end, cancelled when nobody
//! waits for it any more.
//!
//! A job that is dropped before its end is cancelled by a request of its own. Each
//! output of a worker is delivered once; a failed request for the next ones is
//! repeated a few times, because a job outlives a lost connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use pingora::http::RequestHeader;
use wire::dialect::runpod::{
    Addresses, Envelope, JobStatus, Lane, StreamPage, failure, wants_native,
};
use wire::edit::Segments;
use wire::provider::UpstreamUrl;

use super::attempt::read_whole;
use super::exchange::{Outgoing, exchange};
use super::refusal;
use super::source::Times;
use crate::fault::Fault;
use crate::live::{Head, Target};
use crate::upstream::Pool;

/// Shortest and longest pause between two questions after a job.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(2);
/// The pause while outputs keep coming.
const FLOWING: Duration = Duration::from_millis(100);
/// Questions in a row that may fail before the job is given up.
const FAILURES: u32 = 5;
/// Questions in a row that may be answered with "no such job" before it is believed.
const UNKNOWN: u32 = 2;
/// How long a cancellation may take.
const CANCEL: Duration = Duration::from_secs(10);

/// One job.
pub(in super::super) struct Job {
    line: Line,
    id: String,
    how: How,
    outputs: VecDeque<Bytes>,
    /// It has put something out.
    spoke: bool,
    ended: bool,
    pause: Duration,
    failures: u32,
    fault: Option<Fault>,
    times: Times,
}

/// How a job is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Output by output.
    Stream,
    /// To its end.
    Whole,
}

/// The way to the platform.
#[derive(Clone)]
struct Line {
    pool: Arc<Pool>,
    target: Arc<Target>,
    addresses: Addresses,
    request_id: HeaderValue,
}

/// What a job ended with that was to be read whole.
pub(super) enum Ending {
    /// Its output.
    Output(Bytes),
    /// The worker does not know the form that it was asked in; what it said.
    WantsNative(Fault),
}

impl Job {
    /// Submits `body`.
    ///
    /// # Errors
    /// When the platform cannot be reached or refuses.
    pub(super) async fn submit(
        pool: &Arc<Pool>,
        target: &Arc<Target>,
        request_id: HeaderValue,
        body: Segments,
        how: How,
    ) -> Result<Self, Fault> {
        let Lane::Jobs(addresses) = Lane::of(&target.upstream.base) else {
            return Err(Fault::internal("a job for an endpoint of OpenAI's dialect"));
        };
        let line = Line {
            pool: Arc::clone(pool),
            target: Arc::clone(target),
            addresses,
            request_id,
        };
        let answer = line.ask("POST", &line.addresses.run(), body).await?;
        let envelope = Envelope::read(&answer)
            .map_err(|err| Fault::upstream(502, "upstream_bad_response", err.to_string()))?;
        if envelope.id.is_empty() {
            return Err(line.failed(&envelope));
        }
        Ok(Self {
            id: envelope.id.into_owned(),
            line,
            how,
            outputs: VecDeque::new(),
            spoke: false,
            ended: false,
            pause: SHORTEST,
            failures: 0,
            fault: None,
            times: Times::default(),
        })
    }

    /// The next output of the worker; `None` at the job's end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.ended {
                return None;
            }
            match self.look().await {
                Ok(()) => self.failures = 0,
                Err(fault) if fault.status == 404 && self.failures >= UNKNOWN => {
                    self.end(Some(lost(&fault)));
                }
                Err(fault) if !fault.next || self.failures >= FAILURES => self.end(Some(fault)),
                Err(fault) => {
                    self.failures += 1;
                    tracing::debug!(job = %self.id, reason = fault.private.as_deref(), "a question after a job failed and is repeated");
                }
            }
            if self.outputs.is_empty() && !self.ended {
                pingora::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LONGEST);
            }
        }
    }

    /// Follows the job to its end.
    ///
    /// # Errors
    /// When it ends without an output, or cannot be followed.
    pub(super) async fn whole(&mut self) -> Result<Ending, Fault> {
        let mut last = None;
        while let Some(output) = self.next().await {
            last = Some(output);
        }
        match (self.fault.take(), last) {
            (Some(fault), _) if fault.wants_native => Ok(Ending::WantsNative(fault)),
            (Some(fault), _) => Err(fault),
            (None, Some(output)) => Ok(Ending::Output(output)),
            (None, None) => Ok(Ending::Output(Bytes::from_static(b"null"))),
        }
    }

    pub(super) fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    /// Asks once, and keeps what is new.
    async fn look(&mut self) -> Result<(), Fault> {
        match self.how {
            How::Whole => self.look_at_status().await,
            How::Stream => {
                let url = self.line.addresses.stream(&self.id);
                let answer = self.line.ask("GET", &url, Segments::default()).await?;
                let page = StreamPage::read(&answer).map_err(|err| {
                    Fault::upstream(502, "upstream_bad_response", err.to_string())
                })?;
                self.note(&page.envelope);
                for chunk in &page.chunks {
                    self.outputs
                        .push_back(Bytes::copy_from_slice(chunk.as_bytes()));
                }
                if !page.chunks.is_empty() {
                    self.spoke = true;
                    self.pause = FLOWING;
                } else if page.is_last() {
                    if self.spoke || page.envelope.status != JobStatus::Completed {
                        self.finish(&page.envelope);
                    } else {
                        // A worker that does not stream has it all in its status.
                        self.look_at_status().await?;
                    }
                } else {
                    self.pause = self.pause.max(SHORTEST);
                }
                Ok(())
            }
        }
    }

    async fn look_at_status(&mut self) -> Result<(), Fault> {
        let url = self.line.addresses.status(&self.id);
        let answer = self.line.ask("GET", &url, Segments::default()).await?;
        let envelope = Envelope::read(&answer)
            .map_err(|err| Fault::upstream(502, "upstream_bad_response", err.to_string()))?;
        self.note(&envelope);
        if envelope.status.is_final() {
            if envelope.status == JobStatus::Completed
                && let Some(output) = envelope.output
            {
                self.outputs
                    .push_back(Bytes::copy_from_slice(output.as_bytes()));
            }
            self.finish(&envelope);
        }
        Ok(())
    }

    fn note(&mut self, envelope: &Envelope<'_>) {
        self.times.queue = envelope.delay_ms.or(self.times.queue);
        self.times.execution = envelope.execution_ms.or(self.times.execution);
    }

    /// The job is over; what it put out may still be waiting.
    fn finish(&mut self, envelope: &Envelope<'_>) {
        let complete = envelope.status == JobStatus::Completed && envelope.error.is_none();
        if complete && !wants_native(envelope) {
            self.end(None);
        } else {
            let mut fault = self.line.failed(envelope);
            fault.wants_native = wants_native(envelope);
            self.end(Some(fault));
        }
    }

    fn end(&mut self, fault: Option<Fault>) {
        self.ended = true;
        self.fault = fault;
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let line = self.line.clone();
        let id = std::mem::take(&mut self.id);
        tokio::spawn(async move {
            let url = line.addresses.cancel(&id);
            let asked = line.ask("POST", &url, Bytes::from_static(b"{}").into());
            let told = pingora::time::timeout(CANCEL, asked).await;
            if !matches!(told, Ok(Ok(_))) {
                tracing::warn!(
                    endpoint = %line.target.upstream.endpoint.name,
                    job = %id,
                    "a job that nobody waits for could not be cancelled; it ends by its own time limit"
                );
            }
        });
    }
}

impl Line {
    /// One request to the platform and its whole answer.
    async fn ask(&self, method: &str, url: &UpstreamUrl, body: Segments) -> Result<Bytes, Fault> {
        let internal = |err: Box<pingora::Error>| Fault::internal(err.to_string());
        let question = Question {
            head: self.target.head(method, url).map_err(internal)?,
            request_id: &self.request_id,
            body,
        };
        let mut sent = exchange(&self.pool, &self.target, &question).await?;
        if !(200..300).contains(&sent.status()) {
            return Err(refusal::read(&self.pool, sent, &self.target).await);
        }
        let answer = read_whole(&mut sent, &self.target).await?;
        sent.release(&self.pool).await;
        Ok(answer)
    }

    /// What a job means that ended without an answer.
    fn failed(&self, envelope: &Envelope<'_>) -> Fault {
        let failure = failure(envelope);
        let mut fault = refusal::fault(failure.status, &failure.error, &self.target);
        let (code, message) = match envelope.status {
            JobStatus::Cancelled => (
                "upstream_job_cancelled",
                "The job was cancelled at the upstream.",
            ),
            JobStatus::TimedOut => (
                "upstream_job_timed_out",
                "The job ran out of time at the upstream: no worker took it, or its worker did not finish.",
            ),
            JobStatus::InQueue
            | JobStatus::InProgress
            | JobStatus::Completed
            | JobStatus::Failed
            | JobStatus::Unknown(_) => ("upstream_job_failed", "The job failed at the upstream."),
        };
        if failure.status >= 500 {
            fault.body.code = Some(code.to_owned());
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

/// What it means that the platform does not know the job. Its 404 is not the caller's.
fn lost(fault: &Fault) -> Fault {
    let private = fault.private.clone().unwrap_or_default();
    Fault::upstream(
        502,
        "upstream_job_lost",
        "The upstream does not know the job any more: it waited too long for a worker, or was removed.",
    )
    .with_private(private)
}

/// A request about a job.
struct Question<'q> {
    head: Head,
    request_id: &'q HeaderValue,
    body: Segments,
}

impl Outgoing for Question<'_> {
    fn header(&self, tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        self.head.for_body(tls, self.body.len(), self.request_id)
    }

    fn body(&self) -> &Segments {
        &self.body
    }
}
