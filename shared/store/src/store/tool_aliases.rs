//! Tool aliases: list, one, create, change, delete.

use rusqlite::{Connection, OptionalExtension as _};

use super::assignments::Assignments;
use super::audit::About;
use super::{Failure, Store};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::tool_alias::{StoredToolAlias, ToolAliasDraft, ToolAliasRow, aliases_text};

const WHAT: &str = "tool alias";

impl Store {
    /// Every tool alias, by tool and parameter.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tool_aliases(&self) -> Result<Vec<ToolAliasRow>, StoreError> {
        self.read(|connection| {
            let stored = read_all(connection)?;
            Ok(stored.into_iter().map(|stored| stored.row).collect())
        })
    }

    /// One tool alias.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be read.
    pub fn tool_alias(&self, id: i64) -> Result<ToolAliasRow, StoreError> {
        self.read(|connection| Ok(read_one(connection, id)?.row))
    }

    /// Writes a new tool alias and gives its id.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the tool's parameter has one, or when the file cannot
    /// be written.
    pub fn create_tool_alias(&self, draft: &ToolAliasDraft) -> Result<i64, StoreError> {
        self.change(About::new(AuditKind::ToolAlias, &[]), |connection| {
            if let (Some(tool), Some(parameter)) = (&draft.tool_name, &draft.parameter) {
                refuse_duplicate(connection, tool, parameter, None)?;
            }
            Ok(assignments(draft).insert(connection, "tool_aliases")?)
        })
    }

    /// Changes the fields the draft carries.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Duplicate`] when the tool's parameter has
    /// another one, [`StoreError::Invalid`] when it would do nothing, or when the file cannot
    /// be written.
    pub fn update_tool_alias(&self, id: i64, draft: &ToolAliasDraft) -> Result<(), StoreError> {
        self.change(About::row(AuditKind::ToolAlias, id, &[]), |connection| {
            let stored = read_one(connection, id)?.row;
            let tool = draft.tool_name.as_ref().unwrap_or(&stored.tool_name);
            let parameter = draft.parameter.as_ref().unwrap_or(&stored.parameter);
            refuse_duplicate(connection, tool, parameter, Some(id))?;
            if draft.aliases.is_some() || draft.fill.is_some() {
                draft
                    .require_effect(Some(&stored))
                    .map_err(StoreError::from)?;
            }
            Ok(assignments(draft).update(connection, "tool_aliases", id)?)
        })
    }

    /// Deletes a tool alias. It does not come back at the next start.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be written.
    pub fn delete_tool_alias(&self, id: i64) -> Result<(), StoreError> {
        self.change(
            About::row(AuditKind::ToolAlias, id, &[]),
            |connection| match connection.execute("DELETE FROM tool_aliases WHERE id = ?", [id])? {
                0 => Err(StoreError::Missing { what: WHAT, id }.into()),
                _ => Ok(()),
            },
        )
    }
}

/// Every row, by tool and parameter.
pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<Vec<StoredToolAlias>> {
    connection
        .prepare("SELECT * FROM tool_aliases ORDER BY tool_name, parameter")?
        .query_map([], StoredToolAlias::read)?
        .collect()
}

fn read_one(connection: &Connection, id: i64) -> Result<StoredToolAlias, Failure> {
    connection
        .query_row(
            "SELECT * FROM tool_aliases WHERE id = ?",
            [id],
            StoredToolAlias::read,
        )
        .optional()?
        .ok_or_else(|| StoreError::Missing { what: WHAT, id }.into())
}

/// Refuses a second alias of a tool's parameter beside the row `own`.
fn refuse_duplicate(
    connection: &Connection,
    tool: &str,
    parameter: &str,
    own: Option<i64>,
) -> Result<(), Failure> {
    let taken: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM tool_aliases \
         WHERE tool_name = ? AND parameter = ? AND id IS NOT ?)",
        (tool, parameter, own),
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::Duplicate {
            what: "a tool alias",
            name: format!("{tool}.{parameter}"),
        }
        .into());
    }
    Ok(())
}

/// The columns that the draft sets.
pub(super) fn assignments(draft: &ToolAliasDraft) -> Assignments {
    let ToolAliasDraft {
        tool_name,
        parameter,
        aliases,
        fill,
        enabled,
    } = draft;
    let mut row = Assignments::default();
    row.set_given("tool_name", tool_name.clone());
    row.set_given("parameter", parameter.clone());
    row.set_given("aliases", aliases.as_deref().map(aliases_text));
    row.set_given("fill", fill.clone());
    row.set_given("enabled", *enabled);
    row
}
