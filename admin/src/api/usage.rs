//! Usage: reports over roll-ups, single calls, their export, and charging them anew.
//!
//! Ranges are unix seconds, dates or ISO times in `start_date` and `end_date`, both
//! included; the last day where they are missing. Days and hours are those of the stored
//! `display_timezone`. Embeddings are part of every total.

mod calls;
mod export;
mod line;
mod query;
mod reprice;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde_json::{Map, Value, json};
use store::{By, Label, Sum, Totals, UsageReport, dollars};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
use line::{line, rounded};
use query::{Asked, RangeQuery};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    calls::routes(cfg);
    export::routes(cfg);
    reprice::routes(cfg);
    cfg.service(resource("/api/admin/usage", "GET").route(web::get().to(summary)))
        .service(resource("/api/admin/usage/embeddings", "GET").route(web::get().to(embeddings)))
        .service(resource("/api/admin/usage/grouped", "GET").route(web::get().to(grouped)));
    for (path, by) in [
        ("/api/admin/usage/by_model", By::Model),
        ("/api/admin/usage/by_endpoint", By::Endpoint),
        ("/api/admin/usage/by_key", By::Key),
        ("/api/admin/usage/by_hour", By::Hour),
    ] {
        let handler = move |admin: Data<Admin>, query: web::Query<RangeQuery>| async move {
            let report = report(&admin, query.into_inner(), &[by]).await?;
            Ok::<_, ApiError>(HttpResponse::Ok().json(lines(&report)))
        };
        cfg.service(resource(path, "GET").route(web::get().to(handler)));
    }
}

/// Each virtual model with what its calls add up to.
type Models = Vec<(String, Totals)>;

async fn report(admin: &Admin, query: RangeQuery, by: &[By]) -> Result<UsageReport, ApiError> {
    let zone = admin.on_store(store::Store::zone).await?;
    let asked = Asked::of(&query, &zone)?.usage;
    let by = by.to_vec();
    admin.on_store(move |store| store.usage(&asked, &by)).await
}

/// The whole range, and its days, each with its models.
async fn summary(
    admin: Data<Admin>,
    query: web::Query<RangeQuery>,
) -> Result<HttpResponse, ApiError> {
    let report = report(&admin, query.into_inner(), &[By::Day, By::Model]).await?;
    let mut days: Vec<(i64, Totals, Models)> = Vec::new();
    for (label, totals) in &report.lines {
        let day = label.day.unwrap_or(0);
        if days.last().is_none_or(|(last, ..)| *last != day) {
            days.push((day, Totals::default(), Vec::new()));
        }
        if let Some((_, sum, models)) = days.last_mut() {
            sum.join(totals);
            models.push((
                label.virtual_model.clone().unwrap_or_default(),
                totals.clone(),
            ));
        }
    }
    let days = days.into_iter().rev().map(|(day, sum, mut models)| {
        models.sort_by(|a, b| b.1.cost().cmp(&a.1.cost()).then_with(|| a.0.cmp(&b.0)));
        let models: Vec<_> = models
            .into_iter()
            .map(|(name, totals)| {
                let mut line = line(&totals);
                line.insert("virtual_model".to_owned(), json!(name));
                line
            })
            .collect();
        let mut line = line(&sum);
        line.insert("date".to_owned(), json!(report.zone.date(day)));
        line.insert("models".to_owned(), json!(models));
        line
    });
    let daily: Vec<_> = days.collect();
    Ok(HttpResponse::Ok().json(json!({
        "summary": whole(&report.whole()),
        "daily_breakdown": daily,
        "time_zone": report.zone.name(),
        "exact": report.exact,
    })))
}

/// The totals under the original's names, with all others.
fn whole(totals: &Totals) -> Map<String, Value> {
    let mut whole = line(totals);
    let uncached = totals
        .get(Sum::CostIn)
        .saturating_add(totals.get(Sum::CostOut));
    let cached = totals
        .get(Sum::CostCached)
        .saturating_add(totals.get(Sum::CostCacheWrite));
    for (name, value) in [
        ("total_prompt_tokens", json!(totals.get(Sum::Prompt))),
        (
            "total_completion_tokens",
            json!(totals.get(Sum::Completion)),
        ),
        ("total_cost", json!(rounded(dollars(uncached), 4))),
        (
            "total_cached_input_tokens",
            json!(totals.get(Sum::CachedInput)),
        ),
        (
            "total_cache_creation_tokens",
            json!(totals.get(Sum::CacheWrite)),
        ),
        ("total_cached_cost", json!(rounded(dollars(cached), 4))),
    ] {
        whole.insert(name.to_owned(), value);
    }
    whole
}

async fn embeddings(
    admin: Data<Admin>,
    query: web::Query<RangeQuery>,
) -> Result<HttpResponse, ApiError> {
    let zone = admin.on_store(store::Store::zone).await?;
    let mut asked = Asked::of(&query, &zone)?.usage;
    asked.embeddings = Some(true);
    let report = admin
        .on_store(move |store| store.usage(&asked, &[]))
        .await?;
    let totals = report.whole();
    let mut whole = line(&totals);
    for (name, value) in [
        ("total_input_tokens", json!(totals.get(Sum::Prompt))),
        ("total_output_tokens", json!(totals.get(Sum::Completion))),
        ("total_cost", json!(dollars(totals.cost()))),
    ] {
        whole.insert(name.to_owned(), value);
    }
    Ok(HttpResponse::Ok().json(whole))
}

/// By any two of model, endpoint, key, day and hour.
async fn grouped(
    admin: Data<Admin>,
    query: web::Query<RangeQuery>,
) -> Result<HttpResponse, ApiError> {
    let by = query.by()?;
    let report = report(&admin, query.into_inner(), &by).await?;
    Ok(HttpResponse::Ok().json(json!({
        "lines": lines(&report),
        "time_zone": report.zone.name(),
        "exact": report.exact,
    })))
}

/// The lines of a report: those of a time newest first, the others by tokens.
fn lines(report: &UsageReport) -> Vec<Map<String, Value>> {
    let mut lines: Vec<&(Label, Totals)> = report.lines.iter().collect();
    lines.sort_by(|(a, one), (b, other)| {
        let newer = (b.day, b.hour).cmp(&(a.day, a.hour));
        newer
            .then_with(|| other.get(Sum::Total).cmp(&one.get(Sum::Total)))
            .then_with(|| a.cmp(b))
    });
    let shown = lines.into_iter().map(|(label, totals)| {
        let mut shown = line(totals);
        let mut put = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
        if let Some(day) = label.day {
            put("date", json!(report.zone.date(day)));
        }
        if let Some(hour) = label.hour {
            put("hour", json!(report.zone.stamp(hour)));
            put("hour_start", json!(hour));
        }
        if let Some(name) = &label.virtual_model {
            put("virtual_model", json!(name));
        }
        if let Some((id, name)) = &label.endpoint {
            put("endpoint_id", json!(Some(*id).filter(|id| *id != 0)));
            put(
                "endpoint_name",
                json!(Some(name).filter(|name| !name.is_empty())),
            );
        }
        if let Some((id, name)) = &label.key {
            put("inbound_api_key_id", json!(Some(*id).filter(|id| *id != 0)));
            put(
                "inbound_api_key_label",
                json!(Some(name).filter(|name| !name.is_empty())),
            );
        }
        shown
    });
    shown.collect()
}
