//! Headers an operator adds to every upstream request: names and values that may be sent,
//! and their form in the store, a JSON object of strings.
//!
//! Headers that belong to one connection or to the framing of the body are refused: they
//! would contradict what the gateway itself sends.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer as _};

/// Headers in the order they were typed.
pub type CustomHeaders = Vec<(String, String)>;

/// Most headers one row may carry.
const MAX_COUNT: usize = 64;
/// Longest name, in bytes.
const MAX_NAME: usize = 256;
/// Longest value, in bytes.
const MAX_VALUE: usize = 8 * 1024;

/// Names that belong to the connection or to the body's framing; `proxy-*` comes on top.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parts of header names that mark a secret, in lower case.
const SECRET_NAMES: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// Whether the value of a header of this name is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Reads the stored form: empty, or a JSON object of strings.
///
/// # Errors
/// What is wrong, one reason for each bad header; the value of a header is never repeated.
pub(crate) fn parse(text: &str) -> Result<CustomHeaders, Vec<String>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let headers = entries(text).ok_or_else(|| {
        vec![
            "must be a JSON object whose values are strings, such as {\"x-team\": \"a\"}"
                .to_owned(),
        ]
    })?;
    let faults = faults(&headers);
    if faults.is_empty() {
        Ok(headers)
    } else {
        Err(faults)
    }
}

/// The entries of a JSON object of strings, whether or not they may be sent.
pub(crate) fn entries(text: &str) -> Option<CustomHeaders> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let headers = reader.deserialize_map(InOrder).ok()?;
    reader.end().ok().map(|()| headers)
}

/// The stored form; `None` when there are no headers.
pub(crate) fn to_json(headers: &[(String, String)]) -> Option<String> {
    if headers.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut out);
    let mut map = (&mut writer).serialize_map(Some(headers.len())).ok()?;
    for (name, value) in headers {
        map.serialize_entry(name, value).ok()?;
    }
    map.end().ok()?;
    String::from_utf8(out).ok()
}

fn faults(headers: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    if headers.len() > MAX_COUNT {
        faults.push(format!("at most {MAX_COUNT} headers are allowed"));
    }
    for (position, (name, value)) in headers.iter().enumerate() {
        if let Some(why) = name_fault(name) {
            faults.push(why);
            continue;
        }
        if headers[..position]
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            faults.push(format!("header {name:?} is given twice"));
        }
        if value.len() > MAX_VALUE {
            faults.push(format!(
                "the value of header {name:?} is longer than {MAX_VALUE} bytes"
            ));
        } else if !value
            .bytes()
            .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
        {
            faults.push(format!(
                "the value of header {name:?} may hold only printable ASCII, spaces and tabs"
            ));
        }
    }
    faults
}

fn name_fault(name: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() {
        return Some("a header's name is empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return Some(format!("a header's name is longer than {MAX_NAME} bytes"));
    }
    if !name.bytes().all(token) {
        return Some(format!(
            "header name {name:?} may hold only letters, digits and !#$%&'*+-.^_`|~"
        ));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") {
        return Some(format!(
            "header {name:?} belongs to the connection and is set by the gateway itself"
        ));
    }
    None
}

/// Collects a JSON object of strings without sorting it or dropping a repeated name.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = CustomHeaders;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CustomHeaders, A::Error> {
        let mut headers = Vec::new();
        while let Some(entry) = map.next_entry()? {
            headers.push(entry);
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::{parse, to_json};

    #[test]
    fn keeps_the_order_and_comes_back_the_same() {
        let text = r#"{"x-b":"1","Authorization":"Bearer k","x-a":"two words"}"#;
        let headers = parse(text).unwrap();
        assert_eq!(headers[0].0, "x-b");
        assert_eq!(to_json(&headers).unwrap(), text);
        assert_eq!(parse("  ").unwrap(), Vec::new());
        assert_eq!(to_json(&[]), None);
    }

    #[test]
    fn refuses_what_may_not_be_sent() {
        for (text, reason) in [
            ("[]", "must be a JSON object"),
            (r#"{"x":1}"#, "must be a JSON object"),
            (r#"{"x":"1"} {}"#, "must be a JSON object"),
            (r#"{"":"1"}"#, "name is empty"),
            (r#"{"x y":"1"}"#, "may hold only letters"),
            (r#"{"X-A":"1","x-a":"2"}"#, "given twice"),
            ("{\"x\":\"a\\nb\"}", "printable ASCII"),
            (r#"{"x":"é"}"#, "printable ASCII"),
        ] {
            let faults = parse(text).unwrap_err();
            assert!(faults[0].contains(reason), "{text}: {faults:?}");
        }
    }

    #[test]
    fn refuses_headers_of_the_connection_in_any_case() {
        for name in [
            "Connection",
            "keep-alive",
            "Proxy-Authorization",
            "proxy-anything",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "Host",
            "Content-Length",
        ] {
            let faults = parse(&format!("{{\"{name}\":\"1\"}}")).unwrap_err();
            assert!(
                faults[0].contains("belongs to the connection"),
                "{name}: {faults:?}"
            );
        }
    }

    #[test]
    fn names_every_bad_header_and_no_value() {
        let faults = parse(r#"{"host":"hidden-a","x y":"hidden-b","ok":"fine"}"#).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(!faults.join(" ").contains("hidden"));
    }
}
