//! Every fault of an upstream, by the first candidate or by all, in a stream or not, for
//! every way of speaking to an upstream: the caller gets a correct answer or a correct
//! error, the ledger one row with the attempts, and no connection stays behind.
//!
//! One list of faults, one test for each way. The cells of a test have endpoints of their
//! own at the same gateway and run beside each other; what a simulator does is told by a
//! header of the endpoint.

mod check;
pub(crate) mod faults;
mod places;

use std::sync::Arc;

use reqwest::Client;
use serde_json::json;
use sim::{Flavor, Options};
use tokio::sync::Semaphore;

use crate::crowd::CHAT;
use crate::process::Process;
use crate::scene::{Answer, Ground, answer, client, provider_with, with};
use check::check;
use faults::{FAULTS, Fault, Meant, OF_JOBS};
use places::Places;

/// A way of speaking to an upstream.
struct Backend {
    flavor: Flavor,
    /// Follows the simulator's address.
    path: &'static str,
    /// Every call is a job that is followed by calls of its own.
    jobs: bool,
}

impl Backend {
    const fn of(flavor: Flavor) -> Self {
        Self {
            flavor,
            path: "",
            jobs: false,
        }
    }

    /// The faults, those of jobs in the place of those of the same name.
    fn faults(&self) -> Vec<&'static Fault> {
        let own: &[Fault] = if self.jobs { &OF_JOBS } else { &[] };
        let others = FAULTS.iter();
        let others = others.filter(|fault| own.iter().all(|other| other.name != fault.name));
        own.iter().chain(others).collect()
    }
}

#[tokio::test]
async fn openai() {
    matrix(&Backend::of(Flavor::OpenAi)).await;
}

#[tokio::test]
async fn anthropic() {
    matrix(&Backend::of(Flavor::Anthropic)).await;
}

#[tokio::test]
async fn ollama() {
    matrix(&Backend::of(Flavor::Ollama)).await;
}

#[tokio::test]
async fn runpod() {
    matrix(&Backend {
        flavor: Flavor::Runpod,
        path: "/v2/vllm/openai/v1",
        jobs: false,
    })
    .await;
}

#[tokio::test]
async fn runpod_jobs() {
    matrix(&Backend {
        flavor: Flavor::Runpod,
        path: "/v2/vllm",
        jobs: true,
    })
    .await;
}

/// One combination.
struct Cell {
    fault: &'static Fault,
    /// Who fails.
    all: bool,
    stream: bool,
    /// The virtual model, and the request's id.
    name: String,
    endpoints: Vec<String>,
}

/// Calls of a test at once.
const AT_ONCE: usize = 12;

/// What the good candidate says.
const GOOD: &str = "all is well";

async fn matrix(backend: &Backend) {
    let ground = Ground::new();
    let places = Places::new(backend).await;
    let good = provider_with(Options {
        flavor: backend.flavor,
        script: format!("say={}", GOOD.replace(' ', "+")).parse().unwrap(),
        ..Options::default()
    })
    .await;
    let url = json!({"name": "good", "url": format!("{}{}", good.base_url(), backend.path)});
    let endpoint = ground.endpoint(&good, &url);
    let good_model = ground.model("good", endpoint, &json!({}));
    let cells = cells(&ground, &places, backend, good_model);

    let env = [
        ("CONNECT_TIMEOUT", "1"),
        ("FIRST_BYTE_TIMEOUT", "3"),
        ("TIMEOUT", "9"),
        ("HOLD_SECONDS", "60"),
    ];
    let gateway = Process::gateway(ground.folder.path(), &env).await;
    let client = client();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let calls: Vec<_> = cells
        .iter()
        .map(|cell| {
            let call = ask(&client, &gateway.base, cell);
            let turns = Arc::clone(&turns);
            tokio::spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                call.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    let rows = ground.rows(cells.len()).await;
    for (cell, got) in cells.iter().zip(&answers) {
        let row = rows
            .iter()
            .find(|row| row.request_id.as_deref() == Some(&cell.name));
        check(cell, got, row.unwrap());
    }
    for sim in [&places.bad, &places.broken, &places.secure, &good] {
        sim.wait_until(|served| served.open() == 0).await.unwrap();
    }
    places
        .broken
        .wait_until(|served| served.open_connections() == 0)
        .await
        .unwrap();
}

fn cells(ground: &Ground, places: &Places, backend: &Backend, good: i64) -> Vec<Cell> {
    let mut cells = Vec::new();
    for fault in backend.faults() {
        for (all, stream) in [(false, false), (false, true), (true, false), (true, true)] {
            if matches!(fault.meant(stream), Meant::Never) {
                continue;
            }
            let name = format!(
                "{}:{}:{}",
                fault.name.replace(' ', "-"),
                if all { "all" } else { "first" },
                if stream { "stream" } else { "whole" },
            );
            let endpoint = |number: usize| {
                let own = json!({"name": format!("{name}:{number}")});
                let fields = with(places.endpoint(&fault.how), &own);
                ground.endpoint(&places.bad, &fields)
            };
            let other = if all {
                ground.model(&format!("{name}:other"), endpoint(1), &json!({}))
            } else {
                good
            };
            let routing = json!({
                "strategy": "backup",
                "targets": [{"virtual_model_id": other}],
            });
            ground.model(&name, endpoint(0), &json!({"routing": routing}));
            let second = if all {
                format!("{name}:1")
            } else {
                "good".to_owned()
            };
            cells.push(Cell {
                fault,
                all,
                stream,
                endpoints: vec![format!("{name}:0"), second],
                name,
            });
        }
    }
    assert_eq!(places.bad.flavor(), backend.flavor);
    cells
}

fn ask(client: &Client, base: &str, cell: &Cell) -> impl Future<Output = Answer> + use<> {
    let body = json!({
        "model": cell.name,
        "messages": [{"role": "user", "content": "hello"}],
        "stream": cell.stream,
    });
    let request = client
        .post(format!("{base}{CHAT}"))
        .header("x-request-id", &cell.name)
        .json(&body);
    answer(request)
}
