//! What a service manager is told, and an upgrade as it orders one.

use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{fails, next, upgrade};
use crate::process::{LOOK, PATIENCE};
use crate::scene::{Scene, chat};

/// Listens as a service manager does, which takes each message at once: the system keeps only
/// some, and what comes when they wait is lost.
struct Manager {
    heard: Receiver<String>,
    path: PathBuf,
}

impl Manager {
    fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (hears, heard) = mpsc::sync_channel(1000);
        thread::spawn(move || {
            let mut got = [0; 1024];
            while let Ok(length) = socket.recv(&mut got) {
                let told = String::from_utf8_lossy(&got[..length]).into_owned();
                if hears.send(told).is_err() {
                    break;
                }
            }
        });
        Self { heard, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Waits for what begins with `word`; everything else is left out.
    fn told(&self, word: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let told = self.heard.recv_timeout(left).expect(word);
            if told.lines().any(|line| line.starts_with(word)) {
                return told;
            }
        }
    }

    /// Whether nothing is told for a while, many times as long as between two signs of life.
    fn falls_silent(&self) -> bool {
        let long = Duration::from_secs(1);
        (0..100).any(|_| self.heard.recv_timeout(long).is_err())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_is_told_of_start_life_upgrade_and_end() {
    let folder = tempfile::TempDir::new().unwrap();
    let manager = Manager::new(folder.path());
    let env = [
        ("NOTIFY_SOCKET", manager.path()),
        ("WATCHDOG_USEC", "400000"),
    ];
    let mut scene = Scene::env(&env).await;
    let first = manager.told("READY=1");
    let address = scene.gateway.base.clone();
    assert!(
        first.contains(&format!("STATUS=serving on {address}")),
        "{first}"
    );
    assert!(!first.contains("MAINPID"), "{first}");
    for _ in 0..3 {
        manager.told("WATCHDOG=1");
    }

    // Somebody who is not of the service would end it with the old process.
    let said = fails(&scene.ground, &[]);
    assert!(said.contains("systemctl reload"), "{said}");

    // The next one is given no time of its own: it keeps that of the service.
    let body = chat("say=ok gate=stream", &json!({"stream": true})).to_string();
    let mut streamed = scene.caller().await;
    streamed.ask("/v1/chat/completions", "", &body).await;
    scene.sim.wait_for_requests(1).await.unwrap();
    let mut next = upgrade(&scene.ground, 1, &env[..1]);
    let told = manager.told("MAINPID=");
    assert!(
        told.contains(&format!("MAINPID={}\nREADY=1", next.pid())),
        "{told}"
    );
    for _ in 0..3 {
        manager.told("WATCHDOG=1");
    }
    // Told to end while the old one still has a call; that one says nothing of itself.
    assert_eq!(next.stop().await, Some(0));
    let told = manager.told("STOPPING=1");
    assert!(told.contains("EXTEND_TIMEOUT_USEC="), "{told}");
    assert!(
        manager.falls_silent(),
        "the process of before says that it lives"
    );
    scene.sim.open_gate();
    assert!(streamed.response().await.complete);
    drop(streamed);
    assert_eq!(scene.gateway.ended().await, Some(0));
}

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// As `ExecReload` has it: the command ends when the new process serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_in_the_background_ends_once_it_is_done() {
    let mut scene = Scene::start().await;
    let address = scene.gateway.address();
    let folder = scene.ground.folder.path();
    let (out, err) = (folder.join("reload.out"), folder.join("reload.err"));
    let reload = |env: &[(&str, &str)]| {
        let status = next(&scene.ground, env)
            .arg("--detach")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .status()
            .unwrap();
        let said = std::fs::read_to_string(&out).unwrap();
        (status.code(), said, std::fs::read_to_string(&err).unwrap())
    };
    // One that cannot start is told as a failure of the reload.
    let (code, _, why) = tokio::task::block_in_place(|| reload(&[("THREADS", "0")]));
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("THREADS"), "{why}");
    let (code, _, why) = tokio::task::block_in_place(|| reload(&[("API_BIND", "127.0.0.2")]));
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("the gateway that runs goes on"), "{why}");

    let (code, said, why) = tokio::task::block_in_place(|| reload(&[]));
    assert_eq!(code, Some(0), "{why}");
    let pid = said
        .lines()
        .find_map(|line| line.strip_prefix("process ")?.split(' ').next())
        .unwrap_or_else(|| panic!("{said}"));
    let pid: u32 = pid.parse().unwrap();
    assert_ne!(pid, scene.gateway.pid());
    assert_eq!(scene.gateway.ended().await, Some(0));
    let answered = scene.chat("say=ok", json!({})).await;
    assert_eq!(answered.status, 200);
    signal(pid, "-TERM");
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(LOOK).await;
    }
    while Path::new(&format!("/proc/{pid}/exe")).exists() {
        tokio::time::sleep(LOOK).await;
    }
}
