//! The body of a writing call: one JSON object, sent as JSON.
//!
//! The declared type is demanded on purpose: a form of another site cannot send
//! it (see [`crate::access`]). The body is capped before it is read.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use store::FieldErrors;

use crate::access::current;
use crate::error::ApiError;

/// Longest body in bytes: a virtual model with the longest system prompt is below it.
const LIMIT: usize = 8 * 1024 * 1024;

/// How much of a longer body is read and thrown away, so that its sender gets to
/// read the refusal instead of a closed connection.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// The object in the body: always a [`Value::Object`].
#[derive(Debug)]
pub(crate) struct JsonObject(pub(crate) Value);

/// The same body as it came, for a route that hands texts of it on byte for byte. It is
/// not looked into.
#[derive(Debug)]
pub(crate) struct JsonText(pub(crate) Vec<u8>);

/// Any JSON in the body, for a route that also takes a list.
#[derive(Debug)]
pub(crate) struct JsonValue(pub(crate) Value);

impl FromRequest for JsonObject {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = JsonText::from_request(req, payload);
        let changes_a_row = req.method() == Method::PUT || req.method() == Method::PATCH;
        Box::pin(async move {
            let mut object = object(&text.await?.0)?;
            if changes_a_row && let Some(fields) = object.as_object_mut() {
                take_version(fields)?;
            }
            Ok(Self(object))
        })
    }
}

impl FromRequest for JsonValue {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = JsonText::from_request(req, payload);
        Box::pin(async move { parse(&text.await?.0).map(Self) })
    }
}

impl FromRequest for JsonText {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let declared = declares_json(req);
        let mut payload = payload.take();
        Box::pin(async move {
            if !declared {
                return Err(ApiError::MediaType(
                    "send the body as JSON, with the header Content-Type: application/json"
                        .to_owned(),
                ));
            }
            let mut body = Vec::new();
            let mut read = 0;
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|err| {
                    ApiError::BadRequest(format!("the body could not be read: {err}"))
                })?;
                read += chunk.len();
                if read <= LIMIT {
                    body.extend_from_slice(&chunk);
                } else {
                    body = Vec::new();
                }
                if read > DRAIN_LIMIT {
                    break;
                }
            }
            if read > LIMIT {
                return Err(ApiError::TooLarge(LIMIT));
            }
            Ok(Self(body))
        })
    }
}

/// Takes the version out of a body: the store is to change the row in this one alone.
fn take_version(fields: &mut Map<String, Value>) -> Result<(), ApiError> {
    let Some(version) = fields
        .remove("version")
        .filter(|version| !version.is_null())
    else {
        return Ok(());
    };
    let version = version
        .as_i64()
        .ok_or_else(|| FieldErrors::one("version", "must be the number that the row came with"))?;
    current::expect(version);
    Ok(())
}

fn declares_json(req: &HttpRequest) -> bool {
    req.headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The object that a body holds.
pub(crate) fn object(body: &[u8]) -> Result<Value, ApiError> {
    match parse(body)? {
        object @ Value::Object(_) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let why = "the body is JSON but not an object";
            Err(ApiError::BadRequest(why.to_owned()))
        }
    }
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Err(ApiError::BadRequest("the body is empty".to_owned()));
    }
    serde_json::from_slice(body)
        .map_err(|err| ApiError::BadRequest(format!("the body is not JSON: {err}")))
}
