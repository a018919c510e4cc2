//! Calls that the server gives as such.

use super::super::Namespaces;
use super::super::event::{Item, text};
use super::super::reply_writer::Part;
use super::mending::Mending;
use super::queue::{Place, Step, Voice};
use super::{Normalised, read};

impl Normalised {
    /// An item begins.
    pub(super) fn begin(&mut self, index: usize, item: &Item<'_>) {
        if !item.is("function_call") {
            return;
        }
        if !self.written.is_empty() {
            // It may be one of them.
            self.queue.block(index);
        }
        let Some(mending) = &mut self.mending else {
            return;
        };
        let namespace = text(item.namespace);
        let name = text(item.name).unwrap_or_default();
        let joined = Namespaces::joined(namespace.as_deref(), &name);
        let other = mending.begin(index, &joined);
        if let Some(other) = other.filter(|_| namespace.is_none()) {
            self.changes.rename(index, self.namespaces.split(&other));
        }
    }

    /// Arguments of a call that the server gives, as they are told.
    pub(super) fn tell_arguments(&mut self, index: usize, ready: &str) {
        let voice = Voice::Call(index);
        let mut rest = ready;
        if !self.made.contains(&index) {
            let changes = &mut self.changes;
            let each = |place, bytes| changes.pass(place, bytes);
            rest = self.queue.align(voice, false, ready, each);
            if rest.is_empty() {
                return;
            }
            self.make(voice);
        }
        if rest.is_empty() {
            return;
        }
        let part = Part::Arguments;
        let place = Place { index, part };
        self.changes.say(place, rest);
        let text = rest.to_owned();
        self.queue.put_before_end(index, Step::Own { place, text });
    }

    /// A call that the server gives has all of its arguments.
    pub(super) fn close(&mut self, index: usize, is_done: bool, all: &str) {
        let mending = self.mending.as_mut();
        let Some(ready) = mending.and_then(|mending| mending.close(index, is_done, all)) else {
            return;
        };
        let voice = Voice::Call(index);
        let part = Part::Arguments;
        let place = Place { index, part };
        if !self.changes.has_begun(place) && !self.queue.waits(voice) {
            // No piece of it has come: there is none to be told.
            if ready != all {
                self.changes.say(place, &ready);
            }
            return;
        }
        self.tell_arguments(index, &ready);
        if self.queue.waits(voice) {
            self.make(voice);
        }
    }

    /// The item that is a call has ended.
    pub(super) fn called(&mut self, index: usize, item: &Item<'_>) {
        let all = text(item.arguments).unwrap_or_default();
        self.close(index, !item.is_cut(), &all);
        self.queue.free(index);
        self.made.retain(|made| *made != index);
        let part = Part::Arguments;
        let told = self.changes.words(Place { index, part }, item.arguments);
        let told = told.map_or(all, |told| {
            serde_json::from_slice(&told).unwrap_or_default()
        });
        let name = text(item.name).unwrap_or_default();
        let name = Namespaces::joined(text(item.namespace).as_deref(), &name);
        let call = (name, read(&told));
        if self.written.contains(&call) {
            self.queue.remove(index);
            self.changes.leave_out(index);
            self.numbers.leave_out_item();
        } else {
            self.compared += told.len();
            self.native.push(call);
        }
    }

    /// The answer is over; with `is_done` false before the model was.
    pub(super) fn close_all(&mut self, is_done: bool) {
        let open = self.mending.as_ref().map(Mending::open);
        for index in open.unwrap_or_default() {
            self.close(index, is_done, "");
        }
        self.queue.free_all();
    }
}
