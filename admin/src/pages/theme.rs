//! Light, dark, or what the system says: a cookie, set by a form.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::form::Posted;
use super::own_path;
use super::section::Section;
use crate::error::ApiError;
use crate::routing::resource;

const COOKIE: &str = "theme";

/// Where the choice is sent.
pub(super) const PATH: &str = "/proxy-dashboard/theme";

/// How a page looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    /// Every theme, in the order of the switch.
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// What the browser asks for.
    pub(crate) fn of(req: &HttpRequest) -> Self {
        req.cookie(COOKIE)
            .and_then(|cookie| Self::from_id(cookie.value()))
            .unwrap_or(Self::System)
    }

    fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.id() == id)
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }
}

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource(PATH, "POST").route(web::post().to(choose)));
}

async fn choose(form: Posted) -> Result<HttpResponse, ApiError> {
    let theme = Theme::from_id(form.get("theme"))
        .ok_or_else(|| ApiError::BadRequest("theme is light, dark or system".to_owned()))?;
    let back = own_path::checked(form.get("back")).unwrap_or(Section::Overview.path());
    let cookie = Cookie::build(COOKIE, theme.id())
        .path("/")
        .max_age(Duration::days(365))
        .same_site(SameSite::Lax)
        .http_only(true)
        .finish();
    let mut answer = super::see_other(back);
    answer
        .add_cookie(&cookie)
        .map_err(|err| ApiError::Internal(format!("the cookie cannot be written: {err}")))?;
    Ok(answer)
}
