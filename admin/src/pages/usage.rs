//! Usage and cost of a range: figures, charts, and what they are made up of. Everything is
//! in the address, so that a view can be kept and sent on.

mod filter;
mod line;
mod reprice;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{Names, UsageView};

use super::chart::{Columns, Given, Rows};
use super::section::Section;
use super::shell::Shell;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
use crate::shown::duration;
pub(super) use filter::now;
use filter::{Filter, Measure};
use line::{Line, share};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(Section::Usage.path(), "GET, HEAD")
            .route(web::get().to(usage))
            .route(web::head().to(usage)),
    );
    reprice::routes(cfg);
}

/// Lines of a table that are shown unless all are asked for.
const LINES: usize = 50;

/// Virtual models in the chart.
const CHARTED: usize = 10;

/// Virtual models without a price that are named.
const NAMED: usize = 5;

#[derive(Template)]
#[template(path = "usage/index.html")]
struct Usage {
    shell: Shell,
    filter: Filter,
    names: Names,
    whole: Line,
    /// Milliseconds of 50, 95 and 99 % of the calls, and until their first token.
    latency: [Option<u64>; 3],
    ttft: [Option<u64>; 3],
    spans: Vec<Line>,
    models: Vec<Line>,
    endpoints: Vec<Line>,
    keys: Vec<Line>,
    /// Lines by virtual model that are not shown.
    more_models: usize,
    columns: Columns,
    rows: Option<Rows>,
    /// Virtual models with calls that have no price.
    unpriced: Vec<String>,
}

impl Usage {
    fn new(shell: Shell, filter: Filter, names: Names, view: &UsageView) -> Self {
        let whole = Line::of(String::new(), &view.whole);
        let measure = filter.measure_of(&view.whole);
        let spread = |times: &store::Histogram| [50, 95, 99].map(|part| times.percentile(part));
        let mut models = named(view.models.iter().map(|(name, line)| (name.clone(), line)));
        let unpriced = models.iter().filter(|line| line.unpriced > 0);
        let unpriced = unpriced.take(NAMED).map(|line| line.name.clone());
        let unpriced = unpriced.collect();
        let more_models = if filter.all {
            0
        } else {
            models.len().saturating_sub(LINES)
        };
        models.truncate(models.len() - more_models);
        Self {
            latency: spread(&view.whole.latency),
            ttft: spread(&view.whole.ttft),
            spans: spans(view, &filter),
            endpoints: named(view.endpoints.iter().map(label)),
            keys: named(view.keys.iter().map(label)),
            columns: columns(view, &filter, measure),
            rows: rows(view, measure),
            more_models,
            models,
            unpriced,
            whole,
            shell,
            filter,
            names,
        }
    }

    /// Whether there is nothing to show.
    fn is_empty(&self) -> bool {
        self.whole.calls == 0 && self.whole.total == 0
    }

    fn span_caption(&self) -> String {
        format!("Usage by {}, the newest first", self.filter.span_word())
    }

    fn time(&self, ms: &Option<u64>) -> String {
        ms.map_or("–".to_owned(), duration)
    }
}

fn label(((_, name), totals): &((i64, String), store::Totals)) -> (String, &store::Totals) {
    (name.clone(), totals)
}

fn named<'v>(lines: impl Iterator<Item = (String, &'v store::Totals)>) -> Vec<Line> {
    lines
        .filter(|(_, totals)| **totals != store::Totals::default())
        .map(|(name, totals)| Line::of(name, totals))
        .collect()
}

/// The spans, the newest first.
fn spans(view: &UsageView, filter: &Filter) -> Vec<Line> {
    let lines = view.spans.iter().rev();
    lines
        .map(|(start, totals)| Line::of(filter.span_name(&view.zone, *start), totals))
        .collect()
}

fn columns(view: &UsageView, filter: &Filter, measure: Measure) -> Columns {
    let given = view.spans.iter().map(|(start, totals)| {
        let parts = measure.parts(totals);
        let names = measure.part_names();
        let told = names.iter().zip(&parts);
        let told: Vec<_> = told
            .map(|(name, part)| format!("{name} {}", measure.say(*part)))
            .collect();
        Given {
            label: filter.span_label(&view.zone, *start),
            told: told.join(", "),
            parts,
        }
    });
    let title = format!("{} by {}", measure.name(), filter.span_word());
    Columns::new(
        "chart-spans",
        title,
        measure.part_names(),
        given.collect(),
        |value| measure.say(value),
    )
}

fn rows(view: &UsageView, measure: Measure) -> Option<Rows> {
    let mut lines: Vec<_> = view
        .models
        .iter()
        .map(|(name, totals)| (name.clone(), measure.whole(totals)))
        .filter(|(_, value)| *value > 0)
        .collect();
    if lines.is_empty() {
        return None;
    }
    lines.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let all = measure.whole(&view.whole);
    let given = lines.into_iter().take(CHARTED).map(|(name, value)| {
        let text = format!("{} ({})", measure.say(value), share(value, all));
        (name, value, text)
    });
    let title = format!("{} by virtual model", measure.name());
    Some(Rows::new("chart-models", title, given))
}

async fn usage(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let shell = Shell::of(&req, Section::Usage);
    let filter = Filter::read(req.query_string(), shell.zone());
    let query = filter.query.clone();
    let by_hour = filter.by_hour;
    let (view, names) = admin
        .on_store(move |store| Ok((store.usage_view(&query, by_hour)?, store.names()?)))
        .await?;
    super::page(&Usage::new(shell, filter, names, &view))
}
