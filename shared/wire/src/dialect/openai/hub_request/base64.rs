//! Base64 (RFC 4648, section 4) as data URLs carry it.

/// Whether `text` is base64 without line breaks.
pub(super) fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    text.len() - bare.len() <= 2 && bare.len() % 4 != 1 && bare.bytes().all(|b| value(b).is_some())
}

/// The bytes that `text` stands for; `None` when it is not base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if !is_base64(text) {
        return None;
    }
    let bare = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(bare.len() / 4 * 3 + 2);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bare.bytes() {
        held = (held << 6) | u32::from(value(byte)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [.., whole] = (held >> bits).to_be_bytes();
            bytes.push(whole);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
