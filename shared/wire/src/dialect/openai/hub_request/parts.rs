//! The content of a message: a text, or a list of parts.

use serde_json::value::RawValue;

use super::super::request::BadRequest;
use super::base64::{decode, is_base64};
use super::fields::{Fields, LeftOut, Place, text};
use crate::hub::{CacheMark, Part, Source};

/// What a message's content may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Text, and refusals, which are text that a model wrote.
    Text,
    /// Text and pictures, as some servers take them in tool results.
    TextAndImages,
    /// Text, pictures and documents.
    All,
}

/// The parts of `content`. An empty text is no part: nobody can tell it from none,
/// and most vendors refuse one.
pub(super) fn read(
    content: &RawValue,
    place: &Place<'_>,
    allowed: Allowed,
    left_out: &mut LeftOut,
) -> Result<Vec<Part>, BadRequest> {
    if content.get().starts_with('"') {
        let text = text(content, place)?;
        return Ok(if text.is_empty() {
            Vec::new()
        } else {
            vec![Part::text(text)]
        });
    }
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(content.get()) else {
        return Err(place.refuse("must be a string or a list of parts"));
    };
    let mut parts = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let part = one(raw, &Place::Element(place, index), allowed, left_out)?;
        let is_empty = matches!(&part, Part::Text { text, cache: None } if text.is_empty());
        if !is_empty {
            parts.push(part);
        }
    }
    Ok(parts)
}

fn one(
    raw: &RawValue,
    place: &Place<'_>,
    allowed: Allowed,
    left_out: &mut LeftOut,
) -> Result<Part, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let kind = fields.needed_text("type")?;
    let cache = cache_mark(&mut fields, place)?;
    let part = match (kind.as_str(), allowed) {
        ("text" | "input_text" | "output_text", _) => Part::Text {
            text: fields.needed_text("text")?,
            cache,
        },
        ("refusal", _) => Part::Text {
            text: fields.needed_text("refusal")?,
            cache,
        },
        ("image_url", Allowed::TextAndImages | Allowed::All) => Part::Image {
            source: image(fields.needed("image_url")?, place, left_out)?,
            cache,
        },
        ("file", Allowed::All) => document(fields.needed("file")?, place, cache, left_out)?,
        ("input_audio", _) => {
            return Err(place.refuse("is sound, which this model's server cannot take: send text"));
        }
        (_, Allowed::Text) => {
            return Err(fields.wrong("type", "must be 'text' in a message of this role"));
        }
        (_, Allowed::TextAndImages) => {
            return Err(fields.wrong("type", "must be 'text' or 'image_url' in a tool's result"));
        }
        (_, Allowed::All) => {
            return Err(fields.wrong("type", "must be 'text', 'image_url' or 'file'"));
        }
    };
    fields.leave(left_out);
    Ok(part)
}

/// The `cache_control` of an object.
pub(super) fn cache_mark(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
) -> Result<Option<CacheMark>, BadRequest> {
    let Some(raw) = fields.take("cache_control")? else {
        return Ok(None);
    };
    let ttl = Fields::read(raw, &Place::Member(place, "cache_control"))?.text("ttl")?;
    Ok(Some(CacheMark { ttl }))
}

fn image(raw: &RawValue, part: &Place<'_>, left_out: &mut LeftOut) -> Result<Source, BadRequest> {
    let place = Place::Member(part, "image_url");
    if raw.get().starts_with('"') {
        // Not OpenAI's form, but one that several clients write.
        return located(text(raw, &place)?, &place);
    }
    let mut fields = Fields::read(raw, &place)?;
    let source = located(fields.needed_text("url")?, &Place::Member(&place, "url"))?;
    if fields
        .text("detail")?
        .is_some_and(|detail| detail != "auto")
    {
        left_out.add(&place, "detail");
    }
    fields.leave(left_out);
    Ok(source)
}

/// What an address in the body means: a picture in it, or one on the web.
pub(crate) fn located(url: String, place: &Place<'_>) -> Result<Source, BadRequest> {
    if scheme(&url, "data:").is_some() {
        let (media_type, data) = data_url(&url, place)?;
        return Ok(Source::Data { media_type, data });
    }
    if scheme(&url, "https://").is_some() || scheme(&url, "http://").is_some() {
        return Ok(Source::Url(url));
    }
    Err(place.refuse("must be a data: URL with base64, or an http or https URL"))
}

fn document(
    raw: &RawValue,
    part: &Place<'_>,
    cache: Option<CacheMark>,
    left_out: &mut LeftOut,
) -> Result<Part, BadRequest> {
    let place = Place::Member(part, "file");
    let mut fields = Fields::read(raw, &place)?;
    let (source, title) = file(&mut fields, &place)?;
    fields.leave(left_out);
    Ok(Part::Document {
        source,
        title,
        cache,
    })
}

/// A document and its name, from the members `file_data` and `filename` of what is at
/// `place`.
pub(crate) fn file(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
) -> Result<(Source, Option<String>), BadRequest> {
    if fields.take("file_id")?.is_some() {
        return Err(fields.wrong(
            "file_id",
            "names a file that only its server can read: send the file itself as 'file_data'",
        ));
    }
    let title = fields.text("filename")?;
    let url = fields.needed_text("file_data")?;
    let at = Place::Member(place, "file_data");
    let (media_type, data) = data_url(&url, &at)?;
    let source = if media_type.starts_with("text/") {
        let bytes = decode(&data).unwrap_or_default();
        Source::Text(
            String::from_utf8(bytes).map_err(|_| at.refuse("holds text that is not UTF-8"))?,
        )
    } else if media_type == "application/pdf" {
        Source::Data { media_type, data }
    } else {
        return Err(at.refuse("must be a PDF or plain text"));
    };
    Ok((source, title))
}

/// The media type and the base64 of a data URL (RFC 2397).
fn data_url(url: &str, place: &Place<'_>) -> Result<(String, String), BadRequest> {
    let wrong =
        "must be a data: URL with a media type and base64, such as 'data:image/png;base64,…'";
    let Some((head, data)) = scheme(url, "data:").and_then(|rest| rest.split_once(',')) else {
        return Err(place.refuse(wrong));
    };
    let mut head = head.split(';').map(str::trim);
    let media_type = head.next().unwrap_or_default().to_ascii_lowercase();
    if !media_type.contains('/') || !head.any(|word| word.eq_ignore_ascii_case("base64")) {
        return Err(place.refuse(wrong));
    }
    let data: String = data.split_ascii_whitespace().collect();
    if data.is_empty() || !is_base64(&data) {
        return Err(place.refuse("holds no valid base64 after its comma"));
    }
    Ok((media_type, data))
}

/// What follows `scheme` in `url`; its case does not matter.
fn scheme<'u>(url: &'u str, scheme: &str) -> Option<&'u str> {
    let (head, rest) = url.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}
