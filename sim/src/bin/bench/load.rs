//! The load generator: closed loops over keep-alive connections.
//!
//! What always holds: every reply is read to its end and checked; the first
//! wrong one ends the measurement with an error.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::http::Connection;
use crate::scenario::{
    BURST_EVENTS, EventCheck, PROMPT_BYTES, Reply, Scenario, check_chat, request,
};

/// How long one reply, or the end of a whole measurement, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for connections, pools and caches to settle before anything counts.
pub(crate) const WARM_UP: Duration = Duration::from_millis(300);

/// A load that runs until it is told to stop.
pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<Latencies>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    measuring: AtomicBool,
    requests: AtomicU64,
    events: AtomicU64,
}

/// What was seen from the caller's side, in microseconds.
#[derive(Default)]
pub(crate) struct Latencies {
    /// From the request's first byte to the reply's last.
    pub(crate) whole: Vec<u64>,
    /// From the request's first byte to the first event.
    pub(crate) first: Vec<u64>,
}

impl Load {
    /// Start a scenario's connections against one address.
    pub(crate) fn start(
        scenario: Scenario,
        address: SocketAddr,
        model: &str,
        window: Duration,
    ) -> Self {
        let (reply, prompt) = match scenario {
            Scenario::Chat => (Reply::Chat, 400),
            Scenario::Prompt => (Reply::Chat, PROMPT_BYTES),
            Scenario::Burst | Scenario::Anthropic | Scenario::Ollama => {
                (Reply::Burst(BURST_EVENTS), 400)
            }
            Scenario::First => (Reply::Burst(3), 400),
            Scenario::Paced | Scenario::AnthropicPaced | Scenario::OllamaPaced => {
                (Reply::Paced(paced_events(window)), 400)
            }
            Scenario::Hold => (Reply::Hold, 400),
        };
        let shared = Arc::new(Shared::default());
        let request: Arc<[u8]> = request(model, reply, prompt).into();
        let mut tasks = JoinSet::new();
        for index in 0..scenario.connections() {
            let caller = Caller {
                address,
                expected: EventCheck::of(scenario.dialect(), model),
                model: model.to_owned(),
                request: Arc::clone(&request),
                reply,
                shared: Arc::clone(&shared),
            };
            tasks.spawn(async move {
                if scenario.is_paced() {
                    // Spread the phases: real streams do not tick together.
                    sleep(Duration::from_micros(index as u64 * 1_000)).await;
                }
                caller.run().await
            });
        }
        Load { shared, tasks }
    }

    /// Requests and events completed so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (
            self.shared.requests.load(Ordering::Relaxed),
            self.shared.events.load(Ordering::Relaxed),
        )
    }

    /// Let the load run for `time`, keeping latencies when `measuring`. Fails as
    /// soon as a reply was wrong.
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
    pub(crate) async fn finish(mut self) -> Result<Latencies> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut all = Latencies::default();
        let collect = async {
            while let Some(ended) = self.tasks.join_next().await {
                let seen = ended??;
                all.whole.extend(seen.whole);
                all.first.extend(seen.first);
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, collect)
            .await
            .context("replies in flight did not complete")??;
        all.whole.sort_unstable();
        all.first.sort_unstable();
        Ok(all)
    }
}

/// The time a paced load needs until every stream runs.
pub(crate) const PACED_RAMP: Duration = Duration::from_millis(1_200);

/// Events of a paced stream that is still running when the window closes.
fn paced_events(window: Duration) -> usize {
    let span = WARM_UP + PACED_RAMP + window + Duration::from_millis(500);
    (span.as_millis() / crate::upstream::GAP.as_millis()) as usize
}

struct Caller {
    address: SocketAddr,
    model: String,
    /// A stream of which nothing has come.
    expected: EventCheck,
    request: Arc<[u8]>,
    reply: Reply,
    shared: Arc<Shared>,
}

impl Caller {
    async fn run(self) -> Result<Latencies> {
        let mut connection = Connection::open(self.address).await?;
        let mut seen = Latencies::default();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let measured = self.shared.measuring.load(Ordering::Relaxed);
            let begin = Instant::now();
            let first = timeout(PATIENCE, self.once(&mut connection, begin))
                .await
                .context("no complete reply in time")??;
            if measured {
                seen.whole.push(micros(begin.elapsed()));
                seen.first.push(micros(first));
            }
            self.shared.requests.fetch_add(1, Ordering::Relaxed);
            if matches!(self.reply, Reply::Paced(_)) {
                break;
            }
        }
        Ok(seen)
    }

    /// One request and its whole reply: the time to its first body bytes.
    async fn once(&self, connection: &mut Connection, begin: Instant) -> Result<Duration> {
        let events = match self.reply {
            Reply::Burst(events) | Reply::Paced(events) => events,
            Reply::Chat => {
                let (status, body) = connection.exchange(&self.request).await?;
                ensure!(
                    status == 200,
                    "status {status}: {}",
                    String::from_utf8_lossy(&body)
                );
                check_chat(&body, &self.model)?;
                return Ok(begin.elapsed());
            }
            Reply::Hold => bail!("streams that are held open have no whole reply"),
        };
        let status = connection.send(&self.request).await?;
        let mut check = self.expected.clone();
        let mut first = None;
        while let Some(piece) = connection.piece().await? {
            ensure!(
                status == 200,
                "status {status}: {}",
                String::from_utf8_lossy(&piece)
            );
            let seen = check.push(&piece)?;
            if seen > 0 && first.is_none() {
                first = Some(begin.elapsed());
            }
            self.shared.events.fetch_add(seen as u64, Ordering::Relaxed);
        }
        check.end(events)?;
        first.context("no event")
    }
}

/// Open `count` streams, each with its first event received and checked.
pub(crate) async fn hold(
    address: SocketAddr,
    model: &str,
    count: usize,
) -> Result<Vec<Connection>> {
    let request: Arc<[u8]> = request(model, Reply::Hold, 400).into();
    let mut opening = JoinSet::new();
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        if opening.len() == Scenario::Hold.connections()
            && let Some(opened) = opening.join_next().await
        {
            open.push(opened??);
        }
        let request = Arc::clone(&request);
        let model = model.to_owned();
        opening.spawn(async move {
            timeout(PATIENCE, hold_one(address, &model, &request))
                .await
                .context("no first event in time")?
        });
    }
    while let Some(opened) = opening.join_next().await {
        open.push(opened??);
    }
    Ok(open)
}

async fn hold_one(address: SocketAddr, model: &str, request: &[u8]) -> Result<Connection> {
    let mut connection = Connection::open(address).await?;
    let status = connection.send(request).await?;
    let mut check = EventCheck::new(model);
    loop {
        let piece = connection.piece().await?.context("the stream ended")?;
        ensure!(
            status == 200,
            "status {status}: {}",
            String::from_utf8_lossy(&piece)
        );
        if check.push(&piece)? > 0 {
            return Ok(connection);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
