//! What the admin app says a call would send is what the gateway sends: both programs
//! over one store, and the provider's own record of what came.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sim::{Flavor, RecordedRequest, Sim};
use store::{Secret, is_secret_name};

use crate::process::{Process, command, sibling_binary};
use crate::scene::{Answer, Ground, KEY, MODEL, answer, client, provider};

/// The headers of every caller here.
const CALLER: [(&str, &str); 4] = [
    ("x-request-id", "my-own-id"),
    ("x-priority", "low"),
    ("x-user-id", "u-17"),
    ("x-team", "of the caller"),
];

/// Both programs over one store, before a provider.
struct Stage {
    gateway: Process,
    admin: Process,
    sim: Sim,
    _ground: Ground,
}

impl Stage {
    /// `base` follows the provider's address.
    async fn with(flavor: Flavor, base: &str, model: &Value, env: &[(&str, &str)]) -> Self {
        let ground = Ground::new();
        let sim = provider(flavor).await;
        let fields = json!({
            "url": format!("{}{base}", sim.base_url()),
            "custom_headers": {"X-Team": "blue", "X-Both": "endpoint", "X-Request-ID": "mine"},
        });
        let endpoint = ground.endpoint(&sim, &fields);
        ground.model(MODEL, endpoint, model);
        Self::over(ground, sim, env).await
    }

    async fn over(ground: Ground, sim: Sim, env: &[(&str, &str)]) -> Self {
        let folder = ground.folder.path();
        let admin = command(&sibling_binary("serverless-proxy-admin"), folder, env);
        let log = folder.join("admin.log");
        Self {
            admin: Process::start(admin, "admin listening on ", log),
            gateway: Process::gateway(folder, env).await,
            sim,
            _ground: ground,
        }
    }

    /// What the admin app says of a call with the body `text`.
    async fn explained(&self, path: &str, text: &str) -> Value {
        let headers: serde_json::Map<_, _> = CALLER
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let headers = Value::Object(headers);
        // The text as it is: no reader may put it in order.
        let question = format!(r#"{{"path": {path:?}, "headers": {headers}, "body": {text}}}"#);
        let request = client()
            .post(format!("{}/api/admin/explain", self.admin.base))
            .header("content-type", "application/json")
            .body(question);
        let got = answer(request).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert!(!got.body.contains(KEY), "{got:?}");
        got.json()
    }

    /// The call itself.
    async fn called(&self, path: &str, text: &str) -> Answer {
        let mut request = client()
            .post(format!("{}{path}", self.gateway.base))
            .header("content-type", "application/json")
            .body(text.to_owned());
        for (name, value) in CALLER {
            request = request.header(name, value);
        }
        answer(request).await
    }

    /// Makes the call and compares what came with what was said before. Says whether
    /// anything came.
    async fn agrees(&self, path: &str, text: &str) -> bool {
        let told = self.explained(path, text).await;
        self.sim.forget_requests();
        let got = self.called(path, text).await;
        let at = format!("{:?} {path} {text}\n{told:#}", self.sim.flavor());
        if let Value::Object(refusal) = &told["refusal"] {
            let error = got.error();
            assert_eq!(refusal["status"], got.status.as_u16(), "{at}\n{got:?}");
            for (ours, theirs) in [("code", "code"), ("message", "message"), ("param", "param")] {
                assert_eq!(refusal[ours], error[theirs], "{at}\n{got:?}");
            }
            assert_eq!(sent(&self.sim, None).len(), 0, "{at}");
            return false;
        }
        // What the provider thinks of it is not told.
        if got.status == 200 {
            let is_stream = got.header("content-type").starts_with("text/event-stream");
            assert_eq!(told["reply"]["stream"], is_stream, "{at}");
        }
        let candidate = &told["candidates"][0];
        let mut expected: Vec<_> = candidate["requests"].as_array().unwrap().clone();
        let came = sent(&self.sim, expected[0]["url"].as_str());
        // The second form of a job follows only where the first is not known.
        if came.len() > expected.len() {
            expected.push(candidate["fallback"].clone());
        }
        let mut expected: Vec<_> = expected.iter().map(said).collect();
        let mut came: Vec<_> = came.iter().map(recorded).collect();
        // Several prompts go at once.
        expected.sort();
        came.sort();
        assert_eq!(came, expected, "{at}");
        true
    }
}

/// The requests that came to `url`, or all that are no questions after a model.
fn sent(sim: &Sim, url: Option<&str>) -> Vec<RecordedRequest> {
    let path = url.map(|url| url.strip_prefix(&sim.base_url()).unwrap().to_owned());
    let of_call = |request: &RecordedRequest| match &path {
        Some(path) => request.method == Method::POST && request.path == *path,
        None => request.method == Method::POST && request.path != "/api/show",
    };
    sim.requests().into_iter().filter(of_call).collect()
}

/// Path, headers and body: as said, and as it came.
type Request = (String, Vec<(String, String)>, String);

fn said(request: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = request["headers"].as_array().unwrap().iter();
    let headers = headers.map(|header| (text(&header["name"]), text(&header["value"])));
    let url = text(&request["url"]);
    let path = url.splitn(4, '/').nth(3).unwrap();
    assert_eq!(request["method"], "POST");
    assert_eq!(request["body_cut"], false);
    (
        format!("/{path}"),
        last_length(headers.collect()),
        text(&request["body"]),
    )
}

fn recorded(request: &RecordedRequest) -> Request {
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    assert_eq!(request.headers["x-request-id"], "my-own-id");
    (
        request.path.clone(),
        last_length(shown(&request.headers)),
        body,
    )
}

/// Where the length stands among the headers differs with TLS.
fn last_length(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.sort_by_key(|(name, _)| name == "content-length");
    headers
}

/// Headers as they are shown, but for the call's own id.
fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let others = headers.iter().filter(|(name, _)| *name != "x-request-id");
    others
        .map(|(name, value)| {
            let value = value.to_str().unwrap();
            let value = if is_secret_name(name.as_str()) {
                Secret::new(value).masked()
            } else {
                value.to_owned()
            };
            (name.as_str().to_owned(), value)
        })
        .collect()
}

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";

/// Calls in a caller's own spelling.
fn calls() -> Vec<(&'static str, String)> {
    let tool = r#"{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"zeta":{"type":"string"},"a":{"type":"number"}}}}}"#;
    let said = r#"[{"role":"user","content":"hi [[sim: say=one+two]]"}]"#;
    let model = format!(r#""model" : "{MODEL}""#);
    vec![
        (CHAT, format!("{{ {model},\n \"messages\":{said}}}")),
        (
            CHAT,
            format!(r#"{{"temperature":0.70,"stream":true,"messages":{said},{model}}}"#),
        ),
        (
            CHAT,
            format!(
                r#"{{{model},"messages":{said},"stream":true,"stream_options":{{"include_usage":true}},"max_tokens":50,"user":"u1"}}"#
            ),
        ),
        (
            CHAT,
            format!(r#"{{{model},"messages":{said},"tools":[{tool}],"max_completion_tokens":60}}"#),
        ),
        (
            CHAT,
            format!(
                r#"{{{model},"messages":[{{"role":"system","content":"Be kind."}},{{"role":"user","content":"hi"}}],"stop":["END"],"seed":3}}"#
            ),
        ),
        (CHAT, format!(r#"{{{model},"messages":{said},"n":2}}"#)),
        (CHAT, format!(r#"{{{model},"messages":[]}}"#)),
        (
            COMPLETIONS,
            format!(r#"{{{model},"prompt":"once [[sim: say=upon]]","max_tokens":9}}"#),
        ),
        (
            COMPLETIONS,
            format!(r#"{{{model},"prompt":"once [[sim: say=upon]]","stream":true}}"#),
        ),
        (
            COMPLETIONS,
            format!(r#"{{{model},"prompt":["one [[sim: say=a]]","two [[sim: say=b]]"]}}"#),
        ),
        (
            EMBEDDINGS,
            format!(r#"{{{model},"input":["one","two"],"encoding_format":"base64"}}"#),
        ),
    ]
}

/// What virtual models set in these tests.
fn models() -> [Value; 2] {
    [
        json!({"custom_headers": {"X-Both": "model", "X-Api-Token": "token-of-the-model"}}),
        json!({
            "temperature": 0.25, "top_p": 0.5, "max_tokens": 77, "system_prompt": "Be brief.",
            "disable_streaming": true, "queue_priority": "HIGH", "keep_alive": "7m",
            "num_ctx": 8192, "auto_cache": true,
        }),
    ]
}

/// How many of the [`calls`] are sent to every provider at least.
const MOST: usize = 6;

async fn agree(flavor: Flavor, base: &str) {
    for model in models() {
        let stage = Stage::with(flavor, base, &model, &[]).await;
        let mut came = 0;
        for (path, text) in calls() {
            came += usize::from(stage.agrees(path, &text).await);
        }
        assert!(came >= MOST, "{flavor:?}: only {came} calls came through");
    }
}

#[tokio::test]
async fn what_is_told_is_what_openai_vllm_and_together_get() {
    for flavor in [Flavor::OpenAi, Flavor::Vllm, Flavor::Together] {
        agree(flavor, "/v1").await;
    }
}

#[tokio::test]
async fn what_is_told_is_what_deepinfra_and_open_webui_get() {
    for flavor in [Flavor::DeepInfra, Flavor::OpenWebui] {
        agree(flavor, "").await;
    }
}

#[tokio::test]
async fn what_is_told_is_what_a_queue_gets() {
    agree(Flavor::Queue, "").await;
}

#[tokio::test]
async fn what_is_told_is_what_ollama_gets() {
    agree(Flavor::Ollama, "").await;
}

#[tokio::test]
async fn what_is_told_is_what_anthropic_gets() {
    agree(Flavor::Anthropic, "").await;
}

#[tokio::test]
async fn what_is_told_is_what_a_runpod_job_gets() {
    agree(Flavor::Runpod, "/v2/vllm").await;
}

#[tokio::test]
async fn what_is_told_is_what_a_job_gets_in_its_second_form() {
    let stage = Stage::with(Flavor::Runpod, "/v2/vllm-native", &json!({}), &[]).await;
    let text = &calls()[0].1;
    assert!(stage.agrees(CHAT, text).await);
    assert_eq!(sent(&stage.sim, None).len(), 2, "both forms");
}

#[tokio::test]
async fn what_is_told_is_what_the_ai_queue_gets() {
    let (ground, sim) = (Ground::new(), provider(Flavor::Queue).await);
    let url = sim.base_url();
    let env = [
        ("USE_AI_QUEUE", "true"),
        ("AI_QUEUE_URL", url.as_str()),
        ("AI_QUEUE_API_KEY", KEY),
        ("AI_QUEUE_SOURCE", "shop"),
    ];
    let stage = Stage::over(ground, sim, &env).await;
    let (longest, longer) = ("q".repeat(200), "q".repeat(201));
    for (model, goes) in [
        ("sim-model", true),
        ("a name\\nwith a line", false),
        (&longest, true),
        (&longer, false),
    ] {
        let text = calls()[0].1.replace(MODEL, model);
        let came = stage.agrees(CHAT, &text).await;
        assert_eq!(came, goes, "{model}");
    }
}
