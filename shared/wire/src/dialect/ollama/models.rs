//! What a server says of its models: `/api/show` and `/api/ps`.

use std::collections::HashMap;

use crate::object::{self, Object};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What `/api/show` says of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// The longest context that the model was made for, in tokens.
    pub context_length: Option<u32>,
    /// Such as `completion`, `tools`, `vision`, `thinking`, `embedding`, `insert`;
    /// empty on servers that do not say.
    pub capabilities: Vec<String>,
}

impl Show {
    /// Whether the model can think; `None` when the server does not say.
    #[must_use]
    pub fn thinks(&self) -> Option<bool> {
        self.can("thinking")
    }

    /// Whether the model takes tools; `None` when the server does not say.
    #[must_use]
    pub fn takes_tools(&self) -> Option<bool> {
        self.can("tools")
    }

    /// Whether the model sees pictures; `None` when the server does not say.
    #[must_use]
    pub fn sees(&self) -> Option<bool> {
        self.can("vision")
    }

    fn can(&self, capability: &str) -> Option<bool> {
        let all = &self.capabilities;
        (!all.is_empty()).then(|| all.iter().any(|known| known == capability))
    }
}

#[derive(Deserialize)]
struct ShowBody<'a> {
    #[serde(default)]
    capabilities: Option<Vec<String>>,
    #[serde(borrow, default)]
    model_info: Option<HashMap<String, &'a RawValue>>,
}

/// Reads a reply of `/api/show`. What cannot be read is not known.
#[must_use]
pub fn read_show(body: &[u8]) -> Show {
    let Ok(body) = object::read::<ShowBody<'_>>(body) else {
        return Show::default();
    };
    Show {
        context_length: body.model_info.as_ref().and_then(context_length),
        capabilities: body.capabilities.unwrap_or_default(),
    }
}

/// The context of the model's own architecture; a picture encoder may have another one.
fn context_length(info: &HashMap<String, &RawValue>) -> Option<u32> {
    let size = |raw: &&RawValue| raw.get().parse::<u32>().ok();
    let architecture = info.get("general.architecture");
    architecture
        .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .and_then(|name| info.get(&format!("{name}.context_length")))
        .and_then(size)
        .or_else(|| {
            let all = info.iter();
            all.filter(|(name, _)| name.ends_with(".context_length"))
                .filter_map(|(_, raw)| size(raw))
                .max()
        })
}

/// A model in a server's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its name with its tag.
    pub name: String,
    /// The context that it is loaded with; `None` on servers that do not say.
    pub context_length: Option<u32>,
}

#[derive(Deserialize)]
struct PsBody {
    #[serde(default)]
    models: Option<Vec<Object<PsModel>>>,
}

#[derive(Deserialize)]
struct PsModel {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    context_length: Option<u32>,
}

/// Reads a reply of `/api/ps`. What cannot be read is not loaded.
#[must_use]
pub fn read_ps(body: &[u8]) -> Vec<Loaded> {
    let body = object::read::<PsBody>(body).ok();
    let models = body.and_then(|body| body.models).unwrap_or_default();
    let loaded = models.into_iter().filter_map(|Object(model)| {
        Some(Loaded {
            name: model.name.or(model.model)?,
            context_length: model.context_length.filter(|length| *length > 0),
        })
    });
    loaded.collect()
}

/// Whether two names mean the same model: letters of either case, the tag `latest` and
/// Ollama's own registry where a name does not say.
#[must_use]
pub fn same_model(a: &str, b: &str) -> bool {
    let (a, a_tag) = split(a);
    let (b, b_tag) = split(b);
    a.eq_ignore_ascii_case(b) && a_tag.eq_ignore_ascii_case(b_tag)
}

/// A name without what is understood, and its tag.
fn split(name: &str) -> (&str, &str) {
    let name = name.trim();
    let after_path = name.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match name[after_path..].split_once(':') {
        Some((last, tag)) if !tag.is_empty() => (&name[..after_path + last.len()], tag),
        Some((last, _)) => (&name[..after_path + last.len()], "latest"),
        None => (name, "latest"),
    };
    let name = without(name, "registry.ollama.ai/");
    (without(name, "library/"), tag)
}

fn without<'n>(name: &'n str, prefix: &str) -> &'n str {
    match name.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_same_model() {
        for (a, b, same) in [
            ("qwen3", "qwen3:latest", true),
            ("Qwen3:8B", "qwen3:8b", true),
            ("qwen3:8b", "qwen3", false),
            ("library/qwen3", "qwen3", true),
            ("registry.ollama.ai/library/qwen3:8b", "qwen3:8b", true),
            ("hf.co/a/b:Q4_K_M", "hf.co/A/B:q4_k_m", true),
            ("host:5000/a/b", "host:5000/a/b:latest", true),
            ("host:5000/a/b", "host:5001/a/b", false),
            ("a/qwen3", "b/qwen3", false),
            ("qwen3:", "qwen3", true),
            ("é", "qwen3", false),
        ] {
            assert_eq!(same_model(a, b), same, "{a} {b}");
            assert_eq!(same_model(b, a), same, "{b} {a}");
        }
    }

    #[test]
    fn show_tells_context_and_capabilities() {
        let show = read_show(include_bytes!("../../../cases/ollama/show.json"));
        assert_eq!(show.context_length, Some(40_960));
        assert_eq!(show.thinks(), Some(true));
        assert_eq!(show.takes_tools(), Some(true));

        let other = read_show(br#"{"model_info":{"a.context_length":8192,"b.vision.context_length":577,"x":null},"capabilities":["completion"]}"#);
        assert_eq!(other.context_length, Some(8192));
        assert_eq!(other.thinks(), Some(false));

        for unknown in ["", "[]", "{}", r#"{"model_info":null}"#, "<html>"] {
            let show = read_show(unknown.as_bytes());
            assert_eq!(show, Show::default(), "{unknown}");
            assert_eq!(show.takes_tools(), None);
        }
    }

    #[test]
    fn ps_tells_what_is_loaded() {
        let loaded = read_ps(include_bytes!("../../../cases/ollama/ps.json"));
        let seen: Vec<_> = loaded
            .iter()
            .map(|model| (model.name.as_str(), model.context_length))
            .collect();
        assert_eq!(
            seen,
            [
                ("qwen3:8b", Some(16_384)),
                ("nomic-embed-text:latest", None)
            ]
        );
        assert_eq!(read_ps(b"{}"), []);
        assert_eq!(read_ps(b"nothing"), []);
    }
}
