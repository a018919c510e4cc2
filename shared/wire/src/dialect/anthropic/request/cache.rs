//! Cache marks: the caller's, or the gateway's where there are none.

use super::body::{Body, Mark};
use crate::hub::{Note, Role};

/// Most marks that the vendor takes in a request.
const MOST: usize = 4;

/// Keeps the last of the caller's marks when there are too many: they reach furthest,
/// and the vendor looks back from a mark for what it has. Places marks when there are
/// none and `auto` asks for it.
pub(super) fn place(body: &mut Body<'_>, auto: bool, notes: &mut Vec<Note>) {
    // The mark of the request as a whole is one of them.
    let room = MOST - usize::from(body.cache_control.is_some());
    let mut marks: Vec<&mut Option<Mark>> = slots(body)
        .into_iter()
        .filter(|slot| slot.is_some())
        .collect();
    let count = marks.len();
    if count > room {
        for mark in marks.iter_mut().take(count - room) {
            **mark = None;
        }
        notes.push(Note::dropped(
            "cache_control",
            "the provider takes four marks a request; the last four stay",
        ));
    }
    if auto && count == 0 && body.cache_control.is_none() {
        automatic(body);
    }
}

/// Every place for a mark, in the order in which the vendor reads the prompt.
fn slots<'s>(body: &'s mut Body<'_>) -> Vec<&'s mut Option<Mark>> {
    let tools = body.tools.iter_mut().map(|tool| &mut tool.cache_control);
    let system = body.system.0.iter_mut();
    let messages = body.messages.iter_mut();
    let blocks = system.chain(messages.flat_map(|turn| turn.content.iter_mut()));
    tools
        .chain(blocks.filter_map(|block| block.mark()))
        .collect()
}

fn automatic(body: &mut Body<'_>) {
    if let Some(tool) = body.tools.last_mut() {
        tool.cache_control = Some(Mark::PLAIN);
    }
    let mut turns = body.messages.iter_mut();
    let users = turns.rfind(|turn| turn.role == Role::User);
    let blocks = [
        body.system.0.last_mut(),
        users.and_then(|turn| turn.content.last_mut()),
    ];
    for slot in blocks
        .into_iter()
        .flatten()
        .filter_map(|block| block.mark())
    {
        *slot = Some(Mark::PLAIN);
    }
}
