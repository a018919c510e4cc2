//! What an Ollama server has told of one of its models.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wire::dialect::ollama::Show;
use wire::outbound::LocalModel;

/// The memory of one model.
#[derive(Debug, Default)]
pub(crate) struct LocalMemory(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    model: LocalModel,
    show_at: Option<Instant>,
    ps_at: Option<Instant>,
}

impl LocalMemory {
    /// What is known by now.
    pub(crate) fn known(&self) -> LocalModel {
        self.memory().model
    }

    /// Whether the server is to be asked about the model; who is told so asks.
    pub(crate) fn show_due(&self, now: Instant, holds: Duration) -> bool {
        due(&mut self.memory().show_at, now, holds)
    }

    /// Whether the server is to be asked what is loaded; who is told so asks.
    pub(crate) fn ps_due(&self, now: Instant, holds: Duration) -> bool {
        due(&mut self.memory().ps_at, now, holds)
    }

    /// What the server said of the model; without an answer it is asked again with
    /// the next call.
    pub(crate) fn learn_show(&self, now: Instant, show: Option<Show>) {
        let mut memory = self.memory();
        match show {
            Some(show) => {
                memory.show_at = Some(now);
                memory.model.longest = show.context_length;
                memory.model.thinks = show.thinks();
                memory.model.takes_tools = show.takes_tools();
            }
            None => memory.show_at = None,
        }
    }

    /// What the server said is loaded: the context, `None` for a model that is not.
    /// While calls are in flight, what they asked for counts as well.
    pub(crate) fn learn_ps(&self, now: Instant, loaded: Option<Option<u32>>, busy: bool) {
        let mut memory = self.memory();
        match loaded {
            Some(loaded) => {
                memory.ps_at = Some(now);
                let asked = memory.model.loaded.filter(|_| busy);
                memory.model.loaded = loaded.max(asked);
            }
            None => memory.ps_at = None,
        }
    }

    /// A call asks for a context of `num_ctx`.
    pub(crate) fn loads(&self, num_ctx: u32) {
        let loaded = &mut self.memory().model.loaded;
        *loaded = (*loaded).max(Some(num_ctx));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the question as asked, so that only one call asks it.
fn due(at: &mut Option<Instant>, now: Instant, holds: Duration) -> bool {
    let due = at.is_none_or(|at| now.duration_since(at) >= holds);
    if due {
        *at = Some(now);
    }
    due
}
