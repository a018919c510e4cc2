//! Patterns that find tool calls in a model's text: list, create, change, delete.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use store::{Store, ToolPatternDraft, ToolPatternRow};

use super::{created, done};
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

pub(super) fn routes(cfg: &mut ServiceConfig) {
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

async fn list(admin: Data<Admin>) -> Result<Json<Vec<ToolPatternRow>>, ApiError> {
    Ok(Json(admin.on_store(Store::tool_patterns).await?))
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let draft = ToolPatternDraft::for_create(&body.0)?;
    let id = admin
        .on_store(move |store| store.create_tool_pattern(&draft))
        .await?;
    Ok(created(id))
}

/// Changes the fields that the body carries and no others.
async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let draft = ToolPatternDraft::for_update(&body.0)?;
    admin
        .on_store(move |store| store.update_tool_pattern(id, &draft))
        .await?;
    Ok(done())
}

async fn delete(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    admin
        .on_store(move |store| store.delete_tool_pattern(id))
        .await?;
    Ok(done())
}
