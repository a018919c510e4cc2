//! A number for each virtual model that changes with everything its answers depend on: its
//! row, those of its other candidates, their endpoints, and what answers are normalised
//! with. An answer that was kept under an earlier number is found no more.

use std::collections::HashMap;
use std::sync::Arc;

use store::{Snapshot, VirtualModel};

/// The numbers of one revision.
#[derive(Debug, Default)]
pub(super) struct Editions {
    /// By the virtual model's id.
    of: HashMap<i64, u64>,
    next: u64,
}

impl Editions {
    /// Those of `snapshot`; what has not changed since `before` keeps its number.
    pub(super) fn new(snapshot: &Snapshot, before: Option<(&Snapshot, &Self)>) -> Self {
        let mut editions = Self {
            of: HashMap::new(),
            next: before.map_or(0, |(_, editions)| editions.next),
        };
        let known = before.filter(|(known, _)| {
            known.tool_patterns == snapshot.tool_patterns
                && known.tool_aliases == snapshot.tool_aliases
        });
        for (id, model) in &snapshot.models_by_id {
            let same = known.and_then(|(known, editions)| {
                let is_same = known
                    .models_by_id
                    .get(id)
                    .is_some_and(|former| is_served_the_same((former, known), (model, snapshot)));
                is_same.then(|| editions.of.get(id).copied()).flatten()
            });
            let edition = same.unwrap_or_else(|| {
                editions.next += 1;
                editions.next
            });
            editions.of.insert(*id, edition);
        }
        editions
    }

    /// The number of the virtual model with this id.
    pub(super) fn of(&self, id: i64) -> Option<u64> {
        self.of.get(&id).copied()
    }
}

type In<'s> = (&'s Arc<VirtualModel>, &'s Snapshot);

/// Whether `model` and every candidate of it are what they were.
fn is_served_the_same((former, known): In<'_>, (model, snapshot): In<'_>) -> bool {
    let is_same = |former: &VirtualModel, model: &VirtualModel| {
        former == model && known.endpoint(model.endpoint_id) == snapshot.endpoint(model.endpoint_id)
    };
    is_same(former, model)
        && model.routing.targets.iter().all(|target| {
            let id = target.virtual_model_id;
            match (known.models_by_id.get(&id), snapshot.models_by_id.get(&id)) {
                (Some(former), Some(model)) => is_same(former, model),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::{Value, json};
    use store::{EndpointDraft, Snapshot, Store, ToolAliasDraft, VirtualModelDraft};
    use tempfile::TempDir;

    use super::Editions;

    struct Ground {
        _folder: TempDir,
        store: Store,
        seen: Snapshot,
        editions: Editions,
    }

    impl Ground {
        /// Two virtual models; the first has the second as its other candidate.
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let store = Store::open(&folder.path().join("proxy.db")).unwrap();
            for name in ["a", "b"] {
                let endpoint = json!({"name": name, "url": "http://127.0.0.1:9"});
                let endpoint = EndpointDraft::for_create(&endpoint).unwrap();
                let id = store.create_endpoint(&endpoint).unwrap();
                let model = json!({"name": name, "endpoint_id": id, "actual_model": "m"});
                let model = VirtualModelDraft::for_create(&model).unwrap();
                store.create_virtual_model(&model).unwrap();
            }
            let seen = store.snapshot().unwrap();
            let editions = Editions::new(&seen, None);
            let mut ground = Self {
                _folder: folder,
                store,
                seen,
                editions,
            };
            let routing = json!({"strategy": "backup", "targets": [{"virtual_model_id": 2}]});
            ground.model(1, &json!({"routing": routing}));
            ground.changed();
            ground
        }

        fn model(&self, id: i64, fields: &Value) {
            let draft = VirtualModelDraft::for_update(fields).unwrap();
            self.store.update_virtual_model(id, &draft).unwrap();
        }

        fn endpoint(&self, id: i64, fields: &Value) {
            let draft = EndpointDraft::for_update(fields).unwrap();
            self.store.update_endpoint(id, &draft).unwrap();
        }

        /// Whether the number of the first and that of the second have changed.
        fn changed(&mut self) -> (bool, bool) {
            let now = self.store.snapshot().unwrap();
            let editions = Editions::new(&now, Some((&self.seen, &self.editions)));
            let changed = |id| editions.of(id).unwrap() != self.editions.of(id).unwrap();
            let both = (changed(1), changed(2));
            self.seen = now;
            self.editions = editions;
            both
        }
    }

    #[test]
    fn what_an_answer_depends_on_moves_the_number_and_nothing_else_does() {
        let mut ground = Ground::new();
        assert_ne!(ground.editions.of(1), ground.editions.of(2));
        assert_eq!(ground.editions.of(3), None);
        assert_eq!(ground.changed(), (false, false));
        ground.model(1, &json!({"temperature": 0.5}));
        assert_eq!(ground.changed(), (true, false));
        ground.model(2, &json!({"actual_model": "n"}));
        assert_eq!(
            ground.changed(),
            (true, true),
            "it is a candidate of the first"
        );
        ground.endpoint(1, &json!({"api_key": "other"}));
        assert_eq!(ground.changed(), (true, false));
        ground.endpoint(2, &json!({"url": "http://127.0.0.1:10"}));
        assert_eq!(ground.changed(), (true, true));
        let other = json!({"name": "c", "url": "http://127.0.0.1:9"});
        let other = EndpointDraft::for_create(&other).unwrap();
        ground.store.create_endpoint(&other).unwrap();
        assert_eq!(ground.changed(), (false, false));
        let alias = json!({"tool_name": "f", "parameter": "path", "aliases": ["p"]});
        let alias = ToolAliasDraft::for_create(&alias).unwrap();
        ground.store.create_tool_alias(&alias).unwrap();
        assert_eq!(ground.changed(), (true, true));
    }

    #[test]
    fn a_number_never_comes_back() {
        let mut ground = Ground::new();
        let first = ground.editions.of(2);
        ground.model(2, &json!({"temperature": 0.5}));
        ground.changed();
        ground.model(2, &json!({"temperature": null}));
        ground.changed();
        assert!(ground.editions.of(2) > first);
    }
}
