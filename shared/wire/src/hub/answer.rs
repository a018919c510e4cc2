//! A whole answer, folded from its events.

use super::Thinking;
use super::event::{Event, Finish, StreamFault};
use crate::dialect::openai::total_usage;
use crate::usage::Usage;

/// What the events of an answer amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The upstream's id.
    pub id: String,
    /// The model that the upstream names.
    pub model: String,
    /// Unix seconds, when the upstream says.
    pub created: Option<i64>,
    /// By number.
    pub choices: Vec<AnsweredChoice>,
    /// The last word on tokens.
    pub usage: Option<Usage>,
    /// How it ended; `None` while it has not.
    pub end: Option<Result<(), StreamFault>>,
}

/// One choice of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnsweredChoice {
    /// Its text.
    pub text: String,
    /// Its reasoning, block by block.
    pub reasoning: Vec<Thinking>,
    /// The text of a refusal.
    pub refusal: String,
    /// Its tool calls in order.
    pub calls: Vec<AnsweredCall>,
    /// Why it ended.
    pub finish: Option<Finish>,
}

/// One tool call of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnsweredCall {
    /// The upstream's id; may be empty.
    pub id: String,
    /// The function as the upstream names it.
    pub name: String,
    /// All of the arguments' text; empty when the upstream sent none.
    pub arguments: String,
}

impl Answer {
    /// Adds one event. What comes after the terminal event is ignored.
    pub fn add(&mut self, event: &Event<'_>) {
        if self.end.is_some() {
            return;
        }
        match event {
            Event::Start { id, model, created } => {
                self.id = id.to_string();
                self.model = model.to_string();
                self.created = *created;
            }
            Event::Text { choice, text } => self.choice(*choice).text.push_str(text),
            Event::Refusal { choice, text } => self.choice(*choice).refusal.push_str(text),
            Event::Reasoning { choice, text } => self.choice(*choice).think(text),
            Event::Signature { choice, signature } => self.choice(*choice).sign(signature),
            Event::Redacted { choice, data } => {
                let data = data.to_string();
                let reasoning = &mut self.choice(*choice).reasoning;
                reasoning.push(Thinking::Redacted { data });
            }
            Event::Call {
                choice, id, name, ..
            } => self.choice(*choice).calls.push(AnsweredCall {
                id: id.to_string(),
                name: name.to_string(),
                arguments: String::new(),
            }),
            Event::Arguments { choice, call, text } => {
                let calls = &mut self.choice(*choice).calls;
                if let Some(call) = calls.get_mut(*call as usize) {
                    call.arguments.push_str(text);
                }
            }
            Event::Finish { choice, reason } => {
                self.choice(*choice).finish.get_or_insert(*reason);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::KeepAlive => {}
            Event::End => self.end = Some(Ok(())),
            Event::Fault(fault) => self.end = Some(Err(fault.clone())),
        }
    }

    /// One answer of several, each of which holds the choice with its own number.
    #[must_use]
    pub fn joined(several: &[Self]) -> Self {
        let first = several.first().cloned().unwrap_or_default();
        let own = |(number, one): (usize, &Self)| one.choices.get(number).cloned();
        let choices = several.iter().enumerate().map(own);
        Self {
            choices: choices.map(Option::unwrap_or_default).collect(),
            usage: several
                .iter()
                .fold(None, |sum, one| total_usage(sum, one.usage)),
            ..first
        }
    }

    /// Bytes of text, reasoning and tool calls in it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.choices.iter().map(AnsweredChoice::bytes).sum()
    }

    /// Whether a choice ended for a reason that explains an answer without content.
    #[must_use]
    pub fn says_why(&self) -> bool {
        let finishes = self.choices.iter().filter_map(|choice| choice.finish);
        finishes.into_iter().any(Finish::explains_emptiness)
    }

    /// Choices beyond this number are not kept apart.
    const MOST: u32 = 128;

    fn choice(&mut self, number: u32) -> &mut AnsweredChoice {
        let at = number.min(Self::MOST) as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, AnsweredChoice::default);
        }
        &mut self.choices[at]
    }
}

impl AnsweredChoice {
    fn bytes(&self) -> u64 {
        let reasoning = self.reasoning.iter().map(|block| match block {
            Thinking::Plain { text, .. } => text.len(),
            Thinking::Redacted { .. } => 0,
        });
        let calls = self
            .calls
            .iter()
            .map(|call| call.name.len() + call.arguments.len());
        let rest = reasoning.sum::<usize>() + calls.sum::<usize>();
        (self.text.len() + self.refusal.len() + rest) as u64
    }

    /// Goes on with the open block of reasoning, or begins one.
    fn think(&mut self, more: &str) {
        if let Some(Thinking::Plain {
            text,
            signature: None,
        }) = self.reasoning.last_mut()
        {
            text.push_str(more);
        } else {
            self.reasoning.push(Thinking::Plain {
                text: more.to_owned(),
                signature: None,
            });
        }
    }

    /// Signs the open block; a signature without one is a block of its own.
    fn sign(&mut self, proof: &str) {
        if let Some(Thinking::Plain { signature, .. }) = self.reasoning.last_mut()
            && signature.is_none()
        {
            *signature = Some(proof.to_owned());
        } else {
            self.reasoning.push(Thinking::Plain {
                text: String::new(),
                signature: Some(proof.to_owned()),
            });
        }
    }
}
