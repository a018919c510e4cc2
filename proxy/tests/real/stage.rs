//! One llama.cpp server behind a running gateway, offered once as each endpoint type.

use std::time::Instant;

use reqwest::Client;
use serde_json::{Value, json};
use store::CallRow;

use crate::caller::Caller;
use crate::llama::{KEY, Llama};
use crate::process::{LOOK, PATIENCE, Process};
use crate::scene::{Answer, Ground, answer, client, with};

/// The types that a llama.cpp server can be. The virtual model of each has its name.
pub(crate) const TYPES: [&str; 3] = ["openai", "vllm", "anthropic"];

/// What the model `markov` says.
pub(crate) const SENTENCE: &str = "Hello from a tiny but real model, done!";

/// What it says to a tool's result.
pub(crate) const AFTER_A_TOOL: &str = "The tool said its piece; all done!";

/// The path of chats.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// Everything that a test needs.
pub(crate) struct Stage {
    pub(crate) gateway: Process,
    pub(crate) llama: Llama,
    ground: Ground,
    client: Client,
}

impl Stage {
    /// With a server of `model`.
    pub(crate) async fn of(model: &str) -> Self {
        let ground = Ground::new();
        let llama = Llama::usual(ground.folder.path(), model).await;
        Self::with(ground, llama, model).await
    }

    /// With a server of `model` that was started with these arguments.
    pub(crate) async fn started(model: &str, arguments: &[&str]) -> Self {
        let ground = Ground::new();
        let llama = Llama::start(ground.folder.path(), model, arguments).await;
        Self::with(ground, llama, model).await
    }

    async fn with(ground: Ground, llama: Llama, model: &str) -> Self {
        for kind in TYPES {
            let endpoint = ground.endpoint_from(&json!({
                "name": format!("llama.cpp as {kind}"),
                "url": llama.base,
                "api_key": KEY,
                "endpoint_type": kind,
            }));
            ground.model(kind, endpoint, &json!({"actual_model": model}));
        }
        let gateway = Process::gateway(ground.folder.path(), &[]).await;
        Self {
            gateway,
            llama,
            ground,
            client: client(),
        }
    }

    /// Posts `body` to the gateway and reads the answer.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.gateway.base);
        answer(self.client.post(url).json(body)).await
    }

    /// A chat that must succeed.
    pub(crate) async fn chat(&self, body: &Value) -> Value {
        let got = self.post(CHAT, body).await;
        assert_eq!(got.status, 200, "{body}: {got:?}");
        got.json()
    }

    /// The same, streamed and put together: content, reasoning, tool calls and the cause
    /// of its end as a whole answer has them.
    pub(crate) async fn stream(&self, body: &Value) -> Streamed {
        let body = with(body.clone(), &json!({"stream": true}));
        let got = self.post(CHAT, &body).await;
        assert_eq!(got.status, 200, "{body}: {got:?}");
        Streamed::of(&got.chunks())
    }

    /// A connection of one's own to the gateway.
    pub(crate) async fn caller(&self) -> Caller {
        Caller::connect(self.gateway.address()).await
    }

    /// Waits for the newest usage row, the one of number `count`.
    pub(crate) async fn row(&self, count: usize) -> CallRow {
        let since = Instant::now();
        loop {
            let mut rows = self.ground.store.recent_calls(10_000).unwrap();
            if rows.len() >= count {
                assert_eq!(rows.len(), count, "{rows:#?}");
                return rows.swap_remove(0);
            }
            assert!(since.elapsed() < PATIENCE, "{} rows of {count}", rows.len());
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A chat with the virtual model `kind`, one message of the user and `more` fields.
pub(crate) fn asking(kind: &str, more: &Value) -> Value {
    let base = json!({"model": kind, "messages": [{"role": "user", "content": "Say hello."}]});
    with(base, more)
}

/// A stream, put together.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) content: String,
    /// How many chunks had some of the content.
    pub(crate) pieces: usize,
    pub(crate) reasoning: String,
    /// Id, name and arguments of each call.
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) finish: Vec<String>,
    pub(crate) usage: Vec<Value>,
}

impl Streamed {
    fn of(chunks: &[Value]) -> Self {
        let mut all = Self::default();
        for chunk in chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
            all.usage
                .extend(chunk.get("usage").filter(|usage| !usage.is_null()).cloned());
            for choice in chunk["choices"].as_array().unwrap() {
                let text = |name: &str| choice["delta"][name].as_str().unwrap_or_default();
                all.content.push_str(text("content"));
                all.pieces += usize::from(!text("content").is_empty());
                all.reasoning.push_str(text("reasoning_content"));
                all.finish
                    .extend(choice["finish_reason"].as_str().map(str::to_owned));
                for part in choice["delta"]["tool_calls"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    all.call(part);
                }
            }
        }
        all
    }

    fn call(&mut self, part: &Value) {
        let index = usize::try_from(part["index"].as_u64().unwrap()).unwrap();
        if index == self.calls.len() {
            assert_eq!(part["type"], "function", "{part}");
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let call = (text(&part["id"]), text(&part["function"]["name"]));
            self.calls.push((call.0, call.1, String::new()));
        }
        let more = part["function"]["arguments"].as_str().unwrap_or_default();
        self.calls[index].2.push_str(more);
    }
}
