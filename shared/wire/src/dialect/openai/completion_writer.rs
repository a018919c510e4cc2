//! An answer as OpenAI's older text completion, towards the caller: a stream event by
//! event, or whole.
//!
//! The format has text, finish reasons and usage, and no place for anything else:
//! reasoning, refusals and tool calls are left out. Several prompts of one request are
//! several answers here, told apart by the numbers of their choices.

use bytes::{BufMut, Bytes, BytesMut};

use super::chat_writer::WriterOptions;
use super::chat_writer::json::{put_head, put_number, put_string, put_usage};
use super::finish;
use crate::hub::{Answer, AnsweredChoice, Event, Finish};
use crate::usage::Usage;

/// What the answer is to a request that may have several prompts.
#[derive(Clone, Debug)]
pub struct CompletionPart {
    /// The prompt, where the caller wants it before the text.
    pub echo: Option<String>,
    /// The number of the answer's first choice.
    pub choice_offset: u32,
    /// Whether another prompt's answer follows in the same stream.
    pub more_follows: bool,
    /// What the answers before it spent.
    pub spent_before: Option<Usage>,
}

impl CompletionPart {
    /// The answer to the only prompt.
    #[must_use]
    pub fn only(echo: Option<String>) -> Self {
        Self {
            echo,
            choice_offset: 0,
            more_follows: false,
            spent_before: None,
        }
    }
}

/// Writes one stream of text completion chunks, or one prompt's part of it.
///
/// The id and the time are always those of the options, the same for every part.
#[derive(Debug)]
pub struct CompletionWriter {
    options: WriterOptions,
    part: CompletionPart,
    /// What every chunk begins with, up to the value of `choices`.
    head: Bytes,
    choices: Vec<Open>,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// Text, and with it the echo, has gone out.
    has_text: bool,
    is_finished: bool,
    seen: bool,
}

/// Events of choices beyond this number are of a broken upstream.
const MOST_CHOICES: usize = 129;

const OBJECT: &str = "text_completion";

impl CompletionWriter {
    /// A stream, or part of it, that has not begun.
    #[must_use]
    pub fn new(options: WriterOptions, part: CompletionPart) -> Self {
        let mut head = BytesMut::with_capacity(256);
        head.put_slice(b"data: ");
        let WriterOptions {
            id, created, model, ..
        } = &options;
        put_head(id, OBJECT, *created, model, &mut head);
        Self {
            head: head.freeze(),
            options,
            part,
            choices: Vec::new(),
            usage: None,
        }
    }

    /// Appends what the caller gets for `event`. Nothing for a fault: the error
    /// event is [`crate::hub::StreamFault::public`]'s.
    pub fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Text { choice, text } => self.put_text(*choice, text, None, out),
            Event::Finish { choice, reason } => self.put_text(*choice, "", Some(*reason), out),
            Event::Reasoning { choice, .. }
            | Event::Signature { choice, .. }
            | Event::Redacted { choice, .. }
            | Event::Refusal { choice, .. }
            | Event::Call { choice, .. }
            | Event::Arguments { choice, .. } => {
                self.choice(*choice);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::KeepAlive => out.put_slice(b": keep-alive\n\n"),
            Event::End => self.put_end(out),
            Event::Start { .. } | Event::Fault(_) => {}
        }
    }

    fn choice(&mut self, number: u32) -> Option<&mut Open> {
        let at = number as usize;
        if at >= MOST_CHOICES {
            return None;
        }
        if self.choices.len() <= at {
            self.choices.resize(at + 1, Open::default());
        }
        self.choices[at].seen = true;
        self.choices.get_mut(at)
    }

    fn put_text(&mut self, choice: u32, text: &str, finish: Option<Finish>, out: &mut BytesMut) {
        let Some(open) = self.choice(choice).filter(|open| !open.is_finished) else {
            return;
        };
        let is_first = !open.has_text;
        open.has_text = true;
        open.is_finished = finish.is_some();
        let echoed = match &self.part.echo {
            Some(echo) if is_first => Some(format!("{echo}{text}")),
            Some(_) | None => None,
        };
        out.reserve(self.head.len() + text.len() + 128);
        out.put_slice(&self.head);
        out.put_u8(b'[');
        let number = self.part.choice_offset.saturating_add(choice);
        put_choice(number, echoed.as_deref().unwrap_or(text), finish, out);
        out.put_slice(if self.options.include_usage {
            b"],\"usage\":null}\n\n"
        } else {
            b"]}\n\n"
        });
    }

    fn put_end(&mut self, out: &mut BytesMut) {
        for number in 0..self.choices.len() {
            let open = self.choices[number];
            if open.seen && !open.is_finished {
                let number = u32::try_from(number).unwrap_or(0);
                self.put_text(number, "", Some(Finish::Stop), out);
            }
        }
        if self.part.more_follows {
            return;
        }
        let usage = total_usage(self.part.spent_before, self.usage);
        if let Some(usage) = usage.filter(|_| self.options.include_usage) {
            out.put_slice(&self.head);
            out.put_slice(b"[],\"usage\":");
            put_usage(&usage, out);
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }
}

/// `answer` as a text completion of `model` (a JSON string), its texts after `echo`.
#[must_use]
pub fn write_completion_reply(
    answer: &Answer,
    echo: Option<&str>,
    model: &Bytes,
    created: i64,
    id: &str,
) -> Bytes {
    write_completion_replies(&[(answer, echo)], model, created, id)
}

/// The answers to the prompts of one request, each after its prompt where the caller
/// wants that, as one text completion. Choices are numbered on, usage is summed.
#[must_use]
pub fn write_completion_replies(
    answers: &[(&Answer, Option<&str>)],
    model: &Bytes,
    created: i64,
    id: &str,
) -> Bytes {
    let mut out = BytesMut::new();
    put_head(id, OBJECT, created, model, &mut out);
    out.put_u8(b'[');
    let mut number = 0;
    let mut usage = None;
    let nothing = [AnsweredChoice::default()];
    for (answer, echo) in answers {
        // Without a choice of its own a prompt would take the next one's number.
        let choices = match answer.choices.as_slice() {
            [] => &nothing[..],
            choices => choices,
        };
        for choice in choices {
            if number > 0 {
                out.put_u8(b',');
            }
            let text = match echo {
                Some(echo) => &format!("{echo}{}", choice.text),
                None => &choice.text,
            };
            let finish = choice.finish.unwrap_or(Finish::Stop);
            put_choice(number, text, Some(finish), &mut out);
            number += 1;
        }
        usage = total_usage(usage, answer.usage);
    }
    out.put_u8(b']');
    if let Some(usage) = &usage {
        out.put_slice(b",\"usage\":");
        put_usage(usage, &mut out);
    }
    out.put_u8(b'}');
    out.freeze()
}

fn put_choice(number: u32, text: &str, finish: Option<Finish>, out: &mut BytesMut) {
    out.put_slice(b"{\"text\":");
    put_string(text, out);
    out.put_slice(b",\"index\":");
    put_number(number.into(), out);
    out.put_slice(b",\"logprobs\":null,\"finish_reason\":");
    out.put_slice(match finish {
        None => b"null",
        // The format knows no calls.
        Some(Finish::ToolCalls) => finish::json(Finish::Stop),
        Some(reason @ (Finish::Stop | Finish::Length | Finish::ContentFilter)) => {
            finish::json(reason)
        }
    });
    out.put_u8(b'}');
}

/// What two answers spent; what one of them does not say counts as nothing.
#[must_use]
pub fn total_usage(one: Option<Usage>, other: Option<Usage>) -> Option<Usage> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.plus(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
