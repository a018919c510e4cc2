//! Charts as SVG, drawn on the server: numbers in, coordinates out.
//!
//! A chart is looked at and not read: each has its figures in a table beside it, and no
//! colour says what words do not. Nothing is styled inline; colours are classes.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::shown;

/// The drawing of [`Columns`], in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Labels under the columns at most, so that they do not run into each other.
const LABELS: usize = 8;

/// Upright columns, one a span of time, each of one or several parts.
#[derive(Debug, Template)]
#[template(path = "parts/columns.html")]
pub(crate) struct Columns {
    id: &'static str,
    title: String,
    legend: Vec<Part>,
    columns: Vec<Column>,
    lines: Vec<Line>,
}

impl HtmlSafe for Columns {}

/// What a part of each column stands for.
#[derive(Debug)]
struct Part {
    class: &'static str,
    name: &'static str,
}

#[derive(Debug)]
struct Column {
    /// The middle.
    middle: String,
    /// What is told when it is pointed at.
    told: String,
    /// Under it; empty where there is no room.
    label: String,
    bars: Vec<Bar>,
}

#[derive(Debug)]
struct Bar {
    class: &'static str,
    x: String,
    y: String,
    width: String,
    height: String,
}

/// A line across, with what it stands for.
#[derive(Debug)]
struct Line {
    y: String,
    text_y: String,
    text: String,
}

/// The classes of parts, in their order.
const CLASSES: [&str; 4] = ["p0", "p1", "p2", "p3"];

/// One column to be drawn.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) label: String,
    /// The figures in words.
    pub(crate) told: String,
    /// As many as there are names of parts.
    pub(crate) parts: Vec<i64>,
}

impl Columns {
    /// A chart of `given`, whose figures `say` puts into words. `id` is the element's.
    pub(crate) fn new(
        id: &'static str,
        title: String,
        names: &[&'static str],
        given: Vec<Given>,
        say: impl Fn(i64) -> String,
    ) -> Self {
        let highest = given.iter().map(|column| sum(&column.parts)).max();
        let top = round_up(highest.unwrap_or(0));
        let ground = HEIGHT - BOTTOM;
        let reach = ground - TOP;
        let scale = |value: i64| share(value, top) * reach;
        let room = (WIDTH - LEFT) / float(given.len().max(1));
        let width = (room * 0.8).min(48.0);
        let every = given.len().div_ceil(LABELS).max(1);
        let columns = given.into_iter().enumerate().map(|(at, column)| {
            let middle = LEFT + room * (float(at) + 0.5);
            let mut y = ground;
            let mut bars = Vec::new();
            for (value, class) in column.parts.iter().zip(CLASSES) {
                let height = scale((*value).max(0));
                if height <= 0.0 {
                    continue;
                }
                y -= height;
                bars.push(Bar {
                    class,
                    x: place(middle - width / 2.0),
                    y: place(y),
                    width: place(width),
                    height: place(height),
                });
            }
            Column {
                middle: place(middle),
                told: format!("{}: {}", column.label, column.told),
                label: if at % every == 0 {
                    column.label
                } else {
                    String::new()
                },
                bars,
            }
        });
        let lines = [0, top / 2, top].map(|value| {
            let y = ground - scale(value);
            Line {
                y: place(y),
                text_y: place(y + 4.0),
                text: say(value),
            }
        });
        let legend = names.iter().zip(CLASSES);
        Self {
            id,
            title,
            columns: columns.collect(),
            lines: if top > 0 { lines.into() } else { Vec::new() },
            legend: legend.map(|(name, class)| Part { class, name }).collect(),
        }
    }
}

/// Lying bars, one a name, the longest first.
#[derive(Debug, Template)]
#[template(path = "parts/rows.html")]
pub(crate) struct Rows {
    id: &'static str,
    title: String,
    height: usize,
    rows: Vec<Row>,
}

impl HtmlSafe for Rows {}

#[derive(Debug)]
struct Row {
    name: String,
    /// Cut to what there is room for.
    short: String,
    text: String,
    text_y: usize,
    bar_y: usize,
    width: String,
}

/// Height of one row.
const ROW: usize = 36;

impl Rows {
    /// A chart of names, each with its figure and that in words.
    pub(crate) fn new(
        id: &'static str,
        title: String,
        given: impl Iterator<Item = (String, i64, String)>,
    ) -> Self {
        let given: Vec<_> = given.collect();
        let longest = given.iter().map(|(_, value, _)| *value).max().unwrap_or(0);
        let rows = given.into_iter().enumerate();
        let rows: Vec<_> = rows
            .map(|(at, (name, value, text))| Row {
                short: shown::visible(&name, 70),
                name: shown::visible(&name, usize::MAX),
                text,
                text_y: at * ROW + 14,
                bar_y: at * ROW + 19,
                width: place((share(value, longest) * WIDTH).max(1.0)),
            })
            .collect();
        Self {
            id,
            title,
            height: (rows.len() * ROW).max(1),
            rows,
        }
    }
}

/// A small line without axes beside a figure that says the same in words.
#[derive(Debug, Template)]
#[template(path = "parts/spark.html")]
pub(crate) struct Spark {
    points: String,
}

impl HtmlSafe for Spark {}

impl Spark {
    /// The line through `values`, the oldest first.
    pub(crate) fn new(values: &[i64]) -> Self {
        let highest = values.iter().copied().max().unwrap_or(0);
        let step = 100.0 / float(values.len().saturating_sub(1).max(1));
        let points = values.iter().enumerate().map(|(at, value)| {
            let y = 29.0 - share((*value).max(0), highest) * 28.0;
            format!("{},{}", place(step * float(at)), place(y))
        });
        Self {
            points: points.collect::<Vec<_>>().join(" "),
        }
    }
}

fn sum(parts: &[i64]) -> i64 {
    parts
        .iter()
        .fold(0, |sum: i64, part| sum.saturating_add((*part).max(0)))
}

/// The next number with one or two telling digits, even in its first.
fn round_up(value: i64) -> i64 {
    if value <= 2 {
        return if value <= 0 { 0 } else { 2 };
    }
    let mut unit: i64 = 1;
    while value / unit >= 10 {
        unit = unit.saturating_mul(10);
    }
    let steps = [2, 4, 6, 8, 10].map(|step: i64| step.saturating_mul(unit));
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing is exact to a tenth of a unit, and there are a few hundred columns"
)]
fn share(part: i64, whole: i64) -> f64 {
    if whole <= 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred columns")]
fn float(count: usize) -> f64 {
    count as f64
}

/// A coordinate to a tenth of a unit.
fn place(at: f64) -> String {
    let text = format!("{at:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use askama::Template as _;

    use super::{Columns, Given, Rows, Spark, round_up};

    fn given(label: &str, parts: &[i64]) -> Given {
        Given {
            label: label.to_owned(),
            told: format!("{parts:?}"),
            parts: parts.to_vec(),
        }
    }

    #[test]
    fn columns_reach_as_high_as_their_share() {
        let chart = Columns::new(
            "c",
            "Cost <day>".to_owned(),
            &["in", "out"],
            vec![
                given("a", &[10, 5]),
                given("b&c", &[0, 20]),
                given("d", &[0, 0]),
            ],
            |value| format!("{value} $"),
        );
        let svg = chart.render().unwrap();
        // 186 units are 20.
        for part in [
            "id=\"c\"",
            "Cost &#60;day&#62;",
            "height=\"93\"",
            "height=\"46.5\"",
            "height=\"186\"",
            ">20 $</text>",
            ">10 $</text>",
            "b&#38;c: [0, 20]",
            "class=\"p1\"",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert_eq!(svg.matches(" width=\"48\"").count(), 3, "{svg}");
        assert!(!svg.contains("style"), "{svg}");
        assert!(!svg.contains("<day>"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let chart = Columns::new("c", "t".to_owned(), &["in"], Vec::new(), |_| String::new());
        assert!(!chart.render().unwrap().contains("<rect"));
        assert!(
            !Rows::new("r", "t".to_owned(), std::iter::empty())
                .render()
                .unwrap()
                .contains("<rect")
        );
        assert!(!Spark::new(&[]).render().unwrap().contains("NaN"));
        assert!(!Spark::new(&[0, 0]).render().unwrap().contains("NaN"));
        assert!(!Spark::new(&[7]).render().unwrap().contains("NaN"));
    }

    #[test]
    fn few_columns_of_many_are_labelled() {
        let columns = (0..31).map(|n| given(&format!("day{n}"), &[1])).collect();
        let svg = Columns::new("c", "t".to_owned(), &["in"], columns, |_| String::new())
            .render()
            .unwrap();
        assert_eq!(
            svg.matches(">day").count(),
            8 + 31,
            "labels and titles: {svg}"
        );
    }

    #[test]
    fn the_top_is_a_round_number_that_halves() {
        for (value, top) in [
            (-4, 0),
            (0, 0),
            (1, 2),
            (3, 4),
            (10, 20),
            (19, 20),
            (81, 100),
            (999, 1000),
            (i64::MAX, i64::MAX),
        ] {
            assert_eq!(round_up(value), top, "{value}");
        }
    }

    #[test]
    fn rows_are_as_long_as_their_share() {
        let rows = [
            ("<b>".to_owned(), 40, "40".to_owned()),
            ("x".to_owned(), 10, "10".to_owned()),
        ];
        let svg = Rows::new("r", "t".to_owned(), rows.into_iter())
            .render()
            .unwrap();
        assert!(
            svg.contains("width=\"720\"") && svg.contains("width=\"180\""),
            "{svg}"
        );
        assert!(svg.contains("&#60;b&#62;") && !svg.contains("<b>"), "{svg}");
    }
}
