//! Several simulated providers behind one virtual model.
//!
//! What a provider does is told to the provider ([`sim::Sim::set_script`]) and never by
//! the request: each candidate gets the same one.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};
use store::CallRow;

use crate::process::{LOOK, PATIENCE, Process};
use crate::scene::{Answer, Ground, MODEL, answer, client, provider_with, with};

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// The virtual models, in the order of the providers; the first is [`MODEL`].
pub(crate) const NAMES: [&str; 4] = [MODEL, "second", "third", "fourth"];

/// Providers, the virtual models for them, and the gateway.
pub(crate) struct Crowd {
    pub(crate) gateway: Process,
    pub(crate) sims: Vec<Sim>,
    pub(crate) ground: Ground,
    pub(crate) client: Client,
    pub(crate) endpoints: Vec<i64>,
    pub(crate) models: Vec<i64>,
}

/// One provider of a crowd.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) flavor: Flavor,
    /// 0 takes any.
    pub(crate) port: u16,
    /// Fields of its endpoint.
    pub(crate) endpoint: Value,
    /// Fields of its virtual model.
    pub(crate) model: Value,
}

impl Member {
    pub(crate) fn of(flavor: Flavor) -> Self {
        Self {
            flavor,
            port: 0,
            endpoint: json!({}),
            model: json!({}),
        }
    }

    /// An OpenAI provider.
    pub(crate) fn usual() -> Self {
        Self::of(Flavor::OpenAi)
    }

    pub(crate) fn endpoint(self, endpoint: Value) -> Self {
        Self { endpoint, ..self }
    }

    pub(crate) fn model(self, model: Value) -> Self {
        Self { model, ..self }
    }
}

impl Crowd {
    /// So many OpenAI providers, [`MODEL`] routed as `routing` says with all others as
    /// its targets. Each one says where it is from.
    pub(crate) async fn of(count: usize, routing: Value, env: &[(&str, &str)]) -> Self {
        Self::with(vec![Member::usual(); count], routing, env).await
    }

    /// These providers.
    pub(crate) async fn with(members: Vec<Member>, routing: Value, env: &[(&str, &str)]) -> Self {
        let ground = Ground::new();
        let (mut sims, mut endpoints, mut models) = (Vec::new(), Vec::new(), Vec::new());
        for (number, member) in members.iter().enumerate() {
            let sim = provider_with(Options {
                flavor: member.flavor,
                port: member.port,
                signer: number as u64,
                script: format!("say=from+{number}").parse().unwrap(),
                ..Options::default()
            })
            .await;
            let name = json!({"name": format!("endpoint-{number}")});
            let endpoint = ground.endpoint(&sim, &with(name, &member.endpoint));
            models.push(ground.model(NAMES[number], endpoint, &member.model));
            sims.push(sim);
            endpoints.push(endpoint);
        }
        let others = models.iter().skip(1);
        let targets: Vec<_> = others.map(|id| json!({"virtual_model_id": id})).collect();
        let routing = with(json!({"targets": targets}), &routing);
        ground.change_model(models[0], &json!({"routing": routing}));
        let gateway = Process::gateway(ground.folder.path(), env).await;
        Self {
            gateway,
            sims,
            ground,
            client: client(),
            endpoints,
            models,
        }
    }

    /// What one of them does from now on.
    pub(crate) fn script(&self, number: usize, script: &str) {
        self.sims[number].set_script(script.parse().unwrap());
    }

    pub(crate) fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        let url = format!("{}{path}", self.gateway.base);
        self.client.request(Method::POST, url).json(body)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(path, body)).await
    }

    /// A chat with [`MODEL`]; `more` adds fields.
    pub(crate) async fn chat(&self, more: Value) -> Answer {
        self.post(CHAT, &hello(&more)).await
    }

    /// The number of the provider that answers a chat.
    pub(crate) async fn served_by(&self, more: Value) -> usize {
        origin(&self.chat(more).await)
    }

    /// How many calls each one has had.
    pub(crate) fn received(&self) -> Vec<u64> {
        self.sims.iter().map(|sim| sim.served().received).collect()
    }

    /// The gateway's own view of an endpoint.
    pub(crate) async fn health(&self, number: usize) -> Value {
        let url = format!("{}/health", self.gateway.base);
        let report = answer(self.client.get(url)).await.json();
        let id = json!(self.endpoints[number]);
        let all = report["endpoints"].as_array().unwrap();
        all.iter().find(|entry| entry["id"] == id).unwrap().clone()
    }

    /// Ends the gateway, does `meanwhile` to the store, and starts it again.
    pub(crate) async fn restart(&mut self, env: &[(&str, &str)], meanwhile: impl FnOnce(&Ground)) {
        assert_eq!(self.gateway.stop().await, Some(0));
        meanwhile(&self.ground);
        self.gateway = Process::gateway(self.ground.folder.path(), env).await;
    }
}

impl Ground {
    /// Changes fields of a virtual model.
    pub(crate) fn change_model(&self, id: i64, fields: &Value) {
        let draft = store::VirtualModelDraft::for_update(fields).unwrap();
        self.store.update_virtual_model(id, &draft).unwrap();
    }

    /// Changes fields of an endpoint.
    pub(crate) fn change_endpoint(&self, id: i64, fields: &Value) {
        let draft = store::EndpointDraft::for_update(fields).unwrap();
        self.store.update_endpoint(id, &draft).unwrap();
    }
}

/// A chat that says nothing to a simulator.
pub(crate) fn hello(more: &Value) -> Value {
    with(
        json!({"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}),
        more,
    )
}

/// The text of an answer, whole or streamed.
pub(crate) fn text(got: &Answer) -> String {
    assert_eq!(got.status, 200, "{got:?}");
    if got.header("content-type").starts_with("text/event-stream") {
        return got.streamed_text();
    }
    let json = got.json();
    let content = json.pointer("/choices/0/message/content");
    content
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The number of the provider that gave the answer.
pub(crate) fn origin(got: &Answer) -> usize {
    let text = text(got);
    let number = text.strip_prefix("from ").map(str::parse);
    number
        .unwrap_or_else(|| panic!("{text:?} in {got:?}"))
        .unwrap()
}

/// The row's attempts: endpoint, status and code of each.
pub(crate) fn attempts(row: &CallRow) -> Vec<(&str, u16, Option<&str>)> {
    assert_eq!(
        row.attempt_count,
        i64::try_from(row.attempts.len()).unwrap()
    );
    let attempts = row.attempts.iter();
    attempts
        .map(|one| (one.endpoint.as_str(), one.status, one.code.as_deref()))
        .collect()
}

/// Looks until `found` gives something.
pub(crate) async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let since = std::time::Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "never came: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
