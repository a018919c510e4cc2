//! OpenAI's Responses: the newer conversation, made of items.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Choice, Facts, Fields, Tool, plain_model, tokens};
use crate::signature::{SEALED, Signer};
use crate::vendor::Flavor;
use crate::vendor::refusal::Refusal;

/// Least that an answer may be limited to.
const LEAST_OUTPUT: i64 = 16;

pub(super) fn facts(
    flavor: Flavor,
    map: &Map<String, Value>,
    signer: u64,
) -> Result<Facts, Refusal> {
    let fields = Fields { flavor, map };
    if flavor == Flavor::OpenAi {
        fields.only_known(super::Call::Responses)?;
    }
    let model = fields.required_string("model")?.to_owned();
    let mut facts = Facts {
        model: plain_model(&model),
        n: 1,
        inputs: 1,
        signer: Signer::of(signer, &plain_model(&model)),
        ..Facts::default()
    };
    facts.stream = fields.boolean("stream")?.unwrap_or(false);
    fields.boolean("store")?;
    fields.string("instructions")?;
    fields.number("temperature", 0.0, 2.0)?;
    fields.number("top_p", 0.0, 1.0)?;
    fields.integer("max_output_tokens", LEAST_OUTPUT)?;
    fields.object("metadata")?;
    fields.object("text")?;
    fields.object("reasoning")?;
    if let Some(id) = fields.string("previous_response_id")? {
        // Nothing is stored.
        let message = format!("Previous response with id '{id}' not found.");
        let code = Some("previous_response_not_found");
        return Err(Refusal::field("previous_response_id", code, message));
    }
    let input = fields.required("input")?;
    let mut bytes = fields.string("instructions")?.map_or(0, str::len);
    match (input.as_str(), input.as_array()) {
        (Some(text), _) => {
            bytes += text.len();
            facts.user_text = Some(text.to_owned());
        }
        (None, Some(items)) => bytes += Items::check(items, &mut facts)?,
        (None, None) => return Err(fields.wrong_type("input", "a string or an array", input)),
    }
    facts.prompt_tokens = tokens(bytes);
    tools(&fields, &mut facts)?;
    Ok(facts)
}

/// The items of a conversation.
#[derive(Default)]
struct Items {
    open: HashSet<String>,
    bytes: usize,
}

impl Items {
    fn check(items: &[Value], facts: &mut Facts) -> Result<usize, Refusal> {
        let mut seen = Items::default();
        for (index, item) in items.iter().enumerate() {
            facts.user_text = None;
            seen.item(index, item, facts)?;
        }
        match seen.open.iter().next() {
            None => Ok(seen.bytes),
            Some(id) => Err(Refusal::field(
                "input",
                None,
                format!("No tool output found for function call {id}."),
            )),
        }
    }

    fn item(&mut self, index: usize, item: &Value, facts: &mut Facts) -> Result<(), Refusal> {
        let text = |name: &str| -> Result<&str, Refusal> {
            item.get(name).and_then(Value::as_str).ok_or_else(|| {
                let field = format!("input[{index}].{name}");
                let message = format!("Missing required parameter: '{field}'.");
                Refusal::field(&field, Some("missing_required_parameter"), message)
            })
        };
        let kind = item
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("message");
        let prefix = match kind {
            "message" => {
                self.message(index, item, facts)?;
                "msg"
            }
            "function_call" | "custom_tool_call" => {
                let is_custom = kind == "custom_tool_call";
                text("name")?;
                self.bytes += text(if is_custom { "input" } else { "arguments" })?.len();
                self.open.insert(text("call_id")?.to_owned());
                if is_custom { "ctc" } else { "fc" }
            }
            "function_call_output" | "custom_tool_call_output" => {
                let id = text("call_id")?;
                if !self.open.remove(id) {
                    let message =
                        format!("No tool call found for function call output with call_id {id}.");
                    return Err(Refusal::field("input", None, message));
                }
                self.bytes += output(index, item)?;
                // Clients make these ids up.
                return Ok(());
            }
            "reasoning" => {
                reasoning(index, item, facts.signer)?;
                "rs"
            }
            "additional_tools" => {
                let list = item.get("tools").and_then(Value::as_array);
                for tool in list.into_iter().flatten() {
                    offer(tool, facts);
                }
                return Ok(());
            }
            other => {
                let field = format!("input[{index}].type");
                let message = format!("Invalid value: '{other}'.");
                return Err(Refusal::field(&field, Some("invalid_value"), message));
            }
        };
        match item.get("id").and_then(Value::as_str) {
            Some(id) if !id.starts_with(prefix) => {
                let field = format!("input[{index}].id");
                let message = format!(
                    "Invalid '{field}': '{id}'. Expected an ID that begins with '{prefix}'."
                );
                Err(Refusal::field(&field, Some("invalid_value"), message))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn message(&mut self, index: usize, item: &Value, facts: &mut Facts) -> Result<(), Refusal> {
        let role = item.get("role").and_then(Value::as_str).unwrap_or_default();
        if !["user", "assistant", "system", "developer"].contains(&role) {
            let field = format!("input[{index}].role");
            let message = format!("Invalid value: '{role}'.");
            return Err(Refusal::field(&field, Some("invalid_value"), message));
        }
        let content = item.get("content").unwrap_or(&Value::Null);
        let mut said = String::new();
        match (content.as_str(), content.as_array()) {
            (Some(text), _) => said.push_str(text),
            (None, Some(parts)) => {
                for (number, part) in parts.iter().enumerate() {
                    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                    let takes: &[&str] = match role {
                        "assistant" => &["output_text", "refusal"],
                        "user" => &["input_text", "input_image", "input_file"],
                        _ => &["input_text"],
                    };
                    if !takes.contains(&kind) {
                        let field = format!("input[{index}].content[{number}]");
                        let message = format!(
                            "Invalid value: '{kind}'. Supported values are: {}.",
                            takes.join(", ")
                        );
                        return Err(Refusal::field(&field, Some("invalid_value"), message));
                    }
                    if kind == "input_image" {
                        facts.images += 1;
                    }
                    let text = part.get("text").or(part.get("refusal"));
                    said.push_str(text.and_then(Value::as_str).unwrap_or_default());
                }
            }
            (None, None) => {
                let field = format!("input[{index}].content");
                let message = format!("Missing required parameter: '{field}'.");
                let code = Some("missing_required_parameter");
                return Err(Refusal::field(&field, code, message));
            }
        }
        self.bytes += said.len();
        facts.turn += 1;
        if role == "user" {
            facts.user_text = Some(said);
        }
        Ok(())
    }
}

/// The bytes of a result.
fn output(index: usize, item: &Value) -> Result<usize, Refusal> {
    let output = item.get("output").unwrap_or(&Value::Null);
    match (output.as_str(), output.as_array()) {
        (Some(text), _) => Ok(text.len()),
        (None, Some(parts)) => Ok(parts.iter().map(|part| part.to_string().len()).sum()),
        (None, None) => {
            let field = format!("input[{index}].output");
            let message = format!("Missing required parameter: '{field}'.");
            let code = Some("missing_required_parameter");
            Err(Refusal::field(&field, code, message))
        }
    }
}

/// Reasoning is taken back only with the server's own proof, if with any.
fn reasoning(index: usize, item: &Value, signer: Signer) -> Result<(), Refusal> {
    let sealed = item.get("encrypted_content").and_then(Value::as_str);
    let words = item.pointer("/summary/0/text").and_then(Value::as_str);
    let own = format!("{SEALED}{}", signer.sign(words.unwrap_or_default()));
    match sealed {
        Some(text) if text != own => {
            let field = format!("input[{index}].encrypted_content");
            let message = "The encrypted content could not be verified.";
            Err(Refusal::field(
                &field,
                Some("invalid_encrypted_content"),
                message,
            ))
        }
        Some(_) | None => Ok(()),
    }
}

fn tools(fields: &Fields<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    for (index, tool) in fields
        .array("tools")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
        let name = tool.get("name").and_then(Value::as_str);
        if kind.is_empty() {
            return Err(fields.missing(&format!("tools[{index}].type")));
        }
        if ["function", "custom", "namespace"].contains(&kind) && name.is_none_or(str::is_empty) {
            return Err(fields.missing(&format!("tools[{index}].name")));
        }
        offer(tool, facts);
    }
    facts.single_call = fields.boolean("parallel_tool_calls")? == Some(false);
    let choice = fields
        .map
        .get("tool_choice")
        .filter(|choice| !choice.is_null());
    facts.choice = match choice {
        None => Choice::Auto,
        Some(choice) => match (choice.as_str(), choice.get("name").and_then(Value::as_str)) {
            (Some("auto"), _) => Choice::Auto,
            (Some("none"), _) => Choice::None,
            (Some("required"), _) => Choice::Required,
            (None, Some(name)) => Choice::Named(name.to_owned()),
            (None, None) if choice.is_object() => Choice::Auto,
            _ => {
                let message = "Invalid value for 'tool_choice'.";
                let code = Some("invalid_value");
                return Err(Refusal::field("tool_choice", code, message));
            }
        },
    };
    Ok(())
}

fn offer(tool: &Value, facts: &mut Facts) {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "function" | "custom" => {
            if kind == "custom" {
                facts.custom_tools.push(name.to_owned());
            }
            facts.tools.push(Tool {
                name: name.to_owned(),
                parameters: tool.get("parameters").cloned().unwrap_or_default(),
            });
        }
        "namespace" => {
            let list = tool.get("tools").and_then(Value::as_array);
            for tool in list.into_iter().flatten() {
                offer(tool, facts);
            }
        }
        // What runs at the vendor is never called here.
        _ => {}
    }
}
