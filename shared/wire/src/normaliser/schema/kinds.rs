//! Sets of JSON types.

use crate::normaliser::number;
use crate::normaliser::value::Value;

/// A set of JSON types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    /// Any number, whole ones too.
    pub(super) const NUMBER: Self = Self(8 | 4);
    pub(super) const TEXT: Self = Self(16);
    pub(super) const LIST: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const ALL: Self = Self(127);

    const NAMES: [(&'static str, Self); 7] = [
        ("null", Self::NULL),
        ("boolean", Self::BOOL),
        ("number", Self::NUMBER),
        ("integer", Self::INTEGER),
        ("string", Self::TEXT),
        ("array", Self::LIST),
        ("object", Self::OBJECT),
    ];

    /// The types that a schema's `type` names; `None` when it names none.
    pub(super) fn named(types: &Value) -> Option<Self> {
        let alone = std::slice::from_ref(types);
        let types = types.items().unwrap_or(alone).iter();
        let types = types.filter_map(Value::as_text);
        let kinds = types.filter_map(|name| {
            let mut names = Self::NAMES.iter();
            names.find(|(known, _)| known.eq_ignore_ascii_case(name))
        });
        kinds.map(|(_, kind)| *kind).reduce(Self::or)
    }

    /// The type of a value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Number(digits) if is_whole(digits) => Self::INTEGER,
            Value::Number(_) => Self(8),
            Value::Text(_) => Self::TEXT,
            Value::List(_) => Self::LIST,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// Whether all of `other` are in it.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether one of `other` is in it.
    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those of both.
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// In words, for an operator.
    pub(super) fn words(self) -> String {
        let mut left = self;
        let mut words = Vec::new();
        for (name, kind) in Self::NAMES {
            if left.has(kind) {
                left = Self(left.0 & !kind.0);
                words.push(name);
            }
        }
        words.join(" or ")
    }
}

/// Whether a number is whole by its value, as JSON schemas count `2.0`.
fn is_whole(digits: &str) -> bool {
    if number::is_integer(digits) {
        return true;
    }
    digits
        .parse::<f64>()
        .is_ok_and(|value| value.is_finite() && value.fract() == 0.0)
}
