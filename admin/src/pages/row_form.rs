//! Forms of rows, as the drafts of the store read them: texts as typed, boxes as flags,
//! headers from lines.
//!
//! What a value may be is the store's decision; here is only how a form writes it.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use store::FieldErrors;

use super::form::{Form, Posted, VERSION};
use crate::error::ApiError;

/// The field that says which of a form's buttons was used.
pub(crate) const INTENT: &str = "intent";

/// The fields of a row's form.
pub(crate) struct RowFields {
    /// Taken as they were typed; numbers and choices too.
    pub(crate) texts: &'static [&'static str],
    /// Boxes.
    pub(crate) flags: &'static [&'static str],
}

impl RowFields {
    /// What was sent, for a draft.
    pub(crate) fn object(&self, posted: &Posted) -> Map<String, Value> {
        let mut object = match posted.object(self.texts) {
            Value::Object(object) => object,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        for flag in self.flags {
            object.insert((*flag).to_owned(), json!(posted.is_on(flag)));
        }
        object
    }
}

/// Headers written one a line, `Name: value`, as the text of a JSON object; a name that is
/// there twice stays so.
///
/// # Errors
/// Which line is none.
pub(crate) fn headers_from_lines(lines: &str) -> Result<Value, String> {
    let mut entries = Vec::new();
    for (line, number) in lines.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(format!(
                "line {number} has no colon: write each header as Name: value"
            ));
        };
        entries.push(format!("{}:{}", json!(name.trim()), json!(value.trim())));
    }
    Ok(Value::String(format!("{{{}}}", entries.join(","))))
}

/// The same the other way round; a text that is no object of strings stays as it is.
pub(crate) fn headers_to_lines(stored: Option<&str>) -> String {
    let text = stored.unwrap_or_default();
    let Ok(Value::Object(headers)) = serde_json::from_str(text) else {
        return text.to_owned();
    };
    let line = |(name, value): (&String, &Value)| match value {
        Value::String(value) => format!("{name}: {value}"),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => format!("{name}: {other}"),
    };
    let lines: Vec<_> = headers.iter().map(line).collect();
    lines.join("\n")
}

/// What of a refused write is shown beside the fields, with the page's status; a name that
/// is taken beside the field `name`, a change of somebody else beside the version.
///
/// # Errors
/// What no field is to blame for.
pub(crate) fn refusal(
    error: ApiError,
    name: &'static str,
) -> Result<(StatusCode, FieldErrors), ApiError> {
    if let ApiError::Changed(why, _) = error {
        return Ok((StatusCode::CONFLICT, FieldErrors::one(VERSION, why)));
    }
    if let ApiError::Conflict(why, _) = error {
        return Ok((StatusCode::CONFLICT, FieldErrors::one(name, why)));
    }
    Ok((StatusCode::BAD_REQUEST, error.into_fields()?))
}

/// The form as it was sent, without marks.
pub(crate) fn unmarked(posted: &Posted) -> Form {
    Form::refused(posted, FieldErrors::new())
}

/// A name for a copy of `name` that none of `taken` is.
pub(crate) fn copy_name<'a>(name: &str, taken: &(impl Iterator<Item = &'a str> + Clone)) -> String {
    /// Leaves room below the longest name that is taken.
    const LONGEST: usize = 180;
    let stem: String = name.chars().take(LONGEST).collect();
    let mut copy = format!("{stem} copy");
    let mut number = 2;
    while taken.clone().any(|other| other == copy) {
        copy = format!("{stem} copy {number}");
        number += 1;
    }
    copy
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use serde_json::json;

    use super::{copy_name, headers_from_lines, headers_to_lines};

    #[test]
    fn headers_are_lines() {
        let text = headers_from_lines("X-A: 1\r\n\n  x-b :two: parts \nX-A: \"2\"").unwrap();
        assert_eq!(
            text,
            json!(r#"{"X-A":"1","x-b":"two: parts","X-A":"\"2\""}"#)
        );
        assert_eq!(headers_from_lines(" \n").unwrap(), json!("{}"));
        let refused = headers_from_lines("X-A: 1\nnothing").unwrap_err();
        assert!(refused.starts_with("line 2 "), "{refused}");
    }

    #[test]
    fn stored_headers_become_lines_again() {
        let stored = r#"{"X-A":"1","x-b":"two: parts"}"#;
        assert_eq!(headers_to_lines(Some(stored)), "X-A: 1\nx-b: two: parts");
        assert_eq!(headers_to_lines(None), "");
        assert_eq!(headers_to_lines(Some("***")), "***");
    }

    #[test]
    fn a_copy_has_a_name_of_its_own() {
        let taken = ["a", "a copy", "a copy 2"];
        assert_eq!(copy_name("a", &taken.into_iter()), "a copy 3");
        assert_eq!(copy_name("b", &taken.into_iter()), "b copy");
    }
}
