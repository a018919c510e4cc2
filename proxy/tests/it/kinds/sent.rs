//! The request as the provider got it, unpacked to what its server reads.

use serde_json::{Value, json};
use sim::RecordedRequest;

use super::backend::{Backend, Form, Speech};
use crate::scene::{KEY, Scene};

/// A request in the provider's own terms.
pub(crate) struct Sent {
    pub(crate) request: RecordedRequest,
    /// The body; of a job the part that its worker hands on.
    pub(crate) body: Value,
}

impl Backend {
    /// The last request to `path`, its headers checked.
    pub(crate) fn sent(self, scene: &Scene, path: &str) -> Sent {
        self.all_sent(scene, path).pop().unwrap_or_else(|| {
            let seen: Vec<_> = scene.sim.requests().into_iter().map(|r| r.path).collect();
            panic!("{self:?}: nothing went to {path}, but to {seen:?}")
        })
    }

    /// All requests to `path`, oldest first.
    pub(crate) fn all_sent(self, scene: &Scene, path: &str) -> Vec<Sent> {
        let requests = scene.sim.requests().into_iter();
        let requests = requests.filter(|request| request.path == path);
        requests.map(|request| self.unpacked(request)).collect()
    }

    fn unpacked(self, request: RecordedRequest) -> Sent {
        self.check_headers(&request);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let body = match self.speech() {
            Speech::OpenAi | Speech::Anthropic | Speech::Ollama => body,
            Speech::Routed => {
                check_policy(&body);
                assert!(body["input"]["openai_route"].is_string(), "{body}");
                body["input"]["openai_input"].clone()
            }
            Speech::Native | Speech::Text => {
                check_policy(&body);
                body["input"].clone()
            }
        };
        Sent { request, body }
    }

    fn check_headers(self, request: &RecordedRequest) {
        let header = |name: &str| request.headers.get(name).map(|v| v.to_str().unwrap());
        assert_eq!(header("content-type"), Some("application/json"));
        assert!(header("x-request-id").is_some_and(|id| id.starts_with("req_")));
        if self.speech() == Speech::Anthropic {
            assert_eq!(header("x-api-key"), Some(KEY));
            assert_eq!(header("anthropic-version"), Some("2023-06-01"));
            assert_eq!(header("authorization"), None);
        } else {
            let bearer = format!("Bearer {KEY}");
            assert_eq!(header("authorization"), Some(bearer.as_str()), "{self:?}");
            assert_eq!(header("x-api-key"), None, "{self:?}");
            assert_eq!(header("anthropic-version"), None, "{self:?}");
        }
        let is_queue = self.flavor() == sim::Flavor::Queue;
        assert_eq!(header("x-priority"), is_queue.then_some("NORMAL"));
        assert_eq!(header("x-model"), is_queue.then_some("sim-model"));
    }
}

/// The platform is told when to give a job up.
fn check_policy(body: &Value) {
    for field in ["executionTimeout", "ttl"] {
        assert!(body["policy"][field].is_u64(), "{body}");
    }
}

impl Sent {
    /// Checks that a chat with temperature 0.5, at most 50 tokens and the stop text
    /// `END` says so in the provider's words.
    pub(crate) fn says_sampling(&self, backend: Backend, stream: bool) {
        self.says_limits(backend);
        let body = &self.body;
        // What a provider takes that only knows whole answers is no stream.
        let stream = stream && backend.flavor() != sim::Flavor::Queue;
        let told = body["stream"].as_bool();
        assert_eq!(told.unwrap_or(false), stream, "{body}");
        match backend.speech() {
            Speech::OpenAi | Speech::Routed | Speech::Anthropic => {
                assert_eq!(body["model"], "sim-model");
            }
            Speech::Ollama => {
                assert_eq!(body["model"], "sim-model");
                // Said always: the server streams unless told not to, and its own
                // context is too short.
                assert!(told.is_some(), "{body}");
                assert_eq!(body["options"]["num_ctx"], 4096, "{body}");
                assert_eq!(body["keep_alive"], "7m", "{body}");
            }
            Speech::Native => assert!(body["messages"].is_array(), "{body}"),
            Speech::Text => assert!(body["prompt"].is_string(), "{body}"),
        }
    }

    /// The sampling alone.
    pub(crate) fn says_limits(&self, backend: Backend) {
        let body = &self.body;
        let place = match backend.speech() {
            Speech::OpenAi | Speech::Anthropic | Speech::Routed | Speech::Text => body,
            Speech::Ollama => &body["options"],
            Speech::Native => &body["sampling_params"],
        };
        let (limit, stop) = match backend.speech() {
            Speech::OpenAi | Speech::Routed | Speech::Native | Speech::Text => {
                ("max_tokens", "stop")
            }
            Speech::Anthropic => ("max_tokens", "stop_sequences"),
            Speech::Ollama => ("num_predict", "stop"),
        };
        assert_eq!(place["temperature"].as_f64(), Some(0.5), "{body}");
        assert_eq!(place[limit].as_u64(), Some(50), "{body}");
        assert_eq!(place[stop], json!(["END"]), "{body}");
    }

    /// The tools as the provider got them: name and schema.
    pub(crate) fn tools(&self, backend: Backend) -> Vec<(String, Value)> {
        let schema = match backend.speech() {
            Speech::OpenAi | Speech::Routed | Speech::Ollama => "parameters",
            Speech::Anthropic => "input_schema",
            Speech::Native | Speech::Text => panic!("{backend:?} knows no tools"),
        };
        let tools = self.body["tools"].as_array().unwrap().iter();
        let tools = tools.map(|tool| {
            let tool = tool.get("function").unwrap_or(tool);
            let name = tool["name"].as_str().unwrap().to_owned();
            (name, tool[schema].clone())
        });
        tools.collect()
    }
}

/// Whether a job's own times are told.
pub(crate) fn times(backend: Backend) -> (Option<i64>, Option<i64>) {
    if backend.is_job() {
        (Some(824), Some(3391))
    } else {
        assert!(matches!(backend.worker, None | Some(Form::OpenAiLane)));
        (None, None)
    }
}
