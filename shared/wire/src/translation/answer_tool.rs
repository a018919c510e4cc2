//! An answer that was demanded as the arguments of a made-up tool, as the text that its
//! caller asked for.
//!
//! Of the tool itself nothing is left: no call, and no reason to end that speaks of one.

use crate::hub::{Event, Finish, ToolNames};

/// Takes the tool away from the events of one answer.
///
/// Calls come one after the other, as Messages has them: arguments are those of the call
/// that began last.
#[derive(Debug)]
pub(crate) struct AnswerTool {
    name: String,
    now: Now,
    /// The answer has begun.
    said: bool,
    /// Calls of other tools.
    others: u32,
}

/// The call that began last.
#[derive(Clone, Copy, Debug)]
enum Now {
    Answer,
    /// The answer over again, although one call was allowed: two are no JSON.
    Repeated,
    Other(u32),
}

impl AnswerTool {
    /// For an answer to a request that was written with `names`; `None` when it demands
    /// no tool.
    pub(crate) fn of(names: &ToolNames) -> Option<Self> {
        let name = names.answer_tool()?.to_owned();
        Some(Self {
            name,
            now: Now::Other(0),
            said: false,
            others: 0,
        })
    }

    /// Takes an event and hands on what the caller is to know of it.
    pub(crate) fn event<'a>(&mut self, event: Event<'a>, each: &mut dyn FnMut(Event<'a>)) {
        match event {
            Event::Call { name, .. } if name == self.name => {
                self.now = if std::mem::replace(&mut self.said, true) {
                    Now::Repeated
                } else {
                    Now::Answer
                };
            }
            Event::Call {
                choice, id, name, ..
            } => {
                let call = self.others;
                self.now = Now::Other(call);
                self.others += 1;
                each(Event::Call {
                    choice,
                    call,
                    id,
                    name,
                });
            }
            Event::Arguments { choice, text, .. } => match self.now {
                Now::Answer => each(Event::Text { choice, text }),
                Now::Repeated => {}
                Now::Other(call) => each(Event::Arguments { choice, call, text }),
            },
            Event::Finish {
                choice,
                reason: Finish::ToolCalls,
            } if self.said && self.others == 0 => each(Event::Finish {
                choice,
                reason: Finish::Stop,
            }),
            event @ (Event::Start { .. }
            | Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Finish { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_)) => each(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(call: u32, name: &str) -> Event<'_> {
        Event::Call {
            choice: 0,
            call,
            id: "".into(),
            name: name.into(),
        }
    }

    fn arguments(call: u32, text: &str) -> Event<'_> {
        Event::Arguments {
            choice: 0,
            call,
            text: text.into(),
        }
    }

    fn text(text: &str) -> Event<'_> {
        Event::Text {
            choice: 0,
            text: text.into(),
        }
    }

    fn finish(reason: Finish) -> Event<'static> {
        Event::Finish { choice: 0, reason }
    }

    fn told<'a>(events: &[Event<'a>]) -> Vec<Event<'a>> {
        let mut names = ToolNames::default();
        names.demand_answer("answer");
        let mut tool = AnswerTool::of(&names);
        let mut told = Vec::new();
        for event in events {
            if let Some(tool) = &mut tool {
                tool.event(event.clone(), &mut |event| told.push(event));
            }
        }
        told
    }

    #[test]
    fn its_arguments_are_text_and_the_answer_ends_as_one() {
        let got = told(&[
            call(0, "answer"),
            arguments(0, "{\"a\":"),
            arguments(0, "1}"),
            finish(Finish::ToolCalls),
            Event::End,
        ]);
        let expected = [
            text("{\"a\":"),
            text("1}"),
            finish(Finish::Stop),
            Event::End,
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn an_answer_at_its_limit_says_so() {
        let got = told(&[call(0, "answer"), arguments(0, "{"), finish(Finish::Length)]);
        assert_eq!(got, [text("{"), finish(Finish::Length)]);
    }

    #[test]
    fn a_second_answer_is_none() {
        let got = told(&[
            call(0, "answer"),
            arguments(0, "{}"),
            call(1, "answer"),
            arguments(1, "{}"),
        ]);
        assert_eq!(got, [text("{}")]);
    }

    #[test]
    fn other_calls_stay_calls_and_are_numbered_without_it() {
        let got = told(&[
            call(0, "f"),
            arguments(0, "{}"),
            call(1, "answer"),
            arguments(1, "{}"),
            call(2, "g"),
            arguments(2, "{}"),
            finish(Finish::ToolCalls),
        ]);
        let expected = [
            call(0, "f"),
            arguments(0, "{}"),
            text("{}"),
            call(1, "g"),
            arguments(1, "{}"),
            finish(Finish::ToolCalls),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn without_such_a_tool_there_is_nothing_to_take_away() {
        assert!(AnswerTool::of(&ToolNames::default()).is_none());
    }
}
