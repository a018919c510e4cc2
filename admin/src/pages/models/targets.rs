//! The targets of a virtual model's routing as lines of a form: a place, a name, a weight.
//!
//! They are ordered by their places, so that no script is needed; a line without a name is
//! no target.

use std::collections::HashMap;

use serde_json::{Value, json};
use store::RouteTarget;

use crate::pages::form::Posted;

/// The field that they are of.
pub(super) const FIELD: &str = "routing.targets";

/// Empty lines below the last target.
const SPARE: usize = 3;

/// A line.
pub(super) struct Line {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) weight: String,
}

/// The lines of stored targets; one whose virtual model is gone keeps its id.
pub(super) fn of_row(targets: &[RouteTarget], names: &HashMap<i64, String>) -> Vec<Line> {
    let line = |target: &RouteTarget| Line {
        place: String::new(),
        name: names
            .get(&target.virtual_model_id)
            .map_or_else(|| format!("#{}", target.virtual_model_id), Clone::clone),
        weight: target.weight.to_string(),
    };
    numbered(targets.iter().map(line).collect())
}

/// The lines as they were sent, in their new order.
pub(super) fn of_form(posted: &Posted) -> Vec<Line> {
    let column = |name| posted.all(name).map(|text| text.trim().to_owned());
    let columns = column("target_place").zip(column("target_name"));
    let lines = columns.zip(column("target_weight"));
    let mut lines: Vec<Line> = lines
        .map(|((place, name), weight)| Line {
            place,
            name,
            weight,
        })
        .filter(|line| !line.name.is_empty())
        .collect();
    // One without a place comes last.
    lines.sort_by_key(|line| line.place.parse().unwrap_or(i64::MAX));
    numbered(lines)
}

fn numbered(mut lines: Vec<Line>) -> Vec<Line> {
    for _ in 0..SPARE {
        lines.push(Line {
            place: String::new(),
            name: String::new(),
            weight: String::new(),
        });
    }
    for (line, place) in lines.iter_mut().zip(1..) {
        line.place = (place * 10).to_string();
    }
    lines
}

/// The lines as one text, to be compared.
pub(super) fn in_words(lines: &[Line]) -> String {
    let named = lines.iter().filter(|line| !line.name.is_empty());
    let words = named.map(|line| format!("{} (weight {})", line.name, line.weight));
    words.collect::<Vec<_>>().join(", ")
}

/// The list for the draft.
///
/// # Errors
/// Names that no virtual model has.
pub(super) fn list(lines: &[Line], ids: &HashMap<&str, i64>) -> Result<Value, String> {
    let mut list = Vec::new();
    for line in lines.iter().filter(|line| !line.name.is_empty()) {
        let kept = line.name.strip_prefix('#').and_then(|id| id.parse().ok());
        let Some(id) = ids.get(line.name.as_str()).copied().or(kept) else {
            return Err(format!("there is no virtual model named {:?}", line.name));
        };
        list.push(json!({ "virtual_model_id": id, "weight": line.weight }));
    }
    Ok(Value::Array(list))
}
