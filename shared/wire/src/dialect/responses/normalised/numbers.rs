//! The numbers of events and items, as the caller gets them.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The number of the next event of ours.
    next_event: u64,
    /// Events that we told more than the server, less those that we left out.
    more: i64,
    /// The number of the next item.
    next_item: usize,
    /// Whether an item was added or left out: from then on ours have numbers of their own.
    is_moved: bool,
    /// The numbers of items that are open, where they are others than the server's.
    items: BTreeMap<usize, usize>,
}

impl Numbers {
    /// The number of the event that the server gives this one; it is told now.
    pub(super) fn event(&mut self, theirs: u64) -> u64 {
        let ours = theirs.saturating_add_signed(self.more);
        self.next_event = ours.saturating_add(1);
        ours
    }

    /// The number that an event of ours would have which the server gives this one.
    pub(super) fn ours(&self, theirs: u64) -> u64 {
        theirs.saturating_add_signed(self.more)
    }

    /// An event of the server's is left out.
    pub(super) fn leave_out(&mut self) {
        self.more = self.more.saturating_sub(1);
    }

    /// Tells events of ours: `tell` counts the number up.
    pub(super) fn tell<T>(&mut self, tell: impl FnOnce(&mut u64) -> T) -> T {
        let before = self.next_event;
        let told = tell(&mut self.next_event);
        let count = i64::try_from(self.next_event.saturating_sub(before)).unwrap_or(i64::MAX);
        self.more = self.more.saturating_add(count);
        told
    }

    /// An item of the server's begins.
    pub(super) fn begin(&mut self, theirs: usize) {
        if !self.is_moved {
            self.next_item = theirs.saturating_add(1);
            return;
        }
        let ours = self.add_item();
        self.items.insert(theirs, ours);
    }

    /// The number of an item of ours, which begins.
    pub(super) fn add_item(&mut self) -> usize {
        self.is_moved = true;
        let ours = self.next_item;
        self.next_item = ours.saturating_add(1);
        ours
    }

    /// An item of the server's is left out.
    pub(super) fn leave_out_item(&mut self) {
        self.is_moved = true;
    }

    /// The number of an item that has begun.
    pub(super) fn item(&self, theirs: usize) -> usize {
        self.items.get(&theirs).copied().unwrap_or(theirs)
    }

    /// An item has ended.
    pub(super) fn end(&mut self, theirs: usize) {
        self.items.remove(&theirs);
    }

    /// Whether all numbers are the server's.
    pub(super) fn are_theirs(&self) -> bool {
        self.more == 0 && !self.is_moved
    }
}
