//! The tools that a request offers.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::lenient::{Maybe, Text};
use super::super::raw::present;
use crate::normaliser::Tools;

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
