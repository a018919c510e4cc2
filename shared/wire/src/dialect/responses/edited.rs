//! A request on its way to a server of the same format: named edits, all else as it came.
//!
//! What is edited: the model's name; settings and the system prompt of the virtual model,
//! where the caller has none; reasoning whose proof another vendor or server has made, which
//! would be refused.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::sealed;
use crate::dialect::openai::{BadRequest, Defaults};
use crate::edit::{Edits, Segments, json_string, span_of};
use crate::hub::Note;
use crate::object;

/// What was read of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The model as the caller names it.
    pub model: String,
    /// What the caller says of streaming, and where.
    stream: Option<(bool, Range<usize>)>,
    model_at: Range<usize>,
    /// The caller's instructions, and where they are.
    instructions: Option<(String, Range<usize>)>,
    /// Where the input is.
    input: Option<Range<usize>>,
    has_max_tokens: bool,
    has_temperature: bool,
    has_top_p: bool,
}

/// What the server is to get.
#[derive(Clone, Copy)]
pub struct Target<'t> {
    /// The upstream's model id as a JSON string.
    pub model: &'t Bytes,
    /// Whether the server is to stream; `None` leaves what the caller says.
    pub stream: Option<bool>,
    /// What the virtual model sets where the caller does not.
    pub defaults: &'t Defaults,
    /// Whether a proof is known to be of another upstream or model.
    pub is_foreign: &'t dyn Fn(&str) -> bool,
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
    #[serde(borrow, default)]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    top_p: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    encrypted_content: Option<&'a RawValue>,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, or a member that is looked at is of the wrong type or
    /// there twice.
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let wrong = |message: String| BadRequest {
            param: None,
            message,
        };
        let read: Body<'_> = object::read(body)
            .map_err(|err| wrong(format!("the request body cannot be read: {err}")))?;
        let model = serde_json::from_str(read.model.get()).map_err(|_| BadRequest {
            param: Some("model".to_owned()),
            message: "'model' must be a string".to_owned(),
        })?;
        let stream = read.stream.map(|raw| {
            let says: bool = serde_json::from_str(raw.get()).map_err(|_| BadRequest {
                param: Some("stream".to_owned()),
                message: "'stream' must be true or false".to_owned(),
            })?;
            Ok((says, span_of(body, raw)))
        });
        let stream = stream.transpose()?;
        let instructions = read.instructions.and_then(|raw| {
            let text = serde_json::from_str(raw.get()).ok()?;
            Some((text, span_of(body, raw)))
        });
        Ok(Self {
            model,
            stream,
            model_at: span_of(body, read.model),
            instructions,
            input: read.input.map(|raw| span_of(body, raw)),
            has_max_tokens: read.max_output_tokens.is_some(),
            has_temperature: read.temperature.is_some(),
            has_top_p: read.top_p.is_some(),
        })
    }

    /// The body for `target`, and what is not in it as the caller sent it.
    #[must_use]
    pub fn edited(&self, body: &Bytes, target: &Target<'_>) -> (Segments, Vec<Note>) {
        let mut edits = Edits::default();
        edits.replace(self.model_at.clone(), target.model.clone());
        match (target.stream, &self.stream) {
            (Some(wanted), Some((says, at))) if wanted != *says => {
                edits.replace(at.clone(), wanted.to_string());
            }
            (Some(true), None) => edits.insert("stream", b"true"),
            (Some(_) | None, _) => {}
        }
        let defaults = target.defaults;
        for (has, name, default) in [
            (
                self.has_max_tokens,
                "max_output_tokens",
                &defaults.max_tokens,
            ),
            (self.has_temperature, "temperature", &defaults.temperature),
            (self.has_top_p, "top_p", &defaults.top_p),
        ] {
            if let (false, Some(value)) = (has, default) {
                edits.insert(name, value);
            }
        }
        if let Some(prompt) = &defaults.system_prompt {
            match &self.instructions {
                Some((own, at)) if !own.is_empty() => {
                    edits.replace(at.clone(), json_string(&format!("{prompt}\n\n{own}")));
                }
                Some((_, at)) => edits.replace(at.clone(), json_string(prompt)),
                None => edits.insert("instructions", &json_string(prompt)),
            }
        }
        let mut notes = Vec::new();
        if let Some(at) = &self.input {
            let (foreign, kept) = without_foreign(&body[at.clone()], target.is_foreign);
            if let Some(kept) = kept {
                edits.replace(at.clone(), kept);
            }
            notes.extend(foreign.into_iter().map(|index| {
                Note::dropped(
                    format!("input[{index}]"),
                    "its proof is another's, and this server does not take it",
                )
            }));
        }
        (edits.apply(body), notes)
    }
}

/// Which items of `input` are reasoning with a proof of another vendor or server, and the
/// list without them; nothing where there is none.
fn without_foreign(
    input: &[u8],
    is_anothers: &dyn Fn(&str) -> bool,
) -> (Vec<usize>, Option<Bytes>) {
    let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(input) else {
        return Default::default();
    };
    let is_foreign = |item: &RawValue| {
        let proof = proof(item);
        proof.is_some_and(|proof| sealed::open(&proof).is_some() || is_anothers(&proof))
    };
    let (mut foreign, mut kept) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        if is_foreign(item) {
            foreign.push(index);
        } else {
            kept.push(item.get());
        }
    }
    let list = (!foreign.is_empty()).then(|| format!("[{}]", kept.join(",")).into());
    (foreign, list)
}

/// The proof of an item.
pub(super) fn proof(item: &RawValue) -> Option<String> {
    let item: Item<'_> = object::read_str(item.get()).ok()?;
    serde_json::from_str(item.encrypted_content?.get()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn edited(body: &str, defaults: &Defaults) -> (String, Vec<Note>) {
        let body = Bytes::from(body.to_owned());
        let target = Target {
            model: &Bytes::from_static(b"\"up\""),
            stream: Some(false),
            defaults,
            is_foreign: &|proof| proof == "theirs",
        };
        let (segments, notes) = Request::read(&body).unwrap().edited(&body, &target);
        (
            String::from_utf8(segments.to_bytes().to_vec()).unwrap(),
            notes,
        )
    }

    #[test]
    fn only_the_model_changes() {
        let body = "{ \"input\" : [ {\"a\": 1.0} ],\n\"model\":\"m\" , \"unknown\":[1 , 2]}";
        let (got, notes) = edited(body, &Defaults::default());
        assert_eq!(got, body.replace("\"m\"", "\"up\""));
        assert_eq!(notes, []);
    }

    #[test]
    fn the_stream_is_as_it_is_wanted() {
        for (body, expected) in [
            (
                r#"{"model":"m","stream": true}"#,
                r#"{"model":"up","stream": false}"#,
            ),
            (
                r#"{"model":"m","stream": false}"#,
                r#"{"model":"up","stream": false}"#,
            ),
            (r#"{"model":"m"}"#, r#"{"model":"up"}"#),
        ] {
            assert_eq!(edited(body, &Defaults::default()).0, expected);
        }
    }

    #[test]
    fn the_virtual_models_settings_come_where_the_caller_has_none() {
        let defaults = Defaults {
            max_tokens: Some("100".into()),
            temperature: Some("0.5".into()),
            top_p: None,
            system_prompt: Some("be kind".to_owned()),
        };
        for (body, expected) in [
            (
                r#"{"model":"m","input":"hi"}"#,
                r#"{"max_output_tokens":100,"temperature":0.5,"instructions":"be kind","model":"up","input":"hi"}"#,
            ),
            (
                r#"{"model":"m","instructions":"be brief","temperature":1,"max_output_tokens":20,"input":"hi"}"#,
                r#"{"model":"up","instructions":"be kind\n\nbe brief","temperature":1,"max_output_tokens":20,"input":"hi"}"#,
            ),
            (
                r#"{"model":"m","instructions":"","temperature":1,"max_output_tokens":20}"#,
                r#"{"model":"up","instructions":"be kind","temperature":1,"max_output_tokens":20}"#,
            ),
        ] {
            assert_eq!(edited(body, &defaults).0, expected, "{body}");
        }
    }

    #[test]
    fn foreign_reasoning_stays_behind() {
        let (got, notes) = edited(
            r#"{"model":"m","input":[{"type":"reasoning","encrypted_content":"gw1..s.proof"}, {"x": 1},{"encrypted_content":"gAAA"} ,{"encrypted_content":"gw1..r.data"},{"encrypted_content":"theirs"},["theirs"]]}"#,
            &Defaults::default(),
        );
        assert_eq!(
            got,
            r#"{"model":"up","input":[{"x": 1},{"encrypted_content":"gAAA"},["theirs"]]}"#
        );
        let fields: Vec<&str> = notes.iter().map(|note| note.field.as_str()).collect();
        assert_eq!(fields, ["input[0]", "input[3]", "input[4]"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (body, param) in [
            ("", None),
            ("[]", None),
            (r#"["m",true]"#, None),
            ("{}", None),
            (r#"{"model":1}"#, Some("model")),
            (r#"{"model":"a","model":"b"}"#, None),
            (r#"{"model":"a","stream":"yes"}"#, Some("stream")),
        ] {
            let bad = Request::read(body.as_bytes()).unwrap_err();
            assert_eq!(bad.param.as_deref(), param, "{body}");
        }
    }
}
