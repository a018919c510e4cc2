//! One call to the gateway, tried out: it costs what it costs, and is counted.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::Value;
use store::{FieldErrors, Secret};
use wire::dialect::openai::read_recording;

use super::explain::{About, PATHS, example};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::gateway::Answer;
use crate::pages::form::{Form, Posted};
use crate::pages::page_with;
use crate::pages::section::Section;
use crate::pages::shell::Shell;

#[derive(Template)]
#[template(path = "models/try.html")]
struct Try {
    shell: Shell,
    tab: &'static str,
    form: Form,
    paths: [&'static str; 3],
    /// Where the gateway is.
    base: Option<String>,
    outcome: Option<Result<Tried, String>>,
}

/// An answer with the words of the model in it.
struct Tried {
    answer: Answer,
    /// The model's text, where the answer has some.
    text: Option<String>,
    reasoning: Option<String>,
}

pub(super) async fn ask(
    admin: Data<Admin>,
    about: Query<About>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let form = Form::default()
        .with("path", "/v1/chat/completions")
        .with("body", example(&about.model, true));
    crate::pages::page(&page(&admin, &req, form, None))
}

pub(super) async fn send(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (path, body) = (posted.get("path"), posted.get("body").to_owned());
    let mut errors = FieldErrors::new();
    // As a client's library would have it; everything else is the gateway's to judge.
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        errors.add(
            "path",
            "must be a path of the gateway's API, such as /v1/chat/completions",
        );
    }
    if body.is_empty() {
        errors.add("body", "is required: the request to send");
    }
    if !errors.is_empty() {
        let form = Form::refused(&posted, errors);
        return page_with(StatusCode::BAD_REQUEST, &page(&admin, &req, form, None));
    }
    let key = Some(posted.get("key")).filter(|key| !key.is_empty());
    let key = key.map(Secret::new);
    let outcome = admin.gateway.call(path, key.as_ref(), body).await;
    let outcome = outcome.map(|answer| {
        let (text, reasoning) = words(&answer);
        Tried {
            answer,
            text,
            reasoning,
        }
    });
    let form = Form::refused(&posted, FieldErrors::new());
    crate::pages::page(&page(&admin, &req, form, Some(outcome)))
}

fn page(
    admin: &Admin,
    req: &HttpRequest,
    form: Form,
    outcome: Option<Result<Tried, String>>,
) -> Try {
    Try {
        shell: Shell::of(req, Section::Models),
        tab: "try",
        form,
        paths: PATHS,
        base: admin.gateway.base(),
        outcome,
    }
}

/// The text and the reasoning of an answer in OpenAI's form, streamed or whole.
fn words(answer: &Answer) -> (Option<String>, Option<String>) {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if let Ok(body) = serde_json::from_str::<Value>(&answer.body) {
        let choice = &body["choices"][0];
        let text = choice["message"]["content"].as_str();
        let text = text.or_else(|| choice["text"].as_str());
        let reasoning = choice["message"]["reasoning_content"].as_str();
        return (text.and_then(some), reasoning.and_then(some));
    }
    match read_recording(&answer.body) {
        Ok(sample) => (some(&sample.text), some(&sample.reasoning)),
        Err(_) => (None, None),
    }
}
