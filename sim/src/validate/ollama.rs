//! Reading a request of Ollama's own API as its server does: fields it does not know are
//! ignored, fields of another type than its structures have are refused.

mod options;

use serde_json::{Map, Value};

use super::{Facts, Native, Tool, plain_model, tokens};
use crate::vendor::refusal::Refusal;

const ROLES: &[&str] = &["system", "user", "assistant", "tool"];
const THINK: &[&str] = &["low", "medium", "high", "max"];

pub(super) fn facts(native: Native, map: &Map<String, Value>) -> Result<Facts, Refusal> {
    let body = Body { map };
    let model = body.string("model")?.unwrap_or_default();
    if model.is_empty() {
        return Err(bad("model is required"));
    }
    let mut facts = Facts {
        model: plain_model(model),
        stream: body.boolean("stream")?.unwrap_or(true),
        n: 1,
        inputs: 1,
        ..Facts::default()
    };
    let options = body.object("options")?;
    let mut load = options::check(options)?;
    load.unload = options::unloads(map.get("keep_alive"))?;
    facts.load = load;
    facts.whole_inputs = body.boolean("truncate")? == Some(false);
    let mut bytes = 0;
    match native {
        Native::Chat => {
            bytes = messages(&body, &mut facts)?;
            bytes += tools(&body, &mut facts)?;
        }
        Native::Generate => bytes += prompt(&body, &mut facts)?,
        Native::Embed => bytes += input(&body, &mut facts)?,
        Native::Embeddings => {
            bytes += body.string("prompt")?.unwrap_or_default().len();
            facts.stream = false;
        }
    }
    if matches!(native, Native::Chat | Native::Generate) {
        generation(&body, &mut facts)?;
    }
    facts.prompt_tokens = tokens(bytes);
    Ok(facts)
}

fn messages(body: &Body<'_>, facts: &mut Facts) -> Result<usize, Refusal> {
    let messages = body.list("messages")?.unwrap_or_default();
    facts.load.only = messages.is_empty();
    facts.turn = messages.len();
    let mut bytes = 0;
    for message in messages {
        let Some(map) = message.as_object() else {
            return Err(unmarshal(message, "messages", "api.Message"));
        };
        let message = Body { map };
        let role = message.string("role")?.unwrap_or_default();
        if !ROLES.contains(&role) {
            let words = format!(
                "invalid role: {role:?}, must be one of [\"system\", \"user\", \"assistant\", \
                 \"tool\"]"
            );
            return Err(bad(words));
        }
        let content = message.string("content")?.unwrap_or_default();
        let thinking = message.string("thinking")?.unwrap_or_default();
        message.string("tool_name")?;
        message.string("tool_call_id")?;
        facts.images += images(&message)?;
        calls(&message)?;
        bytes += content.len() + thinking.len();
        facts.user_text = (role == "user").then(|| content.to_owned());
    }
    Ok(bytes)
}

fn images(body: &Body<'_>) -> Result<usize, Refusal> {
    let images = body.list("images")?.unwrap_or_default();
    for image in images {
        let Some(data) = image.as_str() else {
            return Err(unmarshal(image, "images", "api.ImageData"));
        };
        let digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let digits = data.trim_end_matches('=');
        let wrong = digits.bytes().position(|byte| !digit(byte));
        if let Some(at) = wrong {
            return Err(bad(format!("illegal base64 data at input byte {at}")));
        }
        if data.is_empty() || !data.len().is_multiple_of(4) {
            let at = data.len();
            return Err(bad(format!("illegal base64 data at input byte {at}")));
        }
    }
    Ok(images.len())
}

fn calls(message: &Body<'_>) -> Result<(), Refusal> {
    for call in message.list("tool_calls")?.unwrap_or_default() {
        let function = call.get("function").and_then(Value::as_object);
        let Some(map) = function else {
            return Err(unmarshal(call, "messages.tool_calls", "api.ToolCall"));
        };
        let function = Body { map };
        function.string("name")?;
        if let Some(arguments) = map.get("arguments").filter(|value| !value.is_object()) {
            let field = "messages.tool_calls.function.arguments";
            return Err(unmarshal(arguments, field, "api.ToolCallFunctionArguments"));
        }
    }
    Ok(())
}

fn tools(body: &Body<'_>, facts: &mut Facts) -> Result<usize, Refusal> {
    let mut bytes = 0;
    for tool in body.list("tools")?.unwrap_or_default() {
        let Some(map) = tool.get("function").and_then(Value::as_object) else {
            return Err(unmarshal(tool, "tools", "api.Tool"));
        };
        let function = Body { map };
        let parameters = function.object("parameters")?;
        facts.tools.push(Tool {
            name: function.string("name")?.unwrap_or_default().to_owned(),
            parameters: parameters.cloned().map(Value::Object).unwrap_or_default(),
        });
        bytes += tool.to_string().len();
    }
    Ok(bytes)
}

fn prompt(body: &Body<'_>, facts: &mut Facts) -> Result<usize, Refusal> {
    let prompt = body.string("prompt")?.unwrap_or_default();
    let system = body.string("system")?.unwrap_or_default();
    let template = body.string("template")?.unwrap_or_default();
    let suffix = body.string("suffix")?.unwrap_or_default();
    let context = body.list("context")?.unwrap_or_default();
    if let Some(wrong) = context.iter().find(|token| !token.is_i64()) {
        return Err(unmarshal(wrong, "context", "int"));
    }
    let formed = !(system.is_empty() && template.is_empty() && context.is_empty());
    if body.boolean("raw")?.unwrap_or(false) && formed {
        return Err(bad(
            "raw mode does not support template, system, or context",
        ));
    }
    facts.images = images(body)?;
    facts.load.only = prompt.is_empty();
    facts.user_text = Some(prompt.to_owned());
    Ok(prompt.len() + system.len() + suffix.len() + 4 * context.len())
}

fn input(body: &Body<'_>, facts: &mut Facts) -> Result<usize, Refusal> {
    facts.stream = false;
    let wrong = || bad("invalid input type");
    if let Some(dimensions) = body.map.get("dimensions").filter(|value| !value.is_null()) {
        let Some(size) = dimensions
            .as_u64()
            .and_then(|size| usize::try_from(size).ok())
        else {
            return Err(unmarshal(dimensions, "dimensions", "int"));
        };
        facts.dimensions = (size > 0).then(|| size.min(4096));
    }
    match body.map.get("input") {
        Some(Value::String(text)) => {
            facts.lengths = vec![tokens(text.len())];
            Ok(text.len())
        }
        Some(Value::Array(items)) => {
            facts.inputs = items.len();
            items.iter().try_fold(0, |bytes, item| {
                let text = item.as_str().ok_or_else(wrong)?;
                facts.lengths.push(tokens(text.len()));
                Ok(bytes + text.len())
            })
        }
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Err(wrong())
        }
    }
}

fn generation(body: &Body<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    match body.map.get("think") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(Value::Bool(true)) => facts.thinks = true,
        Some(Value::String(level)) if THINK.contains(&level.as_str()) => facts.thinks = true,
        Some(other) => {
            let words = format!(
                "invalid think value: {other} (must be \"high\", \"medium\", \"low\", \"max\", \
                 true, or false)"
            );
            return Err(bad(words));
        }
    }
    match body.map.get("format") {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(Value::String(name)) if name.is_empty() || name == "json" => {}
        Some(other) => {
            let words =
                format!("invalid format: {other}; expected \"json\" or a valid JSON Schema object");
            return Err(bad(words));
        }
    }
    body.boolean("logprobs")?;
    match body.map.get("top_logprobs").map(Value::as_i64) {
        None | Some(Some(0..=20)) => Ok(()),
        Some(_) => Err(bad("top_logprobs must be between 0 and 20")),
    }
}

struct Body<'a> {
    map: &'a Map<String, Value>,
}

impl<'a> Body<'a> {
    fn string(&self, field: &str) -> Result<Option<&'a str>, Refusal> {
        self.typed(field, "string", Value::as_str)
    }

    fn boolean(&self, field: &str) -> Result<Option<bool>, Refusal> {
        self.typed(field, "bool", Value::as_bool)
    }

    fn list(&self, field: &str) -> Result<Option<&'a [Value]>, Refusal> {
        self.typed(field, "slice", |value| value.as_array().map(Vec::as_slice))
    }

    fn object(&self, field: &str) -> Result<Option<&'a Map<String, Value>>, Refusal> {
        self.typed(field, "map[string]interface {}", Value::as_object)
    }

    fn typed<T>(
        &self,
        field: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        match self.map.get(field).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(unmarshal(value, field, kind)),
            },
        }
    }
}

/// 400 about a value its structures have no place for.
fn unmarshal(value: &Value, field: &str, kind: &str) -> Refusal {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    bad(format!(
        "json: cannot unmarshal {found} into Go struct field .{field} of type {kind}"
    ))
}

fn bad(words: impl Into<String>) -> Refusal {
    Refusal::new(400, words)
}
