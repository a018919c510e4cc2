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
pub(crate) struct Conversations {
    kept: Cache<Key, Entry, Weight>,
    lifetime: Duration,
}

impl Conversations {
    pub(crate) fn new() -> Self {
        Self::within(SPACE, LIFETIME)
    }

    /// In `space` bytes, each for `lifetime`.
    fn within(space: u64, lifetime: Duration) -> Self {
        Self {
            kept: Cache::with_weighter(EXPECTED, space, Weight),
            lifetime,
        }
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
            self.kept
                .insert((owner, name.clone()), Entry { what, made });
        }
        let what = What::Turn(Arc::new(turn));
        self.kept
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
            self.kept.remove(&(owner, id.to_owned()));
        }
        is_there
    }

    fn find(&self, owner: Option<i64>, id: &str) -> Option<What> {
        let key = (owner, id.to_owned());
        let entry = self.kept.get(&key)?;
        if entry.made.elapsed() < self.lifetime {
            return Some(entry.what);
        }
        self.kept.remove(&key);
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use wire::dialect::responses::{Earlier, expand};

    use super::*;

    fn turn(text: &str) -> Turn {
        numbered(1, text)
    }

    fn numbered(number: u64, text: &str) -> Turn {
        let body = format!(r#"{{"input":"{text}"}}"#);
        let expanded = expand(&body.into(), &Earlier::NONE).unwrap();
        let response = format!(
            r#"{{"id":"resp_{number}","output":[{{"id":"msg_{number}","type":"message"}}]}}"#
        );
        expanded.answered(response.into()).unwrap()
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
    fn what_is_too_old_is_gone() {
        let conversations = Conversations::within(SPACE, Duration::ZERO);
        conversations.keep(None, turn("hi"));
        assert!(conversations.item(None, "msg_1").is_none());
        assert!(conversations.turn(None, "resp_1").is_none());
        assert!(
            conversations
                .kept
                .get(&(None, "resp_1".to_owned()))
                .is_none()
        );
    }

    #[test]
    fn all_of_them_take_no_more_than_the_space() {
        let space = 100 * 1024;
        let conversations = Conversations::within(space, LIFETIME);
        for number in 0..1000 {
            conversations.keep(None, numbered(number, &"x".repeat(1000)));
            assert!(conversations.kept.weight() <= space, "after {number}");
        }
        let is_kept = |number: &u64| {
            let id = format!("resp_{number}");
            conversations.turn(None, &id).is_some()
        };
        let kept = (0..1000).filter(is_kept).count();
        assert!((1..100).contains(&kept), "{kept}");
    }

    #[test]
    fn a_conversation_that_is_too_long_is_not_kept() {
        let conversations = Conversations::new();
        let long = "x".repeat(LONGEST);
        conversations.keep(None, turn(&long));
        assert!(conversations.turn(None, "resp_1").is_none());
    }
}
