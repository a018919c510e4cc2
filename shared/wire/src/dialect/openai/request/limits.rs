//! Members that are set, and how long the answer may be.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::raw::present;
use super::{Request, Sent, Target};
use crate::edit::{Edits, key_span, span_of};
use crate::object;

impl Request {
    /// Puts the limit where the upstream looks for it, no longer than it has room for.
    pub(super) fn edit_limits(&self, edits: &mut Edits, body: &Bytes, target: &Target<'_>) {
        let most = target.most.map(|most| Bytes::from(most.to_string()));
        for sent in [&self.max_completion, &self.max_tokens] {
            if let (Sent::Value(at), Some(most)) = (sent, &most) {
                edits.replace(at.clone(), most.clone());
            }
        }
        let cut = |at: &Range<usize>| most.clone().unwrap_or_else(|| body.slice(at.clone()));
        let default = target.defaults.max_tokens.as_ref();
        let default = default.map(|default| most.as_ref().unwrap_or(default));
        match (&self.max_completion, &self.max_tokens) {
            (Sent::Value(at), Sent::Nothing) if target.only_max_tokens => {
                match key_span(body, "max_completion_tokens", at) {
                    Some(key) => edits.replace(key, "\"max_tokens\""),
                    None => edits.insert("max_tokens", &cut(at)),
                }
            }
            (Sent::Value(at), Sent::Null(null)) if target.only_max_tokens => {
                edits.replace(null.clone(), cut(at));
            }
            (Sent::Value(_), _) => {}
            (sent, Sent::Nothing | Sent::Null(_)) if self.refuses_sampling(target) => {
                fill(edits, "max_completion_tokens", sent, default);
            }
            (Sent::Nothing | Sent::Null(_), sent) => fill(edits, "max_tokens", sent, default),
        }
    }
}

/// Sets the default where the caller set nothing.
pub(super) fn fill(edits: &mut Edits, key: &str, sent: &Sent, default: Option<&Bytes>) {
    match (sent, default) {
        (Sent::Nothing, Some(text)) => edits.insert(key, text),
        (Sent::Null(at), Some(text)) => edits.replace(at.clone(), text.clone()),
        (Sent::Value(_), _) | (_, None) => {}
    }
}

/// Replaces the member's value, or adds the member.
pub(super) fn put(edits: &mut Edits, key: &str, at: Option<&Range<usize>>, text: &Bytes) {
    match at {
        Some(at) => edits.replace(at.clone(), text.clone()),
        None => edits.insert(key, text),
    }
}

/// The caller's `stream_options` with `include_usage` set and the rest kept.
pub(super) fn asking_for_usage(options: &[u8]) -> Bytes {
    #[derive(Deserialize)]
    struct Usage<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        include_usage: Option<&'a RawValue>,
    }
    let mut edits = Edits::default();
    match object::read::<Usage<'_>>(options) {
        Ok(Usage {
            include_usage: Some(raw),
        }) => edits.replace(span_of(options, raw), "true"),
        Ok(_) => edits.insert("include_usage", b"true"),
        Err(_) => return Bytes::from_static(br#"{"include_usage":true}"#),
    }
    edits.apply(&Bytes::copy_from_slice(options)).to_bytes()
}
