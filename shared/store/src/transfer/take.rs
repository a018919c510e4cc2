//! Incoming rows into the store: all of them in one transaction, or none.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Fate, Findings, Incoming, IncomingKey, KeyProof, clashes, original};
use crate::endpoint::EndpointDraft;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::inbound_key::{self, InboundKeyDraft};
use crate::pattern_import::PatternImport;
use crate::setting::SettingsDraft;
use crate::store::Store;
use crate::virtual_model::VirtualModelDraft;

/// What becomes of a row whose name is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is written at all.
    #[default]
    Refuse,
    /// The one that is there stays as it is.
    Skip,
    /// The fields that come are written over those that are there.
    Replace,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Rows that were not there before.
    pub created: usize,
    /// Rows that were there and were written over.
    pub replaced: usize,
    /// Rows that were there and stayed.
    pub skipped: usize,
}

/// How one row went.
enum Done {
    Created(i64),
    Replaced(i64),
    Skipped(i64),
}

impl Store {
    /// Writes what came, and adds to its findings what became of it. What a draft refuses is
    /// left out and told. With `trial` everything is done and then undone.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when names are there already and `existing` refuses that, or
    /// when the store cannot be written; nothing was changed then.
    pub fn take(
        &self,
        incoming: &mut Incoming,
        existing: Existing,
        trial: bool,
    ) -> Result<Taken, StoreError> {
        let mut findings = Findings::default();
        let mut tried = None;
        let outcome = self.all_or_nothing(|store| {
            if existing == Existing::Refuse {
                clashes::refuse(store, incoming)?;
            }
            let mut work = Work {
                store,
                existing,
                findings: &mut findings,
                taken: Taken::default(),
            };
            work.endpoints(&incoming.endpoints)?;
            work.models(&incoming.virtual_models)?;
            work.patterns(&incoming.patterns)?;
            work.keys(&incoming.keys)?;
            work.settings(&incoming.settings)?;
            let taken = work.taken;
            if let Some((original, names)) = &incoming.history {
                original::take_history(store, original, names, &mut findings)?;
            }
            if trial {
                tried = Some(taken);
                // Any failure undoes it all.
                return Err(FieldErrors::new().into());
            }
            Ok(taken)
        });
        let taken = match tried {
            Some(taken) => taken,
            None => outcome?,
        };
        incoming.findings.append(findings);
        Ok(taken)
    }
}

struct Work<'a> {
    store: &'a Store,
    existing: Existing,
    findings: &'a mut Findings,
    taken: Taken,
}

impl Work<'_> {
    fn count(&mut self, what: &str, done: &Done) {
        match done {
            Done::Created(_) => self.taken.created += 1,
            Done::Replaced(_) => {
                self.taken.replaced += 1;
                self.findings.tell(
                    Fate::Changed,
                    what,
                    "one of that name was there and has been written over",
                    "",
                );
            }
            Done::Skipped(_) => {
                self.taken.skipped += 1;
                self.findings.tell(
                    Fate::LeftOut,
                    what,
                    "one of that name is there and stays as it is",
                    "",
                );
            }
        }
    }

    fn endpoints(&mut self, rows: &[Map<String, Value>]) -> Result<(), StoreError> {
        let known: HashMap<String, i64> = self
            .store
            .endpoints()?
            .into_iter()
            .map(|row| (row.name, row.id))
            .collect();
        for row in rows {
            let what = format!("endpoint {:?}", text(row, "name").unwrap_or_default());
            let id = text(row, "name").and_then(|name| known.get(&name)).copied();
            let done = match (id, self.existing) {
                (Some(id), Existing::Skip) => Done::Skipped(id),
                (Some(id), _) => {
                    let read = EndpointDraft::for_update;
                    let Some(draft) = self.draft(&what, row, &["name"], read) else {
                        continue;
                    };
                    self.store.update_endpoint(id, &draft)?;
                    Done::Replaced(id)
                }
                (None, _) => {
                    let needed = ["name", "url", "endpoint_type"];
                    let read = EndpointDraft::for_create;
                    let Some(draft) = self.draft(&what, row, &needed, read) else {
                        continue;
                    };
                    match self.store.create_endpoint(&draft) {
                        Ok(id) => Done::Created(id),
                        Err(why) => {
                            self.leave_out(&what, why)?;
                            continue;
                        }
                    }
                }
            };
            self.count(&what, &done);
        }
        Ok(())
    }

    fn models(&mut self, rows: &[Map<String, Value>]) -> Result<(), StoreError> {
        let endpoints: HashMap<String, i64> = self
            .store
            .endpoints()?
            .into_iter()
            .map(|row| (row.name, row.id))
            .collect();
        let known = self.store.virtual_models()?;
        let mut ids: HashMap<String, i64> =
            known.into_iter().map(|row| (row.name, row.id)).collect();
        let there = ids.clone();
        let mut routings = Vec::new();
        for row in rows {
            let mut row = row.clone();
            let name = text(&row, "name").unwrap_or_default();
            let what = format!("virtual model {name:?}");
            let endpoint = row.remove("endpoint_name");
            let endpoint = endpoint
                .as_ref()
                .and_then(Value::as_str)
                .unwrap_or_default();
            let routing = row.remove("routing");
            let id = there.get(&name).copied();
            if let (Some(id), Existing::Skip) = (id, self.existing) {
                self.count(&what, &Done::Skipped(id));
                continue;
            }
            let Some(endpoint_id) = endpoints.get(endpoint) else {
                let why = format!("its endpoint {endpoint:?} is not here");
                self.findings
                    .tell(Fate::LeftOut, what, why, "make it by hand");
                continue;
            };
            row.insert("endpoint_id".to_owned(), json!(endpoint_id));
            let needed = ["name", "endpoint_id", "actual_model"];
            let done = if let Some(id) = id {
                let read = VirtualModelDraft::for_update;
                let Some(draft) = self.draft(&what, &row, &needed, read) else {
                    continue;
                };
                self.store.update_virtual_model(id, &draft)?;
                Done::Replaced(id)
            } else {
                let read = VirtualModelDraft::for_create;
                let Some(draft) = self.draft(&what, &row, &needed, read) else {
                    continue;
                };
                match self.store.create_virtual_model(&draft) {
                    Ok(id) => Done::Created(id),
                    Err(why) => {
                        self.leave_out(&what, why)?;
                        continue;
                    }
                }
            };
            let (Done::Created(id) | Done::Replaced(id) | Done::Skipped(id)) = done;
            ids.insert(name, id);
            self.count(&what, &done);
            if let Some(Value::Object(routing)) = routing {
                routings.push((id, what, routing));
            }
        }
        // Targets may be any of the models, so all of them are there first.
        for (id, what, routing) in routings {
            self.route(id, &what, routing, &ids)?;
        }
        Ok(())
    }

    fn route(
        &mut self,
        id: i64,
        what: &str,
        mut routing: Map<String, Value>,
        ids: &HashMap<String, i64>,
    ) -> Result<(), StoreError> {
        if let Some(Value::Array(targets)) = routing.get_mut("targets") {
            targets.retain_mut(|target| {
                let name = target
                    .as_object_mut()
                    .and_then(|target| target.remove("virtual_model"));
                let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
                match (ids.get(name), target.as_object_mut()) {
                    (Some(id), Some(target)) => {
                        target.insert("virtual_model_id".to_owned(), json!(id));
                        true
                    }
                    (_, _) => {
                        let why = format!("its target {name:?} is not here");
                        self.findings.tell(Fate::LeftOut, what, why, "");
                        false
                    }
                }
            });
        }
        let mut row = Map::new();
        row.insert("routing".to_owned(), Value::Object(routing));
        let read = VirtualModelDraft::for_update;
        if let Some(draft) = self.draft(what, &row, &[], read) {
            self.store.update_virtual_model(id, &draft)?;
        }
        Ok(())
    }

    fn patterns(&mut self, rows: &[Value]) -> Result<(), StoreError> {
        let known = self.store.tool_patterns()?;
        for row in rows {
            let name = row
                .get("pattern_name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let what = format!("tool pattern {name:?}");
            let there = known.iter().find(|known| known.pattern_name == name);
            if let (Some(there), Existing::Skip) = (there, self.existing) {
                self.count(&what, &Done::Skipped(there.id));
                continue;
            }
            match PatternImport::read(&json!([row])) {
                Ok(import) => {
                    self.store.import_tool_patterns(&import)?;
                    let done = match there {
                        Some(there) => Done::Replaced(there.id),
                        None => Done::Created(0),
                    };
                    self.count(&what, &done);
                }
                Err(why) => self.findings.tell(
                    Fate::LeftOut,
                    what,
                    without_places(&why),
                    "correct it and add it on the page of tool patterns, where it can be tried",
                ),
            }
        }
        Ok(())
    }

    fn keys(&mut self, keys: &[IncomingKey]) -> Result<(), StoreError> {
        let known = self.store.inbound_keys()?;
        for key in keys {
            let label = text(&key.fields, "label").unwrap_or_default();
            let what = format!("key {label:?}");
            let there = known.iter().find(|known| known.label == label);
            if let Some(there) = there {
                // What it opens with stays: another key would be another caller's.
                self.count(&what, &Done::Skipped(there.id));
                continue;
            }
            let read = InboundKeyDraft::for_create;
            let Some(draft) = self.draft(&what, &key.fields, &["label"], read) else {
                continue;
            };
            let (prefix, digest) = match &key.proof {
                KeyProof::Plain(key) => (inbound_key::hint(key), inbound_key::digest(key.expose())),
                KeyProof::Digest { prefix, digest } => (prefix.clone(), digest.clone()),
            };
            match self.store.adopt_inbound_key(&draft, prefix, &digest) {
                Ok(id) => self.count(&what, &Done::Created(id)),
                Err(why) => self.leave_out(&what, why)?,
            }
        }
        Ok(())
    }

    fn settings(&mut self, settings: &Map<String, Value>) -> Result<(), StoreError> {
        let stored = self.store.settings()?;
        for (name, value) in settings {
            let what = format!("setting {name}");
            let is = stored.get(name);
            if is.is_some_and(|is| value.as_str() == Some(is)) {
                continue;
            }
            if is.is_some() && self.existing == Existing::Skip {
                self.count(&what, &Done::Skipped(0));
                continue;
            }
            let mut one = Map::new();
            one.insert(name.clone(), value.clone());
            let saved = SettingsDraft::validate(&Value::Object(one))
                .map_err(StoreError::from)
                .and_then(|draft| self.store.save_settings(&draft));
            match saved {
                Ok(()) if is.is_some() => self.count(&what, &Done::Replaced(0)),
                Ok(()) => self.count(&what, &Done::Created(0)),
                Err(why) => self.leave_out(&what, why)?,
            }
        }
        Ok(())
    }

    /// The draft of a row. Fields that it refuses are left out and told, unless they are
    /// needed.
    fn draft<T>(
        &mut self,
        what: &str,
        row: &Map<String, Value>,
        needed: &[&str],
        read: impl Fn(&Value) -> Result<T, FieldErrors>,
    ) -> Option<T> {
        let mut row = row.clone();
        loop {
            let refused = match read(&Value::Object(row.clone())) {
                Ok(draft) => return Some(draft),
                Err(refused) => refused,
            };
            let bad: BTreeMap<String, String> = refused
                .iter()
                .map(|(field, why)| (field.to_owned(), why.to_owned()))
                .collect();
            let known = bad.keys().all(|field| row.contains_key(top(field)));
            if !known || bad.keys().any(|field| needed.contains(&field.as_str())) {
                let why = format!("it cannot be used: {refused}");
                self.findings
                    .tell(Fate::LeftOut, what, why, "make it by hand");
                return None;
            }
            for (field, why) in bad {
                row.remove(top(&field));
                self.findings.tell(
                    Fate::LeftOut,
                    what,
                    format!("its {field} {why}"),
                    "set it by hand if it is wanted",
                );
            }
        }
    }

    /// Tells why a row was refused by the store; other failures end the work.
    fn leave_out(&mut self, what: &str, why: StoreError) -> Result<(), StoreError> {
        if matches!(
            why,
            StoreError::Invalid { .. } | StoreError::Duplicate { .. }
        ) {
            self.findings
                .tell(Fate::LeftOut, what, why.to_string(), "make it by hand");
            return Ok(());
        }
        Err(why)
    }
}

/// The field of a row that `field` is, or is a part of.
fn top(field: &str) -> &str {
    let end = field.find(['.', '[']).unwrap_or(field.len());
    &field[..end]
}

pub(super) fn text(row: &Map<String, Value>, field: &str) -> Option<String> {
    row.get(field)
        .and_then(Value::as_str)
        .map(|text| text.trim().to_owned())
}

/// Without the place in a list that the reader knows nothing of.
fn without_places(why: &FieldErrors) -> String {
    let parts: Vec<String> = why
        .iter()
        .map(|(field, why)| {
            let name = field.rsplit_once("].").map_or(field, |(_, name)| name);
            format!("{name}: {why}")
        })
        .collect();
    parts.join("; ")
}
