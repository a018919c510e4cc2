//! The patterns that are in force, ready to be searched for together.

use super::pattern::{Form, Pattern, PatternError};
use super::read::is_strong;
use super::row::Row;

/// A set of patterns.
#[derive(Debug)]
pub struct Patterns {
    /// The highest priority first.
    rows: Vec<Row>,
    /// For each byte the strong rows that may begin with it.
    strong: Box<[Vec<u16>; 256]>,
    /// The same for rows that begin lines.
    weak: Box<[Vec<u16>; 256]>,
    /// Bytes at which something may begin, wherever they stand.
    triggers: Box<[bool; 256]>,
    /// The beginnings of strong rows by their first byte; an empty one where a row may
    /// begin with anything behind that byte.
    prefixes: Box<[Vec<Box<[u8]>>; 256]>,
    /// The second bytes of those beginnings, a bit each.
    seconds: Box<[[u64; 4]; 256]>,
}

/// Beginnings that the machine itself looks for: tags of thoughts, headers, marks that
/// end a turn, escaped tags.
const OWN: [&[u8]; 11] = [
    b"&lt;",
    b"<think",
    b"<seed:think",
    b"<mm:think",
    b"[THINK]",
    b"<|",
    b"</s>",
    b"<e",
    b"[EOS]",
    b"<\xef",
    b"[/",
];

impl Patterns {
    /// The set of `patterns`, and those that cannot be used, by their ids, with the
    /// reasons. Of two with the same priority the first is tried first.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> (Self, Vec<(i64, PatternError)>) {
        let mut rows = Vec::new();
        let mut refused = Vec::new();
        for pattern in patterns {
            let id = pattern.id;
            match Row::new(pattern) {
                Ok(row) if rows.len() < usize::from(u16::MAX) => rows.push(row),
                Ok(_) => {}
                Err(error) => refused.push((id, error)),
            }
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.pattern.priority));
        let mut set = Self {
            rows,
            strong: Box::new(std::array::from_fn(|_| Vec::new())),
            weak: Box::new(std::array::from_fn(|_| Vec::new())),
            triggers: Box::new([false; 256]),
            prefixes: Box::new(std::array::from_fn(|_| Vec::new())),
            seconds: Box::new([[0; 4]; 256]),
        };
        for (at, row) in set.rows.iter().enumerate() {
            let strong = is_strong(row);
            for byte in 0..=u8::MAX {
                if !row.may_begin(byte) {
                    continue;
                }
                let at = u16::try_from(at).unwrap_or(u16::MAX);
                if strong {
                    set.strong[usize::from(byte)].push(at);
                    set.triggers[usize::from(byte)] = true;
                } else {
                    set.weak[usize::from(byte)].push(at);
                }
            }
        }
        for byte in *b"`\n&<[" {
            set.triggers[usize::from(byte)] = true;
        }
        let strong = set.rows.iter().filter(|row| is_strong(row));
        let strong: Vec<_> = strong.map(|row| (row.prefixes(), row)).collect();
        let mut found: Vec<(u8, Vec<u8>)> = Vec::new();
        for (prefixes, row) in strong {
            let prefixes = prefixes.filter(|all| all.iter().all(|prefix| !prefix.is_empty()));
            match prefixes {
                Some(prefixes) => {
                    found.extend(prefixes.into_iter().map(|prefix| (prefix[0], prefix)));
                }
                None => {
                    let bytes = (0..=u8::MAX).filter(|byte| row.may_begin(*byte));
                    found.extend(bytes.map(|byte| (byte, vec![byte])));
                }
            }
        }
        found.extend(OWN.iter().map(|prefix| (prefix[0], prefix.to_vec())));
        for (byte, prefix) in found {
            set.add_prefix(byte, prefix.into_boxed_slice());
        }
        (set, refused)
    }

    fn add_prefix(&mut self, byte: u8, prefix: Box<[u8]>) {
        let seconds = &mut self.seconds[usize::from(byte)];
        match prefix.get(1) {
            Some(second) => seconds[usize::from(second >> 6)] |= 1 << (second & 63),
            None => *seconds = [u64::MAX; 4],
        }
        let all = &mut self.prefixes[usize::from(byte)];
        if !all.iter().any(|known| prefix.starts_with(known)) {
            all.retain(|known| !known.starts_with(&prefix));
            all.push(prefix);
        }
    }

    /// Whether something strong, or that the machine looks for itself, may begin `text`.
    pub(super) fn may_begin(&self, text: &[u8]) -> bool {
        let Some(&first) = text.first() else {
            return false;
        };
        if let Some(&second) = text.get(1)
            && self.seconds[usize::from(first)][usize::from(second >> 6)] >> (second & 63) & 1 == 0
        {
            return false;
        }
        self.prefixes[usize::from(first)]
            .iter()
            .any(|prefix| text.starts_with(prefix) || prefix.starts_with(text))
    }

    /// The set of the built-in patterns that are on, known by their place in
    /// [`super::BUILTINS`].
    #[must_use]
    pub fn builtin() -> Self {
        let on = super::BUILTINS.iter().zip(0..);
        let on = on.filter(|(builtin, _)| builtin.enabled);
        Self::new(on.map(|(builtin, id)| builtin.pattern(id))).0
    }

    /// The pattern at a place of the set.
    #[must_use]
    pub fn pattern(&self, row: usize) -> Option<&Pattern> {
        self.rows.get(row).map(|row| &row.pattern)
    }

    pub(super) fn row(&self, at: usize) -> &Row {
        &self.rows[at]
    }

    /// The rows that may begin with `byte` in the order in which they are tried; those
    /// that begin lines only with `line`.
    pub(super) fn at(&self, byte: u8, line: bool) -> impl Iterator<Item = usize> {
        let (strong, weak) = (
            &self.strong[usize::from(byte)],
            &self.weak[usize::from(byte)],
        );
        let mut strong = strong.iter().copied().peekable();
        let mut weak = weak.iter().copied().filter(move |_| line).peekable();
        std::iter::from_fn(move || {
            // Both are in order of priority, by their numbers.
            let first = match (strong.peek(), weak.peek()) {
                (Some(a), Some(b)) if a < b => strong.next(),
                (Some(_), None) => strong.next(),
                (Some(_) | None, Some(_)) => weak.next(),
                (None, None) => None,
            };
            first.map(usize::from)
        })
    }

    /// Whether nothing may begin with `byte`, unless a line begins with it.
    pub(super) fn is_plain(&self, byte: u8) -> bool {
        !self.triggers[usize::from(byte)]
    }

    /// Whether a row that begins lines may begin with `byte`.
    pub(super) fn begins_lines(&self, byte: u8) -> bool {
        !self.weak[usize::from(byte)].is_empty()
    }

    /// Whether an answer may begin with a message of gpt-oss without its tokens.
    pub(super) fn knows_harmony(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.pattern.form == Form::Harmony)
    }
}
