//! What `--check` finds: settings and store together, every problem once, nothing changed.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;
use store::config::Config;
use store::config::process::{Problems, Surroundings};
use store::{EndpointDraft, Snapshot, Store};
use tempfile::TempDir;

/// A store in a folder, and what is around a program that uses it.
struct Ground {
    folder: TempDir,
    env: BTreeMap<&'static str, String>,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("proxy.db");
        let env = BTreeMap::from([("DATABASE_PATH", database.to_str().unwrap().to_owned())]);
        Self { folder, env }
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn store(&self) -> Store {
        Store::open(Path::new(&self.path("proxy.db"))).unwrap()
    }

    fn endpoint(&self, name: &str, url: &str, ca_file: &str) {
        let value = json!({"name": name, "url": url, "ca_file": ca_file});
        let draft = EndpointDraft::for_create(&value).unwrap();
        self.store().create_endpoint(&draft).unwrap();
    }

    /// Stores a setting that the admin app would have refused.
    fn stored(&self, key: &str, value: &str) {
        drop(self.store());
        Connection::open(self.path("proxy.db"))
            .unwrap()
            .execute(
                "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)",
                [key, value],
            )
            .unwrap();
    }

    fn on<T>(&self, work: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let env = |name: &str| self.env.get(name).cloned();
        let dot_env = self.folder.path().join(".env");
        work(&Surroundings {
            env: &env,
            dot_env: &dot_env,
        })
    }

    fn check(&self) -> Problems {
        let nothing = |_: &Config, _: Snapshot| Problems::new();
        self.on(|around| around.check(nothing))
            .err()
            .unwrap_or_default()
    }
}

/// Each text is in a problem of its own, and there are no others.
#[track_caller]
fn are(problems: &[String], expected: &[&str]) {
    for text in expected {
        let found = problems.iter().filter(|problem| problem.contains(text));
        assert_eq!(found.count(), 1, "{text}: {problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn nothing_is_wrong_with_a_new_store_nor_with_none() {
    let ground = Ground::new();
    are(&ground.check(), &[]);
    assert_eq!(fs::read_dir(ground.folder.path()).unwrap().count(), 0);
    drop(ground.store());
    are(&ground.check(), &[]);
}

#[test]
fn bad_settings_do_not_hide_the_store_nor_each_other() {
    let ground = Ground::new().set("TIMEOUT", "never").set("API_PORT", "x");
    fs::write(ground.path("proxy.db"), "this is no database".repeat(100)).unwrap();
    fs::write(ground.path(".env"), "LOG_FORMAT=xml\nthis is nothing\n").unwrap();
    are(
        &ground.check(),
        &[
            ".env, line 2",
            "TIMEOUT: is \"never\"",
            "API_PORT: is \"x\"",
            "LOG_FORMAT: is \"xml\"",
            "not a usable SQLite database",
        ],
    );
}

#[test]
fn without_a_path_no_other_store_is_looked_at() {
    let ground = Ground::new().set("DATABASE_PATH", "/data/");
    are(&ground.check(), &["DATABASE_PATH: is \"/data/\""]);
}

#[test]
fn stored_settings_that_stop_the_start_are_found_and_not_changed() {
    let ground = Ground::new();
    ground.stored("api_port", "abc");
    ground.stored("use_ai_queue", "maybe");
    let before = fs::read(ground.path("proxy.db")).unwrap();
    let expected = [
        "stored setting api_port: is \"abc\"; it must be a port",
        "stored setting use_ai_queue: is \"maybe\"",
    ];
    are(&ground.check(), &expected);
    assert_eq!(fs::read(ground.path("proxy.db")).unwrap(), before);
    let refused = ground
        .on(|around| around.open(|_| Ok(())).map(drop))
        .unwrap_err();
    are(&refused, &expected);

    // The environment hides the value from the program, not from the operator.
    let ground = ground.set("API_PORT", "0").set("USE_AI_QUEUE", "true");
    are(&ground.check(), &expected);
    ground
        .on(|around| around.open(|_| Ok(())).map(drop))
        .unwrap();
}

#[test]
fn a_stored_port_that_the_other_program_has_is_found() {
    let ground = Ground::new();
    ground.stored("api_port", "5001");
    are(
        &ground.check(),
        &["ADMIN_PORT: is 5001, the port of the gateway's API too"],
    );
}

#[test]
fn ca_files_that_cannot_serve_are_found() {
    let ground = Ground::new();
    let good = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    fs::write(ground.path("good.pem"), good).unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    fs::write(ground.path("key.pem"), key).unwrap();
    for (name, url, file) in [
        ("good", "https://h", "good.pem"),
        ("key", "https://h", "key.pem"),
        ("gone", "https://h", "gone.pem"),
        ("plain", "http://h", "gone.pem"),
    ] {
        ground.endpoint(name, url, &ground.path(file));
    }
    let gone = format!("its CA file {} cannot be read", ground.path("gone.pem"));
    let key = format!(
        "its CA file {} holds no certificate",
        ground.path("key.pem")
    );
    let problems = ground.check();
    are(&problems, &[gone.as_str(), key.as_str()]);
    assert!(problems[0].starts_with("endpoint "), "{problems:?}");
}

#[test]
fn a_program_may_find_more_in_settings_and_rows() {
    let ground = Ground::new().set("TIMEOUT", "never").set("THREADS", "3");
    ground.endpoint("e", "http://h", "");
    let further = |config: &Config, snapshot: Snapshot| {
        vec![
            format!("{} threads", config.threads),
            format!("endpoint {}", snapshot.endpoints[0].name),
            "TIMEOUT: is \"never\"; it must be a number of seconds from 0.1 to 86400".to_owned(),
        ]
    };
    let problems = ground.on(|around| around.check(further)).unwrap_err();
    are(&problems, &["3 threads", "endpoint e", "TIMEOUT"]);
}
