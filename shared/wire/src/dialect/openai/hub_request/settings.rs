//! What is asked of the answer: its length, form and number, and how tokens are chosen.

use serde_json::value::RawValue;

use super::super::request::BadRequest;
use super::fields::{Fields, LeftOut, Place, text};
use super::parts::cache_mark;
use crate::hub::{Chat, Effort, ResponseFormat, Sampling};

pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    // Both are looked at: a wrong type is refused even where the other one counts.
    let (newer, older) = (
        fields.whole("max_completion_tokens")?,
        fields.whole("max_tokens")?,
    );
    chat.max_tokens = newer.or(older);
    chat.sampling = sampling(fields)?;
    chat.stop = stop(fields)?;
    chat.stream = fields.flag("stream")?.unwrap_or(false);
    chat.n = number_of_answers(fields)?;
    chat.logprobs = logprobs(fields)?;
    if let Some(raw) = fields.take("response_format")? {
        chat.response_format = response_format(raw, left_out)?;
    }
    chat.effort = effort(fields, left_out)?;
    let (user, id) = (fields.text("user")?, fields.text("safety_identifier")?);
    if user.is_some() && id.is_some() {
        left_out.add(&Place::Body, "safety_identifier");
    }
    chat.user = user.or(id);
    chat.service_tier = fields.text("service_tier")?;
    chat.cache = cache_mark(fields, &Place::Body)?;
    if fields.take("web_search_options")?.is_some() {
        let wrong = "asks for a web search, which this model's server cannot make: leave it out";
        return Err(fields.wrong("web_search_options", wrong));
    }
    no_sound(fields)
}

/// The settings of how tokens are chosen.
pub(in super::super) fn sampling(fields: &mut Fields<'_, '_>) -> Result<Sampling, BadRequest> {
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.number("top_k")?,
        min_p: fields.number("min_p")?,
        seed: fields.number("seed")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        repetition_penalty: fields.number("repetition_penalty")?,
    })
}

/// `stop`: a text, or a list of texts. An empty text ends nothing.
pub(in super::super) fn stop(fields: &mut Fields<'_, '_>) -> Result<Vec<String>, BadRequest> {
    let Some(raw) = fields.take("stop")? else {
        return Ok(Vec::new());
    };
    let place = Place::Member(&Place::Body, "stop");
    let mut texts = if raw.get().starts_with('[') {
        let list: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        let each = list.into_iter().enumerate();
        each.map(|(index, raw)| text(raw, &Place::Element(&place, index)))
            .collect::<Result<Vec<_>, _>>()?
    } else if raw.get().starts_with('"') {
        vec![text(raw, &place)?]
    } else {
        return Err(place.refuse("must be a string or a list of strings"));
    };
    texts.retain(|text| !text.is_empty());
    Ok(texts)
}

/// `n`, 1 to 128.
pub(in super::super) fn number_of_answers(
    fields: &mut Fields<'_, '_>,
) -> Result<Option<u32>, BadRequest> {
    match fields.whole("n")? {
        None => Ok(None),
        Some(n @ 1..=128) => Ok(u32::try_from(n).ok()),
        Some(_) => Err(fields.wrong("n", "must be 1 to 128")),
    }
}

fn logprobs(fields: &mut Fields<'_, '_>) -> Result<Option<u32>, BadRequest> {
    let wanted = fields.flag("logprobs")?.unwrap_or(false);
    match (wanted, fields.whole("top_logprobs")?) {
        (true, None) => Ok(Some(0)),
        (true, Some(k @ 0..=20)) => Ok(u32::try_from(k).ok()),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(fields.wrong("top_logprobs", "needs 'logprobs' to be true")),
        (true, Some(_)) => Err(fields.wrong("top_logprobs", "must be 0 to 20")),
    }
}

fn response_format(raw: &RawValue, left_out: &mut LeftOut) -> Result<ResponseFormat, BadRequest> {
    let place = Place::Member(&Place::Body, "response_format");
    let mut fields = Fields::read(raw, &place)?;
    let format = match fields.needed_text("type")?.as_str() {
        "text" => ResponseFormat::Text,
        // Several open servers take the schema beside the type.
        "json_object" => match fields.object("schema")? {
            None => ResponseFormat::JsonObject,
            Some(schema) => ResponseFormat::JsonSchema {
                name: UNNAMED.to_owned(),
                schema,
                strict: None,
            },
        },
        "json_schema" => {
            let at = Place::Member(&place, "json_schema");
            let mut inner = Fields::read(fields.needed("json_schema")?, &at)?;
            let format = ResponseFormat::JsonSchema {
                name: inner.text("name")?.unwrap_or_else(|| UNNAMED.to_owned()),
                schema: inner.object("schema")?.unwrap_or_else(|| "{}".to_owned()),
                strict: inner.flag("strict")?,
            };
            inner.leave(left_out);
            format
        }
        _ => {
            return Err(fields.wrong("type", "must be 'text', 'json_object' or 'json_schema'"));
        }
    };
    fields.leave(left_out);
    Ok(format)
}

/// The name of a schema that has none; OpenAI requires one.
const UNNAMED: &str = "response";

/// `reasoning_effort`, or `OpenRouter`'s `reasoning`.
fn effort(
    fields: &mut Fields<'_, '_>,
    left_out: &mut LeftOut,
) -> Result<Option<Effort>, BadRequest> {
    let mut said = match fields.text("reasoning_effort")? {
        Some(word) => {
            Some(effort_of(&word).ok_or_else(|| fields.wrong("reasoning_effort", EFFORTS))?)
        }
        None => None,
    };
    if let Some(raw) = fields.take("reasoning")? {
        let place = Place::Member(&Place::Body, "reasoning");
        let mut inner = Fields::read(raw, &place)?;
        let enabled = inner.flag("enabled")?;
        let word = inner.text("effort")?;
        let inner_said = match word {
            Some(word) => Some(effort_of(&word).ok_or_else(|| inner.wrong("effort", EFFORTS))?),
            None => None,
        };
        said = said.or(inner_said).or(match enabled {
            Some(true) => Some(Effort::Medium),
            Some(false) => Some(Effort::None),
            None => None,
        });
        inner.leave(left_out);
    }
    Ok(said)
}

/// What is wrong with another word for an effort.
pub(crate) const EFFORTS: &str = "must be one of none, minimal, low, medium, high, xhigh, max";

/// The effort that a word means.
pub(crate) fn effort_of(word: &str) -> Option<Effort> {
    Some(match word {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return None,
    })
}

fn no_sound(fields: &mut Fields<'_, '_>) -> Result<(), BadRequest> {
    let wrong = "asks for sound, which this model's server cannot make: ask for text";
    if fields.take("audio")?.is_some() {
        return Err(fields.wrong("audio", wrong));
    }
    let modalities = fields.list("modalities")?.unwrap_or_default();
    if modalities.iter().any(|raw| raw.get() == "\"audio\"") {
        return Err(fields.wrong("modalities", wrong));
    }
    Ok(())
}
