//! Callers that go on while processes change: streams, and requests on connections that are
//! kept and on new ones. Not one may fail.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use sim::Flavor;
use tokio::task::JoinHandle;

use super::{CHAT, upgrade};
use crate::caller::{Caller, Response};
use crate::process::Process;
use crate::scene::{Ground, MODEL, chat, provider};

/// How much of it.
pub(super) struct Load {
    pub(super) upgrades: usize,
    /// Streams open at any time.
    pub(super) streams: usize,
    /// Callers of requests; every second one keeps its connection.
    pub(super) callers: usize,
    /// Between two requests of a caller.
    pub(super) pause_ms: u64,
    /// Requests between two upgrades.
    pub(super) between: u64,
}

/// What all callers share.
struct Shared {
    address: SocketAddr,
    over: AtomicBool,
    /// Calls that were answered.
    done: AtomicU64,
    open: AtomicU64,
}

impl Load {
    pub(super) async fn run(&self) {
        let ground = Ground::new();
        let sim = provider(Flavor::OpenAi).await;
        let endpoint = ground.endpoint(&sim, &json!({}));
        ground.model(MODEL, endpoint, &json!({}));
        let first = Process::gateway(ground.folder.path(), &[("RUST_LOG", "warn")]).await;
        let shared = Arc::new(Shared {
            address: first.address(),
            over: AtomicBool::new(false),
            done: AtomicU64::new(0),
            open: AtomicU64::new(0),
        });
        let pause = Duration::from_millis(self.pause_ms);
        let mut callers: Vec<JoinHandle<()>> = Vec::new();
        for number in 0..self.streams {
            callers.push(tokio::spawn(stream_on(Arc::clone(&shared), number)));
        }
        for number in 0..self.callers {
            callers.push(tokio::spawn(ask_on(Arc::clone(&shared), number, pause)));
        }

        let mut processes = vec![first];
        for number in 1..=self.upgrades {
            let before = shared.done.load(Ordering::Relaxed);
            let enough = || {
                let open = usize::try_from(shared.open.load(Ordering::Relaxed)).unwrap();
                shared.done.load(Ordering::Relaxed) >= before + self.between
                    && open >= self.streams * 9 / 10
            };
            while !enough() {
                assert!(
                    callers.iter().all(|caller| !caller.is_finished()),
                    "a call has failed"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let env = [("RUST_LOG", "warn")];
            processes.push(tokio::task::block_in_place(|| {
                upgrade(&ground, number, &env)
            }));
        }
        shared.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.expect("a call has failed");
        }
        let mut last = processes.pop().unwrap();
        for old in &mut processes {
            assert_eq!(old.ended().await, Some(0), "{}", old.log());
        }
        assert_eq!(last.stop().await, Some(0), "{}", last.log());

        let mut rows: HashMap<String, usize> = HashMap::new();
        for row in ground.store.recent_calls(10_000_000).unwrap() {
            assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
            *rows.entry(row.request_id.unwrap()).or_default() += 1;
        }
        let twice: Vec<_> = rows.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "rows that are there twice: {twice:?}");
        assert_eq!(rows.len() as u64, shared.done.load(Ordering::Relaxed));
    }
}

/// One stream after the other, on a connection that is kept as long as it may be.
async fn stream_on(shared: Arc<Shared>, number: usize) {
    let script = "chunks=20 gap_ms=60";
    let body = chat(script, &json!({"stream": true})).to_string();
    let mut kept = None;
    for turn in 0.. {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("stream-{number}-{turn}");
        shared.open.fetch_add(1, Ordering::Relaxed);
        let response = call(&shared, &mut kept, true, &id, &body).await;
        shared.open.fetch_sub(1, Ordering::Relaxed);
        assert_eq!(response.events().len(), 23, "{response:?}");
        assert_eq!(response.events().last().unwrap(), "[DONE]");
    }
}

/// One request after the other.
async fn ask_on(shared: Arc<Shared>, number: usize, pause: Duration) {
    let keeps = number.is_multiple_of(2);
    let body = chat("say=ok", &json!({})).to_string();
    let mut kept = None;
    let mut next = tokio::time::interval(pause);
    for turn in 0.. {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        next.tick().await;
        let id = format!("call-{number}-{turn}");
        let response = call(&shared, &mut kept, keeps, &id, &body).await;
        assert!(response.text().contains("\"ok\""), "{response:?}");
    }
}

/// A call on the connection that was `kept`, or on a new one.
async fn call(
    shared: &Shared,
    kept: &mut Option<Caller>,
    keeps: bool,
    id: &str,
    body: &str,
) -> Response {
    let mut caller = match kept.take() {
        Some(caller) => caller,
        None => Caller::connect(shared.address).await,
    };
    let mut headers = format!("x-request-id: {id}\r\n");
    if !keeps {
        headers.push_str("connection: close\r\n");
    }
    caller.ask(CHAT, &headers, body).await;
    let response = caller.response().await;
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.complete, "{response:?}");
    shared.done.fetch_add(1, Ordering::Relaxed);
    // As every client does: a connection of which the server says that it closes is not
    // used again.
    if response.header("connection") != Some("close") {
        *kept = Some(caller);
    }
    response
}
