//! Callers: so many calls a second, each one checked and noted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Over;
use crate::calls::Kind;
use crate::http::Connection;
use crate::scene::Scene;

/// How many call at once, each one call at a time.
const CALLERS: u64 = 32;

/// How long an answer may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What callers know of their calls.
#[derive(Default)]
pub(crate) struct Book {
    calls: Mutex<HashMap<String, Kind>>,
    wrong: Mutex<Vec<String>>,
    /// Of each kind.
    done: [AtomicU64; Kind::ALL.len()],
    slowest: AtomicU64,
}

impl Book {
    /// The calls by their ids.
    pub(crate) fn calls(&self) -> MutexGuard<'_, HashMap<String, Kind>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was wrong with answers.
    pub(crate) fn wrong(&self) -> MutexGuard<'_, Vec<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls of a kind have ended.
    pub(crate) fn done(&self, kind: Kind) -> u64 {
        self.done[kind as usize].load(Ordering::Relaxed)
    }

    /// How many calls have ended.
    pub(crate) fn all(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.done(kind)).sum()
    }

    /// The longest call.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest.load(Ordering::Relaxed))
    }
}

/// Calls that go on until it is over.
pub(crate) struct Traffic {
    pub(crate) book: Arc<Book>,
    callers: JoinSet<()>,
}

impl Traffic {
    /// Begins with `rate` calls a second.
    pub(crate) fn start(scene: &Arc<Scene>, rate: u64, over: &Over) -> Self {
        let book = Arc::new(Book::default());
        let mut callers = JoinSet::new();
        let pause = Duration::from_micros(1_000_000 * CALLERS / rate.max(1));
        for number in 0..CALLERS {
            let caller = Caller {
                number,
                scene: Arc::clone(scene),
                book: Arc::clone(&book),
                over: over.clone(),
            };
            callers.spawn(caller.run(pause));
        }
        Self { book, callers }
    }

    /// Waits for the calls that have begun.
    pub(crate) async fn finish(mut self) -> Result<Arc<Book>> {
        while let Some(ended) = self.callers.join_next().await {
            ended?;
        }
        Ok(self.book)
    }
}

struct Caller {
    number: u64,
    scene: Arc<Scene>,
    book: Arc<Book>,
    over: Over,
}

impl Caller {
    async fn run(self, pause: Duration) {
        let mut next = interval(pause);
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Each begins at a place of its own.
        let turns = Kind::TURNS.iter().cycle();
        let turns = turns.skip(usize::try_from(self.number * 7).unwrap_or_default());
        let mut connection = None;
        for (turn, kind) in turns.enumerate() {
            next.tick().await;
            if self.over.is() {
                return;
            }
            let id = format!("soak-{}-{turn}", self.number);
            self.book.calls().insert(id.clone(), *kind);
            let began = Instant::now();
            let called = timeout(PATIENCE, self.call(*kind, &id, &mut connection));
            let outcome = match called.await {
                Ok(outcome) => outcome,
                Err(_) => Err(anyhow::anyhow!("no answer in time")),
            };
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.book.slowest.fetch_max(took, Ordering::Relaxed);
            self.book.done[*kind as usize].fetch_add(1, Ordering::Relaxed);
            if let Err(wrong) = outcome {
                connection = None;
                let told = format!("{id} ({}): {wrong:#}", kind.name());
                self.book.wrong().push(told);
            }
        }
    }

    /// One call, on the connection that was kept where there is one.
    async fn call(&self, kind: Kind, id: &str, kept: &mut Option<Connection>) -> Result<()> {
        let word = format!("word-{id}");
        let request = kind.request(&word, &self.scene.key, id, self.number);
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.scene.gateway).await?,
        };
        let status = connection.send(&request).await?;
        let mut body = Vec::new();
        while let Some(piece) = connection.piece().await? {
            body.extend_from_slice(&piece);
            if kind == Kind::HangUp && status == 200 {
                return Ok(());
            }
        }
        let told = || {
            let end = body.len().min(600);
            let shown = body.get(..end).unwrap_or_default();
            String::from_utf8_lossy(shown).into_owned()
        };
        ensure!(status == kind.status(), "status {status}: {}", told());
        kind.check(&word, &body).with_context(told)?;
        // Now and then on a new one.
        let stays = !connection.closes() && !id.ends_with('7');
        *kept = stays.then_some(connection);
        Ok(())
    }
}
