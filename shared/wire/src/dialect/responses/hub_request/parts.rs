//! The content of a message or of a tool's result: a text, or a list of parts.

use serde_json::value::RawValue;

use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, file, located, text};
use crate::hub::{Part, Source};

/// What may be in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Text, and refusals, which are text that a model wrote.
    Text,
    /// Pictures and documents too.
    All,
}

/// The parts of what is at `place`. An empty text is no part: nobody can tell it from
/// none, and most vendors refuse one.
pub(super) fn read(
    content: &RawValue,
    place: &Place<'_>,
    allowed: Allowed,
    left_out: &mut LeftOut,
) -> Result<Vec<Part>, BadRequest> {
    if content.get().starts_with('"') {
        let text = text(content, place)?;
        return Ok(Some(text)
            .filter(|text| !text.is_empty())
            .map(Part::text)
            .into_iter()
            .collect());
    }
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(content.get()) else {
        return Err(place.refuse("must be a string or a list of parts"));
    };
    let mut parts = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let part = one(raw, &Place::Element(place, index), allowed, left_out)?;
        if !matches!(&part, Part::Text { text, .. } if text.is_empty()) {
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
    let part = match (kind.as_str(), allowed) {
        ("input_text" | "output_text" | "text" | "summary_text" | "reasoning_text", _) => {
            Part::text(fields.needed_text("text")?)
        }
        ("refusal", _) => Part::text(fields.needed_text("refusal")?),
        ("input_image", Allowed::All) => image(&mut fields, place, left_out)?,
        ("input_file", Allowed::All) => document(&mut fields, place)?,
        ("input_audio", _) => {
            return Err(place.refuse("is sound, which this model's server cannot take: send text"));
        }
        ("input_image" | "input_file", Allowed::Text) => {
            return Err(fields.wrong("type", "must be a text in a message of this role"));
        }
        _ => {
            return Err(fields.wrong(
                "type",
                "must be 'input_text', 'input_image', 'input_file', 'output_text' or 'refusal'",
            ));
        }
    };
    // What a client sends back with a text of the model; it says nothing to it.
    for name in ["annotations", "logprobs"] {
        fields.take(name)?;
    }
    fields.leave(left_out);
    Ok(part)
}

fn image(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    left_out: &mut LeftOut,
) -> Result<Part, BadRequest> {
    refuse_stored(fields, "send the picture itself as 'image_url'")?;
    let url = fields.needed_text("image_url")?;
    let detail = fields.text("detail")?;
    if detail.is_some_and(|detail| detail != "auto") {
        left_out.add(place, "detail");
    }
    Ok(Part::Image {
        source: located(url, &Place::Member(place, "image_url"))?,
        cache: None,
    })
}

fn document(fields: &mut Fields<'_, '_>, place: &Place<'_>) -> Result<Part, BadRequest> {
    refuse_stored(fields, "send the file itself as 'file_data'")?;
    let (source, title) = match fields.text("file_url")? {
        None => file(fields, place)?,
        Some(url) => match located(url, &Place::Member(place, "file_url"))? {
            Source::Url(url) => (Source::Url(url), fields.text("filename")?),
            Source::Data { .. } | Source::Text(_) => {
                return Err(fields.wrong(
                    "file_url",
                    "must be an http or https URL; a data: URL goes into 'file_data'",
                ));
            }
        },
    };
    Ok(Part::Document {
        source,
        title,
        cache: None,
    })
}

fn refuse_stored(fields: &mut Fields<'_, '_>, instead: &str) -> Result<(), BadRequest> {
    match fields.take("file_id")? {
        None => Ok(()),
        Some(_) => Err(fields.wrong(
            "file_id",
            &format!("names a file that only its server can read: {instead}"),
        )),
    }
}
