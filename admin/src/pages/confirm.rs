//! The page that asks before something is destroyed: it says what will go.

use actix_web::HttpResponse;
use askama::Template;

use super::shell::Shell;
use crate::error::ApiError;

/// A question with its consequences. The form goes to `action` with the fields of
/// `hidden`; who says no goes to `back`.
#[derive(Template)]
#[template(path = "parts/confirm.html")]
pub(crate) struct Confirm {
    pub(crate) shell: Shell,
    /// What is asked, with the name of what will go.
    pub(crate) question: String,
    /// What else will go or change, a sentence each.
    pub(crate) consequences: Vec<String>,
    pub(crate) action: String,
    /// What the button says.
    pub(crate) button: &'static str,
    pub(crate) hidden: Vec<(&'static str, String)>,
    pub(crate) back: String,
}

impl Confirm {
    /// The page.
    pub(crate) fn page(&self) -> Result<HttpResponse, ApiError> {
        super::page(self)
    }
}
