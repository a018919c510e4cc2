//! Tool patterns: list, one, create, change, delete.

use rusqlite::{Connection, OptionalExtension as _};

use super::assignments::Assignments;
use super::audit::About;
use super::{Failure, Store};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::tool_pattern::{StoredToolPattern, ToolPatternDraft, ToolPatternRow, mapping_text};

const WHAT: &str = "tool pattern";

impl Store {
    /// Every tool pattern, highest priority first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tool_patterns(&self) -> Result<Vec<ToolPatternRow>, StoreError> {
        self.read(|connection| {
            let stored = read_all(connection)?;
            Ok(stored.into_iter().map(|stored| stored.row).collect())
        })
    }

    /// One tool pattern.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be read.
    pub fn tool_pattern(&self, id: i64) -> Result<ToolPatternRow, StoreError> {
        self.read(|connection| Ok(read_one(connection, id)?.row))
    }

    /// Writes a new tool pattern and gives its id.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], or when the file cannot be written.
    pub fn create_tool_pattern(&self, draft: &ToolPatternDraft) -> Result<i64, StoreError> {
        self.change(About::new(AuditKind::ToolPattern, &[]), |connection| {
            if let Some(name) = &draft.pattern_name {
                refuse_duplicate(connection, name)?;
            }
            Ok(assignments(draft).insert(connection, "tool_patterns")?)
        })
    }

    /// Changes the fields the draft carries.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Duplicate`], [`StoreError::Invalid`] when the
    /// row would be none that can be used, or when the file cannot be written.
    pub fn update_tool_pattern(&self, id: i64, draft: &ToolPatternDraft) -> Result<(), StoreError> {
        self.change(About::row(AuditKind::ToolPattern, id, &[]), |connection| {
            let stored = read_one(connection, id)?.row;
            let renamed = draft.pattern_name.as_ref();
            if let Some(name) = renamed.filter(|name| **name != stored.pattern_name) {
                refuse_duplicate(connection, name)?;
            }
            if draft.is_about_matching() {
                draft
                    .applied_to(Some(&stored))
                    .judge()
                    .map_err(StoreError::from)?;
            }
            Ok(assignments(draft).update(connection, "tool_patterns", id)?)
        })
    }

    /// Deletes a tool pattern. It does not come back at the next start.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be written.
    pub fn delete_tool_pattern(&self, id: i64) -> Result<(), StoreError> {
        self.change(
            About::row(AuditKind::ToolPattern, id, &[]),
            |connection| match connection.execute("DELETE FROM tool_patterns WHERE id = ?", [id])? {
                0 => Err(StoreError::Missing { what: WHAT, id }.into()),
                _ => Ok(()),
            },
        )
    }
}

/// Every row, highest priority first.
pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<Vec<StoredToolPattern>> {
    connection
        .prepare("SELECT * FROM tool_patterns ORDER BY priority DESC, id")?
        .query_map([], StoredToolPattern::read)?
        .collect()
}

fn read_one(connection: &Connection, id: i64) -> Result<StoredToolPattern, Failure> {
    connection
        .query_row(
            "SELECT * FROM tool_patterns WHERE id = ?",
            [id],
            StoredToolPattern::read,
        )
        .optional()?
        .ok_or_else(|| StoreError::Missing { what: WHAT, id }.into())
}

fn refuse_duplicate(connection: &Connection, name: &str) -> Result<(), Failure> {
    let taken: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM tool_patterns WHERE pattern_name = ?)",
        [name],
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::Duplicate {
            what: "a tool pattern",
            name: name.to_owned(),
        }
        .into());
    }
    Ok(())
}

/// The columns that the draft sets.
pub(super) fn assignments(draft: &ToolPatternDraft) -> Assignments {
    let ToolPatternDraft {
        pattern_name,
        pattern_type,
        regex_pattern,
        strength,
        tool_name,
        tool_name_group,
        tool_name_json_path,
        tool_name_mapping,
        parameter_mapping,
        enabled,
        priority,
        builtin,
    } = draft;
    let mut row = Assignments::default();
    row.set_given("pattern_name", pattern_name.clone());
    row.set_given(
        "pattern_type",
        pattern_type.map(|form| form.id().to_owned()),
    );
    row.set_given("regex_pattern", regex_pattern.clone());
    row.set_given(
        "strength",
        strength.map(|strength| strength.id().to_owned()),
    );
    row.set_given("tool_name", tool_name.clone());
    row.set_given("tool_name_group", *tool_name_group);
    row.set_given("tool_name_json_path", tool_name_json_path.clone());
    row.set_given(
        "tool_name_mapping",
        tool_name_mapping.as_ref().map(mapping_text),
    );
    row.set_given(
        "parameter_mapping",
        parameter_mapping.as_ref().map(mapping_text),
    );
    row.set_given("enabled", *enabled);
    row.set_given("priority", *priority);
    row.set_given("builtin", builtin.clone());
    row
}
