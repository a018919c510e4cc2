//! Names that models give the parameters of tools: list, create, change, delete.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use store::{Store, ToolAliasDraft, ToolAliasRow};

use super::{created, done};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/tool-aliases", "GET, POST")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .service(
        resource("/api/admin/tool-aliases/{id}", "PUT, DELETE")
            .route(web::put().to(change))
            .route(web::delete().to(delete)),
    );
}

async fn list(admin: Data<Admin>) -> Result<Json<Vec<ToolAliasRow>>, ApiError> {
    Ok(Json(admin.on_store(Store::tool_aliases).await?))
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let draft = ToolAliasDraft::for_create(&body.0)?;
    let id = admin
        .on_store(move |store| store.create_tool_alias(&draft))
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
    let draft = ToolAliasDraft::for_update(&body.0)?;
    admin
        .on_store(move |store| store.update_tool_alias(id, &draft))
        .await?;
    Ok(done())
}

async fn delete(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    admin
        .on_store(move |store| store.delete_tool_alias(id))
        .await?;
    Ok(done())
}
