//! The real binary over a store in a temporary folder, and a client for it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A command with an environment of its own: nothing of the caller's leaks in, and
/// no `.env` is found in the working folder.
pub(crate) fn command(folder: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serverless-proxy-admin"));
    command
        .current_dir(folder)
        .env_clear()
        .env("DATABASE_PATH", folder.join("data").join("proxy.db"))
        .env("ADMIN_PORT", "0")
        .env("AUTH_ENABLED", "false")
        .env("RUST_LOG", "warn")
        .envs(env.iter().copied());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(folder, env).args(arguments).output().unwrap()
}

/// The text of both outputs.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A running admin app; ended when dropped.
pub(crate) struct App {
    child: Child,
    pub(crate) base: String,
    pub(crate) client: Client,
    /// What it said before it began to listen.
    pub(crate) said: Vec<String>,
    folder: TempDir,
}

/// Status and JSON body of an answer.
pub(crate) type Answer = (StatusCode, Value);

impl App {
    /// Starts it open, with nothing stored.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with further environment.
    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().unwrap(), env)
    }

    /// Starts it over a folder that may hold a store.
    pub(crate) fn start_in(folder: TempDir, env: &[(&str, &str)]) -> Self {
        let mut child = command(folder.path(), env)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let base = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                let base = line.strip_prefix("admin listening on ").map(str::to_owned);
                if base.is_none() {
                    said.push(line);
                }
                base
            })
            .expect("the program ended without saying where it listens");
        Self {
            child,
            base,
            client: client(),
            said,
            folder,
        }
    }

    /// Ends it, and starts another one over the same store.
    pub(crate) fn restart_with(self, env: &[(&str, &str)]) -> Self {
        Self::start_in(self.into_folder(), env)
    }

    /// Ends it, and leaves its folder.
    pub(crate) fn into_folder(mut self) -> TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::replace(&mut self.folder, TempDir::new().unwrap())
    }

    /// The folder with the store in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("data").join("proxy.db")
    }

    /// A request to `path`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A form sent to `path`.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// The text of a page, which is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let request = self
            .request(Method::GET, path)
            .header("accept", "text/html");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// Creates an endpoint of type openai and gives its id.
    pub(crate) async fn endpoint(&self, name: &str, url: &str) -> i64 {
        self.endpoint_with(json!({ "name": name, "url": url }))
            .await
    }

    /// Creates an endpoint and gives its id.
    pub(crate) async fn endpoint_with(&self, body: Value) -> i64 {
        let (status, body) = self.post("/api/admin/endpoints", &body).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_i64().unwrap()
    }

    /// Creates a virtual model and gives its id.
    pub(crate) async fn model(&self, name: &str, endpoint: i64) -> i64 {
        let body = json!({ "name": name, "endpoint_id": endpoint, "actual_model": "real" });
        let (status, body) = self.post("/virtual-models", &body).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_i64().unwrap()
    }

    /// The row with `id` in the list at `path`.
    pub(crate) async fn row(&self, path: &str, id: i64) -> Value {
        let (status, rows) = self.get(path).await;
        assert_eq!(status, 200, "{rows}");
        let rows = rows.as_array().unwrap();
        rows.iter().find(|row| row["id"] == id).unwrap().clone()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().split_whitespace().next().unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Waits for the end and gives the exit code; `None` when a signal ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The token that a page's forms carry.
pub(crate) fn token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"_token\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// Sends a request and reads its JSON answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body = response.bytes().await.unwrap();
    let json = serde_json::from_slice(&body)
        .unwrap_or_else(|_| panic!("{status}: {}", String::from_utf8_lossy(&body)));
    (status, json)
}

/// A client that goes past proxies and follows no redirect.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
    });
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
