//! Events that a fuzzer makes up, in the order that the hub promises.

use std::borrow::Cow;

use wire::hub::{Event, Finish, StreamFault};
use wire::usage::Usage;

use crate::draw::Draw;
use crate::told::Told;
use crate::{chat, lines, messages};

const FINISHES: [Finish; 4] = [
    Finish::Stop,
    Finish::Length,
    Finish::ToolCalls,
    Finish::ContentFilter,
];

/// Most choices, and most calls of one.
const MOST: u32 = 6;

/// Reads `data` as a sequence of events and checks what writers make of them.
pub fn check(data: &[u8]) {
    let mut told = Told::default();
    let mut calls = [0u32; MOST as usize];
    let mut finished = [false; MOST as usize];
    let mut draw = Draw::of(data);
    let mut rest = data;
    let mut is_first = true;
    while let Some((op, after)) = rest.split_first() {
        rest = after;
        let choice = u32::from(op >> 4) % MOST;
        let at = choice as usize;
        let kind = op & 0xf;
        if finished[at] && !matches!(kind, 0 | 9 | 10 | 11) {
            continue;
        }
        let event = match kind {
            0 if is_first => Event::Start {
                id: word(&mut rest),
                model: word(&mut rest),
                created: draw.once_in(2).then_some(1_800_000_000),
            },
            1 => Event::Text {
                choice,
                text: piece(&mut rest),
            },
            2 => Event::Reasoning {
                choice,
                text: piece(&mut rest),
            },
            3 => Event::Refusal {
                choice,
                text: piece(&mut rest),
            },
            4 => Event::Signature {
                choice,
                signature: piece(&mut rest),
            },
            5 => Event::Redacted {
                choice,
                data: piece(&mut rest),
            },
            6 if calls[at] < MOST => {
                calls[at] += 1;
                Event::Call {
                    choice,
                    call: calls[at] - 1,
                    id: word(&mut rest),
                    name: piece(&mut rest),
                }
            }
            7 | 12 | 13 | 14 if calls[at] > 0 => {
                let back = u32::from(kind == 13).min(calls[at] - 1);
                Event::Arguments {
                    choice,
                    call: calls[at] - 1 - back,
                    text: piece(&mut rest),
                }
            }
            8 => {
                finished[at] = true;
                Event::Finish {
                    choice,
                    reason: draw.one_of(&FINISHES),
                }
            }
            9 => Event::Usage(usage(&mut draw)),
            10 => Event::KeepAlive,
            11 => break,
            _ => continue,
        };
        is_first &= matches!(event, Event::KeepAlive);
        told.add(&event);
    }
    let fault = draw.once_in(8);
    told.add(&if fault {
        Event::Fault(StreamFault::Truncated)
    } else {
        Event::End
    });
    // Each event may come of one byte.
    chat::check(&told, 4 * data.len());
    messages::check(&told, 4 * data.len());
    lines::check(&told, 4 * data.len());
}

/// The text up to the next zero.
fn word(rest: &mut &[u8]) -> Cow<'static, str> {
    let end = rest.iter().position(|byte| *byte == 0);
    let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after.get(1..).unwrap_or(&[]);
    Cow::Owned(String::from_utf8_lossy(text).into_owned())
}

/// The same, never empty.
fn piece(rest: &mut &[u8]) -> Cow<'static, str> {
    let text = word(rest);
    if text.is_empty() { "-".into() } else { text }
}

fn usage(draw: &mut Draw) -> Usage {
    let mut count = || match draw.below(4) {
        0 => 0,
        1 => u64::MAX,
        _ => draw.below(1000) as u64,
    };
    Usage {
        prompt_tokens: count(),
        completion_tokens: count(),
        total_tokens: count(),
        cached_tokens: count(),
        cache_write_tokens: count(),
        // What OpenAI's dialect has no word for.
        cache_write_1h_tokens: 0,
        reasoning_tokens: count(),
        cached_completion_tokens: count(),
        audio_prompt_tokens: count(),
        audio_completion_tokens: count(),
        image_prompt_tokens: count(),
        image_completion_tokens: count(),
        // No chat has the others.
        ..Usage::default()
    }
    .clamped()
}
