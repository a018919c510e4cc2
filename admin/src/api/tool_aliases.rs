//! Names that models give the parameters of tools: list, create, change, delete.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use store::{Store, ToolAliasDraft, ToolAliasRow};

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
    super::create(
        &admin,
        &body,
        ToolAliasDraft::for_create,
        Store::create_tool_alias,
    )
    .await
}

async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (ToolAliasDraft::for_update, Store::update_tool_alias);
    super::change(&admin, id.into_inner(), &body, draft, update).await
}

async fn delete(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    super::delete(&admin, id.into_inner(), Store::delete_tool_alias).await
}
