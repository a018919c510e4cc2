//! The first page: whether all is well, the last day in figures, and what is to be done
//! next.

mod course;
mod steps;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{
    AuditQuery, AuditRow, CircuitRow, EndpointRow, GatewayStatus, HealthCheckRow, Problem,
};

use super::activity::Entry;
use super::gateway_address::Known;
use super::section::Section;
use super::shell::Shell;
use super::usage::now;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
use crate::shown;
use course::Figure;
use steps::Steps;

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    for path in ["/", Section::Overview.path()] {
        cfg.service(
            resource(path, "GET, HEAD")
                .route(web::get().to(overview))
                .route(web::head().to(overview)),
        );
    }
}

/// Failures that are shown.
const FAILURES: u32 = 8;

/// Changes that are shown.
const CHANGES: usize = 5;

#[derive(Template)]
#[template(path = "overview/index.html")]
struct Overview {
    shell: Shell,
    steps: Steps,
    gateways: Vec<Gateway>,
    /// The revision of the store.
    revision: i64,
    problems: Vec<Problem>,
    figures: Vec<Figure>,
    endpoints: Vec<Endpoint>,
    failures: Vec<Entry>,
    /// What people have changed, the newest first.
    changes: Vec<AuditRow>,
}

struct Gateway {
    status: GatewayStatus,
    is_alive: bool,
}

struct Endpoint {
    row: EndpointRow,
    circuits: Vec<Circuit>,
    /// What the last look at its health found, where it is looked at.
    health: Option<HealthCheckRow>,
}

struct Circuit {
    row: CircuitRow,
    is_open: bool,
}

impl Endpoint {
    /// What its badge says, and its class.
    fn state(&self) -> (&'static str, &'static str) {
        if self.row.enabled == 0 {
            return ("off", "");
        }
        if self.circuits.iter().any(|circuit| circuit.is_open) {
            return ("circuit open", "bad");
        }
        if self.health.as_ref().is_some_and(|check| !check.is_well) {
            return ("not well", "bad");
        }
        if self.circuits.is_empty() {
            ("good", "good")
        } else {
            ("trying again", "warn")
        }
    }
}

async fn overview(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let now = now();
    let (gateway, revision, known) = admin
        .on_store(|store| Ok((Known::read(store)?, store.revision()?, store.names()?)))
        .await?;
    let problems = admin.problems(revision).await?;
    let (endpoints, circuits, checks, view, failures, first, changes) = admin
        .on_store(move |store| {
            Ok((
                shown::endpoints(store)?,
                store.circuits()?,
                store.health_checks()?,
                store.usage_course(now - 23 * 3600, now)?,
                store.recent_failures(FAILURES)?,
                store.recent_calls(1)?,
                store
                    .audit(&AuditQuery {
                        limit: CHANGES,
                        ..AuditQuery::default()
                    })?
                    .0,
            ))
        })
        .await?;
    let (address, _) = gateway.base(&admin, &req);
    let steps = Steps::new(&known, !first.is_empty(), &address);
    let endpoints = endpoints.into_iter().map(|row| {
        let own = circuits
            .iter()
            .filter(|circuit| circuit.endpoint_id == row.id);
        let own = own.map(|circuit| Circuit {
            is_open: circuit.open_until > now,
            row: circuit.clone(),
        });
        let own_check = checks
            .iter()
            .find(|check| check.endpoint_id == row.id && row.health_check_url.is_some());
        Endpoint {
            circuits: own.collect(),
            health: own_check.cloned(),
            row,
        }
    });
    let mut endpoints: Vec<_> = endpoints.collect();
    // What needs a look stands first.
    endpoints.sort_by_key(|endpoint| endpoint.state().1 != "bad" && endpoint.circuits.is_empty());
    let gateways = gateway.gateways.into_iter().map(|status| Gateway {
        is_alive: status.is_alive(now),
        status,
    });
    super::page(&Overview {
        shell: Shell::of(&req, Section::Overview),
        steps,
        gateways: recent(gateways),
        revision,
        problems,
        figures: course::figures(&view),
        endpoints,
        failures: failures.into_iter().map(Entry::new).collect(),
        changes,
    })
}

/// Those that are alive, or the last one that was.
fn recent(gateways: impl Iterator<Item = Gateway>) -> Vec<Gateway> {
    let mut all: Vec<_> = gateways.collect();
    let alive = all.iter().filter(|gateway| gateway.is_alive).count();
    all.sort_by_key(|gateway| !gateway.is_alive);
    all.truncate(alive.max(1));
    all
}
