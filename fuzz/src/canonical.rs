//! The one form of a JSON body: spellings share it, values do not.

use serde_json::Value;
use wire::canonical::canonical;

use crate::draw::Draw;

/// Reads `data` as a body, spells it otherwise, and changes one byte of it.
pub fn check(data: &[u8]) {
    let Some(text) = canonical(data, &[]) else {
        return;
    };
    let mut draw = Draw::of(data);
    let spelled = spelled(data, &mut draw);
    // Half a character (a surrogate alone) has no other spelling: it is kept as it came.
    if value(data).is_some() {
        assert_eq!(
            canonical(&spelled, &[]).as_deref(),
            Some(text.as_slice()),
            "{}",
            String::from_utf8_lossy(&spelled)
        );
    }
    let mut other = data.to_vec();
    let at = draw.below(other.len());
    other[at] = other[at].wrapping_add(1);
    if canonical(&other, &[]).as_deref() == Some(text.as_slice()) {
        let (one, two) = (value(data), value(&other));
        assert_eq!(one, two, "{}", String::from_utf8_lossy(&other));
    }
}

fn value(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

/// The same body with blanks between its tokens, and letters of its strings escaped.
fn spelled(body: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() * 2);
    let (mut inside, mut escaped) = (false, 0);
    for &byte in body {
        if escaped > 0 {
            // The digits of an escape stay.
            escaped -= 1;
            if byte == b'u' && escaped == 0 && out.last() == Some(&b'\\') {
                escaped = 4;
            }
            out.push(byte);
            continue;
        }
        if inside && byte.is_ascii_alphanumeric() && draw.once_in(3) {
            out.extend_from_slice(format!("\\u{byte:04X}").as_bytes());
            continue;
        }
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => escaped = 1,
            _ => {}
        }
        out.push(byte);
        if !inside && matches!(byte, b'{' | b'[' | b',' | b':') && draw.once_in(2) {
            out.extend_from_slice(b"\n\t ");
        }
    }
    out
}
