//! The tools that a request offers, found by the names that models write.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::schema::Schema;

/// One tool that may be called.
#[derive(Debug)]
pub struct Tool {
    /// Its name, as the caller gave it.
    pub name: String,
    /// What its arguments look like.
    pub schema: Schema,
}

impl Tool {
    /// The one parameter that the tool requires, when it takes text: what a call that
    /// is only a piece of text means.
    #[must_use]
    pub fn only_required_text(&self) -> Option<&str> {
        self.schema.only_required_text()
    }
}

/// The tools of one request.
#[derive(Debug, Default)]
pub struct Tools {
    tools: Vec<Tool>,
    exact: HashMap<String, usize>,
    /// By the name without letter case, `_` and `-`; `None` where several tools share
    /// one, which then names none of them.
    folded: HashMap<String, Option<usize>>,
}

impl Tools {
    /// The tools with these names and, where given, JSON schemas of their arguments.
    /// Of two with the same name the first counts.
    #[must_use]
    pub fn new<'a>(offered: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let mut tools = Self::default();
        for (name, parameters) in offered {
            let at = tools.tools.len();
            match tools.exact.entry(name.to_owned()) {
                Entry::Occupied(_) => continue,
                Entry::Vacant(free) => free.insert(at),
            };
            tools
                .folded
                .entry(folded(name))
                .and_modify(|had| *had = None)
                .or_insert(Some(at));
            tools.tools.push(Tool {
                name: name.to_owned(),
                schema: Schema::new(parameters),
            });
        }
        tools
    }

    /// Whether the request offers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The tool that a model meant by `written`: its exact name, or the name under
    /// the additions that models are known for (white space, quotes, back-ticks, the
    /// prefixes `functions.` and `default_api.`, Kimi's `:0`, special tokens behind
    /// it), or else the only one that differs in letter case, `_` and `-` alone.
    #[must_use]
    pub fn find(&self, written: &str) -> Option<&Tool> {
        if let Some(tool) = self.exact(written) {
            return Some(tool);
        }
        let bare = bare(written);
        if let Some(tool) = self.exact(bare) {
            return Some(tool);
        }
        let without_index = without_index(bare);
        if let Some(tool) = self.exact(without_index) {
            return Some(tool);
        }
        let at = (*self.folded.get(&folded(without_index))?)?;
        self.tools.get(at)
    }

    /// Whether a text that begins with `written` may name a tool, as [`Tools::find`]
    /// understands names.
    #[must_use]
    pub fn may_begin(&self, written: &str) -> bool {
        const PREFIXES: [&str; 2] = ["functions.", "default_api."];
        if PREFIXES.iter().any(|prefix| prefix.starts_with(written)) {
            return true;
        }
        let part = bare(written);
        let part = folded(without_index(part.strip_suffix(':').unwrap_or(part)));
        self.folded.keys().any(|name| name.starts_with(&part))
    }

    /// The tool of exactly this name.
    #[must_use]
    pub fn exact(&self, name: &str) -> Option<&Tool> {
        self.tools.get(*self.exact.get(name)?)
    }

    /// The names, in the order of the request.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| tool.name.as_str())
    }
}

/// A name without what models get wrong: letter case, `_` and `-`.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn bare(written: &str) -> &str {
    let written = written
        .find("<|")
        .map_or(written, |token| &written[..token]);
    let name = trimmed(written);
    let name = name
        .strip_prefix("functions.")
        .or_else(|| name.strip_prefix("default_api."))
        .unwrap_or(name);
    trimmed(name)
}

fn trimmed(name: &str) -> &str {
    name.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '`' | '"' | '\''))
}

fn without_index(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((name, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
            trimmed(name)
        }
        Some(_) | None => name,
    }
}

#[cfg(test)]
mod tests;
