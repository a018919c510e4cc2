//! The main job, with nothing in it that is not real: the three programs over an empty
//! store, configured over the admin's JSON API, called by the official clients.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use store::Store;
use tempfile::TempDir;
use wire::provider::ProviderKind;

use crate::nowhere::Nowhere;
use crate::process::{LOOK, PATIENCE, Process, command, gateway_binary, sibling_binary};
use crate::scene::{answer, client};
use crate::tap::Tap;

const KEY: &str = "sk-sim";

/// The provider types, in the order in which the simulator announces them.
const TYPES: [&str; ProviderKind::ALL.len()] = [
    "openai",
    "vllm",
    "together",
    "deepinfra",
    "openwebui",
    "queue",
    "ollama",
    "anthropic",
    "runpod",
];

/// A type that is added is run too, and each one goes to its own simulator.
#[test]
fn every_type_is_run_over_its_own_simulator() {
    let announced: Vec<_> = sim::Flavor::every().map(sim::Flavor::id).collect();
    assert_eq!(announced, TYPES);
    let ids = |kinds: &[&'static str]| kinds.iter().copied().collect::<HashSet<_>>();
    assert_eq!(ids(&TYPES), ids(&ProviderKind::ALL.map(ProviderKind::id)));
}

/// What is run, and over what.
struct Suite<'a> {
    /// Arguments of `tests/clients/run`.
    arguments: &'a [&'a str],
    /// The provider types of the models that are called as each of many.
    kinds: &'a [&'a str],
    /// Calls that it makes at the least.
    calls: u64,
    /// What must have been asked for, as the rows have it.
    asks: &'a [&'a str],
}

/// What the suites of the official clients ask for.
const ALL: &[&str] = &["chat", "completion", "embedding"];

/// All programs, started over nothing.
struct Programs {
    gateway: Process,
    admin: Process,
    _sim: Process,
    providers: Vec<String>,
    nowhere: Nowhere,
    client: Client,
    folder: TempDir,
}

impl Programs {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let at = folder.path();
        let mut sim = command(&sibling_binary("sim"), at, &[]);
        sim.args(["demo", "--script", ""]);
        let (sim, providers) = Process::start_many(sim, "sim ", TYPES.len(), at.join("sim.log"));
        let admin = command(&sibling_binary("serverless-proxy-admin"), at, &[]);
        let admin = Process::start(admin, "admin listening on ", at.join("admin.log"));
        let gateway = command(gateway_binary(), at, &[]);
        let gateway = Process::start(gateway, "gateway listening on ", at.join("gateway.log"));
        Self {
            gateway,
            admin,
            _sim: sim,
            providers,
            nowhere: Nowhere::new(),
            client: client(),
            folder,
        }
    }

    async fn create(&self, path: &str, body: Value) -> i64 {
        let url = format!("{}{path}", self.admin.base);
        let created = answer(self.client.post(url).json(&body)).await;
        assert_eq!(created.status, StatusCode::OK, "{body}: {created:?}");
        created.json()["id"].as_i64().unwrap()
    }

    /// One virtual model for each provider type, and one that leads nowhere.
    async fn configure(&self) {
        for (kind, url) in TYPES.iter().zip(&self.providers) {
            let is_jobs = *kind == "runpod";
            let endpoint = json!({
                "name": format!("provider {kind}"),
                "url": format!("{url}{}", if is_jobs { "/v2/vllm" } else { "" }),
                "api_key": KEY,
                "endpoint_type": kind,
                "worker_form": if is_jobs { "vllm" } else { "auto" },
            });
            let endpoint = self.create("/api/admin/endpoints", endpoint).await;
            let model = json!({
                "name": format!("my-{kind}"),
                "endpoint_id": endpoint,
                "actual_model": "sim-model",
            });
            self.create("/virtual-models", model).await;
        }
        let url = format!("http://{}", self.nowhere.address());
        let endpoint = json!({"name": "nowhere", "url": url});
        let endpoint = self.create("/api/admin/endpoints", endpoint).await;
        let model = json!({"name": "dead", "endpoint_id": endpoint, "actual_model": "none"});
        self.create("/virtual-models", model).await;
    }

    /// Waits until the gateway offers `count` models.
    async fn offered(&self, count: usize) {
        let since = Instant::now();
        loop {
            let url = format!("{}/v1/models", self.gateway.base);
            if let Ok(list) = self.client.get(url).send().await {
                let list: Value = list.json().await.unwrap();
                if list["data"].as_array().unwrap().len() == count {
                    return;
                }
            }
            assert!(since.elapsed() < PATIENCE, "the models are not offered");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Runs one suite of real clients over everything and compares what was asked with
/// what was accounted.
async fn run(suite: Suite<'_>) {
    let mut programs = Programs::start();
    programs.offered(0).await;
    programs.configure().await;
    programs.offered(TYPES.len() + 1).await;
    let tap = Tap::to(programs.gateway.address()).await;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run");
    let models: Vec<_> = suite
        .kinds
        .iter()
        .map(|kind| format!("my-{kind}"))
        .collect();
    let output = tokio::process::Command::new(script)
        .args(suite.arguments)
        .env("GATEWAY_URL", tap.base())
        .env("GATEWAY_KEY", "any-key")
        .env("CHAT_MODEL", "my-openai")
        .env("COMPLETION_MODEL", "my-openai")
        .env("EMBEDDING_MODEL", "my-openai")
        .env("DEAD_MODEL", "dead")
        .env("PROVIDER_MODELS", models.join(","))
        .env("WITHOUT_EMBEDDINGS", "my-anthropic")
        .env("WITHOUT_CACHE", "my-ollama")
        .env_remove("CLIENTS_DIRECT")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");

    // Ended as an operator ends it: everything accounted is written before.
    assert_eq!(programs.gateway.stop().await, Some(0));
    let store = Store::open(&programs.folder.path().join("proxy.db")).unwrap();
    let rows = store.recent_calls(100_000).unwrap();
    let calls = tap.calls();
    assert!(
        calls > suite.calls,
        "the clients made {calls} calls: {said}"
    );
    assert_eq!(rows.len() as u64, calls, "rows and calls: {said}");
    let ids: HashSet<_> = rows.iter().map(|row| row.request_id.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "a call was accounted twice");
    for kind in suite.asks {
        // What only loads a model is answered without asking anybody.
        let good = |row: &&store::CallRow| {
            let succeeded = row.outcome.as_deref() == Some("success");
            row.request_type == *kind && succeeded && !row.attempts.is_empty()
        };
        let served: Vec<_> = rows.iter().filter(good).collect();
        let lacks = suite.kinds == ["anthropic"] && *kind == "embedding";
        assert_eq!(served.is_empty(), lacks, "{kind}: {said}");
        for row in served {
            assert!(row.prompt_tokens > 0 && row.status == Some(200), "{row:?}");
        }
    }
    let log = programs.gateway.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// The whole suite of one language.
async fn suite(name: &str) {
    run(Suite {
        arguments: &[name],
        kinds: &[],
        calls: 30,
        asks: ALL,
    })
    .await;
}

/// What the official Python client can do with every provider type, done with one.
async fn provider(kind: &str) {
    assert!(TYPES.contains(&kind));
    run(Suite {
        arguments: &["python", "test_providers.py"],
        kinds: &[kind],
        calls: 22,
        asks: ALL,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_frameworks_get_a_text_a_stream_and_a_tool_over_each_dialect() {
    run(Suite {
        arguments: &["frameworks"],
        kinds: &[],
        calls: 50,
        asks: &["chat"],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_client_gets_everything_and_every_call_leaves_one_row() {
    suite("python").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_node_client_gets_everything_and_every_call_leaves_one_row() {
    suite("node").await;
}

/// A test for each provider type; one without a test does not compile.
macro_rules! each_type {
    ($($test:ident: $kind:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                provider(ProviderKind::$kind.id()).await;
            }
        )*

        const _: fn(ProviderKind) = |kind| match kind {
            $(ProviderKind::$kind => {})*
        };
    };
}

each_type! {
    the_official_python_client_works_with_openai: OpenAi,
    the_official_python_client_works_with_vllm: Vllm,
    the_official_python_client_works_with_together: Together,
    the_official_python_client_works_with_deepinfra: DeepInfra,
    the_official_python_client_works_with_openwebui: OpenWebui,
    the_official_python_client_works_with_queue: Queue,
    the_official_python_client_works_with_ollama: Ollama,
    the_official_python_client_works_with_anthropic: Anthropic,
    the_official_python_client_works_with_runpod: Runpod,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_node_client_works_with_every_type() {
    run(Suite {
        arguments: &["node", "providers.test.cjs"],
        kinds: &TYPES,
        calls: 40,
        asks: ALL,
    })
    .await;
}
