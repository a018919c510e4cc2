//! Who may call the admin app: the first thing every request meets.
//!
//! Three checks, in this order. A login is demanded when it is switched on. A
//! `Host` that a foreign DNS name could have put there is refused, so that a web
//! page cannot rebind its own name to this machine. A request that a browser
//! marks as made by another site is refused. Callers that are no browsers (curl,
//! scripts) send neither mark and pass.
//!
//! A form of another site cannot send PUT, DELETE or a JSON body without asking
//! first, and that question is never granted here: there are no CORS headers.
//! The one kind of route left, a POST without a body that deletes, asks for
//! [`ANTI_FORGERY_HEADER`].

mod visitor;

use std::net::IpAddr;
use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};
use store::config::{AdminAccess, Config, ConfigProblem};
use store::{AdminRole, Store, Zone};
use url::Url;

pub(crate) use visitor::{Let, Visitor};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages;

/// A header that only a page of this app or a program can add: any value.
pub(crate) const ANTI_FORGERY_HEADER: &str = "x-requested-with";

/// Paths that need no login: they tell nothing about the configuration.
const PUBLIC_PATHS: [&str; 4] = [
    "/health",
    "/session/validate",
    pages::STYLESHEET,
    pages::SCRIPT,
];

/// Whom the admin app answers, fixed at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A login is needed; there is none in this version, so nobody gets in.
    Login,
    /// Everyone who reaches the address is the administrator. The address is the
    /// machine's own, so the names in `Host` are checked.
    OpenLocal,
    /// The same on an address that others reach: the operator has said so, and
    /// the names under which it is reached are not known here.
    OpenEverywhere,
}

impl Access {
    /// The access that the settings ask for.
    ///
    /// # Errors
    /// When they would open the admin app to the network without saying so.
    pub(crate) fn from_config(config: &Config) -> Result<Self, ConfigProblem> {
        Ok(match config.admin_access()? {
            AdminAccess::RequireLogin => Self::Login,
            AdminAccess::Open if config.admin_allow_open => Self::OpenEverywhere,
            AdminAccess::Open => Self::OpenLocal,
        })
    }

    fn check(self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        if self == Self::Login && !PUBLIC_PATHS.contains(&uri.path()) {
            return Err(ApiError::Unauthorized);
        }
        // In HTTP/2 the authority is part of the address.
        let host = uri
            .authority()
            .map(|a| a.as_str())
            .or_else(|| headers.get(header::HOST)?.to_str().ok());
        if self == Self::OpenLocal && !host.is_some_and(names_this_machine) {
            return Err(ApiError::Forbidden(
                "this admin app answers only under an address of this machine, such as \
                 http://127.0.0.1:5001; behind a reverse proxy with its own name set \
                 ADMIN_ALLOW_OPEN=true"
                    .to_owned(),
            ));
        }
        if made_by_another_site(method, headers, host) {
            return Err(ApiError::Forbidden(
                "refused: a page of another site made this request".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Middleware: lets a request through or answers it.
pub(crate) async fn guard(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let access = req
        .app_data::<Data<Access>>()
        .map_or(Access::Login, |access| ***access);
    let checked = match access.check(req.method(), req.uri(), req.headers()) {
        Ok(()) => visitor(&req).await,
        Err(refusal) => Err(refusal),
    };
    match checked {
        Ok(visitor) => {
            req.extensions_mut().insert(Rc::new(visitor));
            next.call(req)
                .await
                .map(ServiceResponse::map_into_left_body)
        }
        Err(refusal) => {
            let (req, _unread) = req.into_parts();
            Ok(ServiceResponse::from_err(refusal, req).map_into_right_body())
        }
    }
}

/// Whoever is let in without a login.
async fn visitor(req: &ServiceRequest) -> Result<Visitor, ApiError> {
    /// Whom forms are made for when there are no sessions.
    const EVERYONE: &str = "everyone";
    let admin = req
        .app_data::<Data<Admin>>()
        .ok_or_else(|| ApiError::Internal("the app has no state".to_owned()))?;
    let zone = if pages::is_page(req.path()) {
        admin.on_store(Store::zone).await?
    } else {
        Zone::UTC
    };
    Ok(Visitor {
        user: "admin".to_owned(),
        role: AdminRole::Admin,
        form_token: admin.form_key.token(EVERYONE),
        form_scope: EVERYONE.to_owned(),
        can_log_out: false,
        zone,
    })
}

/// Demands the proof that a page of another site cannot give, for routes that
/// change something on a POST without a body.
pub(crate) fn demand_anti_forgery(req: &HttpRequest) -> Result<(), ApiError> {
    let present = req
        .headers()
        .get(ANTI_FORGERY_HEADER)
        .is_some_and(|value| !value.is_empty());
    if req.method() == Method::POST && !present {
        return Err(ApiError::Forbidden(
            "a delete by POST needs the header X-Requested-With (any value); or use DELETE"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Whether `host` is a name no DNS server of a stranger can point here: an IP
/// address or localhost.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || bare.eq_ignore_ascii_case("localhost")
        || bare.to_ascii_lowercase().ends_with(".localhost")
}

/// Whether a browser says that another site caused this request. Following a
/// link to a page is no such request.
fn made_by_another_site(method: &Method, headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let follows_a_link = method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    let foreign_fetch =
        text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = text("origin").is_some_and(|origin| !same_authority(origin, host));
    (foreign_fetch && !follows_a_link) || foreign_origin
}

/// Whether `origin` is the site that `host` names. The scheme is left out: behind
/// a proxy that ends TLS it is not known here.
fn same_authority(origin: &str, host: Option<&str>) -> bool {
    let (Ok(origin), Some(host)) = (Url::parse(origin), host) else {
        return false;
    };
    let Ok(here) = Url::parse(&format!("{}://{host}", origin.scheme())) else {
        return false;
    };
    origin.host_str().is_some()
        && origin.host_str() == here.host_str()
        && origin.port_or_known_default() == here.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "127.0.0.1:5001",
            "localhost",
            "LOCALHOST:1",
            "[::1]:5001",
            "10.0.0.7",
            "a.localhost:5",
        ] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:5001",
            "localhost.evil.example",
            "",
            "x:y",
        ] {
            assert!(!names_this_machine(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_compared_with_host_and_port() {
        for (origin, host, same) in [
            ("http://127.0.0.1:5001", "127.0.0.1:5001", true),
            ("https://admin.example", "admin.example", true),
            ("https://admin.example", "admin.example:443", true),
            ("http://127.0.0.1:3000", "127.0.0.1:5001", false),
            ("http://evil.example", "127.0.0.1", false),
            ("null", "127.0.0.1", false),
            ("file://", "127.0.0.1", false),
        ] {
            assert_eq!(same_authority(origin, Some(host)), same, "{origin} {host}");
        }
        assert!(!same_authority("http://127.0.0.1", None));
    }
}
