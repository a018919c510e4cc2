//! The caller's body where the candidate speaks the caller's dialect: what a vendor, and
//! what some models, take otherwise than OpenAI.

use super::{Candidate, Inbound, streams};
use crate::dialect::openai::{self, CallForm, Defaults, Stops, StreamOptions};
use crate::dialect::runpod::Worker;
use crate::edit::Segments;
use crate::hub::Note;
use crate::provider::{Call, Format, ProviderKind, is_openais};

/// What of the caller's body is changed for a candidate that speaks the caller's
/// dialect, and why; nothing for others. Apart from [`super::write()`], because only a person
/// asks for it.
#[must_use]
pub fn edit_notes(inbound: &Inbound, candidate: &Candidate<'_>) -> Vec<Note> {
    // Of a caller of another dialect all is noted when it is written.
    if inbound.own.is_some() || matches!(inbound.call, Call::Passed(_)) {
        return Vec::new();
    }
    match candidate.way.format {
        Format::OpenAi | Format::RunpodJob if candidate.way.call == inbound.call => {
            let target = edit_target(inbound, candidate);
            inbound.request.notes(&inbound.body, &target)
        }
        Format::OpenAi
        | Format::RunpodJob
        | Format::Anthropic
        | Format::Responses
        | Format::OllamaChat
        | Format::OllamaGenerate
        | Format::OllamaEmbed => Vec::new(),
    }
}

/// The caller's body with what the candidate needs changed.
pub(super) fn edited(inbound: &Inbound, candidate: &Candidate<'_>) -> Segments {
    let target = edit_target(inbound, candidate);
    inbound.request.upstream_body(&inbound.body, &target)
}

fn edit_target<'c>(inbound: &Inbound, candidate: &Candidate<'c>) -> openai::Target<'c> {
    let provider = candidate.provider;
    let (streams, upstream_streams) = streams(inbound, candidate);
    let stream_options = match (upstream_streams, streams) {
        (true, _) if provider.takes_stream_options => StreamOptions::AskUsage,
        (false, true) => StreamOptions::Remove,
        (true, _) | (false, false) => StreamOptions::Keep,
    };
    // Behind such a worker is Ollama's `/v1`; what is behind a worker that is not known
    // may be.
    let is_job = candidate.way.format == Format::RunpodJob;
    let is_ollama = is_job && matches!(candidate.worker, Worker::Ollama | Worker::Auto);
    openai::Target {
        model: candidate.model_json,
        stream: streams.then_some(upstream_streams),
        stream_options,
        defaults: match inbound.call {
            // Vectors are not sampled, and some servers refuse what they do not know.
            Call::Embeddings => &NO_DEFAULTS,
            Call::Chat | Call::Completions | Call::Models | Call::Passed(_) => candidate.defaults,
        },
        only_max_tokens: provider.only_max_tokens || is_ollama,
        only_system: !provider.knows_developer,
        reasoning: provider.id == ProviderKind::OpenAi.id() && reasons(candidate.model),
        calls: if is_ollama {
            CallForm::FullArguments
        } else if is_mistral(candidate) {
            CallForm::NineLetters
        } else {
            CallForm::Any
        },
        float_embeddings_only: provider.float_embeddings_only,
        only_named: !heeds_names(candidate),
        stops: stops(candidate),
        most: super::room::most(inbound, candidate),
    }
}

/// What is set for a call that has no answer in words.
static NO_DEFAULTS: Defaults = Defaults {
    max_tokens: None,
    temperature: None,
    top_p: None,
    system_prompt: None,
};

/// Whether the server is known to call the one tool that is named.
fn heeds_names(candidate: &Candidate<'_>) -> bool {
    let id = candidate.provider.id;
    let is_openais = id == ProviderKind::OpenAi.id() && is_openais(candidate.way.url.base());
    is_openais || id == ProviderKind::Together.id()
}

/// What the server takes of texts that end an answer: OpenAI's reasoning models none, OpenAI
/// and DeepInfra four.
fn stops(candidate: &Candidate<'_>) -> Stops {
    let id = candidate.provider.id;
    let is_openai = id == ProviderKind::OpenAi.id();
    if is_openai && reasons(candidate.model) {
        Stops::None
    } else if id == ProviderKind::DeepInfra.id()
        || (is_openai && is_openais(candidate.way.url.base()))
    {
        Stops::Four
    } else {
        Stops::All
    }
}

/// Texts that end a chat's answer, where the server takes not all of them.
pub(super) fn own_stops(inbound: &Inbound, candidate: &Candidate<'_>) -> Vec<String> {
    if inbound.call != Call::Chat {
        return Vec::new();
    }
    inbound.request.cut_stops(&inbound.body, stops(candidate))
}

/// What the caller is told of an edited request: what its answer may be another one for.
pub(super) fn cuts(inbound: &Inbound, candidate: &Candidate<'_>) -> Vec<Note> {
    match inbound.call {
        Call::Chat | Call::Completions => inbound
            .request
            .cuts(&inbound.body, &edit_target(inbound, candidate)),
        Call::Embeddings | Call::Models | Call::Passed(_) => Vec::new(),
    }
}

/// Whether the name is of one of OpenAI's reasoning models: `o` and a digit, or `gpt-5`
/// and later, but for those that only chat (`gpt-5-chat-latest`, `gpt-5.1-chat`).
pub(super) fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    if let Some(version) = name.strip_prefix("gpt-") {
        let digits = version.len()
            - version
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let major = version
            .get(..digits)
            .and_then(|digits| digits.parse::<u32>().ok());
        return major.is_some_and(|major| major >= 5) && !version.contains("-chat");
    }
    matches!(name.as_bytes(), [b'o', digit, ..] if digit.is_ascii_digit())
}

/// Whether Mistral's tokenizer reads the conversation: at Mistral, and where its open
/// models are served by OpenAI's API.
fn is_mistral(candidate: &Candidate<'_>) -> bool {
    const FAMILY: [&str; 7] = [
        "mistral",
        "mixtral",
        "ministral",
        "codestral",
        "devstral",
        "magistral",
        "pixtral",
    ];
    let id = candidate.provider.id;
    if id != ProviderKind::OpenAi.id() && id != ProviderKind::Vllm.id() {
        return false;
    }
    let name = candidate.model.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    candidate.way.url.base().host() == "api.mistral.ai"
        || words.any(|word| FAMILY.iter().any(|known| word.starts_with(known)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use bytes::Bytes;

    use super::super::{LocalModel, write};
    use super::*;
    use crate::inbound::CallerDialect;
    use crate::provider::BaseUrl;

    const BODY: &str = r#"{"model":"v","messages":[{"role":"assistant","tool_calls":[{"id":"call_1","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"call_1","content":"x"}]}"#;

    fn sent(kind: ProviderKind, url: &str, model: &str, worker: Worker) -> String {
        sent_of(BODY, kind, url, model, worker)
    }

    fn sent_of(
        body: &'static str,
        kind: ProviderKind,
        url: &str,
        model: &str,
        worker: Worker,
    ) -> String {
        sent_as(CallerDialect::OpenAiChat, body, kind, url, model, worker)
    }

    fn sent_as(
        dialect: CallerDialect,
        body: &'static str,
        kind: ProviderKind,
        url: &str,
        model: &str,
        worker: Worker,
    ) -> String {
        let provider = kind.provider();
        let way = provider.way(&BaseUrl::parse(url).unwrap(), dialect.call());
        let body = Bytes::from_static(body.as_bytes());
        let inbound = Inbound::read(dialect, body).unwrap();
        let candidate = Candidate {
            provider,
            way: &way.unwrap(),
            model,
            model_json: &crate::edit::json_string(model),
            defaults: &Defaults {
                max_tokens: Some("9".into()),
                temperature: Some("0".into()),
                ..Defaults::default()
            },
            whole: false,
            repair_history: false,
            auto_cache: false,
            inline_system: false,
            origin: crate::hub::Origin::of(1, "https://upstream.example", "up"),
            recall: &|_| None,
            is_foreign: &|_| false,
            samples: true,
            keep_alive: None,
            local: LocalModel::default(),
            worker,
            policy: None,
        };
        let out = write(&inbound, &candidate).unwrap();
        String::from_utf8(out.bodies[0].to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn vectors_get_no_defaults_of_answers() {
        for (kind, worker) in [
            (ProviderKind::OpenAi, Worker::Auto),
            (ProviderKind::Vllm, Worker::Auto),
            (ProviderKind::DeepInfra, Worker::Auto),
            (ProviderKind::Runpod, Worker::Vllm),
        ] {
            let url = if kind == ProviderKind::Runpod {
                "https://api.runpod.ai/v2/abc"
            } else {
                "https://upstream.example"
            };
            let body = r#"{"model":"v","input":"x"}"#;
            let sent = sent_as(
                CallerDialect::OpenAiEmbeddings,
                body,
                kind,
                url,
                "up",
                worker,
            );
            let without = sent.contains("temperature") || sent.contains("max_tokens");
            assert!(!without, "{kind:?}: {sent}");
        }
    }

    #[test]
    fn b25_mistrals_tokenizer_gets_ids_of_nine() {
        for (kind, url, model, maps) in [
            (ProviderKind::OpenAi, "https://api.mistral.ai", "x", true),
            (
                ProviderKind::OpenAi,
                "https://api.openai.com",
                "gpt-4o",
                false,
            ),
            (
                ProviderKind::Vllm,
                "http://gpu:8000",
                "mistralai/Mixtral-8x7B",
                true,
            ),
            (
                ProviderKind::Vllm,
                "http://gpu:8000",
                "org/Ministral-8B",
                true,
            ),
            (
                ProviderKind::Vllm,
                "http://gpu:8000",
                "Qwen/Qwen3-8B",
                false,
            ),
            (
                ProviderKind::Together,
                "https://api.together.xyz",
                "mistral",
                false,
            ),
        ] {
            let sent = sent(kind, url, model, Worker::Auto);
            assert_eq!(!sent.contains("call_1"), maps, "{url} {model}: {sent}");
        }
    }

    #[test]
    fn a_reasoning_models_defaults_are_those_that_it_takes() {
        for (kind, model, is_one) in [
            (ProviderKind::OpenAi, "o3-mini", true),
            (ProviderKind::OpenAi, "openai/o1", true),
            (ProviderKind::OpenAi, "olmo-7b", false),
            (ProviderKind::OpenAi, "gpt-5", true),
            (ProviderKind::OpenAi, "gpt-5-mini-2025-08-07", true),
            (ProviderKind::OpenAi, "openai/gpt-5.2", true),
            (ProviderKind::OpenAi, "gpt-5-chat-latest", false),
            (ProviderKind::OpenAi, "gpt-5.1-chat-latest", false),
            (ProviderKind::OpenAi, "gpt-4o", false),
            (ProviderKind::OpenAi, "gpt-3.5-turbo", false),
            (ProviderKind::OpenAi, "gpt-oss-20b", false),
            (ProviderKind::Vllm, "o3-mini", false),
        ] {
            let sent = sent(kind, "http://here", model, Worker::Auto);
            let own = sent.contains(r#""max_completion_tokens":9"#);
            assert_eq!(own, is_one, "{model}: {sent}");
            assert_eq!(sent.contains("temperature"), !is_one, "{model}: {sent}");
            assert_eq!(sent.contains(r#""max_tokens""#), !is_one, "{model}: {sent}");
        }
    }

    /// What each vendor is sent of a caller's newer names.
    #[test]
    fn b22_b31_every_vendor_gets_the_names_that_it_knows() {
        const NEWER: &str = r#"{"model":"v","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"developer"}],"max_completion_tokens":7}"#;
        let (limit, role) = (r#""max_tokens":7"#, r#"{"role":"developer","#);
        for kind in ProviderKind::ALL {
            let (only_max_tokens, knows_developer) = match kind {
                ProviderKind::OpenAi => (false, true),
                ProviderKind::Together | ProviderKind::DeepInfra => (true, false),
                ProviderKind::Vllm | ProviderKind::OpenWebui | ProviderKind::Queue => {
                    (false, false)
                }
                // What is behind a worker that is not known may be Ollama.
                ProviderKind::Runpod => (true, false),
                // Translated, not edited.
                ProviderKind::Ollama | ProviderKind::Anthropic => continue,
            };
            let url = "https://api.runpod.ai/v2/x";
            let sent = sent_of(NEWER, kind, url, "m", Worker::Auto);
            assert_eq!(sent.contains(limit), only_max_tokens, "{kind:?}: {sent}");
            assert_eq!(sent.contains(role), knows_developer, "{kind:?}: {sent}");
            let system = sent.contains(r#"{"role":"system","content":"Be brief."}"#);
            assert_eq!(system, !knows_developer, "{kind:?}: {sent}");
            assert!(
                sent.contains(r#""content":"developer""#),
                "{kind:?}: {sent}"
            );
        }
    }

    #[test]
    fn ollama_behind_a_worker_gets_arguments_that_parse() {
        let kind = ProviderKind::Runpod;
        let url = "https://api.runpod.ai/v2/x";
        for (worker, full) in [(Worker::Ollama, true), (Worker::Vllm, false)] {
            let sent = sent(kind, url, "m", worker);
            let found = sent.contains(r#""arguments":"{}""#);
            assert_eq!(found, full, "{worker:?}: {sent}");
        }
    }
}
