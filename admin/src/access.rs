//! Who may call the admin app: the first thing every request meets.
//!
//! In this order. Without a login, a `Host` that a foreign DNS name could have put there is
//! refused, so that a web page cannot rebind its own name to this machine. A request that a
//! browser marks as made by another site is refused. Then it is found out who is there: by
//! a session of the built-in login, or by what the external service says; pages send others
//! to the login, the API answers 401. A viewer changes nothing.
//!
//! A form of another site cannot send PUT, DELETE or a JSON body without asking
//! first, and that question is never granted here: there are no CORS headers.
//! What is left, a POST that a form could send, asks for [`ANTI_FORGERY_HEADER`] where a
//! cookie says who is there, and where it deletes; pages ask for a token in the form
//! ([`crate::pages::form`]).

pub(crate) mod current;
pub(crate) mod external;
pub(crate) mod session;
pub(crate) mod throttle;
mod visitor;

use std::net::IpAddr;
use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};
use store::config::{AdminAccess, Config, ConfigProblem};
use store::{Actor, AdminRole, Secret, Store, Zone};
use url::Url;

pub(crate) use visitor::{Let, Visitor};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages;

/// A header that only a page of this app or a program can add: any value.
pub(crate) const ANTI_FORGERY_HEADER: &str = "x-requested-with";

/// Paths that need no login: they tell nothing about the configuration.
const PUBLIC_PATHS: [&str; 8] = [
    "/health",
    "/session/validate",
    "/api/login",
    pages::LOGIN,
    pages::SET_UP,
    pages::STYLESHEET,
    pages::SCRIPT,
    pages::ICON,
];

/// Whom the admin app answers, fixed at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A login is needed.
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

/// Somebody who was let in, and the cookie that is to be set.
struct Found {
    visitor: Option<Visitor>,
    cookie: Option<Cookie<'static>>,
}

/// Middleware: lets a request through or answers it.
pub(crate) async fn guard(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let access = req
        .app_data::<Data<Access>>()
        .map_or(Access::Login, |access| ***access);
    let expected = current::if_match(req.request());
    let checked = match access.check(req.method(), req.uri(), req.headers()) {
        Ok(()) => let_in(access, req.request()).await,
        Err(refusal) => Err(refusal),
    };
    let (found, expected) = match (checked, expected) {
        (Ok(found), Ok(expected)) => (found, expected),
        (Err(refusal), _) | (_, Err(refusal)) => {
            let (req, _unread) = req.into_parts();
            return Ok(ServiceResponse::from_err(refusal, req).map_into_right_body());
        }
    };
    let secure = is_https(req.request());
    let mut answer = match found.visitor {
        Some(visitor) => {
            let actor = Actor {
                user: visitor.user.clone(),
                address: visitor.address.clone(),
            };
            req.extensions_mut().insert(Rc::new(visitor));
            current::scope(actor, expected, next.call(req)).await?
        }
        None => next.call(req).await?,
    };
    // A handler that ends the session has the last word.
    let sets_it = answer
        .response()
        .cookies()
        .any(|cookie| cookie.name() == session::COOKIE);
    if let Some(cookie) = found.cookie.filter(|_| !sets_it)
        && let Err(err) = answer.response_mut().add_cookie(&cookie)
    {
        tracing::error!(error = %err, "the session's cookie cannot be written");
    }
    if secure {
        answer.headers_mut().insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    Ok(answer.map_into_left_body())
}

/// Finds out who makes a request, and refuses what that one may not do.
async fn let_in(access: Access, req: &HttpRequest) -> Result<Found, ApiError> {
    let found = match access {
        Access::Login => found(req).await?,
        Access::OpenLocal | Access::OpenEverywhere => Found {
            visitor: Some(everyone(req).await?),
            cookie: None,
        },
    };
    let is_public = PUBLIC_PATHS.contains(&req.path());
    let Some(visitor) = &found.visitor else {
        return if is_public {
            Ok(found)
        } else {
            Err(ApiError::Unauthorized)
        };
    };
    let only_reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(req.method());
    if !only_reads && !visitor.may_change() && !is_public && !pages::is_open_to_viewers(req.path())
    {
        return Err(ApiError::Forbidden(format!(
            "{} is a viewer and changes nothing: ask an admin",
            visitor.user
        )));
    }
    if visitor.by_cookie && !is_public && !pages::is_page(req.path()) && a_form_could_send(req) {
        return Err(ApiError::Forbidden(
            "with a session in a cookie this needs the header X-Requested-With (any value), or a \
             JSON body"
                .to_owned(),
        ));
    }
    Ok(found)
}

fn state(req: &HttpRequest) -> Result<&Data<Admin>, ApiError> {
    req.app_data::<Data<Admin>>()
        .ok_or_else(|| ApiError::Internal("the app has no state".to_owned()))
}

/// The zone of the times that a page shows.
async fn zone(admin: &Admin, req: &HttpRequest) -> Result<Zone, ApiError> {
    if pages::is_page(req.path()) {
        admin.on_store(Store::zone).await
    } else {
        Ok(Zone::UTC)
    }
}

/// Whoever is let in without a login.
async fn everyone(req: &HttpRequest) -> Result<Visitor, ApiError> {
    /// Whom forms are made for when there are no sessions.
    const EVERYONE: &str = "everyone";
    let admin = state(req)?;
    Ok(Visitor {
        user: "admin".to_owned(),
        role: AdminRole::Admin,
        form_token: admin.form_key.token(EVERYONE),
        form_scope: EVERYONE.to_owned(),
        session: None,
        user_id: None,
        by_cookie: false,
        address: origin(req).address,
        zone: zone(admin, req).await?,
    })
}

/// Whoever has a session, of this app or of the external service.
async fn found(req: &HttpRequest) -> Result<Found, ApiError> {
    let admin = state(req)?;
    let origin = origin(req);
    if let Some(cookie) = req.cookie(session::COOKIE) {
        let (token, from) = (Secret::new(cookie.value()), origin.clone());
        let session = admin
            .on_store(move |store| store.admin_session(&token, &from, session::now()))
            .await?;
        if let Some(session) = session {
            let scope = format!("session {}", session.id);
            let visitor = Visitor {
                user: session.user,
                role: session.role,
                form_token: admin.form_key.token(&scope),
                form_scope: scope,
                session: Some(session.id),
                user_id: Some(session.user_id),
                by_cookie: true,
                address: origin.address,
                zone: zone(admin, req).await?,
            };
            let cookie = session
                .token
                .map(|token| session::cookie(&token, is_https(req)));
            return Ok(Found {
                visitor: Some(visitor),
                cookie,
            });
        }
    }
    let user = match &admin.external {
        Some(external) => external.user(req.headers()).await,
        None => None,
    };
    let visitor = match user {
        Some(user) => {
            let scope = format!("external {user}");
            Some(Visitor {
                user,
                role: AdminRole::Admin,
                form_token: admin.form_key.token(&scope),
                form_scope: scope,
                session: None,
                user_id: None,
                by_cookie: req.headers().contains_key(header::COOKIE),
                address: origin.address,
                zone: zone(admin, req).await?,
            })
        }
        None => None,
    };
    Ok(Found {
        visitor,
        cookie: None,
    })
}

/// Where a request comes from.
pub(crate) fn origin(req: &HttpRequest) -> store::Origin {
    let proxies = state(req).map(|admin| admin.proxies.clone());
    session::origin(req.peer_addr(), req.headers(), &proxies.unwrap_or_default())
}

/// Whether the browser speaks https.
pub(crate) fn is_https(req: &HttpRequest) -> bool {
    state(req).is_ok_and(|admin| session::is_https(req.peer_addr(), req.headers(), &admin.proxies))
}

/// Whether a form of another site could have sent this, were there no other check.
fn a_form_could_send(req: &HttpRequest) -> bool {
    let declares_json = req
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| {
            kind.trim()
                .to_ascii_lowercase()
                .starts_with("application/json")
        });
    req.method() == Method::POST && !declares_json && !has_anti_forgery(req)
}

fn has_anti_forgery(req: &HttpRequest) -> bool {
    req.headers()
        .get(ANTI_FORGERY_HEADER)
        .is_some_and(|value| !value.is_empty())
}

/// Demands the proof that a page of another site cannot give, for routes that
/// change something on a POST without a body.
pub(crate) fn demand_anti_forgery(req: &HttpRequest) -> Result<(), ApiError> {
    if req.method() == Method::POST && !has_anti_forgery(req) {
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
