//! The call's record: opened with the first byte, closed exactly once.
//!
//! A record is also written when the call is dropped half way.

mod dues;
mod known;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use store::route::ai_queue::NO_ROW;
use store::route::{ReplyForm, short};
use store::{
    Attempt, CacheUse, CallKind, CallRecord, Capture, Hold, LateTimes, Outcome, PatternCount,
};
use wire::inbound::CallerDialect;
use wire::normaliser::Normaliser;
use wire::usage::{Usage, estimate_tokens};

use super::admit::Told;
use super::send::Times;
use crate::access_log::{CallerMark, Entry};
use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::live::Target;
use dues::Dues;

/// The error code of a call that was dropped half way.
const DROPPED: &str = "call_dropped";

/// One call's record while it is being made.
#[derive(Debug)]
pub(super) struct Account {
    ledger: Ledger,
    started: Instant,
    /// Of the request, estimated.
    prompt_tokens: u64,
    answer_bytes: u64,
    usage: Option<Usage>,
    reached_upstream: bool,
    /// Milliseconds, once the call has ended for its caller.
    latency_ms: Option<u64>,
    private: Option<String>,
    /// Who makes the call, once that is known.
    caller: CallerMark,
    /// What became of candidates for tool calls.
    patterns: Vec<PatternCount>,
    /// What it says and is answered, where that is kept.
    capture: Option<Box<Capture>>,
    /// `None` once it has been handed over.
    record: Option<CallRecord>,
    /// Whether the record is in the spool; `None` until it is complete.
    spooled: Option<bool>,
    /// How many candidates have been asked.
    attempts: usize,
    /// The attempt that the answer is from.
    answering: Option<usize>,
    /// Milliseconds in which candidates were waited for until their answers began.
    upstream_ms: Option<u64>,
    /// Since when the answer streams.
    streaming: Option<Instant>,
    /// What limits keep for the call.
    pub(super) dues: Dues,
    /// What the caller is told of its limits.
    pub(super) told: Told,
    dialect: CallerDialect,
    /// What ends a stream that broke, where the dialect's end is not the same for all.
    last_words: Option<Bytes>,
    id: String,
}

impl Account {
    /// Opens the record of a call that begins now. Boxed, because it is handed from
    /// step to step.
    pub(super) fn open(ledger: Ledger, dialect: CallerDialect, id: String) -> Box<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let started_at = since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
        let kind = CallKind::of(dialect.call());
        ledger.begin();
        Box::new(Self {
            ledger,
            started: Instant::now(),
            prompt_tokens: 0,
            answer_bytes: 0,
            usage: None,
            reached_upstream: false,
            latency_ms: None,
            private: None,
            caller: CallerMark::default(),
            patterns: Vec::new(),
            capture: None,
            record: Some(CallRecord {
                // What holds if the call is dropped before it says otherwise: only the end
                // of the program does that.
                error_code: Some(DROPPED.to_owned()),
                ..CallRecord::begun(kind, id.clone(), started_at)
            }),
            spooled: None,
            attempts: 0,
            answering: None,
            upstream_ms: None,
            streaming: None,
            dues: Dues::default(),
            told: Told::default(),
            dialect,
            last_words: None,
            id,
        })
    }

    /// The request id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What the caller speaks.
    pub(super) fn dialect(&self) -> CallerDialect {
        self.dialect
    }

    /// What ends a stream that broke.
    pub(super) fn last_words(&mut self, words: Option<Bytes>) {
        self.last_words = words;
    }

    /// What ends the stream that `fault` broke.
    pub(super) fn end_of_stream(&self, fault: &Fault) -> Bytes {
        self.last_words.clone().unwrap_or_else(|| {
            self.dialect
                .error_event(fault.status, &fault.body, &self.id)
        })
    }

    /// When the call began.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// What goes to the caller next.
    pub(super) fn answered(&mut self, more: Option<&[u8]>) {
        if let (Some(capture), Some(more)) = (&mut self.capture, more) {
            capture.answered(more);
        }
    }

    pub(super) fn formed(&mut self, form: ReplyForm) {
        if let Some(record) = &mut self.record {
            record.stream = form.stream;
        }
    }

    /// What the memory of answers has done for the call.
    pub(super) fn cached(&mut self, did: CacheUse) {
        if let Some(record) = &mut self.record {
            record.cache = Some(did);
        }
    }

    /// A candidate is asked. The row's endpoint is the last one that was.
    pub(super) fn attempt(&mut self, target: &Target, held: [Option<Hold>; 2]) {
        self.reached_upstream = true;
        if let Some(record) = &mut self.record {
            self.dues.attempt(target.prices, held);
            record.endpoint_id = Some(target.upstream.endpoint.id).filter(|id| *id != NO_ROW);
            record.endpoint_name = Some(target.upstream.endpoint.name.clone());
            // Most calls need one: no room for four is taken.
            record.attempts.reserve_exact(1);
            record.attempts.push(Attempt {
                endpoint: target.upstream.endpoint.name.clone(),
                endpoint_id: record.endpoint_id,
                virtual_model: target.model.name.clone(),
                virtual_model_id: Some(target.model.id).filter(|id| *id != NO_ROW),
                model: target.model.actual_model.clone(),
                ..Attempt::default()
            });
            self.attempts = record.attempts.len();
            self.answering = self.attempts.checked_sub(1);
        }
    }

    /// The last attempt came to nothing before anything was sent.
    pub(super) fn not_asked(&mut self) {
        if let Some(record) = &mut self.record {
            record.attempts.pop();
            self.dues.not_asked();
            self.attempts = record.attempts.len();
            self.answering = self.attempts.checked_sub(1);
            self.reached_upstream = !record.attempts.is_empty();
        }
    }

    /// The answer is `target`'s, although others were asked after it.
    pub(super) fn answers(&mut self, target: &Target) {
        if let Some(record) = &mut self.record {
            record.endpoint_id = Some(target.upstream.endpoint.id).filter(|id| *id != NO_ROW);
            record.endpoint_name = Some(target.upstream.endpoint.name.clone());
            let id = target.model.id;
            let is_it = |attempt: &Attempt| attempt.virtual_model_id == Some(id);
            self.answering = record.attempts.iter().position(is_it);
        }
    }

    /// What the last attempt spent although its answer is not taken; said before what
    /// became of it.
    pub(super) fn spent(&mut self, usage: Option<Usage>) {
        let record = self.record.as_mut();
        if let Some(attempt) = record.and_then(|record| record.attempts.last_mut()) {
            attempt.usage = usage;
        }
    }

    /// The answer streams from now on.
    pub(super) fn streams(&mut self) {
        self.streaming = Some(Instant::now());
    }

    /// What became of the last attempt.
    pub(super) fn attempted(&mut self, millis: u64, fault: Option<&Fault>) {
        self.upstream_ms = Some(self.upstream_ms.unwrap_or(0).saturating_add(millis));
        let record = self.record.as_mut();
        if let Some(attempt) = record.and_then(|record| record.attempts.last_mut()) {
            attempt.ms = millis;
            attempt.status = fault.map_or(200, |fault| fault.status);
            attempt.code = fault.and_then(|fault| fault.body.code.as_deref().map(code));
            if fault.is_some() {
                self.dues.ended(attempt.usage);
            }
        }
    }

    /// How many candidates have been asked.
    pub(super) fn attempts(&self) -> usize {
        self.attempts
    }

    /// The first token of the answer has arrived.
    pub(super) fn first_token(&mut self) {
        let waited = millis(self.started);
        if let Some(record) = &mut self.record {
            record.ttft_ms.get_or_insert(waited);
        }
    }

    /// What is known of the answer so far; the last word counts.
    pub(super) fn saw(&mut self, usage: Option<Usage>, answer_bytes: u64) {
        self.usage = usage.or(self.usage);
        self.answer_bytes = answer_bytes;
    }

    /// What the normaliser has seen in the answer.
    pub(super) fn normalised(&mut self, normaliser: Option<&Normaliser>) {
        let at = self.started_at();
        let tallies = normaliser.into_iter().flat_map(Normaliser::tally);
        let counts = tallies.map(|tally| PatternCount {
            pattern_id: tally.pattern,
            pattern_name: tally.name,
            at,
            hits: tally.hits,
            repairs: tally.repairs,
            refusals: tally.refusals,
            reasons: tally
                .reasons
                .into_iter()
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
        });
        for count in counts {
            if let Some(record) = &mut self.record {
                record.tool_repairs += count.hits;
            }
            self.patterns.push(count);
        }
    }

    /// What the upstream tells of its own times.
    pub(super) fn took(&mut self, times: Times) {
        let Some(record) = &mut self.record else {
            return;
        };
        let known = (record.queue_ms, record.execution_ms);
        record.queue_ms = times.queue;
        record.execution_ms = times.execution;
        let new = known != (record.queue_ms, record.execution_ms);
        if self.spooled == Some(true) && new {
            self.ledger.amend(&LateTimes {
                request_id: record.request_id.clone(),
                kind: record.kind,
                started_at: record.started_at,
                queue_ms: record.queue_ms,
                execution_ms: record.execution_ms,
            });
        }
    }

    /// When the call began, in unix seconds.
    pub(super) fn started_at(&self) -> i64 {
        self.record.as_ref().map_or(0, |record| record.started_at)
    }

    /// The caller has the whole answer.
    pub(super) fn succeeded(&mut self, status: u16) {
        if let Some(record) = &mut self.record {
            record.status = status;
            record.outcome = Outcome::Success;
            record.error_code = None;
        }
    }

    /// The call failed.
    pub(super) fn failed(&mut self, fault: &Fault) {
        // What happens to a call behind its record is not in it.
        if self.spooled.is_some() {
            return;
        }
        self.private.clone_from(&fault.private);
        if let Some(record) = &mut self.record {
            record.status = fault.status;
            record.outcome = fault.outcome;
            record.error_code = fault.body.code.as_deref().map(code);
        }
    }

    /// The record for who learns the rest of it, the endpoint's own times, after the call
    /// has ended for its caller; nothing is left here to be closed.
    pub(super) fn hand_on(&mut self) -> Box<Self> {
        Box::new(Self {
            ledger: self.ledger.clone(),
            started: self.started,
            prompt_tokens: self.prompt_tokens,
            answer_bytes: self.answer_bytes,
            usage: self.usage,
            reached_upstream: self.reached_upstream,
            latency_ms: self.latency_ms,
            private: self.private.take(),
            caller: std::mem::take(&mut self.caller),
            patterns: std::mem::take(&mut self.patterns),
            capture: self.capture.take(),
            record: self.record.take(),
            spooled: self.spooled,
            attempts: self.attempts,
            answering: self.answering,
            upstream_ms: self.upstream_ms,
            streaming: self.streaming,
            dues: std::mem::take(&mut self.dues),
            told: self.told.clone(),
            dialect: self.dialect,
            last_words: None,
            id: self.id.clone(),
        })
    }

    /// Closes the record: one row, one access log line. Done before the last byte of the
    /// reply leaves, so that whoever has the reply has a row; what happens afterwards to
    /// the call is not in it.
    pub(super) fn seal(&mut self) {
        self.hand_over();
    }

    /// Completes the record and makes sure of it, before the last byte of the reply leaves.
    /// What is still unknown then are the endpoint's own times ([`Self::took`]).
    pub(super) fn complete(&mut self) {
        if self.spooled.is_some() {
            return;
        }
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.latency_ms = *self.latency_ms.get_or_insert_with(|| millis(self.started));
        record.upstream_ms = self
            .waited_for()
            .map(|waited| waited.min(record.latency_ms));
        self.count_tokens(&mut record);
        self.dues.settle(&record.attempts);
        // An attempt without a verdict was dropped half way.
        if let Some(attempt) = record.attempts.last_mut().filter(|last| last.status == 0) {
            attempt.code.get_or_insert_with(|| DROPPED.to_owned());
        }
        self.spooled = Some(self.ledger.spool_record(&record));
        self.record = Some(record);
    }

    /// Closes the record if it is not closed yet.
    pub(super) fn close(mut self: Box<Self>) {
        self.hand_over();
    }

    /// Milliseconds in which an endpoint was waited for.
    fn waited_for(&self) -> Option<u64> {
        let waited = self.upstream_ms?;
        Some(waited.saturating_add(self.streaming.map_or(0, millis)))
    }

    fn hand_over(&mut self) {
        self.complete();
        let Some(record) = self.record.take() else {
            return;
        };
        let entry = Entry {
            record,
            reason: self.private.take(),
            caller: std::mem::take(&mut self.caller),
            patterns: std::mem::take(&mut self.patterns),
            capture: self.capture.take(),
            ended: SystemTime::now(),
        };
        self.ledger.push(entry, self.spooled.unwrap_or(false));
    }

    /// Declared usage, or an estimate where tokens were spent that nobody counted.
    fn count_tokens(&self, record: &mut CallRecord) {
        let answered = record.outcome == Outcome::Success || self.answer_bytes > 0;
        let usage = match self.usage {
            // What a provider declares before the end does not count what it has sent.
            Some(usage)
                if record.outcome != Outcome::Success
                    && usage.completion_tokens < estimate_tokens(self.answer_bytes) =>
            {
                record.estimated = true;
                let completion_tokens = estimate_tokens(self.answer_bytes);
                Usage {
                    completion_tokens,
                    total_tokens: usage.prompt_tokens + completion_tokens,
                    // Of what it had counted, not of what it has sent.
                    cost: None,
                    ..usage
                }
            }
            Some(usage) => usage,
            None if answered && self.reached_upstream && record.kind.is_estimated() => {
                record.estimated = true;
                let prompt_tokens = self.prompt_tokens;
                let completion_tokens = estimate_tokens(self.answer_bytes);
                Usage {
                    prompt_tokens,
                    completion_tokens,
                    total_tokens: prompt_tokens + completion_tokens,
                    ..Usage::default()
                }
            }
            None => return sum_up(record),
        };
        match self.answering.and_then(|at| record.attempts.get_mut(at)) {
            Some(attempt) => attempt.usage = Some(usage),
            None => record.usage = usage,
        }
        sum_up(record);
    }
}

/// What all attempts together have spent.
fn sum_up(record: &mut CallRecord) {
    let spent = record.attempts.iter().filter_map(|attempt| attempt.usage);
    if let Some(sum) = spent.reduce(Usage::plus) {
        record.usage = sum;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.hand_over();
    }
}

fn code(text: &str) -> String {
    short(text).to_owned()
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
