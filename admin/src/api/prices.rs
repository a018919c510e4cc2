//! Prices: what a virtual model cost when, and what public lists say of a model.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{FieldErrors, Price, Prices, Store, StoreError};

use super::done;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/virtual-models/{id}/prices", "GET, POST")
            .route(web::get().to(history))
            .route(web::post().to(set)),
    )
    .service(resource("/api/admin/prices/suggestions", "GET").route(web::get().to(suggest)));
}

/// The names of the prices, in the order of [`Prices::list`].
const FIELDS: [&str; 6] = [
    "cost_per_1m_tokens_in",
    "cost_per_1m_tokens_out",
    "cost_per_1m_tokens_in_cached",
    "cost_per_1m_tokens_out_cached",
    "cost_per_1m_tokens_cache_write",
    "cost_per_1m_tokens_cache_write_1h",
];

fn shown(prices: &Prices) -> Value {
    let fields = FIELDS.into_iter().zip(prices.list());
    let fields = fields.map(|(name, price)| (name.to_owned(), json!(price.map(Price::dollars))));
    Value::Object(fields.collect())
}

async fn history(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let work = move |store: &Store| Ok::<_, StoreError>((store.price_history(id)?, store.zone()?));
    let (history, zone) = admin.on_store(work).await?;
    let rows: Vec<_> = history
        .into_iter()
        .map(|row| {
            let mut shown = shown(&row.prices);
            shown["id"] = json!(row.id);
            shown["virtual_model"] = json!(row.virtual_model);
            shown["valid_from"] = json!(row.valid_from);
            shown["valid_from_text"] =
                json!((row.valid_from > 0).then(|| zone.stamp(row.valid_from)));
            shown["created_at"] = json!(row.created_at);
            shown
        })
        .collect();
    Ok(HttpResponse::Ok().json(rows))
}

/// Sets what the virtual model cost from a moment on; costs that are written stay until
/// they are re-priced.
async fn set(
    admin: Data<Admin>,
    id: Path<i64>,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let zone = admin.on_store(Store::zone).await?;
    let mut errors = FieldErrors::new();
    let fields = body.0.as_object().cloned().unwrap_or_default();
    let known = |name: &str| name == "valid_from" || FIELDS.contains(&name);
    for name in fields.keys().filter(|name| !known(name)) {
        errors.add(name.clone(), "is no field of a price");
    }
    let from = match fields.get("valid_from") {
        Some(Value::Number(number)) => number.as_i64().ok_or_else(String::new),
        Some(Value::String(text)) => zone.moment(text, false),
        Some(_) | None => Err(String::new()),
    };
    let from = match from {
        Ok(from) if from >= 0 => from,
        Ok(_) | Err(_) => {
            let why = "must be unix seconds, a date such as 2026-11-28, or an ISO time";
            errors.add("valid_from", why);
            0
        }
    };
    let mut list = [None; 6];
    for (name, price) in FIELDS.into_iter().zip(&mut list) {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => {
                *price = value.as_f64().and_then(Price::of_dollars);
                if price.is_none() {
                    errors.add(
                        name,
                        "must be dollars per million tokens, from 0 to 1000000",
                    );
                }
            }
        }
    }
    let prices = errors.into_result(Prices::from_list(list))?;
    let id = id.into_inner();
    admin
        .on_store(move |store| store.set_price(id, from, &prices))
        .await?;
    Ok(done())
}

#[derive(Deserialize)]
struct Wanted {
    model: String,
}

/// What public lists say; nothing is ever set from them by itself.
async fn suggest(query: web::Query<Wanted>) -> Result<HttpResponse, ApiError> {
    let found = store::suggestions(&query.model);
    let found: Vec<_> = found
        .iter()
        .map(|one| {
            let mut entry = serde_json::to_value(one).unwrap_or_default();
            entry["prices"] = shown(&one.prices);
            entry
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "model": query.model, "suggestions": found })))
}
