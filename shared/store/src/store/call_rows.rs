//! Single calls, read back: the newest, and page by page.

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types::Value};

use super::Store;
use super::calls::{legacy, signed};
use super::raw::{self, FOREIGN_ID, Table, whole};
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

/// The newest of a table's calls that `query` is about, behind `after`, at most one more than
/// `limit`: that one tells whether there is another page.
fn page(
    connection: &Connection,
    table: Table,
    query: &CallQuery,
    after: &CallCursor,
    limit: u32,
) -> rusqlite::Result<Vec<CallRow>> {
    let rows = |found| page_of(connection, table, (query, after, limit), found);
    let Some(id) = query.request_id.as_deref() else {
        return rows(Found::By(rarest(connection, table, query)?));
    };
    // A call is in one of both.
    let mut both = rows(Found::ByForeignId(id))?;
    if let Some(second) = second_of(id) {
        both.extend(rows(Found::BySecond(second))?);
        both.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        both.truncate(limit as usize + 1);
    }
    Ok(both)
}

/// The second that a request's id tells, where it is one that a gateway made.
fn second_of(id: &str) -> Option<i64> {
    let told: String = id.chars().skip(4).take(8).collect();
    let second = i64::from_str_radix(&told, 16).ok()?;
    (format!("{second:08x}") == told).then_some(second)
}

/// What makes the look for calls a short one.
#[derive(Clone, Copy)]
enum Found<'q> {
    /// By the index of this column, or of whichever is asked for.
    By(Option<&'static str>),
    /// The id tells when the call began.
    BySecond(i64),
    /// The id tells nothing; by the index of such ids.
    ByForeignId(&'q str),
}

/// What calls are filtered by.
struct Filter {
    column: &'static str,
    value: Value,
    /// Whether an index has all calls that fit.
    is_indexed: bool,
    /// What the index of the few is told by: it holds no calls that succeeded.
    told_by: &'static str,
}

fn filters(query: &CallQuery) -> Vec<Filter> {
    let filter = |column, value: Option<Value>| {
        value.map(|value| Filter {
            column,
            value,
            is_indexed: true,
            told_by: "",
        })
    };
    let among_few = |filter: Filter, is_few: bool, told_by| Filter {
        is_indexed: is_few,
        told_by: if is_few { told_by } else { "" },
        ..filter
    };
    let outcome = query.outcome.as_deref();
    let has_failed = outcome != Some(Outcome::Success.as_str());
    let by_outcome = filter(
        "outcome",
        outcome.map(|outcome| Value::from(outcome.to_owned())),
    )
    .map(|filter| among_few(filter, has_failed, " AND outcome <> 'success'"));
    let by_status = filter("status", query.status.map(Value::from))
        .map(|filter| among_few(filter, query.status != Some(200), " AND status <> 200"));
    let all = [
        filter(
            "virtual_model",
            query.virtual_model.clone().map(Value::from),
        ),
        filter("endpoint_id", query.endpoint_id.map(Value::from)),
        filter("inbound_api_key_id", query.key_id.map(Value::from)),
        by_outcome,
        by_status,
    ];
    all.into_iter().flatten().collect()
}

/// Calls of a filter are counted up to here.
const COUNTED: i64 = 20_000;

/// The column by which the fewest calls are found, where several are asked for: SQLite takes
/// one without knowing how many fit.
fn rarest(
    connection: &Connection,
    table: Table,
    query: &CallQuery,
) -> rusqlite::Result<Option<&'static str>> {
    let mut filters = filters(query);
    filters.retain(|filter| filter.is_indexed);
    if filters.len() < 2 {
        return Ok(None);
    }
    let mut rarest = None;
    for filter in filters {
        let text = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM {} WHERE {} = ?{} \
             AND created_at >= ? AND created_at <= ? LIMIT {COUNTED})",
            table.name(),
            filter.column,
            filter.told_by
        );
        let mut count = connection.prepare_cached(&text)?;
        let count: i64 = count.query_row((filter.value, query.from, query.to), |row| row.get(0))?;
        if rarest.is_none_or(|(least, _)| count < least) {
            rarest = Some((count, filter.column));
        }
    }
    Ok(rarest.map(|(_, column)| column))
}

fn page_of(
    connection: &Connection,
    table: Table,
    asked: (&CallQuery, &CallCursor, u32),
    found: Found<'_>,
) -> rusqlite::Result<Vec<CallRow>> {
    let (text, values) = statement(table, asked, found);
    connection
        .prepare_cached(&text)?
        .query_map(params_from_iter(values), call_row)?
        .collect()
}

fn statement(
    table: Table,
    (query, after, limit): (&CallQuery, &CallCursor, u32),
    found: Found<'_>,
) -> (String, Vec<Value>) {
    let at = match table {
        Table::Requests => after.request,
        Table::Embeddings => after.embedding,
    };
    let mut wanted = vec!["created_at >= ?".to_owned(), "created_at <= ?".to_owned()];
    let mut values = vec![Value::from(query.from), Value::from(query.to)];
    if let Some((created_at, id)) = at {
        wanted.push("(created_at, id) < (?, ?)".to_owned());
        values.extend([Value::from(created_at), Value::from(id)]);
    }
    let mut index = None;
    match found {
        Found::By(column) => index = column,
        Found::BySecond(second) => {
            wanted.push("created_at = ?".to_owned());
            values.push(Value::from(second));
        }
        Found::ByForeignId(id) => {
            let end = "substr(request_id, -8) = substr(?, -8)";
            wanted.extend([FOREIGN_ID.to_owned(), end.to_owned()]);
            values.push(Value::from(id.to_owned()));
        }
    }
    for filter in filters(query) {
        // A sign before a column keeps SQLite from looking it up in an index.
        let is_passed_over = index.is_some_and(|index| index != filter.column);
        let sign = if is_passed_over { "+" } else { "" };
        wanted.push(format!("{sign}{} = ?{}", filter.column, filter.told_by));
        values.push(filter.value);
    }
    if let Some(id) = &query.request_id {
        wanted.push("request_id = ?".to_owned());
        values.push(Value::from(id.clone()));
    }
    values.push(Value::from(i64::from(limit) + 1));
    let text = format!(
        "{} WHERE {} ORDER BY created_at DESC, id DESC LIMIT ?",
        table.select_whole(),
        wanted.join(" AND ")
    );
    (text, values)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn the_second_of_an_id_is_told_by_its_digits() {
        for (id, second) in [
            ("req_65920080aaaaaaaaaaaaaaaaaaaaaaaa", Some(0x6592_0080)),
            ("abc-65920080", Some(0x6592_0080)),
            ("req_6592008Aaaaaaaaaaaaaaaaaaaaaaaaa", None),
            ("req_+5920080", None),
            ("req_6592008", None),
            ("req-\u{e4}592008012", None),
            ("", None),
        ] {
            assert_eq!(second_of(id), second, "{id:?}");
        }
    }

    #[test]
    fn single_calls_are_looked_up_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("proxy.db")).unwrap();
        let all = CallQuery {
            to: i64::MAX,
            ..CallQuery::default()
        };
        let id = "req_65920080aaaaaaaaaaaaaaaaaaaaaaaa";
        let by_id = CallQuery {
            request_id: Some(id.to_owned()),
            ..all.clone()
        };
        let failed = CallQuery {
            outcome: Some("timeout".to_owned()),
            ..all.clone()
        };
        let key = CallQuery {
            key_id: Some(7),
            ..all.clone()
        };
        let both = CallQuery {
            virtual_model: Some("a".to_owned()),
            status: Some(429),
            ..key.clone()
        };
        for table in Table::ALL {
            for (query, found, index) in [
                (&all, Found::By(None), "created_at"),
                (&by_id, Found::ByForeignId(id), "request"),
                (&by_id, Found::BySecond(0x6592_0080), "created_at"),
                (&failed, Found::By(None), "outcome_time"),
                (&key, Found::By(None), "key_time"),
                (&both, Found::By(Some("virtual_model")), "model_time"),
                (&both, Found::By(Some("inbound_api_key_id")), "key_time"),
                (&both, Found::By(Some("status")), "status_time"),
            ] {
                let (text, values) = statement(table, (query, &CallCursor::default(), 9), found);
                let plan: Vec<String> = store
                    .read(|connection| {
                        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}"))?;
                        let rows = plan.query_map(params_from_iter(values), |row| row.get(3))?;
                        Ok(rows.collect::<rusqlite::Result<_>>()?)
                    })
                    .unwrap();
                let index = format!("USING INDEX idx_{}_{index} ", table.name());
                assert!(plan[0].contains(&index), "{plan:?} instead of {index}");
            }
        }
    }
}
