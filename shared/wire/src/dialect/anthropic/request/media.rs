//! Pictures and documents. A wrong media type is refused by the vendor, so the first
//! bytes decide what a picture is, not the caller.

use std::borrow::Cow;

use super::body::{Block, Mark, Source as Written};
use crate::hub::{Refusal, Source};

/// # Errors
/// When the picture is of a kind that the vendor does not take.
pub(super) fn image<'a>(
    source: &'a Source,
    cache_control: Option<Mark>,
    at: &str,
) -> Result<Block<'a>, Refusal> {
    let source = match source {
        Source::Url(url) => Written::Url { url },
        Source::Text(text) => return Ok(plain_text(text, cache_control)),
        Source::Data { media_type, data } => {
            let data = unbroken(data);
            let Some(media_type) = sniffed(&data).or_else(|| declared(media_type)) else {
                return Err(Refusal {
                    param: at.to_owned(),
                    message: format!(
                        "'{at}' is not a picture that this model's provider takes: send JPEG, PNG, GIF or WebP."
                    ),
                });
            };
            Written::Base64 { media_type, data }
        }
    };
    Ok(Block::Image {
        source,
        cache_control,
    })
}

/// A document; `None` when it has no text at all.
///
/// # Errors
/// When it is neither PDF nor text.
pub(super) fn document<'a>(
    source: &'a Source,
    title: Option<&'a str>,
    cache_control: Option<Mark>,
    at: &str,
) -> Result<Option<Block<'a>>, Refusal> {
    let source = match source {
        Source::Url(url) => Written::Url { url },
        Source::Text(text) => text_source(Cow::Borrowed(text)),
        Source::Data { media_type, data } => {
            let data = unbroken(data);
            let start = decoded(data.as_bytes().get(..8).unwrap_or_default());
            let kind = media_type.to_ascii_lowercase();
            let is_text = kind.starts_with("text/") || kind.starts_with("application/json");
            if start.starts_with(b"%PDF") || kind == "application/pdf" {
                Written::Base64 {
                    media_type: "application/pdf",
                    data,
                }
            } else if is_text {
                let text = String::from_utf8_lossy(&decoded(data.as_bytes())).into_owned();
                text_source(Cow::Owned(text))
            } else {
                return Err(Refusal {
                    param: at.to_owned(),
                    message: format!(
                        "'{at}' is not a document that this model's provider takes: send PDF or plain text."
                    ),
                });
            }
        }
    };
    if let Written::Text { data, .. } = &source
        && data.trim().is_empty()
    {
        return Ok(None);
    }
    Ok(Some(Block::Document {
        source,
        title: title.filter(|title| !title.trim().is_empty()),
        cache_control,
    }))
}

fn plain_text(text: &str, cache_control: Option<Mark>) -> Block<'_> {
    Block::Document {
        source: text_source(Cow::Borrowed(text)),
        title: None,
        cache_control,
    }
}

fn text_source(data: Cow<'_, str>) -> Written<'_> {
    Written::Text {
        media_type: "text/plain",
        data,
    }
}

/// Base64 without the line breaks that some encoders put in.
fn unbroken(data: &str) -> Cow<'_, str> {
    if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
        Cow::Owned(data.split_ascii_whitespace().collect())
    } else {
        Cow::Borrowed(data)
    }
}

/// What the first bytes say.
fn sniffed(data: &str) -> Option<&'static str> {
    let start = decoded(data.as_bytes().get(..16).unwrap_or(data.as_bytes()));
    if start.starts_with(b"\x89PNG") {
        Some("image/png")
    } else if start.starts_with(b"\xFF\xD8\xFF") {
        Some("image/jpeg")
    } else if start.starts_with(b"GIF8") {
        Some("image/gif")
    } else if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

fn declared(media_type: &str) -> Option<&'static str> {
    match media_type.to_ascii_lowercase().as_str() {
        "image/png" => Some("image/png"),
        "image/jpeg" | "image/jpg" => Some("image/jpeg"),
        "image/gif" => Some("image/gif"),
        "image/webp" => Some("image/webp"),
        _ => None,
    }
}

/// Base64 in either alphabet; other characters are skipped.
fn decoded(base64: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(base64.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in base64 {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xFF) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        assert_eq!(decoded(b"aMOkIQ=="), "hä!".as_bytes());
        assert_eq!(decoded(b""), b"");
    }

    #[test]
    fn first_bytes_tell_the_picture() {
        for (data, kind) in [
            ("iVBORw0KGgo=", Some("image/png")),
            ("/9j/4AAQ", Some("image/jpeg")),
            ("R0lGODlh", Some("image/gif")),
            ("UklGRiQAAABXRUJQVlA4", Some("image/webp")),
            ("Qk0=", None),
            ("", None),
        ] {
            assert_eq!(sniffed(data), kind, "{data}");
        }
    }
}
