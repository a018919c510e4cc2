//! The clients and what to paste into each. Names go in quoted as the place they go to
//! demands it: a shell, JSON, TOML, Python, JavaScript.

use serde_json::{Value, json};

/// Stands for a key in what is pasted.
const KEY: &str = "YOUR_KEY";

/// Where the settings are to lead.
pub(super) struct Target<'t> {
    /// The gateway's address without `/v1`.
    pub(super) base: &'t str,
    pub(super) model: &'t str,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// For addresses within the page.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What its calls are known as ([`store::client_name`]).
    pub(super) known_as: Vec<&'static str>,
    pub(super) snippets: Vec<Snippet>,
    /// What else is to be known.
    pub(super) note: &'static str,
}

/// A text to paste.
#[derive(Debug)]
pub(super) struct Snippet {
    /// Where it goes.
    pub(super) place: &'static str,
    pub(super) text: String,
}

/// Every client, set up for `target`.
pub(super) fn all(target: &Target<'_>) -> Vec<Client> {
    vec![
        claude_code(target),
        opencode(target),
        codex(target),
        cline(target),
        aider(target),
        open_webui(target),
        openai_python(target),
        openai_node(target),
        ollama(target),
        curl(target),
    ]
}

fn claude_code(target: &Target<'_>) -> Client {
    let (base, model) = (shell(target.base), shell(target.model));
    Client {
        id: "claude-code",
        name: "Claude Code",
        known_as: vec!["Claude Code"],
        snippets: vec![Snippet {
            place: "In a shell, then start claude in it",
            text: format!(
                "export ANTHROPIC_BASE_URL={base}\nexport ANTHROPIC_AUTH_TOKEN={KEY}\n\
                 export ANTHROPIC_MODEL={model}\nexport ANTHROPIC_SMALL_FAST_MODEL={model}\n\
                 claude"
            ),
        }],
        note: "The address has no /v1 here: Claude Code adds it.",
    }
}

fn opencode(target: &Target<'_>) -> Client {
    let models = json!({ target.model: {"name": target.model, "tool_call": true} });
    let config = json!({
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            "gateway": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Gateway",
                "options": {"baseURL": v1(target), "apiKey": KEY},
                "models": models,
            },
        },
        "model": format!("gateway/{}", target.model),
    });
    Client {
        id: "opencode",
        name: "OpenCode",
        known_as: vec!["OpenCode", "AI SDK"],
        snippets: vec![Snippet {
            place: "opencode.json in the project, or ~/.config/opencode/opencode.json",
            text: pretty(&config),
        }],
        note: "",
    }
}

fn codex(target: &Target<'_>) -> Client {
    let (model, url) = (quoted(target.model), quoted(&v1(target)));
    Client {
        id: "codex",
        name: "Codex",
        known_as: vec!["Codex"],
        snippets: vec![
            Snippet {
                place: "~/.codex/config.toml",
                text: format!(
                    "model = {model}\nmodel_provider = \"gateway\"\n\n\
                     [model_providers.gateway]\nname = \"Gateway\"\nbase_url = {url}\n\
                     env_key = \"GATEWAY_KEY\"\nwire_api = \"responses\""
                ),
            },
            Snippet {
                place: "In the shell that starts codex",
                text: format!("export GATEWAY_KEY={KEY}"),
            },
        ],
        note: "",
    }
}

fn cline(target: &Target<'_>) -> Client {
    Client {
        id: "cline",
        name: "Cline",
        known_as: vec!["Cline", "OpenAI Node"],
        snippets: vec![
            Snippet {
                place: "In the editor's settings of Cline",
                text: format!(
                    "API Provider: OpenAI Compatible\nBase URL: {}\nAPI Key: {KEY}\nModel ID: {}",
                    v1(target),
                    target.model
                ),
            },
            Snippet {
                place: "On the command line",
                text: format!(
                    "cline auth -p openai -k {KEY} -m {} -b {}",
                    shell(target.model),
                    shell(&v1(target))
                ),
            },
        ],
        note: "",
    }
}

fn aider(target: &Target<'_>) -> Client {
    Client {
        id: "aider",
        name: "aider",
        known_as: vec!["aider", "LiteLLM", "OpenAI Python"],
        snippets: vec![Snippet {
            place: "In a shell",
            text: format!(
                "export OPENAI_API_BASE={}\nexport OPENAI_API_KEY={KEY}\naider --model {} \
                 --no-show-model-warnings",
                shell(&v1(target)),
                shell(&format!("openai/{}", target.model))
            ),
        }],
        note: "The word openai/ before the model tells aider which API to speak.",
    }
}

fn open_webui(target: &Target<'_>) -> Client {
    Client {
        id: "open-webui",
        name: "Open WebUI",
        known_as: vec!["Open WebUI", "Python"],
        snippets: vec![
            Snippet {
                place: "Admin Panel, Settings, Connections, OpenAI API, add a connection",
                text: format!("URL: {}\nKey: {KEY}", v1(target)),
            },
            Snippet {
                place: "Or in its environment",
                text: format!("OPENAI_API_BASE_URL={}\nOPENAI_API_KEY={KEY}", v1(target)),
            },
        ],
        note: "It fetches the list of models itself; choose the virtual model in a chat. From \
               within a container, 127.0.0.1 is the container: use an address of the host.",
    }
}

fn openai_python(target: &Target<'_>) -> Client {
    let (model, url) = (quoted(target.model), quoted(&v1(target)));
    Client {
        id: "openai-python",
        name: "OpenAI SDK for Python",
        known_as: vec!["OpenAI Python"],
        snippets: vec![Snippet {
            place: "A program",
            text: format!(
                "from openai import OpenAI\n\nclient = OpenAI(base_url={url}, \
                 api_key=\"{KEY}\")\nanswer = client.chat.completions.create(\n    \
                 model={model},\n    messages=[{{\"role\": \"user\", \"content\": \"Say \
                 hello\"}}],\n)\nprint(answer.choices[0].message.content)"
            ),
        }],
        note: "",
    }
}

fn openai_node(target: &Target<'_>) -> Client {
    let (model, url) = (quoted(target.model), quoted(&v1(target)));
    Client {
        id: "openai-node",
        name: "OpenAI SDK for Node",
        known_as: vec!["OpenAI Node"],
        snippets: vec![Snippet {
            place: "A program",
            text: format!(
                "import OpenAI from \"openai\";\n\nconst client = new OpenAI({{ baseURL: {url}, \
                 apiKey: \"{KEY}\" }});\nconst answer = await client.chat.completions.create({{\n  \
                 model: {model},\n  messages: [{{ role: \"user\", content: \"Say hello\" }}],\n\
                 }});\nconsole.log(answer.choices[0].message.content);"
            ),
        }],
        note: "",
    }
}

fn ollama(target: &Target<'_>) -> Client {
    let (model, url) = (quoted(target.model), quoted(target.base));
    Client {
        id: "ollama",
        name: "Ollama clients",
        known_as: vec!["Ollama", "Ollama Python", "Ollama Node"],
        snippets: vec![
            Snippet {
                place: "Programs that find Ollama by its environment",
                text: format!("export OLLAMA_HOST={}", shell(target.base)),
            },
            Snippet {
                place: "A program in Python",
                text: format!(
                    "from ollama import Client\n\nclient = Client(host={url}, \
                     headers={{\"Authorization\": \"Bearer {KEY}\"}})\nanswer = \
                     client.chat(model={model}, messages=[{{\"role\": \"user\", \"content\": \
                     \"Say hello\"}}])\nprint(answer.message.content)"
                ),
            },
        ],
        note: "Ollama's own clients send no key: where keys are asked for, the client must be \
               able to add a header.",
    }
}

fn curl(target: &Target<'_>) -> Client {
    let body = json!({
        "model": target.model,
        "messages": [{"role": "user", "content": "Say hello"}],
    });
    Client {
        id: "curl",
        name: "curl",
        known_as: vec!["curl"],
        snippets: vec![Snippet {
            place: "In a shell",
            text: format!(
                "curl {} \\\n  -H 'authorization: Bearer {KEY}' \\\n  -H 'content-type: \
                 application/json' \\\n  -d {}",
                shell(&format!("{}/chat/completions", v1(target))),
                shell(&body.to_string())
            ),
        }],
        note: "",
    }
}

fn v1(target: &Target<'_>) -> String {
    format!("{}/v1", target.base)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A word of a shell.
fn shell(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A text in quotes, as JSON writes it; TOML, Python and JavaScript read that too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::{Target, all, quoted, shell};

    #[test]
    fn names_are_quoted_for_where_they_go() {
        for (text, word) in [
            ("org/model:7b", "org/model:7b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x)`y`", "'$(x)`y`'"),
            ("it's", "'it'\\''s'"),
        ] {
            assert_eq!(shell(text), word);
        }
        assert_eq!(quoted("a\"b\\\n\u{7f}"), "\"a\\\"b\\\\\\n\\u007f\"");
    }

    #[test]
    fn every_client_is_led_to_the_model() {
        let target = Target {
            base: "https://gw.example/ai",
            model: "my-model",
        };
        for client in all(&target) {
            let text: String = client
                .snippets
                .iter()
                .map(|snippet| snippet.text.as_str())
                .collect();
            let names_model = client.id == "open-webui" || text.contains("my-model");
            assert!(
                text.contains("https://gw.example/ai") && names_model,
                "{text}"
            );
            let without_v1 = matches!(client.id, "claude-code" | "ollama");
            assert_eq!(text.contains("/ai/v1"), !without_v1, "{text}");
        }
    }
}
