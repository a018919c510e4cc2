//! The configuration as a file, in and out, and a copy of the whole store.

use std::fs::File;
use std::io::Read as _;

use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use futures_util::stream;
use serde::Deserialize;
use store::configuration::{self, Imported, Secrets};
use store::transfer::Existing;
use store::{FieldErrors, Store};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonValue;
use crate::pages::form::{Form, Posted};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{page, page_with};
use crate::routing::resource;

const ROOT: &str = "/proxy-dashboard/settings/exchange";

/// How much of a copy is read at a time.
const PIECE: usize = 256 * 1024;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(ROOT, "GET, POST")
            .route(web::get().to(show))
            .route(web::post().to(import)),
    )
    .service(resource(&format!("{ROOT}/export"), "GET").route(web::get().to(export)))
    .service(resource(&format!("{ROOT}/backup"), "POST").route(web::post().to(backup)))
    .service(
        resource("/api/admin/configuration", "GET, POST")
            .route(web::get().to(export_json))
            .route(web::post().to(import_json)),
    );
}

#[derive(Template)]
#[template(path = "settings/exchange.html")]
struct Page {
    shell: Shell,
    form: Form,
    imported: Option<Imported>,
}

async fn show(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    page(&Page {
        shell: Shell::of(&req, Section::Settings),
        form: Form::default(),
        imported: None,
    })
}

/// How a document is written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Yaml,
}

#[derive(Debug, Deserialize)]
struct ExportQuery {
    #[serde(default)]
    format: Format,
}

async fn export(
    admin: Data<Admin>,
    query: web::Query<ExportQuery>,
) -> Result<HttpResponse, ApiError> {
    exported(&admin, query.format).await
}

async fn export_json(admin: Data<Admin>) -> Result<HttpResponse, ApiError> {
    exported(&admin, Format::Json).await
}

async fn exported(admin: &Admin, format: Format) -> Result<HttpResponse, ApiError> {
    let document = admin
        .on_store(|store| configuration::export(store, Secrets::Masked))
        .await?;
    let (name, kind, text) = match format {
        Format::Json => (
            "serverless-proxy.json",
            "application/json",
            serde_json::to_string_pretty(&document).map_err(|err| err.to_string()),
        ),
        Format::Yaml => (
            "serverless-proxy.yaml",
            "application/yaml",
            configuration::to_yaml(&document),
        ),
    };
    let text =
        text.map_err(|why| ApiError::Internal(format!("the export cannot be written: {why}")))?;
    Ok(attachment(name, kind).body(text))
}

fn attachment(name: &str, kind: &'static str) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.content_type(kind).insert_header((
        header::CONTENT_DISPOSITION,
        format!("attachment; filename=\"{name}\""),
    ));
    answer
}

async fn import_json(admin: Data<Admin>, body: JsonValue) -> Result<HttpResponse, ApiError> {
    let imported = admin
        .on_store(move |store| configuration::import(store, &body.0, Existing::Replace, false))
        .await?;
    Ok(HttpResponse::Ok().json(imported))
}

async fn import(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let posted = posted.with_file("document");
    let outcome = match configuration::from_text(posted.get("document")) {
        Ok(document) => {
            admin
                .on_store(move |store| {
                    configuration::import(store, &document, Existing::Replace, false)
                })
                .await
        }
        Err(why) => Err(FieldErrors::one("document", why).into()),
    };
    let (status, form, imported) = match outcome {
        Ok(imported) => (StatusCode::OK, Form::default(), Some(imported)),
        Err(ApiError::Fields(errors)) => (
            StatusCode::BAD_REQUEST,
            Form::refused(&posted, errors),
            None,
        ),
        Err(other) => return Err(other),
    };
    page_with(
        status,
        &Page {
            shell: Shell::of(&req, Section::Settings),
            form,
            imported,
        },
    )
}

/// Sends a copy of the store piece by piece; it is never in memory as a whole.
async fn backup(admin: Data<Admin>, _posted: Posted) -> Result<HttpResponse, ApiError> {
    let file = admin.on_store(Store::copy).await?;
    let size = file
        .metadata()
        .map_err(|err| ApiError::Internal(format!("the copy cannot be read: {err}")))?
        .len();
    let pieces = stream::try_unfold(file, |mut file: File| async move {
        let read = web::block(move || {
            let mut piece = vec![0; PIECE];
            let count = file.read(&mut piece)?;
            piece.truncate(count);
            Ok::<_, std::io::Error>((piece, file))
        })
        .await
        .map_err(std::io::Error::other)?;
        let (piece, file) = read?;
        Ok::<_, std::io::Error>((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    });
    Ok(attachment("serverless-proxy.db", "application/vnd.sqlite3")
        .insert_header(header::ContentEncoding::Identity)
        .body(SizedStream::new(size, Box::pin(pieces))))
}
