//! A text tried against the tool patterns, stored and unsaved: what is asked, checked, and
//! what it is tried by.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use wire::dialect::openai::read_recording;
use wire::normaliser::{Alias, HOLD, Patterns, Rules, Sample, Thoughts, Tools};

use crate::field_errors::FieldErrors;
use crate::input::Input;
use crate::pattern_import::{aliases, patterns};
use crate::tool_alias::{StoredToolAlias, ToolAliasDraft};
use crate::tool_pattern::{StoredToolPattern, ToolPatternDraft};
use crate::virtual_model::Thinking;

/// Longest text in bytes, reasoning included.
const LONGEST_TEXT: usize = 1 << 20;

/// What is tried, by what.
#[derive(Debug)]
pub struct PatternTrial {
    pub(crate) sample: Sample,
    pub(crate) tools: Tools,
    pub(crate) patterns: Vec<ToolPatternDraft>,
    /// Whether the stored patterns are left out.
    pub(crate) only: bool,
    pub(crate) aliases: Vec<ToolAliasDraft>,
    pub(crate) thoughts: Thoughts,
}

/// What a sample is tried by: unsaved patterns beside those of the store.
#[derive(Debug)]
pub struct TrialRules {
    /// For the engine. A pattern's id is the stored row's; below zero it is not saved.
    pub rules: Rules,
    /// Patterns that cannot be used.
    pub refused: Vec<RefusedPattern>,
}

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPattern {
    /// Its name.
    pub name: String,
    /// The stored row's id; below zero it is not saved.
    pub id: i64,
    /// What is wrong with it.
    pub why: String,
}

/// The tools of a question with their schemas as they are written: the order of parameters
/// counts.
#[derive(Deserialize)]
struct Offered<'a> {
    #[serde(borrow)]
    tools: Vec<OfferedTool<'a>>,
}

#[derive(Deserialize)]
struct OfferedTool<'a> {
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    name: String,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

impl PatternTrial {
    /// Checks a question: `text` or `stream`, `tools`, and optionally `patterns`, `only`,
    /// `aliases` and `thinking`. `value` is what `body` says.
    ///
    /// # Errors
    /// Every bad field with the reason, those of rows named like
    /// `patterns[2].regex_pattern`.
    pub fn read(value: &Value, body: &[u8]) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let mut input = Input::new(value)?;
        let trial = Self {
            sample: sample(&mut input),
            tools: tools(&mut input, body),
            patterns: given(input.take("patterns"))
                .and_then(|rows| patterns(rows, &mut errors))
                .unwrap_or_default(),
            only: given(input.take("only")).is_some() && input.flag("only").unwrap_or_default(),
            aliases: given(input.take("aliases"))
                .and_then(|rows| aliases(rows, &mut errors))
                .unwrap_or_default(),
            thoughts: thoughts(&mut input),
        };
        match input.finish(trial) {
            Ok(trial) => errors.into_result(trial),
            Err(outer) => {
                for (field, why) in outer.iter() {
                    errors.add(field, why);
                }
                Err(errors)
            }
        }
    }

    /// What is tried.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// What it is tried by, with the rows of the store. Takes some hundred milliseconds.
    pub(crate) fn rules(
        self,
        stored: Vec<StoredToolPattern>,
        stored_aliases: Vec<StoredToolAlias>,
    ) -> Result<TrialRules, FieldErrors> {
        let mut refused = Vec::new();
        let mut unsaved = HashMap::new();
        for (draft, id) in self.patterns.iter().zip(1..) {
            let pattern = draft.pattern(-id)?;
            let on = draft.enabled.unwrap_or(true);
            unsaved.insert(pattern.name.clone(), (-id, on.then_some(pattern)));
        }
        let mut rows = Vec::new();
        for stored in stored.into_iter().filter(|_| !self.only) {
            let (name, id) = (stored.row.pattern_name.clone(), stored.row.id);
            // In the stored one's place among those of the same priority.
            if let Some((_, pattern)) = unsaved.remove(&name) {
                rows.extend(pattern);
                continue;
            }
            match stored.judge() {
                Ok(pattern) => rows.extend(pattern.enabled.then(|| pattern.pattern())),
                Err(faults) => refused.push(RefusedPattern {
                    name,
                    id,
                    why: faults.join("; "),
                }),
            }
        }
        let mut unsaved: Vec<_> = unsaved.into_values().collect();
        unsaved.sort_by_key(|(id, _)| -id);
        rows.extend(unsaved.into_iter().filter_map(|(_, pattern)| pattern));
        let names: HashMap<_, _> = rows.iter().map(|row| (row.id, row.name.clone())).collect();
        let (patterns, unusable) = Patterns::new(rows);
        refused.extend(unusable.into_iter().map(|(id, why)| RefusedPattern {
            name: names.get(&id).cloned().unwrap_or_default(),
            id,
            why: why.to_string(),
        }));
        let aliases = all_aliases(&self.aliases, stored_aliases);
        let rules = Rules {
            patterns: Arc::new(patterns),
            tools: Arc::new(self.tools),
            aliases,
            thoughts: self.thoughts,
            hold: HOLD,
        };
        Ok(TrialRules { rules, refused })
    }
}

/// The aliases that hold: an unsaved one takes the place of the stored one for its tool and
/// parameter.
fn all_aliases(drafts: &[ToolAliasDraft], stored: Vec<StoredToolAlias>) -> Arc<[Alias]> {
    let unsaved = drafts.iter().map(ToolAliasDraft::exported);
    let unsaved: Vec<_> = unsaved.collect();
    let stored = stored.into_iter().filter_map(|stored| {
        let row = &stored.row;
        let replaced = unsaved
            .iter()
            .any(|draft| draft.tool_name == row.tool_name && draft.parameter == row.parameter);
        let alias = stored.judge().ok().filter(|alias| alias.enabled)?;
        (!replaced).then(|| alias.alias())
    });
    let stored: Vec<_> = stored.collect();
    let unsaved = unsaved.iter().filter(|draft| draft.enabled != 0);
    let unsaved = unsaved.map(|draft| Alias {
        tool: draft.tool_name.clone(),
        parameter: draft.parameter.clone(),
        keys: draft.aliases.clone(),
        fill: draft.fill.clone(),
    });
    stored.into_iter().chain(unsaved).collect()
}

/// A field that says something.
fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn sample(input: &mut Input<'_>) -> Sample {
    let text = given(input.take("text"));
    let stream = given(input.take("stream"));
    let (field, read) = match (text, stream) {
        (Some(text), None) => {
            let text = text.as_str().map(|text| Sample {
                text: text.to_owned(),
                ..Sample::default()
            });
            ("text", text.ok_or_else(|| "must be a string".to_owned()))
        }
        (None, Some(stream)) => {
            let stream = stream.as_str().ok_or_else(|| "must be a string".to_owned());
            let read = |stream| read_recording(stream).map_err(|fault| fault.to_string());
            ("stream", stream.and_then(read))
        }
        (Some(_), Some(_)) => {
            input.refuse("stream", "cannot be given with text");
            return Sample::default();
        }
        (None, None) => {
            let why = "is required: what a model wrote, or a recording of it in stream";
            input.refuse("text", why);
            return Sample::default();
        }
    };
    match read {
        Ok(sample) if sample.text.len() + sample.reasoning.len() <= LONGEST_TEXT => sample,
        Ok(_) => {
            let why = format!("must hold at most {LONGEST_TEXT} bytes of text and reasoning");
            input.refuse(field, why);
            Sample::default()
        }
        Err(why) => {
            input.refuse(field, why);
            Sample::default()
        }
    }
}

fn tools(input: &mut Input<'_>, body: &[u8]) -> Tools {
    let Some(list) = given(input.take("tools")) else {
        input.refuse("tools", "is required: a list as a request has it");
        return Tools::default();
    };
    let Some(list) = list.as_array() else {
        input.refuse("tools", "must be a list");
        return Tools::default();
    };
    let mut good = true;
    for (index, tool) in list.iter().enumerate() {
        if let Some((field, why)) = tool_fault(tool) {
            input.refuse(&format!("tools[{index}]{field}"), why);
            good = false;
        }
    }
    if !good {
        return Tools::default();
    }
    let Ok(Offered { tools }) = serde_json::from_slice(body) else {
        input.refuse("tools", "must be a list of tools as a request has it");
        return Tools::default();
    };
    let functions = tools.iter().filter_map(|tool| tool.function.as_ref());
    Tools::new(functions.map(|function| {
        let parameters = function.parameters.map(RawValue::get);
        (function.name.as_str(), parameters)
    }))
}

/// What is wrong with a tool, and where in it. One that is no function is left out, as the
/// gateway does.
fn tool_fault(tool: &Value) -> Option<(&'static str, &'static str)> {
    if !tool.is_object() {
        return Some(("", "must be a JSON object"));
    }
    let kind = tool.get("type").and_then(Value::as_str);
    let function = match tool.get("function") {
        None | Some(Value::Null) if kind.is_some_and(|kind| kind != "function") => return None,
        None | Some(Value::Null) => return Some((".function", "is required")),
        Some(function) => function,
    };
    if !function.is_object() {
        return Some((".function", "must be a JSON object"));
    }
    let name = function.get("name").and_then(Value::as_str);
    if name.is_none_or(str::is_empty) {
        return Some((".function.name", "is required: a string"));
    }
    match function.get("parameters") {
        None | Some(Value::Null | Value::Object(_)) => None,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Some((".function.parameters", "must be a JSON schema: an object"))
        }
    }
}

fn thoughts(input: &mut Input<'_>) -> Thoughts {
    let Some(word) = given(input.take("thinking")) else {
        return Thoughts::Held;
    };
    match word.as_str().and_then(Thinking::from_id) {
        Some(Thinking::Tagged) => Thoughts::Tagged,
        Some(Thinking::Held) => Thoughts::Held,
        Some(Thinking::Open) => Thoughts::Open,
        None => {
            input.refuse("thinking", "must be tagged, held or open");
            Thoughts::Held
        }
    }
}
