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
    /// What each row's matches begin with.
    leads: Vec<Lead>,
    harmony: bool,
}

/// The first bytes of a text, at most eight, and which of them count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    bytes: u64,
    mask: u64,
}

impl Lead {
    /// The beginning of `text`.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut bytes = [0; 8];
        let length = text.len().min(8);
        bytes[..length].copy_from_slice(&text[..length]);
        let mask = match 8 - length {
            8 => 0,
            missing => u64::MAX >> (8 * missing),
        };
        Self {
            bytes: u64::from_le_bytes(bytes),
            mask,
        }
    }

    /// What all of `prefixes` begin with.
    fn common(prefixes: Option<&[Vec<u8>]>) -> Self {
        let Some([first, others @ ..]) = prefixes else {
            return Self::default();
        };
        let length = others.iter().fold(first.len(), |length, other| {
            let same = first.iter().zip(other).take_while(|(a, b)| a == b);
            length.min(same.count())
        });
        Self::of(&first[..length])
    }

    /// Whether the two agree as far as both go.
    fn agrees(self, other: Self) -> bool {
        (self.bytes ^ other.bytes) & self.mask & other.mask == 0
    }
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
            leads: Vec::new(),
            harmony: false,
        };
        set.harmony = set.rows.iter().any(|row| row.pattern.form == Form::Harmony);
        let mut seconds = Vec::new();
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
                    seconds.push((byte, row.seconds(byte)));
                } else {
                    set.weak[usize::from(byte)].push(at);
                }
            }
        }
        for byte in *b"`\n&<[" {
            set.triggers[usize::from(byte)] = true;
        }
        let mut found: Vec<(u8, Vec<u8>)> = Vec::new();
        for row in &set.rows {
            let prefixes = row.prefixes();
            set.leads.push(Lead::common(prefixes.as_deref()));
            if !is_strong(row) {
                continue;
            }
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
        for prefix in OWN {
            let mut second = [0; 4];
            second[usize::from(prefix[1] >> 6)] |= 1 << (prefix[1] & 63);
            seconds.push((prefix[0], second));
            found.push((prefix[0], prefix.to_vec()));
        }
        for (byte, more) in seconds {
            for (all, more) in set.seconds[usize::from(byte)].iter_mut().zip(more) {
                *all |= more;
            }
        }
        for (byte, prefix) in found {
            set.add_prefix(byte, prefix.into_boxed_slice());
        }
        (set, refused)
    }

    fn add_prefix(&mut self, byte: u8, prefix: Box<[u8]>) {
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
        self.harmony
    }

    /// Whether a match of the row at a place of the set may begin with `lead`.
    pub(super) fn may_lead(&self, at: usize, lead: Lead) -> bool {
        self.leads.get(at).is_none_or(|row| row.agrees(lead))
    }
}
