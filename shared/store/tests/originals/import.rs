//! The original's databases, read from beside: what comes over, what not and why.

use std::collections::BTreeSet;
use std::fs;

use store::transfer::{self, Arrived, Existing, Fate, Findings, Incoming, Kind, Taken};
use store::{By, Store, Sum, UsageQuery};
use tempfile::TempDir;

use super::{PATTERNS, VA, VL, VS, original};

const DEFECTS: &str = include_str!("defects.sql");

fn target() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    (folder, store)
}

fn read(sql: &str, store: &Store) -> Incoming {
    let (_folder, path) = original(sql);
    let before = fs::read(&path).unwrap();
    let Arrived::Foreign(Kind::Original, incoming) =
        transfer::read(&path, store, &|_| None).unwrap()
    else {
        unreachable!("it is the original's");
    };
    assert_eq!(fs::read(&path).unwrap(), before, "it is only read");
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
    *incoming
}

fn taken(sql: &str, store: &Store, existing: Existing) -> (Taken, Findings) {
    let mut incoming = read(sql, store);
    let taken = store.take(&mut incoming, existing, false).unwrap();
    (taken, incoming.findings)
}

fn about(findings: &Findings, fate: Fate, what: &str) -> String {
    let found: Vec<_> = findings.of(fate).filter(|told| told.what == what).collect();
    let all: Vec<_> = found.iter().map(|told| told.why.as_str()).collect();
    assert!(!all.is_empty(), "{fate:?} {what}: {findings:#?}");
    all.join(" | ")
}

#[test]
fn every_version_comes_over_and_is_without_problems() {
    for (version, sql) in [
        ("VA", VA.to_owned()),
        ("VS", format!("{VS}{PATTERNS}")),
        ("VL", VL.to_owned()),
    ] {
        let (_folder, store) = target();
        let (taken, findings) = taken(&sql, &store, Existing::Refuse);
        assert!(taken.created > 0, "{version}");
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.problems, [], "{version}");
        assert_eq!(snapshot.models.len(), store.virtual_models().unwrap().len());
        assert!(findings.of(Fate::Taken).count() > 0, "{version}");
    }
}

#[test]
fn defects_are_mended_or_left_out_and_told() {
    let (_folder, store) = target();
    let (_, findings) = taken(&format!("{VL}{DEFECTS}"), &store, Existing::Refuse);

    let names: Vec<_> = store
        .endpoints()
        .unwrap()
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert_eq!(names, ["cloud", "cloud 2", "endpoint 12", "vllm"]);
    about(&findings, Fate::Changed, "endpoint \"cloud 2\"");
    about(&findings, Fate::Changed, "endpoint \"endpoint 12\"");
    assert!(about(&findings, Fate::LeftOut, "endpoint \"broken\"").contains("url"));
    assert!(about(&findings, Fate::LeftOut, "endpoint \"odd\"").contains("mystery"));
    assert!(about(&findings, Fate::LeftOut, "endpoint \"oauth\"").contains("openai_oauth"));

    let models = store.virtual_models().unwrap();
    let names: Vec<_> = models.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        names,
        ["bad-headers", "chat", "good", "second-cloud", "wild"]
    );
    assert!(about(&findings, Fate::LeftOut, "virtual model \"orphan\"").contains("99"));
    assert!(about(&findings, Fate::LeftOut, "virtual model \"at-broken\"").contains("broken"));
    let headers = about(&findings, Fate::LeftOut, "virtual model \"bad-headers\"");
    assert!(
        headers.contains("custom_headers") && headers.contains("targets"),
        "{headers}"
    );
    let wild = about(&findings, Fate::LeftOut, "virtual model \"wild\"");
    for field in ["max_tokens", "temperature", "cost_per_1m_tokens_in"] {
        assert!(wild.contains(field), "{field}: {wild}");
    }

    let named = |name: &str| models.iter().find(|row| row.name == name).unwrap();
    let good = named("good");
    assert_eq!(
        (good.max_tokens, good.temperature, good.top_p),
        (None, None, None)
    );
    assert_eq!(good.endpoint_name.as_deref(), Some("cloud"));
    // Itself, the second time and the one that did not come over are no targets.
    let targets: Vec<_> = good
        .routing
        .targets
        .iter()
        .map(|target| target.virtual_model_id)
        .collect();
    assert_eq!(targets, [named("second-cloud").id]);
    assert_eq!(
        (good.routing.strategy.as_str(), good.routing.cooldown),
        ("backup", Some(60))
    );
    assert!(about(&findings, Fate::LeftOut, "virtual model \"good\"").contains("orphan"));
    assert_eq!(named("wild").cost_per_1m_tokens_out, Some(3.0));
    assert_eq!(named("wild").enabled, 0);
    // Nobody had chosen it.
    assert!(models.iter().all(|row| row.caching.cache_enabled == 0));

    let labels: Vec<_> = store
        .inbound_keys()
        .unwrap()
        .into_iter()
        .map(|row| (row.label, row.enabled))
        .collect();
    let labels: BTreeSet<_> = labels.into_iter().collect();
    let expected = [("a", 1), ("laptop", 1), ("off", 0)];
    assert_eq!(
        labels,
        expected.map(|(label, on)| (label.to_owned(), on)).into()
    );
    about(&findings, Fate::LeftOut, "key \"torn\"");

    let settings = store.settings().unwrap();
    assert_eq!(
        settings.into_iter().collect::<Vec<_>>(),
        [("circuit_cooldown_seconds".to_owned(), "120".to_owned())]
    );
    for key in [
        "debug_mode",
        "aimenu_url",
        "of_somebody",
        "health_check_interval",
    ] {
        about(&findings, Fate::LeftOut, &format!("setting {key}"));
    }

    let patterns = store.tool_patterns().unwrap();
    let own: Vec<_> = patterns
        .iter()
        .filter(|row| row.builtin.is_none())
        .map(|row| row.pattern_name.as_str())
        .collect();
    assert_eq!(own, ["mine"]);
    assert!(about(&findings, Fate::LeftOut, "tool pattern \"unclosed\"").contains("regex_pattern"));
    assert_eq!(store.snapshot().unwrap().problems, []);
}

#[test]
fn secrets_arrive_encrypted_and_are_told_to_nobody() {
    let (folder, store) = target();
    let (_, findings) = taken(&format!("{VL}{DEFECTS}"), &store, Existing::Refuse);
    let endpoint = store
        .endpoints()
        .unwrap()
        .into_iter()
        .find(|row| row.name == "cloud")
        .unwrap();
    let key = store.endpoint(endpoint.id).unwrap().api_key.unwrap();
    assert_eq!(key.expose(), "key-in-plain-text");
    drop(store);
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for secret in ["key-in-plain-text", "header-in-plain-text"] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
    let told = serde_json::to_string(&findings).unwrap();
    assert!(!told.contains("in-plain-text"), "{told}");
}

#[test]
fn calls_are_in_the_sums_once() {
    let (_folder, store) = target();
    let sql = format!("{VL}{DEFECTS}");
    let (_, findings) = taken(&sql, &store, Existing::Refuse);
    assert!(about(&findings, Fate::Changed, "usage").contains("4 calls"));
    let sum = |store: &Store| {
        let ever = UsageQuery::between(0, 4_000_000_000);
        let whole = store.usage(&ever, &[By::Model]).unwrap().whole();
        (whole.get(Sum::Requests), whole.get(Sum::Total))
    };
    let first = sum(&store);
    assert_eq!(first, (4, 119));
    let (_, findings) = taken(&sql, &store, Existing::Skip);
    assert!(about(&findings, Fate::LeftOut, "usage").contains("4 calls"));
    assert_eq!(sum(&store), first);
}

#[test]
fn names_that_are_there_are_refused_skipped_or_written_over() {
    let (_folder, store) = target();
    taken(VA, &store, Existing::Refuse);
    let revision = store.revision().unwrap();
    let refused = store.take(&mut read(VA, &store), Existing::Refuse, false);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("there already") && refused.contains("small"),
        "{refused}"
    );
    assert_eq!(store.revision().unwrap(), revision);

    let changed = VA.replace("0.7", "0.3");
    assert_ne!(changed, VA);
    let temperature = |store: &Store| {
        let models = store.virtual_models().unwrap();
        models
            .iter()
            .find(|row| row.name == "set")
            .unwrap()
            .temperature
    };
    let (done, _) = taken(&changed, &store, Existing::Skip);
    assert_eq!((done.created, done.replaced), (0, 0));
    assert_eq!(temperature(&store), Some(0.7));
    let (done, _) = taken(&changed, &store, Existing::Replace);
    assert_eq!(done.created, 0);
    assert!(done.replaced > 0);
    assert_eq!(temperature(&store), Some(0.3));
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let (folder, store) = target();
    let own = folder.path().join("own.db");
    drop(Store::open(&own).unwrap());
    let (_other, foreign) = original("CREATE TABLE songs (title TEXT)");
    let (_half, half) = original("CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT)");
    let text = folder.path().join("a.yaml");
    fs::write(&text, "just: this\n").unwrap();
    let bad = folder.path().join("b.yaml");
    fs::write(&bad, "a: [1, key-in-plain-text: {\n").unwrap();
    for (path, says) in [
        (&own, "store of this program"),
        (&foreign, "another program's"),
        (&half, "no database of the original"),
        (&text, "neither"),
        (&bad, "no YAML"),
        (&folder.path().join("gone"), "cannot be read"),
    ] {
        let Err(why) = transfer::read(path, &store, &|_| None) else {
            unreachable!("{} is taken", path.display());
        };
        let why = why.to_string();
        assert!(why.contains(says), "{why}");
        assert!(!why.contains("plain-text"), "{why}");
    }
}
