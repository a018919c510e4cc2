//! Keys of callers: list, create, change, delete. A key leaves once, in the answer of the
//! call that makes it.
//!
//! The paths of the original (`inbound-api-keys`) stay, with its shape of the list.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::Serialize;
use serde_json::json;
use store::{InboundKeyDraft, InboundKeyRow, Store};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/inbound-keys", "GET, POST")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .service(
        resource("/api/admin/inbound-api-keys", "GET, POST")
            .route(web::get().to(items))
            .route(web::post().to(create)),
    );
    for path in [
        "/api/admin/inbound-keys/{id}",
        "/api/admin/inbound-api-keys/{id}",
    ] {
        cfg.service(
            resource(path, "PUT, PATCH, DELETE")
                .route(web::put().to(change))
                .route(web::patch().to(change))
                .route(web::delete().to(delete)),
        );
    }
}

async fn list(admin: Data<Admin>) -> Result<Json<Vec<InboundKeyRow>>, ApiError> {
    Ok(Json(admin.on_store(Store::inbound_keys).await?))
}

#[derive(Serialize)]
struct Items {
    items: Vec<InboundKeyRow>,
}

async fn items(admin: Data<Admin>) -> Result<Json<Items>, ApiError> {
    let items = admin.on_store(Store::inbound_keys).await?;
    Ok(Json(Items { items }))
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let draft = InboundKeyDraft::for_create(&body.0)?;
    let new = admin
        .on_store(move |store| store.create_inbound_key(&draft))
        .await?;
    Ok(HttpResponse::Ok().json(json!({
        "id": new.id,
        "status": "ok",
        "label": new.label,
        "key_prefix": new.key_prefix,
        "api_key": new.api_key.expose(),
    })))
}

async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (InboundKeyDraft::for_update, Store::update_inbound_key);
    super::change(&admin, id.into_inner(), &body, draft, update).await
}

async fn delete(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    super::delete(&admin, id.into_inner(), Store::delete_inbound_key).await
}
