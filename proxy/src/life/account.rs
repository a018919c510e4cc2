//! The call's record: opened with the first byte, closed exactly once.
//!
//! A record is also written when the call is dropped half way.

mod dues;
mod known;
mod tokens;
mod traces;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use store::route::ai_queue::NO_ROW;
use store::route::{ReplyForm, short};
use store::{
    Attempt, CacheUse, CallKind, CallRecord, Capture, Hold, LateTimes, Outcome, PatternCount,
};
use wire::code::Code;
use wire::inbound::CallerDialect;
use wire::normaliser::Normaliser;
use wire::usage::Usage;

use super::admit::Told;
use super::send::Times;
use crate::access_log::{CallerMark, Entry};
use crate::fault::Fault;
use crate::ledger::{Ledger, Place};
use crate::live::Target;
use crate::metrics::Closed;
use crate::telemetry::Traced;
use dues::Dues;

/// The error code of a call that was dropped half way.
const DROPPED: &str = Code::CallDropped.as_str();

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
    private: Option<String>,
    /// Who makes the call, once that is known.
    caller: CallerMark,
    /// What became of candidates for tool calls.
    patterns: Vec<PatternCount>,
    /// What it says and is answered, where that is kept.
    capture: Option<Box<Capture>>,
    /// `None` once it has been handed over.
    record: Option<Box<CallRecord>>,
    /// What the call cost, once it is complete.
    cost: Option<i64>,
    /// Where the record is; `None` until it is complete.
    place: Option<Place>,
    /// How many candidates have been asked.
    attempts: usize,
    /// The attempt that the answer is from.
    answering: Option<usize>,
    /// The time in which candidates were waited for until their answers began.
    waited: Option<Duration>,
    /// Since when the answer streams.
    streaming: Option<Instant>,
    /// What limits keep for the call.
    pub(super) dues: Dues,
    /// Its place in a trace, where traces are made.
    traced: Option<Box<Traced>>,
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
            private: None,
            caller: CallerMark::default(),
            patterns: Vec::new(),
            capture: None,
            record: Some(Box::new(CallRecord {
                // What holds if the call is dropped before it says otherwise: only the end
                // of the program does that.
                error_code: Some(DROPPED.to_owned()),
                ..CallRecord::begun(kind, id.clone(), started_at)
            })),
            cost: None,
            place: None,
            attempts: 0,
            answering: None,
            waited: None,
            streaming: None,
            dues: Dues::default(),
            traced: None,
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
        self.trace_attempt(target);
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
        self.untrace_attempt();
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
        if self.streaming.replace(Instant::now()).is_none() {
            self.ledger.metrics().stream_begins();
        }
    }

    /// What became of the last attempt.
    pub(super) fn attempted(&mut self, took: Duration, fault: Option<&Fault>) {
        self.waited = Some(self.waited.unwrap_or_default().saturating_add(took));
        self.traced_attempt(took);
        let record = self.record.as_mut();
        if let Some(attempt) = record.and_then(|record| record.attempts.last_mut()) {
            attempt.ms = whole_millis(took);
            attempt.status = fault.map_or(200, |fault| fault.status);
            attempt.code = fault.and_then(|fault| fault.body.code.as_deref().map(code));
            if let Some(fault) = fault {
                self.dues.ended(attempt.usage, fault.outcome);
            }
        }
    }

    /// How many candidates have been asked.
    pub(super) fn attempts(&self) -> usize {
        self.attempts
    }

    /// The first token of the answer has arrived.
    pub(super) fn first_token(&mut self) {
        let waited = whole_millis(self.started.elapsed());
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
        if matches!(self.place, Some(Place::Spool(_))) && new {
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
        if self.place.is_some() {
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
            private: self.private.take(),
            caller: std::mem::take(&mut self.caller),
            patterns: std::mem::take(&mut self.patterns),
            capture: self.capture.take(),
            record: self.record.take(),
            cost: self.cost,
            place: self.place,
            attempts: self.attempts,
            answering: self.answering,
            waited: self.waited,
            streaming: self.streaming,
            dues: std::mem::take(&mut self.dues),
            traced: self.traced.take(),
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
        if self.place.is_some() {
            return;
        }
        let Some(mut record) = self.record.take() else {
            return;
        };
        let took = self.started.elapsed();
        let waited = self.waited_for().map(|waited| waited.min(took));
        record.latency_ms = whole_millis(took);
        record.upstream_ms = waited.map(whole_millis);
        self.count_tokens(&mut record);
        self.dues.settle(&record.attempts);
        // An attempt without a verdict was dropped half way.
        if let Some(attempt) = record.attempts.last_mut().filter(|last| last.status == 0) {
            attempt.code.get_or_insert_with(|| DROPPED.to_owned());
        }
        self.ledger.redact(&mut record);
        self.place = Some(self.ledger.spool_record(&record));
        self.count(&record, took, waited);
        self.cost = self.dues.cost(&record.attempts);
        self.trace_ends(took);
        self.record = Some(record);
    }

    /// Counts the call, once, in the gateway's numbers.
    fn count(&self, record: &CallRecord, took: Duration, waited: Option<Duration>) {
        let metrics = self.ledger.metrics();
        let closed = Closed {
            record,
            dialect: self.dialect,
            took,
            waited,
        };
        metrics.count(&closed, self.dues.tried(&record.attempts, record.outcome));
        if self.streaming.is_some() {
            metrics.stream_ends();
        }
    }

    /// Closes the record if it is not closed yet.
    pub(super) fn close(mut self: Box<Self>) {
        self.hand_over();
    }

    /// The time in which an endpoint was waited for.
    fn waited_for(&self) -> Option<Duration> {
        let streamed = self.streaming.map(|since| since.elapsed());
        Some(self.waited?.saturating_add(streamed.unwrap_or_default()))
    }

    fn hand_over(&mut self) {
        self.complete();
        let Some(record) = self.record.take() else {
            return;
        };
        self.ledger.metrics().count_patterns(&self.patterns);
        let entry = Entry {
            record,
            reason: self.private.take(),
            caller: std::mem::take(&mut self.caller),
            cost: self.cost,
            patterns: std::mem::take(&mut self.patterns),
            capture: self.capture.take(),
            ended: SystemTime::now(),
            traced: self.traced.take(),
        };
        self.ledger.push(entry, self.place.unwrap_or(Place::Memory));
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

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
