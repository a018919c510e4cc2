//! `doctor`: what it finds, how bad it is, what it says to do. The program is waited for,
//! so what it calls has threads of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use serde_json::{Value, json};
use sim::{Flavor, Options, Tls};
use store::InboundKeyDraft;

use crate::process::{Process, run, sql, text};
use crate::scene::{Ground, Scene, provider, provider_with};

/// Free ports would be those of some other test.
const OFFLINE: [&str; 2] = ["doctor", "--offline"];

fn code(output: &Output, expected: i32) -> String {
    let said = text(output);
    assert_eq!(output.status.code(), Some(expected), "{said}");
    said
}

/// The findings of a severity.
fn found(report: &Value, severity: &str) -> Vec<String> {
    let sections = report["sections"].as_array().unwrap().iter();
    let verdicts = sections.flat_map(|section| section["verdicts"].as_array().unwrap());
    verdicts
        .filter(|verdict| verdict["severity"] == severity)
        .map(|verdict| {
            let what = verdict["what"].as_str().unwrap();
            format!("{what} > {}", verdict["todo"].as_str().unwrap())
        })
        .collect()
}

fn report(ground: &Ground, env: &[(&str, &str)], more: &[&str]) -> Value {
    let arguments = [&["doctor", "--json"], more].concat();
    let output = run(ground.folder.path(), env, &arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| unreachable!("{}", text(&output)))
}

fn has(findings: &[String], words: &[&str]) {
    let is_it = |finding: &&String| words.iter().all(|word| finding.contains(word));
    assert!(
        findings.iter().any(|finding| is_it(&finding)),
        "{words:?} in {findings:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_where_it_is() {
    let scene =
        Scene::model(json!({"cost_per_1m_tokens_in": 1, "cost_per_1m_tokens_out": 1})).await;
    let said = code(&run(scene.ground.folder.path(), &[], &["doctor"]), 0);
    for word in ["whole", "models, after", "every setting", "can be called"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    for word in ["ERROR", "warning", "\u{1b}"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
}

#[test]
fn before_the_first_start_it_says_what_will_be_and_makes_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let said = code(&run(folder.path(), &[], &OFFLINE), 0);
    assert!(said.contains("is not there yet"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_trouble_with_endpoints_and_models_has_its_words() {
    let ground = Ground::new();
    let well = provider(Flavor::OpenAi).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}", silent.local_addr().unwrap());
    let good = ground.endpoint(&well, &json!({"name": "good"}));
    ground.endpoint(&well, &json!({"name": "wrong key", "api_key": "another"}));
    ground.endpoint(&well, &json!({"name": "no key", "api_key": null}));
    ground.endpoint_from(&json!({"name": "closed", "url": "http://127.0.0.1:1"}));
    ground.endpoint_from(&json!({"name": "slow", "url": slow}));
    let off = ground.endpoint(&well, &json!({"name": "off", "enabled": false}));
    let fine = ground.model(
        "fine",
        good,
        &json!({"cost_per_1m_tokens_in": 1, "cost_per_1m_tokens_out": 2}),
    );
    ground.model("elsewhere", good, &json!({"actual_model": "not-there"}));
    let dead = ground.model("dead", off, &json!({}));
    ground.model(
        "half",
        off,
        &json!({"routing": {"strategy": "backup", "targets": [
        {"virtual_model_id": fine}, {"virtual_model_id": dead}]}}),
    );

    let report = report(&ground, &[], &["--timeout", "1"]);
    let errors = found(&report, "error");
    has(&errors, &["\"wrong key\"", "does not take the key"]);
    has(&errors, &["\"no key\"", "wants a key"]);
    has(&errors, &["\"closed\"", "nothing listens there"]);
    has(&errors, &["\"slow\"", "in time"]);
    has(&errors, &["\"dead\"", "nobody stands in"]);
    assert_eq!(errors.len(), 5, "{errors:#?}");
    let warnings = found(&report, "warning");
    has(&warnings, &["\"elsewhere\"", "not-there"]);
    has(&warnings, &["\"half\"", "only its targets"]);
    has(&warnings, &["\"half\"", "switched off: \"dead\""]);
    let notes = found(&report, "note");
    has(&notes, &["without a price", "\"elsewhere\""]);
    has(&notes, &["\"off\" is switched off"]);
    let fine: Vec<_> = found(&report, "ok")
        .into_iter()
        .filter(|ok| ok.contains("\"good\""))
        .collect();
    assert_eq!(fine.len(), 1);
    assert_eq!(report["errors"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_named() {
    let sim = provider_with(Options {
        tls: Some(Tls::default()),
        ..Options::default()
    })
    .await;
    let ground = Ground::new();
    ground.endpoint(&sim, &json!({"name": "secure", "tls_insecure": false}));
    let errors = found(&report(&ground, &[], &[]), "error");
    has(&errors, &["\"secure\"", "TLS", "ca_file"]);
}

#[test]
fn files_ports_keys_and_settings_are_looked_at() {
    let ground = Ground::new();
    let database = ground.database();
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let soon = 24 * 3600
        + std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
    for (label, end) in [("ending", soon), ("ended", 1_700_000_000)] {
        let fields = json!({"label": label, "expires_at": end});
        let draft = InboundKeyDraft::for_create(&fields).unwrap();
        ground.store.create_inbound_key(&draft).unwrap();
    }
    let spool = ground.folder.path().join("proxy.db.spool");
    fs::create_dir_all(&spool).unwrap();
    fs::write(spool.join("left.spool"), "a record that nobody took").unwrap();
    fs::write(
        ground.folder.path().join(".env"),
        "API_PROT=1\nTIMEOUT=soon\n",
    )
    .unwrap();

    let env = [("API_PORT", port.as_str()), ("API_BIND", "127.0.0.1")];
    let report = report(&ground, &env, &["--offline"]);
    let errors = found(&report, "error");
    has(&errors, &["TIMEOUT", "soon"]);
    has(&errors, &[&port, "is taken by", "API_PORT"]);
    let warnings = found(&report, "warning");
    has(&warnings, &["mode 0644", "chmod 600"]);
    has(&warnings, &["\"ending\"", "expires on"]);
    let notes = found(&report, "note");
    has(&notes, &["\"ended\"", "has expired"]);
    has(&notes, &["API_PROT", "no setting"]);

    let open = [("API_BIND", "0.0.0.0"), ("API_PORT", "0"), ("TIMEOUT", "5")];
    let said = code(&run(ground.folder.path(), &open, &OFFLINE), 1);
    assert!(said.contains("asks nobody for a key"), "{said}");
}

/// As an operator runs it beside the programs.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_is_recognised() {
    let ground = Ground::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let env = [("API_PORT", port.as_str())];
    let _gateway = Process::gateway(ground.folder.path(), &env).await;
    let well = found(&report(&ground, &env, &["--offline"]), "ok");
    has(&well, &["the gateway is running", &port]);
}

#[test]
fn a_damaged_store_and_a_clock_that_is_behind_are_errors() {
    let ground = Ground::new();
    let row = "INSERT INTO request_usage (virtual_model, created_at) VALUES ('m', 32503680000);";
    sql(&ground.database(), row);
    has(
        &found(&report(&ground, &[], &["--offline"]), "error"),
        &["the clock says", "set the clock"],
    );

    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("proxy.db"), "this is no database").unwrap();
    let said = code(&run(folder.path(), &[], &OFFLINE), 2);
    assert!(said.contains("not a usable SQLite database"), "{said}");
}
