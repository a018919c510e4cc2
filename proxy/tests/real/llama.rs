//! A llama.cpp server: started, asked without the gateway, ended.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use reqwest::Client;
use serde_json::Value;

use crate::process::{LOOK, PATIENCE};
use crate::scene::{Answer, answer, client};

/// The key that the server wants.
pub(crate) const KEY: &str = "llama-Key-4711-tEsT";

/// Longest answer in tokens where the request does not say: a grammar that the model cannot
/// end ends here.
const LONGEST: &str = "400";

/// A value that `make test-real` gives.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing else hands a test what it needs"
)]
pub(crate) fn given(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    value
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set; run these tests with: make test-real"))
}

/// A running server; ended when dropped. Its log is shown when the test fails.
pub(crate) struct Llama {
    child: Child,
    log: PathBuf,
    client: Client,
    /// Where it listens, as `http://address:port`.
    pub(crate) base: String,
}

impl Llama {
    /// Serves `model` under its name, with `more` arguments.
    pub(crate) async fn start(folder: &Path, model: &str, more: &[&str]) -> Self {
        let file = given("LLAMA_MODELS").join(format!("{model}.gguf"));
        let log = folder.join("llama.log");
        let child = Command::new(given("LLAMA_SERVER"))
            .env_clear()
            // Shows in /slots what the model was given.
            .env("LLAMA_SERVER_SLOTS_DEBUG", "1")
            .current_dir(folder)
            .arg("--model")
            .arg(file)
            .args(["--alias", model, "--api-key", KEY])
            .args(["--host", "127.0.0.1", "--port", "0"])
            // Two threads that wait for each other are slow where others are at work.
            .args(["--parallel", "1", "--threads", "1", "--no-warmup"])
            .args(["--jinja", "--temp", "0", "--slots", "--no-webui"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut llama = Self {
            child,
            log,
            client: client(),
            base: String::new(),
        };
        llama.base = llama.listens().await;
        llama
    }

    /// Serves `model` with answers of a limited length.
    pub(crate) async fn usual(folder: &Path, model: &str) -> Self {
        let more = ["--ctx-size", "16384", "--predict", LONGEST];
        Self::start(folder, model, &more).await
    }

    /// Waits until it listens and its model is there.
    async fn listens(&mut self) -> String {
        let since = Instant::now();
        let base = loop {
            if let Some(base) = announced(&self.log()) {
                break base;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at its start: {ended:?}");
            assert!(since.elapsed() < PATIENCE, "the server does not listen");
            tokio::time::sleep(LOOK).await;
        };
        while answer(self.client.get(format!("{base}/health")))
            .await
            .status
            != 200
        {
            assert!(since.elapsed() < PATIENCE, "the model is not loaded");
            tokio::time::sleep(LOOK).await;
        }
        base
    }

    /// The answer that it gives to `body` when nothing is between.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.base);
        answer(self.client.post(url).bearer_auth(KEY).json(body)).await
    }

    /// Its only slot: whether it is taken (`is_processing`), and what the model was given
    /// last (`prompt`).
    pub(crate) async fn slot(&self) -> Value {
        let url = format!("{}/slots", self.base);
        let slots = answer(self.client.get(url).bearer_auth(KEY)).await.json();
        assert_eq!(slots.as_array().map(Vec::len), Some(1), "{slots}");
        slots[0].clone()
    }

    /// Ends it at once, whatever it is doing.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How many calls it has begun, by its log.
    pub(crate) fn begun(&self) -> usize {
        self.log().matches("processing task").count()
    }

    /// How many calls it has ended, by its log.
    ///
    /// Not from /slots, whose every answer makes the thread of a call that was left wait
    /// another second before it looks for its caller.
    pub(crate) fn ended(&self) -> usize {
        self.log().matches("stop processing").count()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// The address in the line that tells it. The line is only whole with its end.
fn announced(log: &str) -> Option<String> {
    let (_, behind) = log.split_once("listening on ")?;
    let (base, _) = behind.split_once('\n')?;
    Some(base.trim().to_owned())
}

impl Drop for Llama {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let mut shown = std::io::stderr();
            let _ = writeln!(shown, "--- log of the llama.cpp server\n{log}---");
        }
    }
}
