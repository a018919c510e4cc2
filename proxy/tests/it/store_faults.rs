//! The store missing, damaged, locked, too new, read-only or taken away: a clear error at
//! the start, and later no call fails and nothing is lost.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use sim::Flavor;
use store::Store;
use tempfile::TempDir;

use crate::process::{LOOK, PATIENCE, Process, command, gateway_binary, run, sql, text};
use crate::scene::{Ground, MODEL, Scene, answer, chat, client, provider};

/// Another program that holds the database, until dropped.
pub(crate) struct Lock {
    child: Child,
}

impl Lock {
    /// Holds the store in this file.
    pub(crate) fn on(database: &Path) -> Self {
        let mut child = Command::new("sqlite3")
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs the program sqlite3");
        let held = b".bail on\n.timeout 20000\nBEGIN IMMEDIATE;\nSELECT 'held';\n";
        child.stdin.as_mut().unwrap().write_all(held).unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "held");
        drop(lines);
        Self { child }
    }

    /// Lets go of it.
    pub(crate) fn release(mut self) {
        let input = self.child.stdin.take().unwrap();
        (&input).write_all(b"ROLLBACK;\n").unwrap();
        drop(input);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Released already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn health(scene: &Scene) -> Value {
    answer(scene.request(Method::GET, "/health")).await.json()
}

/// Waits until the gateway's health is `status`.
async fn healthy_as(scene: &Scene, status: &str) -> Value {
    let since = Instant::now();
    loop {
        let health = health(scene).await;
        if health["status"] == status {
            return health;
        }
        assert!(since.elapsed() < PATIENCE, "{health}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn a_missing_store_is_created() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("deep/down/proxy.db");
    let env = [("DATABASE_PATH", file.to_str().unwrap())];
    let gateway = Process::gateway(folder.path(), &env).await;
    assert!(file.exists());
    let list = answer(client().get(format!("{}/v1/models", gateway.base))).await;
    assert_eq!(list.json(), json!({"object": "list", "data": []}));
    assert_eq!(Store::check(&file).len(), 0);
}

#[test]
fn a_damaged_or_newer_store_is_a_clear_refusal_and_stays_as_it_is() {
    let newer = Ground::new();
    let newer_file = newer.database();
    let version = "PRAGMA user_version = 9000; PRAGMA wal_checkpoint(TRUNCATE);";
    sql(&newer_file, version);
    drop(newer.store);

    let folder = TempDir::new().unwrap();
    let garbage = folder.path().join("garbage.db");
    fs::write(&garbage, "this is no database ".repeat(1000)).unwrap();
    let torn = folder.path().join("torn.db");
    {
        let whole = Ground::new();
        whole.endpoint_from(&json!({"name": "e", "url": "http://127.0.0.1:1"}));
        sql(
            &whole.database(),
            &format!("VACUUM INTO '{}'", torn.display()),
        );
        let mut bytes = fs::read(&torn).unwrap();
        let middle = bytes.len() / 2;
        bytes[100..middle].fill(0xAA);
        fs::write(&torn, bytes).unwrap();
    }
    let a_folder = folder.path().join("folder.db");
    fs::create_dir(&a_folder).unwrap();
    for (file, word) in [
        (&garbage, "not a usable SQLite database"),
        (&torn, "not a usable SQLite database"),
        (&newer_file, "newer version"),
        (&a_folder, "cannot open"),
    ] {
        let before = fs::read(file).ok();
        let env = [("DATABASE_PATH", file.to_str().unwrap())];
        for arguments in [&[][..], &["--check"]] {
            let output = run(folder.path(), &env, arguments);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(file.to_str().unwrap()), "{said}");
            assert!(said.contains("error"), "{said}");
            assert!(
                said.contains(word) || arguments == ["--check"],
                "{word}: {said}"
            );
            assert!(!said.contains("panicked"), "{said}");
        }
        assert_eq!(
            fs::read(file).ok(),
            before,
            "{} was changed",
            file.display()
        );
    }
}

/// Runs the gateway as a user who may do nothing, to its end. Root may write what is
/// read-only to everyone else.
fn run_as_nobody(ground: &Ground, arguments: &[&str]) -> Output {
    let id = Command::new("id").arg("-u").output().unwrap();
    if text(&id).trim() != "0" {
        return run(ground.folder.path(), &[], arguments);
    }
    let program = ground.folder.path().join("gateway");
    fs::copy(gateway_binary(), &program).unwrap();
    command(Path::new("setpriv"), ground.folder.path(), &[])
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "timeout",
            "30",
        ])
        .arg(program)
        .args(arguments)
        .output()
        .expect("as root this test needs the program setpriv")
}

#[test]
fn a_store_that_may_not_be_written_is_a_clear_refusal() {
    let ground = Ground::new();
    ground.endpoint_from(&json!({"name": "kept", "url": "http://127.0.0.1:1"}));
    let file = ground.database();
    let folder = ground.folder.path().to_owned();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE);";
    sql(&file, checkpoint);
    let allow = |file_mode, folder_mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(file_mode)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(folder_mode)).unwrap();
    };
    for folder_mode in [0o555, 0o777] {
        allow(0o444, folder_mode);
        let outputs = [&[][..], &["--check"]].map(|arguments| run_as_nobody(&ground, arguments));
        allow(0o644, 0o755);
        for output in outputs {
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "{folder_mode:o}: {said}");
            assert!(said.contains("writ"), "{folder_mode:o}: {said}");
            assert!(said.contains(file.to_str().unwrap()), "{said}");
        }
    }
    assert_eq!(ground.store.endpoints().unwrap()[0].name, "kept");
}

#[tokio::test]
async fn a_store_locked_at_the_start_is_a_clear_refusal() {
    let ground = Ground::new();
    let file = ground.database();
    // Not only writers: nobody may read.
    let mut holder = Command::new("sqlite3")
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs the program sqlite3");
    // Its connections would be waited for.
    drop(ground.store);
    let hold = b".bail on\n.timeout 20000\nPRAGMA locking_mode = EXCLUSIVE;\nBEGIN EXCLUSIVE;\nINSERT INTO settings (key, value) VALUES ('held', '1');\nSELECT 'held';\n";
    holder.stdin.as_mut().unwrap().write_all(hold).unwrap();
    let mut lines = BufReader::new(holder.stdout.as_mut().unwrap()).lines();
    assert!(
        lines
            .by_ref()
            .map(Result::unwrap)
            .any(|line| line == "held")
    );
    drop(lines);
    let output = run(ground.folder.path(), &[], &[]);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("locked by another program"), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
}

#[tokio::test]
async fn while_the_store_is_locked_calls_go_on_and_their_rows_come_later() {
    let scene = Scene::start().await;
    scene.chat("say=before", json!({})).await;
    scene.ground.rows(1).await;
    let lock = Lock::on(&scene.ground.database());
    for number in 0..20 {
        let got = scene
            .chat("say=ok", json!({"stream": number % 2 == 0}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    // The writer has met the lock and says so: once, not for each row.
    let log = scene.gateway.logged("cannot be written").await;
    assert!(log.matches("cannot be written").count() <= 3, "{log}");
    assert_eq!(scene.ground.store.count_calls().unwrap(), 1);
    lock.release();
    for row in scene.ground.rows(21).await {
        assert_eq!(row.outcome.as_deref(), Some("success"));
    }
    let usage = health(&scene).await["usage"].clone();
    assert_eq!(usage["lost"], 0, "{usage}");
}

#[tokio::test]
async fn a_store_that_is_taken_away_is_told_and_calls_go_on() {
    let scene = Scene::start().await;
    let file = scene.ground.database();
    for suffix in ["", "-wal", "-shm"] {
        let part = format!("{}{suffix}", file.display());
        if Path::new(&part).exists() {
            fs::remove_file(part).unwrap();
        }
    }
    let health = healthy_as(&scene, "degraded").await;
    assert_ne!(health["store"]["state"], "ok", "{health}");
    for stream in [false, true] {
        let got = scene.chat("say=ok", json!({"stream": stream})).await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    let list = answer(scene.request(Method::GET, "/v1/models")).await;
    assert_eq!(list.json()["data"][0]["id"], MODEL);
    let log = scene.gateway.logged("proxy.db").await;
    assert!(
        log.contains("gone") || log.contains("cannot be read"),
        "{log}"
    );
}

#[tokio::test]
async fn rows_wait_while_the_store_is_somewhere_else() {
    let scene = Scene::start().await;
    scene.chat("say=before", json!({})).await;
    scene.ground.rows(1).await;
    let file = scene.ground.database();
    let aside = file.with_file_name("aside.db");
    fs::rename(&file, &aside).unwrap();
    healthy_as(&scene, "degraded").await;
    let got = scene.chat("say=ok", json!({})).await;
    assert_eq!(got.status, 200, "{got:?}");
    scene.gateway.logged("moved, deleted or replaced").await;

    fs::rename(&aside, &file).unwrap();
    scene.ground.rows(2).await;
    let health = healthy_as(&scene, "ok").await;
    assert_eq!(health["usage"]["lost"], 0, "{health}");
}

/// Something writes into the store's file: calls go on with the configuration that is in use,
/// and their records wait until the file is good again.
#[tokio::test]
async fn while_the_store_is_broken_calls_go_on_and_no_record_is_lost() {
    const CALLS: usize = 10;
    let ground = Ground::new();
    let sim = provider(Flavor::OpenAi).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    let file = ground.database();
    let Ground { folder, store } = ground;
    drop(store);
    sql(&file, "PRAGMA wal_checkpoint(TRUNCATE);");
    let whole = fs::read(&file).unwrap();
    let mut gateway = Process::gateway(folder.path(), &[]).await;
    let call = async |base: String| {
        let url = format!("{base}/v1/chat/completions");
        let got = answer(client().post(url).json(&chat("say=ok", &json!({})))).await;
        assert_eq!(got.status, 200, "{got:?}");
    };
    let mut open = fs::File::options().write(true).open(&file).unwrap();
    open.seek(SeekFrom::Start(4096)).unwrap();
    open.write_all(&vec![0xA5; whole.len() - 4096]).unwrap();
    open.sync_all().unwrap();
    for _ in 0..CALLS {
        call(gateway.base.clone()).await;
    }
    gateway.logged("malformed").await;
    gateway.signal("-KILL");
    gateway.ended().await;
    // So it is not started over, and says what is to be done.
    let refused = run(folder.path(), &[], &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("proxy.db"), "{}", text(&refused));
    fs::write(&file, &whole).unwrap();
    let gateway = Process::gateway(folder.path(), &[]).await;
    call(gateway.base.clone()).await;
    let store = Store::open(&file).unwrap();
    let ground = Ground { folder, store };
    ground.rows(CALLS + 1).await;
}

#[tokio::test]
async fn a_store_of_the_original_is_taken_over_with_a_copy_kept() {
    // The original's endpoint and virtual model tables, as it made them.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("proxy.db");
    let sim = provider(Flavor::OpenAi).await;
    let schema = format!(
        "CREATE TABLE endpoints (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, api_key TEXT, endpoint_type TEXT NOT NULL DEFAULT 'openai', custom_headers TEXT, priority INTEGER DEFAULT 0, enabled INTEGER DEFAULT 1, created_at INTEGER, updated_at INTEGER);
         CREATE TABLE virtual_models (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, endpoint_id INTEGER NOT NULL, actual_model TEXT NOT NULL, description TEXT, enabled INTEGER DEFAULT 1, created_at INTEGER, updated_at INTEGER, FOREIGN KEY (endpoint_id) REFERENCES endpoints(id));
         INSERT INTO endpoints (name, url, api_key, endpoint_type, created_at, updated_at) VALUES ('old', '{}', '{}', 'openai', 1774000000, 1774000000);
         INSERT INTO virtual_models (name, endpoint_id, actual_model, created_at, updated_at) VALUES ('{MODEL}', 1, 'sim-model', 1774000000, 1774000000);",
        sim.base_url(),
        crate::scene::KEY
    );
    sql(&file, &schema);
    let gateway = Process::gateway(folder.path(), &[]).await;
    let request = client()
        .post(format!("{}/v1/chat/completions", gateway.base))
        .json(&chat("say=ok", &json!({})));
    let got = answer(request).await;
    assert_eq!(got.status, 200, "{got:?}");
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let ours = [
        "proxy.db",
        "proxy.db-wal",
        "proxy.db-shm",
        "proxy.db.key",
        "proxy.db.spool",
        "gateway.log",
        "gateway-0.sock",
    ];
    let copies: Vec<_> = names
        .iter()
        .filter(|name| !ours.contains(&name.as_str()))
        .collect();
    assert_eq!(copies.len(), 1, "{names:?}");
    let mut head = [0; 15];
    let mut copy = fs::File::open(folder.path().join(copies[0])).unwrap();
    copy.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"SQLite format 3");
}
