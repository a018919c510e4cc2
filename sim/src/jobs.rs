//! Jobs of a simulated RunPod. A job advances when it is looked at, never with time, so a
//! test decides when it is done.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::script::{Hang, JobEnd, Script};
use crate::worker::Work;

/// All jobs since the start.
#[derive(Default)]
pub(crate) struct Jobs {
    jobs: Mutex<BTreeMap<String, Job>>,
}

struct Job {
    /// Looks that still find it in the queue.
    queued: usize,
    /// Looks that then find it at work.
    progress: usize,
    /// Looks that fail before that.
    errors: usize,
    /// It stays at work until the simulator's gate is open.
    gated: bool,
    /// It stays at work for ever.
    hangs: bool,
    /// Pieces of its stream before the gate or the hang.
    after: usize,
    /// Its pages are bare lists.
    bare: bool,
    /// Its output is nowhere but in its pages.
    uncollected: bool,
    cancelled: bool,
    end: JobEnd,
    /// What it comes to.
    work: Work,
    /// Pieces of the stream that were fetched: each is given once.
    fetched: usize,
}

/// What looking at a job finds.
pub(crate) enum Look {
    Envelope(Value),
    /// No such job, or none any more.
    Lost,
    /// The platform fails.
    Failure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Progress,
    Done,
}

impl Jobs {
    /// Takes a job; returns its id.
    pub(crate) fn submit(&self, sync: bool, work: Work, script: &Script) -> String {
        let mut jobs = self.jobs();
        let prefix = if sync { "sync-" } else { "" };
        let id = format!("{prefix}sim-{:04}-u1", jobs.len() + 1);
        let stops = |stop: Option<Hang>| matches!(stop, Some(Hang::Stream | Hang::Done));
        let after = if [script.gate, script.hang].contains(&Some(Hang::Done)) {
            work.pieces.len().saturating_sub(1)
        } else {
            script.after()
        };
        jobs.insert(
            id.clone(),
            Job {
                queued: script.queue_polls.unwrap_or(0),
                progress: script.progress_polls.unwrap_or(0),
                errors: script.poll_errors.unwrap_or(0),
                gated: stops(script.gate),
                hangs: stops(script.hang),
                after,
                bare: script.bare,
                uncollected: script.uncollected,
                cancelled: false,
                end: script.job.unwrap_or_default(),
                work,
                fetched: 0,
            },
        );
        id
    }

    /// The state of a job just submitted, without moving it on.
    pub(crate) fn submitted(&self, id: &str, open: bool) -> Look {
        let jobs = self.jobs();
        jobs.get(id)
            .map_or(Look::Lost, |job| job.look(id, job.state(open)))
    }

    /// Looks at a job, which moves it on.
    pub(crate) fn status(&self, id: &str, open: bool) -> Look {
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(id) else {
            return Look::Lost;
        };
        match job.advance(open) {
            Some(state) => job.look(id, state),
            None => Look::Failure,
        }
    }

    /// Looks at a job and fetches what its stream has since the last time.
    pub(crate) fn stream(&self, id: &str, open: bool) -> Look {
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(id) else {
            return Look::Lost;
        };
        let Some(state) = job.advance(open) else {
            return Look::Failure;
        };
        if state == State::Done && job.end == JobEnd::Lost && !job.cancelled {
            return Look::Lost;
        }
        let pieces: Vec<Value> = job
            .fetch(state)
            .into_iter()
            .map(|output| json!({ "output": output }))
            .collect();
        if job.bare {
            return Look::Envelope(Value::Array(pieces));
        }
        let mut envelope = job.envelope(id, state);
        if let Some(fields) = envelope.as_object_mut() {
            fields.remove("output");
            fields.insert("stream".to_owned(), Value::Array(pieces));
        }
        Look::Envelope(envelope)
    }

    /// Cancels a job that is not done.
    pub(crate) fn cancel(&self, id: &str) -> Look {
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(id) else {
            return Look::Lost;
        };
        let unfinished = job.queued > 0 || job.progress > 0 || job.gated || job.hangs;
        job.cancelled = job.cancelled || unfinished;
        let status = if job.cancelled {
            "CANCELLED"
        } else {
            job.status(State::Done)
        };
        Look::Envelope(json!({"id": id, "status": status}))
    }

    /// Ids of the jobs that were cancelled before they were done.
    pub(crate) fn cancelled(&self) -> Vec<String> {
        let jobs = self.jobs();
        let cancelled = jobs.iter().filter(|(_, job)| job.cancelled);
        cancelled.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn health(&self) -> Value {
        let jobs = self.jobs();
        let count = |wanted: &dyn Fn(&Job) -> bool| jobs.values().filter(|job| wanted(job)).count();
        let failed =
            |job: &Job| job.state(true) == State::Done && job.status(State::Done) == "FAILED";
        let running = count(&|job| job.state(false) == State::Progress);
        json!({
            "jobs": {
                "completed": count(&|job| job.state(true) == State::Done && !failed(job)),
                "failed": count(&failed),
                "inProgress": running,
                "inQueue": count(&|job| job.state(true) == State::Queued),
                "retried": 0
            },
            "workers": {
                "idle": 1, "initializing": 0, "ready": 1, "running": running, "throttled": 0,
                "unhealthy": 0
            }
        })
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn state(&self, open: bool) -> State {
        if self.cancelled {
            State::Done
        } else if self.queued > 0 {
            State::Queued
        } else if self.progress > 0 || self.hangs || (self.gated && !open) {
            State::Progress
        } else {
            State::Done
        }
    }

    /// The state this look finds; nothing if the look itself fails.
    fn advance(&mut self, open: bool) -> Option<State> {
        if self.errors > 0 {
            self.errors -= 1;
            return None;
        }
        if open {
            self.gated = false;
        }
        let state = self.state(open);
        match state {
            State::Queued => self.queued -= 1,
            State::Progress => self.progress = self.progress.saturating_sub(1),
            State::Done => {}
        }
        Some(state)
    }

    fn look(&self, id: &str, state: State) -> Look {
        if state == State::Done && self.end == JobEnd::Lost && !self.cancelled {
            return Look::Lost;
        }
        Look::Envelope(self.envelope(id, state))
    }

    fn status(&self, state: State) -> &'static str {
        match (state, self.end) {
            (State::Queued, _) => "IN_QUEUE",
            (State::Progress, _) => "IN_PROGRESS",
            (State::Done, _) if self.cancelled => "CANCELLED",
            (State::Done, JobEnd::Cancelled) => "CANCELLED",
            (State::Done, JobEnd::TimedOut) => "TIMED_OUT",
            (State::Done, JobEnd::Completed | JobEnd::Failed | JobEnd::Lost) => {
                match self.work.output {
                    Ok(_) => "COMPLETED",
                    Err(_) => "FAILED",
                }
            }
        }
    }

    fn envelope(&self, id: &str, state: State) -> Value {
        let status = self.status(state);
        let mut envelope = json!({"id": id, "status": status});
        let Some(fields) = envelope.as_object_mut() else {
            return envelope;
        };
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        if state != State::Queued {
            put("delayTime", json!(824));
            put("workerId", json!("sim"));
        }
        if state == State::Done {
            put("executionTime", json!(3391));
        }
        match (&self.work.output, status) {
            (Ok(output), "COMPLETED") if !self.uncollected => {
                put("output", output.clone());
            }
            (Err(error), "FAILED") => {
                put("error", json!(error));
            }
            _ => {}
        }
        envelope
    }

    /// Pieces of the stream that were not fetched yet.
    fn fetch(&mut self, state: State) -> Vec<Value> {
        let left = self.work.pieces.get(self.fetched..).unwrap_or_default();
        let count = match state {
            State::Queued => 0,
            State::Progress if self.hangs || self.gated => {
                self.after.saturating_sub(self.fetched).min(left.len())
            }
            // As much each time, with a rest for the end.
            State::Progress => left.len().div_ceil(self.progress + 2).min(left.len()),
            State::Done if self.cancelled => 0,
            State::Done => match self.end {
                JobEnd::Completed | JobEnd::Failed | JobEnd::Lost => left.len(),
                // It was stopped before the rest.
                JobEnd::Cancelled | JobEnd::TimedOut => 0,
            },
        };
        self.fetched += count;
        left.get(..count).unwrap_or_default().to_vec()
    }
}
