//! Calls in great number while candidates are killed, restarted, slowed and broken at
//! random. At least one is well at any time, so no caller may notice.
//!
//! The answers tell what was asked, so that a wrong one shows. They leave the providers in
//! one piece: of a stream that dies in its middle the caller must hear, and does, in
//! [`crate::fault_matrix`].

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use sim::Flavor;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::crowd::{CHAT, Crowd, Member, hello, text};
use crate::scene::{Answer, MODEL, answer, client};

const CALLS: u64 = 1000;
const AT_ONCE: usize = 50;

/// A guard against a hang; how long it takes says nothing.
const GUARD: Duration = Duration::from_secs(280);

const WELL: &str = "burst";

/// What may be wrong with a candidate that answers at all.
const TROUBLES: [&str; 10] = [
    "burst delay_ms=50",
    "burst delay_ms=200",
    "burst first_ms=100",
    "gate=header",
    "status=500",
    "status=503 retry_after=1",
    "status=429",
    "status=502 html",
    "cut=status rst",
    "error_after=0",
];

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// How far the calls are.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    done: AtomicU64,
    changed: Notify,
}

impl Progress {
    fn next(&self) -> Option<u64> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        (number < CALLS).then_some(number)
    }

    fn finished(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    fn is_over(&self) -> bool {
        self.done.load(Ordering::SeqCst) >= CALLS
    }

    /// Waits for so many more calls to end, or all.
    async fn more(&self, count: u64) {
        let goal = (self.done.load(Ordering::SeqCst) + count).min(CALLS);
        loop {
            let changed = self.changed.notified();
            if self.done.load(Ordering::SeqCst) >= goal {
                return;
            }
            changed.await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_while_one_candidate_is_well() {
    run("rotational", 20_260_101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_when_the_least_busy_are_asked() {
    run("least_busy", 77).await;
}

async fn run(strategy: &str, seed: u64) {
    let members = [
        Flavor::OpenAi,
        Flavor::Anthropic,
        Flavor::Ollama,
        Flavor::Vllm,
    ];
    let env = [
        ("CIRCUIT_COOLDOWN_SECONDS", "0.2"),
        ("FIRST_BYTE_TIMEOUT", "3"),
        ("TIMEOUT", "30"),
        ("HOLD_SECONDS", "60"),
    ];
    let routing = json!({"strategy": strategy});
    let mut ports = own_ports();
    let members = members.map(|flavor| Member {
        port: ports.next().unwrap(),
        ..Member::of(flavor)
    });
    let crowd = Crowd::with(members.to_vec(), routing, &env).await;
    for number in 0..crowd.sims.len() {
        crowd.script(number, WELL);
    }
    let crowd = Arc::new(crowd);
    let progress = Arc::new(Progress::default());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (crowd, progress) = (Arc::clone(&crowd), Arc::clone(&progress));
        callers.spawn(async move {
            let client = client();
            let mut attempts = Vec::new();
            while let Some(number) = progress.next() {
                attempts.push(call(&client, &crowd, number).await);
                progress.finished();
            }
            attempts
        });
    }
    let chaos = {
        let (crowd, progress) = (Arc::clone(&crowd), Arc::clone(&progress));
        tokio::spawn(async move { trouble(&crowd, &progress, seed).await })
    };
    let all = async {
        let mut attempts = Vec::new();
        while let Some(some) = callers.join_next().await {
            attempts.extend(some.unwrap());
        }
        attempts
    };
    let told = timeout(GUARD, all)
        .await
        .unwrap_or_else(|_| panic!("seed {seed}: a call hangs"));
    timeout(GUARD, chaos)
        .await
        .unwrap_or_else(|_| panic!("seed {seed}: the chaos hangs"))
        .unwrap();

    let wrong: Vec<_> = told.iter().filter_map(|call| call.as_ref().err()).collect();
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    let told: Vec<u64> = told.into_iter().flatten().collect();

    let rows = crowd.ground.rows(usize::try_from(CALLS).unwrap()).await;
    let ids: HashSet<_> = rows.iter().map(|row| row.request_id.as_deref()).collect();
    assert_eq!(ids.len(), rows.len(), "one row a call");
    for row in &rows {
        assert_eq!(
            row.outcome.as_deref(),
            Some("success"),
            "seed {seed}: {row:?}"
        );
        assert_eq!(row.attempts.last().unwrap().status, 200, "{row:?}");
    }
    let counted: i64 = rows.iter().map(|row| row.attempt_count).sum();
    assert_eq!(told.iter().sum::<u64>(), u64::try_from(counted).unwrap());
    let rescued = told.iter().filter(|attempts| **attempts > 1).count();
    assert!(
        rescued >= 20,
        "only {rescued} calls needed another candidate"
    );
    for sim in &crowd.sims {
        sim.wait_until(|served| served.open() == 0).await.unwrap();
    }
}

/// Free ports that the system gives to nobody who asks for any: a candidate that is down
/// must not be replaced by somebody else's.
fn own_ports() -> impl Iterator<Item = u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let below = first - 1024;
    // Tests that run at the same time look in places of their own.
    let start = std::process::id().wrapping_mul(64) % u32::from(below);
    let start = u16::try_from(start).unwrap();
    let ports = (0..below).map(move |n| 1024 + start.wrapping_add(n) % below);
    ports.filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

/// One call; says how many attempts it took, or what is wrong with its answer.
async fn call(client: &reqwest::Client, crowd: &Crowd, number: u64) -> Result<u64, String> {
    let word = format!(
        "word-{number}-{}",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    );
    let body = hello(&json!({
        "messages": [{"role": "user", "content": word}],
        "stream": number.is_multiple_of(2),
    }));
    let url = format!("{}{CHAT}", crowd.gateway.base);
    let got = answer(client.post(url).json(&body)).await;
    if is_right(&got, &word) {
        Ok(got.header("x-gateway-attempts").parse().unwrap())
    } else {
        Err(format!("{word}: {got:?}"))
    }
}

fn is_right(got: &Answer, word: &str) -> bool {
    if got.status != 200 || got.body.contains("\"error\"") || !got.body.contains(MODEL) {
        return false;
    }
    let said = text(got);
    said.starts_with("Hello from the simulated ") && said.ends_with(&format!(". You said: {word}"))
}

/// Makes trouble until all calls are done. The one that is well changes now and then:
/// only when the gateway has seen that the next one is.
async fn trouble(crowd: &Crowd, progress: &Progress, seed: u64) {
    let mut dice = Dice(seed);
    let mut well = 0;
    while !progress.is_over() {
        progress.more(1 + dice.below(15) as u64).await;
        let victim = (well + 1 + dice.below(crowd.sims.len() - 1)) % crowd.sims.len();
        if dice.below(4) == 0 {
            heal(crowd, victim);
            if is_seen_well(crowd, progress, victim).await {
                well = victim;
            }
        } else {
            harm(crowd, victim, &mut dice).await;
        }
    }
}

fn heal(crowd: &Crowd, number: usize) {
    crowd.script(number, WELL);
    crowd.sims[number].open_gate();
    crowd.sims[number].up().unwrap();
}

async fn harm(crowd: &Crowd, number: usize, dice: &mut Dice) {
    let sim = &crowd.sims[number];
    match dice.below(TROUBLES.len() + 5) {
        trouble if trouble < TROUBLES.len() => {
            // Who waits at the gate goes on with what comes next.
            sim.open_gate();
            sim.up().unwrap();
            crowd.script(number, TROUBLES[trouble]);
            if TROUBLES[trouble].contains("gate") {
                sim.close_gate();
            }
        }
        _ => sim.down().await,
    }
}

/// Waits until the gateway calls it again and finds it well; false when the calls end
/// first.
async fn is_seen_well(crowd: &Crowd, progress: &Progress, number: usize) -> bool {
    let before = crowd.sims[number].served().completed;
    while !progress.is_over() {
        progress.more(1).await;
        let served = crowd.sims[number].served().completed;
        let closed = crowd.health(number).await["circuits"] == json!([]);
        if closed && served >= before + 10 {
            return true;
        }
    }
    false
}
