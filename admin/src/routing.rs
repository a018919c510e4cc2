//! What all routes have in common: how a path, its methods and its id are read.

use actix_web::web::{self, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use store::FieldErrors;
use url::form_urlencoded;

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

/// A yes or no in the query; no where it is not there.
///
/// # Errors
/// When it is neither, with its name.
pub(crate) fn flag(req: &HttpRequest, name: &'static str) -> Result<bool, ApiError> {
    let mut query = form_urlencoded::parse(req.query_string().as_bytes());
    let found = query.find(|(own, _)| own == name);
    match found.as_ref().map(|(_, value)| value.trim()) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(_) => Err(FieldErrors::one(name, "must be true or false").into()),
    }
}

/// Answers for every path that is not routed.
pub(crate) async fn unknown_path(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound(format!(
        "there is nothing at {}",
        req.path()
    )))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use std::collections::BTreeSet;

    use actix_web::App;
    use serde_json::Value;

    use super::resources;
    use crate::{api, health, pages};

    /// Every path of the program with each of its methods.
    fn routed() -> BTreeSet<String> {
        let made = resources(|| {
            drop(
                App::new()
                    .configure(health::routes)
                    .configure(api::routes)
                    .configure(pages::routes),
            );
        });
        let each = |(path, allow): (String, &'static str)| {
            let methods = allow.split(", ");
            methods
                .map(|method| format!("{method} {path}"))
                .collect::<Vec<_>>()
        };
        made.into_iter().flat_map(each).collect()
    }

    fn is_of_a_page(route: &str) -> bool {
        let path = route.split(' ').nth(1).unwrap();
        let assets = [pages::STYLESHEET, pages::SCRIPT, pages::ICON];
        pages::is_page(path) || assets.contains(&path)
    }

    #[test]
    fn the_table_of_the_api_has_every_route_and_no_other() {
        let table = include_str!("../tests/cases/routes.json");
        let table: Vec<Value> = serde_json::from_str(table).unwrap();
        let listed: Vec<_> = table
            .iter()
            .map(|row| row["route"].as_str().unwrap().to_owned())
            .collect();
        let once: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "a route is listed twice");
        let mut routed = routed();
        routed.retain(|route| !is_of_a_page(route));
        assert_eq!(once, routed);
    }

    /// That a list names every page that is reached by `method`, and no other.
    fn is_complete(list: &str, method: &str) {
        let listed: BTreeSet<_> = list
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(|path| format!("{method} {path}"))
            .collect();
        let mut routed = routed();
        routed.retain(|route| is_of_a_page(route) && route.split(' ').next() == Some(method));
        assert_eq!(listed, routed);
    }

    #[test]
    fn the_list_of_pages_has_every_page_and_no_other() {
        is_complete(include_str!("../tests/cases/pages.txt"), "GET");
    }

    #[test]
    fn the_list_of_forms_has_every_form_and_no_other() {
        is_complete(include_str!("../tests/cases/forms.txt"), "POST");
    }
}
