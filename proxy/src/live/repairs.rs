//! The patterns and aliases in force, ready for the normaliser.

use std::sync::Arc;

use store::{Problem, Snapshot, ToolPattern};
use wire::normaliser::{Alias, Patterns};

/// What answers are normalised with, the same for all virtual models.
#[derive(Debug)]
pub(crate) struct Repairs {
    pub(crate) patterns: Arc<Patterns>,
    pub(crate) aliases: Arc<[Alias]>,
    /// The rows that the patterns were made of.
    rows: Vec<Arc<ToolPattern>>,
}

impl Repairs {
    /// Those of `snapshot`, and the patterns that cannot be searched for. What `before`
    /// has made of the same rows is kept.
    pub(super) fn new(snapshot: &Snapshot, before: Option<&Self>) -> (Self, Vec<Problem>) {
        let rows = snapshot.tool_patterns.clone();
        let on = snapshot.tool_aliases.iter().filter(|alias| alias.enabled);
        let aliases = on.map(|alias| alias.alias()).collect();
        if let Some(before) = before.filter(|before| before.rows == rows) {
            let patterns = Arc::clone(&before.patterns);
            let repairs = Self {
                patterns,
                aliases,
                rows,
            };
            return (repairs, Vec::new());
        }
        let on = rows.iter().filter(|pattern| pattern.enabled);
        let (patterns, refused) = Patterns::new(on.map(|pattern| pattern.pattern()));
        let named = |id: i64| {
            let row = rows.iter().find(|row| row.id == id);
            row.map_or("", |row| row.pattern_name.as_str())
        };
        let problems = refused.iter().map(|(id, why)| {
            let subject = format!("tool pattern {id} {:?}", named(*id));
            Problem::new(&subject, format!("it cannot be used: {why}"))
        });
        let problems = problems.collect();
        let repairs = Self {
            patterns: Arc::new(patterns),
            aliases,
            rows,
        };
        (repairs, problems)
    }
}
