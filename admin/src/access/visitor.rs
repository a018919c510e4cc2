//! Who makes a request, as the guard has found out.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use store::{AdminRole, Zone};

use crate::error::ApiError;

/// Somebody who was let in. A request has one from the guard on.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The name, for pages and the audit.
    pub(crate) user: String,
    pub(crate) role: AdminRole,
    /// Whom forms are made for: the session, not the person.
    pub(crate) form_scope: String,
    /// What such forms must carry.
    pub(crate) form_token: String,
    /// The session of the built-in login.
    pub(crate) session: Option<i64>,
    /// The person's id in the store.
    pub(crate) user_id: Option<i64>,
    /// Whether a cookie says who this is, which browsers send unasked.
    pub(crate) by_cookie: bool,
    /// The caller's address.
    pub(crate) address: Option<String>,
    /// The zone in which times are shown; UTC outside the pages.
    pub(crate) zone: Zone,
}

impl Visitor {
    /// Whether changes are let through.
    pub(crate) fn may_change(&self) -> bool {
        match self.role {
            AdminRole::Admin => true,
            AdminRole::Viewer => false,
        }
    }

    /// Whoever makes `req`, if anybody was let in.
    pub(crate) fn of(req: &HttpRequest) -> Option<Rc<Self>> {
        req.extensions().get::<Rc<Self>>().cloned()
    }
}

/// The visitor of a handler behind the guard.
pub(crate) struct Let(pub(crate) Rc<Visitor>);

impl FromRequest for Let {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visitor::of(req).map(Self).ok_or(ApiError::Unauthorized))
    }
}
