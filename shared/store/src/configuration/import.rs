//! Taking a document: every row in one transaction, so that one which is refused, however
//! late, leaves nothing behind. What is wrong is named by its path, such as
//! `endpoints[2].url`, and all of it at once.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{FORMAT, Imported, VERSION, targets_of};
use crate::endpoint::EndpointDraft;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::inbound_key::InboundKeyDraft;
use crate::pattern_import::PatternImport;
use crate::secret::MASK;
use crate::setting::SettingsDraft;
use crate::store::Store;
use crate::transfer::Existing;
use crate::virtual_model::VirtualModelDraft;

/// What a document may have.
const KNOWN: [&str; 7] = [
    "format",
    "version",
    "settings",
    "endpoints",
    "virtual_models",
    "patterns",
    "keys",
];

type Row = Map<String, Value>;

/// Takes a document. With `trial` everything is done and then undone.
///
/// # Errors
/// [`StoreError::Invalid`] for everything that is wrong with it, or what the store fails
/// with. Nothing is written then.
pub fn import(
    store: &Store,
    document: &Value,
    existing: Existing,
    trial: bool,
) -> Result<Imported, StoreError> {
    let mut errors = FieldErrors::new();
    if document.get("format") != Some(&json!(FORMAT)) {
        errors.add(
            "format",
            format!("must be {FORMAT:?}: this is another kind of file"),
        );
    } else if document.get("version").and_then(Value::as_u64) != Some(VERSION) {
        errors.add("version", format!("must be {VERSION}"));
    }
    errors.into_result(()).map_err(StoreError::from)?;
    let document = &less_existing(store, document, existing)?;
    let mut tried = None;
    let outcome = store.all_or_nothing(|store| {
        let mut import = Import {
            store,
            done: Imported::default(),
            errors: FieldErrors::new(),
            refused: HashSet::new(),
        };
        import.unknown(document);
        let rows = |list: &str, errors: &mut FieldErrors| list_of(document, list, errors);
        let endpoints = rows("endpoints", &mut import.errors);
        import.endpoints(&endpoints)?;
        let models = rows("virtual_models", &mut import.errors);
        import.models(&models)?;
        if let Some(patterns) = document.get("patterns") {
            import.patterns(patterns)?;
        }
        let keys = rows("keys", &mut import.errors);
        import.keys(&keys)?;
        if let Some(settings) = document.get("settings") {
            import.settings(settings)?;
        }
        import.errors.into_result(()).map_err(StoreError::from)?;
        if trial {
            tried = Some(import.done);
            // Any failure undoes it all.
            return Err(FieldErrors::new().into());
        }
        Ok(import.done)
    });
    match tried {
        Some(done) => Ok(done),
        None => outcome,
    }
}

/// The document without rows whose names are there already, when they are to stay.
///
/// # Errors
/// With [`Existing::Refuse`], every such name.
fn less_existing(store: &Store, document: &Value, existing: Existing) -> Result<Value, StoreError> {
    let mut document = document.clone();
    if existing == Existing::Replace {
        return Ok(document);
    }
    let mut errors = FieldErrors::new();
    let endpoints: Vec<_> = store.endpoints()?.into_iter().map(|row| row.name).collect();
    let models: Vec<_> = store
        .virtual_models()?
        .into_iter()
        .map(|row| row.name)
        .collect();
    let patterns = store
        .tool_patterns()?
        .into_iter()
        .map(|row| row.pattern_name)
        .collect();
    let aliases = store.tool_aliases()?.into_iter();
    let aliases: Vec<_> = aliases
        .map(|row| row.tool_name + " " + &row.parameter)
        .collect();
    let keys: Vec<_> = store
        .inbound_keys()?
        .into_iter()
        .map(|row| row.label)
        .collect();
    let settings = store.settings()?;
    let here: [(&[&str], &[&str], Vec<String>); 5] = [
        (&["endpoints"], &["name"], endpoints),
        (&["virtual_models"], &["name"], models),
        (&["patterns", "patterns"], &["pattern_name"], patterns),
        (
            &["patterns", "aliases"],
            &["tool_name", "parameter"],
            aliases,
        ),
        (&["keys"], &["label"], keys),
    ];
    for (path, fields, names) in here {
        let list = path
            .iter()
            .try_fold(&mut document, |at, step| at.get_mut(*step));
        let Some(Value::Array(rows)) = list else {
            continue;
        };
        rows.retain(|row| {
            let texts: Option<Vec<&str>> = fields
                .iter()
                .map(|field| row.get(*field).and_then(Value::as_str))
                .collect();
            let Some(name) = texts.map(|texts| texts.join(" ")) else {
                return true;
            };
            let there = names.contains(&name);
            // Built-in patterns and aliases are there in every store.
            if there && existing == Existing::Refuse && path.len() == 1 {
                errors.add(format!("{} {name:?}", path.join(".")), "is there already");
            }
            !there
        });
    }
    if let Some(Value::Object(coming)) = document.get_mut("settings") {
        coming.retain(|name, value| match settings.get(name) {
            Some(is) if existing == Existing::Refuse && value.as_str() != Some(is) => {
                errors.add(format!("settings.{name}"), "is there already");
                false
            }
            Some(_) => false,
            None => true,
        });
    }
    errors.into_result(document).map_err(StoreError::from)
}

/// The rows of a list.
fn list_of(document: &Value, list: &str, errors: &mut FieldErrors) -> Vec<Row> {
    let Some(value) = document.get(list) else {
        return Vec::new();
    };
    let Some(rows) = value.as_array() else {
        errors.add(list, "must be a list of objects");
        return Vec::new();
    };
    let mut taken = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        match row.as_object() {
            Some(row) => taken.push(row.clone()),
            None => errors.add(format!("{list}[{place}]"), "must be an object"),
        }
    }
    // Places would no longer be those of the document.
    if taken.len() < rows.len() {
        taken.clear();
    }
    taken
}

/// A document on its way.
struct Import<'s> {
    store: &'s Store,
    done: Imported,
    errors: FieldErrors,
    /// Kind and name of rows that were refused: what refers to them is not to blame.
    refused: HashSet<(&'static str, String)>,
}

impl Import<'_> {
    fn unknown(&mut self, document: &Value) {
        let fields = document.as_object().into_iter().flat_map(Map::keys);
        for field in fields.filter(|field| !KNOWN.contains(&field.as_str())) {
            self.errors.add(field.clone(), "is not a known field");
        }
    }

    /// What came of the row at `path`; one that is refused is noted.
    ///
    /// # Errors
    /// What no row is to blame for.
    fn noted<T>(
        &mut self,
        path: &str,
        outcome: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::Invalid { fields }) => {
                for (field, why) in fields.iter() {
                    self.errors.add(format!("{path}.{field}"), why);
                }
                Ok(None)
            }
            Err(
                why @ (StoreError::Duplicate { .. }
                | StoreError::Missing { .. }
                | StoreError::HasModels { .. }
                | StoreError::Changed { .. }),
            ) => {
                self.errors.add(path, why.to_string());
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Notes a row whose name an earlier one has.
    fn refuse_twice(&mut self, list: &'static str, rows: &[Row], field: &str) {
        let mut seen = HashMap::new();
        for (place, row) in rows.iter().enumerate() {
            let name = text(row, field);
            if let Some(first) = seen.insert(name, place)
                && !name.is_empty()
            {
                let why = format!("is the same as in {list}[{first}]");
                self.errors.add(format!("{list}[{place}].{field}"), why);
            }
        }
    }

    fn endpoints(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        const LIST: &str = "endpoints";
        self.refuse_twice(LIST, rows, "name");
        let known = self.store.endpoints()?;
        for (place, row) in rows.iter().enumerate() {
            let name = text(row, "name");
            let outcome = match known.iter().find(|known| known.name == name) {
                Some(known) => {
                    let body = unmasked(row, known.custom_headers.as_deref());
                    EndpointDraft::for_update(&body)
                        .map_err(StoreError::from)
                        .and_then(|draft| self.store.update_endpoint(known.id, &draft))
                        .map(|()| false)
                }
                None => EndpointDraft::for_create(&unmasked(row, None))
                    .map_err(StoreError::from)
                    .and_then(|draft| self.store.create_endpoint(&draft))
                    .map(|_id| true),
            };
            match self.noted(&format!("{LIST}[{place}]"), outcome)? {
                Some(is_new) => self.count(is_new),
                None => drop(self.refused.insert((LIST, name.to_owned()))),
            }
        }
        Ok(())
    }

    fn count(&mut self, is_new: bool) {
        if is_new {
            self.done.created += 1;
        } else {
            self.done.changed += 1;
        }
    }

    fn models(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        const LIST: &str = "virtual_models";
        self.refuse_twice(LIST, rows, "name");
        let endpoints = self.store.endpoints()?.into_iter();
        let endpoints: HashMap<String, i64> = endpoints.map(|row| (row.name, row.id)).collect();
        let known = self.store.virtual_models()?;
        let mut ids: HashMap<String, i64> =
            known.iter().map(|row| (row.name.clone(), row.id)).collect();
        let mut routings = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let path = format!("{LIST}[{place}]");
            let mut row = row.clone();
            let name = text(&row, "name").to_owned();
            let endpoint = text(&row, "endpoint_name").to_owned();
            row.remove("endpoint_name");
            let routing = row.remove("routing");
            let known = known.iter().find(|known| known.name == name);
            match endpoints.get(&endpoint) {
                Some(id) => drop(row.insert("endpoint_id".to_owned(), json!(id))),
                None => {
                    self.refused.insert((LIST, name.clone()));
                    self.missing_endpoint(&path, &endpoint);
                    // What else is wrong with it does not hang on its endpoint.
                    row.insert("endpoint_id".to_owned(), json!(1));
                    let checked = VirtualModelDraft::for_create(&unmasked(&row, None));
                    self.noted(&path, checked.map_err(StoreError::from))?;
                    continue;
                }
            }
            let outcome = match known {
                Some(known) => {
                    let body = unmasked(&row, known.custom_headers.as_deref());
                    VirtualModelDraft::for_update(&body)
                        .map_err(StoreError::from)
                        .and_then(|draft| self.store.update_virtual_model(known.id, &draft))
                        .map(|()| (false, known.id))
                }
                None => VirtualModelDraft::for_create(&unmasked(&row, None))
                    .map_err(StoreError::from)
                    .and_then(|draft| self.store.create_virtual_model(&draft))
                    .map(|id| (true, id)),
            };
            match self.noted(&path, outcome)? {
                Some((is_new, id)) => {
                    self.count(is_new);
                    ids.insert(name, id);
                    routings.extend(routing.map(|routing| (path, id, routing)));
                }
                None => drop(self.refused.insert((LIST, name))),
            }
        }
        // Targets may be any of the models, so all of them are there first.
        for (path, id, routing) in routings {
            self.routing(&path, id, routing, &ids)?;
        }
        Ok(())
    }

    fn missing_endpoint(&mut self, path: &str, name: &str) {
        if !self.refused.contains(&("endpoints", name.to_owned())) {
            let why = format!("there is no endpoint named {name:?}");
            self.errors.add(format!("{path}.endpoint_name"), why);
        }
    }

    fn routing(
        &mut self,
        path: &str,
        id: i64,
        routing: Value,
        ids: &HashMap<String, i64>,
    ) -> Result<(), StoreError> {
        let mut body = Map::from_iter([("routing".to_owned(), routing)]);
        let mut all_there = true;
        for (place, target) in targets_of(&mut body).into_iter().flatten().enumerate() {
            // What is no object, the draft refuses.
            let Some(target) = target.as_object_mut() else {
                continue;
            };
            // An id would be one of another store.
            target.remove("virtual_model_id");
            let name = target.remove("virtual_model");
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
            if let Some(id) = ids.get(name) {
                target.insert("virtual_model_id".to_owned(), json!(id));
                continue;
            }
            all_there = false;
            if !self.refused.contains(&("virtual_models", name.to_owned())) {
                let why = format!("there is no virtual model named {name:?}");
                let path = format!("{path}.routing.targets[{place}].virtual_model");
                self.errors.add(path, why);
            }
        }
        if all_there {
            let outcome = VirtualModelDraft::for_update(&Value::Object(body))
                .map_err(StoreError::from)
                .and_then(|draft| self.store.update_virtual_model(id, &draft));
            self.noted(path, outcome)?;
        }
        Ok(())
    }

    fn patterns(&mut self, patterns: &Value) -> Result<(), StoreError> {
        let outcome = PatternImport::read(patterns)
            .map_err(StoreError::from)
            .and_then(|patterns| self.store.import_tool_patterns(&patterns));
        if let Some(report) = self.noted("patterns", outcome)? {
            self.done.created += report.patterns.created + report.aliases.created;
            self.done.changed += report.patterns.updated + report.aliases.updated;
        }
        Ok(())
    }

    fn keys(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        const LIST: &str = "keys";
        self.refuse_twice(LIST, rows, "label");
        let known = self.store.inbound_keys()?;
        for (place, row) in rows.iter().enumerate() {
            let label = text(row, "label");
            let draft = InboundKeyDraft::for_update(&Value::Object(row.clone()));
            let outcome = match known.iter().find(|known| known.label == label) {
                Some(known) => draft
                    .map_err(StoreError::from)
                    .and_then(|draft| self.store.update_inbound_key(known.id, &draft))
                    .map(|()| true),
                None => draft.map_err(StoreError::from).map(|_draft| false),
            };
            match self.noted(&format!("{LIST}[{place}]"), outcome)? {
                Some(true) => self.done.changed += 1,
                Some(false) => self.done.left_out.push(format!(
                    "key {label:?}: make it anew; a document holds no keys"
                )),
                None => {}
            }
        }
        Ok(())
    }

    fn settings(&mut self, settings: &Value) -> Result<(), StoreError> {
        let outcome = SettingsDraft::validate(settings)
            .map_err(StoreError::from)
            .and_then(|draft| self.store.save_settings(&draft));
        self.noted("settings", outcome)?;
        Ok(())
    }
}

fn text<'r>(row: &'r Row, field: &str) -> &'r str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The row with the stored values where masks are. Without one, as in a new row, there is
/// nothing that a mask could stand for.
fn unmasked(row: &Row, stored: Option<&str>) -> Value {
    let mut body = Value::Object(row.clone());
    let stored: Row = stored
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    if let Some(headers) = body
        .get_mut("custom_headers")
        .and_then(Value::as_object_mut)
    {
        headers.retain(|name, value| {
            if value.as_str() != Some(MASK) {
                return true;
            }
            stored.get(name).is_some_and(|kept| {
                *value = kept.clone();
                true
            })
        });
    }
    body
}
