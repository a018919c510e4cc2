//! A call as a RunPod job: submitted, followed to its end, cancelled when nobody
//! waits for it any more.
//!
//! A job that is dropped before the platform has told its end is cancelled by a request
//! of its own. Each output of a worker is delivered once: a question for the next ones
//! that failed is repeated a few times, because a job outlives a lost connection, but
//! only where no output can have been lost with it. A stream never has a hole.

mod line;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use store::Outcome;
use tokio::runtime::Handle;
use wire::code::Code;
use wire::dialect::runpod::{Envelope, JobStatus, Lane, StreamPage, wants_native};
use wire::edit::Segments;

use super::attempts::seconds;
use super::source::Times;
use crate::fault::Fault;
use crate::gateway::{Gateway, stopped};
use crate::live::Target;
use line::{Line, Missed};

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
/// How long a job may take to end after its answer has.
const LAST: Duration = Duration::from_secs(5);
/// Longest output that is put together from pages, as long as any other answer.
const MAX: usize = 256 * 1024 * 1024;

/// One job.
pub(in super::super) struct Job {
    line: Line,
    id: String,
    source: Place,
    outputs: VecDeque<Bytes>,
    /// It has put something out.
    spoke: bool,
    /// Nothing more is to be told.
    ended: bool,
    /// The platform has told its end: there is nothing to cancel.
    over: bool,
    /// Its end, told before the last pages: they are still to be read.
    verdict: Option<Result<(), Fault>>,
    /// A page of outputs may be lost, and why.
    missing: Option<Fault>,
    /// Longest time without an output.
    silence: Duration,
    /// Since when an output is waited for.
    since: Option<Instant>,
    /// The pause before the next question.
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

/// Where outputs are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the pages of its stream.
    Pages,
    /// In its status, when it has ended.
    Status,
}

/// What a job ended with that was to be read whole.
pub(super) enum Ending {
    /// Its output.
    Output(Bytes),
    /// The worker does not know the form that it was asked in; what it said.
    WantsNative(Fault),
}

impl Job {
    /// Submits `body`. Each request about the job carries the headers of `trace`.
    ///
    /// # Errors
    /// When the platform cannot be reached or refuses.
    pub(super) async fn submit(
        gateway: &Gateway,
        target: &Arc<Target>,
        request_id: HeaderValue,
        trace: Vec<(HeaderName, HeaderValue)>,
        body: Segments,
        how: How,
    ) -> Result<Self, Fault> {
        let Lane::Jobs(addresses) = Lane::of(&target.upstream.base) else {
            return Err(Fault::internal("a job for an endpoint of OpenAI's dialect"));
        };
        let line = Line {
            pool: Arc::clone(&gateway.pool),
            target: Arc::clone(target),
            addresses,
            request_id,
            trace,
            closing: gateway.closing.clone(),
        };
        let answer = line.ask("POST", &line.addresses.run(), body).await;
        let answer = answer.map_err(|missed| missed.fault)?;
        let envelope = Envelope::read(&answer).map_err(|err| Missed::unread(&err).fault)?;
        if envelope.id.is_empty() {
            return Err(line.failed(&envelope));
        }
        Ok(Self {
            id: envelope.id.into_owned(),
            line,
            source: match how {
                How::Stream => Place::Pages,
                How::Whole => Place::Status,
            },
            outputs: VecDeque::new(),
            spoke: false,
            ended: false,
            over: false,
            verdict: None,
            missing: None,
            silence: target.upstream.silence,
            since: None,
            pause: Duration::ZERO,
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
            let closing = self.line.closing.clone();
            tokio::select! {
                biased;
                () = closing.told() => self.end(Err(stopped())),
                () = self.step() => {}
            }
        }
    }

    /// Follows the job to its end.
    ///
    /// # Errors
    /// When it ends without an output, or cannot be followed.
    pub(super) async fn whole(&mut self) -> Result<Ending, Fault> {
        let mut outputs = Vec::new();
        let mut length = 0;
        while let Some(output) = self.next().await {
            length += output.len();
            if length > MAX {
                return Err(Fault::upstream(
                    502,
                    Code::UpstreamBadResponse,
                    "The upstream's answer is too long for this gateway.",
                ));
            }
            outputs.push(output);
        }
        match self.fault.take() {
            Some(fault) if fault.wants_native => Ok(Ending::WantsNative(fault)),
            Some(fault) => Err(fault),
            None => Ok(Ending::Output(together(outputs))),
        }
    }

    /// Follows a job whose answer is complete until the platform says so too: then its
    /// times are known.
    pub(in super::super) async fn settle(&mut self) {
        self.pause = FLOWING;
        let closing = self.line.closing.clone();
        let asking = async {
            while !self.over && self.failures <= FAILURES {
                pingora::time::sleep(self.pause).await;
                if let Err(missed) = self.look_at_status().await {
                    self.failures += 1;
                    self.relent(&missed.fault);
                }
            }
        };
        tokio::select! {
            biased;
            () = closing.told() => {}
            // What has not ended by then is cancelled.
            _ = pingora::time::timeout(LAST, asking) => {}
        }
    }

    /// Whether the platform has told the job's end.
    pub(in super::super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    pub(in super::super) fn times(&self) -> Times {
        self.times
    }

    /// One question, after its pause.
    async fn step(&mut self) {
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.silence.saturating_sub(since.elapsed());
        let asking = async {
            pingora::time::sleep(self.pause).await;
            match self.source {
                Place::Pages => self.look_at_page().await,
                Place::Status => self.look_at_status().await,
            }
        };
        match pingora::time::timeout(left, asking).await {
            Ok(Ok(())) => self.failures = 0,
            Ok(Err(missed)) => self.missed(missed),
            Err(_) => self.end(Err(Fault::timeout(
                "The upstream's job put nothing out for longer than this gateway allows (TIMEOUT, or the endpoint's own time); the answer is not complete.",
            ))),
        }
    }

    /// Asks for the outputs since the last time.
    async fn look_at_page(&mut self) -> Result<(), Missed> {
        let url = self.line.addresses.stream(&self.id);
        let answer = self.line.ask_once(&url).await?;
        let page = StreamPage::read(&answer).map_err(|err| Missed::unread(&err))?;
        self.note(&page.envelope);
        for chunk in &page.chunks {
            self.put(chunk);
        }
        if !page.chunks.is_empty() {
            self.spoke = true;
            self.pause = FLOWING;
        } else if let Some(verdict) = self.verdict.take() {
            self.end(verdict);
        } else if page.is_last() && (self.spoke || !is_complete(&page.envelope)) {
            self.finish(&page.envelope);
        } else if page.is_last() || page.envelope.status == JobStatus::Unknown(String::new()) {
            // A worker that does not stream has it all in its status, and a page that
            // is a bare list does not tell the end.
            self.look_at_status().await?;
        } else {
            self.pause = longer(self.pause);
        }
        Ok(())
    }

    /// Asks how it is, and takes the whole output unless some of it has come in pages.
    async fn look_at_status(&mut self) -> Result<(), Missed> {
        let url = self.line.addresses.status(&self.id);
        let answer = self.line.ask("GET", &url, Segments::default()).await;
        let answer = answer.map_err(Missed::harmless)?;
        let envelope = Envelope::read(&answer).map_err(|err| Missed::unread(&err).harmless())?;
        self.note(&envelope);
        if !envelope.status.is_final() {
            self.pause = longer(self.pause);
            if envelope.status == JobStatus::InQueue && self.missing.take().is_some() {
                // No worker has it: the page that was lost had nothing on it.
                self.source = Place::Pages;
            }
            return Ok(());
        }
        if !is_complete(&envelope) {
            self.finish(&envelope);
        } else if let Some(output) = envelope.output.filter(|output| !self.spoke && says(output)) {
            self.put(output);
            self.finish(&envelope);
        } else if let Some(fault) = self.missing.take() {
            self.end(Err(fault));
        } else {
            // It may have put out something since the last page; and what a worker does
            // not collect is in the pages only.
            self.verdict = Some(Ok(()));
            self.source = Place::Pages;
            self.pause = Duration::ZERO;
        }
        Ok(())
    }

    /// A question that has no answer.
    fn missed(&mut self, missed: Missed) {
        let Missed { fault, lost } = missed;
        self.failures += 1;
        self.relent(&fault);
        if fault.status == 404 && self.failures > UNKNOWN {
            self.over = true;
            return self.end(Err(unknown(&fault)));
        }
        if fault.outcome == Outcome::ClientError {
            return self.end(Err(refused(&fault)));
        }
        let hole = lost && self.source == Place::Pages;
        if !fault.next || self.failures > FAILURES || (hole && self.spoke) {
            return self.end(Err(fault));
        }
        tracing::debug!(job = %self.id, reason = fault.private.as_deref(), "a question after a job failed and is repeated");
        if hole {
            // Nothing has been told yet: its status has everything in the end.
            self.source = Place::Status;
            self.verdict = None;
            self.missing = Some(fault);
        }
    }

    /// Leaves the platform alone for as long as it asks.
    fn relent(&mut self, fault: &Fault) {
        let asked = fault.retry_after.as_deref().and_then(seconds);
        self.pause = longer(self.pause).max(asked.unwrap_or_default());
    }

    fn put(&mut self, output: &str) {
        self.since = None;
        self.outputs
            .push_back(Bytes::copy_from_slice(output.as_bytes()));
    }

    fn note(&mut self, envelope: &Envelope<'_>) {
        self.over |= envelope.status.is_final();
        self.times.queue = envelope.delay_ms.or(self.times.queue);
        self.times.execution = envelope.execution_ms.or(self.times.execution);
    }

    /// The job is over; what it put out may still be waiting.
    fn finish(&mut self, envelope: &Envelope<'_>) {
        if is_complete(envelope) && !wants_native(envelope) {
            return self.end(Ok(()));
        }
        let mut fault = self.line.failed(envelope);
        fault.wants_native = wants_native(envelope);
        self.end(Err(fault));
    }

    fn end(&mut self, how: Result<(), Fault>) {
        self.ended = true;
        self.fault = how.err();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Without a runtime the program is past its end.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.over {
            return;
        }
        let line = self.line.clone();
        let id = std::mem::take(&mut self.id);
        let under_way = line.closing.begin();
        runtime.spawn(async move {
            let url = line.addresses.cancel(&id);
            let asked = line.ask("POST", &url, Bytes::from_static(b"{}").into());
            let told = pingora::time::timeout(CANCEL, asked).await;
            let is_gone = matches!(&told, Ok(Err(missed)) if missed.fault.status == 404);
            if !matches!(told, Ok(Ok(_))) && !is_gone {
                tracing::warn!(
                    endpoint = %line.target.upstream.endpoint.name,
                    job = %id,
                    "a job that nobody waits for could not be cancelled; it ends by its own time limit"
                );
            }
            drop(under_way);
        });
    }
}

/// A refused question after the job is the gateway's own, and not about the request.
fn refused(fault: &Fault) -> Fault {
    let private = fault.private.clone().unwrap_or_default();
    let message = format!(
        "The upstream took the job and refused to tell how it is, with HTTP {}.",
        fault.status
    );
    Fault::upstream(502, Code::UpstreamBadResponse, message).with_private(private)
}

/// What it means that the platform does not know the job. Its 404 is not the caller's.
fn unknown(fault: &Fault) -> Fault {
    let private = fault.private.clone().unwrap_or_default();
    Fault::upstream(
        502,
        Code::UpstreamJobLost,
        "The upstream does not know the job any more: it waited too long for a worker, or was removed.",
    )
    .with_private(private)
}

fn is_complete(envelope: &Envelope<'_>) -> bool {
    envelope.status == JobStatus::Completed && envelope.error.is_none()
}

/// Whether anything is in an output: of a worker that collects nothing it is empty.
fn says(output: &str) -> bool {
    !matches!(output.trim_ascii(), "[]" | "{}" | "\"\"")
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(SHORTEST, LONGEST)
}

/// One output as it is, several as the list that a worker collects them in.
fn together(mut outputs: Vec<Bytes>) -> Bytes {
    match outputs.len() {
        0 => Bytes::from_static(b"null"),
        1 => outputs.remove(0),
        _ => {
            let mut list = BytesMut::new();
            for (n, output) in outputs.iter().enumerate() {
                list.put_u8(if n == 0 { b'[' } else { b',' });
                list.extend_from_slice(output);
            }
            list.put_u8(b']');
            list.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_from_a_quarter_of_a_second_to_two() {
        let mut pause = Duration::ZERO;
        for millis in [250, 500, 1000, 2000, 2000] {
            pause = longer(pause);
            assert_eq!(pause, Duration::from_millis(millis));
        }
        // After outputs have come, which are asked for more often.
        assert_eq!(longer(Duration::from_millis(100)), SHORTEST);
    }
}
