//! The tools that a request offers.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::lenient::{Maybe, Text};
use super::super::raw::present;
use crate::normaliser::Tools;
use crate::object;

/// Where they stand in the body.
#[derive(Debug, Default)]
pub(super) struct Offered {
    pub(super) tools: Option<Range<usize>>,
    /// The older form.
    pub(super) functions: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default)]
    function: Maybe<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    parameters: Option<&'a RawValue>,
}

/// The list of tools, and the one of it that the caller wants called, where others stand
/// beside it.
pub(super) fn alone<'a>(body: &super::Body<'a>) -> Option<(&'a RawValue, &'a RawValue)> {
    #[derive(Deserialize)]
    struct Choice<'a> {
        #[serde(borrow, default)]
        function: Maybe<Function<'a>>,
        #[serde(borrow, default)]
        name: Text<'a>,
    }
    let is_object = |raw: &&RawValue| raw.get().starts_with('{');
    let of_tools = body.tool_choice.filter(is_object).zip(body.tools);
    let of_functions = body.function_call.filter(is_object).zip(body.functions);
    let ((choice, list), is_tool) = match (of_tools, of_functions) {
        (Some(found), _) => (found, true),
        (None, Some(found)) => (found, false),
        (None, None) => return None,
    };
    let choice: Choice<'_> = object::read_str(choice.get()).ok()?;
    let wanted = if is_tool {
        choice.function.0?.name.0
    } else {
        choice.name.0
    };
    let name = |raw: &RawValue| -> Option<String> {
        let function = if is_tool {
            object::read_str::<Tool<'_>>(raw.get()).ok()?.function.0?
        } else {
            serde_json::from_str(raw.get()).ok()?
        };
        Some(function.name.0.into_owned())
    };
    let all: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let one = *all
        .iter()
        .find(|raw| name(raw).as_deref() == Some(&*wanted))?;
    (all.len() > 1).then_some((list, one))
}

impl Offered {
    /// Whether the caller wants no calls.
    pub(super) fn is_none(
        tool_choice: Option<&RawValue>,
        function_call: Option<&RawValue>,
    ) -> bool {
        let none = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() == "\"none\"");
        none(tool_choice) || none(function_call)
    }

    /// The tools with their schemas. What is no function is left out: a call of it is
    /// not one of JSON.
    pub(super) fn read(&self, body: &[u8]) -> Tools {
        let part = |at: &Option<Range<usize>>| at.clone().and_then(|at| body.get(at));
        let tools: Vec<Maybe<Tool<'_>>> = part(&self.tools)
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or_default();
        let functions: Vec<Maybe<Function<'_>>> = part(&self.functions)
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or_default();
        let tools = tools
            .iter()
            .filter_map(|tool| tool.0.as_ref()?.function.0.as_ref());
        let functions = functions.iter().filter_map(|function| function.0.as_ref());
        let named = tools
            .chain(functions)
            .filter(|function| !function.name.0.is_empty());
        Tools::new(named.map(|function| {
            let parameters = function.parameters.map(RawValue::get);
            (&*function.name.0, parameters)
        }))
    }
}
