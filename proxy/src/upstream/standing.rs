//! How one model at one endpoint is doing: its circuit, how busy it is, how fast.
//!
//! Shared by all virtual models that stand for the model, and by all workers. It
//! lives as long as its endpoint stays unchanged.

mod circuit;
mod local;
mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use store::route::plan::{Circuit as CircuitState, Standing as Planned};
use store::{CircuitRow, Endpoint};

use super::State;
pub(crate) use circuit::Limits;
use circuit::{Circuit, Entry};
use local::LocalMemory;
use pace::Pace;

/// The code of a failed health check.
const UNHEALTHY: &str = "health_check_failed";

/// One model at one endpoint.
#[derive(Debug)]
pub(crate) struct Standing {
    endpoint_id: i64,
    endpoint: String,
    /// The model's name at the endpoint.
    pub(crate) model: String,
    /// The endpoint's counters.
    state: Arc<State>,
    circuit: Circuit,
    in_flight: AtomicU32,
    pace: Pace,
    /// What an Ollama server has told of it.
    pub(crate) local: LocalMemory,
    /// Its RunPod worker answered in its own form after it had refused OpenAI's.
    native: AtomicBool,
}

impl Standing {
    /// Of `model` at `endpoint`, with the circuit as it was saved.
    pub(super) fn new(
        endpoint: &Endpoint,
        model: &str,
        state: &Arc<State>,
        saved: Option<&CircuitRow>,
    ) -> Self {
        Self {
            state: Arc::clone(state),
            endpoint_id: endpoint.id,
            endpoint: endpoint.name.clone(),
            model: model.to_owned(),
            circuit: Circuit::new(saved),
            in_flight: AtomicU32::new(0),
            pace: Pace::default(),
            local: LocalMemory::default(),
            native: AtomicBool::new(false),
        }
    }

    /// As a plan takes it, apart from what the endpoint can do at all.
    pub(crate) fn planned(&self, serves: bool) -> Planned {
        Planned {
            usable: true,
            serves,
            circuit: self.circuit.state(now()),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            first_token_ms: self.pace.median(),
            failing: self.circuit.is_failing(now()),
            reached: None,
        }
    }

    /// Whether the circuit would let a call through at this moment.
    pub(crate) fn lets_through(&self) -> bool {
        !matches!(self.circuit.state(now()), CircuitState::Open { .. })
    }

    /// Whether the upstream itself has asked to be left alone at this moment.
    pub(crate) fn is_to_be_left(&self) -> bool {
        self.circuit.is_to_be_left(now())
    }

    /// Whether other calls are in flight beside the one that asks.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 1
    }

    /// Whether a RunPod worker whose form is not set is asked in its own form at once.
    pub(crate) fn takes_native(&self) -> bool {
        self.native.load(Ordering::Relaxed)
    }

    /// In which form the worker has answered, or no longer does.
    pub(crate) fn learn_native(&self, native: bool) {
        self.native.store(native, Ordering::Relaxed);
    }

    /// Begins a call. `None` when the circuit lets none through at this moment;
    /// with `whatever` it always does.
    pub(crate) fn enter(self: &Arc<Self>, whatever: bool) -> Option<Pass> {
        let entry = self.circuit.enter(now(), whatever)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Pass {
            standing: Arc::clone(self),
            entry,
            judged: false,
        })
    }

    /// What the health check found. It closes only what it has opened itself: an
    /// endpoint may say that it is well and still fail every call.
    pub(crate) fn checked(&self, healthy: bool, limits: &Limits) {
        if healthy {
            self.closed(self.circuit.close_after(UNHEALTHY));
        } else {
            let opened = self
                .circuit
                .failed(Entry::Plain, now(), UNHEALTHY, None, limits);
            self.opened(opened);
        }
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The state of the circuit, in a word.
    pub(crate) fn state(&self) -> &'static str {
        match self.circuit.state(now()) {
            CircuitState::Closed => "closed",
            CircuitState::Open { .. } => "open",
            CircuitState::HalfOpen => "half_open",
        }
    }

    /// The circuit for `/health`; `None` while it is closed.
    pub(crate) fn report(&self) -> Option<serde_json::Value> {
        let (state, until) = match self.circuit.state(now()) {
            CircuitState::Closed => return None,
            CircuitState::Open { until, .. } => ("open", Some(until / 1000)),
            CircuitState::HalfOpen => ("half_open", None),
        };
        Some(serde_json::json!({
            "model": self.model,
            "state": state,
            "open_until": until,
            "last_error": self.circuit.last_error(),
        }))
    }

    /// The row to save, if the circuit changed since the last time.
    pub(crate) fn to_save(&self) -> Option<CircuitRow> {
        self.circuit.to_save(self.endpoint_id, &self.model)
    }

    /// The row has been written.
    pub(crate) fn saved(&self, row: &CircuitRow) {
        self.circuit.saved(row);
    }

    /// It could not be written and is to be saved again.
    pub(crate) fn unsaved(&self) {
        self.circuit.unsaved();
    }

    /// An operator has closed the circuit.
    pub(crate) fn reset(&self) {
        self.closed(self.circuit.succeeded(Entry::Probe));
    }

    /// Whether the circuit was open when it was last saved.
    pub(crate) fn is_saved_open(&self) -> bool {
        self.circuit.is_saved_open()
    }

    fn closed(&self, was_open: bool) {
        if was_open {
            tracing::info!(endpoint = %self.endpoint, model = %self.model, "the circuit is closed again");
        }
    }

    fn opened(&self, until: Option<i64>) {
        if let Some(until) = until {
            let seconds = (until - now()).max(0) / 1000;
            tracing::warn!(
                endpoint = %self.endpoint,
                model = %self.model,
                reason = self.circuit.last_error(),
                "the circuit is open: for {seconds} s calls go to other candidates where there are any, then one tries it"
            );
        }
    }
}

/// One call that a circuit let through. Dropped without a verdict, it leaves the
/// circuit as it found it.
#[derive(Debug)]
pub(crate) struct Pass {
    standing: Arc<Standing>,
    entry: Entry,
    judged: bool,
}

impl Pass {
    /// The endpoint did its work.
    pub(crate) fn succeeded(&mut self) {
        self.judged = true;
        self.standing.state.succeeded();
        let was_open = self.standing.circuit.succeeded(self.entry);
        self.standing.closed(was_open);
    }

    /// It did not. `hold` is the time in milliseconds for which it asked to be left
    /// alone.
    pub(crate) fn failed(&mut self, code: &str, hold: Option<i64>, limits: &Limits) {
        self.judged = true;
        self.standing.state.failed(code);
        let circuit = &self.standing.circuit;
        let opened = circuit.failed(self.entry, now(), code, hold, limits);
        self.standing.opened(opened);
    }

    /// The caller's stream can begin, so many milliseconds after it was asked for.
    pub(crate) fn paced(&self, millis: u64) {
        self.standing.pace.note(millis);
    }

    /// A stream has begun to answer. A probe has done its work then: the stream may go
    /// on for an hour.
    pub(crate) fn began(&mut self) {
        if self.entry == Entry::Probe {
            let was_open = self.standing.circuit.succeeded(Entry::Probe);
            self.standing.closed(was_open);
            self.entry = Entry::Plain;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.standing.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.judged {
            self.standing.circuit.left(self.entry);
        }
    }
}

/// Unix milliseconds: circuits outlive the process.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
