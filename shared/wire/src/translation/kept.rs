//! Reasoning of an answer that its upstream wants back unchanged with the results of
//! the calls that followed it.

use crate::hub::{Event, Thinking};

/// More reasoning than this is not kept; then the next turn goes without.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The reasoning of the first choice, split at its tool calls.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Words whose proof has not come.
    open: String,
    /// Complete blocks since the last call.
    blocks: Vec<Thinking>,
    /// By call.
    done: Vec<(String, Vec<Thinking>)>,
    bytes: usize,
}

impl Kept {
    /// Takes an event. `call_id` gives the id that the caller knows a call by; a call
    /// without one could not be told from others, and its reasoning is not kept.
    pub(crate) fn add(
        &mut self,
        event: &Event<'_>,
        call_id: impl FnOnce(u32, u32, &str) -> String,
    ) {
        match event {
            Event::Reasoning { choice: 0, text } => {
                if self.has_room(text) {
                    self.open.push_str(text);
                }
            }
            Event::Signature {
                choice: 0,
                signature,
            } => {
                if self.has_room(signature) {
                    self.blocks.push(Thinking::Plain {
                        text: std::mem::take(&mut self.open),
                        signature: Some(signature.to_string()),
                    });
                }
            }
            Event::Redacted { choice: 0, data } => {
                if self.has_room(data) {
                    let data = data.to_string();
                    self.blocks.push(Thinking::Redacted { data });
                }
            }
            Event::Call {
                choice: 0,
                call,
                id,
                ..
            } => {
                self.open.clear();
                if !self.blocks.is_empty() {
                    let blocks = std::mem::take(&mut self.blocks);
                    let id = call_id(0, *call, id);
                    if !id.is_empty() {
                        self.done.push((id, blocks));
                    }
                }
            }
            Event::Start { .. }
            | Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_) => {}
        }
    }

    /// What was kept; nothing when it was too much, because half of it is of no use.
    pub(crate) fn take(&mut self) -> Vec<(String, Vec<Thinking>)> {
        let done = std::mem::take(&mut self.done);
        if self.bytes > MOST_BYTES {
            return Vec::new();
        }
        done
    }

    /// Counts `text`; gives everything up when it is too much.
    fn has_room(&mut self, text: &str) -> bool {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MOST_BYTES {
            self.open = String::new();
            self.blocks = Vec::new();
            self.done = Vec::new();
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasoning(text: &str) -> Event<'_> {
        Event::Reasoning {
            choice: 0,
            text: text.into(),
        }
    }

    fn signature(signature: &str) -> Event<'_> {
        Event::Signature {
            choice: 0,
            signature: signature.into(),
        }
    }

    fn call(call: u32) -> Event<'static> {
        Event::Call {
            choice: 0,
            call,
            id: "".into(),
            name: "f".into(),
        }
    }

    fn kept(events: &[Event<'_>]) -> Vec<(String, Vec<Thinking>)> {
        let mut kept = Kept::default();
        for event in events {
            kept.add(event, |_, call, _| format!("call {call}"));
        }
        kept.take()
    }

    fn signed(text: &str, signature: &str) -> Thinking {
        Thinking::Plain {
            text: text.to_owned(),
            signature: Some(signature.to_owned()),
        }
    }

    #[test]
    fn each_call_has_the_blocks_right_before_it() {
        let redacted = Event::Redacted {
            choice: 0,
            data: "opaque".into(),
        };
        let got = kept(&[
            reasoning("a"),
            reasoning("b"),
            signature("s"),
            redacted,
            call(0),
            call(1),
            reasoning("c"),
            signature("t"),
            call(2),
            reasoning("d"),
            signature("u"),
        ]);
        let data = "opaque".to_owned();
        let expected = [
            (
                "call 0".to_owned(),
                vec![signed("ab", "s"), Thinking::Redacted { data }],
            ),
            ("call 2".to_owned(), vec![signed("c", "t")]),
        ];
        assert_eq!(got, expected, "parallel calls share, and no call follows d");
    }

    #[test]
    fn what_is_not_signed_is_not_kept() {
        assert_eq!(kept(&[reasoning("a"), call(0)]), []);
        let got = kept(&[
            reasoning("a"),
            call(0),
            reasoning("b"),
            signature("s"),
            call(1),
        ]);
        assert_eq!(got, [("call 1".to_owned(), vec![signed("b", "s")])]);
    }

    #[test]
    fn a_call_without_an_id_has_nothing_kept() {
        let mut kept = Kept::default();
        for event in [reasoning("a"), signature("s"), call(0)] {
            kept.add(&event, |_, _, id| id.to_owned());
        }
        assert_eq!(kept.take(), []);
    }

    #[test]
    fn too_much_is_given_up_as_a_whole() {
        let long = "x".repeat(MOST_BYTES / 2 + 1);
        let got = kept(&[
            reasoning(&long),
            signature("s"),
            call(0),
            reasoning(&long),
            signature("s"),
            call(1),
        ]);
        assert_eq!(got, []);
    }
}
