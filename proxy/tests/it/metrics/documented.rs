//! What is said of the numbers elsewhere: the table, the dashboard, the alert rules.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use sim::{Flavor, Options};

use super::{NAME, Place, of, scene};
use crate::crowd::until;
use crate::scene::{MODEL, Props};

/// A file of the repository.
fn file(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap();
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Every name of ours in `text`.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let ends = |rest: &str| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let begins = text.match_indices(NAME);
    begins
        .map(|(at, _)| text[at..at + ends(&text[at..])].to_owned())
        .collect()
}

#[tokio::test]
async fn the_table_the_dashboard_and_the_alerts_name_what_there_is() {
    let place = Place::new();
    let scene = scene(
        &place,
        Props {
            options: Options {
                flavor: Flavor::Vllm,
                ..Options::default()
            },
            model: json!({"cache_enabled": true}),
            env: &[
                ("HEALTH_CHECK_INTERVAL", "0.2"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ],
            ..Props::default()
        },
    )
    .await;
    let health = format!("{}/health", scene.sim.base_url());
    let draft = store::EndpointDraft::for_update(&json!({"health_check_url": health})).unwrap();
    scene
        .ground
        .store
        .update_endpoint(scene.endpoint, &draft)
        .unwrap();
    let body = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content":
            "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>[[sim: tools=0 repeat=0]]"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    });
    assert_eq!(scene.post("/v1/chat/completions", &body).await.status, 200);
    let cached = scene.chat("say=ok usage=cached", json!({})).await;
    assert_eq!(cached.status, 200, "{cached:?}");
    let numbers = until("a health check and a pattern", async || {
        let numbers = place.read().await;
        let names = numbers.names();
        let wanted = ["endpoint_healthy", "tool_call_candidates_total"];
        let has = wanted.iter().all(|name| names.contains(of(name).as_str()));
        has.then_some(numbers)
    })
    .await;
    let told: BTreeSet<_> = numbers.kinds().keys().cloned().collect();
    let ours: BTreeSet<_> = named(&told.iter().cloned().collect::<Vec<_>>().join(" "));
    let table = file("docs/metrics.md");
    let documented: BTreeSet<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `serverless_proxy_"))
        .map(|line| {
            let (name, rest) = line.split_once("` | ").unwrap();
            let name = of(name);
            let kind = rest.split(' ').next().unwrap();
            assert_eq!(
                numbers.kinds().get(&name).map(String::as_str),
                Some(kind),
                "{name}"
            );
            name
        })
        .collect();
    assert_eq!(documented, ours);

    let names: BTreeSet<_> = numbers.names().into_iter().map(str::to_owned).collect();
    for path in [
        "conf/grafana/serverless-proxy.json",
        "conf/prometheus/alerts.yml",
        "conf/prometheus/alerts.test.yml",
    ] {
        let used = named(&file(path));
        assert!(!used.is_empty());
        let unknown: Vec<_> = used.difference(&names).collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
    }
    let dashboard: Value =
        serde_json::from_str(&file("conf/grafana/serverless-proxy.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = target["expr"].as_str().unwrap();
            let of_process = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
            for name in of_process.filter(|name| name.starts_with("process_")) {
                assert!(names.contains(name), "{text}");
            }
        }
    }
}

#[test]
fn the_alert_rules_do_what_they_say() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap();
    for arguments in [
        ["check", "rules", "conf/prometheus/alerts.yml"],
        ["test", "rules", "conf/prometheus/alerts.test.yml"],
    ] {
        let done = Command::new("promtool")
            .args(arguments)
            .current_dir(root)
            .output();
        let Ok(done) = done else { return };
        assert!(done.status.success(), "{}", crate::process::text(&done));
    }
}
