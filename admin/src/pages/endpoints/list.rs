//! The list of endpoints.

use std::cmp::Ordering;
use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{CircuitRow, EndpointRow, HealthCheckRow, Store, StoreError};

use super::kinds;
use crate::admin::Admin;
use crate::clock;
use crate::error::ApiError;
use crate::pages::list::{List, Listed};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::shown;

#[derive(Template)]
#[template(path = "endpoints/list.html")]
struct Endpoints {
    shell: Shell,
    list: List,
    listed: Listed<Line>,
    kinds: Vec<(&'static str, &'static str)>,
    states: [(&'static str, &'static str); 3],
    /// Whether there is no endpoint at all.
    none: bool,
}

/// An endpoint with what is known of it.
struct Line {
    row: EndpointRow,
    kind: String,
    models: usize,
    /// Milliseconds that half of the last day's calls did not exceed.
    p50: Option<u64>,
    state: State,
    /// Of the newest circuit that opened.
    last_error: Option<String>,
    /// What the last look at its health found, where it is looked at.
    health: Option<HealthCheckRow>,
}

/// Whether calls can go there.
enum State {
    /// Nothing is known against it.
    Good,
    /// So many of its models are left alone, the last one until then.
    Resting { circuits: usize, until: i64 },
    /// The next call may try it.
    Trying,
    /// Its row is no endpoint.
    Unusable(String),
}

impl State {
    fn id(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Resting { .. } | Self::Trying => "resting",
            Self::Unusable(_) => "unusable",
        }
    }
}

const SORTS: [&str; 7] = [
    "name", "url", "type", "priority", "enabled", "models", "p50",
];

pub(super) async fn page(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let now = clock::seconds();
    let lines = admin.on_store(move |store| lines(store, now)).await?;
    let list = List::of(&req, &SORTS, &["q", "type", "enabled", "state"]);
    let none = lines.is_empty();
    let found = lines.into_iter().filter(|line| matches(&list, line));
    let found = found.collect();
    let sort = list.sort();
    let (list, listed) = list.page_of(found, |a, b| order(sort, a, b));
    crate::pages::page(&Endpoints {
        shell: Shell::of(&req, Section::Endpoints),
        list,
        listed,
        kinds: kinds::choices(),
        states: [
            ("good", "good"),
            ("resting", "circuit open"),
            ("unusable", "cannot be used"),
        ],
        none,
    })
}

fn lines(store: &Store, now: i64) -> Result<Vec<Line>, StoreError> {
    let mut faults = store.endpoint_faults()?;
    let mut models: HashMap<i64, usize> = HashMap::new();
    for model in store.virtual_models()? {
        *models.entry(model.endpoint_id).or_default() += 1;
    }
    let mut circuits: HashMap<i64, Vec<CircuitRow>> = HashMap::new();
    for circuit in store.circuits()? {
        circuits
            .entry(circuit.endpoint_id)
            .or_default()
            .push(circuit);
    }
    let mut checks: HashMap<i64, HealthCheckRow> = HashMap::new();
    for check in store.health_checks()? {
        checks.insert(check.endpoint_id, check);
    }
    let p50 = store.endpoint_medians(now - 24 * 3600, now)?;
    let rows = shown::endpoints(store)?.into_iter().map(|row| {
        let own = circuits.remove(&row.id).unwrap_or_default();
        let newest = own.iter().max_by_key(|circuit| circuit.opened_at);
        Line {
            kind: kinds::label(&row.endpoint_type).to_owned(),
            models: models.get(&row.id).copied().unwrap_or(0),
            p50: p50.get(&row.id).copied(),
            last_error: newest.and_then(|circuit| circuit.last_error.clone()),
            state: state(faults.remove(&row.id), &own, now),
            health: checks
                .remove(&row.id)
                .filter(|_| row.health_check_url.is_some()),
            row,
        }
    });
    Ok(rows.collect())
}

fn state(fault: Option<String>, circuits: &[CircuitRow], now: i64) -> State {
    if let Some(why) = fault {
        return State::Unusable(why);
    }
    let open = circuits.iter().filter(|circuit| now < circuit.open_until);
    match open.clone().map(|circuit| circuit.open_until).max() {
        Some(until) => State::Resting {
            circuits: open.count(),
            until,
        },
        None if circuits.is_empty() => State::Good,
        None => State::Trying,
    }
}

fn matches(list: &List, line: &Line) -> bool {
    let enabled = line.row.enabled.to_string();
    let is =
        |filter: &str, value: &str| list.filter(filter).is_empty() || list.filter(filter) == value;
    (list.finds("q", &line.row.name) || list.finds("q", &line.row.url))
        && is("type", &line.row.endpoint_type)
        && is("enabled", &enabled)
        && is("state", line.state.id())
}

fn order(sort: &str, a: &Line, b: &Line) -> Ordering {
    let by = match sort {
        "url" => a.row.url.cmp(&b.row.url),
        "type" => a.kind.cmp(&b.kind),
        "priority" => a.row.priority.cmp(&b.row.priority),
        "enabled" => a.row.enabled.cmp(&b.row.enabled),
        "models" => a.models.cmp(&b.models),
        "p50" => a.p50.cmp(&b.p50),
        _ => Ordering::Equal,
    };
    by.then_with(|| a.row.name.to_lowercase().cmp(&b.row.name.to_lowercase()))
}
