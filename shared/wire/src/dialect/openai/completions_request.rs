//! A caller's legacy completion request, for upstreams that only chat.
//!
//! Prompts become chats, one each; the answers' texts are the writer's business, and
//! so is `echo`. Not here: token ids as prompts, which only the upstream's own
//! tokenizer could read.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::hub_request::{Fields, LeftOut, Place, number, number_of_answers, sampling, stop, text};
use super::request::{BadRequest, Defaults};
use crate::hub::{Chat, Message, Part, Refusal, Role, Sampling};

/// A caller's completion request. What the caller did not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// The texts to go on with, at least one.
    pub prompts: Vec<String>,
    /// The text that is to follow the completion.
    pub suffix: Option<String>,
    /// Whether the answer begins with its prompt.
    pub echo: bool,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Longest completion in tokens.
    pub max_tokens: Option<u64>,
    /// Texts that end the completion.
    pub stop: Vec<String>,
    /// Completions of each prompt.
    pub n: Option<u32>,
    /// Candidates that the server is to choose from; at most `n` of them, which
    /// leaves nothing to choose.
    pub best_of: Option<u32>,
    /// `Some(k)`: log probabilities with the `k` best alternatives.
    pub logprobs: Option<u32>,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// Who asks, as the caller names them.
    pub user: Option<String>,
    /// Names of the caller's fields that have no place here.
    pub left_out: Vec<String>,
}

/// OpenAI's `max_tokens` of a completion that names none.
const MAX_TOKENS: u64 = 16;
/// More prompts than any client sends at once; each is a call of its own.
const MOST_PROMPTS: usize = 2048;

/// Reads the body of a completion request.
///
/// # Errors
/// When it is not a JSON object, a field that is read has the wrong type or occurs
/// twice, the prompt is missing or made of token ids, or it wants what only a server
/// of completions can do: choosing the best of more candidates, and log
/// probabilities of the prompt.
pub fn read_completion(body: &[u8]) -> Result<Completion, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let mut completion = Completion {
        prompts: prompts(fields.needed("prompt")?)?,
        suffix: fields.text("suffix")?.filter(|text| !text.is_empty()),
        echo: fields.flag("echo")?.unwrap_or(false),
        sampling: sampling(&mut fields)?,
        max_tokens: fields.whole("max_tokens")?,
        stop: stop(&mut fields)?,
        n: number_of_answers(&mut fields)?,
        best_of: up_to(&mut fields, "best_of", 20)?,
        logprobs: up_to(&mut fields, "logprobs", 20)?,
        stream: fields.flag("stream")?.unwrap_or(false),
        user: fields.text("user")?,
        left_out: Vec::new(),
    };
    if completion.best_of.unwrap_or(0) > completion.n.unwrap_or(1) {
        return Err(fields.wrong(
            "best_of",
            "must not be above 'n': this model's server cannot rank completions; ask for all with 'n'",
        ));
    }
    if completion.echo && completion.logprobs.is_some() {
        return Err(fields.wrong(
            "echo",
            "cannot be used with 'logprobs': this model's server gives none for the prompt",
        ));
    }
    // The gateway's own business, not the other dialect's.
    fields.take("model")?;
    fields.take("stream_options")?;
    fields.leave(&mut left_out);
    completion.left_out = left_out.into_places();
    Ok(completion)
}

impl Completion {
    /// Sets what the caller left open. A virtual model's system prompt is not for
    /// completions.
    pub fn apply(&mut self, defaults: &Defaults) {
        if self.max_tokens.is_none() {
            self.max_tokens = number(defaults.max_tokens.as_deref());
        }
        let sampling = &mut self.sampling;
        if sampling.temperature.is_none() {
            sampling.temperature = number(defaults.temperature.as_deref());
        }
        if sampling.top_p.is_none() {
            sampling.top_p = number(defaults.top_p.as_deref());
        }
    }

    /// What each answer begins with: its prompt, where the caller wants it. Each prompt
    /// has `each` answers, one after the other.
    #[must_use]
    pub fn echoes(&self, each: usize) -> Vec<Option<Arc<str>>> {
        let echo = |prompt: &String| self.echo.then(|| Arc::from(prompt.as_str()));
        let prompts = self.prompts.iter().map(echo);
        prompts
            .flat_map(|echo| std::iter::repeat_n(echo, each))
            .collect()
    }

    /// How often each prompt is sent to a server that gives one answer a request.
    ///
    /// # Errors
    /// When that is too often.
    pub fn requests_each(&self) -> Result<usize, Refusal> {
        let each = self.n.map_or(1, |n| n as usize);
        if each > 1 && each.saturating_mul(self.prompts.len()) > MOST_PROMPTS {
            return Err(Refusal::field(
                "n",
                &format!(
                    "is too large for so many prompts: this model's server gives one answer a \
                     request, and {MOST_PROMPTS} requests are the most for one call"
                ),
            ));
        }
        Ok(each)
    }

    /// Longest answer in tokens: 16 when nobody says, as for every completion.
    #[must_use]
    pub fn max_tokens(&self) -> u64 {
        self.max_tokens.unwrap_or(MAX_TOKENS)
    }

    /// One chat for each prompt, in order. Without `max_tokens` they get the 16 that
    /// a completion has by default.
    ///
    /// # Errors
    /// When there is a suffix: text before a given end needs a model's own template.
    pub fn to_chats(&self) -> Result<Vec<Chat>, Refusal> {
        if self.suffix.is_some() {
            return Err(Refusal::field(
                "suffix",
                "cannot be used with this model: its server only chats; leave it out",
            ));
        }
        let one = |prompt: &String| Chat {
            messages: vec![Message {
                role: Role::User,
                parts: vec![Part::text(prompt)],
                at: "prompt".to_owned(),
            }],
            max_tokens: Some(self.max_tokens()),
            sampling: self.sampling.clone(),
            stop: self.stop.clone(),
            stream: self.stream,
            n: self.n,
            logprobs: self.logprobs,
            user: self.user.clone(),
            left_out: self.left_out.clone(),
            ..Chat::default()
        };
        Ok(self.prompts.iter().map(one).collect())
    }
}

fn prompts(raw: &RawValue) -> Result<Vec<String>, BadRequest> {
    let place = Place::Member(&Place::Body, "prompt");
    if raw.get().starts_with('"') {
        return Ok(vec![text(raw, &place)?]);
    }
    let wrong = "must be a string or a non-empty list of strings";
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        return Err(place.refuse(wrong));
    };
    match list.first().map(|first| first.get().as_bytes()) {
        None => return Err(place.refuse(wrong)),
        Some([b'[' | b'-' | b'0'..=b'9', ..]) => {
            return Err(place.refuse(
                "holds token ids, which this model's server cannot read: send the prompt as text",
            ));
        }
        Some(_) if list.len() > MOST_PROMPTS => {
            return Err(place.refuse(&format!(
                "holds too many prompts: send at most {MOST_PROMPTS}"
            )));
        }
        Some(_) => {}
    }
    let each = list.into_iter().enumerate();
    each.map(|(index, raw)| text(raw, &Place::Element(&place, index)))
        .collect()
}

fn up_to(fields: &mut Fields<'_, '_>, name: &str, most: u64) -> Result<Option<u32>, BadRequest> {
    match fields.whole(name)? {
        Some(number) if number > most => Err(fields.wrong(name, &format!("must be 0 to {most}"))),
        number => Ok(number.and_then(|number| u32::try_from(number).ok())),
    }
}

#[cfg(test)]
mod tests;
