//! The real program: started, waited for, ended.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that tells no other way when it is there.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// A command with an environment of its own: nothing of the caller's leaks in, and no
/// `.env` is found in the working folder.
pub(crate) fn command(program: &Path, folder: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .env("DATABASE_PATH", folder.join("proxy.db"))
        .env("API_PORT", "0")
        .env("ADMIN_PORT", "0")
        .env("METRICS_PORT", "0")
        .env("AUTH_ENABLED", "false")
        .env("THREADS", "2")
        .env("RUST_LOG", "info")
        .envs(env.iter().copied());
    command
}

/// The gateway's binary.
pub(crate) fn gateway_binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_serverless-proxy"))
}

/// A binary of another package, built beside the gateway's.
pub(crate) fn sibling_binary(name: &str) -> PathBuf {
    let path = gateway_binary().with_file_name(name);
    assert!(
        path.exists(),
        "{} is missing; build it first: cargo build --workspace --bins",
        path.display()
    );
    path
}

/// Runs the gateway to its end. One that does not end by itself is ended with exit code
/// 124.
pub(crate) fn run(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(Path::new("timeout"), folder, env)
        .arg(PATIENCE.as_secs().to_string())
        .arg(gateway_binary())
        .args(arguments)
        .output()
        .unwrap()
}

/// Changes a store behind the programs' backs. A store that was just given up may still be
/// closing.
pub(crate) fn sql(database: &Path, statement: &str) {
    let done = Command::new("sqlite3")
        .args(["-cmd", ".timeout 20000"])
        .arg(database)
        .arg(statement)
        .output()
        .expect("this test needs the program sqlite3");
    assert!(done.status.success(), "{done:?}");
}

/// The text of both outputs.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A running program; ended when dropped. Its log is shown when the test fails.
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    /// Where it listens, as `http://address:port`.
    pub(crate) base: String,
}

impl Process {
    /// Starts `command` and waits for the line that begins with `announcement`, whose
    /// last word is the address.
    pub(crate) fn start(command: Command, announcement: &str, log: PathBuf) -> Self {
        let (mut process, mut bases) = Self::start_many(command, announcement, 1, log);
        process.base = bases.remove(0);
        process
    }

    /// Starts `command` and waits for `count` such lines.
    pub(crate) fn start_many(
        mut command: Command,
        announcement: &str,
        count: usize,
        log: PathBuf,
    ) -> (Self, Vec<String>) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let process = Self {
            child,
            name: announcement.to_owned(),
            log,
            base: String::new(),
        };
        let bases: Vec<String> = lines
            .map(Result::unwrap)
            .filter(|line| line.starts_with(announcement))
            .filter_map(|line| line.split(' ').next_back().map(str::to_owned))
            .take(count)
            .collect();
        let said = "the program ended without saying where it listens";
        assert_eq!(bases.len(), count, "{said}");
        (process, bases)
    }

    /// The gateway over the store in `folder`, ready for calls.
    pub(crate) async fn gateway(folder: &Path, env: &[(&str, &str)]) -> Self {
        let command = command(gateway_binary(), folder, env);
        let log = folder.join("gateway.log");
        let process = Self::start(command, "gateway listening on ", log);
        // What is announced can be called at once.
        TcpStream::connect(process.address()).await.unwrap();
        process
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.base.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log holds `text`.
    pub(crate) async fn logged(&self, text: &str) -> String {
        let since = Instant::now();
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(since.elapsed() < PATIENCE, "not logged: {text}\n{log}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().split_whitespace().next().unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Asks it to end and gives its exit code; `None` when the signal itself ended it.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.ended().await
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and gives its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(since.elapsed() < PATIENCE, "{} does not end", self.name);
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let mut log = String::new();
            let read = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut log));
            let shown = if read.is_ok() {
                log.as_str()
            } else {
                "(no log)"
            };
            let _ = writeln!(
                std::io::stderr(),
                "--- log of the program announced by {:?}\n{shown}---",
                self.name
            );
        }
    }
}
