//! What a server has told of one of its models: an Ollama server when asked, any other when it
//! refuses what it has no room for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wire::dialect::ollama::Show;
use wire::outbound::{LocalModel, Room};

/// When a server that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long holds what a refusal has told: a server may come back with more room.
const ROOM: Duration = Duration::from_secs(600);

/// The memory of one model.
#[derive(Debug, Default)]
pub(crate) struct LocalMemory {
    memory: Mutex<Memory>,
    asking: tokio::sync::Mutex<()>,
    /// A refusal has told of room; until then nobody has to look.
    has_room: AtomicBool,
}

#[derive(Debug, Default)]
struct Memory {
    model: LocalModel,
    show_at: Option<Instant>,
    ps_at: Option<Instant>,
    room: Option<(Instant, Room)>,
}

impl LocalMemory {
    /// What is known by now.
    pub(crate) fn known(&self) -> LocalModel {
        let memory = self.memory();
        let mut model = memory.model;
        if let Some((_, room)) = memory.room.filter(|(at, _)| at.elapsed() < ROOM) {
            let context = room.context.and_then(|tokens| u32::try_from(tokens).ok());
            model.longest = model.longest.or(context);
            model.longest_answer = room.answer;
        }
        model
    }

    /// What refusals have told, without a lock where none has.
    pub(crate) fn told(&self) -> LocalModel {
        if self.has_room.load(Ordering::Relaxed) {
            self.known()
        } else {
            LocalModel::default()
        }
    }

    /// A refusal has told how much room there is. What it does not speak of stays.
    pub(crate) fn learn_room(&self, now: Instant, told: Room) {
        let mut memory = self.memory();
        let known = memory.room.map(|(_, room)| room).unwrap_or_default();
        let room = Room {
            context: told.context.or(known.context),
            answer: told.answer.or(known.answer),
            prompt: None,
        };
        memory.room = Some((now, room));
        self.has_room.store(true, Ordering::Relaxed);
    }

    /// Waits for the turn to ask the server: one call asks, the others wait for what it
    /// learns.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.asking.lock().await
    }

    /// Whether the server is to be asked about the model.
    pub(crate) fn show_due(&self, now: Instant, holds: Duration) -> bool {
        is_due(self.memory().show_at, now, holds)
    }

    /// Whether the server is to be asked what is loaded.
    pub(crate) fn ps_due(&self, now: Instant, holds: Duration) -> bool {
        is_due(self.memory().ps_at, now, holds)
    }

    /// What the server said of the model; without an answer it is asked again after
    /// [`AGAIN`].
    pub(crate) fn learn_show(&self, now: Instant, holds: Duration, show: Option<Show>) {
        let mut memory = self.memory();
        match show {
            Some(show) => {
                memory.show_at = Some(now);
                memory.model.longest = show.context_length;
                memory.model.thinks = show.thinks();
                memory.model.takes_tools = show.takes_tools();
                memory.model.sees = show.sees();
            }
            None => memory.show_at = now.checked_sub(holds.saturating_sub(AGAIN)),
        }
    }

    /// What the server said is loaded: the context, `None` for a model that is not.
    /// While calls are in flight, what they asked for counts as well.
    pub(crate) fn learn_ps(
        &self,
        now: Instant,
        holds: Duration,
        loaded: Option<Option<u32>>,
        busy: bool,
    ) {
        let mut memory = self.memory();
        match loaded {
            Some(loaded) => {
                memory.ps_at = Some(now);
                let asked = memory.model.loaded.filter(|_| busy);
                memory.model.loaded = loaded.max(asked);
            }
            None => memory.ps_at = now.checked_sub(holds.saturating_sub(AGAIN)),
        }
    }

    /// A call that asked for a context of `num_ctx` was answered.
    pub(crate) fn loaded(&self, num_ctx: u32) {
        let loaded = &mut self.memory().model.loaded;
        *loaded = (*loaded).max(Some(num_ctx));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_due(at: Option<Instant>, now: Instant, holds: Duration) -> bool {
    at.is_none_or(|at| now.saturating_duration_since(at) >= holds)
}
