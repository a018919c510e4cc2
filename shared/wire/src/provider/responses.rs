//! Whether callers of Responses are sent to an endpoint's own form of it.
//!
//! Many servers have the path and fill it badly: their streams lack what clients need,
//! and tool calls that the model wrote as text stay text in it. Through their chat
//! completions both are made good here. So only OpenAI's own addresses are taken at their
//! word.

use super::BaseUrl;

/// An endpoint's own Responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Responses {
    /// Used where the address is OpenAI's, or one of its models' at Azure.
    #[default]
    Auto,
    /// Used.
    Yes,
    /// Not used: the call goes as a chat completion.
    No,
}

/// Whose addresses are taken at their word.
const HOSTS: [&str; 3] = ["openai.com", "openai.azure.com", "services.ai.azure.com"];

/// Whether OpenAI's own models answer there.
pub(crate) fn is_openais(base: &BaseUrl) -> bool {
    HOSTS.iter().any(|known| {
        let rest = base.host().strip_suffix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

impl Responses {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Yes, Self::No];

    /// The id in the store.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }

    /// The value with this id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.id() == id)
    }

    /// Whether a caller of Responses is sent to those of `base`.
    #[must_use]
    pub fn are_used_at(self, base: &BaseUrl) -> bool {
        match self {
            Self::Auto => is_openais(base),
            Self::Yes => true,
            Self::No => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::provider::ProviderKind;

    #[test]
    fn only_openais_addresses_are_taken_at_their_word() {
        for (url, is_used) in [
            ("https://api.openai.com/v1", true),
            ("https://eu.api.openai.com/v1", true),
            ("https://mine.openai.azure.com/openai/v1", true),
            ("https://notopenai.com/v1", false),
            ("http://127.0.0.1:8080/v1", false),
        ] {
            let base = BaseUrl::parse(url).unwrap();
            assert_eq!(Responses::Auto.are_used_at(&base), is_used, "{url}");
            assert!(Responses::Yes.are_used_at(&base));
            assert!(!Responses::No.are_used_at(&base));
        }
    }

    #[test]
    fn ids_come_back() {
        for value in Responses::ALL {
            assert_eq!(Responses::from_id(value.id()), Some(value));
        }
        assert_eq!(Responses::from_id("maybe"), None);
    }

    #[test]
    fn only_servers_that_have_them_have_an_address() {
        for kind in ProviderKind::ALL {
            let base = BaseUrl::parse("http://h/v1/responses").unwrap();
            let way = kind.provider().responses_way(&base);
            let url = way.map(|way| way.url.to_string());
            let expected = match kind {
                ProviderKind::OpenAi | ProviderKind::Vllm => Some("http://h/v1/responses"),
                ProviderKind::OpenWebui
                | ProviderKind::Ollama
                | ProviderKind::Together
                | ProviderKind::Runpod
                | ProviderKind::Anthropic
                | ProviderKind::DeepInfra
                | ProviderKind::Queue => None,
            };
            assert_eq!(url.as_deref(), expected, "{kind:?}");
        }
    }
}
