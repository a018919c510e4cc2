//! All tool patterns and aliases at once: out as one document, in from one.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::audit::About;
use super::{Store, tool_aliases, tool_patterns};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::pattern_export::{ExportedAlias, ExportedPattern, PatternExport, VERSION};
use crate::pattern_import::{ImportCounts, ImportMode, ImportReport, PatternImport};
use crate::tool_alias::ToolAliasDraft;
use crate::tool_pattern::ToolPatternDraft;

impl Store {
    /// Every tool pattern and alias, as read at one moment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn export_tool_patterns(&self) -> Result<PatternExport, StoreError> {
        self.read(|connection| {
            let patterns = tool_patterns::read_all(connection)?.into_iter();
            let aliases = tool_aliases::read_all(connection)?.into_iter();
            Ok(PatternExport {
                version: VERSION,
                patterns: patterns.map(|stored| stored.row.into()).collect(),
                aliases: aliases.map(|stored| stored.row.into()).collect(),
            })
        })
    }

    /// Writes the rows of a document, all or none. A pattern takes the place of the one with
    /// its name, an alias that of the one for its tool and parameter; both keep their ids. A
    /// row that says nothing new is not written.
    ///
    /// # Errors
    /// When the file cannot be written; nothing was changed then.
    pub fn import_tool_patterns(&self, import: &PatternImport) -> Result<ImportReport, StoreError> {
        self.change(
            About::new(AuditKind::ToolPattern, &[AuditKind::ToolAlias]),
            |connection| {
                let mut report = ImportReport::default();
                if let Some(drafts) = &import.patterns {
                    report.patterns = import_patterns(connection, import.mode, drafts)?;
                }
                if let Some(drafts) = &import.aliases {
                    report.aliases = import_aliases(connection, import.mode, drafts)?;
                }
                Ok(report)
            },
        )
    }
}

fn import_patterns(
    connection: &Connection,
    mode: ImportMode,
    drafts: &[ToolPatternDraft],
) -> rusqlite::Result<ImportCounts> {
    let mut counts = ImportCounts::default();
    let mut stored = HashMap::new();
    for pattern in tool_patterns::read_all(connection)? {
        stored.insert(pattern.row.pattern_name.clone(), pattern.row);
    }
    if mode == ImportMode::Replace {
        let names: HashSet<_> = drafts.iter().map(|draft| &draft.pattern_name).collect();
        for row in stored.values() {
            if !names.contains(&Some(row.pattern_name.clone())) {
                connection.execute("DELETE FROM tool_patterns WHERE id = ?", [row.id])?;
                counts.removed += 1;
            }
        }
    }
    for draft in drafts {
        let name = draft.pattern_name.as_deref().unwrap_or_default();
        let row = tool_patterns::assignments(draft);
        match stored.get(name) {
            None => {
                row.insert(connection, "tool_patterns")?;
                counts.created += 1;
            }
            Some(old) => {
                let new = ExportedPattern::from(draft.applied_to(None));
                if ExportedPattern::from(old.clone()) == new {
                    counts.unchanged += 1;
                } else {
                    row.update(connection, "tool_patterns", old.id)?;
                    counts.updated += 1;
                }
            }
        }
    }
    Ok(counts)
}

fn import_aliases(
    connection: &Connection,
    mode: ImportMode,
    drafts: &[ToolAliasDraft],
) -> rusqlite::Result<ImportCounts> {
    let mut counts = ImportCounts::default();
    let mut stored = HashMap::new();
    for alias in tool_aliases::read_all(connection)? {
        let row = alias.row;
        stored.insert((row.tool_name.clone(), row.parameter.clone()), row);
    }
    let key = |draft: &ToolAliasDraft| {
        let ToolAliasDraft {
            tool_name,
            parameter,
            ..
        } = draft.clone();
        (tool_name.unwrap_or_default(), parameter.unwrap_or_default())
    };
    if mode == ImportMode::Replace {
        let keys: HashSet<_> = drafts.iter().map(key).collect();
        for (own, row) in &stored {
            if !keys.contains(own) {
                connection.execute("DELETE FROM tool_aliases WHERE id = ?", [row.id])?;
                counts.removed += 1;
            }
        }
    }
    for draft in drafts {
        let row = tool_aliases::assignments(draft);
        match stored.get(&key(draft)) {
            None => {
                row.insert(connection, "tool_aliases")?;
                counts.created += 1;
            }
            Some(old) => {
                if ExportedAlias::from(old.clone()) == draft.exported() {
                    counts.unchanged += 1;
                } else {
                    row.update(connection, "tool_aliases", old.id)?;
                    counts.updated += 1;
                }
            }
        }
    }
    Ok(counts)
}
