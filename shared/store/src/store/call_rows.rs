//! Single calls, read back: the newest, and page by page.

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types::Value};

use super::Store;
use super::calls::{legacy, signed};
use super::raw::{self, Table, whole};
use crate::call::{CallKey, CallRow, Outcome};
use crate::columns::Columns;
use crate::error::StoreError;
use crate::report::{CallCursor, CallQuery};
use crate::totals::total;

impl Store {
    /// The newest calls of both tables, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recent_calls(&self, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        let newest = Table::ALL.map(|table| {
            format!(
                "SELECT * FROM ({} ORDER BY created_at DESC, id DESC LIMIT ?1)",
                table.select_whole()
            )
        });
        self.read(|connection| {
            let rows = connection
                .prepare_cached(&format!(
                    "{} ORDER BY created_at DESC, id DESC LIMIT ?1",
                    newest.join(" UNION ALL ")
                ))?
                .query_map([limit], call_row)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }

    /// The next page of single calls, newest first: those that `query` is about, behind
    /// `after`. However many there are, a page costs what its rows cost.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn calls_page(
        &self,
        query: &CallQuery,
        after: &CallCursor,
        limit: u32,
    ) -> Result<(Vec<CallRow>, Option<CallCursor>), StoreError> {
        self.read(|connection| {
            let [requests, embeddings] =
                Table::ALL.map(|table| page(connection, table, query, after, limit));
            let mut requests = requests?.into_iter().peekable();
            let mut embeddings = embeddings?.into_iter().peekable();
            let mut cursor = after.clone();
            let mut rows = Vec::new();
            while rows.len() < limit as usize {
                let newer = match (requests.peek(), embeddings.peek()) {
                    (Some(request), Some(embedding)) => request.created_at >= embedding.created_at,
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (None, None) => break,
                };
                let (row, at) = if newer {
                    (requests.next(), &mut cursor.request)
                } else {
                    (embeddings.next(), &mut cursor.embedding)
                };
                if let Some(row) = row {
                    *at = Some((row.created_at, row.id));
                    rows.push(row);
                }
            }
            let more = requests.peek().is_some() || embeddings.peek().is_some();
            Ok((rows, more.then_some(cursor)))
        })
    }

    /// The newest calls that failed, newest first; hang-ups of callers are none. Each outcome
    /// is looked up by itself, so that it costs nothing to have none among millions.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recent_failures(&self, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        let failures = Outcome::ALL
            .into_iter()
            .filter(|outcome| outcome.is_failure());
        self.read(|connection| {
            let mut rows = Vec::new();
            for outcome in failures {
                let query = CallQuery {
                    from: i64::MIN,
                    to: i64::MAX,
                    outcome: Some(outcome.as_str().to_owned()),
                    ..CallQuery::default()
                };
                for table in Table::ALL {
                    let newest = page(connection, table, &query, &CallCursor::default(), limit)?;
                    rows.extend(newest);
                }
            }
            rows.sort_by_key(|row: &CallRow| std::cmp::Reverse((row.created_at, row.id)));
            rows.truncate(limit as usize);
            Ok(rows)
        })
    }

    /// One call, if it is still kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn call(&self, key: &CallKey) -> Result<Option<CallRow>, StoreError> {
        let table = if key.embedding {
            Table::Embeddings
        } else {
            Table::Requests
        };
        self.read(|connection| {
            let row = connection
                .prepare_cached(&format!("{} WHERE id = ?", table.select_whole()))?
                .query_row([key.id], call_row)
                .optional()?;
            Ok(row)
        })
    }
}

fn page(
    connection: &Connection,
    table: Table,
    query: &CallQuery,
    after: &CallCursor,
    limit: u32,
) -> rusqlite::Result<Vec<CallRow>> {
    let at = match table {
        Table::Requests => after.request,
        Table::Embeddings => after.embedding,
    };
    let mut wanted = vec!["created_at >= ?", "created_at <= ?"];
    let mut values = vec![Value::from(query.from), Value::from(query.to)];
    if let Some((created_at, id)) = at {
        wanted.push("(created_at, id) < (?, ?)");
        values.extend([Value::from(created_at), Value::from(id)]);
    }
    for (column, value) in [
        (
            "virtual_model = ?",
            query.virtual_model.clone().map(Value::from),
        ),
        ("endpoint_id = ?", query.endpoint_id.map(Value::from)),
        ("inbound_api_key_id = ?", query.key_id.map(Value::from)),
        ("outcome = ?", query.outcome.clone().map(Value::from)),
        (
            // The first half is what the index knows.
            "substr(request_id, -8) = substr(?, -8)",
            query.request_id.clone().map(Value::from),
        ),
        ("request_id = ?", query.request_id.clone().map(Value::from)),
        ("status = ?", query.status.map(Value::from)),
    ] {
        if let Some(value) = value {
            wanted.push(column);
            values.push(value);
        }
    }
    if query.status.is_some_and(|status| status != 200) {
        wanted.push("status <> 200");
    }
    // One more, which tells whether there is another page.
    values.push(Value::from(i64::from(limit) + 1));
    connection
        .prepare_cached(&format!(
            "{} WHERE {} ORDER BY created_at DESC, id DESC LIMIT ?",
            table.select_whole(),
            wanted.join(" AND ")
        ))?
        .query_map(params_from_iter(values), call_row)?
        .collect()
}

/// Reads a row. One the original wrote may hold anything; a value that makes no sense
/// counts as absent, so that one odd row does not hide the others.
fn call_row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let stored = raw::Stored::read(Table::Requests, row)?;
    let mut columns = Columns::new(row);
    let mut number = |column| whole(columns.real(column));
    let cost_nanos = number("cost_nanos");
    let provider_cost_nanos = number("provider_cost_nanos");
    let [status, attempt_count, queue_ms, execution_ms, saved_nanos] = [
        number("status"),
        number("attempt_count"),
        number("queue_ms"),
        number("execution_ms"),
        number("saved_nanos"),
    ];
    let tool_repairs = number("tool_repairs").unwrap_or(0);
    let usage = columns.text("usage");
    let (spent, facts) = (&stored.spent, &stored.facts);
    let reals = legacy(&spent.cost);
    let paced = facts.ttft_ms.map(|ttft| facts.latency_ms - ttft);
    #[expect(
        clippy::cast_precision_loss,
        reason = "tokens and milliseconds of one call"
    )]
    let tokens_per_second = paced
        .filter(|paced| facts.stream && *paced > 0 && facts.completion_tokens > 1)
        .map(|paced| facts.completion_tokens as f64 * 1000.0 / paced as f64);
    Ok(CallRow {
        id: stored.id,
        request_type: stored.group.kind.as_str().to_owned(),
        request_id: columns.text("request_id"),
        virtual_model: stored.group.virtual_model,
        endpoint_name: columns.text("endpoint_name"),
        endpoint_id: whole(columns.real("endpoint_id")),
        prompt_tokens: signed(spent.usage.prompt_tokens),
        completion_tokens: facts.completion_tokens,
        total_tokens: signed(spent.usage.total_tokens).max(signed(total(&spent.usage))),
        cached_input_tokens: signed(spent.usage.cached_tokens),
        cache_creation_tokens: signed(spent.usage.cache_write_tokens),
        usage: usage.map(|_| spent.usage),
        cost_nanos,
        provider_cost_nanos,
        cost_disputed: spent.is_disputed(),
        cost_estimate: reals.estimate,
        cost_in: reals.input,
        cost_out: reals.output,
        cached_cost_estimate: reals.cached,
        saved_nanos,
        cache_hit: i64::from(facts.cache_hit),
        cache_attempted: i64::from(facts.cache_attempted),
        inbound_api_key_id: Some(stored.group.key_id).filter(|id| *id != 0),
        inbound_api_key_label: Some(stored.group.key_label).filter(|label| !label.is_empty()),
        response_time_ms: facts.latency_ms,
        ttft_ms: facts.ttft_ms,
        upstream_ms: facts.upstream_ms,
        overhead_ms: facts
            .upstream_ms
            .map(|upstream| (facts.latency_ms - upstream).max(0)),
        tokens_per_second,
        status,
        outcome: columns.text("outcome"),
        stream: i64::from(facts.stream),
        estimated: i64::from(facts.estimated),
        error_code: columns.text("error_code"),
        created_at: stored.at,
        attempts: stored.attempts,
        attempt_count: attempt_count.unwrap_or(0),
        queue_ms,
        execution_ms,
        route: columns.text("route"),
        address: columns.text("address"),
        client: columns.text("client"),
        tool_repairs,
    })
}
