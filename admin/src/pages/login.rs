//! Where those go who are not logged in.

use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use super::section::Section;
use super::{error_page, see_other};

/// The login.
pub(super) const LOGIN: &str = "/login";

/// The page of the set-up link.
pub(super) const SET_UP: &str = "/set-up";

/// Sends a browser to the login, with the way back to the page it asked for.
pub(super) fn redirect(req: &HttpRequest) -> HttpResponse {
    let back = if error_page::only_reads(req) {
        req.uri().path_and_query().map_or("/", |path| path.as_str())
    } else {
        Section::at(req.path()).path()
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("return", back)
        .finish();
    see_other(&format!("{LOGIN}?{query}"))
}
