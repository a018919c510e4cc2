//! What all routes have in common: how a path, its methods and its id are read.

use actix_web::web::{self, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpResponse, Resource};

use crate::error::ApiError;

#[cfg(test)]
thread_local! {
    static MADE: std::cell::RefCell<Vec<(String, &'static str)>> = const {
        std::cell::RefCell::new(Vec::new())
    };
}

/// The paths and methods of every resource that `work` makes.
#[cfg(test)]
pub(crate) fn resources(work: impl FnOnce()) -> Vec<(String, &'static str)> {
    MADE.take();
    work();
    MADE.take()
}

/// A path that answers 405 in JSON to every method but those routed; `allow` names
/// them as the `Allow` header does.
pub(crate) fn resource(path: &str, allow: &'static str) -> Resource {
    #[cfg(test)]
    MADE.with_borrow_mut(|made| made.push((path.to_owned(), allow)));
    web::resource(path).default_service(web::to(move || async move {
        Err::<HttpResponse, ApiError>(ApiError::Method(allow))
    }))
}

/// Makes what the framework refuses by itself look like every other refusal.
pub(crate) fn refusals(cfg: &mut ServiceConfig) {
    cfg.app_data(PathConfig::default().error_handler(|_, req| {
        ApiError::NotFound(format!("{} has no number where the id belongs", req.path())).into()
    }))
    .app_data(QueryConfig::default().error_handler(|err, _| {
        ApiError::BadRequest(format!("the query cannot be read: {err}")).into()
    }));
}

/// Answers for every path that is not routed.
pub(crate) async fn unknown_path(req: actix_web::HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound(format!(
        "there is nothing at {}",
        req.path()
    )))
}
