//! Reading a request body as the vendor would, and refusing what the vendor would refuse.
//!
//! The result is [`Facts`]: what the answer depends on. [`glance`] finds the few facts a
//! fast answer needs without parsing, for simulators that do not validate.

mod anthropic;
mod facts;
mod fields;
mod messages;
mod ollama;
mod responses;
mod vllm;

use memchr::memmem;
use serde_json::{Map, Value};

use crate::vendor::refusal::{self, Refusal};
use crate::vendor::{self, Flavor};
pub(crate) use facts::{Call, Choice, Facts, Load, Native, Tool};
use fields::Fields;

/// Parses and checks a body.
pub(crate) fn facts(
    flavor: Flavor,
    call: Call,
    models: &[String],
    signer: u64,
    body: &[u8],
) -> Result<Facts, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let message = format!("We could not parse the JSON body of your request: {error}");
        Refusal::new(400, message)
    })?;
    let Value::Object(map) = &value else {
        return Err(Refusal::new(400, "The body must be a JSON object."));
    };
    let facts = match call {
        Call::Messages | Call::CountTokens => anthropic::facts(call, map, signer),
        Call::Chat | Call::Completions | Call::Embeddings => checked(flavor, call, map),
        Call::Responses => responses::facts(flavor, map, signer),
        Call::Native(native) => ollama::facts(native, map),
    };
    let facts = facts.and_then(|facts| {
        if known(flavor, models, &facts.model) {
            Ok(facts)
        } else if let Call::Native(_) = call {
            Err(vendor::ollama::no_such_model(&facts.model))
        } else {
            Err(refusal::no_such_model(flavor, &facts.model))
        }
    });
    facts.map_err(|mut refusal| {
        if refusal.status == 400 {
            refusal.status = refusal::invalid_status(flavor);
        }
        refusal
    })
}

/// Whether the vendor has that model.
pub(crate) fn known(flavor: Flavor, models: &[String], name: &str) -> bool {
    if flavor != Flavor::Ollama {
        return models.iter().any(|model| model == name);
    }
    let name = vendor::ollama::full_name(name);
    models
        .iter()
        .any(|model| vendor::ollama::full_name(model) == name)
}

/// The facts a canned answer needs, found without parsing.
pub(crate) fn glance(call: Call, body: &[u8]) -> Facts {
    let has = |needles: [&[u8]; 2]| {
        needles
            .iter()
            .any(|needle| memmem::find(body, needle).is_some())
    };
    let stream = match call {
        Call::Native(native) => {
            native.streams() && !has([b"\"stream\":false", b"\"stream\": false"])
        }
        Call::Chat
        | Call::Completions
        | Call::Messages
        | Call::Responses
        | Call::Embeddings
        | Call::CountTokens => call.streams() && has([b"\"stream\":true", b"\"stream\": true"]),
    };
    Facts {
        model: "sim-model".to_owned(),
        stream,
        include_usage: stream && has([b"\"include_usage\":true", b"\"include_usage\": true"]),
        n: 1,
        inputs: 1,
        base64: has([
            b"\"encoding_format\":\"base64\"",
            b"\"encoding_format\": \"base64\"",
        ]),
        prompt_tokens: 9,
        ..Facts::default()
    }
}

/// The calls of the OpenAI family.
fn checked(flavor: Flavor, call: Call, map: &Map<String, Value>) -> Result<Facts, Refusal> {
    let fields = Fields { flavor, map };
    if flavor == Flavor::OpenAi {
        fields.only_known(call)?;
    }
    let model = fields.required_string("model")?.to_owned();
    let mut facts = Facts {
        model: plain_model(&model),
        n: 1,
        inputs: 1,
        ..Facts::default()
    };
    match call {
        Call::Chat => {
            let seen = messages::check(&fields)?;
            facts.user_text = seen.user_text;
            facts.prompt_tokens = tokens(seen.text_bytes);
            generation(&fields, &mut facts)?;
            tools(&fields, &mut facts)?;
            if flavor == Flavor::Vllm {
                vllm::check(&fields, &facts)?;
            }
        }
        Call::Completions => {
            prompt(&fields, &mut facts)?;
            generation(&fields, &mut facts)?;
        }
        Call::Embeddings
        | Call::Messages
        | Call::Responses
        | Call::CountTokens
        | Call::Native(_) => {
            embeddings(&fields, &mut facts)?;
        }
    }
    Ok(facts)
}

/// The model's name without a script at its end.
fn plain_model(model: &str) -> String {
    let end = model.find("[[sim:").unwrap_or(model.len());
    model.get(..end).unwrap_or(model).trim_end().to_owned()
}

/// A token for every four bytes, at least one: simple enough to reckon in a test.
fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4).max(1)).unwrap_or(u64::MAX)
}

fn generation(fields: &Fields<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    let flavor = fields.flavor;
    facts.stream = fields.boolean("stream")?.unwrap_or(false);
    fields.number("temperature", 0.0, 2.0)?;
    fields.number("top_p", 0.0, 1.0)?;
    fields.number("frequency_penalty", -2.0, 2.0)?;
    fields.number("presence_penalty", -2.0, 2.0)?;
    fields.integer("max_tokens", 0)?;
    fields.integer("max_completion_tokens", 1)?;
    if fields.present("max_completion_tokens")
        && matches!(flavor, Flavor::Together | Flavor::DeepInfra)
    {
        // Neither documents it. Taken without a word, it would be a limit that nobody keeps.
        let message = "Unrecognized parameter: 'max_completion_tokens'.";
        let field = "max_completion_tokens";
        return Err(Refusal::field(field, Some("unknown_parameter"), message));
    }
    fields.integer("seed", i64::MIN)?;
    fields.stop()?;
    if let Some(n) = fields.integer("n", 1)?
        && flavor != Flavor::Ollama
    {
        facts.n = usize::try_from(n).unwrap_or(1).min(128);
    }
    facts.logprobs = fields.logprobs()?;
    if let Some(options) = fields.object("stream_options")? {
        if !facts.stream {
            let message = if flavor == Flavor::Vllm {
                "Stream options can only be defined when `stream=True`."
            } else {
                "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            };
            return Err(Refusal::field("stream_options", None, message));
        }
        facts.include_usage = match options.get("include_usage") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(asked)) => *asked,
            Some(other) => {
                return Err(fields.wrong_type("stream_options.include_usage", "a boolean", other));
            }
        };
    }
    if flavor == Flavor::Queue && facts.stream {
        return Err(Refusal::field("stream", None, "streaming is not supported"));
    }
    if flavor == Flavor::OpenAi && reasoning_model(&facts.model) {
        if fields.present("max_tokens") {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                           Use 'max_completion_tokens' instead.";
            return Err(Refusal::field(
                "max_tokens",
                Some("unsupported_parameter"),
                message,
            ));
        }
        if fields.present("stop") {
            let message = "Unsupported parameter: 'stop' is not supported with this model.";
            return Err(Refusal::field(
                "stop",
                Some("unsupported_parameter"),
                message,
            ));
        }
        if fields.present("temperature") {
            let message = "Unsupported parameter: 'temperature' is not supported with this model.";
            return Err(Refusal::field("temperature", None, message));
        }
    }
    Ok(())
}

fn reasoning_model(model: &str) -> bool {
    let is_one = ["o1", "o3", "o4", "gpt-5"]
        .iter()
        .any(|start| model.starts_with(start));
    is_one && !model.contains("-chat")
}

fn tools(fields: &Fields<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    let flavor = fields.flavor;
    let tools = fields.array("tools")?;
    if let Some([]) = tools {
        if flavor == Flavor::Vllm {
            return Err(Refusal::field(
                "tools",
                None,
                "`tools` must not be an empty array",
            ));
        }
        if flavor == Flavor::OpenAi {
            let message = "Invalid 'tools': empty array. Expected an array with minimum length 1.";
            return Err(Refusal::field("tools", Some("empty_array"), message));
        }
    }
    for (index, tool) in tools.unwrap_or_default().iter().enumerate() {
        let name = tool.pointer("/function/name").and_then(Value::as_str);
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let field = format!("tools[{index}].function.name");
            return Err(fields.missing(&field));
        };
        facts.tools.push(Tool {
            name: name.to_owned(),
            parameters: tool
                .pointer("/function/parameters")
                .cloned()
                .unwrap_or_default(),
        });
    }
    let choice = fields
        .map
        .get("tool_choice")
        .filter(|choice| !choice.is_null());
    if tools.is_none() && (flavor == Flavor::OpenAi || flavor == Flavor::Vllm) {
        if choice.is_some() {
            let message = if flavor == Flavor::Vllm {
                "When using `tool_choice`, `tools` must be set."
            } else {
                "Invalid value for 'tool_choice': it is only allowed when 'tools' are specified."
            };
            return Err(Refusal::field("tool_choice", None, message));
        }
        if flavor == Flavor::OpenAi && fields.present("parallel_tool_calls") {
            let message = "Invalid value for 'parallel_tool_calls': it is only allowed when \
                           'tools' are specified.";
            return Err(Refusal::field("parallel_tool_calls", None, message));
        }
    }
    facts.choice = match choice {
        None => Choice::Auto,
        Some(choice) => match (choice.as_str(), choice.pointer("/function/name")) {
            (Some("auto"), _) => Choice::Auto,
            (Some("none"), _) => Choice::None,
            (Some("required"), _) => Choice::Required,
            (None, Some(Value::String(name))) => Choice::Named(name.clone()),
            _ => {
                let message = "Invalid value for 'tool_choice'.";
                return Err(Refusal::field(
                    "tool_choice",
                    Some("invalid_value"),
                    message,
                ));
            }
        },
    };
    Ok(())
}

fn prompt(fields: &Fields<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    let prompt = fields.required("prompt")?;
    if fields.flavor == Flavor::Ollama && !prompt.is_string() {
        return Err(fields.wrong_type("prompt", "a string", prompt));
    }
    inputs(fields, "prompt", prompt, facts)
}

fn embeddings(fields: &Fields<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    let input = fields.required("input")?;
    inputs(fields, "input", input, facts)?;
    let tokens = input
        .as_array()
        .is_some_and(|items| !items.iter().all(Value::is_string));
    if tokens && fields.flavor != Flavor::OpenAi && fields.flavor != Flavor::Vllm {
        return Err(fields.wrong_type("input", "a string or an array of strings", input));
    }
    facts.dimensions = match fields.integer("dimensions", 1)? {
        Some(dimensions) => usize::try_from(dimensions).ok().map(|size| size.min(4096)),
        None => None,
    };
    facts.base64 = match fields.string("encoding_format")? {
        None | Some("float") => false,
        Some("base64") if fields.flavor == Flavor::DeepInfra => {
            let message = "encoding_format must be float";
            return Err(Refusal::field("encoding_format", None, message));
        }
        // Together's specification does not have the field: floats whatever is asked.
        Some("base64") => fields.flavor != Flavor::Together,
        Some(other) => {
            let message = format!("Invalid value: '{other}'. Supported: 'float' and 'base64'.");
            return Err(Refusal::field(
                "encoding_format",
                Some("invalid_value"),
                message,
            ));
        }
    };
    Ok(())
}

/// A string, strings, token numbers, or arrays of token numbers.
fn inputs(
    fields: &Fields<'_>,
    name: &str,
    value: &Value,
    facts: &mut Facts,
) -> Result<(), Refusal> {
    let expected = "a string, an array of strings, or an array of tokens";
    let mut bytes = 0;
    if let Some(text) = value.as_str() {
        bytes = text.len();
        facts.user_text = Some(text.to_owned());
    } else if let Some(items) = value.as_array() {
        if items.is_empty() {
            let message = format!("Invalid '{name}': empty array.");
            return Err(Refusal::field(name, Some("empty_array"), message));
        }
        let numbers = items.iter().all(Value::is_u64);
        facts.inputs = if numbers { 1 } else { items.len() };
        for item in items {
            match (item.as_str(), item.as_array()) {
                (Some(text), _) => {
                    bytes += text.len();
                    facts.user_text = Some(text.to_owned());
                }
                (None, Some(tokens)) if tokens.iter().all(Value::is_u64) => {
                    bytes += 4 * tokens.len();
                }
                _ if numbers => bytes += 4,
                _ => return Err(fields.wrong_type(name, expected, value)),
            }
        }
    } else {
        return Err(fields.wrong_type(name, expected, value));
    }
    facts.prompt_tokens = tokens(bytes);
    Ok(())
}
