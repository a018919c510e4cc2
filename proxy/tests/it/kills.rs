//! Usage records outlive the gateway: killed again and again under load, over a store that
//! is locked, and on a disk that is full.

use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sim::Flavor;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::process::Process;
use crate::scene::{Ground, MODEL, answer, chat, client, provider};

/// How often the gateway is killed.
const KILLS: usize = 200;
/// Callers at a time.
const CALLERS: usize = 8;
/// Calls that have to end between two kills.
const BETWEEN: u64 = 25;

/// Every call whose reply its caller has whole has one row afterwards, and no call has two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_kills_lose_and_double_no_record() {
    let ground = Ground::new();
    let sim = provider(Flavor::OpenAi).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    let folder = ground.folder.path();

    let mut gateway = Process::gateway(folder, &[]).await;
    let (tell, base) = watch::channel(gateway.base.clone());
    let done = Arc::new(Mutex::new(HashSet::new()));
    let (count, over) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let (base, done) = (base.clone(), Arc::clone(&done));
            let (count, over) = (Arc::clone(&count), Arc::clone(&over));
            tokio::spawn(call_on(number, base, done, count, over))
        })
        .collect();

    let mut seed = 0x1234_5678_9ABC_DEF1_u64;
    for _ in 0..KILLS {
        let before = count.load(Ordering::Relaxed);
        while count.load(Ordering::Relaxed) < before + BETWEEN {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // At any moment of a call: some hundred microseconds more or less.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_micros(seed >> 53)).await;
        gateway.signal("-KILL");
        assert_eq!(gateway.ended().await, None);
        gateway = Process::gateway(folder, &[]).await;
        tell.send_replace(gateway.base.clone());
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(gateway.stop().await, Some(0), "{}", gateway.log());
    // The last one to end has nothing left; what others left was taken over at their heels.
    let mut last = Process::gateway(folder, &[]).await;
    assert_eq!(last.stop().await, Some(0));

    let mut rows: HashMap<String, usize> = HashMap::new();
    for row in ground.store.recent_calls(10_000_000).unwrap() {
        *rows.entry(row.request_id.unwrap()).or_default() += 1;
    }
    let done = done.lock().unwrap();
    let missing: Vec<_> = done.iter().filter(|id| !rows.contains_key(*id)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:?}",
        missing.len(),
        done.len()
    );
    let doubled: Vec<_> = rows.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    assert!(
        done.len() as u64 > KILLS as u64 * BETWEEN / 2,
        "{}",
        done.len()
    );
    let left: Vec<_> = std::fs::read_dir(folder.join("proxy.db.spool"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Calls, whole and streamed, until all is over; notes those whose reply came whole.
async fn call_on(
    number: usize,
    base: watch::Receiver<String>,
    done: Arc<Mutex<HashSet<String>>>,
    count: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
) {
    let client = client();
    for turn in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("kill-{number}-{turn}");
        let stream = turn % 2 == 1;
        let url = format!("{}/v1/chat/completions", *base.borrow());
        let body = chat("say=one+two", &json!({"stream": stream}));
        let sent = client
            .post(url)
            .header("x-request-id", &id)
            .json(&body)
            .send();
        let text = match sent.await {
            Ok(response) if response.status() == 200 => response.text().await.ok(),
            Ok(_) | Err(_) => None,
        };
        let whole = text.is_some_and(|text| !stream || text.contains("data: [DONE]"));
        if whole {
            done.lock().unwrap().insert(id);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A small file system of its own, taken away at the end.
struct Disk(TempDir);

impl Disk {
    fn of(megabytes: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "this test mounts a tmpfs and needs to be root"
        );
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Calls go on while nothing can be written; what they spent is told once there is room.
#[tokio::test]
async fn a_full_disk_stops_no_call_and_loses_no_record() {
    const CALLS: usize = 60;
    let disk = Disk::of(4);
    let folder = disk.0.path();
    let store = store::Store::open(&folder.join("proxy.db")).unwrap();
    let sim = provider(Flavor::OpenAi).await;
    let ground = Ground::new();
    let fields = json!({"name": "e", "url": sim.base_url(), "api_key": crate::scene::KEY, "endpoint_type": "openai"});
    let draft = store::EndpointDraft::for_create(&fields).unwrap();
    let endpoint = store.create_endpoint(&draft).unwrap();
    let fields = json!({"name": MODEL, "endpoint_id": endpoint, "actual_model": "sim-model"});
    let draft = store::VirtualModelDraft::for_create(&fields).unwrap();
    store.create_virtual_model(&draft).unwrap();
    // The log is elsewhere: it is not what is tested.
    let database = folder.join("proxy.db").to_str().unwrap().to_owned();
    let env = [("DATABASE_PATH", database.as_str())];
    let mut gateway = Process::gateway(ground.folder.path(), &env).await;
    let filler = folder.join("filler");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096"])
        .arg(format!("of={}", filler.display()))
        .output()
        .unwrap();
    assert!(!filled.status.success(), "the disk is full");

    let call = async |number: usize| {
        let request = client()
            .post(format!("{}/v1/chat/completions", gateway.base))
            .header("x-request-id", format!("full-{number}"))
            .json(&chat("say=ok", &json!({})));
        let got = answer(request).await;
        assert_eq!(got.status, 200, "{got:?}");
    };
    for number in 0..CALLS {
        call(number).await;
    }
    gateway.logged("usage records cannot be written").await;
    gateway.logged("usage records cannot be spooled").await;
    let health = client().get(format!("{}/health", gateway.base));
    let health = answer(health).await.json();
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["usage"]["lost"], 0, "{health}");
    assert_eq!(health["usage"]["store_takes_records"], false, "{health}");
    assert_eq!(health["usage"]["spool"]["state"], "failing", "{health}");

    std::fs::remove_file(&filler).unwrap();
    call(CALLS).await;
    assert_eq!(gateway.stop().await, Some(0), "{}", gateway.log());
    let mut ids: Vec<_> = store
        .recent_calls(10_000)
        .unwrap()
        .into_iter()
        .map(|row| row.request_id.unwrap())
        .collect();
    ids.sort();
    let mut all: Vec<_> = (0..=CALLS).map(|number| format!("full-{number}")).collect();
    all.sort();
    assert_eq!(ids, all);
}

/// A spool that may hold little and a store that takes nothing: what fits neither there nor
/// in memory would be told; here memory has room.
#[tokio::test]
async fn a_spool_at_its_limit_goes_on_in_memory() {
    let ground = Ground::new();
    let sim = provider(Flavor::OpenAi).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    let folder = ground.folder.path();
    let mut gateway = Process::gateway(folder, &[("SPOOL_MAX_MB", "1")]).await;
    let lock = rusqlite_lock(&ground);
    let (client, body) = (client(), chat("say=ok", &json!({})));
    let url = format!("{}/v1/chat/completions", gateway.base);
    let mut sent = 0;
    let spool = loop {
        let calls = (0..200).map(|_| answer(client.post(&url).json(&body)));
        for got in futures_util::future::join_all(calls).await {
            assert_eq!(got.status, 200, "{got:?}");
            sent += 1;
        }
        let health = client.get(format!("{}/health", gateway.base));
        let health = answer(health).await.json();
        assert_eq!(health["usage"]["lost"], 0, "{health}");
        if health["usage"]["spool"]["state"] == "failing" {
            break health["usage"]["spool"].clone();
        }
        assert!(sent < 20_000, "{health}");
    };
    assert!(
        spool["bytes"].as_u64() <= spool["limit_bytes"].as_u64(),
        "{spool}"
    );
    drop(lock);
    assert_eq!(gateway.stop().await, Some(0), "{}", gateway.log());
    assert_eq!(ground.store.count_calls().unwrap(), sent);
}

/// Holds the store's write lock until dropped.
fn rusqlite_lock(ground: &Ground) -> Locked {
    let mut child = Command::new("sqlite3")
        .arg(ground.database())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"BEGIN IMMEDIATE;\nSELECT 'held';\n").unwrap();
    let output = child.stdout.take().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    assert_eq!(line.trim(), "held");
    Locked(child, Some(input))
}

struct Locked(std::process::Child, Option<std::process::ChildStdin>);

impl Drop for Locked {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = self.0.wait();
    }
}
