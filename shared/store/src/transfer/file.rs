//! Which kind of file it is, and what it holds.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;

use super::{Incoming, litellm, original};
use crate::configuration;
use crate::error::StoreError;
use crate::store::Store;

/// How a file of SQLite begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Longest text that is read, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A database of the original program.
    Original,
    /// LiteLLM's configuration.
    LiteLlm,
    /// An exported configuration of this program.
    Configuration,
}

impl Kind {
    /// What a person calls it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Original => "the original's database",
            Self::LiteLlm => "LiteLLM's configuration",
            Self::Configuration => "an exported configuration",
        }
    }
}

/// What was in a file.
pub enum Arrived {
    /// Rows made of another program's.
    Foreign(Kind, Box<Incoming>),
    /// A configuration of this program.
    Configuration(Value),
}

/// Why nothing can be made of a file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It is none of the kinds that are known.
    #[error("{path}: {reason}")]
    Unknown {
        /// The file.
        path: String,
        /// What it is instead.
        reason: String,
    },
    /// The database in it, or the store, cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a file, whatever kind it is of, and writes nothing. `-` is standard input, for
/// texts. `env` gives variables that LiteLLM's configuration refers to.
///
/// # Errors
/// Why nothing can be made of it.
pub fn read(
    path: &Path,
    target: &Store,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Arrived, ImportError> {
    let shown = path.display().to_string();
    let unreadable = |error| ImportError::Unreadable {
        path: shown.clone(),
        error,
    };
    let unknown = |reason: String| ImportError::Unknown {
        path: shown.clone(),
        reason,
    };
    let from_input = path == Path::new("-");
    if !from_input && is_sqlite(path).map_err(unreadable)? {
        let incoming = original::read(path, target)?;
        return Ok(Arrived::Foreign(Kind::Original, Box::new(incoming)));
    }
    let text = if from_input {
        read_text(io::stdin().lock())
    } else {
        File::open(path).and_then(read_text)
    };
    let document = configuration::from_text(&text.map_err(unreadable)?).map_err(unknown)?;
    if document.get("format").is_some() {
        return Ok(Arrived::Configuration(document));
    }
    if litellm::is_one(&document) {
        let incoming = litellm::read(document, env).map_err(unknown)?;
        return Ok(Arrived::Foreign(Kind::LiteLlm, Box::new(incoming)));
    }
    Err(unknown(
        "it is neither an exported configuration (format), nor LiteLLM's (model_list), nor a \
         database of the original"
            .to_owned(),
    ))
}

/// Asked of a file of its own, which is closed again before SQLite opens it.
fn is_sqlite(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    let length = u64::try_from(SQLITE.len()).unwrap_or(0);
    File::open(path)?.take(length).read_to_end(&mut beginning)?;
    Ok(beginning == SQLITE)
}

fn read_text(from: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 64 MiB"));
    }
    Ok(text)
}
