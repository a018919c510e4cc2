//! People of the admin app: who there is, what they may do, and one's own password.

use std::cmp::Ordering;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{AdminRole, AdminUserRow, FieldErrors, Password, Store};

use super::confirm::Confirm;
use super::form::{Form, Posted};
use super::list::{List, Listed};
use super::login::{self, new_user};
use super::notice::Notice;
use super::section::Section;
use super::shell::Shell;
use super::{page, page_with, see_other};
use crate::access::Let;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;

/// The list.
pub(super) const USERS: &str = "/proxy-dashboard/settings/users";

/// One's own password.
pub(crate) const ACCOUNT: &str = "/proxy-dashboard/account";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |rest: &str| format!("{USERS}/{{id}}/{rest}");
    cfg.service(
        resource(USERS, "GET, POST")
            .route(web::get().to(list))
            .route(web::post().to(create)),
    )
    .service(
        resource(&at("edit"), "GET, POST")
            .route(web::get().to(edit))
            .route(web::post().to(save)),
    )
    .service(resource(&at("password"), "POST").route(web::post().to(reset)))
    .service(
        resource(&at("delete"), "GET, POST")
            .route(web::get().to(ask_delete))
            .route(web::post().to(delete)),
    )
    .service(
        resource(ACCOUNT, "GET, POST")
            .route(web::get().to(account))
            .route(web::post().to(change_own)),
    );
}

#[derive(Template)]
#[template(path = "settings/users.html")]
struct Users {
    shell: Shell,
    list: List,
    listed: Listed<AdminUserRow>,
    /// Whether nobody is set up.
    none: bool,
    form: Form,
    roles: Vec<(&'static str, &'static str)>,
}

impl Users {
    /// Every role by its word.
    fn role_words(&self) -> [(&'static str, &'static str); 2] {
        [AdminRole::Admin, AdminRole::Viewer].map(|role| (role.id(), role.id()))
    }
}

fn roles() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            AdminRole::Viewer.id(),
            "viewer: sees all but secrets, changes nothing",
        ),
        (AdminRole::Admin.id(), "admin: changes everything"),
    ]
}

async fn list(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    page(&users(&admin, &req, Form::default()).await?)
}

async fn users(admin: &Admin, req: &HttpRequest, form: Form) -> Result<Users, ApiError> {
    let users = admin.on_store(Store::admin_users).await?;
    let none = users.is_empty();
    let list = List::of(req, &["name", "role", "last_login"], &["q", "role"]);
    let users = users.into_iter().filter(|user| {
        let role = list.filter("role");
        list.finds("q", &user.name) && (role.is_empty() || role == user.role.id())
    });
    let users = users.collect();
    let sort = list.sort();
    let (list, listed) = list.page_of(users, |a: &AdminUserRow, b: &AdminUserRow| {
        let by = match sort {
            "role" => a.role.id().cmp(b.role.id()),
            "last_login" => a.last_login_at.cmp(&b.last_login_at),
            _ => Ordering::Equal,
        };
        by.then_with(|| a.name.to_lowercase().cmp(&b.name.to_lowercase()))
    });
    Ok(Users {
        shell: Shell::of(req, Section::Settings),
        list,
        listed,
        none,
        form,
        roles: roles(),
    })
}

async fn create(
    admin: Data<Admin>,
    req: HttpRequest,
    form: Posted,
) -> Result<HttpResponse, ApiError> {
    let role = AdminRole::from_id(form.get("role")).unwrap_or(AdminRole::Viewer);
    let outcome = match new_user(&form, role) {
        Ok(user) => admin
            .on_store(move |store| store.create_admin_user(&user))
            .await
            .map(|_| ()),
        Err(errors) => Err(ApiError::Fields(errors)),
    };
    let errors = match outcome {
        Ok(()) => return Ok(see_other(&Notice::Created.at(USERS))),
        Err(ApiError::Fields(errors)) => errors,
        Err(taken @ ApiError::Conflict(..)) => FieldErrors::one("user", taken.public_text()),
        Err(other) => return Err(other),
    };
    let users = users(&admin, &req, Form::refused(&form, errors)).await?;
    page_with(StatusCode::BAD_REQUEST, &users)
}

#[derive(Template)]
#[template(path = "settings/user.html")]
struct EditUser {
    shell: Shell,
    user: AdminUserRow,
    form: Form,
    password: Form,
    roles: Vec<(&'static str, &'static str)>,
}

async fn one(admin: &Admin, id: i64) -> Result<AdminUserRow, ApiError> {
    let users = admin.on_store(Store::admin_users).await?;
    users
        .into_iter()
        .find(|user| user.id == id)
        .ok_or_else(|| ApiError::NotFound(format!("there is no user with id {id}")))
}

async fn edit(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    page(&editing(&admin, &req, id.into_inner(), None, Form::default()).await?)
}

async fn editing(
    admin: &Admin,
    req: &HttpRequest,
    id: i64,
    form: Option<Form>,
    password: Form,
) -> Result<EditUser, ApiError> {
    let user = one(admin, id).await?;
    Ok(EditUser {
        shell: Shell::of(req, Section::Settings),
        form: form.unwrap_or_else(|| Form::of_row(&user)),
        user,
        password,
        roles: roles(),
    })
}

async fn save(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
    form: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let role = AdminRole::from_id(form.get("role"))
        .ok_or_else(|| ApiError::BadRequest("role is admin or viewer".to_owned()))?;
    let enabled = form.is_on("enabled");
    let saved = admin
        .on_store(move |store| store.change_admin_user(id, role, enabled))
        .await;
    match saved {
        Ok(()) => Ok(see_other(&Notice::Saved.at(USERS))),
        Err(ApiError::Fields(errors)) => {
            let form = Form::refused(&form, errors);
            let shown = editing(&admin, &req, id, Some(form), Form::default()).await?;
            page_with(StatusCode::BAD_REQUEST, &shown)
        }
        Err(other) => Err(other),
    }
}

async fn reset(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
    form: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let user = one(&admin, id).await?;
    match new_password(&form, &user.name) {
        Ok(password) => {
            admin
                .on_store(move |store| store.set_admin_password(id, &password))
                .await?;
            Ok(see_other(&Notice::PasswordChanged.at(USERS)))
        }
        Err(errors) => {
            let shown = editing(&admin, &req, id, None, Form::refused(&form, errors)).await?;
            page_with(StatusCode::BAD_REQUEST, &shown)
        }
    }
}

/// A password that was typed twice.
fn new_password(form: &Posted, name: &str) -> Result<Password, FieldErrors> {
    let typed = form.secret("password");
    if form.secret("again") != typed {
        return Err(FieldErrors::one("again", "is not the same as the password"));
    }
    Password::check(&typed, name).map_err(|why| FieldErrors::one("password", why))
}

async fn ask_delete(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let user = one(&admin, id.into_inner()).await?;
    Confirm {
        shell: Shell::of(&req, Section::Settings),
        question: format!("Delete the user {}?", user.name),
        consequences: vec![
            "Every session of this person ends. The audit keeps the name.".to_owned(),
        ],
        action: format!("{USERS}/{}/delete", user.id),
        button: "Delete",
        hidden: Vec::new(),
        back: USERS.to_owned(),
    }
    .page()
}

async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    _form: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    admin
        .on_store(move |store| store.delete_admin_user(id))
        .await?;
    Ok(see_other(&Notice::Deleted.at(USERS)))
}

#[derive(Template)]
#[template(path = "settings/account.html")]
struct Account {
    shell: Shell,
    form: Form,
}

async fn account(visitor: Let, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    own_id(&visitor)?;
    page(&Account {
        shell: Shell::of(&req, Section::Settings),
        form: Form::default(),
    })
}

fn own_id(visitor: &Let) -> Result<i64, ApiError> {
    visitor.0.user_id.ok_or_else(|| {
        ApiError::NotFound("you have no account here: nothing was logged in to".to_owned())
    })
}

/// Ends every session, and begins a new one for whoever is here.
async fn change_own(
    admin: Data<Admin>,
    visitor: Let,
    req: HttpRequest,
    form: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = own_id(&visitor)?;
    let name = visitor.0.user.clone();
    let errors = match new_password(&form, &name) {
        Ok(password) => {
            let old = login::begin(&admin, &req, &name, form.secret("old")).await?;
            if old.is_some() {
                admin
                    .on_store(move |store| store.set_admin_password(id, &password))
                    .await?;
                let new = login::begin(&admin, &req, &name, form.secret("password")).await?;
                let answer = see_other(&Notice::PasswordChanged.at(Section::Overview.path()));
                return match new {
                    Some(session) => login::with_cookie(&req, answer, &session),
                    None => Ok(answer),
                };
            }
            FieldErrors::one("old", "is not your password")
        }
        Err(errors) => errors,
    };
    page_with(
        StatusCode::BAD_REQUEST,
        &Account {
            shell: Shell::of(&req, Section::Settings),
            form: Form::refused(&form, errors),
        },
    )
}
