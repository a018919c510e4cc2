//! Databases of the original program open as they are, with a backup made first.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;
use store::{RouteTarget, Store, StoreError, Strategy, VirtualModelDraft};
use tempfile::TempDir;
use wire::dialect::runpod::Worker;
use wire::normaliser::BUILTINS;

#[path = "originals/import.rs"]
mod import;

const VA: &str = include_str!("originals/va.sql");
const VS: &str = include_str!("originals/vs.sql");
const VL: &str = include_str!("originals/vl.sql");
const PATTERNS: &str = include_str!("originals/patterns.sql");

fn original(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let connection = Connection::open(&path).unwrap();
    // The original never enforced foreign keys, which is how orphans came about.
    connection
        .execute_batch("PRAGMA foreign_keys = OFF")
        .unwrap();
    connection.execute_batch(sql).unwrap();
    (folder, path)
}

fn backups(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("proxy.db.backup-"))
        .collect();
    found.sort();
    found
}

fn column<T: rusqlite::types::FromSql>(path: &Path, query: &str) -> T {
    Connection::open(path)
        .unwrap()
        .query_row(query, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn unset_markers_become_null_once_and_set_values_stay() {
    let (_folder, path) = original(VA);
    let store = Store::open(&path).unwrap();
    let models = store.virtual_models().unwrap();
    let by_name = |name: &str| models.iter().find(|model| model.name == name).unwrap();

    let small = by_name("small");
    assert_eq!(
        (small.max_tokens, small.temperature, small.top_p),
        (None, None, None)
    );
    let set = by_name("set");
    assert_eq!(
        (set.max_tokens, set.temperature, set.top_p),
        (Some(2048), Some(0.7), Some(0.9))
    );
    assert_eq!(small.show_reasoning, 1);

    let zero = json!({"temperature": 0, "top_p": 1});
    let draft = VirtualModelDraft::for_update(&zero).unwrap();
    store.update_virtual_model(set.id, &draft).unwrap();
    let id = set.id;
    drop(store);
    let again = Store::open(&path).unwrap().virtual_model(id).unwrap();
    assert_eq!((again.temperature, again.top_p), (Some(0.0), Some(1.0)));
}

#[test]
fn new_rows_in_an_old_table_do_not_get_the_old_defaults() {
    let (_folder, path) = original(VS);
    let store = Store::open(&path).unwrap();
    let value = json!({"name": "new", "endpoint_id": 1, "actual_model": "m"});
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    let id = store.create_virtual_model(&draft).unwrap();
    let row = store.virtual_model(id).unwrap();
    assert_eq!(
        (row.max_tokens, row.temperature, row.top_p),
        (None, None, None)
    );
    assert_eq!(row.cost_per_1m_tokens_in, None);
    assert_eq!((row.enabled, row.show_reasoning), (1, 1));
}

#[test]
fn prices_per_thousand_fill_only_what_has_no_price() {
    let (_folder, path) = original(VA);
    let store = Store::open(&path).unwrap();
    let models = store.virtual_models().unwrap();
    let small = models.iter().find(|model| model.name == "small").unwrap();
    assert_eq!(small.cost_per_1m_tokens_in, Some(2.5));
    assert_eq!(small.cost_per_1m_tokens_out, Some(7.0));
    let old: f64 = column(
        &path,
        "SELECT cost_per_1k_tokens_in FROM virtual_models WHERE id = 1",
    );
    assert!((old - 0.0025).abs() < f64::EPSILON);
}

#[test]
fn orphans_and_double_names_are_kept_and_reported() {
    let (_folder, path) = original(VA);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.virtual_models().unwrap().len(), 3);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.endpoints.len(), 3);
    let mut names: Vec<_> = snapshot.models.keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["set", "small"]);
    let problems: Vec<_> = snapshot.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("endpoint 3 \"cloud\"") && problems[0].contains("same name"));
    assert!(problems[1].contains("\"orphan\"") && problems[1].contains("99"));
    assert_eq!(Store::check(&path), snapshot.problems);
}

#[test]
fn blank_text_of_the_original_is_no_value() {
    let (_folder, path) = original(VA);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.endpoint(1).unwrap().api_key, None);
    assert_eq!(store.endpoint_row(1).unwrap().api_key, None);
    let models = store.virtual_models().unwrap();
    let small = models.iter().find(|model| model.name == "small").unwrap();
    assert_eq!(small.custom_headers, None);
}

#[test]
fn check_judges_an_old_file_without_touching_it() {
    let (folder, path) = original(VA);
    let before = fs::read(&path).unwrap();
    let problems = Store::check(&path);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(backups(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn usage_of_the_original_is_still_there() {
    let (_folder, path) = original(VA);
    let store = Store::open(&path).unwrap();
    let calls = store.recent_calls(10).unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].request_type, "embedding");
    assert_eq!((calls[0].prompt_tokens, calls[0].status), (7, None));
    assert_eq!(
        (calls[1].total_tokens, calls[1].outcome.as_deref()),
        (15, None)
    );
}

#[test]
fn an_operators_pattern_stays_and_what_he_deleted_does_not_come_back() {
    let (_folder, path) = original(VA);
    let store = Store::open(&path).unwrap();
    let rows = store.tool_patterns().unwrap();
    let mine = rows.iter().find(|row| row.pattern_name == "mine").unwrap();
    assert_eq!((mine.id, mine.pattern_type.as_str()), (1, "fence"));
    assert_eq!((mine.strength.as_str(), &mine.builtin), ("strong", &None));
    // It has held a pattern, so the ten were there once.
    assert_eq!(rows.len(), 1 + BUILTINS.len() - 10);
    assert!(rows.iter().all(|row| row.pattern_name != "fence_json"));
}

#[test]
fn a_table_that_never_held_a_pattern_gets_all() {
    let (_folder, path) = original(VS);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.tool_patterns().unwrap().len(), BUILTINS.len());
}

/// As the newest server seeds them: all thirteen enabled, `action` too.
#[test]
fn seeded_patterns_of_the_original_become_the_built_in_ones() {
    let sql = format!(
        "{VL}{PATTERNS}\
         UPDATE tool_patterns SET enabled = 0 WHERE pattern_name = 'tool_use';\
         UPDATE tool_patterns SET parameter_mapping = '{{\"path\":\"filePath\"}}' \
             WHERE pattern_name = 'qwen_xml_named_params';\
         UPDATE tool_patterns SET regex_pattern = '(' WHERE pattern_name = 'tool_code';"
    );
    let (_folder, path) = original(&sql);
    let store = Store::open(&path).unwrap();
    let rows = store.tool_patterns().unwrap();
    // Two that somebody changed are left beside the built-in ones.
    assert_eq!(rows.len(), BUILTINS.len() + 2);
    for row in &rows {
        let own = ["qwen_xml_named_params", "tool_code"].contains(&row.pattern_name.as_str());
        assert_eq!(row.builtin.is_none(), own, "{}", row.pattern_name);
        let off = ["action", "tool_use"].contains(&row.pattern_name.as_str());
        assert_eq!(row.enabled == 0, off, "{}", row.pattern_name);
    }
    let named = |name: &str| rows.iter().find(|row| row.pattern_name == name).unwrap();
    assert_eq!(named("fence_json").id, 1, "it keeps its id");
    assert_eq!(named("tool_code_builtin").pattern_type, "calls");

    // The bad one takes nothing else down.
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.tool_patterns.len(), rows.len() - 1);
    let text: Vec<_> = snapshot.problems.iter().map(ToString::to_string).collect();
    let expected = "\"tool_code\": left out: regex_pattern: the regular expression is not one: \
                    unclosed group, at line 1, column 1";
    assert!(text.iter().any(|line| line.contains(expected)), "{text:?}");
}

/// Whatever is deleted or changed later stays so at every start.
#[test]
fn seeding_happens_once() {
    let (_folder, path) = original(&format!("{VS}{PATTERNS}"));
    let store = Store::open(&path).unwrap();
    let first = store.tool_patterns().unwrap().remove(0);
    store.delete_tool_pattern(first.id).unwrap();
    let alias = store.tool_aliases().unwrap().remove(0);
    store.delete_tool_alias(alias.id).unwrap();
    let (rows, revision) = (store.tool_patterns().unwrap(), store.revision().unwrap());
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.tool_patterns().unwrap(), rows);
    assert_eq!(store.tool_aliases().unwrap().len(), 1);
    assert_eq!(store.revision().unwrap(), revision);
}

#[test]
fn stored_auth_enabled_of_the_original_is_not_a_setting() {
    let (_folder, path) = original(VS);
    let settings = Store::open(&path).unwrap().settings().unwrap();
    let keys: Vec<_> = settings.keys().map(String::as_str).collect();
    assert_eq!(keys, ["api_port", "flask_port", "use_ai_queue"]);
    let kept: String = column(
        &path,
        "SELECT value FROM settings WHERE key = 'auth_enabled'",
    );
    assert_eq!(kept, "false");
}

#[test]
fn what_only_the_newest_original_knows_is_left_alone() {
    let (_folder, path) = original(VL);
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.models.keys().collect::<Vec<_>>(), ["chat"]);
    let text: Vec<_> = snapshot.problems.iter().map(ToString::to_string).collect();
    assert!(
        text[0].contains("openai_oauth") && text[0].contains("openwebui"),
        "{text:?}"
    );
    assert!(text[1].contains("\"by-oauth\""), "{text:?}");
    let row = store.endpoint_row(2).unwrap();
    assert_eq!(row.endpoint_type, "openai_oauth");
    assert!(matches!(store.endpoint(2), Err(StoreError::Invalid { .. })));
    for (query, expected) in [
        (
            "SELECT oauth_client_secret FROM endpoints WHERE id = 2",
            "kept-as-it-is",
        ),
        ("SELECT strategy FROM virtual_model_failover", "ordered"),
        ("SELECT label FROM inbound_api_keys", "a"),
        (
            "SELECT value FROM settings WHERE key = 'deployment_mode'",
            "internal_only",
        ),
    ] {
        assert_eq!(column::<String>(&path, query), expected, "{query}");
    }
}

/// The original wrote 1 into every row without anybody choosing it; what it knew of times
/// goes on where it is one.
#[test]
fn answers_from_memory_begin_off_whatever_the_original_wrote() {
    let sql = VL.to_owned()
        + "INSERT INTO settings (key, value) VALUES ('cache_ttl_chat', '120'), \
           ('cache_ttl_embeddings', '0');";
    let (_folder, path) = original(&sql);
    let store = Store::open(&path).unwrap();
    let ids: Vec<_> = store.virtual_models().unwrap();
    assert!(ids.len() > 1);
    for row in ids {
        assert_eq!(row.caching.cache_enabled, 0, "{}", row.name);
        assert_eq!(row.caching.cache_ttl_seconds, None, "{}", row.name);
        assert_eq!(row.caching.join_calls, 0, "{}", row.name);
    }
    let settings = store.settings().unwrap();
    assert_eq!(settings.get("cache_ttl_chat").unwrap(), "120");
    assert_eq!(settings.get("cache_ttl_embeddings"), None);

    let value = json!({"name": "new", "endpoint_id": 1, "actual_model": "m"});
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    let id = store.create_virtual_model(&draft).unwrap();
    assert_eq!(store.virtual_model(id).unwrap().caching.cache_enabled, 0);
    let on = VirtualModelDraft::for_update(&json!({"cache_enabled": true})).unwrap();
    store.update_virtual_model(id, &on).unwrap();
    drop(store);
    let again = Store::open(&path).unwrap().virtual_model(id).unwrap();
    assert_eq!(again.caching.cache_enabled, 1);
}

/// The newest original's routing is taken over, its "not set" included.
#[test]
fn failover_and_health_checks_of_the_newest_original_go_on() {
    let sql = VL
        .replace("'ordered'", "'backup'")
        .replace("2, 60, 3);", "0, 60, NULL);")
        + "INSERT INTO virtual_models (id, name, endpoint_id, actual_model) \
           VALUES (3, 'spare', 1, 'qwen'); \
           UPDATE virtual_model_failover SET targets = '[{\"virtual_model_id\":3}]'; \
           UPDATE endpoints SET health_check_url = 'http://127.0.0.1:8000/health' WHERE id = 1;";
    let (_folder, path) = original(&sql);
    let store = Store::open(&path).unwrap();
    let snapshot = store.snapshot().unwrap();
    let routing = &snapshot.models["chat"].routing;
    assert_eq!(routing.strategy, Strategy::Backup);
    let spare = RouteTarget {
        virtual_model_id: 3,
        weight: 1,
    };
    assert_eq!(routing.targets, [spare]);
    assert_eq!(
        (
            routing.max_attempts,
            routing.cooldown,
            routing.failure_threshold
        ),
        (None, Some(60), None)
    );
    assert_eq!((routing.weight, routing.affinity), (1, false));
    assert_eq!(
        snapshot.endpoints[0].health_check().unwrap().path(),
        "/health"
    );
    assert_eq!(snapshot.endpoints[0].worker_form, Worker::Auto);
}

#[test]
fn a_dated_backup_holds_the_file_as_it_was() {
    let (folder, path) = original(VL);
    Store::open(&path).unwrap();
    let made = backups(folder.path());
    assert_eq!(made.len(), 1);
    let name = made[0].file_name().unwrap().to_str().unwrap();
    let stamp = name
        .strip_prefix("proxy.db.backup-")
        .and_then(|rest| rest.strip_suffix("-v0"))
        .unwrap();
    assert_eq!(stamp.len(), "20261123T220000Z".len());
    assert!(stamp.starts_with("20") && stamp.ends_with('Z'), "{stamp}");
    let version: i64 = column(&made[0], "SELECT user_version FROM pragma_user_version");
    assert_eq!(version, 0);
    let top_p: f64 = column(&made[0], "SELECT top_p FROM virtual_models WHERE id = 1");
    assert!((top_p - 1.0).abs() < f64::EPSILON);
    Store::open(&path).unwrap();
    assert_eq!(
        backups(folder.path()).len(),
        1,
        "an up-to-date file needs no backup"
    );
}

#[test]
fn backups_never_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    for count in 1..=3 {
        Connection::open(&path).unwrap().execute_batch(VS).unwrap();
        Store::open(&path).unwrap();
        assert_eq!(backups(folder.path()).len(), count);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn two_programs_may_start_over_an_old_file_at_once() {
    let (folder, path) = original(VA);
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Store::open(&path).map(|store| store.revision().unwrap()))
        })
        .collect();
    for start in starts {
        start.join().unwrap().unwrap();
    }
    assert_eq!(backups(folder.path()).len(), 1);
}
