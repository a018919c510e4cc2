//! Content: a text, or a list of blocks.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::cache_mark;
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, text};
use crate::hub::{Part, Source, Thinking};

/// Reads the blocks of one request.
pub(super) struct Reader<'r> {
    pub(super) left_out: &'r mut LeftOut,
    /// Names of the tools that were called, by the calls' ids.
    pub(super) names: HashMap<String, String>,
    /// Tools that a search for tools has found.
    pub(super) referenced: HashSet<String>,
}

impl Reader<'_> {
    /// The parts of `content`. An empty text is no part.
    pub(super) fn content(
        &mut self,
        content: &RawValue,
        place: &Place<'_>,
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
            return Err(place.refuse("must be a string or a list of blocks"));
        };
        let mut parts = Vec::with_capacity(list.len());
        for (index, raw) in list.into_iter().enumerate() {
            let part = self.block(raw, &Place::Element(place, index))?;
            let is_empty =
                |part: &Part| matches!(part, Part::Text { text, cache: None } if text.is_empty());
            parts.extend(part.filter(|part| !is_empty(part)));
        }
        Ok(parts)
    }

    fn block(&mut self, raw: &RawValue, place: &Place<'_>) -> Result<Option<Part>, BadRequest> {
        let mut fields = Fields::read(raw, place)?;
        let kind = fields.needed_text("type")?;
        let cache = cache_mark(&mut fields)?;
        let part = match kind.as_str() {
            "text" => {
                // An empty list of citations says nothing.
                if fields
                    .take("citations")?
                    .is_some_and(|raw| raw.get() != "[]")
                {
                    self.left_out.add(place, "citations");
                }
                Some(Part::Text {
                    text: fields.needed_text("text")?,
                    cache,
                })
            }
            "image" => Some(match source(&mut fields, place)? {
                Found::Source(source) => Part::Image { source, cache },
                Found::Words(text) => Part::Text { text, cache },
            }),
            "document" => {
                let title = fields.text("title")?;
                Some(match self.document(&mut fields, place)? {
                    Found::Source(source) => Part::Document {
                        source,
                        title,
                        cache,
                    },
                    Found::Words(text) => Part::Text { text, cache },
                })
            }
            "search_result" => {
                let title = fields.text("title")?;
                let source = fields.text("source")?.unwrap_or_default();
                let said = self.words(&mut fields, place)?;
                fields.take("citations")?;
                Some(Part::Document {
                    source: Source::Text(format!("{source}\n\n{said}").trim_start().to_owned()),
                    title,
                    cache,
                })
            }
            "thinking" => {
                let text = fields.text("thinking")?.unwrap_or_default();
                let signature = fields.text("signature")?.filter(|proof| !proof.is_empty());
                let says = !text.is_empty() || signature.is_some();
                says.then_some(Part::Thinking(Thinking::Plain { text, signature }, None))
            }
            "redacted_thinking" => {
                let data = fields.needed_text("data")?;
                Some(Part::Thinking(Thinking::Redacted { data }, None))
            }
            "tool_use" => Some(self.call(&mut fields)?),
            "tool_result" => {
                let id = fields.needed_text("tool_use_id")?;
                let parts = match fields.take("content")? {
                    Some(raw) => self.content(raw, &Place::Member(place, "content"))?,
                    None => Vec::new(),
                };
                Some(Part::ToolResult {
                    name: self.names.get(&id).cloned(),
                    id,
                    parts,
                    is_error: fields.flag("is_error")?.unwrap_or(false),
                    cache,
                })
            }
            "tool_reference" => {
                let name = fields.text("tool_name")?.unwrap_or_default();
                let said = format!("The tool '{name}' can be called now.");
                self.referenced.insert(name);
                Some(Part::text(said))
            }
            // The conversation so far in other words.
            "compaction" => fields.text("content")?.map(Part::text),
            // What ran at the vendor, and what is yet to come: nobody else can go on with it.
            _ => {
                self.left_out.add(place, &kind);
                return Ok(None);
            }
        };
        fields.leave(self.left_out);
        Ok(part)
    }

    fn call(&mut self, fields: &mut Fields<'_, '_>) -> Result<Part, BadRequest> {
        let (id, name) = (fields.needed_text("id")?, fields.needed_text("name")?);
        let arguments = match fields.take("input")? {
            None => "{}".to_owned(),
            // Not the format's own form, but one that clients keep of a stream.
            Some(raw) if raw.get().starts_with('"') => {
                serde_json::from_str(raw.get()).unwrap_or_default()
            }
            Some(raw) => raw.get().to_owned(),
        };
        // Who called it is of use only to the vendor.
        fields.take("caller")?;
        self.names.insert(id.clone(), name.clone());
        Ok(Part::ToolCall {
            id,
            name,
            arguments,
        })
    }

    fn document(
        &mut self,
        fields: &mut Fields<'_, '_>,
        place: &Place<'_>,
    ) -> Result<Found, BadRequest> {
        fields.take("citations")?;
        let at = Place::Member(place, "source");
        let mut inner = Fields::read(fields.needed("source")?, &at)?;
        let kind = inner.needed_text("type")?;
        let found = match kind.as_str() {
            "text" => Found::Source(Source::Text(inner.needed_text("data")?)),
            "content" => Found::Source(Source::Text(self.words(&mut inner, &at)?)),
            _ => return located(&mut inner, &kind),
        };
        Ok(found)
    }

    /// The texts of a member `content`.
    fn words(
        &mut self,
        fields: &mut Fields<'_, '_>,
        place: &Place<'_>,
    ) -> Result<String, BadRequest> {
        let Some(raw) = fields.take("content")? else {
            return Ok(String::new());
        };
        let parts = self.content(raw, &Place::Member(place, "content"))?;
        let texts: Vec<&str> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Text { text, .. } => Some(text.as_str()),
                Part::Image { .. }
                | Part::Document { .. }
                | Part::Thinking(..)
                | Part::ToolCall { .. }
                | Part::ToolResult { .. } => None,
            })
            .collect();
        Ok(texts.join("\n"))
    }
}

/// What a picture or document turns out to be.
enum Found {
    Source(Source),
    /// It can be read by its vendor alone; these words stand for it.
    Words(String),
}

fn source(fields: &mut Fields<'_, '_>, place: &Place<'_>) -> Result<Found, BadRequest> {
    let at = Place::Member(place, "source");
    let mut inner = Fields::read(fields.needed("source")?, &at)?;
    let kind = inner.needed_text("type")?;
    located(&mut inner, &kind)
}

fn located(inner: &mut Fields<'_, '_>, kind: &str) -> Result<Found, BadRequest> {
    Ok(match kind {
        "base64" => Found::Source(Source::Data {
            media_type: inner.needed_text("media_type")?,
            data: inner
                .needed_text("data")?
                .split_ascii_whitespace()
                .collect(),
        }),
        "url" => Found::Source(Source::Url(inner.needed_text("url")?)),
        _ => Found::Words(format!("[a {kind} that only its own server can read]")),
    })
}
