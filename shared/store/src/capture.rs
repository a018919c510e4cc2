//! What a call said and was answered, kept for a while where a virtual model asks for it.
//!
//! Of each body at most [`Capture::MOST`] bytes are kept, for [`Capture::SECONDS`], and what
//! looks like a secret is taken out before anything is written.

use crate::secret::MASK;

/// The bodies of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// The request's `x-request-id`.
    pub request_id: String,
    /// When the request was accepted, unix seconds.
    pub started_at: i64,
    /// What the caller sent, as far as it is kept.
    pub request: Vec<u8>,
    /// How long that was.
    pub request_bytes: u64,
    /// What the caller was sent, as far as it is kept.
    pub answer: Vec<u8>,
    /// How long that was.
    pub answer_bytes: u64,
}

/// The same, read back: as text, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureRow {
    /// What the caller sent.
    pub request: String,
    /// How many bytes that were.
    pub request_bytes: i64,
    /// What the caller was sent.
    pub answer: String,
    /// How many bytes that were.
    pub answer_bytes: i64,
    /// When it is deleted, unix seconds.
    pub expires_at: i64,
}

impl Capture {
    /// Most bytes that are kept of a body.
    pub const MOST: usize = 64 * 1024;

    /// How long bodies are kept, in seconds: a day.
    pub const SECONDS: i64 = 86_400;

    /// The capture of a call whose caller sent `request`.
    #[must_use]
    pub fn begun(request_id: String, started_at: i64, request: &[u8]) -> Self {
        Self {
            request_id,
            started_at,
            request: request.get(..Self::MOST).unwrap_or(request).to_vec(),
            request_bytes: request.len() as u64,
            ..Self::default()
        }
    }

    /// The caller is sent more.
    pub fn answered(&mut self, more: &[u8]) {
        let left = Self::MOST.saturating_sub(self.answer.len());
        self.answer
            .extend_from_slice(more.get(..left).unwrap_or(more));
        self.answer_bytes += more.len() as u64;
    }

    /// How much memory it takes.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.request.len() + self.answer.len()) as u64
    }
}

/// Beginnings of words that are keys.
const KEYS: [&str; 9] = [
    "spk_",
    "sk-",
    "sk_",
    "pk-",
    "rk-",
    "ghp_",
    "github_pat_",
    "xoxb-",
    "AKIA",
];

/// Names of JSON fields whose texts are secrets, in small letters.
const FIELDS: [&str; 11] = [
    "api_key",
    "apikey",
    "api-key",
    "x-api-key",
    "authorization",
    "access_token",
    "refresh_token",
    "client_secret",
    "password",
    "secret",
    "cookie",
];

/// Shortest rest of a word that makes it a key.
const SHORTEST: usize = 12;

/// A body as text, with a mask in place of what looks like a secret: words that begin as
/// keys do, what follows `Bearer`, and texts of JSON fields whose names say so.
pub(crate) fn redacted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    let mut is_token = false;
    while !rest.is_empty() {
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let masks = is_token && word.len() >= 4 || is_key(word);
        out.push_str(if masks { MASK } else { word });
        is_token = word.eq_ignore_ascii_case("bearer") || (word.is_empty() && is_token);
        let mut chars = behind.chars();
        let Some(mark) = chars.next() else { break };
        out.push(mark);
        // A space alone keeps the word before it in mind.
        is_token &= mark == ' ';
        rest = chars.as_str();
        if mark == '"' && FIELDS.iter().any(|name| word.eq_ignore_ascii_case(name)) {
            rest = mask_value(rest, &mut out);
        }
    }
    out
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '~')
}

fn is_key(word: &str) -> bool {
    KEYS.iter().any(|begins| {
        word.strip_prefix(begins)
            .is_some_and(|rest| rest.len() >= SHORTEST)
    })
}

/// Behind the name of a field with a secret: its text is masked, if it has one. What follows
/// is given back.
fn mask_value<'t>(rest: &'t str, out: &mut String) -> &'t str {
    let Some(behind) = rest.trim_start().strip_prefix(':') else {
        return rest;
    };
    let Some(value) = behind.trim_start().strip_prefix('"') else {
        return rest;
    };
    let mut is_escaped = false;
    let end = value.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    let end = end.unwrap_or(value.len());
    out.push_str(":\"");
    out.push_str(MASK);
    value.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Capture, redacted};

    #[test]
    fn what_looks_like_a_secret_is_masked_and_nothing_else() {
        for (body, kept) in [
            (
                r#"{"model":"m","text":"hello"}"#,
                r#"{"model":"m","text":"hello"}"#,
            ),
            (
                r#"{"text":"my key is sk-abcdefghijklmnop, really"}"#,
                r#"{"text":"my key is ***, really"}"#,
            ),
            ("spk_0123456789abcdef", "***"),
            ("sk-short", "sk-short"),
            (
                "Authorization: Bearer abc.def-123",
                "Authorization: Bearer ***",
            ),
            (
                r#"{"api_key": "a\"b", "n": 1}"#,
                r#"{"api_key":"***", "n": 1}"#,
            ),
            (r#"{"api_key":"cut of"#, r#"{"api_key":"***"#),
            (r#"{"api_key":5}"#, r#"{"api_key":5}"#),
            (
                r#"{"token":"a","max_tokens":5}"#,
                r#"{"token":"a","max_tokens":5}"#,
            ),
            ("the bearer of news", "the bearer of news"),
            ("äöü \u{1F600}", "äöü \u{1F600}"),
            ("", ""),
        ] {
            assert_eq!(redacted(body.as_bytes()), kept);
        }
        assert_eq!(redacted(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn bodies_are_kept_up_to_a_limit_and_counted_to_their_end() {
        let long = vec![b'x'; Capture::MOST + 10];
        let mut capture = Capture::begun("r".to_owned(), 1, &long);
        assert_eq!(capture.request.len(), Capture::MOST);
        assert_eq!(capture.request_bytes, long.len() as u64);
        for _ in 0..3 {
            capture.answered(&long[..Capture::MOST / 2 + 1]);
        }
        assert_eq!(capture.answer.len(), Capture::MOST);
        assert_eq!(capture.answer_bytes, 3 * (Capture::MOST as u64 / 2 + 1));
    }
}
