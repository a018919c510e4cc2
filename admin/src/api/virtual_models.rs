//! Virtual models: list, create, change, delete.

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use store::{Store, VirtualModelDraft, VirtualModelRow};

use crate::access::demand_anti_forgery;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;
use crate::shown;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/virtual-models", "GET, POST")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .service(
        resource("/api/admin/virtual-models/{id}", "PUT, DELETE")
            .route(web::put().to(change))
            .route(web::delete().to(delete)),
    )
    .service(resource("/api/virtual-models", "GET").route(web::get().to(list)))
    .service(resource("/virtual-models", "POST").route(web::post().to(create)))
    .service(resource("/virtual-models/{id}", "PUT").route(web::put().to(change)))
    .service(
        resource("/virtual-models/{id}/delete", "DELETE, POST")
            .route(web::delete().to(delete))
            .route(web::post().to(delete)),
    );
}

async fn list(admin: Data<Admin>) -> Result<Json<Vec<VirtualModelRow>>, ApiError> {
    Ok(Json(admin.on_store(shown::virtual_models).await?))
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    super::create(
        &admin,
        &body,
        VirtualModelDraft::for_create,
        Store::create_virtual_model,
    )
    .await
}

async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    mut body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.virtual_model(id)).await?;
    shown::unmask(&mut body.0, row.custom_headers.as_deref());
    let (draft, update) = (VirtualModelDraft::for_update, Store::update_virtual_model);
    super::change(&admin, id, &body, draft, update).await
}

async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    demand_anti_forgery(&req)?;
    let id = id.into_inner();
    let freed = admin
        .on_store(move |store| store.delete_virtual_model(id))
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ok", "no_longer_target_of": freed })))
}
