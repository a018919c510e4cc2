//! JSON written by hand into a buffer: one pass over each text, no tree of values.

use bytes::{BufMut, BytesMut};

use crate::usage::Usage;

/// `text` as a JSON string with its quotes.
pub(crate) fn put_string(text: &str, out: &mut BytesMut) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x00..=0x1f => b'u',
            _ => continue,
        };
        out.put_slice(&bytes[plain..at]);
        plain = at + 1;
        out.put_slice(&[b'\\', short]);
        if short == b'u' {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let digit = |four: u8| DIGITS[usize::from(four & 0xf)];
            out.put_slice(&[b'0', b'0', digit(byte >> 4), digit(*byte)]);
        }
    }
    out.put_slice(&bytes[plain..]);
    out.put_u8(b'"');
}

/// `number` in decimal digits.
pub(crate) fn put_number(number: u64, out: &mut BytesMut) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// OpenAI's usage object. `cache_write_tokens` is its newest member; clients that do
/// not know it skip it. The rarer parts are there when there is something in them.
pub(in super::super) fn put_usage(usage: &Usage, out: &mut BytesMut) {
    let always = |name: &'static [u8], count: u64| (name, Some(count));
    let rarely = |name: &'static [u8], count: u64| (name, Some(count).filter(|n| *n > 0));
    for (name, count) in [
        always(b"{\"prompt_tokens\":", usage.prompt_tokens),
        always(b",\"completion_tokens\":", usage.completion_tokens),
        always(b",\"total_tokens\":", usage.total_tokens),
        always(
            b",\"prompt_tokens_details\":{\"cached_tokens\":",
            usage.cached_tokens,
        ),
        always(b",\"cache_write_tokens\":", usage.cache_write_tokens),
        rarely(b",\"audio_tokens\":", usage.audio_prompt_tokens),
        rarely(b",\"image_tokens\":", usage.image_prompt_tokens),
        always(
            b"},\"completion_tokens_details\":{\"reasoning_tokens\":",
            usage.reasoning_tokens,
        ),
        rarely(b",\"cached_tokens\":", usage.cached_completion_tokens),
        rarely(b",\"audio_tokens\":", usage.audio_completion_tokens),
        rarely(b",\"image_tokens\":", usage.image_completion_tokens),
    ] {
        if let Some(count) = count {
            out.put_slice(name);
            put_number(count, out);
        }
    }
    out.put_slice(b"}}");
}

/// The beginning of every chunk and reply, up to the value of `choices`.
pub(in super::super) fn put_head(
    id: &str,
    object: &str,
    created: i64,
    model: &[u8],
    out: &mut BytesMut,
) {
    out.put_slice(b"{\"id\":");
    put_string(id, out);
    out.put_slice(b",\"object\":");
    put_string(object, out);
    out.put_slice(b",\"created\":");
    put_number(u64::try_from(created).unwrap_or(0), out);
    out.put_slice(b",\"model\":");
    out.put_slice(model);
    out.put_slice(b",\"choices\":");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn every_text_reads_back_and_stays_on_one_line() {
        let all: String = (0u32..0x300).filter_map(char::from_u32).collect();
        for text in ["", "plain", "a\"b\\c\n", "ä€😀\u{2028}", "\u{7f}", &all] {
            let mut out = BytesMut::new();
            put_string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            assert!(!out.iter().any(|byte| *byte < 0x20), "{text:?}");
        }
    }

    #[test]
    fn every_number_reads_back() {
        for number in [0, 7, 10, 99, 1_759_436_803, u64::MAX] {
            let mut out = BytesMut::new();
            put_number(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
