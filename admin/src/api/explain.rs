//! What the gateway would do with a request, without sending it.
//!
//! The store's rows are read at the moment of the call; how the request is routed and
//! written is the gateway's own code, in [`store::route`].

pub(crate) mod shown;

use std::collections::BTreeMap;

use actix_web::web::{self, Data, Json, ServiceConfig};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use store::FieldErrors;
use store::route::dialect_at;
use store::route::explain::{Asked, explain};

use crate::admin::Admin;
use crate::clock;
use crate::error::ApiError;
use crate::json_object::JsonText;
use crate::routing::resource;
use shown::Shown;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/api/admin/explain", "POST").route(web::post().to(answer)));
}

/// A call that a caller could make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The request; kept as it is written.
    #[serde(default)]
    body: Option<Box<RawValue>>,
    /// The same as a text, for a request that is no JSON.
    #[serde(default)]
    body_text: Option<String>,
}

/// The path when none is named.
const CHAT: &str = "/v1/chat/completions";

async fn answer(admin: Data<Admin>, text: JsonText) -> Result<Json<Shown>, ApiError> {
    let question: Question = serde_json::from_slice(&text.0)
        .map_err(|error| ApiError::BadRequest(format!("the body cannot be read: {error}")))?;
    drop(text);
    let path = question.path.unwrap_or_else(|| CHAT.to_owned());
    let body = match (question.body, question.body_text) {
        (Some(body), None) => Bytes::from(String::from(Box::<str>::from(body))),
        (None, Some(text)) => Bytes::from(text),
        (Some(_), Some(_)) => {
            return Err(FieldErrors::one("body_text", "cannot be given with body").into());
        }
        (None, None) => {
            let why = "is required: the request to explain, or its text in body_text";
            return Err(FieldErrors::one("body", why).into());
        }
    };
    let headers: Vec<_> = question
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    Ok(Json(explained(&admin, path, headers, body).await?))
}

/// What would become of a call of `path` with these headers, names in small letters, and
/// this body.
///
/// # Errors
/// When `path` is none of a model call, or the store cannot be read.
pub(crate) async fn explained(
    admin: &Admin,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
) -> Result<Shown, ApiError> {
    let Some(dialect) = dialect_at(&path) else {
        let why = "must be the path of a model call, such as /v1/chat/completions, \
                   /v1/messages, /v1/embeddings or /v1/images/generations";
        return Err(FieldErrors::one("path", why).into());
    };
    let settings = admin.explain.clone();
    admin
        .on_store(move |store| {
            let now = clock::millis();
            let (snapshot, circuits) = (store.snapshot()?, store.circuits()?);
            let spent = store.spent_money(now / 1000)?;
            let asked = Asked {
                dialect,
                headers: &headers,
                body: &body,
            };
            let explanation = explain(&snapshot, &circuits, &spent, &settings, &asked, now);
            Ok(Shown::of(path, &explanation, &settings, now))
        })
        .await
}
