//! Forms of pages: reading what was sent, and showing it again with what was wrong.
//!
//! [`Posted`] is the only way for a page to get at a posted body, and it is refused
//! without the visitor's token: a handler cannot forget the check. The name of a field may
//! come twice: a hidden `0` before a checkbox `1` says that the box was not ticked, and
//! the last one counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{FieldErrors, Secret};
use url::form_urlencoded;

use crate::access::{Visitor, current};
use crate::admin::Admin;
use crate::error::ApiError;

/// The hidden field with the visitor's token.
pub(crate) const TOKEN: &str = "_token";

/// The hidden field with the version of the row that a form was made of: in another one the
/// row is not changed.
pub(crate) const VERSION: &str = "version";

/// The field of a file that may come in place of what is typed.
const FILE: &str = "file";

/// Longest body in bytes, files included.
const LIMIT: usize = 8 * 1024 * 1024;

/// What a form sent, its token checked and taken out.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pairs: Vec<(String, String)>,
}

impl Posted {
    /// The value of a field, trimmed; empty when it was not sent.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut found = self.pairs.iter().rev().filter(|(own, _)| own == name);
        found.next().map_or("", |(_, value)| value.trim())
    }

    /// The same form with what came as a file in place of what was typed into `field`.
    pub(crate) fn with_file(mut self, field: &str) -> Self {
        let file = self.get(FILE).to_owned();
        if !file.is_empty() {
            self.pairs.push((field.to_owned(), file));
        }
        self.pairs.retain(|(name, _)| name != FILE);
        self
    }

    /// The value of a field that must not be shown, as it was typed.
    pub(crate) fn secret(&self, name: &str) -> Secret {
        let mut found = self.pairs.iter().rev().filter(|(own, _)| own == name);
        Secret::new(found.next().map_or("", |(_, value)| value.as_str()))
    }

    /// Every value of a field, as sent.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.pairs.iter().filter(move |(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    }

    /// Whether a checkbox was ticked.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), "1" | "true" | "on")
    }

    /// The named fields that were sent, as texts of a JSON object: what drafts read.
    pub(crate) fn object(&self, names: &[&str]) -> Value {
        let mut object = Map::new();
        for (name, value) in &self.pairs {
            if names.contains(&name.as_str()) {
                let value = value.replace("\r\n", "\n");
                object.insert(name.clone(), Value::String(value));
            }
        }
        Value::Object(object)
    }

    fn parse(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body);
        Self {
            pairs: pairs.into_owned().collect(),
        }
    }
}

impl FromRequest for Posted {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let posted = OpenlyPosted::from_request(req, payload);
        let visitor = Visitor::of(req);
        let admin = req.app_data::<Data<Admin>>().cloned();
        Box::pin(async move {
            let OpenlyPosted(mut posted) = posted.await?;
            let (Some(visitor), Some(admin)) = (visitor, admin) else {
                return Err(ApiError::Unauthorized);
            };
            if !admin.form_key.is_of(&visitor.form_scope, posted.get(TOKEN)) {
                return Err(ApiError::Forbidden(
                    "this form was not made for you by this app, or is of an earlier login: \
                     go back, load the page again and send it once more"
                        .to_owned(),
                ));
            }
            posted.pairs.retain(|(name, _)| name != TOKEN);
            if let Ok(version) = posted.get(VERSION).parse() {
                current::expect(version);
            }
            Ok(posted)
        })
    }
}

/// What a form sent for whose visitor nobody has made a token yet: logging in alone.
#[derive(Debug)]
pub(super) struct OpenlyPosted(pub(super) Posted);

impl FromRequest for OpenlyPosted {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = Kind::of(req);
        let mut payload = payload.take();
        match kind {
            None => Box::pin(async { Err(ApiError::MediaType("send this as a form".to_owned())) }),
            Some(Kind::Fields) => Box::pin(async move {
                let body = limited(&mut payload, LIMIT).await?;
                Ok(Self(Posted::parse(&body)))
            }),
            Some(Kind::Parts) => {
                let parts = Multipart::new(req.headers(), payload);
                Box::pin(async move { parts_of(parts).await.map(Self) })
            }
        }
    }
}

/// How a form is written.
enum Kind {
    Fields,
    /// With files.
    Parts,
}

impl Kind {
    fn of(req: &HttpRequest) -> Option<Self> {
        let kind = req.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next()?.trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Fields),
            "multipart/form-data" => Some(Self::Parts),
            _ => None,
        }
    }
}

/// What comes, up to the limit.
async fn limited<E: std::fmt::Display>(
    pieces: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    limit: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(unread)?;
        if body.len() + piece.len() > limit {
            return Err(ApiError::TooLarge(LIMIT));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn unread(error: impl std::fmt::Display) -> ApiError {
    ApiError::BadRequest(format!("the form could not be read: {error}"))
}

/// The fields of a form with files, a file's text as the value of its field.
async fn parts_of(mut parts: Multipart) -> Result<Posted, ApiError> {
    let mut posted = Posted::default();
    let mut left = LIMIT;
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(unread)?;
        let name = part.name().unwrap_or_default().to_owned();
        let value = limited(&mut part, left).await?;
        left -= value.len();
        let value = String::from_utf8(value)
            .map_err(|_| FieldErrors::one(name.as_str(), "is no text in UTF-8"))?;
        posted.pairs.push((name, value));
    }
    Ok(posted)
}

/// A form as a page shows it: the value of each field, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Form {
    values: BTreeMap<String, String>,
    errors: FieldErrors,
    /// What the row holds now, where somebody else was faster.
    now: BTreeMap<String, String>,
}

impl Form {
    /// Filled with the fields of a row: flags as 0 and 1, lists and objects as JSON.
    pub(crate) fn of_row(row: &impl Serialize) -> Self {
        let object = match serde_json::to_value(row) {
            Ok(Value::Object(object)) => object,
            Ok(_) | Err(_) => Map::new(),
        };
        let mut values = BTreeMap::new();
        for (name, value) in object {
            let text = match value {
                Value::Null => String::new(),
                Value::Bool(flag) => i64::from(flag).to_string(),
                Value::Number(number) => {
                    let text = number.to_string();
                    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
                }
                Value::String(text) => text,
                list @ (Value::Array(_) | Value::Object(_)) => list.to_string(),
            };
            values.insert(name, text);
        }
        Self {
            values,
            ..Self::default()
        }
    }

    /// As it was sent, with what was wrong.
    pub(crate) fn refused(posted: &Posted, errors: FieldErrors) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in &posted.pairs {
            values.insert(name.clone(), value.clone());
        }
        Self {
            values,
            errors,
            now: BTreeMap::new(),
        }
    }

    /// With what is stored now beside it, if it was refused because somebody else was
    /// faster.
    pub(crate) fn beside(mut self, stored: Self) -> Self {
        if self.error(VERSION).is_some() {
            self.now = stored.values;
        }
        self
    }

    /// What is stored now in a field, where that is not what was typed.
    pub(crate) fn stored_now(&self, name: &str) -> Option<&str> {
        let now = self.now.get(name)?;
        let is_same = |typed: &str| typed.trim().replace("\r\n", "\n") == now.trim();
        (!is_same(self.value(name))).then_some(now)
    }

    /// The same with another value in a field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// What a field holds.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether it is this value, such as one of a choice.
    pub(crate) fn holds(&self, name: &str, value: &(impl ToString + ?Sized)) -> bool {
        let value = value.to_string();
        self.value(name) == value
    }

    /// Whether a checkbox is ticked.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        matches!(self.value(name), "1" | "true" | "on")
    }

    /// What is wrong with a field.
    pub(crate) fn error(&self, name: &str) -> Option<&str> {
        self.errors.get(name)
    }

    /// Every bad field and why, for the summary above a form.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.errors.iter()
    }

    /// Whether anything was wrong.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use askama::Template;
    use serde_json::json;
    use store::FieldErrors;

    use super::{Form, Posted};

    #[derive(Template)]
    #[template(
        ext = "html",
        source = r#"{% import "parts/field.html" as field %}
{% call field::summary(form) %}{% endcall %}
{% call field::text(form, "name", "Name", help="Unique.", required=true) %}{% endcall %}
{% call field::text(form, "key", "Key", kind="password") %}{% endcall %}
{% call field::number(form, "n", "Number", least="0") %}{% endcall %}
{% call field::area(form, "text", "Text") %}{% endcall %}
{% call field::check(form, "on", "On") %}{% endcall %}
{% call field::select(form, "kind", "Kind", choices, blank="none") %}{% endcall %}"#
    )]
    struct Fields {
        form: Form,
        choices: Vec<(&'static str, &'static str)>,
    }

    #[test]
    fn fields_show_their_value_help_and_error_and_no_secret() {
        let posted = Posted::parse(
            b"name=%22%3E%3Cb%3E&key=sk-secret&n=3&text=%3C/textarea%3E&on=0&on=1&kind=b",
        );
        let page = Fields {
            form: Form::refused(&posted, FieldErrors::one("name", "is <taken>")),
            choices: vec![("a", "A"), ("b", "B")],
        };
        let html = page.render().unwrap();
        for part in [
            "name=\"name\" type=\"text\" value=\"&#34;&#62;&#60;b&#62;\" required",
            "aria-describedby=\"name-help name-error\" aria-invalid=\"true\"",
            "id=\"name-error\">is &#60;taken&#62;<",
            "href=\"#name\"",
            "value=\"3\"",
            "min=\"0\"",
            "&#60;/textarea&#62;</textarea>",
            "value=\"1\" checked",
            "<option value=\"b\" selected>B</option>",
            "<option value=\"\">none</option>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("sk-secret"), "{html}");
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let posted = Posted::parse(b"on=0&on=1&off=0&text=+a%0D%0Ab+&list=x&list=y");
        assert!(posted.is_on("on"));
        assert!(!posted.is_on("off") && !posted.is_on("absent"));
        assert_eq!(posted.all("list").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(
            posted.object(&["on", "text", "absent"]),
            json!({"on": "1", "text": " a\nb "})
        );
    }

    #[test]
    fn a_refused_form_shows_what_was_typed_and_why() {
        let posted = Posted::parse(b"name=%3Cb%3E&n=0&n=1");
        let form = Form::refused(&posted, FieldErrors::one("name", "is taken"));
        assert_eq!(form.value("name"), "<b>");
        assert!(form.is_on("n"));
        assert_eq!(form.error("name"), Some("is taken"));
        assert_eq!(form.error("n"), None);
        assert!(form.has_errors());
    }

    #[test]
    fn what_is_stored_stands_beside_what_was_typed_after_a_clash() {
        let typed = || Posted::parse(b"same=a%0D%0Ab&other=mine&on=0&on=1");
        let stored = || {
            let form = Form::default().with("same", "a\nb").with("other", "theirs");
            form.with("on", "0").with("unsent", "x")
        };
        let clash = FieldErrors::one("version", "was changed meanwhile");
        let form = Form::refused(&typed(), clash).beside(stored());
        let shown = ["same", "other", "on", "unsent"].map(|name| form.stored_now(name));
        assert_eq!(shown, [None, Some("theirs"), Some("0"), Some("x")]);
        let form = Form::refused(&typed(), FieldErrors::one("other", "bad")).beside(stored());
        assert_eq!(form.stored_now("other"), None);
    }

    #[test]
    fn a_row_fills_a_form() {
        let row = json!({"a": null, "b": true, "c": 1.5, "d": ["x"], "e": "t", "f": 50.0});
        let form = Form::of_row(&row);
        let shown = ["a", "b", "c", "d", "e", "f"].map(|name| form.value(name).to_owned());
        assert_eq!(shown, ["", "1", "1.5", "[\"x\"]", "t", "50"]);
        assert!(!form.has_errors());
    }
}
