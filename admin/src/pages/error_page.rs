//! Refusals and faults as pages, for those who asked for a page.
//!
//! Which status and which words a failure has is decided in [`crate::error`]; the JSON API
//! stays JSON. Nobody logged in means the login, with the way back.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, ResponseError as _};
use askama::Template;

use super::section::Section;
use super::shell::Shell;
use super::theme::Theme;
use super::{PAGES, login};
use crate::access::Visitor;
use crate::error::ApiError;
use crate::shown::marked;

#[derive(Template)]
#[template(path = "parts/error.html")]
struct WithShell<'a> {
    shell: Shell,
    failure: Failure<'a>,
}

#[derive(Template)]
#[template(path = "parts/error_bare.html")]
struct Bare<'a> {
    theme: Theme,
    failure: Failure<'a>,
}

/// What is told.
struct Failure<'a> {
    code: u16,
    title: &'static str,
    text: String,
    /// The virtual models in the way.
    models: &'a [String],
}

impl<'a> Failure<'a> {
    fn new(status: StatusCode, error: &'a ApiError) -> Self {
        let title = match status.as_u16() {
            400 => "This could not be understood",
            403 => "Not allowed",
            404 => "Nothing here",
            405 => "Not this way",
            409 => "At odds with what is stored",
            413 => "Too large",
            503 => "The store does not answer",
            _ => "This went wrong",
        };
        Self {
            code: status.as_u16(),
            title,
            text: error.public_text(),
            models: error.models(),
        }
    }
}

/// Middleware: gives failures of pages a page.
pub(crate) async fn dress(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(req).await?.map_into_boxed_body();
    let Some(error) = answer
        .response()
        .error()
        .and_then(|error| error.as_error::<ApiError>())
    else {
        return Ok(answer);
    };
    let req = answer.request();
    if !is_page(req.path()) {
        return Ok(answer);
    }
    if matches!(error, ApiError::Unauthorized) {
        let to_login = login::redirect(req);
        return Ok(answer.into_response(to_login));
    }
    if !wants_html(req) {
        return Ok(answer);
    }
    let Some(html) = rendered(req, error) else {
        return Ok(answer);
    };
    Ok(answer.map_body(|head, _json| {
        head.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        BoxBody::new(html)
    }))
}

fn rendered(req: &HttpRequest, error: &ApiError) -> Option<String> {
    let failure = Failure::new(error.status_code(), error);
    let page = if Visitor::of(req).is_some() {
        let shell = Shell::of(req, Section::at(req.path()));
        WithShell { shell, failure }.render()
    } else {
        let theme = Theme::of(req);
        Bare { theme, failure }.render()
    };
    page.inspect_err(|err| tracing::error!(error = %err, "an error page cannot be rendered"))
        .ok()
        .map(marked)
}

/// Whether there is, or would be, a page at `path`.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/"
        || PAGES.iter().any(|root| {
            path.strip_prefix(root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

fn wants_html(req: &HttpRequest) -> bool {
    req.headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// Whether a request only reads.
pub(super) fn only_reads(req: &HttpRequest) -> bool {
    req.method() == Method::GET || req.method() == Method::HEAD
}
