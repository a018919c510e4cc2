//! Answers that a caller of Responses may go on from, in memory and bounded.
//!
//! Each belongs to the key that asked for it, and nobody else finds it: the key's id is a
//! part of what it is found by. What is too old, or too much, is forgotten; a caller then
//! sends its whole conversation, as after a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wire::dialect::responses::Turn;

/// Bytes of all conversations.
const SPACE: u64 = 256 * 1024 * 1024;
/// Conversations expected in that space.
const EXPECTED: usize = 10_000;
/// The longest conversation that is kept, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;
/// How long an answer is kept.
const LIFETIME: Duration = Duration::from_hours(24);
/// Bytes that an entry takes besides its own.
const BESIDES: u64 = 256;

/// Whose it is, and the id of a response or of an item.
type Key = (Option<i64>, String);

#[derive(Clone)]
struct Entry {
    what: What,
    made: Instant,
}

#[derive(Clone)]
enum What {
    Turn(Arc<Turn>),
    /// An item of the response with this id.
    Item(Bytes, Arc<str>),
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        let own = match &entry.what {
            What::Turn(turn) => turn.bytes(),
            What::Item(item, of) => item.len() + of.len(),
        };
        (key.1.len() + own) as u64 + BESIDES
    }
}

/// Conversations by the ids of their answers.
pub(crate) struct Conversations(Cache<Key, Entry, Weight>);

impl Conversations {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(EXPECTED, SPACE, Weight))
    }

    /// Keeps a turn.
    pub(crate) fn keep(&self, owner: Option<i64>, turn: Turn) {
        if turn.bytes() > LONGEST {
            return;
        }
        let made = Instant::now();
        let of: Arc<str> = turn.id.as_str().into();
        for (name, item) in turn.output() {
            let what = What::Item(item.clone(), Arc::clone(&of));
            self.0.insert((owner, name.clone()), Entry { what, made });
        }
        let what = What::Turn(Arc::new(turn));
        self.0
            .insert((owner, (*of).to_owned()), Entry { what, made });
    }

    /// What ends with the response `id`.
    pub(crate) fn turn(&self, owner: Option<i64>, id: &str) -> Option<Arc<Turn>> {
        match self.find(owner, id)? {
            What::Turn(turn) => Some(turn),
            What::Item(..) => None,
        }
    }

    /// An item of an answer that is still kept.
    pub(crate) fn item(&self, owner: Option<i64>, id: &str) -> Option<Bytes> {
        match self.find(owner, id)? {
            What::Turn(_) => None,
            What::Item(item, of) => self.turn(owner, &of).map(|_| item),
        }
    }

    /// Forgets the response `id`, and says whether it was there.
    pub(crate) fn forget(&self, owner: Option<i64>, id: &str) -> bool {
        let is_there = self.turn(owner, id).is_some();
        if is_there {
            self.0.remove(&(owner, id.to_owned()));
        }
        is_there
    }

    fn find(&self, owner: Option<i64>, id: &str) -> Option<What> {
        let key = (owner, id.to_owned());
        let entry = self.0.get(&key)?;
        if entry.made.elapsed() < LIFETIME {
            return Some(entry.what);
        }
        self.0.remove(&key);
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use wire::dialect::responses::{Earlier, expand};

    use super::*;

    fn turn(text: &str) -> Turn {
        let body = format!(r#"{{"input":"{text}"}}"#);
        let expanded = expand(&body.into(), &Earlier::NONE).unwrap();
        let response = br#"{"id":"resp_1","output":[{"id":"msg_1","type":"message"}]}"#;
        expanded.answered(Bytes::from_static(response)).unwrap()
    }

    #[test]
    fn an_answer_is_found_by_its_owner_alone() {
        let conversations = Conversations::new();
        conversations.keep(Some(1), turn("hi"));
        assert_eq!(*conversations.turn(Some(1), "resp_1").unwrap(), turn("hi"));
        assert!(conversations.item(Some(1), "msg_1").is_some());
        for owner in [None, Some(2)] {
            assert!(conversations.turn(owner, "resp_1").is_none());
            assert!(conversations.item(owner, "msg_1").is_none());
            assert!(!conversations.forget(owner, "resp_1"));
        }
        assert!(conversations.turn(Some(1), "msg_1").is_none());
        assert!(conversations.item(Some(1), "resp_1").is_none());
    }

    #[test]
    fn what_is_forgotten_is_gone_with_its_items() {
        let conversations = Conversations::new();
        conversations.keep(None, turn("hi"));
        assert!(conversations.forget(None, "resp_1"));
        assert!(!conversations.forget(None, "resp_1"));
        assert!(conversations.turn(None, "resp_1").is_none());
        assert!(conversations.item(None, "msg_1").is_none());
    }

    #[test]
    fn a_conversation_that_is_too_long_is_not_kept() {
        let conversations = Conversations::new();
        let long = "x".repeat(LONGEST);
        conversations.keep(None, turn(&long));
        assert!(conversations.turn(None, "resp_1").is_none());
    }
}
