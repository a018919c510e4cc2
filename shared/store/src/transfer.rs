//! What comes from elsewhere: another program's configuration as rows of this store, with a
//! report of what became of each thing.
//!
//! Reading writes nothing. What is read has the form of an exported configuration and goes
//! through the same drafts, so that the same checks hold; secrets are only ever in the rows
//! that they belong to, never in the report.

mod clashes;
mod fields;
mod file;
mod litellm;
mod original;
mod take;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::file::{Arrived, ImportError, Kind, read};
pub use self::take::{Existing, Taken};
use crate::secret::Secret;
use crate::store::original::Original;

/// What became of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is here as it was there.
    Taken,
    /// It is here in another form.
    Changed,
    /// It is not here.
    LeftOut,
}

/// What is to be told of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What became of it.
    pub fate: Fate,
    /// What it is about.
    pub what: String,
    /// What happened and why.
    pub why: String,
    /// What the operator can do; empty when nothing is needed.
    pub todo: String,
}

/// Everything that is to be told, in the order in which it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Told>);

impl Findings {
    /// Notes something, once.
    pub(crate) fn tell(
        &mut self,
        fate: Fate,
        what: impl Into<String>,
        why: impl Into<String>,
        todo: impl Into<String>,
    ) {
        let told = Told {
            fate,
            what: what.into(),
            why: why.into(),
            todo: todo.into(),
        };
        if !self.0.contains(&told) {
            self.0.push(told);
        }
    }

    /// All of one fate.
    pub fn of(&self, fate: Fate) -> impl Iterator<Item = &Told> {
        self.0.iter().filter(move |told| told.fate == fate)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Told> {
        self.0.iter()
    }

    /// Adds others behind these.
    pub(crate) fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// Rows that are to be written, and what is to be told of them.
#[derive(Default)]
pub struct Incoming {
    /// As in an exported configuration, keys of endpoints included.
    pub(crate) endpoints: Vec<Map<String, Value>>,
    /// As in an exported configuration.
    pub(crate) virtual_models: Vec<Map<String, Value>>,
    /// As in exported tool patterns.
    pub(crate) patterns: Vec<Value>,
    /// Keys of callers.
    pub(crate) keys: Vec<IncomingKey>,
    /// Stored settings.
    pub(crate) settings: Map<String, Value>,
    /// The original's calls, with the names here of its endpoints.
    pub(crate) history: Option<(Original, HashMap<i64, String>)>,
    /// What has been found so far.
    pub findings: Findings,
}

/// A caller's key that goes on working.
pub(crate) struct IncomingKey {
    /// As in an exported configuration.
    pub(crate) fields: Map<String, Value>,
    pub(crate) proof: KeyProof,
}

/// What is known of a key.
pub(crate) enum KeyProof {
    /// The key itself.
    Plain(Secret),
    /// Its first characters and its SHA-256.
    Digest { prefix: String, digest: Vec<u8> },
}
