//! Messages of gpt-oss: a header of special tokens, then the body.

use super::super::json;
use super::super::scan::Scan;
use super::super::verdict::{Called, Reason, Verdict};
use super::{Candidate, blank};

/// Longest header in bytes.
const LONGEST: usize = 512;

/// The header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Header {
    /// `analysis`, `commentary`, `final`.
    pub(in super::super) channel: String,
    /// Whom the message is for: a tool, with `functions.` before its name or without.
    pub(in super::super) recipient: Option<String>,
}

/// The header at the start of `text`, which begins with one of its tokens.
pub(in super::super) fn header(text: &str) -> Scan<Header> {
    const MESSAGE: &str = "<|message|>";
    let window = text
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= LONGEST)
        .last();
    let window = &text[..window.unwrap_or(0)];
    let Some(end) = text.find(MESSAGE).filter(|end| *end <= LONGEST) else {
        return if window.len() + 4 < LONGEST && plausible(text) {
            Scan::More
        } else {
            Scan::No
        };
    };
    let head = &text[..end];
    if !plausible(head) {
        return Scan::No;
    }
    let recipient = head.split("to=").nth(1).map(|name| {
        let end = name.find(|c: char| c.is_whitespace() || c == '<');
        name[..end.unwrap_or(name.len())].to_owned()
    });
    let channel = head.rsplit("<|channel|>").next().unwrap_or(head);
    let channel = channel
        .split(|c: char| !c.is_ascii_alphabetic())
        .find(|word| !word.is_empty());
    let header = Header {
        channel: channel.unwrap_or("final").to_owned(),
        recipient: recipient.filter(|name| !name.is_empty()),
    };
    Scan::Done(header, end + MESSAGE.len())
}

/// Whether nothing in `head` cannot stand in a header.
fn plausible(head: &str) -> bool {
    const TOKENS: [&str; 5] = [
        "<|start|>",
        "<|channel|>",
        "<|constrain|>",
        "<|message|>",
        "<|recipient|>",
    ];
    let mut rest = head;
    while let Some(at) = rest.find('<') {
        let token = &rest[at..];
        let Some(known) = TOKENS
            .iter()
            .find(|known| token.starts_with(**known) || known.starts_with(token))
        else {
            return false;
        };
        rest = token.get(known.len()..).unwrap_or("");
    }
    !head.contains(['\n', '{'])
}

/// Reads a message to a tool; one to nobody is not a call.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let (header, start) = match header(candidate.text) {
        Scan::Done(header, length) => (header, length),
        Scan::More if candidate.ended => return Verdict::no(Reason::Cut, candidate.text.len()),
        Scan::More => return Verdict::More,
        Scan::No => return Verdict::no(Reason::NotACall, candidate.opening),
    };
    let Some(recipient) = header.recipient else {
        return Verdict::no(Reason::NotACall, start);
    };
    let tool = match candidate.tool(&recipient) {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, start),
    };
    let start = start + blank(&candidate.text[start..]);
    let body = &candidate.text[start..];
    let (value, length, damaged, repaired) = match json::value(body) {
        Scan::Done(found, length) => (found.value, length, false, found.repaired),
        Scan::More if !candidate.ended => return Verdict::More,
        Scan::More => match json::closed(body, false) {
            Some((found, length)) => (found.value, length, true, true),
            None => return Verdict::no(Reason::Cut, candidate.text.len()),
        },
        Scan::No => {
            let reach = json::reach(body);
            match super::mark(&body[reach..]) {
                Scan::Done(..) => match json::closed(&body[..reach], true) {
                    Some((found, length)) => (found.value, length, true, true),
                    None => return Verdict::no(Reason::Unreadable, start + reach),
                },
                Scan::More if !candidate.ended => return Verdict::More,
                Scan::More | Scan::No => return Verdict::no(Reason::Unreadable, start + reach),
            }
        }
    };
    // Thoughts may be addressed; only what is sent off is a call.
    if header.channel == "analysis" {
        let after = body[length..].trim_start();
        if !after.starts_with("<|call|>") {
            return if !candidate.ended && "<|call|>".starts_with(after) {
                Verdict::More
            } else {
                Verdict::no(Reason::NotACall, start + length)
            };
        }
    }
    match candidate.accept(tool, value, damaged) {
        Ok(call) => Verdict::call(
            Called {
                repaired: call.repaired || repaired,
                ..call
            },
            start + length,
        ),
        Err(reason) => Verdict::no(reason, start + length),
    }
}
