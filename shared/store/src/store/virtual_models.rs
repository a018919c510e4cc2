//! Virtual models: list, one, create, change, delete.

use rusqlite::{Connection, OptionalExtension as _};

use super::assignments::{Assignments, next_id};
use super::audit::About;
use super::secrets::seal_headers;
use super::{Failure, Store, inbound_keys, prices, routing};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::vault::Vault;
use crate::virtual_model::{
    CachingDraft, RepairDraft, StoredVirtualModel, VirtualModelDraft, VirtualModelRow,
};

const WHAT: &str = "virtual model";

const TABLE: &str = "virtual_models";

/// What else has the name of a virtual model in it.
const NAMING_IT: &[AuditKind] = &[AuditKind::InboundKey];

const SELECT: &str = "SELECT m.*, e.name AS endpoint_name, e.url AS endpoint_url, \
    r.strategy AS routing_strategy, r.targets AS routing_targets, r.weight AS routing_weight, \
    r.max_attempts AS routing_max_attempts, r.failure_threshold AS routing_threshold, \
    r.cooldown_seconds AS routing_cooldown, r.affinity AS routing_affinity \
    FROM virtual_models m LEFT JOIN endpoints e ON e.id = m.endpoint_id \
    LEFT JOIN virtual_model_failover r ON r.virtual_model_id = m.id";

impl Store {
    /// Every virtual model, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn virtual_models(&self) -> Result<Vec<VirtualModelRow>, StoreError> {
        self.read(|connection| {
            let stored = read_all(connection, self.vault())?;
            Ok(stored.into_iter().map(|stored| stored.row).collect())
        })
    }

    /// One virtual model.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be read.
    pub fn virtual_model(&self, id: i64) -> Result<VirtualModelRow, StoreError> {
        self.read(|connection| Ok(read_one(connection, id, self.vault())?.row))
    }

    /// Writes a new virtual model and gives its id.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], [`StoreError::Invalid`] when the endpoint does not exist,
    /// or when the file cannot be written.
    pub fn create_virtual_model(&self, draft: &VirtualModelDraft) -> Result<i64, StoreError> {
        // Columns of a file the original wrote have defaults that mean "not set" there and
        // are values here, so every column that may be NULL is written.
        let complete = VirtualModelDraft {
            cost_in: draft.cost_in.or(Some(None)),
            cost_out: draft.cost_out.or(Some(None)),
            cost_in_cached: draft.cost_in_cached.or(Some(None)),
            cost_out_cached: draft.cost_out_cached.or(Some(None)),
            cost_cache_write: draft.cost_cache_write.or(Some(None)),
            cost_cache_write_1h: draft.cost_cache_write_1h.or(Some(None)),
            max_tokens: draft.max_tokens.or(Some(None)),
            temperature: draft.temperature.or(Some(None)),
            top_p: draft.top_p.or(Some(None)),
            caching: draft.caching.complete(),
            ..draft.clone()
        };
        self.change(About::new(AuditKind::VirtualModel, &[]), |connection| {
            if let Some(name) = &complete.name {
                refuse_duplicate(connection, name)?;
            }
            if let Some(endpoint) = complete.endpoint_id {
                require_endpoint(connection, endpoint)?;
            }
            let id = next_id(connection, TABLE)?;
            let mut row = assignments(&complete, id, None, self.vault())?;
            row.set("id", id);
            row.insert(connection, TABLE)?;
            if let Some(draft) = &complete.routing {
                routing::write(connection, id, draft)?;
            }
            prices::follow(connection, id)?;
            Ok(id)
        })
    }

    /// Changes the fields the draft carries.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Duplicate`], [`StoreError::Invalid`] when the
    /// new endpoint does not exist, or when the file cannot be written.
    pub fn update_virtual_model(
        &self,
        id: i64,
        draft: &VirtualModelDraft,
    ) -> Result<(), StoreError> {
        self.change(
            About::row(AuditKind::VirtualModel, id, NAMING_IT),
            |connection| {
                let stored = read_one(connection, id, self.vault())?;
                if let Some(name) = draft.name.as_ref().filter(|name| **name != stored.row.name) {
                    refuse_duplicate(connection, name)?;
                    inbound_keys::rename_model(connection, &stored.row.name, Some(name))?;
                }
                if let Some(endpoint) = draft.endpoint_id {
                    require_endpoint(connection, endpoint)?;
                }
                let kept = stored.stored_headers();
                let mut row = assignments(draft, id, kept, self.vault())?;
                if let Some(routing) = &draft.routing {
                    routing::write(connection, id, routing)?;
                    if row.is_empty() {
                        // Routing is a part of the virtual model: its time of change moves too.
                        row.set("name", stored.row.name);
                    }
                }
                row.update(connection, "virtual_models", id)?;
                Ok(prices::follow(connection, id)?)
            },
        )
    }

    /// Deletes a virtual model, takes it out of the targets of the others, and gives the
    /// names of those.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be written.
    pub fn delete_virtual_model(&self, id: i64) -> Result<Vec<String>, StoreError> {
        self.change(
            About::row(AuditKind::VirtualModel, id, NAMING_IT),
            |connection| {
                let name = read_one(connection, id, self.vault())?.row.name;
                inbound_keys::rename_model(connection, &name, None)?;
                connection.execute("DELETE FROM virtual_models WHERE id = ?", [id])?;
                Ok(routing::forget_model(connection, id)?)
            },
        )
    }
}

/// Every row, by name.
pub(super) fn read_all(
    connection: &Connection,
    vault: &Vault,
) -> rusqlite::Result<Vec<StoredVirtualModel>> {
    let mut rows = connection
        .prepare(&format!("{SELECT} ORDER BY m.name"))?
        .query_map([], StoredVirtualModel::read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let keys = vault.to_open();
    for row in &mut rows {
        row.open(&keys);
    }
    Ok(rows)
}

/// Whether a virtual model has this name.
pub(super) fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM virtual_models WHERE name = ?)",
        [name],
        |row| row.get(0),
    )
}

fn read_one(
    connection: &Connection,
    id: i64,
    vault: &Vault,
) -> Result<StoredVirtualModel, Failure> {
    let mut row = connection
        .query_row(
            &format!("{SELECT} WHERE m.id = ?"),
            [id],
            StoredVirtualModel::read,
        )
        .optional()?
        .ok_or(StoreError::Missing { what: WHAT, id })?;
    row.open(&vault.to_open());
    Ok(row)
}

fn refuse_duplicate(connection: &Connection, name: &str) -> Result<(), Failure> {
    if exists(connection, name)? {
        return Err(StoreError::Duplicate {
            what: "a virtual model",
            name: name.to_owned(),
        }
        .into());
    }
    Ok(())
}

fn require_endpoint(connection: &Connection, id: i64) -> Result<(), Failure> {
    let found: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM endpoints WHERE id = ?)",
        [id],
        |row| row.get(0),
    )?;
    if found {
        return Ok(());
    }
    let fields = FieldErrors::one("endpoint_id", format!("there is no endpoint with id {id}"));
    Err(StoreError::from(fields).into())
}

fn assignments(
    draft: &VirtualModelDraft,
    id: i64,
    kept_headers: Option<&str>,
    vault: &Vault,
) -> Result<Assignments, StoreError> {
    let VirtualModelDraft {
        name,
        endpoint_id,
        actual_model,
        description,
        cost_in,
        cost_out,
        cost_in_cached,
        cost_out_cached,
        cost_cache_write,
        cost_cache_write_1h,
        disable_streaming,
        force_non_streaming,
        custom_headers,
        enabled,
        max_tokens,
        temperature,
        top_p,
        system_prompt,
        show_reasoning,
        queue_priority,
        auto_cache,
        capture_bodies,
        inline_system,
        keep_alive,
        num_ctx,
        repair,
        caching,
        routing: _,
        limits,
    } = draft;
    let mut row = Assignments::default();
    row.set_given("name", name.clone());
    row.set_given("endpoint_id", *endpoint_id);
    row.set_given("actual_model", actual_model.clone());
    row.set_given("description", description.clone());
    row.set_given("cost_per_1m_tokens_in", *cost_in);
    row.set_given("cost_per_1m_tokens_out", *cost_out);
    row.set_given("cost_per_1m_tokens_in_cached", *cost_in_cached);
    row.set_given("cost_per_1m_tokens_out_cached", *cost_out_cached);
    row.set_given("cost_per_1m_tokens_cache_write", *cost_cache_write);
    row.set_given("cost_per_1m_tokens_cache_write_1h", *cost_cache_write_1h);
    row.set_given("disable_streaming", *disable_streaming);
    row.set_given("force_non_streaming", *force_non_streaming);
    if let Some(headers) = custom_headers {
        let headers = seal_headers(vault, TABLE, id, headers, kept_headers)?;
        row.set("custom_headers", headers);
    }
    row.set_given("enabled", *enabled);
    row.set_given("max_tokens", *max_tokens);
    row.set_given("temperature", *temperature);
    row.set_given("top_p", *top_p);
    row.set_given("system_prompt", system_prompt.clone());
    row.set_given("show_reasoning", *show_reasoning);
    row.set_given(
        "queue_priority",
        queue_priority.map(|priority| priority.map(|priority| priority.as_str().to_owned())),
    );
    row.set_given("auto_cache", *auto_cache);
    row.set_given("capture_bodies", *capture_bodies);
    row.set_given("inline_system", *inline_system);
    row.set_given("keep_alive", keep_alive.clone());
    row.set_given("num_ctx", *num_ctx);
    assign_repair(&mut row, repair);
    assign_caching(&mut row, caching);
    row.set_all(limits.columns());
    Ok(row)
}

fn assign_caching(row: &mut Assignments, draft: &CachingDraft) {
    let CachingDraft {
        enabled,
        ttl_seconds,
        join,
    } = draft;
    row.set_given("cache_enabled", *enabled);
    row.set_given("cache_ttl_seconds", *ttl_seconds);
    row.set_given("join_calls", *join);
}

fn assign_repair(row: &mut Assignments, draft: &RepairDraft) {
    let RepairDraft {
        tool_calls,
        arguments,
        history,
        reasoning_form,
        thinking,
        comment,
        keep_text_bytes,
    } = draft;
    row.set_given("repair_tool_calls", *tool_calls);
    row.set_given("repair_arguments", *arguments);
    row.set_given("repair_history", *history);
    row.set_given(
        "reasoning_form",
        reasoning_form.map(|form| form.id().to_owned()),
    );
    row.set_given(
        "thinking",
        thinking.map(|thinking| thinking.id().to_owned()),
    );
    row.set_given("repaired_comment", *comment);
    row.set_given("keep_tool_text_bytes", *keep_text_bytes);
}
