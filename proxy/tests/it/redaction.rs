//! No secret is told anywhere: planted wherever one can be, with every fault that a provider
//! has, at the most talkative log level, then looked for in everything that the programs
//! write and say.

use std::fs;
use std::path::Path;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE};
use serde_json::{Value, json};
use store::{InboundKeyDraft, KeySource, SecretKey, Store};

use crate::crowd::until;
use crate::fault_matrix::faults::{FAULTS, How};
use crate::metrics::Place;
use crate::process::{Process, command, sibling_binary};
use crate::scene::{Answer, KEY, MODEL, Props, Scene, answer, client};

/// A key of the store from the environment.
const STORE_KEY: &str = "8f1c02b7d95e6a40f3318cce07ab5d24961be87053dfc4a90e627718bb3d90fa";
const QUEUE_KEY: &str = "Queue-Key-from-the-environment-5512";
const ENDPOINT_HEADER: &str = "Header-of-the-endpoint/1=3";
const MODEL_HEADER: &str = "Scheme header-of-the-model-9920";
const COOKIES: &str = "session=Session-Cookie-3318; theme=dark";
const CALLERS_KEY: &str = "Callers-own-key-7716";

/// What must not be found, in pieces that are secret on their own.
fn secrets(inbound: &str) -> Vec<String> {
    let told = [
        KEY,
        STORE_KEY,
        QUEUE_KEY,
        ENDPOINT_HEADER,
        "header-of-the-model-9920",
        "Session-Cookie-3318",
        CALLERS_KEY,
        inbound,
    ];
    let mut all: Vec<_> = told.map(str::to_owned).into();
    all.push(STORE_KEY.to_uppercase());
    // As it looks in an address.
    all.push("Header-of-the-endpoint%2F1%3D3".to_owned());
    all
}

fn look(what: &str, bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        let found = bytes
            .windows(secret.len())
            .position(|part| part == secret.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())];
            let around = String::from_utf8_lossy(around);
            panic!("{secret} is in {what}: {around}");
        }
    }
}

/// Every file below `folder`, but for the key file, which is one.
fn files(folder: &Path, secrets: &[String]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            files(&path, secrets);
        } else if path.is_file() && !name.ends_with(".key") {
            look(&name, &fs::read(&path).unwrap(), secrets);
        }
    }
}

/// A call that carries secrets wherever a caller may put one.
async fn call(scene: &Scene, key: &str, script: &str, stream: bool, more: &Value) -> Answer {
    let said = format!("hi [[sim: {script}]]");
    let messages = json!([{"role": "user", "content": said}]);
    let body = json!({"model": MODEL, "stream": stream, "messages": messages});
    let path = format!("/v1/chat/completions?api_key={CALLERS_KEY}&key={CALLERS_KEY}");
    let request = scene
        .request(Method::POST, &path)
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(COOKIE, COOKIES)
        .header("x-goog-api-key", CALLERS_KEY);
    answer(request.json(&crate::scene::with(body, more))).await
}

async fn everything_is_looked_through(format: &str) {
    let place = Place::new();
    let mut env = vec![
        ("RUST_LOG", "trace"),
        ("LOG_FORMAT", format),
        ("SECRET_KEY", STORE_KEY),
        ("AI_QUEUE_API_KEY", QUEUE_KEY),
        ("TIMEOUT", "0.5"),
        ("CONNECT_TIMEOUT", "0.5"),
        ("CIRCUIT_FAILURE_THRESHOLD", "1000"),
    ];
    env.extend(place.env());
    let scene = Scene::with(Props {
        endpoint: json!({"custom_headers": {"x-team-token": ENDPOINT_HEADER}}),
        model: json!({"custom_headers": {"x-other-secret": MODEL_HEADER}}),
        env: &env,
        ..Props::default()
    })
    .await;
    let keys = KeySource {
        current: SecretKey::parse(STORE_KEY),
        previous: None,
    };
    let store = Store::open_with_keys(&scene.ground.database(), &keys).unwrap();
    let draft = InboundKeyDraft::for_create(&json!({"label": "somebody"})).unwrap();
    let inbound = store.create_inbound_key(&draft).unwrap();
    let inbound = inbound.api_key.expose().to_owned();
    crate::keys::answers(&scene, &inbound, 200).await;
    let secrets = secrets(&inbound);

    // Every fault, and providers that repeat what they were sent.
    let sent = [KEY, ENDPOINT_HEADER]
        .map(|secret| format!("status=400 message=Incorrect+key:+{secret}. code=bad_{secret}"));
    let guessed = [inbound.as_str(), CALLERS_KEY]
        .map(|secret| format!("status=500 message=Incorrect:+Bearer+{secret}"));
    let scripts = FAULTS.iter().filter_map(|fault| match fault.how {
        How::Script(script) => Some(script.to_owned()),
        How::At(_) | How::Key => None,
    });
    let mut answers = Vec::new();
    for script in scripts.chain(sent).chain(guessed) {
        for stream in [false, true] {
            let got = call(&scene, &inbound, &script, stream, &json!({})).await;
            answers.push(format!("{got:?}"));
        }
    }
    // A key in the place of a name.
    let odd = json!({"model": inbound});
    answers.push(format!(
        "{:?}",
        call(&scene, CALLERS_KEY, "say=ok", false, &odd).await
    ));
    for answer in &answers {
        // What the provider says in its own words of a key that the gateway has not seen is
        // between the two; of the operator's nothing comes through.
        look("an answer", answer.as_bytes(), &secrets[..6]);
    }

    let metrics = place.read().await;
    look("/metrics", metrics.text.as_bytes(), &secrets);
    let health = answer(scene.request(Method::GET, "/health")).await;
    look("/health", health.body.as_bytes(), &secrets);
    let folder = scene.ground.folder.path();
    let admin = {
        let mut env = env.clone();
        env.push(("METRICS_PORT", "0"));
        let program = command(&sibling_binary("serverless-proxy-admin"), folder, &env);
        Process::start(program, "admin listening on ", folder.join("admin.log"))
    };
    for path in [
        "/endpoints",
        "/virtual-models",
        "/api/admin/endpoints",
        "/api/admin/settings",
        "/api/admin/inbound-keys",
        "/api/admin/usage/calls?limit=200",
        "/usage/recent",
        "/",
    ] {
        let request = client().get(format!("{}{path}", admin.base));
        let got = answer(request.header(COOKIE, COOKIES)).await;
        look(path, got.body.as_bytes(), &secrets);
    }
    let count = answers.len() + 1;
    until("every record in the store", async || {
        let rows = scene.ground.store.recent_calls(10_000).unwrap();
        (rows.len() >= count).then_some(())
    })
    .await;
    let log = scene.gateway.log();
    assert!(log.contains("***"), "something was taken out");
    look("the gateway's log", log.as_bytes(), &secrets);
    look("the admin app's log", admin.log().as_bytes(), &secrets);
    files(folder, &secrets);
}

#[tokio::test]
async fn no_secret_is_told_anywhere() {
    everything_is_looked_through("text").await;
}

#[tokio::test]
async fn no_secret_is_told_anywhere_in_json() {
    everything_is_looked_through("json").await;
}
