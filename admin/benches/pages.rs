//! How long the pages take over a large store: built here, served by the real program, asked
//! one after the other.
//!
//! `BENCH_CALLS` says how many calls the store has (a million), `BENCH_DAYS` over how many days
//! they are spread (90), `BENCH_MODELS` how many virtual models there are (a thousand), and
//! `BENCH_FOLDER` where the store is kept for the next time, which takes it as it is. Beside
//! what the clock says stands the time that the program itself was at work for a page, which
//! other work on the machine hardly changes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench that cannot begin fails, and tells what it has measured"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use store::{
    Attempt, CallKind, CallRecord, EndpointDraft, InboundKeyDraft, Outcome, Store,
    VirtualModelDraft, Zone,
};
use wire::usage::Usage;

/// Requests of each page.
const REQUESTS: usize = 60;
/// Calls that are written in one transaction.
const BATCH: usize = 65_536;
const ENDPOINTS: i64 = 10;
const KEYS: u64 = 20;

/// Every page with a list, a form or a sum on it; then what the JSON API answers of usage.
const PAGES: [&str; 53] = [
    "/proxy-dashboard",
    "/proxy-dashboard/endpoints",
    "/proxy-dashboard/endpoints?sort=-p50",
    "/proxy-dashboard/endpoints/new",
    "/proxy-dashboard/endpoints/1",
    "/proxy-dashboard/endpoints/1/delete",
    "/proxy-dashboard/models",
    "/proxy-dashboard/models?sort=-in&per=200&page=3",
    "/proxy-dashboard/models?q=model-77&feature=cache",
    "/proxy-dashboard/models/new",
    "/proxy-dashboard/models/7",
    "/proxy-dashboard/models/7/delete",
    "/proxy-dashboard/models/explain?model=model-7",
    "/proxy-dashboard/models/try?model=model-7",
    "/proxy-dashboard/patterns",
    "/proxy-dashboard/patterns/1",
    "/proxy-dashboard/patterns/test",
    "/proxy-dashboard/patterns/aliases",
    "/proxy-dashboard/usage",
    "/proxy-dashboard/usage?rows=all",
    "/proxy-dashboard/usage?range=7d",
    "/proxy-dashboard/usage?range=30d",
    "/proxy-dashboard/usage?range=30d&rows=all",
    "/proxy-dashboard/usage?range=30d&model=model-7",
    "/proxy-dashboard/usage?range=30d&endpoint=3",
    "/proxy-dashboard/usage?range=30d&key=5",
    "/proxy-dashboard/usage?model=model-7",
    "/proxy-dashboard/usage?endpoint=3",
    "/proxy-dashboard/usage?key=5",
    "/proxy-dashboard/usage?range=30d&endpoint=3&key=5",
    "/proxy-dashboard/usage?range=custom&from={first}",
    "/proxy-dashboard/activity",
    "/proxy-dashboard/activity?limit=500",
    "/proxy-dashboard/activity?model=model-7",
    "/proxy-dashboard/activity?endpoint=3&limit=200",
    "/proxy-dashboard/activity?key=5",
    "/proxy-dashboard/activity?outcome=upstream_error",
    "/proxy-dashboard/activity?status=429",
    "/proxy-dashboard/activity?id=req-made-4711",
    "/proxy-dashboard/activity?id=req-nobody-made",
    "/proxy-dashboard/activity?model=nobody&key=5",
    "/proxy-dashboard/activity/r4711",
    "/proxy-dashboard/keys",
    "/proxy-dashboard/keys/new",
    "/proxy-dashboard/keys/5",
    "/proxy-dashboard/settings",
    "/proxy-dashboard/settings/users",
    "/proxy-dashboard/settings/exchange",
    "/proxy-dashboard/connect?model=model-7",
    "/proxy-dashboard/audit",
    "/proxy-dashboard/audit?kind=virtual_model&per=200",
    "/api/admin/usage",
    "/api/admin/usage/calls",
];

#[expect(
    clippy::disallowed_methods,
    reason = "a bench is a program that begins here, and has no settings of the gateway's"
)]
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str, usual: u64) -> u64 {
    set(name).map_or(usual, |text| text.parse().unwrap())
}

fn main() {
    let calls = number("BENCH_CALLS", 1_000_000);
    let days = number("BENCH_DAYS", 90);
    let models = number("BENCH_MODELS", 1000);
    let passing = tempfile::tempdir().unwrap();
    let folder = set("BENCH_FOLDER").map_or(passing.path().to_owned(), PathBuf::from);
    let file = folder.join("proxy.db");
    if file.exists() {
        println!("the store of {}", folder.display());
    } else {
        let begun = Instant::now();
        fill(&file, calls, days, models);
        let bytes = std::fs::metadata(&file).unwrap().len();
        println!(
            "{calls} calls in {days} days, {models} virtual models, {} MiB, filled in {:.0} s",
            bytes >> 20,
            begun.elapsed().as_secs_f64()
        );
    }
    let app = App::start(&folder, &file);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>9}  page",
        "p50 ms", "p95 ms", "max ms", "work ms", "bytes"
    );
    let ninety_days_ago = Zone::UTC.date(seconds_now() - 90 * 86_400);
    for page in PAGES {
        let page = page.replace("{first}", &ninety_days_ago);
        let before = app.work();
        let (mut times, bytes) = runtime.block_on(app.measure(&page));
        let work = app.work().saturating_sub(before) / u32::try_from(REQUESTS).unwrap();
        times.sort();
        let at = |percent: usize| {
            let time = times.get((times.len() * percent / 100).min(times.len() - 1));
            time.map_or(0.0, Duration::as_secs_f64) * 1000.0
        };
        println!(
            "{:>8.1} {:>8.1} {:>8.1} {:>8.1} {bytes:>9}  {page}",
            at(50),
            at(95),
            at(100),
            work.as_secs_f64() * 1000.0
        );
    }
}

/// Numbers that are made up, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }
}

/// A store with so many calls, in the order of their time as a gateway writes them. A few
/// virtual models are called much more than the others.
fn fill(file: &Path, calls: u64, days: u64, models: u64) {
    let store = Store::open(file).unwrap();
    for endpoint in 1..=ENDPOINTS {
        let value = json!({"name": format!("endpoint-{endpoint}"), "url": "http://127.0.0.1:9"});
        let draft = EndpointDraft::for_create(&value).unwrap();
        store.create_endpoint(&draft).unwrap();
    }
    for model in 1..=models {
        let value = json!({
            "name": format!("model-{model}"), "endpoint_id": endpoint_of(model),
            "actual_model": format!("org/model-of-some-length-{model}"),
            "cost_per_1m_tokens_in": 3, "cost_per_1m_tokens_out": 15,
            "cost_per_1m_tokens_in_cached": 0.3,
        });
        let draft = VirtualModelDraft::for_create(&value).unwrap();
        store.create_virtual_model(&draft).unwrap();
    }
    for key in 1..=KEYS {
        let value = json!({"label": format!("key-{key}")});
        let draft = InboundKeyDraft::for_create(&value).unwrap();
        store.create_inbound_key(&draft).unwrap();
    }
    let now = u64::try_from(seconds_now()).unwrap();
    let span = days * 86_400;
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let mut batch = Vec::with_capacity(BATCH);
    for number in 0..calls {
        let at = now - span + span * number / calls;
        batch.push(call(number, i64::try_from(at).unwrap(), models, &mut dice));
        if batch.len() == BATCH {
            store.record_calls(&batch).unwrap();
            batch.clear();
        }
    }
    store.record_calls(&batch).unwrap();
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn endpoint_of(model: u64) -> i64 {
    i64::try_from(model).unwrap() % ENDPOINTS + 1
}

fn call(number: u64, at: i64, models: u64, dice: &mut Dice) -> CallRecord {
    // The product of two draws leans to small numbers.
    let model = dice.below(models) * dice.below(models) / models + 1;
    let (name, endpoint) = (format!("model-{model}"), endpoint_of(model));
    let key = dice.below(KEYS) + 1;
    let prompt_tokens = dice.below(8000);
    let completion_tokens = dice.below(900);
    let usage = Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
        cached_tokens: prompt_tokens / 2,
        ..Usage::default()
    };
    let (status, outcome) = match dice.below(50) {
        0 => (502, Outcome::UpstreamError),
        1 => (429, Outcome::Refused),
        _ => (200, Outcome::Success),
    };
    let id = Some(i64::try_from(model).unwrap());
    CallRecord {
        virtual_model: name.clone(),
        virtual_model_id: id,
        endpoint_id: Some(endpoint),
        endpoint_name: Some(format!("endpoint-{endpoint}")),
        key_id: Some(i64::try_from(key).unwrap()),
        key_label: Some(format!("key-{key}")),
        usage,
        status,
        outcome,
        stream: true,
        latency_ms: 400 + dice.below(9000),
        ttft_ms: Some(100 + dice.below(900)),
        upstream_ms: Some(399),
        route: Some("/v1/chat/completions".to_owned()),
        address: Some("10.0.0.7".to_owned()),
        client: Some("Codex".to_owned()),
        attempts: vec![Attempt {
            endpoint: format!("endpoint-{endpoint}"),
            endpoint_id: Some(endpoint),
            virtual_model: name,
            virtual_model_id: id,
            model: format!("org/model-of-some-length-{model}"),
            status,
            ms: 390,
            usage: Some(usage),
            ..Attempt::default()
        }],
        ..CallRecord::begun(CallKind::Chat, format!("req-made-{number}"), at)
    }
}

/// The running program; ended when dropped.
struct App {
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl App {
    fn start(folder: &Path, file: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_serverless-proxy-admin"))
            .current_dir(folder)
            .env_clear()
            .env("DATABASE_PATH", file)
            .env("ADMIN_PORT", "0")
            .env("AUTH_ENABLED", "false")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.strip_prefix("admin listening on ")?.to_owned()))
            .expect("the program ended without saying where it listens");
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            base,
            client,
        }
    }

    /// How long its threads have been at work so far.
    fn work(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = tasks.map(|task| {
            let told = std::fs::read_to_string(task.unwrap().path().join("schedstat"));
            // A thread may just have ended.
            let told = told.unwrap_or_default();
            told.split(' ')
                .next()
                .and_then(|nanos| nanos.parse::<u64>().ok())
                .unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    /// How long a page took each time, and how large it is.
    async fn measure(&self, page: &str) -> (Vec<Duration>, usize) {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            let request = self.client.get(format!("{}{page}", self.base));
            let answer = request.header("accept", "text/html").send().await.unwrap();
            assert_eq!(answer.status(), 200, "{page}");
            bytes = answer.bytes().await.unwrap().len();
            times.push(begun.elapsed());
        }
        (times, bytes)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
