//! The last 24 hours as figures with a line each.

use store::{Sum, Totals, UsageView};

use crate::pages::chart::Spark;
use crate::shown::{duration, grouped, money};

/// A figure and its course.
pub(super) struct Figure {
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) spark: Spark,
}

/// The figures of a day, hour by hour.
pub(super) fn figures(view: &UsageView) -> Vec<Figure> {
    let whole = &view.whole;
    let spark = |value: &dyn Fn(&Totals) -> i64| {
        let values: Vec<_> = view.spans.iter().map(|(_, totals)| value(totals)).collect();
        Spark::new(&values)
    };
    let middle = |totals: &Totals| {
        let middle = totals.latency.percentile(50).unwrap_or(0);
        i64::try_from(middle).unwrap_or(i64::MAX)
    };
    let sum = |id, label, sum| Figure {
        id,
        label,
        value: grouped(whole.get(sum)),
        spark: spark(&move |totals| totals.get(sum)),
    };
    vec![
        sum("calls", "Calls", Sum::Requests),
        sum("tokens", "Tokens", Sum::Total),
        Figure {
            id: "cost",
            label: "Cost",
            value: money(whole.cost()),
            spark: spark(&Totals::cost),
        },
        sum("errors", "Failed calls", Sum::Failed),
        Figure {
            id: "latency",
            label: "Time of a call (p50)",
            value: whole
                .latency
                .percentile(50)
                .map_or("–".to_owned(), duration),
            spark: spark(&middle),
        },
    ]
}
