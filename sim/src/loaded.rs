//! The models in a simulated Ollama's memory: loading one anew is what a real machine
//! takes seconds or minutes for, so every load is kept for tests to count.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::validate::Load;

/// Models by name.
#[derive(Default)]
pub(crate) struct Loaded {
    models: Mutex<BTreeMap<String, Model>>,
}

#[derive(Default)]
struct Model {
    /// What it is in memory with; nothing when it is not.
    with: Option<Load>,
    /// The context of each load since the start.
    loads: Vec<u64>,
}

impl Loaded {
    /// Has the model in memory as the call wants it; returns its context.
    pub(crate) fn call(&self, model: &str, load: &Load) -> u64 {
        let mut models = self.models();
        let model = models.entry(model.to_owned()).or_default();
        let same = model
            .with
            .as_ref()
            .is_some_and(|with| with.context == load.context && with.other == load.other);
        if load.only && load.unload {
            model.with = None;
            return load.context;
        }
        if !same {
            model.loads.push(load.context);
        }
        model.with = (!load.unload).then(|| load.clone());
        load.context
    }

    /// The context of each load of a model, oldest first.
    pub(crate) fn loads(&self, model: &str) -> Vec<u64> {
        let models = self.models();
        models
            .get(model)
            .map(|model| model.loads.clone())
            .unwrap_or_default()
    }

    /// Name and context of what is in memory.
    pub(crate) fn running(&self) -> Vec<(String, u64)> {
        let models = self.models();
        models
            .iter()
            .filter_map(|(name, model)| Some((name.clone(), model.with.as_ref()?.context)))
            .collect()
    }

    fn models(&self) -> MutexGuard<'_, BTreeMap<String, Model>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
