//! The laws of the road: what a caller may send in any dialect is refused, or goes to an
//! endpoint of every type as a request of that type, or is refused for that type alone.

use bytes::Bytes;
use serde_json::Value;
use wire::dialect::openai::{BadRequest, Defaults};
use wire::dialect::runpod::{Policy, Worker};
use wire::hub::{Origin, Thinking};
use wire::inbound::{CallerDialect, Inbound};
use wire::outbound::{Candidate, LocalModel, Outbound, Unsaid, write};
use wire::provider::{BaseUrl, Call, Format, Provider, ProviderKind, Way};

use crate::draw::Draw;
use crate::json::must_be_object;

/// Reads `data` as a request of every dialect and writes it for every type of endpoint.
pub fn check(data: &[u8]) {
    let mut draw = Draw::of(data);
    for dialect in CallerDialect::ALL {
        let inbound = match Inbound::read(dialect, Bytes::copy_from_slice(data)) {
            Ok(inbound) => inbound,
            Err(bad) => {
                must_say_what(&bad);
                continue;
            }
        };
        // One that asks for nothing goes to nobody.
        if inbound.loads() {
            continue;
        }
        for kind in ProviderKind::ALL {
            let provider = kind.provider();
            for way in ways(kind, &inbound) {
                check_one(&inbound, provider, &way, &mut draw);
            }
        }
    }
}

fn must_say_what(bad: &BadRequest) {
    assert!(!bad.message.is_empty(), "{bad:?}");
    assert!(bad.param.as_ref().is_none_or(|param| !param.is_empty()));
}

/// How an endpoint of this type may be asked.
fn ways(kind: ProviderKind, inbound: &Inbound) -> Vec<Way> {
    let typed = match kind {
        ProviderKind::Runpod => "https://api.runpod.ai/v2/abc",
        ProviderKind::Anthropic => "https://api.anthropic.com",
        ProviderKind::OpenAi
        | ProviderKind::OpenWebui
        | ProviderKind::Ollama
        | ProviderKind::Vllm
        | ProviderKind::Together
        | ProviderKind::DeepInfra
        | ProviderKind::Queue => "https://upstream.example",
    };
    let base = BaseUrl::parse(typed).expect("an address");
    let provider = kind.provider();
    let responses = (inbound.dialect == CallerDialect::OpenAiResponses)
        .then(|| provider.responses_way(&base))
        .flatten();
    let way = provider.way(&base, inbound.call);
    way.into_iter().chain(responses).collect()
}

fn check_one(inbound: &Inbound, provider: &'static Provider, way: &Way, draw: &mut Draw) {
    let defaults = Defaults {
        max_tokens: draw.once_in(3).then(|| Bytes::from_static(b"77")),
        temperature: draw.once_in(3).then(|| Bytes::from_static(b"0.5")),
        top_p: draw.once_in(3).then(|| Bytes::from_static(b"0.25")),
        system_prompt: draw.once_in(3).then(|| "Be \"brief\".\n".to_owned()),
    };
    let some = |draw: &mut Draw| draw.one_of(&[None, Some(7), Some(4096)]);
    let yes = |draw: &mut Draw| draw.one_of(&[None, Some(false), Some(true)]);
    let local = LocalModel {
        longest: some(draw),
        loaded: some(draw),
        ceiling: some(draw),
        thinks: yes(draw),
        takes_tools: yes(draw),
        sees: yes(draw),
        longest_answer: some(draw).map(u64::from),
        counted: some(draw).map(u64::from),
    };
    let recalls = draw.once_in(2);
    let recall = |_: &str| {
        let thinking = Thinking::Plain {
            text: "so".to_owned(),
            signature: Some("proof".to_owned()),
        };
        recalls.then(|| vec![thinking])
    };
    let candidate = Candidate {
        provider,
        way,
        model: "up/stream",
        model_json: &Bytes::from_static(b"\"up/stream\""),
        defaults: &defaults,
        whole: draw.once_in(4),
        repair_history: draw.once_in(2),
        auto_cache: draw.once_in(2),
        inline_system: draw.once_in(2),
        origin: Origin::of(1, "https://upstream.example", "up/stream"),
        recall: &recall,
        is_foreign: &|proof| proof.len() % 2 == 1,
        samples: draw.once_in(2),
        keep_alive: draw.one_of(&[None, Some("5m")]),
        local,
        worker: draw.one_of(&Worker::ALL),
        policy: draw.once_in(2).then_some(Policy {
            execution_timeout: 5,
            ttl: 7,
        }),
    };
    match write(inbound, &candidate) {
        Ok(outbound) => check_outbound(inbound, way, &outbound),
        Err(Unsaid::Bad(bad)) => must_say_what(&bad),
        Err(Unsaid::Refused(refusal)) => {
            assert!(
                !refusal.param.is_empty() && !refusal.message.is_empty(),
                "{refusal:?}"
            );
        }
    }
}

fn check_outbound(inbound: &Inbound, way: &Way, outbound: &Outbound) {
    assert!(!outbound.bodies.is_empty(), "nothing is sent");
    for note in &outbound.notes {
        // A member without a name is one, too.
        assert!(!note.why.is_empty(), "{note:?}");
    }
    let wants_stream = inbound.request.stream && inbound.call != Call::Embeddings;
    assert!(wants_stream || !outbound.streams, "a stream unasked for");
    for body in &outbound.bodies {
        let body = body.to_bytes();
        must_be_object("what is sent", &body);
        // A member that is not read goes on as it came, also where it is no UTF-8.
        let Ok(read) = serde_json::from_slice::<Value>(&body) else {
            continue;
        };
        match way.format {
            Format::RunpodJob => assert!(read["input"].is_object(), "{read}"),
            Format::OpenAi
            | Format::Anthropic
            | Format::OllamaChat
            | Format::OllamaGenerate
            | Format::OllamaEmbed
            | Format::Responses => assert_eq!(read["model"], "up/stream", "{read}"),
        }
        match way.format {
            Format::OpenAi | Format::Anthropic | Format::Responses
                if inbound.call != Call::Embeddings =>
            {
                let says = read["stream"].as_bool().unwrap_or(false);
                assert_eq!(says, outbound.streams, "{read}");
            }
            Format::OpenAi
            | Format::Anthropic
            | Format::Responses
            | Format::RunpodJob
            | Format::OllamaChat
            | Format::OllamaGenerate
            | Format::OllamaEmbed => {}
        }
    }
}
