//! What a text is tried by.

use super::{Store, tool_aliases, tool_patterns};
use crate::error::StoreError;
use crate::pattern_trial::{PatternTrial, TrialRules};

impl Store {
    /// The patterns and aliases of a trial: those of the store and those it brings. Takes
    /// some hundred milliseconds.
    ///
    /// # Errors
    /// When the file cannot be read. Stored rows that cannot be used are no error: they are
    /// left out and named.
    pub fn trial_rules(&self, trial: PatternTrial) -> Result<TrialRules, StoreError> {
        let (patterns, aliases) = self.read(|connection| {
            Ok((
                tool_patterns::read_all(connection)?,
                tool_aliases::read_all(connection)?,
            ))
        })?;
        Ok(trial.rules(patterns, aliases)?)
    }
}
