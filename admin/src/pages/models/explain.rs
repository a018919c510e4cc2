//! What the gateway would do with a request, as a page. Nothing is sent.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use store::FieldErrors;

use crate::admin::Admin;
use crate::api::explain::explained;
use crate::api::explain::shown::Shown;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::page_with;
use crate::pages::row_form::{headers_from_lines, refusal};
use crate::pages::section::Section;
use crate::pages::shell::Shell;

/// The paths that are offered; others may be typed.
pub(super) const PATHS: [&str; 3] = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];

#[derive(Template)]
#[template(path = "models/explain.html")]
struct Explain {
    shell: Shell,
    tab: &'static str,
    form: Form,
    paths: [&'static str; 3],
    shown: Option<Shown>,
}

/// The virtual model that a page is about.
#[derive(Deserialize)]
pub(super) struct About {
    #[serde(default)]
    pub(super) model: String,
}

/// A request to begin with.
pub(super) fn example(model: &str, stream: bool) -> String {
    let model = if model.is_empty() { "MODEL" } else { model };
    let mut request = json!({
        "model": model,
        "messages": [{ "role": "user", "content": "Say hello in five words." }],
    });
    if stream {
        request["stream"] = json!(true);
    }
    serde_json::to_string_pretty(&request).unwrap_or_default()
}

pub(super) async fn ask(about: Query<About>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let form = Form::default()
        .with("path", "/v1/chat/completions")
        .with("body", example(&about.model, false));
    crate::pages::page(&page(&req, form, None))
}

pub(super) async fn answer(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (status, errors, shown) = match explanation(&admin, &posted).await {
        Ok(shown) => (StatusCode::OK, FieldErrors::new(), Some(shown)),
        Err(error) => {
            let (status, errors) = refusal(error, "body")?;
            (status, errors, None)
        }
    };
    page_with(status, &page(&req, Form::refused(&posted, errors), shown))
}

fn page(req: &HttpRequest, form: Form, shown: Option<Shown>) -> Explain {
    Explain {
        shell: Shell::of(req, Section::Models),
        tab: "explain",
        form,
        paths: PATHS,
        shown,
    }
}

async fn explanation(admin: &Admin, posted: &Posted) -> Result<Shown, ApiError> {
    let body = posted.get("body").to_owned();
    if body.is_empty() {
        return Err(FieldErrors::one("body", "is required: the request to explain").into());
    }
    let headers = headers_from_lines(posted.get("headers"))
        .map_err(|why| FieldErrors::one("headers", why))?;
    let path = posted.get("path").to_owned();
    explained(admin, path, pairs(&headers), Bytes::from(body)).await
}

/// The headers of a JSON object's text; names in small letters.
fn pairs(headers: &Value) -> Vec<(String, String)> {
    let text = headers.as_str().unwrap_or_default();
    let object: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let pair = |(name, value): (String, Value)| {
        let value = value.as_str().unwrap_or_default().to_owned();
        (name.to_ascii_lowercase(), value)
    };
    object.into_iter().map(pair).collect()
}
