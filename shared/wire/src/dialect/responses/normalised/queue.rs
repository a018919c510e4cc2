//! What waits to be told, in its order.

use std::collections::{BTreeSet, VecDeque};

use super::super::reply_writer::Part;

/// Where words stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The item's number as the server has it.
    pub(super) index: usize,
    pub(super) part: Part,
}

/// Whose words are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// The answer: messages and reasoning.
    Answer,
    /// The arguments of the call that is the item of this number.
    Call(usize),
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No event: a comment, or what has no meaning here.
    Aside,
    /// An item begins.
    Begun {
        is_message: bool,
    },
    /// A part of a message begins or ends: nothing is in it that was not told before.
    Frame,
    /// A function's arguments end.
    Called,
    /// An item ends.
    Done,
    /// The answer ends.
    Last,
    /// It ends in an error.
    Failed,
    Other,
}

/// An event as it came.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) raw: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) kind: Kind,
    /// The item's number as the server has it.
    pub(super) index: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Step {
    Event(Came),
    /// A piece of words, of which so many bytes are known to be told.
    Words {
        came: Came,
        place: Place,
        text: String,
        told: usize,
    },
    /// Words that are told otherwise than they came.
    Own {
        place: Place,
        text: String,
    },
    /// Thoughts that came inside a message.
    Thought(String),
    /// In the place of an event that is not told.
    Gone,
    /// In the place of an item's end that is not told.
    Closed(usize),
}

impl Place {
    pub(super) fn voice(self) -> Voice {
        match self.part {
            Part::Text(_) | Part::Thought(_) | Part::Summary(_) => Voice::Answer,
            Part::Arguments => Voice::Call(self.index),
        }
    }

    fn is_thought(self) -> bool {
        matches!(self.part, Part::Thought(_) | Part::Summary(_))
    }
}

/// Whether a message that has begun is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Told,
    Empty,
    Open,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) steps: VecDeque<Step>,
    /// Bytes of events that wait.
    bytes: usize,
    /// Items of which it is open whether they are told.
    blocked: BTreeSet<usize>,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, step: Step) {
        self.bytes = self.bytes.saturating_add(weight(&step));
        self.steps.push_back(step);
    }

    /// Takes the last step back.
    pub(super) fn pop_last(&mut self) {
        if let Some(step) = self.steps.pop_back() {
            self.bytes = self.bytes.saturating_sub(weight(&step));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Step> {
        let step = self.steps.pop_front()?;
        self.bytes = self.bytes.saturating_sub(weight(&step));
        Some(step)
    }

    pub(super) fn block(&mut self, index: usize) {
        self.blocked.insert(index);
    }

    pub(super) fn free(&mut self, index: usize) {
        self.blocked.remove(&index);
    }

    pub(super) fn free_all(&mut self) {
        self.blocked.clear();
    }

    pub(super) fn is_blocked(&self, came: &Came) -> bool {
        came.index
            .is_some_and(|index| self.blocked.contains(&index))
    }

    /// Finds `text`, which is told next of what `voice` says, in the words that wait, and
    /// gives each place and how much more of it is told to `each`. What is left of `text`
    /// is not in them.
    pub(super) fn align<'t>(
        &mut self,
        voice: Voice,
        is_thought: bool,
        mut text: &'t str,
        mut each: impl FnMut(Place, usize),
    ) -> &'t str {
        for step in &mut self.steps {
            let Step::Words {
                place,
                text: words,
                told,
                ..
            } = step
            else {
                continue;
            };
            let rest = words.get(*told..).unwrap_or_default();
            if place.voice() != voice || rest.is_empty() {
                continue;
            }
            if text.is_empty() || place.is_thought() != is_thought {
                break;
            }
            let same = common(rest, text);
            *told += same;
            each(*place, same);
            text = text.get(same..).unwrap_or_default();
            if *told < words.len() {
                break;
            }
        }
        text
    }

    /// Whose words wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Voice> {
        self.steps.iter().filter_map(|step| match step {
            Step::Words {
                place, text, told, ..
            } if *told < text.len() => Some(place.voice()),
            Step::Event(_)
            | Step::Words { .. }
            | Step::Own { .. }
            | Step::Thought(_)
            | Step::Gone
            | Step::Closed(_) => None,
        })
    }

    /// Whether some of what `voice` says waits.
    pub(super) fn waits(&self, voice: Voice) -> bool {
        self.waiting().any(|other| other == voice)
    }

    /// Nothing more of what `voice` says is told as it came. Gives the places concerned to
    /// `each`.
    pub(super) fn settle(&mut self, voice: Voice, mut each: impl FnMut(Place)) {
        let steps = std::mem::take(&mut self.steps);
        self.bytes = 0;
        for step in steps {
            match step {
                Step::Words {
                    place, text, told, ..
                } if place.voice() == voice && told < text.len() => {
                    each(place);
                    self.push(Step::Gone);
                    let text = text.get(..told).unwrap_or_default().to_owned();
                    if !text.is_empty() {
                        self.push(Step::Own { place, text });
                    }
                }
                other @ (Step::Event(_)
                | Step::Words { .. }
                | Step::Own { .. }
                | Step::Thought(_)
                | Step::Gone
                | Step::Closed(_)) => self.push(other),
            }
        }
    }

    /// Puts `step` before the end of the call that the item is, or at the end.
    pub(super) fn put_before_end(&mut self, index: usize, step: Step) {
        let at = self.find(index, |kind| matches!(kind, Kind::Called | Kind::Done));
        self.put(at.unwrap_or(self.steps.len()), step);
    }

    /// Puts `step` before the beginning of the message; gives it back where that has been
    /// told.
    pub(super) fn put_before_message(&mut self, index: usize, step: Step) -> Option<Step> {
        let Some(at) = self.find(index, |kind| matches!(kind, Kind::Begun { .. })) else {
            return Some(step);
        };
        self.put(at, step);
        None
    }

    /// Where the first event of the item waits that `is` of the kind.
    fn find(&self, index: usize, is: fn(Kind) -> bool) -> Option<usize> {
        let mut steps = self.steps.iter();
        steps.position(
            |step| matches!(step, Step::Event(came) if is(came.kind) && came.index == Some(index)),
        )
    }

    fn put(&mut self, at: usize, step: Step) {
        self.bytes = self.bytes.saturating_add(weight(&step));
        self.steps.insert(at, step);
    }

    /// No event of the item is told.
    pub(super) fn remove(&mut self, index: usize) {
        let steps = std::mem::take(&mut self.steps);
        self.bytes = 0;
        for step in steps {
            match step {
                Step::Event(came) | Step::Words { came, .. } if came.index == Some(index) => {
                    self.push(Step::Gone);
                    if came.kind == Kind::Done {
                        self.push(Step::Closed(index));
                    }
                }
                other @ (Step::Event(_)
                | Step::Words { .. }
                | Step::Own { .. }
                | Step::Thought(_)
                | Step::Gone
                | Step::Closed(_)) => self.push(other),
            }
        }
    }

    /// What the steps behind the first, which begins the message `index`, say of it.
    /// `is_made` says whether something was made of its words.
    pub(super) fn verdict(&self, index: usize, is_made: bool) -> Verdict {
        for step in self.steps.iter().skip(1) {
            match step {
                Step::Words { text, told, .. } if text.len() > *told => return Verdict::Open,
                Step::Words { text, .. } if text.is_empty() => {}
                Step::Own { .. } | Step::Words { .. } | Step::Thought(_) => return Verdict::Told,
                Step::Gone | Step::Closed(_) => {}
                Step::Event(came) => match came.kind {
                    Kind::Aside => {}
                    Kind::Frame if came.index == Some(index) => {}
                    Kind::Done if came.index == Some(index) && is_made => return Verdict::Empty,
                    Kind::Begun { .. }
                    | Kind::Frame
                    | Kind::Called
                    | Kind::Done
                    | Kind::Last
                    | Kind::Failed
                    | Kind::Other => return Verdict::Told,
                },
            }
        }
        Verdict::Open
    }
}

fn weight(step: &Step) -> usize {
    match step {
        Step::Event(came) => came.raw.len() + came.data.len(),
        Step::Words { came, text, .. } => came.raw.len() + came.data.len() + text.len(),
        Step::Own { text, .. } | Step::Thought(text) => text.len(),
        Step::Gone | Step::Closed(_) => 1,
    }
}

/// Bytes that both begin with.
fn common(one: &str, other: &str) -> usize {
    let pairs = one.chars().zip(other.chars());
    pairs
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one.len_utf8())
        .sum()
}
