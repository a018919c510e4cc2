//! What is asked of the answer: its length and form, how much to think, and how tokens
//! are chosen.

use serde_json::value::RawValue;

use super::cache_mark;
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, text};
use crate::hub::{Chat, Effort, ResponseFormat};

pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    // No answer at all, only the prompt into the cache: the shortest one that others give.
    chat.max_tokens = fields.whole("max_tokens")?.map(|most| most.max(1));
    chat.stream = fields.flag("stream")?.unwrap_or(false);
    chat.sampling.temperature = fields.number("temperature")?;
    chat.sampling.top_p = fields.number("top_p")?;
    chat.sampling.top_k = fields.number("top_k")?;
    chat.stop = stop(fields)?;
    chat.cache = cache_mark(fields)?;
    chat.service_tier = fields
        .text("service_tier")?
        .map(|tier| match tier.as_str() {
            "standard_only" => "default".to_owned(),
            _ => tier,
        });
    if let Some(raw) = fields.take("metadata")? {
        let place = Place::Member(&Place::Body, "metadata");
        let mut inner = Fields::read(raw, &place)?;
        chat.user = inner.text("user_id")?;
        inner.leave(left_out);
    }
    let said = output(fields, chat, left_out)?;
    chat.effort = match fields.take("thinking")? {
        Some(raw) => thinking(raw, said)?,
        None => said,
    };
    // As it was called before it went into `output_config`.
    if let Some(raw) = fields.take("output_format")? {
        let place = Place::Member(&Place::Body, "output_format");
        format(raw, &place, chat, left_out)?;
    }
    Ok(())
}

fn stop(fields: &mut Fields<'_, '_>) -> Result<Vec<String>, BadRequest> {
    let place = Place::Member(&Place::Body, "stop_sequences");
    let list = fields.list("stop_sequences")?.unwrap_or_default();
    let each = list.into_iter().enumerate();
    let texts = each.map(|(index, raw)| text(raw, &Place::Element(&place, index)));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

/// Reads `output_config`; gives the effort that it names.
fn output(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<Option<Effort>, BadRequest> {
    let Some(raw) = fields.take("output_config")? else {
        return Ok(None);
    };
    let place = Place::Member(&Place::Body, "output_config");
    let mut inner = Fields::read(raw, &place)?;
    let effort = inner.text("effort")?.and_then(|word| match word.as_str() {
        "low" => Some(Effort::Low),
        "medium" => Some(Effort::Medium),
        "high" => Some(Effort::High),
        "xhigh" => Some(Effort::XHigh),
        "max" => Some(Effort::Max),
        _ => {
            left_out.add(&place, "effort");
            None
        }
    });
    if let Some(raw) = inner.take("format")? {
        format(raw, &Place::Member(&place, "format"), chat, left_out)?;
    }
    inner.leave(left_out);
    Ok(effort)
}

fn format(
    raw: &RawValue,
    place: &Place<'_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    match fields.needed_text("type")?.as_str() {
        "json_schema" => {
            chat.response_format = ResponseFormat::JsonSchema {
                name: "response".to_owned(),
                schema: fields.object("schema")?.unwrap_or_else(|| "{}".to_owned()),
                strict: Some(true),
            };
        }
        "text" => {}
        _ => left_out.add(place, "type"),
    }
    fields.leave(left_out);
    Ok(())
}

/// Budgets in tokens up to which a model thinks little, or as usual.
const LITTLE: u64 = 4_096;
const USUAL: u64 = 16_384;

/// How much to think; `said` is the effort that the request names apart.
fn thinking(raw: &RawValue, said: Option<Effort>) -> Result<Option<Effort>, BadRequest> {
    let place = Place::Member(&Place::Body, "thinking");
    let mut fields = Fields::read(raw, &place)?;
    // How much of it the caller is shown is for its own side to say.
    Ok(match fields.needed_text("type")?.as_str() {
        "disabled" => Some(Effort::None),
        "enabled" => said.or(match fields.whole("budget_tokens")? {
            None => Some(Effort::Medium),
            Some(budget) if budget < LITTLE => Some(Effort::Low),
            Some(budget) if budget < USUAL => Some(Effort::Medium),
            Some(_) => Some(Effort::High),
        }),
        _ => said.or(Some(Effort::Medium)),
    })
}
