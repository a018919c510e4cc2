//! `options` and `keep_alive`: types, and what makes the server load a model anew.

use serde_json::{Map, Value};

use super::bad;
use crate::validate::Load;
use crate::vendor::refusal::Refusal;

const FLOATS: &[&str] = &[
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
];
const INTEGERS: &[&str] = &["num_predict", "top_k", "seed", "repeat_last_n", "num_keep"];
/// Besides `num_ctx`; the server starts a model with these.
const LOADING: &[&str] = &[
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
];

/// Names that are not known are ignored, as the server does.
pub(super) fn check(options: Option<&Map<String, Value>>) -> Result<Load, Refusal> {
    let mut load = Load::default();
    for (name, value) in options.into_iter().flatten() {
        let name = name.as_str();
        let integer = name == "num_ctx" || INTEGERS.contains(&name) || LOADING.contains(&name);
        let kind = if FLOATS.contains(&name) {
            (!value.is_number()).then_some("float32")
        } else if integer {
            // Numbers with a fraction are cut: the server reads every number as a float first.
            (!value.is_number()).then_some("integer")
        } else if name == "use_mmap" {
            (!value.is_boolean()).then_some("boolean")
        } else if name == "stop" {
            let strings = value
                .as_array()
                .is_some_and(|all| all.iter().all(Value::is_string));
            (!strings).then_some("array")
        } else {
            None
        };
        if let Some(kind) = kind {
            return Err(bad(format!("option {name:?} must be of type {kind}")));
        }
        if name == "num_ctx" {
            load.context = value
                .as_u64()
                .filter(|&size| size > 0)
                .unwrap_or(load.context);
        } else if LOADING.contains(&name) || name == "use_mmap" {
            load.other.push_str(&format!("{name}={value} "));
        }
    }
    Ok(load)
}

/// Whether `keep_alive` lets go of the model at once.
pub(super) fn unloads(keep_alive: Option<&Value>) -> Result<bool, Refusal> {
    match keep_alive {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Number(seconds)) => Ok(seconds.as_f64() == Some(0.0)),
        Some(Value::String(text)) => duration(text),
        Some(other) => Err(bad(format!("Unsupported type: '{other}'"))),
    }
}

/// A duration in Go's notation: digits need a unit, unless there is only a 0.
fn duration(text: &str) -> Result<bool, Refusal> {
    let number = text.trim_start_matches(['-', '+']);
    if number == "0" {
        return Ok(true);
    }
    let unit = number.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    if unit.len() == number.len() {
        return Err(bad(format!("time: invalid duration {text:?}")));
    }
    if unit.is_empty() {
        return Err(bad(format!("time: missing unit in duration {text:?}")));
    }
    if !unit.starts_with(['n', 'u', 'm', 's', 'h']) {
        return Err(bad(format!("time: unknown unit in duration {text:?}")));
    }
    Ok(number
        .trim_start_matches(['0', '.'])
        .starts_with(|letter: char| letter.is_alphabetic()))
}
