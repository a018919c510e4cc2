//! The context size to ask for, and whether a prompt was cut to fit.
//!
//! An Ollama server cuts a prompt that does not fit without a word, and loads a model
//! anew, for seconds to minutes, whenever the size changes. So the size is the request's
//! need in coarse steps, and never less than what the model is loaded with.

use crate::hub::{Chat, Message, Part, Source, Thinking};
use crate::usage::estimate_tokens;

/// The least size asked for, and the server's own on small machines.
const LEAST: u64 = 4096;

/// Room for an answer whose length the caller does not limit.
const ANSWER: u64 = 2048;

/// Tokens of a picture: models cut them into 256 (gemma 3) to 1,601 (llama 3.2) tokens.
const PICTURE: u64 = 1601;

/// Tokens that a template puts around a message or a tool.
const FRAME: u64 = 8;

/// What the context size depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextNeed {
    /// Tokens of the prompt, estimated: [`prompt_tokens`].
    pub prompt_tokens: u64,
    /// Longest answer, when the caller limits it.
    pub max_tokens: Option<u64>,
    /// The longest context of the model: [`super::Show::context_length`].
    pub model_max: Option<u32>,
    /// What the model is loaded with: [`super::Loaded::context_length`].
    pub loaded: Option<u32>,
    /// The operator's limit.
    pub ceiling: Option<u32>,
}

impl ContextNeed {
    /// The size to send as `num_ctx`: the smallest power of two, from 4,096 up, that
    /// holds the prompt with a quarter on top and the answer; at most the model's
    /// longest context and the operator's limit; but never less than the model is
    /// loaded with, since that would load it anew to give it less.
    #[must_use]
    pub fn num_ctx(&self) -> u32 {
        let prompt = self.prompt_tokens.saturating_add(self.prompt_tokens / 4);
        let need = prompt.saturating_add(self.max_tokens.unwrap_or(ANSWER));
        let step = need.max(LEAST).checked_next_power_of_two();
        let step = step.and_then(|step| u32::try_from(step).ok());
        // Without a limit above it, the largest power of two that the field holds.
        let step = step.unwrap_or(1 << 31);
        let limits = [self.model_max, self.ceiling];
        let most = limits
            .into_iter()
            .flatten()
            .filter(|limit| *limit > 0)
            .min();
        step.min(most.unwrap_or(u32::MAX))
            .max(self.loaded.unwrap_or(0))
    }
}

/// The tokens of a conversation, estimated: texts and tools by their length, pictures
/// by their number.
#[must_use]
pub fn prompt_tokens(chat: &Chat) -> u64 {
    let messages = chat.messages.iter();
    let messages: u64 = messages.map(|message| FRAME + parts(message)).sum();
    let tools = chat.tools.iter().map(|tool| {
        let description = tool.description.as_ref().map_or(0, String::len);
        let parameters = tool.parameters.as_ref().map_or(0, String::len);
        FRAME + estimate_tokens((tool.name.len() + description + parameters) as u64)
    });
    messages + tools.sum::<u64>()
}

fn parts(message: &Message) -> u64 {
    message.parts.iter().map(part).sum()
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text { text, .. } => estimate_tokens(text.len() as u64),
        Part::Image { .. } => PICTURE,
        Part::Document { source, .. } => match source {
            Source::Text(text) => estimate_tokens(text.len() as u64),
            Source::Data { data, .. } => estimate_tokens(data.len() as u64 / 4 * 3),
            Source::Url(_) => 0,
        },
        Part::Thinking(Thinking::Plain { text, .. }, _) => estimate_tokens(text.len() as u64),
        Part::Thinking(Thinking::Redacted { .. }, _) => 0,
        Part::ToolCall {
            name, arguments, ..
        } => FRAME + estimate_tokens((name.len() + arguments.len()) as u64),
        Part::ToolResult { parts, .. } => FRAME + parts.iter().map(self::part).sum::<u64>(),
    }
}

/// Whether a prompt was evidently cut, given the server's count of what it read.
///
/// The server cuts in two ways: it leaves out the oldest messages until the rest fits,
/// and cuts the rest to the context's size. Either way the count ends at or below
/// `num_ctx`, and below the prompt's true length, which is not known: the estimate is
/// good to a factor of two. Also, older servers do not count what they had cached. So
/// this is said of:
///
/// - a count of exactly `num_ctx`: nothing is left for an answer, which no prompt that
///   was not cut would have by more than chance;
/// - an estimate of one and a half contexts or more, and a count of half a context or
///   more: the prompt was long, and does not only seem short for what was cached;
/// - an estimate of two contexts or more, whatever the count.
///
/// A count above `num_ctx` shows that the context is larger than assumed.
#[must_use]
pub fn was_cut(prompt_eval_count: u64, num_ctx: u32, estimated_prompt: u64) -> bool {
    let context = u64::from(num_ctx);
    if context == 0 || prompt_eval_count > context {
        return false;
    }
    let half_full = prompt_eval_count >= context / 2;
    prompt_eval_count == context
        || (half_full && estimated_prompt >= context + context / 2)
        || estimated_prompt >= context * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_follows_the_need() {
        // prompt, max_tokens, model, loaded, ceiling -> size
        for (prompt, max_tokens, model, loaded, ceiling, expected) in [
            (0, None, None, None, None, 4096),
            (1638, None, None, None, None, 4096),
            (1640, None, None, None, None, 8192),
            (1000, Some(100), None, None, None, 4096),
            (1000, Some(4096), None, None, None, 8192),
            (20_000, None, None, None, None, 32_768),
            (20_000, Some(10_000), None, None, None, 65_536),
            // The model's own context, a power of two or not.
            (60_000, None, Some(40_960), None, None, 40_960),
            (60_000, None, Some(131_072), None, None, 131_072),
            (0, None, Some(2048), None, None, 2048),
            // The operator's.
            (60_000, None, Some(131_072), None, Some(16_384), 16_384),
            (0, None, None, None, Some(1000), 1000),
            (60_000, None, Some(8192), None, Some(16_384), 8192),
            // Never less than loaded.
            (0, None, None, Some(32_768), None, 32_768),
            (0, None, Some(131_072), Some(32_768), Some(16_384), 32_768),
            (20_000, None, None, Some(8192), None, 32_768),
            (20_000, None, None, Some(32_768), None, 32_768),
            (60_000, None, Some(40_960), Some(8192), None, 40_960),
            // What servers write when they do not know.
            (0, None, Some(0), Some(0), Some(0), 4096),
            (u64::MAX, Some(u64::MAX), None, None, None, 1 << 31),
            (u64::MAX, None, Some(131_072), None, None, 131_072),
        ] {
            let need = ContextNeed {
                prompt_tokens: prompt,
                max_tokens,
                model_max: model,
                loaded,
                ceiling,
            };
            assert_eq!(need.num_ctx(), expected, "{need:?}");
        }
    }

    #[test]
    fn a_cut_prompt_is_told() {
        // count, num_ctx, estimate -> cut
        for (count, num_ctx, estimate, expected) in [
            (1000, 4096, 1000, false),
            // Full to the last token: cut, whatever the estimate.
            (4096, 4096, 3000, true),
            (4095, 4096, 3000, false),
            // A poor estimate alone is no evidence.
            (4000, 4096, 5000, false),
            (3500, 4096, 6144, true),
            (2048, 4096, 6144, true),
            // Low for what was cached, or for the messages left out: not told apart.
            (1500, 4096, 6144, false),
            // Too long by any measure.
            (1500, 4096, 8192, true),
            (0, 4096, 8192, true),
            // The context is another one.
            (6000, 4096, 7000, false),
            (9000, 4096, 9000, false),
            (10, 0, 100, false),
        ] {
            assert_eq!(
                was_cut(count, num_ctx, estimate),
                expected,
                "{count} {num_ctx} {estimate}"
            );
        }
    }

    #[test]
    fn pictures_count_by_number_and_texts_by_length() {
        let picture = |data: String| Part::Image {
            source: Source::Data {
                media_type: "image/png".to_owned(),
                data,
            },
            cache: None,
        };
        let chat = |parts: Vec<Part>| Chat {
            messages: vec![Message {
                role: crate::hub::Role::User,
                parts,
                at: "messages[0]".to_owned(),
            }],
            ..Chat::default()
        };
        let text = prompt_tokens(&chat(vec![Part::text("x".repeat(400))]));
        assert_eq!(text, 100 + FRAME);
        let small = prompt_tokens(&chat(vec![picture("x".to_owned())]));
        let large = prompt_tokens(&chat(vec![picture("x".repeat(1_000_000))]));
        assert_eq!(small, large);
        assert_eq!(small, PICTURE + FRAME);
    }
}
