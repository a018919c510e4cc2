//! The name of the program that makes a call, from what it says of itself in its
//! `User-Agent`.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Longest name that is kept.
const LONGEST: usize = 40;

/// With what a word of a `User-Agent` begins, in small letters, and whose it is; the first
/// that is found counts. An agent names itself before the library that it calls with, so
/// those stand first. Who says nothing of itself goes by its library: pi and Continue by
/// OpenAI's, aider and instructor by LiteLLM's or OpenAI's.
const KNOWN: [(&str, &str); 30] = [
    ("claude-cli", "Claude Code"),
    ("claude-code-router", "Claude Code Router"),
    ("claude-code", "Claude Code"),
    ("codex", "Codex"),
    ("opencode", "OpenCode"),
    ("openclaw", "OpenClaw"),
    ("cline", "Cline"),
    ("roocode", "Roo Code"),
    ("roo-code", "Roo Code"),
    ("aider", "aider"),
    ("open webui", "Open WebUI"),
    ("open-webui", "Open WebUI"),
    ("openwebui", "Open WebUI"),
    ("qwencode", "Qwen Code"),
    ("qwen-code", "Qwen Code"),
    ("continue", "Continue"),
    ("vibe", "Mistral Vibe"),
    ("pi-coding-agent", "pi"),
    ("litellm", "LiteLLM"),
    ("langchain", "LangChain"),
    ("openai/python", "OpenAI Python"),
    ("asyncopenai/python", "OpenAI Python"),
    ("openai/js", "OpenAI Node"),
    ("anthropic/python", "Anthropic Python"),
    ("asyncanthropic/python", "Anthropic Python"),
    ("anthropic/js", "Anthropic Node"),
    ("ollama-python", "Ollama Python"),
    ("ollama-js", "Ollama Node"),
    ("ollama/", "Ollama"),
    ("ai-sdk", "AI SDK"),
];

/// The name of whom a `User-Agent` is of; for one that is not known its first word, without
/// the version.
#[must_use]
pub fn client_name(user_agent: &str) -> Option<String> {
    static MARKS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let marks = KNOWN.iter().map(|(mark, _)| mark);
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).build(marks).ok()
    });
    let begins_a_word = |at: usize| {
        let before = user_agent
            .get(..at)
            .and_then(|before| before.chars().next_back());
        !before.is_some_and(char::is_alphanumeric)
    };
    let said = MARKS.iter().flat_map(|marks| {
        let found = marks.find_overlapping_iter(user_agent);
        found.filter(|found| begins_a_word(found.start()))
    });
    let first = said.map(|found| found.pattern().as_usize()).min();
    if let Some((_, name)) = first.and_then(|first| KNOWN.get(first)) {
        return Some((*name).to_owned());
    }
    let word = user_agent.split(['/', ' ', '(']).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = word.chars().filter(|c| plain(*c)).take(LONGEST).collect();
    (!name.is_empty()).then_some(name)
}

/// What is known of one client's calls of one virtual model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRow {
    /// The client ([`client_name`]).
    pub client: String,
    /// The virtual model.
    pub virtual_model: String,
    /// How many calls.
    pub calls: i64,
    /// When the last one began, unix seconds.
    pub last_at: i64,
    /// When the last one began that succeeded.
    pub last_success_at: Option<i64>,
    /// The status of the last one.
    pub last_status: i64,
    /// The error code of the last one.
    pub last_error_code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::client_name;

    #[test]
    fn a_client_is_known_by_what_it_says_first() {
        for (said, name) in [
            (
                "claude-cli/2.1.330 (external, sdk-cli)",
                Some("Claude Code"),
            ),
            (
                "codex_exec/0.169.0 (Debian 12; x86_64) unknown",
                Some("Codex"),
            ),
            (
                "opencode/1.18.33 ai-sdk/provider-utils/3.0",
                Some("OpenCode"),
            ),
            ("ai-sdk/openai-compatible/2.0.91", Some("AI SDK")),
            ("Cline/3.0.65", Some("Cline")),
            ("Cline/SDK", Some("Cline")),
            ("QwenCode/0.24.4 (linux; x64)", Some("Qwen Code")),
            ("RooCode/3.29.0", Some("Roo Code")),
            ("pi-coding-agent", Some("pi")),
            ("claude-code-router/2.0.0", Some("Claude Code Router")),
            // Words that only have a name in them.
            ("incline/1.0", Some("incline")),
            ("rootkit-check/2", Some("rootkit-check")),
            ("discontinued/1", Some("discontinued")),
            ("OpenAI/Python 3.3.0", Some("OpenAI Python")),
            ("AsyncOpenAI/Python 3.3.0", Some("OpenAI Python")),
            ("OpenAI/JS 6.49.0", Some("OpenAI Node")),
            ("ollama-python/0.6.3 (x86_64 linux)", Some("Ollama Python")),
            ("curl/8.5.0", Some("curl")),
            ("<b>Mine</b>/1", Some("bMine")),
            ("   ", None),
            ("", None),
        ] {
            assert_eq!(client_name(said).as_deref(), name, "{said}");
        }
        let long = client_name(&"x".repeat(500));
        assert_eq!(long.map(|name| name.len()), Some(40));
    }
}
