//! JSON arguments behind an opening that holds the tool's name.

use super::super::json;
use super::super::scan::Scan;
use super::super::verdict::{Called, Reason, Verdict};
use super::{Candidate, blank, mark};

/// Reads what follows the opening.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let tool = match candidate.named() {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, candidate.opening),
    };
    let start = candidate.opening + blank(candidate.body());
    let text = &candidate.text[start..];
    let call = |value, length: usize, damaged, repaired| {
        let call = candidate.accept(tool, value, damaged);
        made(
            call.map(|call| Called {
                repaired: call.repaired || repaired,
                ..call
            }),
            length,
        )
    };
    let verdict = match text.chars().next() {
        None if candidate.ended => Verdict::no(Reason::Cut, 0),
        None => Verdict::More,
        Some('{') => match json::value(text) {
            Scan::Done(found, length) => call(found.value, length, false, found.repaired),
            Scan::More if !candidate.ended => Verdict::More,
            Scan::More => match json::closed(text, false) {
                Some((found, length)) => call(found.value, length, true, true),
                None => Verdict::no(Reason::Cut, text.len()),
            },
            Scan::No => {
                let reach = json::reach(text);
                match mark(&text[reach..]) {
                    Scan::Done(..) => match json::closed(&text[..reach], true) {
                        Some((found, length)) => call(found.value, length, true, true),
                        None => Verdict::no(Reason::Unreadable, reach),
                    },
                    Scan::More if !candidate.ended => Verdict::More,
                    Scan::More | Scan::No => Verdict::no(Reason::Unreadable, reach),
                }
            }
        },
        Some(_) if candidate.weak => Verdict::no(Reason::NotACall, 1),
        // No arguments at all.
        Some(_) => match mark(text) {
            Scan::Done(..) => made(candidate.accept_bare(tool), 0),
            Scan::More if !candidate.ended => Verdict::More,
            Scan::More | Scan::No => Verdict::no(Reason::NotACall, 1),
        },
    };
    verdict.moved(start)
}

fn made(call: Result<Called, Reason>, length: usize) -> Verdict {
    match call {
        Ok(call) => Verdict::call(call, length),
        Err(reason) => Verdict::no(reason, length),
    }
}
