//! The list of tool patterns.

use std::cmp::Ordering;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{Store, StoreError};
use wire::normaliser::{BUILTINS, Builtin, Form};

use super::shipped::{Source, builtin};
use crate::admin::Admin;
use crate::api::tool_patterns::{Counted, counted};
use crate::error::ApiError;
use crate::pages::list::{List, Listed};
use crate::pages::section::Section;
use crate::pages::shell::Shell;

#[derive(Template)]
#[template(path = "patterns/list.html")]
struct Patterns {
    shell: Shell,
    tab: &'static str,
    list: List,
    listed: Listed<Line>,
    types: Vec<(&'static str, &'static str)>,
    sources: [(&'static str, &'static str); 3],
    /// Built-in patterns that were deleted.
    gone: Vec<&'static Builtin>,
    none: bool,
}

struct Line {
    pattern: Counted,
    source: Source,
    /// Who writes so, of a built-in.
    about: &'static str,
}

impl Line {
    /// Why candidates stayed text, and how often.
    fn reasons(&self) -> String {
        let reasons = self.pattern.counts.refusal_reasons.iter();
        let reasons: Vec<_> = reasons
            .map(|(reason, count)| format!("{reason}: {count}"))
            .collect();
        reasons.join(", ")
    }
}

const SORTS: [&str; 8] = [
    "-priority",
    "name",
    "type",
    "source",
    "hits",
    "repairs",
    "refusals",
    "enabled",
];

pub(super) async fn page(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let lines = admin.on_store(lines).await?;
    let list = List::of(&req, &SORTS, &["q", "type", "source", "enabled"]);
    let has = |name| {
        let mut rows = lines.iter().map(|line| &line.pattern.row);
        rows.any(|row| row.builtin.as_deref() == Some(name))
    };
    let gone = BUILTINS.iter().filter(|builtin| !has(builtin.name));
    let gone = gone.collect();
    let none = lines.is_empty();
    let found = lines.into_iter().filter(|line| matches(&list, line));
    let found = found.collect();
    let sort = list.sort();
    let (list, listed) = list.page_of(found, |a, b| order(sort, a, b));
    crate::pages::page(&Patterns {
        shell: Shell::of(&req, Section::Patterns),
        tab: "list",
        list,
        listed,
        types: Form::ALL.map(|form| (form.id(), form.id())).into(),
        sources: Source::ALL.map(|source| (source.name(), source.name())),
        gone,
        none,
    })
}

fn lines(store: &Store) -> Result<Vec<Line>, StoreError> {
    let line = |pattern: Counted| Line {
        source: Source::of(&pattern.row),
        about: builtin(&pattern.row).map_or("", |builtin| builtin.about),
        pattern,
    };
    Ok(counted(store)?.into_iter().map(line).collect())
}

fn matches(list: &List, line: &Line) -> bool {
    let row = &line.pattern.row;
    let is =
        |filter: &str, value: &str| list.filter(filter).is_empty() || list.filter(filter) == value;
    (list.finds("q", &row.pattern_name) || list.finds("q", &row.regex_pattern))
        && is("type", &row.pattern_type)
        && is("source", line.source.name())
        && is("enabled", &row.enabled.to_string())
}

fn order(sort: &str, a: &Line, b: &Line) -> Ordering {
    let (row, other) = (&a.pattern.row, &b.pattern.row);
    let (counts, others) = (&a.pattern.counts, &b.pattern.counts);
    let by = match sort {
        "priority" => row.priority.cmp(&other.priority),
        "type" => row.pattern_type.cmp(&other.pattern_type),
        "source" => a.source.cmp(&b.source),
        "hits" => counts.hits.cmp(&others.hits),
        "repairs" => counts.repairs.cmp(&others.repairs),
        "refusals" => counts.refusals.cmp(&others.refusals),
        "enabled" => row.enabled.cmp(&other.enabled),
        _ => Ordering::Equal,
    };
    by.then_with(|| row.pattern_name.cmp(&other.pattern_name))
}
