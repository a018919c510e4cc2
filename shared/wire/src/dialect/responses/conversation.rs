//! Conversations that a caller goes on with by the id of an answer.
//!
//! An answer that is kept is a [`Turn`]: the response, and all items of the conversation
//! up to its end, as raw JSON. Turns of one conversation share the items that they have
//! in common. Deliberately not here: where turns are kept, for how long, and whose they
//! are.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::openai::BadRequest;
use crate::edit::{Edits, json_string, member_span, span_of};
use crate::object;

/// One answer with the conversation that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The response's id.
    pub id: String,
    /// The response.
    pub response: Bytes,
    /// Items, each piece one or several with commas between.
    pieces: Vec<Bytes>,
    /// How many of the pieces led to the answer; the rest is the answer's own.
    asked: usize,
    /// The ids of the answer's own items, and the items.
    output: Vec<(String, Bytes)>,
}

/// A request with the conversation in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The body; the caller's own where nothing was to be put in its place.
    pub body: Bytes,
    /// Its items, in pieces.
    pieces: Vec<Bytes>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    previous_response_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    id: String,
    #[serde(borrow)]
    output: Vec<&'a RawValue>,
}

/// What is kept of earlier answers.
#[derive(Clone, Copy)]
pub struct Earlier<'e> {
    /// What ends with the response of this id.
    pub turn: &'e dyn Fn(&str) -> Option<Arc<Turn>>,
    /// The item of an answer that has this id.
    pub item: &'e dyn Fn(&str) -> Option<Bytes>,
}

impl Earlier<'_> {
    /// Nothing.
    pub const NONE: Self = Self {
        turn: &|_| None,
        item: &|_| None,
    };
}

impl fmt::Debug for Earlier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Earlier")
    }
}

/// Puts the conversation that `body` refers to in its place.
///
/// # Errors
/// When the body is no object with an `input`, or refers to what is not kept.
pub fn expand(body: &Bytes, earlier: &Earlier<'_>) -> Result<Expanded, BadRequest> {
    let read: Body<'_> = object::read(body).map_err(|err| BadRequest {
        param: None,
        message: format!("the request body cannot be read: {err}"),
    })?;
    let previous = text(read.previous_response_id, "previous_response_id")?;
    let Some(input) = read.input else {
        // The readers say what is missing.
        return Ok(Expanded {
            body: body.clone(),
            pieces: Vec::new(),
        });
    };
    let (own, has_references) = own_items(input, earlier.item)?;
    let mut pieces = Vec::new();
    if let Some(id) = &previous {
        let turn = (earlier.turn)(id).ok_or_else(|| not_found(id))?;
        pieces.extend(turn.pieces.iter().cloned());
    }
    pieces.extend(Some(own).filter(|own| !own.is_empty()));
    if previous.is_none() && !has_references {
        let body = body.clone();
        return Ok(Expanded { body, pieces });
    }
    let mut edits = Edits::default();
    edits.replace(span_of(body, input), list(&pieces));
    if let Some(raw) = read.previous_response_id {
        let at = span_of(body, raw);
        match member_span(body, "previous_response_id", &at) {
            Some(member) => edits.replace(member, Bytes::new()),
            None => edits.replace(at, "null"),
        }
    }
    let body = edits.apply(body).to_bytes();
    Ok(Expanded { body, pieces })
}

impl Expanded {
    /// The turn that `response` ends; `None` when it is no response.
    #[must_use]
    pub fn answered(&self, response: Bytes) -> Option<Turn> {
        let read: Response<'_> = object::read(&response).ok()?;
        let items: Vec<&str> = read.output.iter().map(|raw| raw.get()).collect();
        let mut pieces = self.pieces.clone();
        let asked = pieces.len();
        if !items.is_empty() {
            pieces.push(items.join(",").into());
        }
        let ids = read.output.iter().filter_map(|raw| {
            let read: Reference<'_> = object::read_str(raw.get()).ok()?;
            let id = serde_json::from_str(read.id?.get()).ok()?;
            Some((id, Bytes::copy_from_slice(raw.get().as_bytes())))
        });
        let output = ids.collect();
        Some(Turn {
            id: read.id,
            pieces,
            asked,
            output,
            response,
        })
    }
}

impl Turn {
    /// The answer's own items by their ids.
    #[must_use]
    pub fn output(&self) -> &[(String, Bytes)] {
        &self.output
    }

    /// The items that led to the answer, each with an id: its own, or one made of its place.
    #[must_use]
    pub fn input(&self) -> Vec<(String, Bytes)> {
        let asked = list(self.pieces.get(..self.asked).unwrap_or_default());
        let items: Vec<&RawValue> = serde_json::from_slice(&asked).unwrap_or_default();
        let own = self.id.strip_prefix("resp_").unwrap_or(&self.id);
        let each = items.into_iter().enumerate().map(|(index, raw)| {
            let item = Bytes::copy_from_slice(raw.get().as_bytes());
            let read = object::read_str::<Reference<'_>>(raw.get());
            let id = read.ok().and_then(|read| read.id);
            if let Some(id) = id.and_then(|id| serde_json::from_str(id.get()).ok()) {
                return (id, item);
            }
            let id = format!("msg_{own}_{index}");
            let mut edits = Edits::default();
            edits.insert("id", &json_string(&id));
            (id, edits.apply(&item).to_bytes())
        });
        each.collect()
    }

    /// Bytes that keeping it takes, at most: what it shares with others counts too.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(Bytes::len).sum();
        let output: usize = self
            .output
            .iter()
            .map(|(id, item)| id.len() + item.len())
            .sum();
        self.response.len() + pieces + output
    }
}

/// The request's own items with commas between, references replaced, and whether there
/// were any.
fn own_items(
    input: &RawValue,
    item: &dyn Fn(&str) -> Option<Bytes>,
) -> Result<(Bytes, bool), BadRequest> {
    if input.get().starts_with('"') {
        let message = format!(
            r#"{{"type":"message","role":"user","content":{}}}"#,
            input.get()
        );
        return Ok((message.into(), false));
    }
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(input.get()) else {
        return Ok((Bytes::new(), false));
    };
    let mut own = BytesMut::with_capacity(input.get().len());
    let mut has_references = false;
    for (index, raw) in items.into_iter().enumerate() {
        if index > 0 {
            own.put_u8(b',');
        }
        let Some(id) = referred(raw) else {
            own.put_slice(raw.get().as_bytes());
            continue;
        };
        has_references = true;
        let found = item(&id).ok_or_else(|| BadRequest {
            param: Some(format!("input[{index}].id")),
            message: format!(
                "'input[{index}].id' refers to an item that is not kept here ({id}): send the \
                 item itself"
            ),
        })?;
        own.put_slice(&found);
    }
    Ok((own.freeze(), has_references))
}

/// The id that an item refers to.
fn referred(raw: &RawValue) -> Option<String> {
    let read: Reference<'_> = object::read_str(raw.get()).ok()?;
    let kind: String = serde_json::from_str(read.kind?.get()).ok()?;
    let id = serde_json::from_str(read.id?.get()).ok()?;
    Some(id).filter(|_| kind == "item_reference")
}

fn list(pieces: &[Bytes]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(b'[');
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            out.put_u8(b',');
        }
        out.put_slice(piece);
    }
    out.put_u8(b']');
    out.freeze()
}

fn text(raw: Option<&RawValue>, name: &str) -> Result<Option<String>, BadRequest> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let text = serde_json::from_str(raw.get()).map_err(|_| BadRequest {
        param: Some(name.to_owned()),
        message: format!("'{name}' must be a string"),
    })?;
    Ok(Some(text))
}

/// What a caller is told whose earlier answer is not kept.
fn not_found(id: &str) -> BadRequest {
    let shown = json_string(id.get(..64).unwrap_or(id));
    BadRequest {
        param: Some("previous_response_id".to_owned()),
        message: format!(
            "'previous_response_id' names an answer that is not kept here: {}. It may be too old, \
             of another key, or made with \"store\": false. Send the whole conversation as \
             'input'",
            String::from_utf8_lossy(&shown)
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn alone(body: &str) -> Expanded {
        expand(&Bytes::from(body.to_owned()), &Earlier::NONE).unwrap()
    }

    /// Where every response is this turn.
    fn after(body: &Bytes, turn: &Arc<Turn>) -> Expanded {
        let earlier = Earlier {
            turn: &|id| (id == turn.id).then(|| Arc::clone(turn)),
            item: &|id| {
                let found = turn.output().iter().find(|(known, _)| known == id);
                found.map(|(_, item)| item.clone())
            },
        };
        expand(body, &earlier).unwrap()
    }

    const FIRST: &str = r#"{"model":"m","input":"hi"}"#;
    const ANSWER: &str = r#"{"id":"resp_1","output":[{"id":"rs_1","type":"reasoning"},{"id":"msg_1", "type":"message"}]}"#;

    fn first() -> Arc<Turn> {
        Arc::new(
            alone(FIRST)
                .answered(Bytes::from_static(ANSWER.as_bytes()))
                .unwrap(),
        )
    }

    #[test]
    fn a_first_request_stays_as_it_is() {
        for body in [FIRST, r#"{"input": [ {"a":1} ]}"#, r#"{"model":"m"}"#] {
            assert_eq!(alone(body).body, body.as_bytes());
        }
    }

    #[test]
    fn a_follow_up_has_the_whole_conversation() {
        let turn = first();
        let body = Bytes::from_static(
            br#"{"model":"m", "previous_response_id":"resp_1","input":[{"role":"user","content":"more"}]}"#,
        );
        let second = after(&body, &turn);
        let items = r#"{"type":"message","role":"user","content":"hi"},{"id":"rs_1","type":"reasoning"},{"id":"msg_1", "type":"message"},{"role":"user","content":"more"}"#;
        let expected = format!(r#"{{"model":"m","input":[{items}]}}"#);
        assert_eq!(second.body, expected.as_bytes());

        let turn = second.answered(Bytes::from_static(
            br#"{"id":"resp_2","output":[{"id":"x"}]}"#,
        ));
        let turn = Arc::new(turn.unwrap());
        let body = Bytes::from_static(br#"{"input":"third","previous_response_id":"resp_2"}"#);
        let third = after(&body, &turn);
        let expected = format!(
            r#"{{"input":[{items},{{"id":"x"}},{{"type":"message","role":"user","content":"third"}}]}}"#
        );
        assert_eq!(third.body, expected.as_bytes());
    }

    #[test]
    fn references_are_replaced_by_their_items() {
        let turn = first();
        let body = Bytes::from_static(
            br#"{"input":[{"type":"item_reference","id":"msg_1"},{"role":"user","content":"x"}]}"#,
        );
        let got = after(&body, &turn);
        assert_eq!(
            got.body,
            &br#"{"input":[{"id":"msg_1", "type":"message"},{"role":"user","content":"x"}]}"#[..]
        );
        let bad = expand(&body, &Earlier::NONE).unwrap_err();
        assert_eq!(bad.param.as_deref(), Some("input[0].id"));
    }

    #[test]
    fn a_list_is_no_object() {
        let list = Bytes::from_static(br#"[[{"role":"user"}],"resp_1"]"#);
        assert!(expand(&list, &Earlier::NONE).is_err());
        let first = alone(FIRST);
        assert!(
            first
                .answered(Bytes::from_static(br#"["resp_1",[]]"#))
                .is_none()
        );
        let body = r#"{"input":[["item_reference","msg_1"]]}"#;
        assert_eq!(alone(body).body, body.as_bytes());
    }

    #[test]
    fn an_answer_that_is_not_kept_is_refused() {
        let body = Bytes::from_static(br#"{"input":"x","previous_response_id":"resp_9"}"#);
        let bad = expand(&body, &Earlier::NONE).unwrap_err();
        assert_eq!(bad.param.as_deref(), Some("previous_response_id"));
        assert!(bad.message.contains("resp_9"));
    }

    #[test]
    fn what_led_to_an_answer_has_ids_and_nothing_of_the_answer() {
        let ids = |turn: &Turn| -> Vec<String> {
            let items = turn.input().into_iter().map(|(id, item)| {
                let read: serde_json::Value = serde_json::from_slice(&item).unwrap();
                assert_eq!(read["id"], id.as_str());
                id
            });
            items.collect()
        };
        let turn = first();
        assert_eq!(ids(&turn), ["msg_1_0"]);
        let body = Bytes::from_static(
            br#"{"previous_response_id":"resp_1","input":[{"id":"own","role":"user"},{"role":"user"}]}"#,
        );
        let second = after(&body, &turn);
        let answer = Bytes::from_static(br#"{"id":"resp_2","output":[{"id":"x"}]}"#);
        let turn = second.answered(answer).unwrap();
        assert_eq!(ids(&turn), ["msg_2_0", "rs_1", "msg_1", "own", "msg_2_4"]);
        let empty = alone(r#"{"input":[]}"#);
        let turn = empty.answered(Bytes::from_static(ANSWER.as_bytes()));
        assert_eq!(ids(&turn.unwrap()), [""; 0]);
    }

    #[test]
    fn what_is_kept_is_counted() {
        let turn = first();
        assert!(turn.bytes() > ANSWER.len() + 40);
    }
}
