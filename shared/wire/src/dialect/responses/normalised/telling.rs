//! What need not wait goes out, with what is ours between it.

use bytes::{BufMut, BytesMut};

use super::super::reply_writer::{Added, Tool, put_words};
use super::queue::{Came, Kind, Step, Verdict};
use super::{Extra, Normalised};
use crate::dialect::openai::put_comment;

impl Normalised {
    /// Tells what need not wait; with `all` set everything.
    pub(super) fn release(&mut self, all: bool, out: &mut BytesMut) {
        while let Some(step) = self.queue.steps.front() {
            match step {
                Step::Words { text, told, .. } if !all && *told < text.len() => return,
                Step::Event(came) if !all && self.queue.is_blocked(came) => return,
                Step::Event(Came {
                    kind: Kind::Begun { is_message: true },
                    index: Some(index),
                    ..
                }) => {
                    let index = *index;
                    match self.queue.verdict(index, self.changes.is_made(index)) {
                        Verdict::Open if !all => return,
                        Verdict::Empty => {
                            self.queue.remove(index);
                            self.changes.leave_out(index);
                            self.numbers.leave_out_item();
                            continue;
                        }
                        Verdict::Open | Verdict::Told => {}
                    }
                }
                Step::Event(_)
                | Step::Words { .. }
                | Step::Own { .. }
                | Step::Thought(_)
                | Step::Gone
                | Step::Closed(_) => {}
            }
            if let Some(step) = self.queue.pop() {
                self.take(step, out);
            }
        }
    }

    fn take(&mut self, step: Step, out: &mut BytesMut) {
        match step {
            Step::Thought(text) => return self.put_thought(&text, out),
            Step::Gone => return self.numbers.leave_out(),
            Step::Event(Came {
                kind: Kind::Aside,
                raw,
                ..
            }) => return out.put_slice(&raw),
            Step::Event(_) | Step::Words { .. } | Step::Own { .. } | Step::Closed(_) => {}
        }
        self.end_thought(out);
        match step {
            Step::Event(came) => {
                if came.kind == Kind::Last {
                    self.put_rest(out);
                }
                self.pass(&came, out);
                if let (Kind::Done, Some(index)) = (came.kind, came.index) {
                    self.end_item(index, out);
                }
            }
            Step::Words { came, .. } => self.pass(&came, out),
            Step::Own { place, text } => {
                let at = self.numbers.item(place.index);
                let id = self.changes.id(place.index).to_owned();
                self.numbers
                    .tell(|number| put_words(place.part, &id, at, &text, number, out));
            }
            Step::Closed(index) => self.end_item(index, out),
            Step::Thought(_) | Step::Gone => {}
        }
    }

    fn put_thought(&mut self, text: &str, out: &mut BytesMut) {
        if self.thought.is_none() {
            let index = self.here.map_or(0, |place| place.index);
            let id = self.new_id("rs");
            let at = self.numbers.add_item();
            let added = self
                .numbers
                .tell(|number| Added::thought(id, at, number, out));
            self.thought = Some((index, added));
        }
        if let Some((_, thought)) = &mut self.thought {
            self.numbers.tell(|number| thought.think(text, number, out));
        }
    }

    fn end_thought(&mut self, out: &mut BytesMut) {
        if let Some((index, mut thought)) = self.thought.take() {
            self.numbers.tell(|number| thought.end(number, out));
            self.changes.put_before(index, thought);
        }
    }

    /// An item has ended: what stood in it comes behind it.
    fn end_item(&mut self, index: usize, out: &mut BytesMut) {
        self.ended = self.ended.max(index);
        self.numbers.end(index);
        self.changes.end(index);
        let pending = std::mem::take(&mut self.pending);
        for (at, extra) in pending {
            if at == index {
                self.put_extra(index, extra, out);
            } else {
                self.pending.push((at, extra));
            }
        }
    }

    /// Behind the last item.
    fn put_rest(&mut self, out: &mut BytesMut) {
        for (_, extra) in std::mem::take(&mut self.pending) {
            self.put_extra(self.ended, extra, out);
        }
        if self.comment {
            put_comment(&self.normaliser, self.mended(), out);
        }
    }

    fn put_extra(&mut self, index: usize, extra: Extra, out: &mut BytesMut) {
        let at = self.numbers.add_item();
        let added = match extra {
            Extra::Thought(text) => {
                let id = self.new_id("rs");
                self.numbers.tell(|number| {
                    let mut added = Added::thought(id, at, number, out);
                    added.think(&text, number, out);
                    added.end(number, out);
                    added
                })
            }
            Extra::Call {
                id: call,
                name,
                arguments,
            } => {
                let is_custom = self.names.is_custom(&name);
                let id = self.new_id(if is_custom { "ctc" } else { "fc" });
                let tool = Tool {
                    id: &call,
                    name: self.namespaces.split(&name),
                    is_custom,
                };
                let numbers = &mut self.numbers;
                numbers.tell(|number| Added::call(id, at, tool, arguments, number, out))
            }
        };
        self.changes.put_after(index, added);
    }

    fn new_id(&mut self, kind: &str) -> String {
        self.added += 1;
        format!("{kind}_{}_{}", self.id, self.added - 1)
    }
}
