//! Routing of virtual models: what is written, what is taken over, what a deletion leaves.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{
    EndpointDraft, RouteTarget, Routing, Store, StoreError, Strategy, VirtualModel,
    VirtualModelDraft,
};
use tempfile::TempDir;

/// A store with the virtual models `a`, `b` and `c`, their ids 1, 2 and 3.
fn with_models() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let value = json!({"name": "home", "url": "http://h/v1"});
    let draft = EndpointDraft::for_create(&value).unwrap();
    let endpoint = store.create_endpoint(&draft).unwrap();
    for (name, id) in [("a", 1), ("b", 2), ("c", 3)] {
        let value = json!({"name": name, "endpoint_id": endpoint, "actual_model": "m"});
        let draft = VirtualModelDraft::for_create(&value).unwrap();
        assert_eq!(store.create_virtual_model(&draft).unwrap(), id);
    }
    (folder, store)
}

fn route(store: &Store, id: i64, routing: &Value) -> Result<(), StoreError> {
    let value = json!({ "routing": routing });
    store.update_virtual_model(id, &VirtualModelDraft::for_update(&value).unwrap())
}

fn model(store: &Store, id: i64) -> VirtualModel {
    let snapshot = store.snapshot().unwrap();
    VirtualModel::clone(&snapshot.models_by_id[&id])
}

fn target(id: i64, weight: u32) -> RouteTarget {
    RouteTarget {
        virtual_model_id: id,
        weight,
    }
}

fn problems(store: &Store) -> Vec<String> {
    let problems = store.snapshot().unwrap().problems;
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn strategies_have_ids_of_their_own() {
    for strategy in Strategy::ALL {
        assert_eq!(Strategy::from_id(strategy.id()), Some(strategy));
    }
    assert_eq!(Strategy::from_id("Backup"), None);
}

#[test]
fn without_a_word_a_model_has_only_its_own_endpoint() {
    let (_folder, store) = with_models();
    assert_eq!(model(&store, 1).routing, Routing::default());
    assert_eq!(Routing::default().weight, 1);
}

#[test]
fn a_routing_reads_back_whole_and_a_change_touches_only_what_it_carries() {
    let (_folder, store) = with_models();
    let whole = json!({
        "strategy": "weighted", "weight": 5, "max_attempts": 2, "failure_threshold": 4,
        "cooldown": 30, "affinity": true,
        "targets": [{"virtual_model_id": 3, "weight": 7}, {"virtual_model_id": 2}],
    });
    route(&store, 1, &whole).unwrap();
    let expected = Routing {
        strategy: Strategy::Weighted,
        targets: vec![target(3, 7), target(2, 1)],
        weight: 5,
        max_attempts: Some(2),
        failure_threshold: Some(4),
        cooldown: Some(30),
        affinity: true,
    };
    assert_eq!(model(&store, 1).routing, expected);
    assert_eq!(model(&store, 2).routing, Routing::default());
    let row = serde_json::to_value(store.virtual_model(1).unwrap()).unwrap();
    assert_eq!(
        row["routing"],
        json!({
            "strategy": "weighted", "weight": 5, "max_attempts": 2, "failure_threshold": 4,
            "cooldown": 30, "affinity": 1,
            "targets": [
                {"virtual_model_id": 3, "weight": 7},
                {"virtual_model_id": 2, "weight": 1},
            ],
        })
    );

    route(
        &store,
        1,
        &json!({"max_attempts": null, "strategy": "backup"}),
    )
    .unwrap();
    let expected = Routing {
        strategy: Strategy::Backup,
        max_attempts: None,
        ..expected
    };
    assert_eq!(model(&store, 1).routing, expected);
    let row = serde_json::to_value(store.virtual_model(1).unwrap()).unwrap();
    store
        .update_virtual_model(1, &VirtualModelDraft::for_update(&row).unwrap())
        .unwrap();
    assert_eq!(model(&store, 1).routing, expected);
    route(&store, 1, &Value::Null).unwrap();
    assert_eq!(model(&store, 1).routing, Routing::default());
}

#[test]
fn a_new_model_can_be_routed_at_once() {
    let (_folder, store) = with_models();
    let value = json!({
        "name": "d", "endpoint_id": 1, "actual_model": "m",
        "routing": {"strategy": "backup", "targets": [{"virtual_model_id": 1}]},
    });
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    let id = store.create_virtual_model(&draft).unwrap();
    assert_eq!(model(&store, id).routing.targets, [target(1, 1)]);
}

#[test]
fn a_change_of_routing_moves_the_revision() {
    let (_folder, store) = with_models();
    let before = store.revision().unwrap();
    route(&store, 1, &json!({"strategy": "rotational"})).unwrap();
    assert!(store.revision().unwrap() > before);
}

#[test]
fn bad_values_are_named() {
    for (routing, field, says) in [
        (json!("backup"), "routing", "JSON object"),
        (
            json!({"strategy": "ordered"}),
            "routing.strategy",
            "one of none, backup",
        ),
        (json!({"targets": "a"}), "routing.targets", "list"),
        (json!({"targets": [1]}), "routing.targets", "number 1"),
        (
            json!({"targets": [{"weight": 1}]}),
            "routing.targets",
            "virtual_model_id",
        ),
        (
            json!({"targets": [{"virtual_model_id": 2, "wait": 1}]}),
            "routing.targets",
            "wait",
        ),
        (
            json!({"targets": [{"virtual_model_id": 2, "weight": -1}]}),
            "routing.targets",
            "weight",
        ),
        (
            json!({"targets": [{"virtual_model_id": 2}, {"virtual_model_id": 2}]}),
            "routing.targets",
            "twice",
        ),
        (json!({"weight": -1}), "routing.weight", "from 0"),
        (json!({"max_attempts": 0}), "routing.max_attempts", "from 1"),
        (
            json!({"failure_threshold": 0}),
            "routing.failure_threshold",
            "from 1",
        ),
        (json!({"cooldown": 1.5}), "routing.cooldown", "whole"),
        (json!({"affinity": "yes"}), "routing.affinity", "true"),
        (json!({"sticky": true}), "routing.sticky", "known"),
    ] {
        let value = json!({ "routing": routing });
        let errors = VirtualModelDraft::for_update(&value).unwrap_err();
        let why = errors.get(field).unwrap_or_default();
        assert!(why.contains(says), "{routing}: {errors}");
    }
    let many: Vec<_> = (1..=101)
        .map(|id| json!({ "virtual_model_id": id }))
        .collect();
    let value = json!({"routing": {"targets": many}});
    let errors = VirtualModelDraft::for_update(&value).unwrap_err();
    assert!(errors.get("routing.targets").is_some(), "{errors}");
}

#[test]
fn a_target_must_exist_and_be_another() {
    let (_folder, store) = with_models();
    let before = store.revision().unwrap();
    for (id, says) in [(1, "its own"), (77, "no virtual model with id 77")] {
        let routing = json!({"targets": [{"virtual_model_id": 2}, {"virtual_model_id": id}]});
        let error = route(&store, 1, &routing).unwrap_err();
        assert!(matches!(error, StoreError::Invalid { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("routing.targets") && text.contains(says),
            "{text}"
        );
    }
    assert_eq!(store.revision().unwrap(), before, "nothing was written");
}

#[test]
fn a_deleted_model_is_nobodys_target_any_more() {
    let (_folder, store) = with_models();
    let both = json!([{"virtual_model_id": 2}, {"virtual_model_id": 3}]);
    route(&store, 1, &json!({"strategy": "backup", "targets": both})).unwrap();
    let one = json!([{"virtual_model_id": 2}]);
    route(&store, 3, &json!({"strategy": "backup", "targets": one})).unwrap();
    route(&store, 2, &json!({"strategy": "rotational"})).unwrap();
    assert_eq!(store.delete_virtual_model(2).unwrap(), ["a", "c"]);
    assert_eq!(model(&store, 1).routing.targets, [target(3, 1)]);
    assert_eq!(model(&store, 3).routing.targets, []);
    assert_eq!(model(&store, 3).routing.strategy, Strategy::Backup);
    assert_eq!(problems(&store), Vec::<String>::new());
    let rows: i64 = Connection::open(store.path())
        .unwrap()
        .query_row("SELECT COUNT(*) FROM virtual_model_failover", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(rows, 2, "its own routing went with it");
}

#[test]
fn models_that_go_with_their_endpoint_are_nobodys_targets_either() {
    let (_folder, store) = with_models();
    let value = json!({"name": "away", "url": "http://h/v1"});
    let draft = EndpointDraft::for_create(&value).unwrap();
    let away = store.create_endpoint(&draft).unwrap();
    let moved = VirtualModelDraft::for_update(&json!({ "endpoint_id": away })).unwrap();
    store.update_virtual_model(3, &moved).unwrap();
    let targets = json!([{"virtual_model_id": 3}, {"virtual_model_id": 2}]);
    route(&store, 1, &json!({"targets": targets})).unwrap();
    assert_eq!(store.delete_endpoint(away, true).unwrap(), ["c"]);
    assert_eq!(model(&store, 1).routing.targets, [target(2, 1)]);
    assert_eq!(problems(&store), Vec::<String>::new());
}

#[test]
fn what_another_program_wrote_is_used_as_far_as_it_goes() {
    let (_folder, store) = with_models();
    let file = Connection::open(store.path()).unwrap();
    for (row, strategy, targets, found, says) in [
        (
            r#"(1, 'backup', '[{"virtual_model_id":2}]', 0, 0, 0, 1, 0)"#,
            Strategy::Backup,
            vec![target(2, 1)],
            1,
            None,
        ),
        (
            r#"(1, 'backup', '[{"virtual_model_id":9},{"virtual_model_id":3,"weight":4}]',
                NULL, NULL, NULL, 1, 0)"#,
            Strategy::Backup,
            vec![target(3, 4)],
            1,
            Some("routing target 9 does not exist"),
        ),
        (
            r#"(1, 'weighted', '[{"virtual_model_id":1},{"virtual_model_id":2}]',
                NULL, NULL, NULL, 1, 0)"#,
            Strategy::Weighted,
            vec![target(2, 1)],
            1,
            Some("routing target 1 is the virtual model itself"),
        ),
        (
            r#"(1, 'fastest', '[{"virtual_model_id":2},{"virtual_model_id":2}]',
                NULL, NULL, NULL, 1, 0)"#,
            Strategy::Fastest,
            vec![target(2, 1)],
            1,
            Some("routing target 2 is listed more than once"),
        ),
        (
            r#"(1, 'ordered', '[{"virtual_model_id":2}]', NULL, NULL, NULL, 1, 0)"#,
            Strategy::None,
            vec![target(2, 1)],
            1,
            Some("strategy \"ordered\" is unknown"),
        ),
        (
            "(1, 'backup', 'two', NULL, NULL, NULL, 1, 0)",
            Strategy::Backup,
            vec![],
            1,
            Some("targets cannot be read"),
        ),
        (
            "(1, 'backup', '', 1, 1, 1, -3, 0)",
            Strategy::Backup,
            vec![],
            1,
            Some("weight is not from 0"),
        ),
        (
            "(1, x'00', '[]', 'many', NULL, NULL, 1, 0)",
            Strategy::None,
            vec![],
            1,
            Some("max_attempts is not a number"),
        ),
    ] {
        file.execute_batch(&format!(
            "DELETE FROM virtual_model_failover; INSERT INTO virtual_model_failover \
             (virtual_model_id, strategy, targets, max_attempts, cooldown_seconds, \
             failure_threshold, weight, affinity) VALUES {row}"
        ))
        .unwrap();
        let routing = model(&store, 1).routing;
        assert_eq!(
            (routing.strategy, routing.targets),
            (strategy, targets),
            "{row}"
        );
        assert_eq!(routing.weight, found, "{row}");
        let problems = problems(&store);
        match says {
            None => assert_eq!(problems, Vec::<String>::new(), "{row}"),
            Some(says) => assert!(
                problems.iter().any(|problem| problem.contains(says)
                    && problem.starts_with("virtual model 1 \"a\"")),
                "{row}: {problems:?}"
            ),
        }
    }
}

#[test]
fn options_of_providers_read_back_and_are_checked() {
    let (_folder, store) = with_models();
    let value = json!({
        "queue_priority": "high", "auto_cache": true, "inline_system": 1,
        "keep_alive": 300, "num_ctx": 8192,
    });
    store
        .update_virtual_model(1, &VirtualModelDraft::for_update(&value).unwrap())
        .unwrap();
    let row = serde_json::to_value(store.virtual_model(1).unwrap()).unwrap();
    for (field, expected) in [
        ("queue_priority", json!("HIGH")),
        ("auto_cache", json!(1)),
        ("inline_system", json!(1)),
        ("keep_alive", json!("300")),
        ("num_ctx", json!(8192)),
    ] {
        assert_eq!(row[field], expected, "{field}");
    }
    let found = model(&store, 1);
    assert_eq!(
        found.queue_priority,
        Some(store::config::QueuePriority::High)
    );
    assert!(found.auto_cache && found.inline_system);
    assert_eq!(
        (found.keep_alive.as_deref(), found.num_ctx),
        (Some("300"), Some(8192))
    );
    let clear = json!({"queue_priority": null, "keep_alive": "", "num_ctx": null});
    store
        .update_virtual_model(1, &VirtualModelDraft::for_update(&clear).unwrap())
        .unwrap();
    let found = model(&store, 1);
    assert_eq!(
        (found.queue_priority, found.keep_alive, found.num_ctx),
        (None, None, None)
    );
    for bad in [
        json!({"queue_priority": "URGENT"}),
        json!({"queue_priority": 1}),
        json!({"auto_cache": "on"}),
        json!({"inline_system": 2}),
        json!({"num_ctx": 0}),
    ] {
        VirtualModelDraft::for_update(&bad).unwrap_err();
    }
}

#[test]
fn keep_alive_is_a_duration_or_seconds() {
    let takes = |text: &str| VirtualModelDraft::for_update(&json!({ "keep_alive": text })).is_ok();
    for good in ["5m", "1h30m", "300s", "500ms", "0", "-1", "24h"] {
        assert!(takes(good), "{good}");
    }
    for bad in [
        "five", "5", "m", "5x", "5m3", "-5m", "-2", "+5", "1 h", "1.5h", "5mm",
    ] {
        // Plain whole seconds are good too.
        assert_eq!(takes(bad), bad == "5", "{bad}");
    }
    for bad in [json!(1.5), json!(true), json!([])] {
        let value = json!({ "keep_alive": bad });
        VirtualModelDraft::for_update(&value).unwrap_err();
    }
}

#[test]
fn a_target_that_cannot_be_used_is_left_out() {
    let (_folder, store) = with_models();
    let targets = json!([{"virtual_model_id": 2}, {"virtual_model_id": 3}]);
    route(&store, 1, &json!({"targets": targets})).unwrap();
    Connection::open(store.path())
        .unwrap()
        .execute_batch("UPDATE virtual_models SET actual_model = '' WHERE id = 2")
        .unwrap();
    assert_eq!(model(&store, 1).routing.targets, [target(3, 1)]);
    assert!(
        problems(&store)
            .iter()
            .any(|problem| problem.contains("routing target 2 cannot be used"))
    );
}
