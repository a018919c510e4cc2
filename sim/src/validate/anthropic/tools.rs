//! `tools` and `tool_choice`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::blocks::{self, Counted};
use super::object::{Object, refuse, unknown_tag};
use crate::validate::{Choice, Facts, Tool};
use crate::vendor::refusal::Refusal;

/// Tools of the vendor's own, told by the beginning of their `type`.
const OWN: &[&str] = &[
    "bash_",
    "text_editor_",
    "memory_",
    "web_search_",
    "web_fetch_",
    "code_execution_",
    "tool_search_tool_",
    "computer_",
];

pub(super) fn check(
    root: &Object<'_>,
    facts: &mut Facts,
    counted: &mut Counted,
) -> Result<(), Refusal> {
    let tools = root.list("tools")?.unwrap_or_default();
    let mut names = BTreeSet::new();
    for (index, tool) in tools.iter().enumerate() {
        let path = format!("tools.{index}");
        let tool = Object::at(path.clone(), tool)?;
        let name = match tool.string("type")? {
            None | Some("custom") => custom(&tool.chosen("custom"), facts, counted)?,
            Some(kind) if OWN.iter().any(|own| kind.starts_with(own)) => {
                tool.required_string("name")?
            }
            Some(kind) => return Err(unknown_tag(&path, kind, &["custom", "bash_20250124"])),
        };
        if !names.insert(name) {
            return Err(refuse("tools", "Tool names must be unique."));
        }
    }
    choice(root, &names, facts)
}

fn custom<'a>(
    tool: &Object<'a>,
    facts: &mut Facts,
    counted: &mut Counted,
) -> Result<&'a str, Refusal> {
    tool.only(&[
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "cache_control",
        "defer_loading",
        "eager_input_streaming",
        "input_examples",
        "allowed_callers",
    ])?;
    let name = blocks::tool_name(tool)?;
    let description = tool.string("description")?.unwrap_or_default();
    let schema = tool.required("input_schema")?;
    let strict = tool.boolean("strict")?.unwrap_or(false);
    let shape = Object::at(tool.name("input_schema"), schema)?;
    if shape.required_string("type")? != "object" {
        return Err(shape.refuse("type", "Input should be 'object'"));
    }
    if ["oneOf", "allOf", "anyOf"]
        .iter()
        .any(|word| shape.get(word).is_some())
    {
        let words = "input_schema does not support oneOf, allOf, or anyOf at the top level";
        return Err(tool.refuse("input_schema", words));
    }
    let closed = shape.get("additionalProperties") == Some(&Value::Bool(false));
    if strict && !(closed && shape.get("required").is_some()) {
        let words = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(tool.refuse("input_schema", words));
    }
    blocks::cache_point(tool, counted)?;
    counted.text_bytes += name.len() + description.len() + schema.to_string().len();
    facts.tools.push(Tool {
        name: name.to_owned(),
        parameters: schema.clone(),
    });
    Ok(name)
}

fn choice(root: &Object<'_>, names: &BTreeSet<&str>, facts: &mut Facts) -> Result<(), Refusal> {
    let Some(choice) = root.object("tool_choice")? else {
        return Ok(());
    };
    let kind = choice.required_string("type")?;
    let known = ["auto", "any", "tool", "none"];
    if !known.contains(&kind) {
        return Err(unknown_tag("tool_choice", kind, &known));
    }
    let choice = choice.chosen(kind);
    match kind {
        "tool" => choice.only(&["type", "name", "disable_parallel_tool_use"])?,
        "none" => choice.only(&["type"])?,
        _ => choice.only(&["type", "disable_parallel_tool_use"])?,
    }
    facts.single_call = choice
        .boolean("disable_parallel_tool_use")?
        .unwrap_or(false);
    facts.choice = match kind {
        "any" => Choice::Required,
        "tool" => Choice::Named(choice.required_string("name")?.to_owned()),
        "none" => Choice::None,
        _ => Choice::Auto,
    };
    if names.is_empty() {
        let words = "`tool_choice` may only be specified while providing `tools`.";
        return Err(Refusal::new(400, words));
    }
    if let Choice::Named(name) = &facts.choice
        && !names.contains(name.as_str())
    {
        let words = format!("Tool '{name}' not found in provided tools");
        return Err(Refusal::new(400, words));
    }
    Ok(())
}
