//! Slow and hostile requests, a full disk, a store that breaks while it is open: each is
//! answered in words or ended, and what worked before works after it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{App, run, text};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const MIB: usize = 1024 * 1024;

/// One connection to the app.
struct Raw(TcpStream);

impl Raw {
    async fn to(app: &App) -> Self {
        let address: SocketAddr = app.base.strip_prefix("http://").unwrap().parse().unwrap();
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Whether it takes these bytes.
    async fn sends(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Sends `piece` again and again, slowly or not, until something comes back.
    async fn keeps_sending(&mut self, piece: &[u8], pause: Duration) {
        let since = Instant::now();
        while timeout(pause, self.0.readable()).await.is_err() && self.sends(piece).await {
            assert!(
                since.elapsed() < PATIENCE,
                "it is taken for ever: {:?}",
                String::from_utf8_lossy(&piece[..piece.len().min(20)])
            );
        }
    }

    /// All that comes until the app closes the connection.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end too.
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        drop(read.expect("the connection is kept"));
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// The status of an answer; `None` where there is none.
fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[tokio::test]
async fn slow_requests_are_given_up() {
    let app = App::start_with(&[("TIMEOUT", "1")]);
    let post = "POST /api/admin/endpoints HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let login = "POST /session/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    for (beginning, piece) in [
        ("", ""),
        ("GET / HTTP/1.1\r\n", ""),
        ("GET / HTTP/1.1\r\n", "x: y\r\n"),
        (post, ""),
        (post, " "),
        (login, " "),
    ] {
        let mut raw = Raw::to(&app).await;
        raw.sends(beginning.as_bytes()).await;
        raw.keeps_sending(piece.as_bytes(), Duration::from_millis(100))
            .await;
        let said = raw.rest().await;
        let is_refused = status(&said).is_none_or(|status| (400..500).contains(&status));
        assert!(is_refused, "{beginning}: {said}");
    }
    assert_eq!(app.get("/health").await.0, 200);
    assert_eq!(app.get("/api/admin/endpoints").await.1, json!([]));
}

#[tokio::test]
async fn heads_and_bodies_without_end_are_refused() {
    // What stands behind the size of a chunk is passed over until the body's time is up.
    let app = App::start_with(&[("TIMEOUT", "5")]);
    let post = "POST /api/admin/endpoints HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";
    let chunked = format!("{post}transfer-encoding: chunked\r\n\r\n");
    let long = format!("{post}content-length: {}\r\n\r\n", 10_000 * MIB);
    // It has an end, behind which the connection could be used again.
    let zipped = format!(
        "{post}connection: close\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f"
    );
    let kib = "x".repeat(1024);
    let chunk = format!("400\r\n{kib}\r\n");
    let fields = "x: y\r\n".repeat(1000);
    let before = app.resident();
    for (beginning, piece) in [
        ("GET / HTTP/1.1\r\n", &*fields),
        ("GET / HTTP/1.1\r\nx: ", &kib),
        ("GET /", &kib),
        (&chunked, &chunk),
        (&format!("{chunked}5;"), &kib),
        (&long, &kib),
        (&zipped, "xxx"),
    ] {
        let mut raw = Raw::to(&app).await;
        raw.sends(beginning.as_bytes()).await;
        raw.keeps_sending(piece.as_bytes(), Duration::ZERO).await;
        let said = raw.rest().await;
        let is_refused = status(&said).is_none_or(|status| (400..500).contains(&status));
        assert!(is_refused, "{beginning:.200}: {said}");
    }
    let grown = app.resident().saturating_sub(before) / MIB as u64;
    assert!(grown < 64, "{grown} MiB");
    assert_eq!(app.get("/health").await.0, 200);
}

#[tokio::test]
async fn a_request_is_read_in_one_way_or_not_at_all() {
    let app = App::start();
    let evil = "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    for head in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: -5\r\n",
        "content-length: 5, 6\r\n",
        "content-length : 5\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "x: one\r\n two\r\n",
        "x: a\0b\r\n",
        "x: a\rcontent-length: 50\r\n",
    ] {
        let mut raw = Raw::to(&app).await;
        let request = format!(
            "POST /api/admin/endpoints HTTP/1.1\r\nhost: 127.0.0.1\r\n{head}\r\n0\r\n\r\n{evil}"
        );
        raw.sends(request.as_bytes()).await;
        let said = raw.rest().await;
        let is_refused = status(&said).is_none_or(|status| (400..500).contains(&status));
        assert!(is_refused, "{head}: {said}");
        assert_eq!(said.matches("HTTP/1.1 200").count(), 0, "{head}: {said}");
    }
    // HTTP/2 without TLS is not spoken.
    let mut raw = Raw::to(&app).await;
    raw.sends(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let said = raw.rest().await;
    assert!(status(&said).is_none_or(|status| status == 400), "{said}");
    assert_eq!(app.get("/health").await.0, 200);
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

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing() {
    let disk = Disk::of(4);
    let database = disk.0.path().join("proxy.db");
    let app = App::start_with(&[("DATABASE_PATH", database.to_str().unwrap())]);
    let first = app.endpoint("before", "http://127.0.0.1:1").await;
    let filler = disk.0.path().join("filler");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096"])
        .arg(format!("of={}", filler.display()))
        .output()
        .unwrap();
    assert!(!filled.status.success(), "the disk is full");
    // What is free in the store's own files is used first.
    let url = format!("http://127.0.0.1:1/{}", "x".repeat(1000));
    let mut refused = None;
    for number in 0..2000 {
        let body = json!({"name": format!("e{number}"), "url": url});
        let (status, answer) = app.post("/api/admin/endpoints", &body).await;
        if status != 200 {
            refused = Some((number, status, answer));
            break;
        }
    }
    let (stored, status, answer) = refused.expect("a full disk takes everything");
    assert!(status.is_server_error(), "{status} {answer}");
    let told = answer["error"].as_str().unwrap();
    assert!(told.contains("space"), "{told}");
    // What is there can still be read, and there is as much as was told.
    let (status, rows) = app.get("/api/admin/endpoints").await;
    assert_eq!(
        (status.as_u16(), rows.as_array().unwrap().len()),
        (200, stored + 1)
    );
    app.page("/proxy-dashboard/endpoints").await;
    fs::remove_file(&filler).unwrap();
    app.endpoint("after", "http://127.0.0.1:1").await;
    app.row("/api/admin/endpoints", first).await;
}

/// Something writes into the store's file while it is open.
#[tokio::test]
async fn a_store_that_breaks_is_told_in_words() {
    let app = App::start();
    for number in 0..200 {
        app.endpoint(&format!("e{number}"), "http://127.0.0.1:1")
            .await;
    }
    let database = app.database();
    // All of it is in the file, and nothing in the memory of the app.
    let folder = app.into_folder();
    let folded = Command::new("sqlite3")
        .args(["-cmd", ".timeout 20000"])
        .arg(&database)
        .arg("PRAGMA wal_checkpoint(TRUNCATE);")
        .output()
        .unwrap();
    assert!(folded.status.success(), "{folded:?}");
    let whole = fs::read(&database).unwrap();
    let app = App::start_in(folder, &[]);
    let mut file = File::options().write(true).open(&database).unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xA5; whole.len() - 4096]).unwrap();
    file.sync_all().unwrap();
    // Whatever can still be read of it, each request gets an answer in words.
    for path in [
        "/api/admin/endpoints",
        "/api/admin/virtual-models",
        "/api/admin/usage",
    ] {
        let (status, answer) = app.get(path).await;
        let told = status.is_server_error() && answer["error"].is_string();
        assert!(status == 200 || told, "{path}: {status} {answer}");
    }
    let page = app
        .request(Method::GET, "/proxy-dashboard/endpoints")
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert!(page.status() == 200 || page.status().is_server_error());
    // A copy put in its place, as the message says, makes it good.
    let folder = app.into_folder();
    let refused = run(folder.path(), &[], &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("proxy.db"), "{}", text(&refused));
    for name in ["proxy.db-wal", "proxy.db-shm"] {
        let _ = fs::remove_file(database.with_file_name(name));
    }
    fs::write(&database, &whole).unwrap();
    let app = App::start_in(folder, &[]);
    let (status, rows) = app.get("/api/admin/endpoints").await;
    assert_eq!(
        (status.as_u16(), rows.as_array().unwrap().len()),
        (200, 200)
    );
}
