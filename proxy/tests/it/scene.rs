//! What most tests begin with: a store in a temporary folder, a simulated provider,
//! the gateway between them, and a client.

use std::path::PathBuf;
use std::sync::Once;
use std::time::Instant;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};
use sim::{Flavor, Options, Sim};
use store::{CallRow, EndpointDraft, SettingsDraft, Store, VirtualModelDraft};
use tempfile::TempDir;

use crate::caller::Caller;
use crate::process::{LOOK, PATIENCE, Process};

/// The key that the provider wants and that nobody else may see.
pub(crate) const KEY: &str = "upstream-Key-4711-tEsT";

/// The virtual model that every scene has.
pub(crate) const MODEL: &str = "virtual/one:latest";

/// A store in a folder of its own.
pub(crate) struct Ground {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

impl Ground {
    /// An empty store.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("proxy.db")).unwrap();
        Self { folder, store }
    }

    /// The store's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("proxy.db")
    }

    /// An endpoint that leads to `sim` with [`KEY`]; `more` adds fields or replaces them.
    pub(crate) fn endpoint(&self, sim: &Sim, more: &Value) -> i64 {
        let base = json!({
            "name": format!("to-{}", sim.flavor().id()),
            "url": sim.base_url(),
            "api_key": KEY,
            "endpoint_type": sim.flavor().id(),
        });
        self.endpoint_from(&with(base, more))
    }

    /// An endpoint with exactly these fields.
    pub(crate) fn endpoint_from(&self, fields: &Value) -> i64 {
        let draft = EndpointDraft::for_create(fields).unwrap();
        self.store.create_endpoint(&draft).unwrap()
    }

    /// A virtual model `name` for the endpoint's `sim-model`; `more` as above.
    pub(crate) fn model(&self, name: &str, endpoint: i64, more: &Value) -> i64 {
        let base = json!({"name": name, "endpoint_id": endpoint, "actual_model": "sim-model"});
        let draft = VirtualModelDraft::for_create(&with(base, more)).unwrap();
        self.store.create_virtual_model(&draft).unwrap()
    }

    /// Changes stored settings.
    pub(crate) fn settings(&self, values: &Value) {
        let draft = SettingsDraft::validate(values).unwrap();
        self.store.save_settings(&draft).unwrap();
    }

    /// Waits for `count` usage rows, oldest first; more than that are a failure.
    pub(crate) async fn rows(&self, count: usize) -> Vec<CallRow> {
        let since = Instant::now();
        loop {
            let mut rows = self.store.recent_calls(10_000).unwrap();
            if rows.len() >= count {
                assert_eq!(rows.len(), count, "{rows:#?}");
                rows.reverse();
                return rows;
            }
            assert!(since.elapsed() < PATIENCE, "{} rows of {count}", rows.len());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for the one usage row.
    pub(crate) async fn row(&self) -> CallRow {
        self.rows(1).await.remove(0)
    }

    /// Waits for the one usage row, and for the times of its job: they may come into a row
    /// that is there already.
    pub(crate) async fn row_of_job(&self) -> CallRow {
        let since = Instant::now();
        loop {
            let row = self.row().await;
            if row.execution_ms.is_some() {
                return row;
            }
            assert!(since.elapsed() < PATIENCE, "{row:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// `base` with the fields of `more`.
pub(crate) fn with(base: Value, more: &Value) -> Value {
    let mut fields: Map<String, Value> = serde_json::from_value(base).unwrap();
    for (name, value) in more.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    Value::Object(fields)
}

/// A provider of that kind that wants [`KEY`].
pub(crate) async fn provider(flavor: Flavor) -> Sim {
    provider_with(Options {
        flavor,
        ..Options::default()
    })
    .await
}

/// A provider that wants [`KEY`], otherwise as given.
pub(crate) async fn provider_with(options: Options) -> Sim {
    let key = Some(KEY.to_owned());
    Sim::start(Options { key, ..options }).await.unwrap()
}

/// A simulated provider behind a running gateway.
pub(crate) struct Scene {
    pub(crate) gateway: Process,
    pub(crate) sim: Sim,
    pub(crate) ground: Ground,
    pub(crate) client: Client,
    pub(crate) endpoint: i64,
    pub(crate) model: i64,
}

/// What a scene has that is not usual.
#[derive(Default)]
pub(crate) struct Props<'a> {
    pub(crate) options: Options,
    /// What follows the provider's address in the endpoint's URL.
    pub(crate) path: &'a str,
    pub(crate) endpoint: Value,
    pub(crate) model: Value,
    pub(crate) env: &'a [(&'a str, &'a str)],
}

impl Scene {
    /// OpenAI as the provider, nothing unusual.
    pub(crate) async fn start() -> Self {
        Self::with(Props::default()).await
    }

    /// That provider, nothing unusual.
    pub(crate) async fn of(flavor: Flavor) -> Self {
        let options = Options {
            flavor,
            ..Options::default()
        };
        Self::with(Props {
            options,
            ..Props::default()
        })
        .await
    }

    /// With further environment.
    pub(crate) async fn env(env: &[(&str, &str)]) -> Self {
        Self::with(Props {
            env,
            ..Props::default()
        })
        .await
    }

    /// With fields of the virtual model.
    pub(crate) async fn model(fields: Value) -> Self {
        Self::with(Props {
            model: fields,
            ..Props::default()
        })
        .await
    }

    /// With what `props` say.
    pub(crate) async fn with(props: Props<'_>) -> Self {
        let object = |value: Value| if value.is_null() { json!({}) } else { value };
        let ground = Ground::new();
        let sim = provider_with(props.options).await;
        let url = json!({"url": format!("{}{}", sim.base_url(), props.path)});
        let endpoint = ground.endpoint(&sim, &with(url, &object(props.endpoint)));
        let model = ground.model(MODEL, endpoint, &object(props.model));
        let gateway = Process::gateway(ground.folder.path(), props.env).await;
        Self {
            gateway,
            sim,
            ground,
            client: client(),
            endpoint,
            model,
        }
    }

    /// A request to `path` of the gateway.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.gateway.base))
    }

    /// Posts `body` and reads the answer.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// Posts bytes as they are and reads the answer.
    pub(crate) async fn post_bytes(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        answer(self.request(Method::POST, path).body(body)).await
    }

    /// A chat with that script; `more` adds fields.
    pub(crate) async fn chat(&self, script: &str, more: Value) -> Answer {
        self.post("/v1/chat/completions", &chat(script, &more))
            .await
    }

    /// A streamed chat with that script.
    pub(crate) async fn stream(&self, script: &str) -> Answer {
        self.chat(script, json!({"stream": true})).await
    }

    /// A connection of one's own to the gateway.
    pub(crate) async fn caller(&self) -> Caller {
        Caller::connect(self.gateway.address()).await
    }
}

/// A chat with [`MODEL`], the script in the user's message.
pub(crate) fn chat(script: &str, more: &Value) -> Value {
    let said = format!("hi [[sim: {script}]]");
    let base = json!({"model": MODEL, "messages": [{"role": "user", "content": said}]});
    with(base, more)
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// A header, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<&str> {
        self.body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim_start)
            .collect()
    }

    /// The chunks of a stream that ends as it should.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        let mut events = self.events();
        assert_eq!(events.pop(), Some("[DONE]"), "{self:?}");
        let parse = |data: &str| serde_json::from_str(data).unwrap();
        events.into_iter().map(parse).collect()
    }

    /// The text that a stream's chunks make together.
    pub(crate) fn streamed_text(&self) -> String {
        streamed_text(&self.chunks())
    }

    /// The error, checked to be of OpenAI's shape.
    pub(crate) fn error(&self) -> Value {
        let error = self.json()["error"].clone();
        assert!(error["message"].is_string(), "{self:?}");
        assert!(error["type"].is_string(), "{self:?}");
        for name in ["param", "code"] {
            assert!(error.get(name).is_some(), "{name} is not there: {self:?}");
        }
        error
    }
}

/// The text of the first choice in `chunks`.
pub(crate) fn streamed_text(chunks: &[Value]) -> String {
    let text = |chunk: &Value| {
        Some(
            chunk
                .pointer("/choices/0/delta/content")?
                .as_str()?
                .to_owned(),
        )
    };
    chunks.iter().filter_map(text).collect()
}

/// Sends a request and reads its answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

/// A client that follows nothing and knows no proxies.
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
        .timeout(PATIENCE)
        .build()
        .unwrap()
}
