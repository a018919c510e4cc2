//! The calls of the model's last turn, and which of them have their results.
//!
//! The format needs no ids: a result may name its call by the id, by the function, or
//! be the next one in order. Work is linear in the number of calls and results.

use std::collections::{HashMap, VecDeque};

/// The calls of one turn.
#[derive(Default)]
pub(super) struct Calls {
    /// Id and function, in order; `None` where the result has come.
    list: Vec<Option<(String, String)>>,
    /// Places in the list by id, and by function.
    by_id: HashMap<String, VecDeque<usize>>,
    by_name: HashMap<String, VecDeque<usize>>,
    /// Calls before this one have their results.
    next: usize,
}

impl Calls {
    /// The model makes a call.
    pub(super) fn add(&mut self, id: &str, name: &str) {
        let at = self.list.len();
        self.list.push(Some((id.to_owned(), name.to_owned())));
        self.by_id.entry(id.to_owned()).or_default().push_back(at);
        self.by_name
            .entry(name.to_owned())
            .or_default()
            .push_back(at);
    }

    /// Id and function of the call that a result belongs to: the first open one with
    /// this id; else the first of this function; else, when no function is named, the
    /// first of all.
    pub(super) fn answer(&mut self, id: &str, name: &str) -> Option<(String, String)> {
        let by_id = first(&mut self.list, self.by_id.get_mut(id));
        if by_id.is_some() {
            return by_id;
        }
        if !name.is_empty() {
            return first(&mut self.list, self.by_name.get_mut(name));
        }
        while let Some(call) = self.list.get_mut(self.next) {
            self.next += 1;
            if let Some(call) = call.take() {
                return Some(call);
            }
        }
        None
    }
}

/// Takes the first call at `places` that is still there.
fn first(
    list: &mut [Option<(String, String)>],
    places: Option<&mut VecDeque<usize>>,
) -> Option<(String, String)> {
    let places = places?;
    while let Some(at) = places.pop_front() {
        if let Some(call) = list.get_mut(at).and_then(Option::take) {
            return Some(call);
        }
    }
    None
}
