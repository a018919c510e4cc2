//! Members of JSON found by their names, without reading the whole.
//!
//! What goes through a peer is encoded anew, with spaces or without and in any order of
//! its members. The simulated upstream and the load generator must not care, and must not
//! spend on it what is measured here.

use memchr::memmem;

/// What follows the first member of this name, from its value's first byte on; `None` when
/// there is no such member. Depth is not looked at.
pub(crate) fn member<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let quoted = format!("\"{name}\"");
    memmem::find_iter(json, quoted.as_bytes()).find_map(|at| {
        let rest = json[at + quoted.len()..].trim_ascii_start();
        rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
    })
}

/// The text that a member's value begins with, as it is written; `None` when the value is
/// something else or its end is not there.
pub(crate) fn text<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = member(json, name)?.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', value)?;
    Some(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::{member, text};

    #[test]
    fn a_member_is_found_however_it_is_spaced() {
        for json in [
            r#"{"a":1,"stream":true,"b":2}"#,
            r#"{"a":1, "stream" : true}"#,
            "{\n  \"stream\":\n  true\n}",
        ] {
            let found = member(json.as_bytes(), "stream");
            assert!(
                found.is_some_and(|value| value.starts_with(b"true")),
                "{json}"
            );
        }
        assert_eq!(member(b"{\"streams\":true}", "stream"), None);
        assert_eq!(member(b"{\"stream\"", "stream"), None);
    }

    #[test]
    fn what_only_looks_like_a_name_is_passed_over() {
        let json = br#"{"kind":"stream","note":"\"stream\":false","stream":true}"#;
        assert_eq!(member(json, "stream"), Some(&b"true}"[..]));
    }

    #[test]
    fn only_text_is_text() {
        assert_eq!(text(br#"{"content": "a b"}"#, "content"), Some(&b"a b"[..]));
        assert_eq!(text(br#"{"content":""}"#, "content"), Some(&b""[..]));
        assert_eq!(text(br#"{"content":null,"x":"y"}"#, "content"), None);
        assert_eq!(text(br#"{"content":"cut"#, "content"), None);
    }
}
