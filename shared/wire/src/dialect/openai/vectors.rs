//! The vectors of embeddings as base64 of 32-bit floats, little end first.
//!
//! The official Node client asks for them without being told to, and decodes what comes
//! without a look: numbers in their place become a vector of nothing.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::base64;
use super::raw::present;
use crate::edit::{Edits, span_of};
use crate::object;

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, deserialize_with = "object::list")]
    data: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    embedding: Option<&'a RawValue>,
}

/// `list`, OpenAI's list of embeddings, with its vectors as base64. Those that are text
/// already stay, and so does what is no list.
#[must_use]
pub fn coded(list: &Bytes) -> Bytes {
    let Ok(List { data }) = object::read::<List<'_>>(list) else {
        return list.clone();
    };
    let mut edits = Edits::default();
    for raw in data.into_iter().filter_map(|item| item.embedding) {
        if let Ok(numbers) = serde_json::from_str::<Vec<f32>>(raw.get()) {
            let mut text = Vec::new();
            put_vector(&numbers, &mut text);
            edits.replace(span_of(list, raw), text);
        }
    }
    edits.apply(list).to_bytes()
}

/// Appends a vector as a JSON string.
pub(crate) fn put_vector(numbers: &[f32], into: &mut Vec<u8>) {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    into.push(b'"');
    base64::encode(&bytes, into);
    into.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_text_and_all_else_stays() {
        for (list, expected) in [
            (
                r#"{ "data" : [ {"embedding": [1, -0.5],"index":0},{"index":1,"embedding":[]} ],"model":"m","x":[1.0]}"#,
                r#"{ "data" : [ {"embedding": "AACAPwAAAL8=","index":0},{"index":1,"embedding":""} ],"model":"m","x":[1.0]}"#,
            ),
            (r#"{"data":[{"embedding":"AACAPw=="}]}"#, ""),
            (
                r#"{"data":[{"embedding":["a"]},{"embedding":null},{}]}"#,
                "",
            ),
            (r#"{"data":5}"#, ""),
            (r#"{"error":"no such model"}"#, ""),
            ("<html>", ""),
        ] {
            let expected = if expected.is_empty() { list } else { expected };
            assert_eq!(coded(&list.into()), expected.as_bytes());
        }
    }
}
