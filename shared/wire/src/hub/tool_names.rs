//! Tool names where an upstream takes fewer characters than the caller uses.

use std::collections::{HashMap, HashSet};

/// The names of one request's tools, there and back.
///
/// Every name of the request must go through [`ToolNames::upstream`]: two tools that
/// would end up with the same name get different ones.
#[derive(Clone, Debug, Default)]
pub struct ToolNames {
    /// By the caller's name.
    there: HashMap<String, String>,
    /// Every name that an upstream got.
    taken: HashSet<String>,
    /// By a first altered name, the next turn to try: names whose hashes are equal are
    /// so in every turn, and a caller can make thousands of them.
    turns: HashMap<String, u32>,
    /// By the upstream's name; only where it differs.
    back: HashMap<String, String>,
    /// The caller's names of its custom tools, which upstreams get as functions of
    /// one text named `input`.
    custom: HashSet<String>,
    /// The upstream's name of the tool that [`ToolNames::demand_answer`] made up.
    answer: Option<String>,
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
        let fits = plain.len() <= longest && !plain.is_empty();
        let chosen = if fits && !self.taken.contains(&plain) {
            plain
        } else {
            let room = longest.saturating_sub(DIGITS + 1).min(plain.len());
            let altered = |turn| format!("{}_{:08x}", &plain[..room], hash(name, turn));
            let next = self.turns.entry(altered(0)).or_default();
            loop {
                let candidate = altered(*next);
                *next += 1;
                if !self.taken.contains(&candidate) {
                    break candidate;
                }
            }
        };
        if chosen != name {
            self.back.insert(chosen.clone(), name.to_owned());
        }
        self.taken.insert(chosen.clone());
        self.there.insert(name.to_owned(), chosen.clone());
        chosen
    }

    /// The caller's name for the upstream's.
    #[must_use]
    pub fn caller<'n>(&'n self, name: &'n str) -> &'n str {
        self.back.get(name).map_or(name, String::as_str)
    }

    /// A name like `wish` that no tool of the request has with its upstream, for a tool
    /// that is made up so that the answer comes as its arguments. To be asked for after
    /// every other name of the request.
    pub fn demand_answer(&mut self, wish: &str) -> String {
        let mut name = wish.to_owned();
        let mut turn = 0u32;
        while !self.taken.insert(name.clone()) {
            turn += 1;
            name = format!("{wish}_{turn}");
        }
        self.answer = Some(name.clone());
        name
    }

    /// The upstream's name of the tool whose arguments are the answer's text, where one
    /// was made up for it; no caller knows of it.
    #[must_use]
    pub fn answer_tool(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    /// The tools among `custom`, by the caller's names, are custom ones.
    pub fn mark_custom(&mut self, custom: &[String]) {
        self.custom = custom.iter().cloned().collect();
    }

    /// Whether the caller knows the tool as a custom one.
    #[must_use]
    pub fn is_custom(&self, caller_name: &str) -> bool {
        self.custom.contains(caller_name)
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
        let distinct: HashSet<_> = there.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(there[0], "get_weather");
    }

    /// Two texts that lead from one state of [`hash`] to another, and that state.
    fn colliding(state: u32) -> ([String; 2], u32) {
        let mut seen = HashMap::new();
        for number in 0u64.. {
            let text = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let after = text.bytes().fold(state, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            if let Some(other) = seen.insert(after, text.clone()) {
                return ([other, text], after);
            }
        }
        unreachable!("there are more texts than states")
    }

    #[test]
    fn names_made_to_collide_stay_apart() {
        let mut all = vec![format!("{}.", "x".repeat(60))];
        let mut state = all[0].bytes().fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        for _ in 0..3 {
            let (two, after) = colliding(state);
            let doubled = all
                .iter()
                .flat_map(|name| two.iter().map(move |end| format!("{name}{end}")));
            all = doubled.collect();
            state = after;
        }
        assert_eq!(hash(&all[0], 0), hash(&all[7], 0));
        let mut names = ToolNames::default();
        let there: HashSet<String> = all.iter().map(|name| names.upstream(name, 64)).collect();
        assert_eq!(there.len(), 1 << 3);
    }

    #[test]
    fn the_tool_for_the_answer_has_a_name_of_its_own() {
        let mut names = ToolNames::default();
        assert_eq!(names.answer_tool(), None);
        for name in ["answer", "answer_1", "answer.2"] {
            names.upstream(name, 64);
        }
        assert_eq!(names.demand_answer("answer"), "answer_3");
        assert_eq!(names.answer_tool(), Some("answer_3"));
    }

    #[test]
    fn an_unknown_name_stays() {
        assert_eq!(ToolNames::default().caller("other"), "other");
    }
}
