//! Streams that fail in their middle, the way each vendor's do.

use super::{Event, chat, refusal, responses};
use crate::script::Script;
use crate::validate::{Call, Facts};
use crate::vendor::{Flavor, Voice};

/// Ends the events the way the vendor fails in a stream; says if `[DONE]` still follows.
pub(super) fn fail(
    voice: Voice,
    call: Call,
    facts: &Facts,
    script: &Script,
    events: &mut Vec<Event>,
) -> bool {
    let Some(after) = script.error_after else {
        return true;
    };
    let mut content = 0;
    let end = events.iter().position(|event| {
        let beyond = event.content && content == after;
        content += usize::from(event.content);
        beyond
    });
    // Without so many chunks: before whatever ends the stream.
    let end = end.or_else(|| {
        events
            .iter()
            .rposition(|event| event.content)
            .map(|at| at + 1)
    });
    events.truncate(end.unwrap_or(0));
    let flavor = voice.flavor;
    if call == Call::Responses {
        responses::fail(facts, &refusal(script, 500), events);
        return false;
    }
    let data = match flavor {
        // Ollama's own error line becomes an empty answer here: nothing tells of the fault.
        Flavor::Ollama if !voice.plain => chat::empty_chunk(flavor, facts),
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::Together
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => refusal(script, 500).event(voice).to_string(),
    };
    events.push(Event {
        name: (flavor == Flavor::Anthropic).then_some("error"),
        ..Event::new(data, false)
    });
    flavor == Flavor::Vllm
}

/// Makes the middle content event half of one, if the script says so.
pub(super) fn garble(events: &mut [Event], script: &Script) {
    if !script.bad_json {
        return;
    }
    let middle = events.iter().filter(|event| event.content).count() / 2;
    if let Some(event) = events.iter_mut().filter(|event| event.content).nth(middle) {
        let mut half = event.data.len() / 2;
        while !event.data.is_char_boundary(half) {
            half += 1;
        }
        event.data.truncate(half);
    }
}
