//! An answer as its caller hears it, whole or streamed, in one form to be compared.

use serde_json::Value;
use store::CallRow;

use crate::scene::{Answer, MODEL};

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<HeardCall>,
    pub(crate) finish: Option<String>,
    /// As told, or null.
    pub(crate) usage: Value,
}

/// A tool call, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeardCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Heard {
    /// A whole answer, checked to be well formed.
    pub(crate) fn whole(got: &Answer) -> Self {
        assert_eq!(got.status, 200, "{got:?}");
        let json = got.json();
        assert_eq!(json["object"], "chat.completion", "{got:?}");
        assert_eq!(json["model"], MODEL, "{got:?}");
        let id = json["id"].as_str().unwrap();
        assert!(!id.is_empty(), "{got:?}");
        let choice = &json["choices"][0];
        let message = &choice["message"];
        assert_eq!(message["role"], "assistant", "{got:?}");
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls = calls.map(|call| {
            assert_eq!(call["type"], "function", "{got:?}");
            HeardCall {
                id: text(&call["id"]),
                name: text(&call["function"]["name"]),
                arguments: text(&call["function"]["arguments"]),
            }
        });
        Self {
            text: text(&message["content"]),
            reasoning: text(&message["reasoning_content"]) + &text(&message["reasoning"]),
            calls: calls.collect(),
            finish: choice["finish_reason"].as_str().map(str::to_owned),
            usage: json["usage"].clone(),
        }
    }

    /// A streamed answer, checked to be well formed and complete.
    pub(crate) fn streamed(got: &Answer) -> Self {
        assert_eq!(got.status, 200, "{got:?}");
        let mut heard = Self::default();
        let chunks = got.chunks();
        let first = &chunks[0];
        assert_eq!(first["choices"][0]["delta"]["role"], "assistant", "{got:?}");
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk", "{got:?}");
            assert_eq!(chunk["model"], MODEL, "{got:?}");
            assert_eq!(chunk["id"], first["id"], "{got:?}");
            if chunk["usage"].is_object() {
                heard.usage = chunk["usage"].clone();
            }
            for choice in chunk["choices"].as_array().unwrap() {
                heard.add(choice);
            }
        }
        heard
    }

    fn add(&mut self, choice: &Value) {
        let delta = &choice["delta"];
        self.text += &text(&delta["content"]);
        self.reasoning += &text(&delta["reasoning_content"]);
        self.reasoning += &text(&delta["reasoning"]);
        for part in delta["tool_calls"].as_array().into_iter().flatten() {
            let at = usize::try_from(part["index"].as_u64().unwrap()).unwrap();
            assert!(at <= self.calls.len(), "calls begin in order: {part}");
            if at == self.calls.len() {
                self.calls.push(HeardCall::default());
            }
            let call = &mut self.calls[at];
            call.id += &text(&part["id"]);
            call.name += &text(&part["function"]["name"]);
            call.arguments += &text(&part["function"]["arguments"]);
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            assert_eq!(self.finish, None, "one finish reason");
            self.finish = Some(finish.to_owned());
        }
    }

    /// Tokens as the answer tells them: prompt, completion, total.
    pub(crate) fn tokens(&self) -> [i64; 3] {
        let of = |name: &str| self.usage[name].as_i64().unwrap_or(0);
        [
            of("prompt_tokens"),
            of("completion_tokens"),
            of("total_tokens"),
        ]
    }

    /// Cached tokens as the answer tells them, in either place.
    pub(crate) fn cached(&self) -> i64 {
        let nested = self.usage.pointer("/prompt_tokens_details/cached_tokens");
        let flat = self.usage.get("cached_tokens");
        nested.or(flat).and_then(Value::as_i64).unwrap_or(0)
    }

    /// Tokens put into a cache.
    pub(crate) fn written(&self) -> i64 {
        let told = self
            .usage
            .pointer("/prompt_tokens_details/cache_write_tokens");
        told.and_then(Value::as_i64).unwrap_or(0)
    }
}

/// The same numbers as the ledger has.
pub(crate) fn tokens(row: &CallRow) -> [i64; 3] {
    [row.prompt_tokens, row.completion_tokens, row.total_tokens]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
