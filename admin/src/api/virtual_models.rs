//! Virtual models: list, create, change, delete.

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use store::{Store, VirtualModelDraft, VirtualModelRow};

use super::{created, done, masked_headers};
use crate::access::demand_anti_forgery;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

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
    let mut rows = admin.on_store(Store::virtual_models).await?;
    for row in &mut rows {
        row.custom_headers = row.custom_headers.take().map(masked_headers::mask);
    }
    Ok(Json(rows))
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let draft = VirtualModelDraft::for_create(&body.0)?;
    let id = admin
        .on_store(move |store| store.create_virtual_model(&draft))
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
    let JsonObject(mut body) = body;
    let row = admin.on_store(move |store| store.virtual_model(id)).await?;
    masked_headers::unmask(&mut body, row.custom_headers.as_deref());
    let draft = VirtualModelDraft::for_update(&body)?;
    admin
        .on_store(move |store| store.update_virtual_model(id, &draft))
        .await?;
    Ok(done())
}

async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    demand_anti_forgery(&req)?;
    let id = id.into_inner();
    admin
        .on_store(move |store| store.delete_virtual_model(id))
        .await?;
    Ok(done())
}
