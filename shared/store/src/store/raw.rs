//! The raw rows of both usage tables, read as calls that can be counted and charged.

use rusqlite::{Connection, Row};
use wire::usage::Usage;

use super::rollups::Group;
use crate::call::{Attempt, CallKind, Outcome, Priced};
use crate::columns::Columns;
use crate::money::Cost;
use crate::totals::Facts;

/// A usage table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Requests,
    Embeddings,
}

impl Table {
    pub(super) const ALL: [Self; 2] = [Self::Requests, Self::Embeddings];

    pub(super) fn of(kind: CallKind) -> Self {
        match kind {
            CallKind::Chat
            | CallKind::Completion
            | CallKind::Image
            | CallKind::Speech
            | CallKind::Transcription
            | CallKind::Translation
            | CallKind::Moderation
            | CallKind::Rerank => Self::Requests,
            CallKind::Embedding => Self::Embeddings,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Requests => "request_usage",
            Self::Embeddings => "embedding_usage",
        }
    }

    /// The columns of prompt and completion tokens.
    pub(super) fn token_columns(self) -> [&'static str; 2] {
        match self {
            Self::Requests => ["prompt_tokens", "completion_tokens"],
            Self::Embeddings => ["input_tokens", "output_tokens"],
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Requests => "COALESCE(request_type, 'chat')",
            Self::Embeddings => "'embedding'",
        }
    }

    /// The columns of a row under the names of `request_usage`, as far as it is counted and
    /// charged by them.
    pub(super) fn select(self) -> String {
        self.select_with("")
    }

    /// All columns of a row.
    pub(super) fn select_whole(self) -> String {
        self.select_with(", route, address, client, tool_repairs")
    }

    fn select_with(self, more: &str) -> String {
        let [prompt, completion] = self.token_columns();
        format!(
            "SELECT id, {} AS request_type, request_id, virtual_model, virtual_model_id, \
             endpoint_name, endpoint_id, {prompt} AS prompt_tokens, \
             {completion} AS completion_tokens, total_tokens, cached_input_tokens, \
             cache_creation_tokens, usage, cost_estimate, cost_in, cost_out, \
             cached_cost_estimate, cost_nanos, cost_in_nanos, cost_out_nanos, \
             cost_cached_nanos, cost_cache_write_nanos, provider_cost_nanos, saved_nanos, \
             saved_usage, inbound_api_key_id, inbound_api_key_label, cache_attempted, cache_hit, \
             response_time_ms, ttft_ms, upstream_ms, status, outcome, stream, estimated, \
             error_code, created_at, attempts, attempt_count, queue_ms, execution_ms, exact{more} \
             FROM {}",
            self.kind(),
            self.name()
        )
    }
}

/// Which rows of a table have a request's id that does not tell, in its digits after four
/// letters, the second in which the call began. The ids that gateways make do; callers' own
/// rarely. The index of such rows is found by these words.
pub(crate) const FOREIGN_ID: &str = "substr(request_id, 5, 8) <> printf('%08x', created_at)";

/// A stored call.
pub(super) struct Stored {
    pub(super) table: Table,
    pub(super) id: i64,
    /// When it began, unix seconds.
    pub(super) at: i64,
    pub(super) group: Group,
    pub(super) virtual_model_id: Option<i64>,
    pub(super) facts: Facts,
    pub(super) attempts: Vec<Attempt>,
    /// What the whole call spent.
    pub(super) spent: Priced,
    /// What an answer from the cache would have spent.
    pub(super) saved_usage: Option<Usage>,
}

impl Stored {
    pub(super) fn read(table: Table, row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = Columns::new(row);
        let number = |columns: &mut Columns<'_, '_>, name| whole(columns.real(name));
        let exact = number(&mut columns, "exact").unwrap_or(0) != 0;
        let kind = columns.text("request_type").unwrap_or_default();
        let usage = columns.text("usage");
        let usage = usage.and_then(|text| serde_json::from_str::<Usage>(&text).ok());
        let usage = match usage {
            Some(usage) => usage,
            None => {
                let mut count = |name| {
                    let found = number(&mut columns, name).unwrap_or(0);
                    u64::try_from(found).unwrap_or(0)
                };
                Usage {
                    prompt_tokens: count("prompt_tokens"),
                    completion_tokens: count("completion_tokens"),
                    total_tokens: count("total_tokens"),
                    cached_tokens: count("cached_input_tokens"),
                    cache_write_tokens: count("cache_creation_tokens"),
                    ..Usage::default()
                }
            }
        };
        let cost = if exact {
            Cost {
                input: number(&mut columns, "cost_in_nanos"),
                output: number(&mut columns, "cost_out_nanos"),
                cached: number(&mut columns, "cost_cached_nanos"),
                cache_write: number(&mut columns, "cost_cache_write_nanos"),
            }
        } else {
            let mut nanos = |name| nanos(columns.real(name));
            let output = nanos("cost_out");
            Cost {
                input: Some(nanos("cost_estimate").saturating_sub(output).max(0)),
                output: Some(output),
                cached: Some(nanos("cached_cost_estimate")),
                cache_write: Some(0),
            }
        };
        let attempts = columns.text("attempts");
        let attempts = attempts.and_then(|text| serde_json::from_str(&text).ok());
        let outcome = columns.text("outcome");
        let saved_usage = columns.text("saved_usage");
        let flag = |columns: &mut Columns<'_, '_>, name| number(columns, name).unwrap_or(0) != 0;
        Ok(Self {
            table,
            id: columns.id()?,
            at: number(&mut columns, "created_at").unwrap_or(0),
            group: Group {
                virtual_model: columns.text("virtual_model").unwrap_or_default(),
                endpoint_id: number(&mut columns, "endpoint_id").unwrap_or(0),
                endpoint_name: columns.text("endpoint_name").unwrap_or_default(),
                key_id: number(&mut columns, "inbound_api_key_id").unwrap_or(0),
                key_label: columns.text("inbound_api_key_label").unwrap_or_default(),
                kind: CallKind::from_text(&kind),
            },
            virtual_model_id: number(&mut columns, "virtual_model_id"),
            facts: Facts {
                stream: flag(&mut columns, "stream"),
                estimated: flag(&mut columns, "estimated"),
                unpriced: exact && cost.total().is_none(),
                cache_attempted: flag(&mut columns, "cache_attempted"),
                cache_hit: flag(&mut columns, "cache_hit"),
                saved: number(&mut columns, "saved_nanos").unwrap_or(0),
                outcome: outcome.as_deref().and_then(Outcome::from_text),
                latency_ms: number(&mut columns, "response_time_ms").unwrap_or(0),
                ttft_ms: number(&mut columns, "ttft_ms"),
                upstream_ms: number(&mut columns, "upstream_ms"),
                completion_tokens: i64::try_from(usage.completion_tokens).unwrap_or(i64::MAX),
            },
            attempts: attempts.unwrap_or_default(),
            spent: Priced { usage, cost },
            saved_usage: saved_usage.and_then(|text| serde_json::from_str(&text).ok()),
        })
    }

    /// Where the call and what it spent are counted: with the call once.
    pub(super) fn counted(&self) -> Vec<(Group, Priced, bool)> {
        counted(&self.group, &self.attempts, &self.spent)
    }
}

/// Where a call and what it spent are counted. The call counts at its own endpoint, tokens
/// where they were spent.
pub(super) fn counted(
    own: &Group,
    attempts: &[Attempt],
    whole: &Priced,
) -> Vec<(Group, Priced, bool)> {
    let mut parts: Vec<(Group, Priced, bool)> = Vec::new();
    for attempt in attempts {
        let (Some(usage), Some(cost)) = (attempt.usage, attempt.cost) else {
            continue;
        };
        let endpoint_id = attempt.endpoint_id.unwrap_or(0);
        let group = Group {
            endpoint_id,
            endpoint_name: attempt.endpoint.clone(),
            ..own.clone()
        };
        let is_own = group == *own && !parts.iter().any(|(_, _, whole)| *whole);
        parts.push((group, Priced { usage, cost }, is_own));
    }
    if parts.is_empty() {
        return vec![(own.clone(), *whole, true)];
    }
    if !parts.iter().any(|(_, _, whole)| *whole) {
        let nothing = Priced {
            usage: Usage::default(),
            cost: Cost::ZERO,
        };
        parts.push((own.clone(), nothing, true));
    }
    parts
}

/// Goes through the raw rows that began from `from` on and before `to`, of both tables.
pub(super) fn each<E: From<rusqlite::Error>>(
    connection: &Connection,
    from: i64,
    to: i64,
    mut take: impl FnMut(Stored) -> Result<(), E>,
) -> Result<(), E> {
    for table in Table::ALL {
        let mut statement = connection.prepare_cached(&format!(
            "{} WHERE created_at >= ? AND created_at < ?",
            table.select()
        ))?;
        let mut rows = statement.query([from, to])?;
        while let Some(row) = rows.next()? {
            take(Stored::read(table, row)?)?;
        }
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a fraction of a token or a millisecond does not matter; `as` saturates"
)]
pub(super) fn whole(number: Option<f64>) -> Option<i64> {
    number.map(|number| number as i64)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "to the nearest nano-dollar; `as` saturates"
)]
fn nanos(dollars: Option<f64>) -> i64 {
    (dollars.unwrap_or(0.0) * 1e9).round() as i64
}
