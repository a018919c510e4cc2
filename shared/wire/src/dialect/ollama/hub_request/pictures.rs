//! `images`: base64 without a media type, which other dialects want to know.

use crate::dialect::ollama::base64;
use crate::dialect::openai::{BadRequest, Fields, Place, text};
use crate::hub::{Part, Source};

/// The pictures of the object at `place`. `null` and an empty list are none.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
) -> Result<Vec<Part>, BadRequest> {
    let all = Place::Member(place, "images");
    let list = fields.list("images")?.unwrap_or_default();
    let each = list.into_iter().enumerate().map(|(index, raw)| {
        let place = Place::Element(&all, index);
        let source = picture(&text(raw, &place)?, &place)?;
        Ok(Part::Image {
            source,
            cache: None,
        })
    });
    each.collect()
}

fn picture(text: &str, place: &Place<'_>) -> Result<Source, BadRequest> {
    // Not Ollama's form, but one that clients of other dialects are used to.
    let (media_type, data) = match text.strip_prefix("data:") {
        Some(url) => {
            let wrong =
                || place.refuse("must be base64, with or without 'data:…;base64,' before it");
            let (head, data) = url.split_once(";base64,").ok_or_else(wrong)?;
            let kind = head.split(';').next().unwrap_or_default();
            (Some(kind.trim().to_ascii_lowercase()), data)
        }
        None => (None, text),
    };
    let data: String = data.split_ascii_whitespace().collect();
    if data.is_empty() || !base64::is_base64(data.as_bytes()) {
        return Err(place.refuse("must be a picture in base64"));
    }
    // Sixteen digits of base64 are twelve bytes.
    let start = data.as_bytes().get(..16).and_then(base64::decode);
    let known = start.as_deref().and_then(kind);
    let media_type = known.map(str::to_owned).or(media_type);
    let Some(media_type) = media_type.filter(|kind| kind.starts_with("image/")) else {
        return Err(place.refuse("must be a picture: PNG, JPEG, GIF or WebP"));
    };
    Ok(Source::Data { media_type, data })
}

/// The media type of a picture by its first bytes.
fn kind(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some("image/webp"),
        _ => None,
    }
}
