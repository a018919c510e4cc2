//! Names that would be there twice.

use serde_json::{Map, Value};

use super::Incoming;
use super::take::text;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::store::Store;

/// Refuses rows whose names are there already.
///
/// # Errors
/// [`StoreError::Invalid`] with every such name.
pub(super) fn refuse(store: &Store, incoming: &Incoming) -> Result<(), StoreError> {
    let mut clashes = FieldErrors::new();
    let endpoints = store.endpoints()?.into_iter().map(|row| row.name);
    clash(
        &mut clashes,
        "endpoints",
        &endpoints.collect::<Vec<_>>(),
        names(&incoming.endpoints, "name"),
    );
    let models = store.virtual_models()?.into_iter().map(|row| row.name);
    clash(
        &mut clashes,
        "virtual models",
        &models.collect::<Vec<_>>(),
        names(&incoming.virtual_models, "name"),
    );
    let patterns = store
        .tool_patterns()?
        .into_iter()
        .map(|row| row.pattern_name);
    let coming = incoming.patterns.iter().filter_map(|row| {
        row.get("pattern_name")
            .and_then(Value::as_str)
            .map(str::to_owned)
    });
    clash(
        &mut clashes,
        "tool patterns",
        &patterns.collect::<Vec<_>>(),
        coming.collect(),
    );
    let keys = store.inbound_keys()?.into_iter().map(|row| row.label);
    let coming = incoming
        .keys
        .iter()
        .filter_map(|key| text(&key.fields, "label"));
    clash(
        &mut clashes,
        "keys",
        &keys.collect::<Vec<_>>(),
        coming.collect(),
    );
    let stored = store.settings()?;
    let differing = incoming.settings.iter().filter(|(name, value)| {
        let is = stored.get(*name);
        is.is_some_and(|is| value.as_str().is_some_and(|coming| coming != is))
    });
    let differing: Vec<_> = differing.map(|(name, _)| name.clone()).collect();
    clash(&mut clashes, "settings", &differing.clone(), differing);
    clashes.into_result(()).map_err(StoreError::from)
}

/// Notes the names that are on both sides.
fn clash(clashes: &mut FieldErrors, kind: &str, here: &[String], coming: Vec<String>) {
    let mut both: Vec<_> = coming
        .into_iter()
        .filter(|name| here.contains(name))
        .collect();
    both.sort_unstable();
    both.dedup();
    if !both.is_empty() {
        let names: Vec<_> = both.iter().map(|name| format!("{name:?}")).collect();
        clashes.add(kind, format!("there already: {}", names.join(", ")));
    }
}

fn names(rows: &[Map<String, Value>], field: &str) -> Vec<String> {
    rows.iter().filter_map(|row| text(row, field)).collect()
}
