//! The `.env` file: settings for people who do not set an environment.
//!
//! The syntax is dotenvy's: `NAME=value`, `#` comments, single and double quotes, `$NAME`
//! outside single quotes stands for another variable. The file is never put into the
//! process's environment.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use super::{ConfigProblem, SETTINGS};

/// What a `.env` file sets.
#[derive(Clone, Default)]
pub struct DotEnv {
    values: HashMap<String, String>,
}

impl DotEnv {
    /// Reads the file. A missing one sets nothing.
    ///
    /// # Errors
    /// Every line that cannot be read, by number; its text is not repeated, for it may hold
    /// a key.
    pub fn read(path: &Path) -> Result<Self, Vec<ConfigProblem>> {
        good(Self::examine(path))
    }

    /// What can be read of the file, and every problem with the rest.
    pub(super) fn examine(path: &Path) -> (Self, Vec<ConfigProblem>) {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::examine_text(&name, &text),
            Err(error) if error.kind() == ErrorKind::NotFound => (Self::default(), Vec::new()),
            Err(error) => {
                let problem = ConfigProblem::new(name, format!("cannot be read: {error}"));
                (Self::default(), vec![problem])
            }
        }
    }

    /// Reads the text of a file called `name`. When a variable is set twice, the first wins,
    /// as with dotenvy.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<ConfigProblem>> {
        good(Self::examine_text(name, text))
    }

    fn examine_text(name: &str, text: &str) -> (Self, Vec<ConfigProblem>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut values = HashMap::new();
        let mut problems = Vec::new();
        let mut searched = 0;
        for item in dotenvy::from_read_iter(text.as_bytes()) {
            match item {
                Ok((key, value)) => {
                    values.entry(key).or_insert(value);
                }
                Err(dotenvy::Error::LineParse(fragment, _)) => {
                    let number = line_of(text, &fragment, &mut searched);
                    problems.push(ConfigProblem::new(
                        format!("{name}, line {number}"),
                        "is not NAME=value; put a value with spaces, $, # or quotes into \
                         single quotes and close every quote",
                    ));
                }
                Err(error) => problems.push(ConfigProblem::new(name, error.to_string())),
            }
        }
        (Self { values }, problems)
    }

    /// An environment in which this file is looked at only for what `env` does not set,
    /// under any of the setting's names.
    pub fn under<'a>(
        &'a self,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> impl Fn(&str) -> Option<String> + 'a {
        let set = move |name: &str| env(name).filter(|value| !value.trim().is_empty());
        move |name| {
            set(name).or_else(|| {
                let same = SETTINGS
                    .iter()
                    .find(|setting| setting.names().any(|other| other == name));
                match same {
                    Some(setting) if setting.names().any(|other| set(other).is_some()) => None,
                    _ => self.values.get(name).cloned(),
                }
            })
        }
    }

    /// Variables in the file that no setting has: misspelt, or for another program.
    pub fn unknown(&self) -> Vec<&str> {
        let mut unknown: Vec<_> = self
            .values
            .keys()
            .map(String::as_str)
            .filter(|key| {
                !SETTINGS
                    .iter()
                    .any(|setting| setting.names().any(|n| n == *key))
            })
            .collect();
        unknown.sort_unstable();
        unknown
    }
}

/// Names only: values may be keys.
impl fmt::Debug for DotEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// A file without problems, or its problems.
fn good((file, problems): (DotEnv, Vec<ConfigProblem>)) -> Result<DotEnv, Vec<ConfigProblem>> {
    if problems.is_empty() {
        Ok(file)
    } else {
        Err(problems)
    }
}

/// The number of the first line at or after byte `searched` that holds the beginning of
/// `fragment`; moves `searched` behind it.
fn line_of(text: &str, fragment: &str, searched: &mut usize) -> usize {
    let first = fragment.lines().next().unwrap_or_default();
    let rest = text.get(*searched..).unwrap_or_default();
    let at = *searched + rest.find(first).unwrap_or(0);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length + 1);
    *searched = end;
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}
