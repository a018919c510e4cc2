//! The usage tables: one row a call, written in batches.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, Statement, named_params, params};

use super::Store;
use crate::call::{CallKind, CallRecord, CallRow};
use crate::columns::Columns;
use crate::cost::{Cost, Prices};
use crate::error::StoreError;

// The values go in by position, in the order of the columns: SQLite looks a name up among
// all names of the statement, for each value of each row.
const INSERT_REQUEST: &str = "INSERT INTO request_usage (\
    virtual_model, endpoint_name, endpoint_id, request_type, \
    prompt_tokens, completion_tokens, total_tokens, \
    cached_input_tokens, cache_creation_tokens, \
    cost_estimate, cost_in, cost_out, cached_cost_estimate, \
    response_time_ms, created_at, \
    request_id, status, outcome, stream, ttft_ms, estimated, error_code, \
    attempts, attempt_count, queue_ms, execution_ms) \
    VALUES (?,?,?,?, ?,?,?, ?,?, ?,?,?,?, ?,?, ?,?,?,?,?,?,?, ?,?,?,?)";

const INSERT_EMBEDDING: &str = "INSERT INTO embedding_usage (\
    virtual_model, endpoint_name, endpoint_id, \
    input_tokens, output_tokens, total_tokens, \
    cost_estimate, cost_in, cost_out, \
    response_time_ms, created_at, \
    request_id, status, outcome, stream, ttft_ms, estimated, error_code, \
    attempts, attempt_count, queue_ms, execution_ms) \
    VALUES (?,?,?, ?,?,?, ?,?,?, ?,?, ?,?,?,?,?,?,?, ?,?,?,?)";

const RECENT: &str = "SELECT * FROM (\
    SELECT id, COALESCE(request_type, 'chat') AS request_type, request_id, virtual_model, \
    endpoint_name, endpoint_id, prompt_tokens, completion_tokens, total_tokens, \
    cached_input_tokens, cache_creation_tokens, cost_estimate, cost_in, cost_out, \
    cached_cost_estimate, response_time_ms, ttft_ms, status, outcome, stream, estimated, \
    error_code, created_at, attempts, attempt_count, queue_ms, execution_ms \
    FROM request_usage ORDER BY created_at DESC, id DESC LIMIT :limit) \
    UNION ALL SELECT * FROM (\
    SELECT id, 'embedding', request_id, virtual_model, endpoint_name, endpoint_id, \
    input_tokens, output_tokens, total_tokens, 0, 0, cost_estimate, cost_in, cost_out, 0.0, \
    response_time_ms, ttft_ms, status, outcome, stream, estimated, error_code, created_at, \
    attempts, attempt_count, queue_ms, execution_ms FROM embedding_usage ORDER BY created_at DESC, id DESC LIMIT :limit) \
    ORDER BY created_at DESC, id DESC LIMIT :limit";

impl Store {
    /// Writes finished calls, all or none, in one transaction: chat and completions to
    /// `request_usage`, embeddings to `embedding_usage`. Costs come from the prices the
    /// virtual model has now.
    ///
    /// # Errors
    /// When the file cannot be written; no row was written then.
    pub fn record_calls(&self, calls: &[CallRecord]) -> Result<(), StoreError> {
        if calls.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            let mut request = connection.prepare_cached(INSERT_REQUEST)?;
            let mut embedding = connection.prepare_cached(INSERT_EMBEDDING)?;
            // Many calls of one batch are to the same model.
            let mut known = HashMap::new();
            for call in calls {
                let name = call.virtual_model.as_str();
                let prices = match known.get(name) {
                    Some(prices) => *prices,
                    None => *known.entry(name).or_insert(prices(connection, name)?),
                };
                let cost = Cost::of(call, prices);
                match call.kind {
                    CallKind::Chat | CallKind::Completion => {
                        insert_request(&mut request, call, &cost)?;
                    }
                    CallKind::Embedding => insert_embedding(&mut embedding, call, &cost)?,
                }
            }
            Ok(())
        })
    }

    /// The newest calls of both tables, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recent_calls(&self, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(RECENT)?
                .query_map(named_params! { ":limit": limit }, call_row)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }

    /// How many calls both tables hold.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_calls(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let count: i64 = connection.query_row(
                "SELECT (SELECT COUNT(*) FROM request_usage) \
                 + (SELECT COUNT(*) FROM embedding_usage)",
                [],
                |row| row.get(0),
            )?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }
}

fn insert_request(
    statement: &mut Statement<'_>,
    call: &CallRecord,
    cost: &Cost,
) -> rusqlite::Result<()> {
    statement.execute(params![
        call.virtual_model,
        call.endpoint_name,
        call.endpoint_id,
        call.kind.as_str(),
        count(call.prompt_tokens),
        count(call.completion_tokens),
        count(total_tokens(call)),
        count(call.cached_input_tokens),
        count(call.cache_creation_tokens),
        cost.estimate,
        cost.input,
        cost.output,
        cost.cached,
        count(call.latency_ms),
        call.started_at,
        call.request_id,
        call.status,
        call.outcome.as_str(),
        call.stream,
        call.ttft_ms.map(count),
        call.estimated,
        call.error_code,
        attempts(call),
        count(call.attempts.len() as u64),
        call.queue_ms.map(count),
        call.execution_ms.map(count),
    ])?;
    Ok(())
}

fn insert_embedding(
    statement: &mut Statement<'_>,
    call: &CallRecord,
    cost: &Cost,
) -> rusqlite::Result<()> {
    statement.execute(params![
        call.virtual_model,
        call.endpoint_name,
        call.endpoint_id,
        count(call.prompt_tokens),
        count(call.completion_tokens),
        count(total_tokens(call)),
        cost.estimate,
        cost.input,
        cost.output,
        count(call.latency_ms),
        call.started_at,
        call.request_id,
        call.status,
        call.outcome.as_str(),
        call.stream,
        call.ttft_ms.map(count),
        call.estimated,
        call.error_code,
        attempts(call),
        count(call.attempts.len() as u64),
        call.queue_ms.map(count),
        call.execution_ms.map(count),
    ])?;
    Ok(())
}

/// The total a provider tells, or the sum where it tells none.
fn total_tokens(call: &CallRecord) -> u64 {
    if call.total_tokens == 0 {
        call.prompt_tokens.saturating_add(call.completion_tokens)
    } else {
        call.total_tokens
    }
}

/// The attempts as a JSON list; `None` for a call that no candidate was asked for.
fn attempts(call: &CallRecord) -> Option<String> {
    let attempts = Some(&call.attempts).filter(|attempts| !attempts.is_empty())?;
    serde_json::to_string(attempts).ok()
}

/// The prices of a virtual model; none when it no longer exists.
fn prices(connection: &Connection, model: &str) -> rusqlite::Result<Prices> {
    // CAST: a file the original wrote may hold a price as text.
    let found = connection
        .prepare_cached(
            "SELECT CAST(cost_per_1m_tokens_in AS REAL), CAST(cost_per_1m_tokens_out AS REAL), \
             CAST(cost_per_1m_tokens_in_cached AS REAL) FROM virtual_models WHERE name = ?",
        )?
        .query_row([model], |row| {
            Ok(Prices {
                input: row.get(0)?,
                output: row.get(1)?,
                input_cached: row.get(2)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// SQLite's integers are signed; no call comes near the limit.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a row. One the original wrote may hold anything; a value that makes no sense
/// counts as absent, so that one odd row does not hide the others.
fn call_row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let mut columns = Columns::new(row);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a token or a millisecond does not matter; `as` saturates"
    )]
    let mut number = |column| columns.real(column).map(|number| number as i64);
    let prompt_tokens = number("prompt_tokens").unwrap_or(0);
    let completion_tokens = number("completion_tokens").unwrap_or(0);
    let total_tokens = number("total_tokens").unwrap_or(0);
    let cached_input_tokens = number("cached_input_tokens").unwrap_or(0);
    let cache_creation_tokens = number("cache_creation_tokens").unwrap_or(0);
    let response_time_ms = number("response_time_ms").unwrap_or(0);
    let ttft_ms = number("ttft_ms");
    let status = number("status");
    let stream = number("stream").unwrap_or(0);
    let estimated = number("estimated").unwrap_or(0);
    let endpoint_id = number("endpoint_id");
    let attempt_count = number("attempt_count").unwrap_or(0);
    let queue_ms = number("queue_ms");
    let execution_ms = number("execution_ms");
    let created_at = number("created_at").unwrap_or(0);
    Ok(CallRow {
        id: columns.id()?,
        request_type: columns.text("request_type").unwrap_or_default(),
        request_id: columns.text("request_id"),
        virtual_model: columns.text("virtual_model").unwrap_or_default(),
        endpoint_name: columns.text("endpoint_name"),
        endpoint_id,
        prompt_tokens,
        completion_tokens,
        total_tokens,
        cached_input_tokens,
        cache_creation_tokens,
        cost_estimate: columns.real("cost_estimate").unwrap_or(0.0),
        cost_in: columns.real("cost_in").unwrap_or(0.0),
        cost_out: columns.real("cost_out").unwrap_or(0.0),
        cached_cost_estimate: columns.real("cached_cost_estimate").unwrap_or(0.0),
        response_time_ms,
        ttft_ms,
        status,
        outcome: columns.text("outcome"),
        stream,
        estimated,
        error_code: columns.text("error_code"),
        created_at,
        attempts: columns
            .text("attempts")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
        attempt_count,
        queue_ms,
        execution_ms,
    })
}
