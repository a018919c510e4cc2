//! What is asked of the answer: tools, form, thought, and `options`.

use serde_json::Number;
use serde_json::value::RawValue;

use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, text};
use crate::hub::{Chat, Effort, ResponseFormat, Tool};

/// More tools than any model takes.
const MOST_TOOLS: usize = 4096;

/// The name of a schema, which has none in this format; OpenAI requires one.
const UNNAMED: &str = "response";

/// `tools`.
pub(super) fn tools(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let all = Place::Member(&Place::Body, "tools");
    let list = fields.list("tools")?.unwrap_or_default();
    if list.len() > MOST_TOOLS {
        return Err(all.refuse(&format!("holds too many tools: send at most {MOST_TOOLS}")));
    }
    for (index, raw) in list.into_iter().enumerate() {
        let tool = tool(raw, &Place::Element(&all, index), left_out)?;
        chat.tools.push(tool);
    }
    Ok(())
}

fn tool(raw: &RawValue, place: &Place<'_>, left_out: &mut LeftOut) -> Result<Tool, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let kind = fields.text("type")?.unwrap_or_default();
    if !matches!(kind.as_str(), "" | "function") {
        return Err(fields.wrong("type", "must be 'function'"));
    }
    let at = Place::Member(place, "function");
    let mut inner = Fields::read(fields.needed("function")?, &at)?;
    fields.leave(left_out);
    let name = inner.needed_text("name")?;
    if name.is_empty() {
        return Err(inner.wrong("name", "must not be empty"));
    }
    let tool = Tool {
        name,
        description: inner.text("description")?,
        parameters: inner.object("parameters")?,
        ..Tool::default()
    };
    inner.leave(left_out);
    Ok(tool)
}

/// What chat and generate share.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    chat.stream = fields.flag("stream")?.unwrap_or(true);
    if let Some(raw) = fields.take("format")? {
        chat.response_format = format(raw)?;
    }
    if let Some(raw) = fields.take("think")? {
        chat.effort = Some(effort(raw)?);
    }
    // No answer from another dialect carries them; that they are not wanted is no loss.
    if fields.flag("logprobs")? == Some(true) {
        left_out.add(&Place::Body, "logprobs");
    }
    if fields.whole("top_logprobs")?.is_some_and(|best| best > 0) {
        left_out.add(&Place::Body, "top_logprobs");
    }
    if let Some(raw) = fields.take("options")? {
        options(raw, chat, left_out)?;
    }
    Ok(())
}

/// Whether `keep_alive` is 0. How long a model stays in memory is otherwise its
/// endpoint's business.
pub(super) fn keep_alive(
    fields: &mut Fields<'_, '_>,
    left_out: &mut LeftOut,
) -> Result<bool, BadRequest> {
    let Some(raw) = fields.take("keep_alive")? else {
        return Ok(false);
    };
    let place = Place::Member(&Place::Body, "keep_alive");
    let duration = if raw.get().starts_with('"') {
        text(raw, &place)?
    } else if serde_json::from_str::<Number>(raw.get()).is_ok() {
        raw.get().to_owned()
    } else {
        return Err(place.refuse("must be a duration such as '5m', or a number of seconds"));
    };
    left_out.add(&Place::Body, "keep_alive");
    let mut digits = duration.bytes().filter(u8::is_ascii_digit).peekable();
    Ok(digits.peek().is_some() && digits.all(|digit| digit == b'0'))
}

/// `"json"`, or a schema. An empty text, as older clients send it, is none.
fn format(raw: &RawValue) -> Result<ResponseFormat, BadRequest> {
    match raw.get() {
        "\"\"" => Ok(ResponseFormat::Text),
        "\"json\"" => Ok(ResponseFormat::JsonObject),
        schema if schema.starts_with('{') => Ok(ResponseFormat::JsonSchema {
            name: UNNAMED.to_owned(),
            schema: schema.to_owned(),
            strict: None,
        }),
        _ => {
            let place = Place::Member(&Place::Body, "format");
            Err(place.refuse("must be \"json\" or a JSON Schema, an object"))
        }
    }
}

fn effort(raw: &RawValue) -> Result<Effort, BadRequest> {
    match raw.get() {
        "true" | "\"medium\"" => Ok(Effort::Medium),
        "false" => Ok(Effort::None),
        "\"low\"" => Ok(Effort::Low),
        "\"high\"" => Ok(Effort::High),
        "\"max\"" => Ok(Effort::Max),
        _ => Err(Place::Member(&Place::Body, "think")
            .refuse("must be true, false, \"low\", \"medium\", \"high\" or \"max\"")),
    }
}

/// The options of how tokens are chosen. Those with which a model is loaded, and those
/// that only Ollama's runner has, are left out.
fn options(raw: &RawValue, chat: &mut Chat, left_out: &mut LeftOut) -> Result<(), BadRequest> {
    let place = Place::Member(&Place::Body, "options");
    let mut fields = Fields::read(raw, &place)?;
    chat.max_tokens = fields.number("num_predict")?.as_ref().and_then(limit);
    let sampling = &mut chat.sampling;
    sampling.temperature = fields.number("temperature")?;
    sampling.top_p = fields.number("top_p")?;
    sampling.top_k = fields.number("top_k")?;
    sampling.min_p = fields.number("min_p")?;
    // Below zero the server chooses the seed itself, as without one.
    let seed = fields.number("seed")?;
    sampling.seed = seed.filter(|seed| seed.as_f64().is_some_and(|seed| seed >= 0.0));
    sampling.frequency_penalty = fields.number("frequency_penalty")?;
    sampling.presence_penalty = fields.number("presence_penalty")?;
    sampling.repetition_penalty = fields.number("repeat_penalty")?;
    if let Some(raw) = fields.take("stop")? {
        chat.stop = stop(raw, &Place::Member(&place, "stop"))?;
    }
    fields.leave(left_out);
    Ok(())
}

/// The longest answer; zero and less is none.
fn limit(number: &Number) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, at 0 too, and the server cuts a fraction as well"
    )]
    let tokens = number.as_u64().or(number.as_f64().map(|x| x as u64))?;
    (tokens > 0).then_some(tokens)
}

/// A list of texts, or one text. An empty text ends nothing.
fn stop(raw: &RawValue, place: &Place<'_>) -> Result<Vec<String>, BadRequest> {
    let mut texts = if raw.get().starts_with('"') {
        vec![text(raw, place)?]
    } else {
        let list: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| place.refuse("must be a list of strings"))?;
        let each = list.into_iter().enumerate();
        each.map(|(index, raw)| text(raw, &Place::Element(place, index)))
            .collect::<Result<Vec<_>, _>>()?
    };
    texts.retain(|text| !text.is_empty());
    Ok(texts)
}
