//! What looks like a secret, wherever it stands: values of headers and fields whose names
//! say so, keys as vendors hand them out, tokens behind their scheme, what stands before the
//! `@` of an address or behind a telling name in its query.
//!
//! A word of prose behind such a name (`api_key: must be text`) is none. What goes is
//! replaced; quotes and escapes round it stay, so that JSON stays JSON.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::MASK;

/// Between a name and its value, in whatever text: headers as they go over the wire, JSON,
/// JSON within a string, and how Rust shows maps and pairs.
const BETWEEN: &str =
    r#"(?:(?:\\*["'])?\s*[:=]\s*(?:b?\\*["'])?|\\*["']\s*,\s*(?:value:\s*)?b?\\*["'])"#;

/// One shape: what stands before the secret, the secret, and what must follow it, as groups
/// `keep`, `hide` and `after`.
struct Shape {
    regex: Regex,
    /// Whether the secret may turn out to be a word of prose.
    prose: bool,
}

impl Shape {
    fn hide<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let replaced = self.regex.replace_all(&text, |found: &Captures<'_>| {
            let part = |name| found.name(name).map_or("", |part| part.as_str());
            let (keep, hide) = (part("keep"), part("hide"));
            let is_prose = self.prose && is_word(keep, hide);
            let left = is_prose || hide.starts_with(MASK);
            let shown = if left { hide } else { MASK };
            format!("{keep}{shown}{}", part("after"))
        });
        match replaced {
            Cow::Borrowed(_) => text,
            Cow::Owned(changed) => Cow::Owned(changed),
        }
    }
}

/// Whether `hide` is a word behind a name, and no value in quotes.
fn is_word(keep: &str, hide: &str) -> bool {
    let is_plain = !keep.ends_with(['"', '\'']);
    is_plain && hide.len() < 20 && hide.bytes().all(|byte| byte.is_ascii_lowercase())
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let cookies = format!(r#"(?i)(?P<keep>\b(?:set-)?cookie{BETWEEN})(?P<hide>[^"\r\n\\]+)"#);
    let headers = format!(
        r#"(?i)(?P<keep>\b(?:(?:proxy-)?authorization|(?:[a-z0-9]+-)+(?:key|token|secret|password|signature)){BETWEEN}(?:(?:bearer|basic|digest|token)\s+)?)(?P<hide>[^\s"'\\,;)}}\]]+)"#
    );
    let fields = format!(
        r#"(?P<keep>(?i:[a-z0-9_]*api_?key|\b(?:client_)?secret(?:_key)?|\b(?:[a-z]+_)?password|\b(?:(?:access|refresh|auth|id|session|bearer|security)_)?token){BETWEEN})(?P<hide>[^\s"'\\,;&)}}\]]+)"#
    );
    let shapes: [(&str, bool); 7] = [
        (&cookies, false),
        (&headers, false),
        (&fields, true),
        (
            r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?P<hide>[a-z0-9._~+/=*-]{6,})",
            true,
        ),
        (
            r"(?P<hide>\b(?:(?:sk|spk|gsk|rpa|tgp|xai)[-_][A-Za-z0-9_.*-]{6,}|(?:hf|rk|pk|ghp|gho|nvapi|glpat|r8|pplx)[-_][A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|AKIA[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+))",
            false,
        ),
        (
            r#"(?i)(?P<keep>\b[a-z][a-z0-9+.-]*://)(?P<hide>[^\s/@"'<>\\]+)(?P<after>@)"#,
            false,
        ),
        (
            r#"(?i)(?P<keep>[?&](?:api[-_]?key|key|(?:access[-_]?)?token|sig|signature|secret|password|auth|code)=)(?P<hide>[^&\s"'#<>\\]+)"#,
            false,
        ),
    ];
    let compiled = shapes.into_iter().filter_map(|(regex, prose)| {
        let regex = Regex::new(regex).ok()?;
        Some(Shape { regex, prose })
    });
    compiled.collect()
});

/// How many shapes there are to be.
#[cfg(test)]
const COUNT: usize = 7;

/// `text` without anything that looks like a secret.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let begun = Cow::Borrowed(text);
    SHAPES.iter().fold(begun, |text, shape| shape.hide(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_compiles() {
        assert_eq!(SHAPES.len(), COUNT);
    }

    #[test]
    fn secrets_go_and_what_is_none_stays() {
        for (text, expected) in [
            // Headers on the wire, in maps and in pairs.
            ("x-api-key: abc\r\nhost: b", "x-api-key: ***\r\nhost: b"),
            (
                r#"b"POST / HTTP/1.1\r\nx-api-key: abc\r\nhost: b""#,
                r#"b"POST / HTTP/1.1\r\nx-api-key: ***\r\nhost: b""#,
            ),
            (
                "authorization: Bearer abc, x: y",
                "authorization: Bearer ***, x: y",
            ),
            (
                r#"{"authorization": "Bearer abc", "x": "y"}"#,
                r#"{"authorization": "Bearer ***", "x": "y"}"#,
            ),
            (
                r#""{\"x-goog-api-key\": \"abc\"}""#,
                r#""{\"x-goog-api-key\": \"***\"}""#,
            ),
            (
                r#"("proxy-authorization", "Basic abc")"#,
                r#"("proxy-authorization", "Basic ***")"#,
            ),
            (
                r#"Field { name: "api-key", value: "abc" }"#,
                r#"Field { name: "api-key", value: "***" }"#,
            ),
            ("Cookie: a=b; c=d\r\nx: y", "Cookie: ***\r\nx: y"),
            (
                r#""set-cookie": "sid=abc; HttpOnly""#,
                r#""set-cookie": "***""#,
            ),
            // Fields.
            (
                r#"{"api_key":"abc","model":"m"}"#,
                r#"{"api_key":"***","model":"m"}"#,
            ),
            ("AI_QUEUE_API_KEY=abc1", "AI_QUEUE_API_KEY=***"),
            ("password=hunter2&x=y", "password=***&x=y"),
            (r#""client_secret": "abc""#, r#""client_secret": "***""#),
            // Words behind a name.
            ("api_key: must be text", "api_key: must be text"),
            (r#""api_key":null"#, r#""api_key":null"#),
            (
                "SECRET_KEY: has a value that must be hexadecimal",
                "SECRET_KEY: has a value that must be hexadecimal",
            ),
            ("use Bearer authentication", "use Bearer authentication"),
            (
                "max_tokens=5 first_token: 7 prompt_tokens: 3",
                "max_tokens=5 first_token: 7 prompt_tokens: 3",
            ),
            (r#"key="a label" keys=12"#, r#"key="a label" keys=12"#),
            // Schemes and keys.
            ("sent Bearer abcd1234", "sent Bearer ***"),
            ("it is spk_abcdef0123 indeed", "it is *** indeed"),
            (
                "a risk-free text, a task-list",
                "a risk-free text, a task-list",
            ),
            ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl!", "***!"),
            // Addresses.
            (
                "http://me:pass@host/v1?key=abc&x=1",
                "http://***@host/v1?key=***&x=1",
            ),
            ("me@example.com wrote", "me@example.com wrote"),
            // Twice is once.
            ("x-api-key: ***5678", "x-api-key: ***5678"),
        ] {
            assert_eq!(hide(text), expected);
            assert_eq!(hide(expected), expected);
        }
    }

    #[test]
    fn json_stays_json() {
        let line = r#"{"message":"sent \"authorization\": \"Bearer abc\"","url":"http://a:b@c/?key=d","cookie":"e=f"}"#;
        let hidden = hide(line);
        let read: serde_json::Value = serde_json::from_str(&hidden).unwrap_or_default();
        assert_eq!(read["url"], "http://***@c/?key=***", "{hidden}");
        assert_eq!(read["message"], r#"sent "authorization": "Bearer ***""#);
        assert_eq!(read["cookie"], "***");
    }
}
