//! A pattern that is ready to be searched for.

use regex::{Regex, RegexBuilder};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::literal::Extractor;

use super::pattern::{LONGEST_REGEX, Pattern, PatternError};

/// Bytes of a prefix that are looked at.
const LONGEST_PREFIX: usize = 12;

/// Largest automaton of one pattern in bytes.
const LARGEST: usize = 4 << 20;

/// A pattern with its automaton.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) pattern: Pattern,
    dfa: dense::DFA<Vec<u32>>,
    regex: Regex,
}

/// What a row's expression makes of the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// It matches so many bytes, whatever follows.
    Found(usize),
    /// With more text it may match, or match more.
    More,
    /// It does not match, which so many bytes told.
    No(usize),
}

impl Row {
    pub(super) fn new(pattern: Pattern) -> Result<Self, PatternError> {
        let text = pattern.regex.as_str();
        if text.chars().count() > LONGEST_REGEX {
            let why = format!("must be at most {LONGEST_REGEX} characters long");
            return Err(PatternError::Regex(why));
        }
        if let Err(error) = regex_syntax::ParserBuilder::new()
            .dot_matches_new_line(true)
            .build()
            .parse(text)
        {
            return Err(PatternError::Regex(position(&error)));
        }
        // What it matches is known by then; the groups of it are asked for.
        let regex = RegexBuilder::new(&format!(r"\A(?:{text})"))
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build()
            .map_err(|error| PatternError::Regex(too_large(&error)))?;
        let dfa = dense::Builder::new()
            .syntax(syntax())
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .match_kind(MatchKind::LeftmostFirst)
                    .dfa_size_limit(Some(LARGEST))
                    .determinize_size_limit(Some(LARGEST)),
            )
            .build(text)
            .map_err(|error| PatternError::Regex(unsearchable(&error)))?;
        let groups = regex.captures_len() - 1;
        let check = |field, group: Option<u32>| match group {
            Some(group) if group == 0 || group as usize > groups => {
                Err(PatternError::NoSuchGroup {
                    field,
                    group,
                    groups,
                })
            }
            Some(_) | None => Ok(()),
        };
        check("tool_name_group", pattern.tool.group)?;
        if pattern.form.is_whole() {
            for key in pattern.parameters.keys() {
                check("parameter_mapping", key.parse().ok())?;
            }
        }
        if pattern.form.needs_name() && pattern.tool.tool.is_none() && pattern.tool.group.is_none()
        {
            return Err(PatternError::NoName(pattern.form.id()));
        }
        let row = Self {
            pattern,
            dfa,
            regex,
        };
        if matches!(row.opening("", None, true), Opening::Found(_)) {
            return Err(PatternError::Empty);
        }
        Ok(row)
    }

    /// What the expression makes of `text`, which follows the byte `before`. With
    /// `ended` nothing follows.
    pub(super) fn opening(&self, text: &str, before: Option<u8>, ended: bool) -> Opening {
        let config = start::Config::new()
            .anchored(Anchored::Yes)
            .look_behind(before);
        let Ok(mut state) = self.dfa.start_state(&config) else {
            return Opening::No(0);
        };
        let mut found = None;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                // A match is told one byte late.
                if self.dfa.is_match_state(state) {
                    found = Some(at);
                } else if self.dfa.is_dead_state(state) {
                    return found.map_or(Opening::No(at), Opening::Found);
                } else if self.dfa.is_quit_state(state) {
                    return Opening::No(at);
                }
            }
        }
        if !ended {
            return Opening::More;
        }
        state = self.dfa.next_eoi_state(state);
        if self.dfa.is_match_state(state) {
            found = Some(text.len());
        }
        found.map_or(Opening::No(text.len()), Opening::Found)
    }

    /// What every match begins with, one of these; `None` when it may be anything.
    pub(super) fn prefixes(&self) -> Option<Vec<Vec<u8>>> {
        let mut parser = regex_syntax::ParserBuilder::new();
        let hir = parser.dot_matches_new_line(true).build();
        let hir = { hir }.parse(&self.pattern.regex).ok()?;
        let mut prefixes = Extractor::new().extract(&hir);
        prefixes.keep_first_bytes(LONGEST_PREFIX);
        prefixes.dedup();
        let literals = prefixes.literals()?;
        Some(
            literals
                .iter()
                .map(|literal| literal.as_bytes().to_vec())
                .collect(),
        )
    }

    /// Whether a match may begin with `byte`.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        self.behind(byte).next().is_some()
    }

    /// The bytes that may follow when a match begins with `byte`, a bit each.
    pub(super) fn seconds(&self, byte: u8) -> [u64; 4] {
        let mut seconds = [0; 4];
        for state in self.behind(byte) {
            for second in 0..=u8::MAX {
                if !self.dfa.is_dead_state(self.dfa.next_state(state, second)) {
                    seconds[usize::from(second >> 6)] |= 1 << (second & 63);
                }
            }
        }
        seconds
    }

    /// Where the automaton is behind `byte`, whatever stands before that, if it goes on.
    fn behind(&self, byte: u8) -> impl Iterator<Item = StateID> {
        let mut known: Vec<StateID> = Vec::new();
        for before in [None, Some(b'\n'), Some(b' '), Some(b'a')] {
            let config = start::Config::new()
                .anchored(Anchored::Yes)
                .look_behind(before);
            if let Ok(state) = self.dfa.start_state(&config) {
                let state = self.dfa.next_state(state, byte);
                if !self.dfa.is_dead_state(state) && !known.contains(&state) {
                    known.push(state);
                }
            }
        }
        known.into_iter()
    }

    /// The capture groups of a match that is all of `text`, which follows `before`; by
    /// number, the whole match first.
    pub(super) fn groups<'t>(&self, text: &'t str) -> Vec<Option<&'t str>> {
        let Some(captures) = self.regex.captures(text) else {
            return Vec::new();
        };
        let groups = captures.iter();
        groups
            .map(|group| group.map(|found| found.as_str()))
            .collect()
    }
}

fn syntax() -> syntax::Config {
    syntax::Config::new().dot_matches_new_line(true)
}

fn position(error: &regex_syntax::Error) -> String {
    let (position, reason) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start, error.kind().to_string()),
        other => return format!("is not one: {other}"),
    };
    format!(
        "is not one: {reason}, at line {}, column {}",
        position.line, position.column
    )
}

fn too_large(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(limit) = error {
        return format!("needs more than {limit} bytes when compiled; use smaller repetitions");
    }
    format!("cannot be compiled: {error}")
}

fn unsearchable(error: &dense::BuildError) -> String {
    if error.is_size_limit_exceeded() {
        return format!(
            "needs an automaton of more than {LARGEST} bytes; use smaller repetitions, or \
             (?-u:\\w) where Unicode is not needed"
        );
    }
    "cannot be searched for in a stream as it is; a word boundary has to be written as \
     (?-u:\\b)"
        .to_owned()
}
