//! The list of virtual models.

use std::cmp::Ordering;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{Store, StoreError, VirtualModelRow};
use url::form_urlencoded;

use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::list::{List, Listed};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::shown;

#[derive(Template)]
#[template(path = "models/list.html")]
struct Models {
    shell: Shell,
    tab: &'static str,
    list: List,
    listed: Listed<Line>,
    endpoints: Endpoints,
    features: Vec<(&'static str, &'static str)>,
    /// Whether there is no virtual model at all.
    none: bool,
}

/// A virtual model with what is special about it.
struct Line {
    row: VirtualModelRow,
    features: Vec<&'static str>,
}

impl Line {
    /// The query of the pages that are about one virtual model.
    fn named(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("model", &self.row.name)
            .finish()
    }
}

/// Whether a virtual model has something.
type Has = fn(&VirtualModelRow) -> bool;

/// What a virtual model may have, by the word for it in the filter.
const FEATURES: [(&str, Has); 11] = [
    ("failover", |row| row.routing.strategy != "none"),
    ("sticky", |row| row.routing.affinity == 1),
    ("cache", |row| row.caching.cache_enabled == 1),
    ("joins calls", |row| row.caching.join_calls == 1),
    ("limits", |row| row.limits != store::LimitsRow::default()),
    ("system prompt", |row| row.system_prompt.is_some()),
    ("headers", |row| row.custom_headers.is_some()),
    ("no stream", |row| {
        row.disable_streaming == 1 || row.force_non_streaming == 1
    }),
    ("prompt cache", |row| row.auto_cache == 1),
    ("reasoning hidden", |row| row.show_reasoning == 0),
    ("repair off", |row| {
        let repair = &row.repair;
        [
            repair.repair_tool_calls,
            repair.repair_arguments,
            repair.repair_history,
        ]
        .contains(&0)
    }),
];

const SORTS: [&str; 6] = ["name", "endpoint", "model", "in", "out", "enabled"];

pub(super) async fn page(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let (lines, endpoints) = admin.on_store(read).await?;
    let filters = ["q", "endpoint", "enabled", "feature"];
    let list = List::of(&req, &SORTS, &filters);
    let none = lines.is_empty();
    let found = lines.into_iter().filter(|line| matches(&list, line));
    let found = found.collect();
    let sort = list.sort();
    let (list, listed) = list.page_of(found, |a, b| order(sort, a, b));
    crate::pages::page(&Models {
        shell: Shell::of(&req, Section::Models),
        tab: "list",
        list,
        listed,
        endpoints,
        features: FEATURES.iter().map(|(word, _)| (*word, *word)).collect(),
        none,
    })
}

/// Endpoints by id and name.
type Endpoints = Vec<(i64, String)>;

fn read(store: &Store) -> Result<(Vec<Line>, Endpoints), StoreError> {
    let line = |row: VirtualModelRow| {
        let has = FEATURES.iter().filter(|(_, has)| has(&row));
        Line {
            features: has.map(|(word, _)| *word).collect(),
            row,
        }
    };
    let lines = shown::virtual_models(store)?.into_iter().map(line);
    let endpoints = store.endpoints()?.into_iter();
    let endpoints = endpoints.map(|endpoint| (endpoint.id, endpoint.name));
    Ok((lines.collect(), endpoints.collect()))
}

fn matches(list: &List, line: &Line) -> bool {
    let row = &line.row;
    let is =
        |filter: &str, value: &str| list.filter(filter).is_empty() || list.filter(filter) == value;
    let texts = [&row.name, &row.actual_model];
    let mut texts = texts.into_iter().chain(&row.description);
    let feature = list.filter("feature");
    texts.any(|text| list.finds("q", text))
        && is("endpoint", &row.endpoint_id.to_string())
        && is("enabled", &row.enabled.to_string())
        && (feature.is_empty() || line.features.contains(&feature))
}

fn order(sort: &str, a: &Line, b: &Line) -> Ordering {
    let (a, b) = (&a.row, &b.row);
    let price = |price: Option<f64>| price.unwrap_or(-1.0);
    let by = match sort {
        "endpoint" => a.endpoint_name.cmp(&b.endpoint_name),
        "model" => a.actual_model.cmp(&b.actual_model),
        "in" => price(a.cost_per_1m_tokens_in).total_cmp(&price(b.cost_per_1m_tokens_in)),
        "out" => price(a.cost_per_1m_tokens_out).total_cmp(&price(b.cost_per_1m_tokens_out)),
        "enabled" => a.enabled.cmp(&b.enabled),
        _ => Ordering::Equal,
    };
    by.then_with(|| a.name.to_lowercase().cmp(&b.name.to_lowercase()))
}
