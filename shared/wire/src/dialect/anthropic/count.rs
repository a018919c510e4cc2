//! How many tokens a request is, where no server of the vendor can be asked.

use crate::hub::{Chat, Part, Source, Thinking};
use crate::usage::{TOKENS_PER_MEDIUM, text_tokens};

/// What stands around every message.
const MESSAGE: u64 = 4;
/// What the model is told about calling tools, where there are any, and around each.
const TOOLS: u64 = 300;
const TOOL: u64 = 12;

/// An estimate of the prompt's tokens.
#[must_use]
pub fn estimate_request(chat: &Chat) -> u64 {
    let messages: u64 = chat
        .messages
        .iter()
        .map(|message| MESSAGE + parts(&message.parts))
        .sum();
    let tools: u64 = chat
        .tools
        .iter()
        .map(|tool| {
            let texts = [
                Some(&tool.name),
                tool.description.as_ref(),
                tool.parameters.as_ref(),
            ];
            let texts = texts.into_iter().flatten();
            TOOL + texts.map(|text| text_tokens(text)).sum::<u64>()
        })
        .sum();
    messages + tools + if chat.tools.is_empty() { 0 } else { TOOLS }
}

fn parts(parts: &[Part]) -> u64 {
    parts.iter().map(part).sum()
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } => text_tokens(text),
        Part::Image { .. } => TOKENS_PER_MEDIUM,
        Part::Document { source, title, .. } => {
            let title = title.as_deref().map_or(0, text_tokens);
            title
                + match source {
                    Source::Text(text) => text_tokens(text),
                    Source::Data { .. } | Source::Url(_) => TOKENS_PER_MEDIUM,
                }
        }
        // Thoughts of earlier turns are taken away by the vendor; those of others count.
        Part::Thinking(Thinking::Plain { text, signature }, _) => match signature {
            Some(_) => 0,
            None => text_tokens(text),
        },
        Part::Thinking(Thinking::Redacted { .. }, _) => 0,
        Part::ToolCall {
            name, arguments, ..
        } => TOOL + text_tokens(name) + text_tokens(arguments),
        Part::ToolResult { parts: inner, .. } => TOOL + parts(inner),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::super::read_chat;
    use super::*;

    fn counted(body: &serde_json::Value) -> u64 {
        estimate_request(&read_chat(body.to_string().as_bytes()).unwrap().chat)
    }

    #[test]
    fn everything_that_the_model_reads_counts_and_nothing_else() {
        let question = |more: serde_json::Value| {
            let mut body = serde_json::json!({"messages": [{"role": "user", "content": "What is it like in the old town?"}]});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            counted(&body)
        };
        let bare = question(serde_json::json!({}));
        assert!((8..=16).contains(&bare), "{bare}");
        assert_eq!(
            question(serde_json::json!({"max_tokens": 1, "metadata": {"user_id": "somebody"}})),
            bare
        );
        assert!(question(serde_json::json!({"system": "Be brief."})) > bare);
        let schema =
            serde_json::json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let tools = serde_json::json!({"tools": [{"name": "f", "input_schema": schema}]});
        assert!(question(tools) > bare + TOOLS);
        let source = serde_json::json!({"type": "base64", "media_type": "image/png", "data": "A".repeat(100_000)});
        let image = serde_json::json!({"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
        assert_eq!(
            counted(&image),
            MESSAGE + TOKENS_PER_MEDIUM,
            "a picture is no text"
        );
    }
}
