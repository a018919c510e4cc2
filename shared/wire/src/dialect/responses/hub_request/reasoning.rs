//! Items of reasoning that a client sends back.

use serde_json::value::RawValue;

use super::super::sealed::{self, Proof};
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place};
use crate::hub::{Origin, Part, Thinking};

/// What the model thought; `None` where nothing of it can be read here.
///
/// The words are those of `content` where there are any, of `summary` otherwise. A proof
/// of a vendor is of no use to another dialect and is left out.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    left_out: &mut LeftOut,
) -> Result<Option<Part>, BadRequest> {
    let whole = words(fields, place, "content", "")?;
    let summary = words(fields, place, "summary", "\n\n")?;
    let words = if whole.is_empty() { summary } else { whole };
    let encrypted = fields.text("encrypted_content")?.unwrap_or_default();
    if let Some((proof, origin)) = sealed::open(&encrypted) {
        return Ok(Some(proven(proof, words, origin)));
    }
    if !encrypted.is_empty() {
        left_out.add(place, "encrypted_content");
    }
    let said = Some(words).filter(|text| !text.is_empty());
    Ok(said.map(|text| {
        let signature = None;
        Part::Thinking(Thinking::Plain { text, signature }, None)
    }))
}

fn proven(proof: Proof<'_>, text: String, origin: Option<Origin>) -> Part {
    let thinking = match proof {
        Proof::Signature(signature) => Thinking::Plain {
            text,
            signature: Some(signature.to_owned()),
        },
        Proof::Redacted(data) => Thinking::Redacted {
            data: data.to_owned(),
        },
    };
    Part::Thinking(thinking, origin)
}

/// The texts of a list of parts, `between` them.
fn words(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    name: &str,
    between: &str,
) -> Result<String, BadRequest> {
    let all = Place::Member(place, name);
    let list = fields.list(name)?.unwrap_or_default();
    let texts = list
        .into_iter()
        .enumerate()
        .map(|(index, raw): (_, &RawValue)| {
            Fields::read(raw, &Place::Element(&all, index))?.needed_text("text")
        });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(between))
}
