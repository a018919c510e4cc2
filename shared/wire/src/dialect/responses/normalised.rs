//! What a server of this format says, put through the normaliser: text that is a call becomes
//! an item behind the one in which it stood, thoughts in a message become one before it, and
//! calls that the server gives as such are mended.
//!
//! Events pass byte for byte and in their order until something is made of what they say.
//! Words of which it is open what they are wait, and with them all that comes behind; so does
//! the beginning of a message, until something is in it. From then on the members concerned
//! are edited, among them the numbers of what follows. A message of which nothing is left is
//! not told.

mod changes;
mod editing;
mod given;
mod mending;
mod numbers;
mod queue;
mod telling;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::event::{Item, Told, text};
use super::reply_writer::{Added, Part};
use super::{Namespaces, replay};
use crate::hub::{Event, Finish, StreamFault, ToolNames};
use crate::normaliser::{Manner, Normaliser};
use crate::object;
use crate::sse::{self, Frame};
use changes::Changes;
use mending::Mending;
use numbers::Numbers;
use queue::{Came, Kind, Place, Queue, Step, Voice};

/// Most bytes of events that wait; then words no longer leave as they came.
const MOST_WAITING: usize = 1024 * 1024;

/// Normalises one answer.
#[derive(Debug)]
pub(super) struct Normalised {
    normaliser: Normaliser,
    mending: Option<Mending>,
    names: ToolNames,
    namespaces: Arc<Namespaces>,
    /// What ids of items are made of.
    id: String,
    comment: bool,
    queue: Queue,
    changes: Changes,
    numbers: Numbers,
    /// Each text of a message is a choice of its own, with the reasoning before it.
    choice: u32,
    /// Whether something was made of what this choice says.
    is_made: bool,
    /// Calls whose arguments are no longer told as they came.
    made: Vec<usize>,
    /// Where the last words of the answer stood.
    here: Option<Place>,
    /// The last item that has begun, and the last one that was told to its end.
    begun: Option<usize>,
    ended: usize,
    /// The call that is being told by the normaliser: its id and its tool.
    calling: Option<(String, String)>,
    /// Calls that were text, and those that the server gave.
    written: Vec<(String, Value)>,
    native: Vec<(String, Value)>,
    /// Bytes of these.
    compared: usize,
    /// What is to be told behind items.
    pending: Vec<(usize, Extra)>,
    /// Thoughts that are being told, with the number of the message in which they came.
    thought: Option<(usize, Added)>,
    /// Items of ours.
    added: usize,
    response: Option<Bytes>,
}

/// What comes behind an item.
#[derive(Debug)]
enum Extra {
    Thought(String),
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

/// What became of a whole response.
#[derive(Debug)]
pub struct Made {
    /// The response; as it was where nothing was made of it.
    pub body: Bytes,
    /// What was looked for in its text.
    pub normaliser: Normaliser,
    /// Calls that the server gave as such and that were mended.
    pub repaired: u32,
}

/// Puts a whole response through the normaliser.
#[must_use]
pub fn normalised_response(
    body: &Bytes,
    manner: &Manner,
    names: &ToolNames,
    namespaces: &Arc<Namespaces>,
) -> Made {
    let normaliser = Normaliser::whole(manner);
    let mending = Mending::new(manner, true);
    let mut made = Normalised::with(manner, normaliser, mending, names, namespaces);
    let told = manner.may_change(body).then(|| replay(body)).flatten();
    let mut body = body.clone();
    if let Some(events) = told {
        let mut out = BytesMut::new();
        sse::Reader::default().push(&events, |frame| {
            if let Frame::Event { data, .. } = frame {
                made.event(data, Some(data), &mut out);
                out.clear();
            }
        });
        body = made.edited(&body);
    }
    Made {
        repaired: made.mended(),
        normaliser: made.normaliser,
        body,
    }
}

impl Normalised {
    pub(super) fn new(manner: &Manner, names: &ToolNames, namespaces: &Arc<Namespaces>) -> Self {
        let normaliser = Normaliser::new(manner);
        let mending = Mending::new(manner, false);
        Self::with(manner, normaliser, mending, names, namespaces)
    }

    fn with(
        manner: &Manner,
        normaliser: Normaliser,
        mending: Option<Mending>,
        names: &ToolNames,
        namespaces: &Arc<Namespaces>,
    ) -> Self {
        Self {
            normaliser,
            mending,
            names: names.clone(),
            namespaces: Arc::clone(namespaces),
            id: manner
                .id
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect(),
            comment: manner.comment,
            queue: Queue::default(),
            changes: Changes::default(),
            numbers: Numbers::default(),
            choice: 0,
            is_made: false,
            made: Vec::new(),
            here: None,
            begun: None,
            ended: 0,
            calling: None,
            written: Vec::new(),
            native: Vec::new(),
            compared: 0,
            pending: Vec::new(),
            thought: None,
            added: 0,
            response: None,
        }
    }

    pub(super) fn normaliser(&self) -> &Normaliser {
        &self.normaliser
    }

    /// Calls that the server gave as such and that were mended.
    fn mended(&self) -> u32 {
        self.mending.as_ref().map_or(0, Mending::repaired)
    }

    /// The response that the last event told, once it has.
    pub(super) fn take_response(&mut self) -> Option<Bytes> {
        self.response.take()
    }

    /// The number of the event that would have this one without what is ours.
    pub(super) fn number(&self, theirs: u64) -> u64 {
        self.numbers.ours(theirs)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.bytes()
    }

    /// Whether more is kept than any answer is long.
    pub(super) fn is_full(&self) -> bool {
        self.changes.bytes().saturating_add(self.compared) > sse::MAX_EVENT
    }

    /// Takes an event, `raw` as it came with its `data`, if it has some, and appends what the
    /// caller gets.
    pub(super) fn event(&mut self, raw: &[u8], data: Option<&[u8]>, out: &mut BytesMut) {
        let data = data.unwrap_or_default();
        let told: Told<'_> = object::read(data).unwrap_or_default();
        let came = |kind, index| Came {
            raw: raw.to_vec(),
            data: data.to_vec(),
            kind,
            index,
        };
        let index = told.index().or(self.begun).unwrap_or(0);
        match told.kind() {
            "" => self.queue.push(Step::Event(came(Kind::Aside, None))),
            "response.output_item.added" => {
                let next = self.begun.map_or(0, |last| last.saturating_add(1));
                let index = told.index().unwrap_or(next);
                let item = Item::read(told.item);
                self.begun = Some(index);
                self.begin(index, &item);
                let is_message = item.is("message");
                let kind = Kind::Begun { is_message };
                self.queue.push(Step::Event(came(kind, Some(index))));
            }
            "response.output_text.delta"
            | "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.function_call_arguments.delta" => {
                let kind = Kind::Other;
                self.words(&told, index, came(kind, Some(index)));
            }
            "response.output_text.done" => {
                self.finish(Finish::Stop);
                self.queue.push(Step::Event(came(Kind::Frame, Some(index))));
            }
            "response.content_part.added" | "response.content_part.done" => {
                let is_text = Item::read(told.part).is("output_text");
                let kind = if is_text { Kind::Frame } else { Kind::Other };
                self.queue.push(Step::Event(came(kind, Some(index))));
            }
            "response.function_call_arguments.done" => {
                let all = text(told.arguments).unwrap_or_default();
                // Half a command may be told to be done: whether it is, the item says.
                if serde_json::from_str::<serde::de::IgnoredAny>(&all).is_ok() {
                    self.close(index, true, &all);
                } else if self.mending.is_some() {
                    self.queue.block(index);
                }
                self.queue
                    .push(Step::Event(came(Kind::Called, Some(index))));
            }
            "response.output_item.done" => {
                let item = Item::read(told.item);
                self.queue.push(Step::Event(came(Kind::Done, Some(index))));
                if item.is("function_call") {
                    self.called(index, &item);
                }
            }
            kind @ ("response.completed" | "response.incomplete") => {
                let is_done = kind == "response.completed";
                self.finish(if is_done {
                    Finish::Stop
                } else {
                    Finish::Length
                });
                self.close_all(is_done);
                self.queue.push(Step::Event(came(Kind::Last, None)));
            }
            "response.failed" => {
                self.break_off(&StreamFault::Truncated, out);
                self.queue.push(Step::Event(came(Kind::Failed, None)));
            }
            _ => self
                .queue
                .push(Step::Event(came(Kind::Other, told.index()))),
        }
        let is_over = self.queue.bytes() > MOST_WAITING;
        if is_over {
            let waiting: Vec<Voice> = self.queue.waiting().collect();
            waiting.into_iter().for_each(|voice| self.make(voice));
            self.queue.free_all();
        }
        self.release(is_over, out);
    }

    /// The stream is broken: what waits is told as text.
    pub(super) fn break_off(&mut self, fault: &StreamFault, out: &mut BytesMut) {
        self.say(Event::Fault(fault.clone()));
        self.close_all(false);
        self.pending.clear();
        self.release(true, out);
    }

    /// Takes a piece of words.
    fn words(&mut self, told: &Told<'_>, index: usize, came: Came) {
        let (Some(part), Some(words)) = (told.words(), text(told.delta)) else {
            return self.queue.push(Step::Event(came));
        };
        let place = Place { index, part };
        let before = self.queue.steps.len();
        let is_made = match place.voice() {
            Voice::Answer => self.is_made,
            Voice::Call(index) => self.made.contains(&index),
        };
        let mut kept = None;
        if is_made {
            kept = Some(came);
        } else {
            self.queue.push(Step::Words {
                came,
                place,
                text: words.clone(),
                told: 0,
            });
        }
        match part {
            Part::Arguments => {
                let mending = self.mending.as_mut();
                let ready = match mending.and_then(|mending| mending.push(index, &words)) {
                    Some(ready) => ready,
                    None => words.clone(),
                };
                self.tell_arguments(index, &ready);
            }
            Part::Text(_) => {
                self.here = Some(place);
                let choice = self.choice;
                let text = words.as_str().into();
                self.say(Event::Text { choice, text });
            }
            Part::Thought(_) | Part::Summary(_) => {
                self.here = Some(place);
                let choice = self.choice;
                let text = words.as_str().into();
                self.say(Event::Reasoning { choice, text });
            }
        }
        let Some(came) = kept else { return };
        let is_same = self.queue.steps.len() == before + 1
            && matches!(self.queue.steps.back(), Some(Step::Own { place: at, text })
                if *at == place && *text == words);
        if is_same {
            self.queue.pop_last();
            self.queue.push(Step::Event(came));
        } else {
            self.queue.push(Step::Gone);
        }
    }

    /// Gives the normaliser an event and takes what becomes of it.
    fn say(&mut self, event: Event<'_>) {
        let mut told = Vec::new();
        let each = &mut |event: Event<'_>| told.push(event.into_owned());
        self.normaliser.event(event, each);
        for event in told {
            match event {
                Event::Text { text, .. } => self.tell(false, &text),
                Event::Reasoning { text, .. } => self.tell(true, &text),
                Event::Call { id, name, .. } => {
                    self.make(Voice::Answer);
                    self.calling = Some((id.into_owned(), name.into_owned()));
                }
                Event::Arguments { text, .. } => self.tell_call(&text),
                Event::Start { .. }
                | Event::Signature { .. }
                | Event::Redacted { .. }
                | Event::Refusal { .. }
                | Event::Finish { .. }
                | Event::Usage(_)
                | Event::KeepAlive
                | Event::End
                | Event::Fault(_) => {}
            }
        }
    }

    /// Words of the answer that are told.
    fn tell(&mut self, is_thought: bool, text: &str) {
        let mut rest = text;
        if !self.is_made {
            let changes = &mut self.changes;
            let each = |place, bytes| changes.pass(place, bytes);
            rest = self.queue.align(Voice::Answer, is_thought, text, each);
            if rest.is_empty() {
                return;
            }
            self.make(Voice::Answer);
        }
        let Some(place) = self.here else { return };
        match place.part {
            Part::Text(_) if is_thought => self.think(place.index, rest.to_owned()),
            Part::Text(_) | Part::Thought(_) | Part::Summary(_) | Part::Arguments => {
                self.changes.say(place, rest);
                let text = rest.to_owned();
                self.queue.push(Step::Own { place, text });
            }
        }
    }

    /// Thoughts in the message `index`: before it, or, where it has begun, behind it.
    fn think(&mut self, index: usize, text: String) {
        let step = self.queue.put_before_message(index, Step::Thought(text));
        let Some(Step::Thought(text)) = step else {
            return;
        };
        match self.pending.last_mut() {
            Some((at, Extra::Thought(had))) if *at == index => had.push_str(&text),
            Some(_) | None => self.pending.push((index, Extra::Thought(text))),
        }
    }

    /// A call that was text is complete.
    fn tell_call(&mut self, arguments: &str) {
        let Some((id, name)) = self.calling.take() else {
            return;
        };
        let call = (name.clone(), read(arguments));
        if self.native.contains(&call) {
            return;
        }
        self.compared += arguments.len();
        self.written.push(call);
        let arguments = arguments.to_owned();
        let index = self.here.map_or(0, |place| place.index);
        let call = Extra::Call {
            id,
            name,
            arguments,
        };
        self.pending.push((index, call));
    }

    /// The text is complete.
    fn finish(&mut self, reason: Finish) {
        let choice = self.choice;
        self.say(Event::Finish { choice, reason });
        if self.queue.waits(Voice::Answer) {
            self.make(Voice::Answer);
        }
        self.choice += 1;
        self.is_made = false;
    }

    /// What `voice` says is no longer told as it came.
    fn make(&mut self, voice: Voice) {
        let changes = &mut self.changes;
        self.queue.settle(voice, |place| changes.make(place));
        match voice {
            Voice::Answer if self.is_made => {}
            Voice::Answer => {
                self.is_made = true;
                if let Some(place) = self.here {
                    self.changes.make(place);
                }
            }
            Voice::Call(index) => {
                self.made.push(index);
                let part = Part::Arguments;
                self.changes.make(Place { index, part });
            }
        }
    }
}

/// Arguments, to be compared.
fn read(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_default()
}

#[cfg(test)]
mod tests;
