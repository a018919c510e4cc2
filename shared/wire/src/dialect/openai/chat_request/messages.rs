//! The conversation.

use std::borrow::Cow;

use super::Writer;
use super::body::{Called, Content, File, ImageUrl, Message, Piece, ToolCall, What};
use crate::hub::{CacheMark, Message as HubMessage, Part, Refusal, Role, Source, Thinking};

/// Stands in a tool's result for what only a user's message can hold.
const SHOWN_BELOW: &str = "[shown in the next message]";
/// Before the result of a call that failed; the format has no field for it.
const FAILED: &str = "Error: ";

impl Writer<'_> {
    pub(super) fn messages<'c>(
        &mut self,
        all: &'c [HubMessage],
    ) -> Result<Vec<Message<'c>>, Refusal> {
        let mut out = Vec::with_capacity(all.len());
        for run in all.chunk_by(|a, b| a.role == Role::User && b.role == Role::User) {
            match run {
                [one] if one.role == Role::System => out.push(self.system(one)?),
                [one] if one.role == Role::Assistant => out.push(self.assistant(one)),
                users => self.users(users, &mut out)?,
            }
        }
        Ok(out)
    }

    fn system<'c>(&mut self, message: &'c HubMessage) -> Result<Message<'c>, Refusal> {
        let mut pieces = Vec::new();
        for part in &message.parts {
            match part {
                Part::Text { .. } => self.piece(part, &message.at, &mut pieces)?,
                Part::Image { .. }
                | Part::Document { .. }
                | Part::Thinking(..)
                | Part::ToolCall { .. }
                | Part::ToolResult { .. } => {
                    self.drop(&message.at, "a system message holds only text");
                }
            }
        }
        let role = if self.target.developer_role {
            "developer"
        } else {
            "system"
        };
        Ok(plain(role, content(pieces, "\n\n")))
    }

    fn assistant<'c>(&mut self, message: &'c HubMessage) -> Message<'c> {
        let (mut thoughts, mut pieces, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for part in &message.parts {
            match part {
                Part::Text { text, cache } => {
                    let cache_control = self.mark(cache.as_ref(), &message.at);
                    pieces.push(Piece {
                        what: What::Text { text: text.into() },
                        cache_control,
                    });
                }
                Part::Thinking(
                    Thinking::Plain {
                        text,
                        signature: None,
                    },
                    _,
                ) => thoughts.push(text.as_str()),
                Part::Thinking(Thinking::Plain { .. } | Thinking::Redacted { .. }, _) => {
                    self.drop(&message.at, "signed reasoning is of use only to its vendor");
                }
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                } => calls.push(ToolCall {
                    id,
                    kind: "function",
                    function: Called {
                        name: self.name(name),
                        arguments: match arguments.trim() {
                            "" => "{}",
                            _ => arguments,
                        },
                    },
                }),
                Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => {
                    self.drop(
                        &message.at,
                        "an assistant's message holds only text and calls",
                    );
                }
            }
        }
        let content = if pieces.is_empty() && !calls.is_empty() {
            Content::Nothing
        } else {
            content(pieces, "\n")
        };
        thoughts.retain(|text| !text.is_empty());
        Message {
            reasoning_content: (!thoughts.is_empty()).then(|| thoughts.join("\n")),
            tool_calls: calls,
            ..plain("assistant", content)
        }
    }

    /// Consecutive messages of the user: all results, then what results show, then
    /// the rest message by message.
    fn users<'c>(
        &mut self,
        run: &'c [HubMessage],
        out: &mut Vec<Message<'c>>,
    ) -> Result<(), Refusal> {
        let mut shown = Vec::new();
        let mut has_said = false;
        for message in run {
            for part in &message.parts {
                let Part::ToolResult {
                    id,
                    parts,
                    is_error,
                    cache,
                    ..
                } = part
                else {
                    has_said = true;
                    continue;
                };
                if has_said {
                    self.adapt(&message.at, "a tool's result follows its call directly");
                }
                let content =
                    self.result(parts, *is_error, cache.as_ref(), &message.at, &mut shown)?;
                out.push(Message {
                    tool_call_id: Some(id),
                    ..plain("tool", content)
                });
            }
        }
        if !shown.is_empty() {
            out.push(plain("user", Content::Parts(shown)));
        }
        for message in run {
            let mut pieces = Vec::new();
            for part in &message.parts {
                self.piece(part, &message.at, &mut pieces)?;
            }
            let only_results = message.parts.iter().any(is_result);
            if !pieces.is_empty() || !only_results {
                out.push(plain("user", content(pieces, "\n")));
            }
        }
        Ok(())
    }

    fn result<'c>(
        &mut self,
        parts: &'c [Part],
        is_error: bool,
        cache: Option<&'c CacheMark>,
        at: &str,
        shown: &mut Vec<Piece<'c>>,
    ) -> Result<Content<'c>, Refusal> {
        let mut pieces = Vec::new();
        if is_error {
            self.adapt(at, "the format tells a failed tool only by its text");
        }
        for part in parts {
            let mut written = Vec::new();
            self.piece(part, at, &mut written)?;
            for piece in written {
                if matches!(piece.what, What::Text { .. }) {
                    pieces.push(piece);
                } else {
                    self.adapt(at, "a tool's result holds only text");
                    pieces.push(text_piece(SHOWN_BELOW));
                    shown.push(piece);
                }
            }
        }
        if is_error {
            match pieces.first_mut().map(|piece| &mut piece.what) {
                Some(What::Text { text }) => *text = format!("{FAILED}{text}").into(),
                Some(_) | None => pieces.insert(0, text_piece(FAILED.trim_end())),
            }
        }
        let mark = self.mark(cache, at);
        if let (Some(mark), Some(last)) = (mark, pieces.last_mut()) {
            last.cache_control = Some(mark);
        }
        Ok(content(pieces, "\n"))
    }

    /// Writes what a user's message can hold. Results are written elsewhere.
    fn piece<'c>(
        &mut self,
        part: &'c Part,
        at: &str,
        pieces: &mut Vec<Piece<'c>>,
    ) -> Result<(), Refusal> {
        let (what, cache) = match part {
            Part::Text { text, cache } => (What::Text { text: text.into() }, cache),
            Part::Image { source, cache } => (image(source), cache),
            Part::Document {
                source,
                title,
                cache,
            } => {
                let title = title.as_deref().filter(|title| !title.is_empty());
                // Servers refuse texts without a word, as their callers' own are left out.
                let is_empty = matches!(source, Source::Text(text) if text.is_empty());
                if is_empty && title.is_none() && cache.is_none() {
                    return Ok(());
                }
                (self.document(source, title, at)?, cache)
            }
            Part::ToolResult { .. } => return Ok(()),
            Part::Thinking(..) | Part::ToolCall { .. } => {
                self.drop(at, "only an assistant's message holds reasoning and calls");
                return Ok(());
            }
        };
        let cache_control = self.mark(cache.as_ref(), at);
        pieces.push(Piece {
            what,
            cache_control,
        });
        Ok(())
    }

    fn document<'c>(
        &mut self,
        source: &'c Source,
        title: Option<&'c str>,
        at: &str,
    ) -> Result<What<'c>, Refusal> {
        match source {
            Source::Data { media_type, data } => Ok(What::File {
                file: File {
                    filename: title.unwrap_or("document.pdf"),
                    file_data: data_url(media_type, data),
                },
            }),
            Source::Text(text) => {
                self.adapt(at, "a document of text goes as text under its title");
                Ok(What::Text {
                    text: match title {
                        Some(title) if text.is_empty() => title.into(),
                        Some(title) => format!("{title}\n\n{text}").into(),
                        None => text.into(),
                    },
                })
            }
            Source::Url(_) => Err(Refusal::field(
                at,
                "holds a document by its URL, which this model's server cannot fetch: send the document itself",
            )),
        }
    }
}

fn is_result(part: &Part) -> bool {
    matches!(part, Part::ToolResult { .. })
}

fn image(source: &Source) -> What<'_> {
    let url = match source {
        Source::Data { media_type, data } => data_url(media_type, data).into(),
        Source::Url(url) => url.into(),
        Source::Text(text) => return What::Text { text: text.into() },
    };
    What::ImageUrl {
        image_url: ImageUrl { url },
    }
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn text_piece(text: &str) -> Piece<'_> {
    Piece {
        what: What::Text { text: text.into() },
        cache_control: None,
    }
}

fn plain<'c>(role: &'c str, content: Content<'c>) -> Message<'c> {
    Message {
        role,
        reasoning_content: None,
        content,
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

/// Texts without marks as one string, as every server takes it; else the pieces.
fn content<'c>(pieces: Vec<Piece<'c>>, gap: &str) -> Content<'c> {
    let mut texts = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        match &piece.what {
            What::Text { text } if piece.cache_control.is_none() => texts.push(text.clone()),
            What::Text { .. } | What::ImageUrl { .. } | What::File { .. } => {
                return Content::Parts(pieces);
            }
        }
    }
    Content::Text(match <[Cow<'c, str>; 1]>::try_from(texts) {
        Ok([one]) => one,
        Err(texts) => texts.join(gap).into(),
    })
}
