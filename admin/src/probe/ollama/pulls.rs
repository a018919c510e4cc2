//! The pulls under way and the latest ones that have ended.
//!
//! Bounded: so many at once, so many kept, so many lines of each. Nothing survives a restart.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Most pulls under way at once.
const MAX_RUNNING: usize = 8;
/// Most pulls kept, those under way included.
const MAX_KEPT: usize = 50;
/// Most lines kept of one pull.
const MAX_LINES: usize = 20;

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Running,
    Done,
    Failed,
}

impl State {
    /// Whether it goes on.
    pub(crate) fn is_running(self) -> bool {
        self == Self::Running
    }
}

/// One pull, as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pull {
    #[serde(skip)]
    pub(crate) number: u64,
    #[serde(skip)]
    endpoint_id: i64,
    pub(crate) model: String,
    pub(crate) state: State,
    /// What the server said, oldest first, each step once.
    pub(crate) lines: VecDeque<String>,
    /// Bytes of the present step.
    pub(crate) completed: Option<u64>,
    /// Bytes the present step has in all.
    pub(crate) total: Option<u64>,
    pub(crate) error: Option<String>,
    /// Unix seconds.
    started_at: u64,
    /// Unix seconds.
    ended_at: Option<u64>,
}

/// The pulls of all endpoints, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    latest: u64,
    pulls: VecDeque<Pull>,
}

impl Pulls {
    /// Adds a pull and says that it is new, or gives the one of the same model that is under
    /// way; `None` when too many are.
    pub(super) fn begin(&self, endpoint_id: i64, model: &str) -> Option<(Pull, bool)> {
        let mut list = self.lock();
        let running = |pull: &&Pull| pull.state == State::Running;
        let same = |pull: &&Pull| pull.endpoint_id == endpoint_id && pull.model == model;
        if let Some(pull) = list.pulls.iter().filter(running).find(same) {
            return Some((pull.clone(), false));
        }
        if list.pulls.iter().filter(running).count() >= MAX_RUNNING {
            return None;
        }
        if list.pulls.len() >= MAX_KEPT
            && let Some(oldest) = list.pulls.iter().position(|pull| !running(&pull))
        {
            list.pulls.remove(oldest);
        }
        list.latest += 1;
        let pull = Pull {
            number: list.latest,
            endpoint_id,
            model: model.to_owned(),
            state: State::Running,
            lines: VecDeque::new(),
            completed: None,
            total: None,
            error: None,
            started_at: now(),
            ended_at: None,
        };
        list.pulls.push_back(pull.clone());
        Some((pull, true))
    }

    /// Notes a line of the server. The same step told again only moves its bytes.
    pub(super) fn note(
        &self,
        number: u64,
        line: String,
        completed: Option<u64>,
        total: Option<u64>,
    ) {
        self.change(number, |pull| {
            pull.completed = completed;
            pull.total = total;
            if !line.is_empty() && pull.lines.back() != Some(&line) {
                if pull.lines.len() >= MAX_LINES {
                    pull.lines.pop_front();
                }
                pull.lines.push_back(line);
            }
        });
    }

    /// Notes the end, with why it failed if it did.
    pub(super) fn end(&self, number: u64, error: Option<String>) {
        self.change(number, |pull| {
            pull.state = if error.is_some() {
                State::Failed
            } else {
                State::Done
            };
            pull.error = error;
            pull.ended_at = Some(now());
        });
    }

    /// The pulls of an endpoint, newest first.
    pub(super) fn of(&self, endpoint_id: i64) -> Vec<Pull> {
        let list = self.lock();
        let of_endpoint = list.pulls.iter().rev();
        of_endpoint
            .filter(|pull| pull.endpoint_id == endpoint_id)
            .cloned()
            .collect()
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Pull)) {
        let mut list = self.lock();
        if let Some(pull) = list.pulls.iter_mut().find(|pull| pull.number == number) {
            change(pull);
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use super::{MAX_KEPT, MAX_LINES, MAX_RUNNING, Pulls, State};

    #[test]
    fn only_so_many_run_at_once_and_none_twice() {
        let pulls = Pulls::default();
        for place in 0..MAX_RUNNING {
            let (_, is_new) = pulls.begin(1, &format!("m{place}")).unwrap();
            assert!(is_new);
        }
        let (same, is_new) = pulls.begin(1, "m3").unwrap();
        assert!(!is_new);
        assert!(pulls.begin(1, "more").is_none());
        assert!(pulls.begin(2, "m3").is_none());
        pulls.end(same.number, None);
        assert!(pulls.begin(2, "m3").unwrap().1);
    }

    #[test]
    fn the_oldest_that_ended_make_room() {
        let pulls = Pulls::default();
        let (first, _) = pulls.begin(1, "running").unwrap();
        for place in 0..2 * MAX_KEPT {
            let (pull, _) = pulls.begin(1, &format!("m{place}")).unwrap();
            pulls.end(pull.number, Some("no".to_owned()));
        }
        let kept = pulls.of(1);
        assert_eq!(kept.len(), MAX_KEPT);
        assert_eq!(kept.last().unwrap().number, first.number);
        assert_eq!(kept[0].model, format!("m{}", 2 * MAX_KEPT - 1));
        assert_eq!(kept[0].state, State::Failed);
    }

    #[test]
    fn a_step_is_one_line_and_only_so_many_are_kept() {
        let pulls = Pulls::default();
        let (pull, _) = pulls.begin(1, "m").unwrap();
        for bytes in 0..5 {
            pulls.note(pull.number, "pulling".to_owned(), Some(bytes), Some(5));
        }
        let found = pulls.of(1).remove(0);
        assert_eq!(found.lines, ["pulling"]);
        assert_eq!((found.completed, found.total), (Some(4), Some(5)));
        for step in 0..2 * MAX_LINES {
            pulls.note(pull.number, format!("step {step}"), None, None);
        }
        let found = pulls.of(1).remove(0);
        assert_eq!(found.lines.len(), MAX_LINES);
        assert_eq!(
            found.lines.back().unwrap(),
            &format!("step {}", 2 * MAX_LINES - 1)
        );
        assert_eq!(found.completed, None);
    }
}
