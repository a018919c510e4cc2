//! The row of a virtual model as it lies in the store, and what is made of it.

use rusqlite::Row;

use super::draft::{self, MAX_NUM_CTX, MAX_TEMPERATURE, MAX_TOKENS, MAX_TOP_P};
use super::{CachingRow, RepairRow, RoutingRow, VirtualModel, VirtualModelRow};
use crate::columns::Columns;
use crate::config::QueuePriority;
use crate::custom_headers;
use crate::limits::LimitsRow;
use crate::vault::Keys;

/// A row as read, before it is judged.
pub(crate) struct StoredVirtualModel {
    pub(crate) row: VirtualModelRow,
    /// As stored, encrypted values too.
    headers: Option<String>,
    faults: Vec<String>,
    /// What is wrong with its routing and repair, which it can do without.
    doubts: Vec<String>,
}

impl StoredVirtualModel {
    /// Reads a row of `virtual_models` joined with its endpoint and its routing.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = Columns::new(row);
        let (routing, mut doubts) = RoutingRow::read(&mut columns);
        let (repair, more) = RepairRow::read(&mut columns);
        doubts.extend(more);
        let (caching, more) = CachingRow::read(&mut columns);
        doubts.extend(more);
        let row = VirtualModelRow {
            id: columns.id()?,
            name: columns.text("name").unwrap_or_default(),
            endpoint_id: columns.whole("endpoint_id").unwrap_or(0),
            actual_model: columns.text("actual_model").unwrap_or_default(),
            description: columns.text("description"),
            cost_per_1m_tokens_in: columns.real("cost_per_1m_tokens_in"),
            cost_per_1m_tokens_out: columns.real("cost_per_1m_tokens_out"),
            cost_per_1m_tokens_in_cached: columns.real("cost_per_1m_tokens_in_cached"),
            cost_per_1m_tokens_out_cached: columns.real("cost_per_1m_tokens_out_cached"),
            cost_per_1m_tokens_cache_write: columns.real("cost_per_1m_tokens_cache_write"),
            cost_per_1m_tokens_cache_write_1h: columns.real("cost_per_1m_tokens_cache_write_1h"),
            disable_streaming: i64::from(columns.flag("disable_streaming", false)),
            force_non_streaming: i64::from(columns.flag("force_non_streaming", false)),
            custom_headers: columns.text("custom_headers"),
            enabled: i64::from(columns.flag("enabled", true)),
            max_tokens: columns.whole("max_tokens"),
            temperature: columns.real("temperature"),
            top_p: columns.real("top_p"),
            system_prompt: columns.text("system_prompt"),
            created_at: columns.whole("created_at").unwrap_or(0),
            updated_at: columns.whole("updated_at").unwrap_or(0),
            version: columns.whole("version").unwrap_or(0),
            show_reasoning: i64::from(columns.flag("show_reasoning", true)),
            queue_priority: columns.text("queue_priority"),
            auto_cache: i64::from(columns.flag("auto_cache", false)),
            capture_bodies: i64::from(columns.flag("capture_bodies", false)),
            inline_system: i64::from(columns.flag("inline_system", false)),
            keep_alive: columns.text("keep_alive"),
            num_ctx: columns.whole("num_ctx"),
            repair,
            caching,
            routing,
            limits: LimitsRow::read(&mut columns),
            locked: None,
            endpoint_name: columns.text("endpoint_name"),
            endpoint_url: columns.text("endpoint_url"),
        };
        Ok(Self {
            headers: row.custom_headers.clone(),
            row,
            faults: columns.faults,
            doubts,
        })
    }

    /// Decrypts what is encrypted. What no key opens is a fault.
    pub(crate) fn open(&mut self, keys: &Keys) {
        let Some(stored) = self.headers.as_deref() else {
            return;
        };
        let opened = keys.open_headers("virtual_models", self.row.id, stored);
        self.row.custom_headers = Some(opened.text);
        if !opened.locked.is_empty() {
            self.row.locked = Some(opened.locked.join("; "));
            self.faults.extend(opened.locked);
        }
    }

    /// Its headers as stored.
    pub(crate) fn stored_headers(&self) -> Option<&str> {
        self.headers.as_deref()
    }

    /// How an operator would name the row.
    pub(crate) fn subject(&self) -> String {
        format!("virtual model {} {:?}", self.row.id, self.row.name)
    }

    /// The virtual model and what is doubtful about it, or why it cannot be used.
    pub(crate) fn judge(self) -> Result<(VirtualModel, Vec<String>), Vec<String>> {
        let Self {
            row,
            headers: _,
            mut faults,
            mut doubts,
        } = self;
        if row.name.is_empty() {
            faults.push("name is empty".to_owned());
        }
        if row.actual_model.is_empty() {
            faults.push("actual_model is empty".to_owned());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let headers = row.custom_headers.as_deref().unwrap_or_default();
        let custom_headers = custom_headers::parse(headers).unwrap_or_else(|reasons| {
            doubts.push(format!(
                "custom_headers are not sent: {}",
                reasons.join("; ")
            ));
            Vec::new()
        });
        let mut within = |field: &str, value: Option<f64>, max: f64| {
            let good = value.filter(|value| (0.0..=max).contains(value));
            if value.is_some() && good.is_none() {
                doubts.push(format!("{field} is not from 0 to {max} and is not used"));
            }
            good
        };
        let price_in = within("cost_per_1m_tokens_in", row.cost_per_1m_tokens_in, f64::MAX);
        let price_out = within(
            "cost_per_1m_tokens_out",
            row.cost_per_1m_tokens_out,
            f64::MAX,
        );
        let temperature = within("temperature", row.temperature, MAX_TEMPERATURE);
        let top_p = within("top_p", row.top_p, MAX_TOP_P);
        let price_in_cached = within(
            "cost_per_1m_tokens_in_cached",
            row.cost_per_1m_tokens_in_cached,
            f64::MAX,
        );
        let price_out_cached = within(
            "cost_per_1m_tokens_out_cached",
            row.cost_per_1m_tokens_out_cached,
            f64::MAX,
        );
        let price_write = within(
            "cost_per_1m_tokens_cache_write",
            row.cost_per_1m_tokens_cache_write,
            f64::MAX,
        );
        let price_write_1h = within(
            "cost_per_1m_tokens_cache_write_1h",
            row.cost_per_1m_tokens_cache_write_1h,
            f64::MAX,
        );
        let mut whole = |field: &str, value: Option<i64>, max: i64| {
            let good = value
                .filter(|limit| (1..=max).contains(limit))
                .and_then(|limit| u32::try_from(limit).ok());
            if value.is_some() && good.is_none() {
                doubts.push(format!("{field} is not from 1 to {max} and is not used"));
            }
            good
        };
        let max_tokens = whole("max_tokens", row.max_tokens, MAX_TOKENS);
        let num_ctx = whole("num_ctx", row.num_ctx, MAX_NUM_CTX);
        let queue_priority = row.queue_priority.as_deref().and_then(|id| {
            let priority = QueuePriority::from_id(id);
            if priority.is_none() {
                doubts.push("queue_priority is not HIGH, NORMAL or LOW and is not used".to_owned());
            }
            priority
        });
        let keep_alive = row.keep_alive.filter(|text| {
            let good = draft::is_keep_alive(text);
            if !good {
                doubts.push(format!("keep_alive {} and is not used", draft::KEEP_ALIVE));
            }
            good
        });
        let repair = row.repair.judge(&mut doubts);
        let caching = row.caching.judge(&mut doubts);
        let routing = row.routing.judge(&mut doubts);
        let model = VirtualModel {
            id: row.id,
            name: row.name,
            endpoint_id: row.endpoint_id,
            actual_model: row.actual_model,
            description: row.description,
            cost_per_1m_tokens_in: price_in,
            cost_per_1m_tokens_out: price_out,
            cost_per_1m_tokens_in_cached: price_in_cached,
            cost_per_1m_tokens_out_cached: price_out_cached,
            cost_per_1m_tokens_cache_write: price_write,
            cost_per_1m_tokens_cache_write_1h: price_write_1h,
            disable_streaming: row.disable_streaming != 0,
            force_non_streaming: row.force_non_streaming != 0,
            custom_headers,
            enabled: row.enabled != 0,
            max_tokens,
            temperature,
            top_p,
            system_prompt: row.system_prompt,
            show_reasoning: row.show_reasoning != 0,
            queue_priority,
            auto_cache: row.auto_cache != 0,
            capture_bodies: row.capture_bodies != 0,
            inline_system: row.inline_system != 0,
            keep_alive,
            num_ctx,
            repair,
            caching,
            routing,
            limits: row.limits.judge(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok((model, doubts))
    }
}
