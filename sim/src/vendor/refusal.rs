//! Refusals and faults in each vendor's own words and shape.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::{Flavor, Voice};

/// A request the vendor does not serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) kind: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            message: message.into(),
            ..Refusal::default()
        }
    }

    /// 400 about the field `param`.
    pub(crate) fn field(param: &str, code: Option<&str>, message: impl Into<String>) -> Refusal {
        Refusal {
            param: Some(param.to_owned()),
            code: code.map(str::to_owned),
            ..Refusal::new(400, message)
        }
    }

    /// Media type and bytes as the vendor answers it.
    pub(crate) fn render(&self, voice: Voice) -> (&'static str, Bytes) {
        let Refusal {
            status, message, ..
        } = self;
        let flavor = voice.flavor;
        let json = match flavor {
            _ if voice.plain && self.code.as_deref() != Some("no_route") => self.event(voice),
            Flavor::OpenAi | Flavor::Together | Flavor::Ollama | Flavor::Vllm => {
                if flavor == Flavor::Ollama && self.code.as_deref() == Some("no_route") {
                    return text("404 page not found");
                }
                if flavor == Flavor::Vllm && self.code.as_deref() == Some("no_route") {
                    json!({ "detail": message })
                } else if flavor == Flavor::Vllm && *status == 401 {
                    json!({"error": "Unauthorized"})
                } else {
                    self.event(voice)
                }
            }
            Flavor::DeepInfra => match &self.param {
                Some(param) => json!({
                    "detail": [{"loc": ["body", param], "msg": message, "type": "value_error"}]
                }),
                None => json!({"detail": {"error": message}}),
            },
            Flavor::OpenWebui => json!({ "detail": message }),
            Flavor::Queue => return text(message),
            Flavor::Anthropic | Flavor::Runpod => self.event(voice),
        };
        ("application/json", Bytes::from(json.to_string()))
    }

    /// The error object as it appears inside a stream or a 200.
    pub(crate) fn event(&self, voice: Voice) -> Value {
        let message = &self.message;
        match voice.flavor {
            _ if voice.plain => json!({ "error": message }),
            Flavor::Vllm => json!({"error": {
                "message": message,
                "type": self.kind.as_deref().unwrap_or_else(|| vllm_kind(self.status)),
                "param": self.param,
                "code": self.status,
            }}),
            Flavor::Anthropic => json!({
                "type": "error",
                "error": {
                    "type": self.kind.as_deref().unwrap_or_else(|| anthropic_kind(self.status)),
                    "message": message,
                },
                "request_id": "req_sim",
            }),
            Flavor::Ollama => json!({"error": {
                "message": message,
                "type": self.kind.as_deref().unwrap_or_else(|| ollama_kind(self.status)),
                "param": null,
                "code": null,
            }}),
            Flavor::OpenAi
            | Flavor::Together
            | Flavor::DeepInfra
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Runpod => json!({"error": {
                "message": message,
                "type": self.kind.as_deref().unwrap_or_else(|| openai_kind(self.status)),
                "param": self.param,
                "code": self.code.as_deref().or_else(|| openai_code(self.status)),
            }}),
        }
    }
}

/// The status the vendor gives a body that fails its checks.
pub(crate) fn invalid_status(flavor: Flavor) -> u16 {
    match flavor {
        Flavor::DeepInfra => 422,
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::Together
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => 400,
    }
}

pub(crate) fn no_such_path(flavor: Flavor, method: &Method, path: &str) -> Refusal {
    match flavor {
        Flavor::OpenAi | Flavor::Together => {
            Refusal::new(404, format!("Invalid URL ({method} {path})"))
        }
        Flavor::Vllm
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => Refusal {
            code: Some("no_route".to_owned()),
            ..Refusal::new(404, "Not Found")
        },
    }
}

pub(crate) fn wrong_method(flavor: Flavor, method: &Method, path: &str) -> Refusal {
    match flavor {
        Flavor::OpenAi | Flavor::Together => {
            Refusal::new(405, format!("Not allowed to {method} on {path}."))
        }
        Flavor::Vllm
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => Refusal::new(405, "Method Not Allowed"),
    }
}

pub(crate) fn no_entry(flavor: Flavor, shown: Option<&str>) -> Refusal {
    let message = match (flavor, shown) {
        (Flavor::OpenWebui, _) => "Not authenticated".to_owned(),
        (Flavor::OpenAi | Flavor::Together, None) => {
            "You didn't provide an API key in an Authorization header with Bearer auth.".to_owned()
        }
        // As the vendor does, with the key in it: nothing of this may reach a client.
        (Flavor::OpenAi | Flavor::Together, Some(key)) => {
            format!("Incorrect API key provided: {key}.")
        }
        (Flavor::Anthropic, None) => "x-api-key header is required".to_owned(),
        (Flavor::Anthropic, Some(_)) => "invalid x-api-key".to_owned(),
        (Flavor::Vllm | Flavor::DeepInfra | Flavor::Queue | Flavor::Ollama | Flavor::Runpod, _) => {
            "Unauthorized".to_owned()
        }
    };
    Refusal {
        code: shown.map(|_| "invalid_api_key".to_owned()),
        kind: (flavor == Flavor::OpenAi).then(|| "invalid_request_error".to_owned()),
        ..Refusal::new(401, message)
    }
}

pub(crate) fn no_such_model(flavor: Flavor, model: &str) -> Refusal {
    let message = match flavor {
        Flavor::OpenWebui => "Model not found".to_owned(),
        Flavor::Anthropic => format!("model: {model}"),
        Flavor::Ollama => format!("model \"{model}\" not found, try pulling it first"),
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::Together
        | Flavor::DeepInfra
        | Flavor::Queue
        | Flavor::Runpod => {
            format!("The model `{model}` does not exist.")
        }
    };
    Refusal {
        code: Some("model_not_found".to_owned()),
        ..Refusal::new(404, message)
    }
}

fn text(message: &str) -> (&'static str, Bytes) {
    ("text/plain", Bytes::from(message.to_owned()))
}

fn openai_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        503 => "service_unavailable_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn openai_code(status: u16) -> Option<&'static str> {
    match status {
        429 => Some("rate_limit_exceeded"),
        503 => Some("server_is_overloaded"),
        _ => None,
    }
}

fn vllm_kind(status: u16) -> &'static str {
    match status {
        404 => "NotFoundError",
        422 => "UnprocessableEntityError",
        501 => "NotImplementedError",
        503 => "ServiceUnavailableError",
        500.. => "InternalServerError",
        _ => "BadRequestError",
    }
}

fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn ollama_kind(status: u16) -> &'static str {
    match status {
        404 => "not_found_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}
