//! What is asked of the answer: its length, form and effort.

use serde_json::value::RawValue;

use crate::dialect::openai::{BadRequest, EFFORTS, Fields, LeftOut, Place, effort_of, text};
use crate::hub::{Chat, Effort, ResponseFormat, Sampling};

/// The name of a schema that has none; OpenAI requires one.
const UNNAMED: &str = "response";

pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    chat.max_tokens = fields.whole("max_output_tokens")?;
    chat.sampling = Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        ..Sampling::default()
    };
    chat.stream = fields.flag("stream")?.unwrap_or(false);
    if let Some(raw) = fields.take("text")? {
        chat.response_format = form(raw, left_out)?;
    }
    if let Some(raw) = fields.take("reasoning")? {
        chat.effort = effort(raw, left_out)?;
    }
    let (user, id) = (fields.text("user")?, fields.text("safety_identifier")?);
    if user.is_some() && id.is_some() {
        left_out.add(&Place::Body, "safety_identifier");
    }
    chat.user = user.or(id);
    chat.service_tier = fields.text("service_tier")?;
    include(fields, left_out)?;
    if fields
        .text("truncation")?
        .is_some_and(|word| word != "disabled")
    {
        left_out.add(&Place::Body, "truncation");
    }
    if fields.whole("top_logprobs")?.is_some_and(|most| most > 0) {
        left_out.add(&Place::Body, "top_logprobs");
    }
    fields.flag("store")?;
    // What the gateway itself answers for, and what clients say of themselves.
    for name in [
        "stream_options",
        "metadata",
        "client_metadata",
        "background",
    ] {
        fields.take(name)?;
    }
    Ok(())
}

/// `text`: the form of the answer.
fn form(raw: &RawValue, left_out: &mut LeftOut) -> Result<ResponseFormat, BadRequest> {
    let place = Place::Member(&Place::Body, "text");
    let mut fields = Fields::read(raw, &place)?;
    let format = match fields.take("format")? {
        Some(raw) => format(raw, &Place::Member(&place, "format"), left_out)?,
        None => ResponseFormat::Text,
    };
    fields.leave(left_out);
    Ok(format)
}

fn format(
    raw: &RawValue,
    place: &Place<'_>,
    left_out: &mut LeftOut,
) -> Result<ResponseFormat, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let format = match fields.needed_text("type")?.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::JsonObject,
        "json_schema" => ResponseFormat::JsonSchema {
            name: fields.text("name")?.unwrap_or_else(|| UNNAMED.to_owned()),
            schema: fields.object("schema")?.unwrap_or_else(|| "{}".to_owned()),
            strict: fields.flag("strict")?,
        },
        _ => {
            return Err(fields.wrong("type", "must be 'text', 'json_object' or 'json_schema'"));
        }
    };
    fields.leave(left_out);
    Ok(format)
}

/// `reasoning`. Whether the caller sees any of it is the virtual model's to say, so a
/// wish for a summary is granted or not by that.
fn effort(raw: &RawValue, left_out: &mut LeftOut) -> Result<Option<Effort>, BadRequest> {
    let place = Place::Member(&Place::Body, "reasoning");
    let mut fields = Fields::read(raw, &place)?;
    let effort = match fields.text("effort")? {
        Some(word) => Some(effort_of(&word).ok_or_else(|| fields.wrong("effort", EFFORTS))?),
        None => None,
    };
    for name in ["summary", "generate_summary"] {
        fields.text(name)?;
    }
    fields.leave(left_out);
    Ok(effort)
}

/// `include`: the reasoning's proof is in every answer that has one; the rest is left
/// out.
fn include(fields: &mut Fields<'_, '_>, left_out: &mut LeftOut) -> Result<(), BadRequest> {
    let place = Place::Member(&Place::Body, "include");
    let list = fields.list("include")?.unwrap_or_default();
    for (index, raw) in list.into_iter().enumerate() {
        let word = text(raw, &Place::Element(&place, index))?;
        if word != "reasoning.encrypted_content" {
            left_out.add(&place, &word);
        }
    }
    Ok(())
}
