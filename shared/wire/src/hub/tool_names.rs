//! Tool names where an upstream takes fewer characters than the caller uses.

use std::collections::HashMap;

/// The names of one request's tools, there and back.
///
/// Every name of the request must go through [`ToolNames::upstream`]: two tools that
/// would end up with the same name get different ones.
#[derive(Clone, Debug, Default)]
pub struct ToolNames {
    /// By the caller's name.
    there: HashMap<String, String>,
    /// By the upstream's name; only where it differs.
    back: HashMap<String, String>,
    /// The caller's names of its custom tools, which upstreams get as functions of
    /// one text named `input`.
    custom: Vec<String>,
}

/// Hexadecimal digits that tell shortened or altered names apart.
const DIGITS: usize = 8;

impl ToolNames {
    /// The name that the upstream gets for the caller's `name`: letters, digits, `_`
    /// and `-`, at most `longest` bytes. The same for the same name.
    pub fn upstream(&mut self, name: &str, longest: usize) -> String {
        if let Some(known) = self.there.get(name) {
            return known.clone();
        }
        let plain: String = name
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        let taken = |candidate: &str| self.there.values().any(|known| known == candidate);
        let chosen = if plain.len() <= longest && !plain.is_empty() && !taken(&plain) {
            plain
        } else {
            let room = longest.saturating_sub(DIGITS + 1).min(plain.len());
            let mut turn = 0u32;
            loop {
                let candidate = format!("{}_{:08x}", &plain[..room], hash(name, turn));
                if !taken(&candidate) {
                    break candidate;
                }
                turn += 1;
            }
        };
        if chosen != name {
            self.back.insert(chosen.clone(), name.to_owned());
        }
        self.there.insert(name.to_owned(), chosen.clone());
        chosen
    }

    /// The caller's name for the upstream's.
    #[must_use]
    pub fn caller<'n>(&'n self, name: &'n str) -> &'n str {
        self.back.get(name).map_or(name, String::as_str)
    }

    /// The tools among `custom`, by the caller's names, are custom ones.
    pub fn mark_custom(&mut self, custom: &[String]) {
        self.custom = custom.to_vec();
    }

    /// Whether the caller knows the tool as a custom one.
    #[must_use]
    pub fn is_custom(&self, caller_name: &str) -> bool {
        self.custom.iter().any(|name| name == caller_name)
    }

    /// Whether any name differs.
    #[must_use]
    pub fn differ(&self) -> bool {
        !self.back.is_empty()
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// FNV-1a, 32 bits: the same in every process, so that a prompt stays the same and
/// with it the provider's cache.
fn hash(text: &str, turn: u32) -> u32 {
    let bytes = text.bytes().chain(turn.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let mut names = ToolNames::default();
        let long = "x".repeat(100);
        let all = [
            "get_weather",
            "mcp/files:read",
            "mcp.files.read",
            "mcp_files_read",
            &long,
            "日本",
        ];
        let there: Vec<String> = all.iter().map(|name| names.upstream(name, 64)).collect();
        for (name, upstream) in all.iter().zip(&there) {
            assert!(
                upstream.len() <= 64 && upstream.chars().all(is_plain),
                "{upstream}"
            );
            assert_eq!(names.caller(upstream), *name);
            assert_eq!(names.upstream(name, 64), *upstream, "the same again");
        }
        let distinct: std::collections::HashSet<_> = there.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(there[0], "get_weather");
    }

    #[test]
    fn an_unknown_name_stays() {
        assert_eq!(ToolNames::default().caller("other"), "other");
    }
}
