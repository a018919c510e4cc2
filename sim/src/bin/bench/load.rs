//! The load generator: closed loops over keep-alive connections.
//!
//! What always holds: every reply is read to its end and checked. The first wrong one ends
//! the measurement with an error; where the target is a peer it is counted instead, and its
//! connection opened anew.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};

use crate::check::{EventCheck, Expected, check_chat};
use crate::http::Connection;
use crate::scenario::{Prompt, Reply, Scenario};
use crate::target::Target;

/// How long one reply, or the end of a whole measurement, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a peer may take to end what is in flight: what comes later is left out.
const PEER_PATIENCE: Duration = Duration::from_secs(5);
/// How long opening streams that are held may take a peer: those open by then are held.
const PEER_HOLD: Duration = Duration::from_secs(60);
/// After a failure, before the next attempt on that connection.
const BREATH: Duration = Duration::from_millis(20);
/// Time for connections, pools and caches to settle before anything counts.
pub(crate) const WARM_UP: Duration = Duration::from_millis(300);
/// The time a paced load needs until every stream runs.
pub(crate) const PACED_RAMP: Duration = Duration::from_millis(1_200);

/// A load that runs until it is told to stop.
pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<Times>>,
    of_peer: bool,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    measuring: AtomicBool,
    requests: AtomicU64,
    events: AtomicU64,
    failures: Failures,
}

/// What went wrong with a peer.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: AtomicU64,
    first: OnceLock<String>,
}

impl Failures {
    fn add(&self, error: &anyhow::Error) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Only the first one is told.
        let _ = self.first.set(format!("{error:#}"));
    }

    /// How many calls failed.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Why the first of them did.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }
}

/// What was seen from the caller's side, in microseconds.
#[derive(Default)]
pub(crate) struct Times {
    /// From the request's first byte to the reply's last.
    pub(crate) whole: Vec<u64>,
    /// From the request's first byte to the first event.
    pub(crate) first: Vec<u64>,
    /// Between events of a paced stream that follow each other; 0 where they came together.
    pub(crate) gaps: Vec<u64>,
}

impl Times {
    fn add(&mut self, other: Times) {
        self.whole.extend(other.whole);
        self.first.extend(other.first);
        self.gaps.extend(other.gaps);
    }

    fn sort(&mut self) {
        self.whole.sort_unstable();
        self.first.sort_unstable();
        self.gaps.sort_unstable();
    }
}

/// What a load has found out when it is over.
pub(crate) struct Found {
    /// Sorted times of what was complete.
    pub(crate) times: Times,
    /// What went wrong; of a peer only.
    pub(crate) failures: Failures,
}

impl Load {
    /// Start a scenario's calls against one target, over so many connections. Streams that
    /// are paced last beyond `window`.
    pub(crate) fn start(
        scenario: Scenario,
        target: &Target,
        connections: usize,
        window: Duration,
    ) -> Self {
        let reply = scenario.reply(WARM_UP + PACED_RAMP + window + Duration::from_millis(500));
        let request = target.request(scenario.dialect(), reply, scenario.prompt());
        let caller = Arc::new(Caller {
            address: target.address,
            expected: target.kind.expected(scenario.dialect()),
            request,
            reply,
            of_peer: target.kind.is_peer(),
        });
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            let caller = Arc::clone(&caller);
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                if scenario.is_paced() {
                    // Spread the phases: real streams do not tick together.
                    sleep(Duration::from_micros(index as u64 * 1_000)).await;
                }
                caller.run(&shared).await
            });
        }
        Load {
            shared,
            tasks,
            of_peer: target.kind.is_peer(),
        }
    }

    /// Requests and events completed so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (
            self.shared.requests.load(Ordering::Relaxed),
            self.shared.events.load(Ordering::Relaxed),
        )
    }

    /// Let the load run for `time`, keeping times when `measuring`. Fails as soon as a
    /// reply was wrong, unless it is a peer's.
    pub(crate) async fn run_for(&mut self, time: Duration, measuring: bool) -> Result<()> {
        self.shared.measuring.store(measuring, Ordering::Relaxed);
        tokio::select! {
            () = sleep(time) => {}
            Some(ended) = self.tasks.join_next() => {
                ended??;
                bail!("a connection ended before the measurement did");
            }
        }
        self.shared.measuring.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Let every reply in flight complete and hand over what was measured.
    pub(crate) async fn finish(mut self) -> Result<Found> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut times = Times::default();
        let collect = async {
            while let Some(ended) = self.tasks.join_next().await {
                times.add(ended??);
            }
            anyhow::Ok(())
        };
        if self.of_peer {
            // What it did not end in time is not waited for.
            timeout(PEER_PATIENCE, collect).await.unwrap_or(Ok(()))?;
            self.tasks.shutdown().await;
        } else {
            timeout(PATIENCE, collect)
                .await
                .context("replies in flight did not complete")??;
        }
        times.sort();
        let shared = Arc::into_inner(self.shared).context("a connection is still used")?;
        Ok(Found {
            times,
            failures: shared.failures,
        })
    }
}

/// What all connections of a load do.
struct Caller {
    address: SocketAddr,
    expected: Expected,
    request: Vec<u8>,
    reply: Reply,
    of_peer: bool,
}

impl Caller {
    async fn run(&self, shared: &Shared) -> Result<Times> {
        let mut connection = None;
        let mut times = Times::default();
        while !shared.stop.load(Ordering::Relaxed) {
            let measured = shared.measuring.load(Ordering::Relaxed);
            let begin = Instant::now();
            let once = self.once(&mut connection, begin, shared, &mut times.gaps);
            let first = match timeout(PATIENCE, once)
                .await
                .context("no complete reply in time")
            {
                Ok(Ok(Some(first))) => first,
                // Broken off at the end of the measurement.
                Ok(Ok(None)) => break,
                Ok(Err(error)) | Err(error) if self.of_peer => {
                    shared.failures.add(&error);
                    connection = None;
                    sleep(BREATH).await;
                    continue;
                }
                Ok(Err(error)) | Err(error) => return Err(error),
            };
            if measured {
                times.whole.push(micros(begin.elapsed()));
                times.first.push(micros(first));
            }
            shared.requests.fetch_add(1, Ordering::Relaxed);
            if matches!(self.reply, Reply::Paced(_)) {
                break;
            }
        }
        Ok(times)
    }

    /// One request and its whole reply: the time to its first body bytes; `None` of a
    /// peer's stream that was not over when the load was told to stop.
    async fn once(
        &self,
        connection: &mut Option<Connection>,
        begin: Instant,
        shared: &Shared,
        gaps: &mut Vec<u64>,
    ) -> Result<Option<Duration>> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(self.address).await?),
        };
        let events = match self.reply {
            Reply::Burst(events) | Reply::Paced(events) => events,
            Reply::Chat => {
                let (status, body) = connection.exchange(&self.request).await?;
                good(status, &body)?;
                check_chat(&body, self.expected)?;
                return Ok(Some(begin.elapsed()));
            }
            Reply::Hold => bail!("streams that are held open have no whole reply"),
        };
        let status = connection.send(&self.request).await?;
        let mut check = EventCheck::new(self.expected);
        let mut first = None;
        let mut last: Option<Instant> = None;
        while let Some(piece) = connection.piece().await? {
            good(status, &piece)?;
            let seen = check.push(&piece)?;
            shared.events.fetch_add(seen as u64, Ordering::Relaxed);
            if seen > 0 {
                let now = Instant::now();
                first.get_or_insert(now - begin);
                if let Some(last) = last
                    && matches!(self.reply, Reply::Paced(_))
                    && shared.measuring.load(Ordering::Relaxed)
                {
                    gaps.push(micros(now - last));
                    gaps.extend(std::iter::repeat_n(0, seen - 1));
                }
                last = Some(now);
            }
            if self.of_peer && shared.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        check.end(events)?;
        first.context("no event").map(Some)
    }
}

/// Streams that are held open, and what went wrong with others.
#[derive(Default)]
pub(crate) struct Held {
    /// One for each stream, with its first event received and checked.
    pub(crate) open: Vec<Connection>,
    /// Of a peer only.
    pub(crate) failures: Failures,
}

/// Open `count` streams. Of a peer those that can be opened within a minute.
pub(crate) async fn hold(target: &Target, count: usize) -> Result<Held> {
    let dialect = Scenario::Hold.dialect();
    let request: Arc<[u8]> = target.request(dialect, Reply::Hold, Prompt::SMALL).into();
    let expected = target.kind.expected(dialect);
    let of_peer = target.kind.is_peer();
    let deadline = tokio::time::Instant::now() + PEER_HOLD;
    let mut opening = JoinSet::new();
    let mut held = Held::default();
    let mut started = 0;
    loop {
        while started < count && opening.len() < Scenario::Hold.connections() {
            started += 1;
            let request = Arc::clone(&request);
            let address = target.address;
            opening.spawn(async move {
                timeout(PATIENCE, hold_one(address, expected, &request))
                    .await
                    .context("no first event in time")?
            });
        }
        let ended = if of_peer {
            timeout_at(deadline, opening.join_next())
                .await
                .unwrap_or_default()
        } else {
            opening.join_next().await
        };
        match ended.transpose()? {
            Some(Ok(connection)) => held.open.push(connection),
            Some(Err(error)) if of_peer => held.failures.add(&error),
            Some(Err(error)) => return Err(error),
            None => return Ok(held),
        }
    }
}

async fn hold_one(address: SocketAddr, expected: Expected, request: &[u8]) -> Result<Connection> {
    let mut connection = Connection::open(address).await?;
    let status = connection.send(request).await?;
    let mut check = EventCheck::new(expected);
    loop {
        let piece = connection.piece().await?.context("the stream ended")?;
        good(status, &piece)?;
        if check.push(&piece)? > 0 {
            return Ok(connection);
        }
    }
}

fn good(status: u16, body: &[u8]) -> Result<()> {
    const TOLD: usize = 300;
    ensure!(
        status == 200,
        "status {status}: {}",
        String::from_utf8_lossy(&body[..body.len().min(TOLD)])
    );
    Ok(())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::net::TcpListener;

    use super::*;
    use crate::peer::Peer;
    use crate::target::Kind;
    use crate::upstream;

    /// The simulated upstream in the place of a target. It knows its own model's name and
    /// refuses others.
    async fn target(kind: Kind) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(upstream::serve(listener));
        Target::at(kind, address).unwrap()
    }

    const RIGHT: Kind = Kind::Peer(Peer::Vllm);
    const WRONG: Kind = Kind::Peer(Peer::LiteLlm);
    const A_WHILE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn what_fails_is_counted_of_a_peer_and_ends_the_load_of_others() {
        let target = target(WRONG).await;
        let mut load = Load::start(Scenario::Chat, &target, 2, A_WHILE);
        while load.shared.failures.count() < 5 {
            load.run_for(A_WHILE, true).await.unwrap();
        }
        let found = load.finish().await.unwrap();
        assert!(found.failures.count() >= 5);
        let first = found.failures.first().unwrap();
        assert!(first.starts_with("status 400: "), "{first}");
        assert!(found.times.whole.is_empty());

        let ours = Target::at(Kind::Gateway, target.address).unwrap();
        let mut load = Load::start(Scenario::Chat, &ours, 2, A_WHILE);
        let error = load.run_for(PATIENCE, true).await.unwrap_err();
        assert!(error.to_string().starts_with("status 400: "), "{error}");
    }

    #[tokio::test]
    async fn paced_streams_have_gaps_and_a_peers_are_broken_off() {
        for kind in [RIGHT, Kind::Direct] {
            let target = target(kind).await;
            let mut load = Load::start(Scenario::Paced, &target, 3, A_WHILE);
            while load.counts().1 < 10 {
                load.run_for(A_WHILE, true).await.unwrap();
            }
            let found = load.finish().await.unwrap();
            assert_eq!(found.failures.count(), 0);
            assert!(!found.times.gaps.is_empty());
            let whole = if kind == RIGHT { 0 } else { 3 };
            assert_eq!(found.times.whole.len(), whole, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn streams_are_held_or_counted() {
        let held = hold(&target(RIGHT).await, 3).await.unwrap();
        assert_eq!((held.open.len(), held.failures.count()), (3, 0));
        let held = hold(&target(WRONG).await, 3).await.unwrap();
        assert_eq!((held.open.len(), held.failures.count()), (0, 3));
        assert!(hold(&target(Kind::Gateway).await, 3).await.is_err());
    }
}
