//! Single calls, page by page, newest first.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde_json::json;
use store::{CallCursor, FieldErrors};

use super::query::{Asked, RangeQuery};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;

/// Rows of a page unless something else is asked for, and most of them.
const ROWS: (u32, u32) = (100, 500);

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/api/admin/usage/calls", "GET").route(web::get().to(list)));
}

async fn list(admin: Data<Admin>, query: web::Query<RangeQuery>) -> Result<HttpResponse, ApiError> {
    let zone = admin.on_store(store::Store::zone).await?;
    let limit = query.limit(ROWS.0, ROWS.1)?;
    let asked = Asked::of(&query, &zone)?.calls;
    let after = match query.cursor.as_deref() {
        None | Some("") => CallCursor::default(),
        Some(text) => CallCursor::from_text(text)
            .ok_or_else(|| FieldErrors::one("cursor", "is not the `next` of a page before"))?,
    };
    let page = admin.on_store(move |store| store.calls_page(&asked, &after, limit));
    let (rows, next) = page.await?;
    Ok(HttpResponse::Ok().json(json!({
        "count": rows.len(),
        "items": rows,
        "next": next.map(|next| next.to_text()),
    })))
}
