//! Logging in and out, and the page of the set-up link.
//!
//! Nobody is there yet for whom a form could carry a token: these forms are protected by
//! the guard's look at where a request comes from, and by cookies that other sites' forms
//! do not send.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use store::{AdminRole, AdminSession, Login, NewAdminUser, Secret};
use url::form_urlencoded;

use super::form::{Form, OpenlyPosted};
use super::notice::Notice;
use super::section::Section;
use super::theme::Theme;
use super::{error_page, own_path, page, page_with, see_other};
use crate::access::{self, Let, session};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::Posted;
use crate::routing::resource;

/// The login.
pub(crate) const LOGIN: &str = "/login";

/// The page of the set-up link.
pub(crate) const SET_UP: &str = "/set-up";

/// Where logging out is sent.
pub(super) const LOG_OUT: &str = "/proxy-dashboard/logout";

/// What is said of a wrong password and of everything else alike.
const REFUSED: &str = "The name or the password is not right.";

/// What is said of a link that does not open.
const LINK: &str = "This link opens nothing: it was used, has expired, or is one of before the \
    last start. Restart the admin app for a new one; it prints it when nobody is set up yet.";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(LOGIN, "GET, POST")
            .route(web::get().to(ask))
            .route(web::post().to(log_in)),
    )
    .service(
        resource(SET_UP, "GET, POST")
            .route(web::get().to(ask_first))
            .route(web::post().to(set_up)),
    )
    .service(resource(LOG_OUT, "POST").route(web::post().to(log_out)));
}

/// Sends a browser to the login, with the way back to the page it asked for.
pub(super) fn redirect(req: &HttpRequest) -> HttpResponse {
    let back = if error_page::only_reads(req) {
        req.uri().path_and_query().map_or("/", |path| path.as_str())
    } else {
        Section::at(req.path()).path()
    };
    let external = req
        .app_data::<Data<Admin>>()
        .and_then(|admin| admin.external.as_ref());
    if let Some(external) = external {
        return see_other(&external.login(back));
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("return", back)
        .finish();
    see_other(&format!("{LOGIN}?{query}"))
}

#[derive(Template)]
#[template(path = "login/index.html")]
struct LoginPage {
    theme: Theme,
    form: Form,
    refused: Option<String>,
    notice: Option<Notice>,
    back: String,
    external: Option<String>,
}

#[derive(Deserialize)]
struct Back {
    #[serde(rename = "return", default)]
    back: String,
}

async fn ask(
    admin: Data<Admin>,
    req: HttpRequest,
    query: Query<Back>,
) -> Result<HttpResponse, ApiError> {
    let back = own_path::checked(&query.back).unwrap_or(Section::Overview.path());
    if access::Visitor::of(&req).is_some() {
        return Ok(see_other(back));
    }
    page(&LoginPage {
        theme: Theme::of(&req),
        form: Form::default(),
        refused: None,
        notice: Notice::of(&req),
        back: back.to_owned(),
        external: admin.external.as_ref().map(|external| external.login(back)),
    })
}

async fn log_in(
    admin: Data<Admin>,
    req: HttpRequest,
    form: OpenlyPosted,
) -> Result<HttpResponse, ApiError> {
    let OpenlyPosted(form) = form;
    let back = own_path::checked(form.get("return")).unwrap_or(Section::Overview.path());
    let (user, password) = (form.get("user").to_owned(), form.secret("password"));
    let refused = match begin(&admin, &req, &user, password).await {
        Ok(Some(session)) => return with_cookie(&req, see_other(back), &session),
        Ok(None) => ApiError::Unauthorized,
        Err(refusal @ ApiError::TooMany(_)) => refusal,
        Err(other) => return Err(other),
    };
    let (status, text) = if matches!(refused, ApiError::TooMany(_)) {
        (StatusCode::TOO_MANY_REQUESTS, refused.public_text())
    } else {
        (StatusCode::FORBIDDEN, REFUSED.to_owned())
    };
    page_with(
        status,
        &LoginPage {
            theme: Theme::of(&req),
            form: Form::default().with("user", user),
            refused: Some(text),
            notice: None,
            back: back.to_owned(),
            external: admin.external.as_ref().map(|external| external.login(back)),
        },
    )
}

/// Begins a session for a name and a password; `None` when they are not right.
///
/// # Errors
/// When too many were tried, or the store cannot be used.
pub(crate) async fn begin(
    admin: &Admin,
    req: &HttpRequest,
    user: &str,
    password: Secret,
) -> Result<Option<AdminSession>, ApiError> {
    let origin = access::origin(req);
    let address = origin.address.clone().unwrap_or_default();
    admin
        .throttle
        .count(&address, user, Instant::now())
        .map_err(|wait| ApiError::TooMany(wait.as_secs().max(1)))?;
    let name = user.to_owned();
    let login = admin
        .on_store(move |store| store.log_in(&name, &password, &origin, session::now()))
        .await?;
    match login {
        Login::Begun(session) => {
            admin.throttle.forget(&address, user);
            Ok(Some(session))
        }
        Login::Refused => {
            tracing::warn!(address, "a login was refused");
            Ok(None)
        }
    }
}

/// The answer with the cookie of a session that begins.
pub(crate) fn with_cookie(
    req: &HttpRequest,
    mut answer: HttpResponse,
    session: &AdminSession,
) -> Result<HttpResponse, ApiError> {
    if let Some(token) = &session.token {
        let cookie = session::cookie(token, access::is_https(req));
        answer
            .add_cookie(&cookie)
            .map_err(|err| ApiError::Internal(format!("the cookie cannot be written: {err}")))?;
    }
    Ok(answer)
}

/// Ends the session of whoever asks, in the store and in the browser.
pub(crate) async fn end(
    admin: &Admin,
    req: &HttpRequest,
    session: Option<i64>,
    mut answer: HttpResponse,
) -> Result<HttpResponse, ApiError> {
    if let Some(session) = session {
        admin.on_store(move |store| store.log_out(session)).await?;
    }
    answer
        .add_cookie(&session::no_cookie(access::is_https(req)))
        .map_err(|err| ApiError::Internal(format!("the cookie cannot be written: {err}")))?;
    Ok(answer)
}

async fn log_out(
    admin: Data<Admin>,
    req: HttpRequest,
    visitor: Let,
    _form: Posted,
) -> Result<HttpResponse, ApiError> {
    let answer = see_other(&Notice::LoggedOut.at(LOGIN));
    end(&admin, &req, visitor.0.session, answer).await
}

#[derive(Template)]
#[template(path = "login/set_up.html")]
struct SetUpPage {
    theme: Theme,
    form: Form,
    token: String,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

async fn ask_first(
    admin: Data<Admin>,
    req: HttpRequest,
    query: Query<Link>,
) -> Result<HttpResponse, ApiError> {
    let token = query.into_inner().token;
    let secret = Secret::new(token.as_str());
    let opens = admin
        .on_store(move |store| store.is_set_up(&secret, session::now()))
        .await?;
    if !opens {
        return Err(ApiError::Forbidden(LINK.to_owned()));
    }
    page(&SetUpPage {
        theme: Theme::of(&req),
        form: Form::default().with("user", "admin"),
        token,
    })
}

async fn set_up(
    admin: Data<Admin>,
    req: HttpRequest,
    form: OpenlyPosted,
) -> Result<HttpResponse, ApiError> {
    let OpenlyPosted(form) = form;
    let origin = access::origin(&req);
    let address = origin.address.clone().unwrap_or_default();
    admin
        .throttle
        .count(&address, "", Instant::now())
        .map_err(|wait| ApiError::TooMany(wait.as_secs().max(1)))?;
    let user = match new_user(&form, AdminRole::Admin) {
        Ok(user) => user,
        Err(errors) => {
            return page_with(
                StatusCode::BAD_REQUEST,
                &SetUpPage {
                    theme: Theme::of(&req),
                    token: form.get("token").to_owned(),
                    form: Form::refused(&form, errors),
                },
            );
        }
    };
    let token = form.secret("token");
    let login = admin
        .on_store(move |store| store.set_up(&token, &user, &origin, session::now()))
        .await?;
    match login {
        Login::Begun(session) => with_cookie(&req, see_other(Section::Overview.path()), &session),
        Login::Refused => Err(ApiError::Forbidden(LINK.to_owned())),
    }
}

/// Reads a new person from a form with a password typed twice.
pub(super) fn new_user(form: &Posted, role: AdminRole) -> Result<NewAdminUser, store::FieldErrors> {
    let password = form.secret("password");
    let user = NewAdminUser::check(form.get("user"), &password, role);
    if form.secret("again") == password {
        return user;
    }
    let mut errors = user.err().unwrap_or_default();
    errors.add("again", "is not the same as the password");
    Err(errors)
}
