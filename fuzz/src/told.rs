//! What a reader tells: its events with pieces joined, their order, their answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use wire::hub::{Answer, Event};

/// The events of one answer.
#[derive(Debug, Default)]
pub struct Told {
    /// Adjacent pieces of the same text are joined.
    pub events: Vec<Event<'static>>,
    /// What they amount to.
    pub answer: Answer,
    begun: bool,
    ended: bool,
    calls: BTreeMap<u32, u32>,
    finished: BTreeSet<u32>,
}

impl Told {
    /// All that `read` tells, which must end.
    pub fn by(read: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> Self {
        let mut told = Self::default();
        read(&mut |event| told.add(&event));
        told.must_have_ended();
        told
    }

    /// The terminal event must have come.
    pub fn must_have_ended(&self) {
        assert!(self.ended, "no terminal event: {:?}", self.events);
    }

    /// Whether it ended well.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.answer.end == Some(Ok(()))
    }

    /// Adds an event, which must be in its place.
    pub fn add(&mut self, event: &Event<'_>) {
        assert!(!self.ended, "{event:?} after the end");
        self.check_order(event);
        self.answer.add(event);
        match (self.events.last_mut(), event) {
            (Some(Event::Text { choice: of, text }), Event::Text { choice, text: more })
            | (
                Some(Event::Reasoning { choice: of, text }),
                Event::Reasoning { choice, text: more },
            )
            | (Some(Event::Refusal { choice: of, text }), Event::Refusal { choice, text: more })
                if of == choice =>
            {
                text.to_mut().push_str(more)
            }
            (
                Some(Event::Arguments {
                    choice: of,
                    call: of_call,
                    text,
                }),
                Event::Arguments {
                    choice,
                    call,
                    text: more,
                },
            ) if of == choice && of_call == call => text.to_mut().push_str(more),
            _ => self.events.push(own(event)),
        }
    }

    fn check_order(&mut self, event: &Event<'_>) {
        let begun = self.begun;
        self.begun |= !matches!(event, Event::KeepAlive);
        match event {
            Event::Start { .. } => assert!(!begun, "a start that is not the first"),
            Event::Text { choice, text }
            | Event::Reasoning { choice, text }
            | Event::Refusal { choice, text }
            | Event::Signature {
                choice,
                signature: text,
            }
            | Event::Redacted { choice, data: text } => self.check_piece(event, *choice, text),
            Event::Call {
                choice, call, name, ..
            } => {
                self.check_piece(event, *choice, name);
                let next = self.calls.entry(*choice).or_default();
                assert_eq!(call, next, "{event:?} is not the next call");
                *next += 1;
            }
            Event::Arguments { choice, call, text } => {
                self.check_piece(event, *choice, text);
                let known = self.calls.get(choice).is_some_and(|next| call < next);
                assert!(known, "{event:?} before its call");
            }
            Event::Finish { choice, .. } => {
                assert!(self.finished.insert(*choice), "{event:?} again");
            }
            Event::Usage(_) | Event::KeepAlive => {}
            Event::End | Event::Fault(_) => self.ended = true,
        }
    }

    fn check_piece(&self, event: &Event<'_>, choice: u32, text: &str) {
        assert!(!text.is_empty(), "{event:?} is empty");
        let finished = self.finished.contains(&choice);
        assert!(!finished, "{event:?} after its choice's finish");
    }

    /// Bytes of all texts, for bounds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = self.events.iter().map(|event| match event {
            Event::Start { id, model, .. } => id.len() + model.len(),
            Event::Text { text, .. }
            | Event::Reasoning { text, .. }
            | Event::Refusal { text, .. }
            | Event::Arguments { text, .. } => text.len(),
            Event::Signature { signature, .. } => signature.len(),
            Event::Redacted { data, .. } => data.len(),
            Event::Call { id, name, .. } => id.len() + name.len(),
            Event::Finish { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_) => 0,
        });
        each.sum()
    }
}

fn own(event: &Event<'_>) -> Event<'static> {
    let text = |text: &str| Cow::Owned(text.to_owned());
    match event {
        Event::Start { id, model, created } => Event::Start {
            id: text(id),
            model: text(model),
            created: *created,
        },
        Event::Text { choice, text: t } => Event::Text {
            choice: *choice,
            text: text(t),
        },
        Event::Reasoning { choice, text: t } => Event::Reasoning {
            choice: *choice,
            text: text(t),
        },
        Event::Refusal { choice, text: t } => Event::Refusal {
            choice: *choice,
            text: text(t),
        },
        Event::Signature { choice, signature } => Event::Signature {
            choice: *choice,
            signature: text(signature),
        },
        Event::Redacted { choice, data } => Event::Redacted {
            choice: *choice,
            data: text(data),
        },
        Event::Call {
            choice,
            call,
            id,
            name,
        } => Event::Call {
            choice: *choice,
            call: *call,
            id: text(id),
            name: text(name),
        },
        Event::Arguments {
            choice,
            call,
            text: t,
        } => Event::Arguments {
            choice: *choice,
            call: *call,
            text: text(t),
        },
        Event::Finish { choice, reason } => Event::Finish {
            choice: *choice,
            reason: *reason,
        },
        Event::Usage(usage) => Event::Usage(*usage),
        Event::KeepAlive => Event::KeepAlive,
        Event::End => Event::End,
        Event::Fault(fault) => Event::Fault(fault.clone()),
    }
}
