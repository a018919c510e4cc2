//! `images`: base64 without a media type, which other dialects want to know.

use crate::dialect::openai::base64;
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
    let url = text.strip_prefix("data:");
    let data = url.and_then(|url| url.split_once(";base64,"));
    let data = data.map_or(text, |(_, data)| data);
    let data: String = data.split_ascii_whitespace().collect();
    if data.is_empty() || !base64::is_base64(data.as_bytes()) {
        return Err(place.refuse("must be a picture in base64"));
    }
    // Sixteen digits of base64 are twelve bytes.
    let start = &data.as_bytes()[..data.len().min(16)];
    let start = base64::decode(start).unwrap_or_default();
    let Some(media_type) = kind(&start) else {
        return Err(place.refuse("must be a picture: PNG, JPEG, GIF or WebP"));
    };
    Ok(Source::Data {
        media_type: media_type.to_owned(),
        data,
    })
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
