//! The calls of the assistant's last turn, and which of them have their results.
//!
//! Work is linear in the number of calls and results, whatever their ids are: a caller
//! may give all of them the same one.

use std::collections::{HashMap, VecDeque};

use super::body::{Block, Turn};
use crate::hub::{Refusal, Role};

/// The calls of one turn.
#[derive(Default)]
pub(super) struct Calls<'a> {
    /// The caller's id and the upstream's, in order.
    list: Vec<(&'a str, String)>,
    /// Places in the list without a result yet, by the caller's id.
    open: HashMap<&'a str, VecDeque<usize>>,
    /// Where the caller has the turn.
    at: &'a str,
}

impl<'a> Calls<'a> {
    /// The message at `at` makes the call `id`, for the upstream `upstream`.
    pub(super) fn add(&mut self, at: &'a str, id: &'a str, upstream: String) {
        self.at = at;
        self.open.entry(id).or_default().push_back(self.list.len());
        self.list.push((id, upstream));
    }

    /// The upstream's id of the call that a result of the caller's `id` belongs to:
    /// the first one of this id that has none.
    pub(super) fn answer(&mut self, id: &str) -> Option<&str> {
        let place = self.open.get_mut(id)?.pop_front()?;
        self.list.get(place).map(|(_, upstream)| upstream.as_str())
    }

    /// Every call has its result, and the results are in the order of the calls, before
    /// all else in the last turn of the user.
    ///
    /// # Errors
    /// When a result is missing.
    pub(super) fn settle(self, turns: &mut [Turn<'_>]) -> Result<(), Refusal> {
        let mut open: Vec<usize> = self.open.into_values().flatten().collect();
        if !open.is_empty() {
            open.sort_unstable();
            let ids: Vec<&str> = open.iter().map(|place| self.list[*place].0).collect();
            return Err(Refusal {
                param: self.at.to_owned(),
                message: format!(
                    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids of '{}' did not have response messages: {}",
                    self.at,
                    ids.join(", ")
                ),
            });
        }
        if self.list.is_empty() {
            return Ok(());
        }
        if let Some(turn) = turns.iter_mut().rfind(|turn| turn.role == Role::User) {
            let upstream = self.list.iter().map(|(_, upstream)| upstream.as_str());
            let places: HashMap<&str, usize> = upstream.zip(0..).collect();
            turn.content.sort_by_cached_key(|block| {
                let Block::ToolResult { tool_use_id, .. } = block else {
                    return usize::MAX;
                };
                places.get(&**tool_use_id).copied().unwrap_or(usize::MAX)
            });
        }
        Ok(())
    }
}
