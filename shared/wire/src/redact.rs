//! Taking secrets out of texts: out of whatever is written to a log ([`Redactor`]), and,
//! with addresses, out of an upstream's words before a caller reads them ([`scrub`]).
//!
//! Two things are taken for secrets: what the configuration says is one, and what looks like
//! one ([`shapes`]).

mod redactor;
mod shapes;

pub use redactor::Redactor;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// `text` without any of `secrets`, without anything that looks like a provider
/// key, and without addresses of servers.
#[must_use]
pub fn scrub(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(secret, MASK);
    }
    let text = shapes::hide(&text);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| {
                c.is_whitespace()
                    || matches!(c, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | ',' | ';')
            })
            .unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        out.push_str(scrub_word(word));
        let mut chars = tail.chars();
        if let Some(separator) = chars.next() {
            out.push(separator);
        }
        rest = chars.as_str();
    }
    out
}

/// Beginnings of the keys that vendors hand out.
const KEY_MARKS: [&str; 8] = [
    "sk-", "sk_", "rpa_", "gsk_", "tgp_", "xai-", "hf_", "Bearer-",
];

fn scrub_word(word: &str) -> &str {
    let bare = word.trim_start_matches(['[', '{', '=', ':']);
    let is_key = KEY_MARKS.iter().any(|mark| bare.starts_with(mark)) && bare.len() > 6;
    if is_key {
        MASK
    } else if word.contains("://") {
        "[address]"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses_go_and_the_rest_stays() {
        for (text, expected) in [
            (
                "Incorrect API key provided: sk-proj-abc***wxyz. You can find your API key at https://platform.openai.com/account/api-keys.",
                "Incorrect API key provided: *** You can find your API key at [address]",
            ),
            ("token my-own-secret is wrong", "token *** is wrong"),
            (
                "model 'a/b:7b' not found, try (c)",
                "model 'a/b:7b' not found, try (c)",
            ),
            (
                "POST http://10.0.0.7:8000/v1/chat failed",
                "POST [address] failed",
            ),
            ("Grüße  mit\nUmbruch", "Grüße  mit\nUmbruch"),
            ("a risk-free sk- text", "a risk-free sk- text"),
            ("x-api-key: abc is wrong", "x-api-key: *** is wrong"),
        ] {
            assert_eq!(scrub(text, &["my-own-secret", ""]), expected);
        }
    }
}
