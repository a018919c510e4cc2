//! The APIs of both programs, as their OpenAPI documents describe them: a page to read, and
//! the documents themselves.
//!
//! The documents are in `docs/openapi/` and in the program; tests hold them to the routes
//! and to real answers.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::section::Section;
use super::shell::Shell;
use crate::error::ApiError;
use crate::routing::resource;

/// Where the page is.
pub(crate) const PATH: &str = "/proxy-dashboard/reference";

/// The gateway's document.
pub(crate) const GATEWAY: &str = include_str!("../../../docs/openapi/gateway.json");
/// The admin app's.
pub(crate) const ADMIN: &str = include_str!("../../../docs/openapi/admin.json");

/// Methods in the order in which they are shown.
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(PATH, "GET, HEAD")
            .route(web::get().to(show))
            .route(web::head().to(show)),
    )
    .service(resource("/api/openapi/gateway.json", "GET").route(web::get().to(|| raw(GATEWAY))))
    .service(resource("/api/openapi/admin.json", "GET").route(web::get().to(|| raw(ADMIN))));
}

async fn raw(document: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(document)
}

#[derive(Template)]
#[template(path = "reference/index.html")]
struct Page {
    shell: Shell,
    /// Which document: `gateway` or `admin`.
    which: &'static str,
    title: String,
    description: String,
    groups: Vec<Group>,
    shapes: Vec<Shape>,
}

/// Operations of one tag.
struct Group {
    name: String,
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: String,
    id: String,
    summary: String,
    aliases: Vec<String>,
    parameters: Vec<Field>,
    /// What the body is, and the fields of it.
    body: Option<String>,
    /// Status and what it answers with.
    answers: Vec<(String, String)>,
}

/// A schema by name.
struct Shape {
    name: String,
    description: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    is_required: bool,
    description: String,
}

async fn show(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut query = form_urlencoded::parse(req.query_string().as_bytes());
    let admin = query.any(|(name, value)| name == "of" && value == "admin");
    let (which, text) = if admin {
        ("admin", ADMIN)
    } else {
        ("gateway", GATEWAY)
    };
    let document: Value = serde_json::from_str(text)
        .map_err(|err| ApiError::Internal(format!("the document of {which} is no JSON: {err}")))?;
    let info = document.get("info");
    super::page(&Page {
        shell: Shell::of(&req, Section::Connect),
        which,
        title: text_at(info, "title"),
        description: text_at(info, "description"),
        groups: groups(&document),
        shapes: shapes(&document),
    })
}

fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = list(document.get("tags"))
        .iter()
        .map(|tag| Group {
            name: text_at(Some(tag), "name"),
            operations: Vec::new(),
        })
        .collect();
    for (path, item) in object(document.get("paths")) {
        for method in METHODS {
            let Some(described) = item.get(method) else {
                continue;
            };
            let tag = list(described.get("tags")).first().and_then(Value::as_str);
            let group = groups
                .iter_mut()
                .find(|group| Some(group.name.as_str()) == tag);
            if let Some(group) = group {
                group
                    .operations
                    .push(operation(path, method, item, described));
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    groups
}

fn operation(path: &str, method: &str, item: &Value, described: &Value) -> Operation {
    let aliases = match item.get("x-aliases") {
        Some(Value::Object(by_method)) => by_method.get(method),
        other => other,
    };
    let body = described
        .get("requestBody")
        .and_then(|body| body.get("content"));
    let body = object(body)
        .iter()
        .next()
        .map(|(_, media)| kind_of(media.get("schema")));
    let answers = object(described.get("responses"))
        .iter()
        .map(|(status, answer)| {
            let kinds: Vec<String> = object(answer.get("content"))
                .iter()
                .map(|(media, content)| match media.as_str() {
                    "application/json" => kind_of(content.get("schema")),
                    other => other.to_owned(),
                })
                .collect();
            let what = if kinds.is_empty() {
                text_at(Some(answer), "description")
            } else {
                kinds.join(", or ")
            };
            let status = if status == "default" {
                "otherwise"
            } else {
                status
            };
            (status.to_owned(), what)
        })
        .collect();
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        id: text_at(Some(described), "operationId"),
        summary: text_at(Some(described), "summary"),
        aliases: list(aliases)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        parameters: list(described.get("parameters"))
            .iter()
            .map(parameter)
            .collect(),
        body,
        answers,
    }
}

fn parameter(described: &Value) -> Field {
    Field {
        name: text_at(Some(described), "name"),
        kind: format!(
            "{}, in the {}",
            kind_of(described.get("schema")),
            text_at(Some(described), "in")
        ),
        is_required: described.get("required") == Some(&Value::Bool(true)),
        description: text_at(Some(described), "description"),
    }
}

fn shapes(document: &Value) -> Vec<Shape> {
    let schemas = document
        .get("components")
        .and_then(|parts| parts.get("schemas"));
    let mut shapes: Vec<Shape> = object(schemas)
        .iter()
        .map(|(name, schema)| Shape {
            name: name.clone(),
            description: text_at(Some(schema), "description"),
            fields: fields(schema),
        })
        .collect();
    shapes.sort_by(|one, other| one.name.cmp(&other.name));
    shapes
}

/// The fields of a schema, those of its parts included.
fn fields(schema: &Value) -> Vec<Field> {
    let parts = list(schema.get("allOf"));
    if !parts.is_empty() {
        return parts.iter().flat_map(fields).collect();
    }
    let required = list(schema.get("required"));
    object(schema.get("properties"))
        .iter()
        .map(|(name, field)| Field {
            name: name.clone(),
            kind: kind_of(Some(field)),
            is_required: required.iter().any(|one| one == name),
            description: text_at(Some(field), "description"),
        })
        .collect()
}

/// What a value is, in a few words.
fn kind_of(schema: Option<&Value>) -> String {
    let Some(schema) = schema else {
        return "anything".to_owned();
    };
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return values.join(" or ");
    }
    if let Some(Value::Array(parts)) = schema.get("oneOf") {
        let parts: Vec<_> = parts.iter().map(|part| kind_of(Some(part))).collect();
        return parts.join(" or ");
    }
    let kinds: Vec<String> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => return "anything".to_owned(),
    };
    let kinds = kinds.join(" or ");
    match schema.get("items") {
        Some(items) => format!("{kinds} of {}", kind_of(Some(items))),
        None => kinds,
    }
}

fn text_at(value: Option<&Value>, field: &str) -> String {
    let text = value
        .and_then(|value| value.get(field))
        .and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn object(value: Option<&Value>) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.and_then(Value::as_object).unwrap_or(&NONE)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::collections::BTreeSet;

    use actix_web::App;
    use serde_json::Value;

    use super::{ADMIN, METHODS, list};
    use crate::routing::resources;

    /// Paths of the JSON API, which are all but the pages and what these load.
    fn is_api(path: &str) -> bool {
        let is_page = path.starts_with("/proxy-dashboard") || path.starts_with("/assets");
        let pages = ["/", "/login", "/logout", "/set-up"];
        !is_page && !pages.contains(&path)
    }

    /// Every route is in the document, under its own path or as another name of one, and
    /// every operation of the document is routed.
    #[test]
    fn the_document_has_every_route_and_no_other() {
        let routed: BTreeSet<(String, String)> = resources(|| {
            drop(
                App::new()
                    .configure(crate::health::routes)
                    .configure(crate::api::routes)
                    .configure(crate::pages::routes),
            );
        })
        .into_iter()
        .filter(|(path, _)| is_api(path))
        .flat_map(|(path, allow)| {
            let methods: Vec<_> = allow.split(", ").map(str::to_lowercase).collect();
            methods
                .into_iter()
                .map(move |method| (path.clone(), method))
        })
        // As everywhere, HEAD is GET without a body.
        .filter(|(_, method)| method != "head")
        .collect();
        let document: Value = serde_json::from_str(ADMIN).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in METHODS {
                if item.get(method).is_none() {
                    continue;
                }
                described.insert((path.clone(), method.to_owned()));
                for alias in list(item["x-aliases"].get(method)) {
                    let alias = alias.as_str().unwrap().to_owned();
                    // Deleting by POST is for clients that cannot send DELETE.
                    if alias.ends_with("/delete") {
                        described.insert((alias.clone(), "post".to_owned()));
                    }
                    described.insert((alias, method.to_owned()));
                }
            }
        }
        // A browser that opens the list of endpoints is led to its page.
        described.insert(("/endpoints".to_owned(), "get".to_owned()));
        let missing: Vec<_> = routed.difference(&described).collect();
        assert!(
            missing.is_empty(),
            "not in docs/openapi/admin.json: {missing:?}"
        );
        let unrouted: Vec<_> = described.difference(&routed).collect();
        assert!(unrouted.is_empty(), "not routed: {unrouted:?}");
    }
}
