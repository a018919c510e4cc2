//! Single calls as a file: CSV or JSON lines, streamed however many there are.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use futures_util::stream;
use store::{CallCursor, CallQuery, CallRow, FieldErrors, Zone, dollars};

use super::query::{Asked, RangeQuery, now};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

/// Rows that are read and written at a time.
const PAGE: u32 = 1000;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/usage/export", "GET, POST")
            .route(web::get().to(by_query))
            .route(web::post().to(by_body)),
    );
}

async fn by_query(
    admin: Data<Admin>,
    query: web::Query<RangeQuery>,
) -> Result<HttpResponse, ApiError> {
    export(admin, query.into_inner()).await
}

async fn by_body(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let query = serde_json::from_value(body.0)
        .map_err(|error| ApiError::BadRequest(format!("the body cannot be read: {error}")))?;
    export(admin, query).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    JsonLines,
}

async fn export(admin: Data<Admin>, query: RangeQuery) -> Result<HttpResponse, ApiError> {
    let form = match query.format.as_deref() {
        None | Some("" | "csv") => Form::Csv,
        Some("jsonl") => Form::JsonLines,
        Some(_) => return Err(FieldErrors::one("format", "must be csv or jsonl").into()),
    };
    let zone = admin.on_store(store::Store::zone).await?;
    let asked = Asked::of(&query, &zone)?.calls;
    let (kind, ending) = match form {
        Form::Csv => ("text/csv; charset=utf-8", "csv"),
        Form::JsonLines => ("application/x-ndjson", "jsonl"),
    };
    let name = format!("attachment; filename=\"usage_report_{}.{ending}\"", now());
    let writing = Writing {
        admin,
        asked,
        zone,
        form,
        next: Some(CallCursor::default()),
        begun: false,
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, name))
        .streaming(stream::unfold(writing, Writing::page)))
}

/// A file on its way.
struct Writing {
    admin: Data<Admin>,
    asked: CallQuery,
    zone: Zone,
    form: Form,
    /// Behind what the next page begins; `None` at the end.
    next: Option<CallCursor>,
    begun: bool,
}

impl Writing {
    /// The next page. One that cannot be read breaks the transfer off, so that half a file
    /// is not taken for a whole one.
    async fn page(mut self) -> Option<(Result<Bytes, ApiError>, Self)> {
        let after = self.next.take()?;
        let asked = self.asked.clone();
        let page = self
            .admin
            .on_store(move |store| store.calls_page(&asked, &after, PAGE));
        let bytes = match page.await {
            Ok((rows, next)) => {
                self.next = next;
                self.write(&rows)
            }
            Err(error) => Err(error),
        };
        Some((bytes, self))
    }

    fn write(&mut self, rows: &[CallRow]) -> Result<Bytes, ApiError> {
        let internal = |why: String| ApiError::Internal(format!("the export: {why}"));
        if self.form == Form::JsonLines {
            let mut text = Vec::new();
            for row in rows {
                serde_json::to_writer(&mut text, row).map_err(|why| internal(why.to_string()))?;
                text.push(b'\n');
            }
            return Ok(text.into());
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        let written = |outcome: csv::Result<()>| outcome.map_err(|why| internal(why.to_string()));
        if !std::mem::replace(&mut self.begun, true) {
            written(csv.write_record(COLUMNS))?;
        }
        for row in rows {
            written(csv.write_record(cells(row, &self.zone)))?;
        }
        let text = csv.into_inner().map_err(|why| internal(why.to_string()))?;
        Ok(text.into())
    }
}

/// The original's columns, then ours.
const COLUMNS: [&str; 36] = [
    "Date",
    "Virtual Model",
    "Endpoint",
    "Request Type",
    "Prompt Tokens",
    "Completion Tokens",
    "Total Tokens",
    "Cost ($)",
    "Response Time (ms)",
    "Key",
    "Request ID",
    "Status",
    "Outcome",
    "Error Code",
    "Streamed",
    "Estimated",
    "Priced",
    "Cached Input Tokens",
    "Cache Write Tokens",
    "Cache Write 1h Tokens",
    "Reasoning Tokens",
    "Cached Output Tokens",
    "Audio Input Tokens",
    "Audio Output Tokens",
    "Image Input Tokens",
    "Image Output Tokens",
    "Uncached Input Cost ($)",
    "Output Cost ($)",
    "Cache Cost ($)",
    "Provider Cost ($)",
    "From Cache",
    "Saved ($)",
    "Time to First Token (ms)",
    "Upstream (ms)",
    "Tokens per Second",
    "Attempts",
];

fn cells(row: &CallRow, zone: &Zone) -> [String; 36] {
    let usage = row.usage.unwrap_or_default();
    let flag = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let whole = |number: Option<i64>| number.map_or(String::new(), |number| number.to_string());
    let whole_cost = row.cost_estimate + row.cached_cost_estimate;
    [
        zone.stamp(row.created_at),
        text(&row.virtual_model),
        row.endpoint_name
            .as_deref()
            .map_or_else(|| "N/A".to_owned(), text),
        row.request_type.clone(),
        row.prompt_tokens.to_string(),
        row.completion_tokens.to_string(),
        row.total_tokens.to_string(),
        money(whole_cost),
        row.response_time_ms.to_string(),
        row.inbound_api_key_label
            .as_deref()
            .map_or(String::new(), text),
        row.request_id.as_deref().map_or(String::new(), text),
        whole(row.status),
        row.outcome.clone().unwrap_or_default(),
        row.error_code.as_deref().map_or(String::new(), text),
        flag(row.stream != 0),
        flag(row.estimated != 0),
        flag(row.usage.is_none() || row.cost_nanos.is_some()),
        row.cached_input_tokens.to_string(),
        row.cache_creation_tokens.to_string(),
        usage.cache_write_1h_tokens.to_string(),
        usage.reasoning_tokens.to_string(),
        usage.cached_completion_tokens.to_string(),
        usage.audio_prompt_tokens.to_string(),
        usage.audio_completion_tokens.to_string(),
        usage.image_prompt_tokens.to_string(),
        usage.image_completion_tokens.to_string(),
        money(row.cost_in),
        money(row.cost_out),
        money(row.cached_cost_estimate),
        row.provider_cost_nanos
            .map_or(String::new(), |nanos| money(dollars(nanos))),
        flag(row.cache_hit != 0),
        row.saved_nanos
            .map_or(String::new(), |nanos| money(dollars(nanos))),
        whole(row.ttft_ms),
        whole(row.upstream_ms),
        row.tokens_per_second
            .map_or(String::new(), |pace| format!("{pace:.2}")),
        row.attempt_count.to_string(),
    ]
}

/// Dollars to the nano-dollar, without zeros at the end.
fn money(dollars: f64) -> String {
    let text = format!("{dollars:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A caller chooses the names of models that are unknown here: a table program must not
/// take one for a formula.
fn text(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return format!("'{text}");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{money, text};

    #[test]
    fn money_keeps_what_it_has() {
        for (dollars, expected) in [
            (0.0, "0"),
            (0.000_000_015, "0.000000015"),
            (1.5, "1.5"),
            (10.0, "10"),
            (1_234.567_8, "1234.5678"),
        ] {
            assert_eq!(money(dollars), expected);
        }
    }

    #[test]
    fn nothing_is_a_formula() {
        assert_eq!(text("=1+2"), "'=1+2");
        assert_eq!(text("@sum"), "'@sum");
        assert_eq!(text("a=b"), "a=b");
    }
}
