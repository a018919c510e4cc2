//! Endpoints: list, create, change, delete, test, and the models they have.

use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, rt};
use serde::Serialize;
use serde_json::json;
use store::{Endpoint, EndpointDraft, EndpointRow, Store};
use wire::provider::ProviderKind;

use crate::access::demand_anti_forgery;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::pages;
use crate::probe::Report;
use crate::probe::ollama::{self, Loaded};
use crate::routing::{flag, resource};
use crate::shown;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/endpoints", "GET, POST")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .service(
        resource("/api/admin/endpoints/{id}", "PUT, DELETE")
            .route(web::put().to(change))
            .route(web::delete().to(delete)),
    )
    .service(resource("/api/endpoints", "GET").route(web::get().to(list)))
    .service(
        resource("/endpoints", "GET, POST")
            .route(web::get().to(pages::to_dashboard))
            .route(web::post().to(create)),
    )
    .service(resource("/endpoints/{id}", "PUT").route(web::put().to(change)))
    .service(
        resource("/endpoints/{id}/delete", "DELETE, POST")
            .route(web::delete().to(delete))
            .route(web::post().to(delete)),
    )
    .service(resource("/endpoints/{id}/test", "POST").route(web::post().to(test)))
    .service(resource("/endpoints/{id}/models", "GET").route(web::get().to(models)))
    .service(resource("/api/admin/endpoints/{id}/models", "GET").route(web::get().to(models)))
    .service(resource("/api/admin/endpoints/{id}/pull", "POST").route(web::post().to(pull)))
    .service(resource("/api/admin/endpoints/{id}/pulls", "GET").route(web::get().to(pulls)));
}

async fn list(admin: Data<Admin>) -> Result<Json<Vec<EndpointRow>>, ApiError> {
    Ok(Json(admin.on_store(shown::endpoints).await?))
}

async fn create(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    super::create(
        &admin,
        &body,
        EndpointDraft::for_create,
        Store::create_endpoint,
    )
    .await
}

async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    mut body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.endpoint_row(id)).await?;
    shown::unmask(&mut body.0, row.custom_headers.as_deref());
    let (draft, update) = (EndpointDraft::for_update, Store::update_endpoint);
    super::change(&admin, id, &body, draft, update).await
}

/// `cascade` in the query also deletes the endpoint's virtual models.
async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    demand_anti_forgery(&req)?;
    let (id, cascade) = (id.into_inner(), flag(&req, "cascade")?);
    super::delete(&admin, id, move |store, id| {
        store.delete_endpoint(id, cascade)
    })
    .await
}

/// Calls the backend. What is wrong with it is the answer, not a failure of the call.
async fn test(admin: Data<Admin>, id: Path<i64>) -> Result<Json<Report>, ApiError> {
    let id = id.into_inner();
    let endpoint = admin.on_store(move |store| store.endpoint(id)).await?;
    Ok(Json(admin.prober.test(&endpoint).await))
}

#[derive(Serialize)]
struct Models {
    models: Vec<String>,
    /// Which of them an Ollama server has in memory; absent when it does not say, and for
    /// every other type.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded: Option<Vec<Loaded>>,
}

/// `refresh` in the query asks the backend even when its list is remembered.
async fn models(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<Json<Models>, ApiError> {
    let (id, refresh) = (id.into_inner(), flag(&req, "refresh")?);
    let endpoint = admin.on_store(move |store| store.endpoint(id)).await?;
    let models = admin
        .prober
        .models(&endpoint, refresh)
        .await
        .map_err(|failure| ApiError::Upstream(failure.status(), failure.reason))?;
    let loaded = admin.prober.loaded(&endpoint).await;
    Ok(Json(Models { models, loaded }))
}

/// Begins to fetch a model on an Ollama server; how it goes on is read from `pulls`.
async fn pull(
    admin: Data<Admin>,
    id: Path<i64>,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let endpoint = ollama_server(&admin, id.into_inner()).await?;
    let model = ollama::model_name(&body.0)?;
    let (begun, is_new) = admin.prober.begin_pull(endpoint.id, &model)?;
    if is_new {
        let admin = admin.clone();
        let number = begun.number;
        rt::spawn(async move { admin.prober.pull(&endpoint, &model, number).await });
    }
    Ok(HttpResponse::Ok().json(json!({ "status": "ok", "pull": begun })))
}

/// The latest pulls of the endpoint, newest first.
async fn pulls(admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, ApiError> {
    let endpoint = ollama_server(&admin, id.into_inner()).await?;
    let pulls = admin.prober.pulls(endpoint.id);
    Ok(HttpResponse::Ok().json(json!({ "pulls": pulls })))
}

/// The endpoint, if it is an Ollama server.
async fn ollama_server(admin: &Admin, id: i64) -> Result<Endpoint, ApiError> {
    let endpoint = admin.on_store(move |store| store.endpoint(id)).await?;
    if endpoint.provider == ProviderKind::Ollama {
        return Ok(endpoint);
    }
    Err(ApiError::Unsupported(format!(
        "endpoint {:?} is of type {}: only an endpoint of type ollama can pull models",
        endpoint.name,
        endpoint.provider.id()
    )))
}
