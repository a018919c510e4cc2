//! Tokens that nobody has counted, from bytes.
//!
//! Good to a factor of about two, and always marked as an estimate where it is shown. What
//! a request carries as base64, a picture or a sound, is no text: it counts as one medium,
//! however long.

use memchr::{memchr, memchr2};

/// What a picture, a document or a sound in a request counts as: about what vendors charge
/// for a picture of a megapixel.
pub const TOKENS_PER_MEDIUM: u64 = 1_000;

/// Base64 that is shorter stays text: the difference is small, and so may the string be.
const SHORTEST: usize = 2 * 1024;

/// How much of a string tells whether it is base64. Words have spaces before that.
const LOOKED_AT: usize = 512;

/// Tokens in `bytes` bytes of text when nobody counted them: four bytes a token,
/// rounded up. Good to a factor of about two; always marked as an estimate.
#[must_use]
pub fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Tokens in the JSON body of a request when nobody counted them: those of its bytes, its
/// media apart. Never less than what the text alone comes to.
#[must_use]
pub fn estimate_prompt(body: &[u8]) -> u64 {
    let (mut media, mut bytes) = (0, 0);
    if body.len() >= SHORTEST {
        let mut at = 0;
        while let Some(string) = next_string(body, at) {
            at = string.end + 1;
            let inside = &body[string];
            if inside.len() >= SHORTEST && is_base64(inside) {
                media += 1;
                bytes += inside.len() as u64;
            }
        }
    }
    let text = (body.len() as u64).saturating_sub(bytes);
    estimate_tokens(text).saturating_add(media * TOKENS_PER_MEDIUM)
}

/// The inside of the next string from `at` on.
fn next_string(body: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let start = at + memchr(b'"', body.get(at..)?)? + 1;
    let mut end = start;
    loop {
        end += memchr2(b'"', b'\\', body.get(end..)?)?;
        if body[end] == b'"' {
            return Some(start..end);
        }
        end += 2;
    }
}

/// Whether a long string is base64, bare or as a `data:` address, judged by how it begins.
fn is_base64(string: &[u8]) -> bool {
    let head = &string[..string.len().min(LOOKED_AT)];
    let data = match memchr::memmem::find(head, b";base64,") {
        Some(mark) if head.starts_with(b"data:") => &head[mark + b";base64,".len()..],
        Some(_) | None => head,
    };
    let mut data = data.iter();
    // JSON may escape the slash and the line break.
    data.all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_\\".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::{TOKENS_PER_MEDIUM, estimate_prompt, estimate_tokens};

    #[test]
    fn media_count_once_each_and_text_by_its_bytes() {
        let data = "iVBORw0KGgo/AAAA+".repeat(4000);
        let words = "many words of a long prompt, \\\"quoted\\\" ".repeat(4000);
        let line = "x".repeat(1000);
        for (content, media, text) in [
            (format!(r#""{words}""#), 0, words.len()),
            (format!(r#""{data}""#), 1, 0),
            (format!(r#""data:image/png;base64,{data}""#), 1, 0),
            (format!(r#""{}""#, data.replace('/', "\\/")), 1, 0),
            (format!(r#"["{data}","{words}","{data}"]"#), 2, words.len()),
            (format!(r#""{line}""#), 0, line.len()),
        ] {
            let body =
                format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
            let frame = 60;
            let got = estimate_prompt(body.as_bytes());
            let least = media * TOKENS_PER_MEDIUM + estimate_tokens(text as u64);
            let head = &content[..content.len().min(40)];
            assert!(
                got >= least && got <= least + frame,
                "{head}: {got} {least}"
            );
        }
    }

    #[test]
    fn no_bytes_are_too_broken() {
        for body in ["", "\"", "{\"a\":\"", "\"\\"] {
            let body = format!("{}{body}", " ".repeat(3000));
            assert_eq!(
                estimate_prompt(body.as_bytes()),
                body.len().div_ceil(4) as u64
            );
        }
    }
}
