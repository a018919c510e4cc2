//! LiteLLM's providers: which type of endpoint each is here, at which address, and which
//! variables LiteLLM looks its key and address up in.

use wire::provider::ProviderKind;

/// One provider that can come over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Its name there, which is the prefix of its models.
    pub(super) name: &'static str,
    /// What it is here.
    pub(super) kind: ProviderKind,
    /// Its address, when it has one of its own.
    pub(super) base: Option<&'static str>,
    /// Variables with its key, the first that is set counts.
    pub(super) keys: &'static [&'static str],
    /// Variables with its address.
    pub(super) bases: &'static [&'static str],
}

const fn known(
    name: &'static str,
    kind: ProviderKind,
    base: Option<&'static str>,
    keys: &'static [&'static str],
    bases: &'static [&'static str],
) -> Known {
    Known {
        name,
        kind,
        base,
        keys,
        bases,
    }
}

use ProviderKind::{Anthropic, DeepInfra, Ollama, OpenAi, Runpod, Together, Vllm};

/// Every provider that can come over.
const KNOWN: &[Known] = &[
    known(
        "openai",
        OpenAi,
        Some("https://api.openai.com/v1"),
        &["OPENAI_API_KEY"],
        &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    ),
    known(
        "text-completion-openai",
        OpenAi,
        Some("https://api.openai.com/v1"),
        &["OPENAI_API_KEY"],
        &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    ),
    known("custom_openai", OpenAi, None, &["OPENAI_API_KEY"], &[]),
    known(
        "openai_like",
        OpenAi,
        None,
        &["OPENAI_LIKE_API_KEY"],
        &["OPENAI_LIKE_API_BASE"],
    ),
    known(
        "litellm_proxy",
        OpenAi,
        None,
        &["LITELLM_PROXY_API_KEY"],
        &["LITELLM_PROXY_API_BASE"],
    ),
    known(
        "anthropic",
        Anthropic,
        Some("https://api.anthropic.com"),
        &["ANTHROPIC_API_KEY"],
        &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"],
    ),
    known(
        "ollama",
        Ollama,
        Some("http://localhost:11434"),
        &["OLLAMA_API_KEY"],
        &["OLLAMA_API_BASE"],
    ),
    known(
        "ollama_chat",
        Ollama,
        Some("http://localhost:11434"),
        &["OLLAMA_API_KEY"],
        &["OLLAMA_API_BASE"],
    ),
    known(
        "hosted_vllm",
        Vllm,
        None,
        &["HOSTED_VLLM_API_KEY"],
        &["HOSTED_VLLM_API_BASE"],
    ),
    known(
        "together_ai",
        Together,
        Some("https://api.together.xyz/v1"),
        &[
            "TOGETHER_API_KEY",
            "TOGETHER_AI_API_KEY",
            "TOGETHERAI_API_KEY",
            "TOGETHER_AI_TOKEN",
        ],
        &["TOGETHER_AI_API_BASE"],
    ),
    known(
        "deepinfra",
        DeepInfra,
        Some("https://api.deepinfra.com"),
        &["DEEPINFRA_API_KEY"],
        &["DEEPINFRA_API_BASE"],
    ),
    known(
        "runpod",
        Runpod,
        None,
        &["RUNPOD_API_KEY"],
        &["RUNPOD_API_BASE"],
    ),
    known(
        "groq",
        OpenAi,
        Some("https://api.groq.com/openai/v1"),
        &["GROQ_API_KEY"],
        &["GROQ_API_BASE"],
    ),
    known(
        "mistral",
        OpenAi,
        Some("https://api.mistral.ai/v1"),
        &["MISTRAL_API_KEY"],
        &["MISTRAL_API_BASE"],
    ),
    known(
        "deepseek",
        OpenAi,
        Some("https://api.deepseek.com/v1"),
        &["DEEPSEEK_API_KEY"],
        &["DEEPSEEK_API_BASE"],
    ),
    known(
        "openrouter",
        OpenAi,
        Some("https://openrouter.ai/api/v1"),
        &["OPENROUTER_API_KEY", "OR_API_KEY"],
        &["OPENROUTER_API_BASE"],
    ),
    known(
        "fireworks_ai",
        OpenAi,
        Some("https://api.fireworks.ai/inference/v1"),
        &[
            "FIREWORKS_API_KEY",
            "FIREWORKS_AI_API_KEY",
            "FIREWORKSAI_API_KEY",
        ],
        &["FIREWORKS_API_BASE"],
    ),
    known(
        "xai",
        OpenAi,
        Some("https://api.x.ai/v1"),
        &["XAI_API_KEY"],
        &["XAI_API_BASE"],
    ),
    known(
        "cerebras",
        OpenAi,
        Some("https://api.cerebras.ai/v1"),
        &["CEREBRAS_API_KEY"],
        &["CEREBRAS_API_BASE"],
    ),
    known(
        "nvidia_nim",
        OpenAi,
        Some("https://integrate.api.nvidia.com/v1"),
        &["NVIDIA_NIM_API_KEY"],
        &["NVIDIA_NIM_API_BASE"],
    ),
    known(
        "sambanova",
        OpenAi,
        Some("https://api.sambanova.ai/v1"),
        &["SAMBANOVA_API_KEY"],
        &["SAMBANOVA_API_BASE"],
    ),
    known(
        "gemini",
        OpenAi,
        Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        &[],
    ),
    known(
        "lm_studio",
        OpenAi,
        None,
        &["LM_STUDIO_API_KEY"],
        &["LM_STUDIO_API_BASE"],
    ),
    known(
        "llamafile",
        OpenAi,
        Some("http://127.0.0.1:8080/v1"),
        &["LLAMAFILE_API_KEY"],
        &["LLAMAFILE_API_BASE"],
    ),
    known(
        "xinference",
        OpenAi,
        None,
        &["XINFERENCE_API_KEY"],
        &["XINFERENCE_API_BASE"],
    ),
];

/// Providers with an API of their own that no type of endpoint speaks.
const FOREIGN: &[(&str, &str)] = &[
    (
        "azure",
        "add it by hand as an endpoint of type openai at \
         https://RESOURCE.openai.azure.com/openai/v1, with the deployment's name as the model",
    ),
    (
        "azure_ai",
        "add it by hand as an endpoint of type openai at the address of its OpenAI API",
    ),
    (
        "azure_text",
        "add it by hand as an endpoint of type openai at \
         https://RESOURCE.openai.azure.com/openai/v1, with the deployment's name as the model",
    ),
    (
        "vllm",
        "this runs the model inside LiteLLM; start vllm serve and add it as an endpoint of type vllm",
    ),
    ("bedrock", NO_TYPE),
    ("vertex_ai", NO_TYPE),
    ("sagemaker", NO_TYPE),
    ("sagemaker_chat", NO_TYPE),
    ("cohere", NO_TYPE),
    ("cohere_chat", NO_TYPE),
    ("huggingface", NO_TYPE),
    ("replicate", NO_TYPE),
    ("watsonx", NO_TYPE),
    ("databricks", NO_TYPE),
    ("cloudflare", NO_TYPE),
    ("github_copilot", NO_TYPE),
];

const NO_TYPE: &str = "if it also has an OpenAI-compatible API, add it by hand as an endpoint of \
                       type openai; otherwise keep LiteLLM for it and add that as an endpoint of \
                       type openai";

/// Whose a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// A provider that can come over, and the model's name there.
    Known(&'static Known, String),
    /// One that cannot: its name, and what to do.
    Foreign(String, &'static str),
}

/// Whose `model` is, as LiteLLM reads it: the provider that is named beside it, else the
/// prefix, else what the name or an address tells.
pub(super) fn owner(model: &str, named: Option<&str>, has_base: bool) -> Owner {
    if let Some(name) = named {
        let rest = model
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('/'));
        return of_name(name, rest.unwrap_or(model));
    }
    if let Some((prefix, rest)) = model.split_once('/') {
        let listed = KNOWN.iter().any(|known| known.name == prefix)
            || FOREIGN.iter().any(|(name, _)| *name == prefix);
        // A model's own name may have a slash, as on Hugging Face.
        if listed || !has_base {
            return of_name(prefix, rest);
        }
    }
    let name = if model.starts_with("claude") {
        "anthropic"
    } else {
        "openai"
    };
    of_name(name, model)
}

fn of_name(name: &str, model: &str) -> Owner {
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        return Owner::Known(known, model.to_owned());
    }
    let foreign = FOREIGN.iter().find(|(known, _)| *known == name);
    Owner::Foreign(name.to_owned(), foreign.map_or(NO_TYPE, |(_, todo)| todo))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a failed match is a failed test")]

    use wire::provider::{BaseUrl, Call};

    use super::{KNOWN, Owner, owner};

    #[test]
    fn every_address_can_be_called() {
        for known in KNOWN {
            let Some(base) = known.base else { continue };
            let Ok(base) = BaseUrl::parse(base) else {
                panic!("{}: {base}", known.name);
            };
            assert!(
                known.kind.provider().way(&base, Call::Chat).is_some(),
                "{}",
                known.name
            );
        }
    }

    #[test]
    fn a_prefix_a_name_and_an_address_tell_whose_a_model_is() {
        for (model, named, has_base, whose, expected) in [
            ("openai/gpt-4o", None, false, "openai", "gpt-4o"),
            ("gpt-4o", None, false, "openai", "gpt-4o"),
            ("claude-3-haiku", None, false, "anthropic", "claude-3-haiku"),
            (
                "ollama_chat/qwen3:8b",
                None,
                true,
                "ollama_chat",
                "qwen3:8b",
            ),
            (
                "together_ai/meta-llama/Llama-3",
                None,
                false,
                "together_ai",
                "meta-llama/Llama-3",
            ),
            (
                "facebook/opt-125m",
                None,
                true,
                "openai",
                "facebook/opt-125m",
            ),
            (
                "facebook/opt-125m",
                Some("hosted_vllm"),
                true,
                "hosted_vllm",
                "facebook/opt-125m",
            ),
            (
                "hosted_vllm/a/b",
                Some("hosted_vllm"),
                true,
                "hosted_vllm",
                "a/b",
            ),
        ] {
            let Owner::Known(known, name) = owner(model, named, has_base) else {
                panic!("{model}");
            };
            assert_eq!((known.name, name.as_str()), (whose, expected), "{model}");
        }
        for model in ["bedrock/anthropic.claude", "azure/gpt-4o", "nobody/knows"] {
            assert!(
                matches!(owner(model, None, false), Owner::Foreign(..)),
                "{model}"
            );
        }
        // A provider that is known and foreign stays foreign with an address.
        assert!(matches!(
            owner("azure/gpt-4o", None, true),
            Owner::Foreign(..)
        ));
    }
}
