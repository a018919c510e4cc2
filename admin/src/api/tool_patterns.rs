//! Patterns that find tool calls in a model's text: list, create, change, delete; and all
//! of them at once ([`exchange`]), or tried out ([`test`]).

mod exchange;
pub(crate) mod test;

use std::collections::{BTreeMap, HashMap};

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::Serialize;
use store::{Store, StoreError, ToolPatternDraft, ToolPatternRow};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

/// The same list under every address it has had.
const PATHS: [&str; 3] = [
    "/api/admin/tool-patterns",
    "/tool-patterns",
    "/endpoints/patterns",
];

/// The days that the counts of a listed pattern are of, today being the first.
const COUNTED_DAYS: u32 = 30;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    // Before the patterns: `export`, `import` and `test` are no pattern's id.
    exchange::routes(cfg);
    test::routes(cfg);
    for path in PATHS {
        cfg.service(
            resource(path, "GET, POST")
                .route(web::get().to(list))
                .route(web::post().to(create)),
        )
        .service(
            resource(&format!("{path}/{{id}}"), "PUT, DELETE")
                .route(web::put().to(change))
                .route(web::delete().to(delete)),
        );
    }
}

/// A pattern with what became of its candidates.
#[derive(Serialize)]
pub(crate) struct Counted {
    #[serde(flatten)]
    pub(crate) row: ToolPatternRow,
    pub(crate) counts: Counts,
}

/// What became of the candidates of a pattern in so many days.
#[derive(Serialize)]
pub(crate) struct Counts {
    pub(crate) days: u32,
    pub(crate) hits: u64,
    pub(crate) repairs: u64,
    pub(crate) refusals: u64,
    pub(crate) refusal_reasons: BTreeMap<String, u64>,
}

async fn list(admin: Data<Admin>) -> Result<Json<Vec<Counted>>, ApiError> {
    Ok(Json(admin.on_store(counted).await?))
}

/// Every pattern, highest priority first.
pub(crate) fn counted(store: &Store) -> Result<Vec<Counted>, StoreError> {
    let totals = store.tool_pattern_counts(COUNTED_DAYS)?.into_iter();
    let mut totals: HashMap<_, _> = totals.map(|total| (total.pattern_id, total)).collect();
    let counted = |row: ToolPatternRow| {
        let total = totals.remove(&row.id).unwrap_or_default();
        Counted {
            row,
            counts: Counts {
                days: COUNTED_DAYS,
                hits: total.hits,
                repairs: total.repairs,
                refusals: total.refusals,
                refusal_reasons: total.refusal_reasons,
            },
        }
    };
    Ok(store.tool_patterns()?.into_iter().map(counted).collect())
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    super::create(
        &admin,
        &body,
        ToolPatternDraft::for_create,
        Store::create_tool_pattern,
    )
    .await
}

async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (ToolPatternDraft::for_update, Store::update_tool_pattern);
    super::change(&admin, id.into_inner(), &body, draft, update).await
}

async fn delete(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    super::delete(&admin, id.into_inner(), Store::delete_tool_pattern).await
}
