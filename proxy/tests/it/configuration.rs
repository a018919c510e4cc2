//! A configuration that changes while the gateway serves: seen within moments, and no
//! request fails for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use store::{EndpointDraft, VirtualModelDraft};

use crate::process::{LOOK, PATIENCE, Process, sql};
use crate::scene::{MODEL, Props, Scene, answer, chat, provider};

const CHAT: &str = "/v1/chat/completions";

fn change_model(scene: &Scene, id: i64, fields: &Value) {
    let draft = VirtualModelDraft::for_update(fields).unwrap();
    scene.ground.store.update_virtual_model(id, &draft).unwrap();
}

fn change_endpoint(scene: &Scene, id: i64, fields: &Value) {
    let draft = EndpointDraft::for_update(fields).unwrap();
    scene.ground.store.update_endpoint(id, &draft).unwrap();
}

/// Waits until a call to `model` is answered with `status`.
async fn answers(scene: &Scene, model: &str, status: u16) {
    let since = Instant::now();
    loop {
        let got = scene.chat("say=ok", json!({"model": model})).await;
        if got.status == status {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{model}: {got:?}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn every_kind_of_change_is_seen() {
    let scene = Scene::start().await;
    answers(&scene, "new", 404).await;
    let new = scene.ground.model("new", scene.endpoint, &json!({}));
    answers(&scene, "new", 200).await;
    change_model(&scene, new, &json!({"name": "renamed"}));
    answers(&scene, "renamed", 200).await;
    answers(&scene, "new", 404).await;
    change_model(&scene, new, &json!({"enabled": false}));
    answers(&scene, "renamed", 404).await;
    change_model(&scene, new, &json!({"enabled": true}));
    answers(&scene, "renamed", 200).await;
    change_endpoint(&scene, scene.endpoint, &json!({"enabled": false}));
    answers(&scene, "renamed", 404).await;
    change_endpoint(
        &scene,
        scene.endpoint,
        &json!({"enabled": true, "api_key": "wrong-key"}),
    );
    // The key that is refused is the gateway's, not the caller's.
    answers(&scene, "renamed", 502).await;
    let other = provider(sim::Flavor::Vllm).await;
    let fields =
        json!({"api_key": crate::scene::KEY, "url": other.base_url(), "endpoint_type": "vllm"});
    change_endpoint(&scene, scene.endpoint, &fields);
    answers(&scene, "renamed", 200).await;
    assert!(other.served().requests > 0);
    scene.ground.store.delete_virtual_model(new).unwrap();
    answers(&scene, "renamed", 404).await;
    answers(&scene, MODEL, 200).await;
}

#[tokio::test]
async fn a_change_is_in_use_soon() {
    let scene = Scene::start().await;
    scene.ground.model("new", scene.endpoint, &json!({}));
    let saved = Instant::now();
    answers(&scene, "new", 200).await;
    // The promise is one second; the rest is for a machine that is busy with other tests.
    let taken = saved.elapsed().as_millis();
    assert!(taken < 5000, "{taken} ms");
}

#[tokio::test]
async fn a_request_ends_on_the_configuration_it_began_with() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let body = chat("say=one+two gate=stream", &json!({"stream": true}));
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees("one ").await;
    scene
        .ground
        .store
        .delete_virtual_model(scene.model)
        .unwrap();
    scene
        .ground
        .store
        .delete_endpoint(scene.endpoint, true)
        .unwrap();
    answers(&scene, MODEL, 404).await;
    scene.sim.open_gate();
    let response = caller.response().await;
    assert!(response.complete);
    assert_eq!(response.events().last().unwrap(), "[DONE]");
    assert!(!response.text().contains("sim-model"));
    let rows = scene.ground.store.recent_calls(100).unwrap();
    assert!(
        rows.iter()
            .filter(|row| row.stream == 1)
            .all(|row| row.virtual_model == MODEL)
    );
}

/// What another program may write into the file behind the admin's back.
const SPOIL: &str = "UPDATE virtual_models SET custom_headers = '{not json', temperature = 'hot' WHERE name = 'other';
    INSERT INTO endpoints (name, url, endpoint_type) VALUES ('odd', 'not a url', 'openai');
    INSERT INTO endpoints (name, url, endpoint_type) VALUES ('unknown', 'http://h', 'no-such-type');";

async fn health(scene: &Scene) -> Value {
    answer(scene.request(Method::GET, "/health")).await.json()
}

#[tokio::test]
async fn a_bad_configuration_is_not_taken_over_and_the_old_one_stays() {
    let scene = Scene::start().await;
    scene.ground.model("other", scene.endpoint, &json!({}));
    answers(&scene, "other", 200).await;
    sql(&scene.ground.database(), SPOIL);
    scene.gateway.logged("not used").await;
    let told = health(&scene).await;
    assert_eq!(told["status"], "degraded", "{told}");
    let log = scene.gateway.log();
    for word in ["odd", "unknown", "other"] {
        assert!(told.to_string().contains(word), "{word}: {told}");
        assert!(log.contains(word), "{word}: {log}");
    }
    for model in [MODEL, "other"] {
        let got = scene.chat("say=ok", json!({"model": model})).await;
        assert_eq!(got.status, 200, "{model}: {got:?}");
    }
    // Mended, it is taken over.
    sql(
        &scene.ground.database(),
        "UPDATE virtual_models SET custom_headers = NULL, temperature = NULL, name = 'mended' WHERE name = 'other';
         DELETE FROM endpoints WHERE name IN ('odd', 'unknown');",
    );
    answers(&scene, "mended", 200).await;
    assert_eq!(health(&scene).await["status"], "ok");
}

#[tokio::test]
async fn at_the_start_a_bad_row_spoils_only_itself() {
    let mut scene = Scene::start().await;
    scene.ground.model("other", scene.endpoint, &json!({}));
    assert_eq!(scene.gateway.stop().await, Some(0));
    sql(&scene.ground.database(), SPOIL);
    scene.gateway = Process::gateway(scene.ground.folder.path(), &[]).await;
    let got = scene.chat("say=ok", json!({})).await;
    assert_eq!(got.status, 200, "{got:?}");
    let told = health(&scene).await;
    assert_eq!(told["status"], "degraded", "{told}");
    assert!(
        told["configuration_problems"].as_u64().unwrap() >= 3,
        "{told}"
    );
    let log = scene.gateway.log();
    for word in ["odd", "unknown", "other"] {
        assert!(log.contains(word), "{word}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_under_load_fail_no_request() {
    let scene = Arc::new(
        Scene::with(Props {
            env: &[("RUST_LOG", "warn")],
            ..Props::default()
        })
        .await,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..32)
        .map(|number| {
            let (scene, stop, made) = (Arc::clone(&scene), Arc::clone(&stop), Arc::clone(&made));
            tokio::spawn(async move {
                let mut caller = scene.caller().await;
                let stream = number % 2 == 0;
                let body = chat("say=steady+answer", &json!({"stream": stream})).to_string();
                while !stop.load(Ordering::SeqCst) {
                    let response = caller.post(CHAT, &body).await;
                    let text = response.text();
                    assert_eq!(response.status, 200, "{text}");
                    assert!(response.complete && text.contains("answer"), "{text}");
                    assert_eq!(text.contains("[DONE]"), stream, "{text}");
                    made.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let spare = provider(sim::Flavor::OpenAi).await;
    for round in 0..8 {
        let name = format!("spare {round}");
        let endpoint = scene.ground.endpoint(&spare, &json!({"name": name}));
        let model = scene.ground.model(&name, endpoint, &json!({}));
        answers(&scene, &name, 200).await;
        change_model(
            &scene,
            model,
            &json!({"name": format!("{name} again"), "system_prompt": "p".repeat(round * 1000)}),
        );
        // The endpoint under load changes as well: its connections are made anew.
        let header = json!({"custom_headers": {"x-round": round.to_string()}});
        change_endpoint(&scene, scene.endpoint, &header);
        change_model(&scene, scene.model, &json!({"description": name}));
        answers(&scene, &format!("{name} again"), 200).await;
        change_endpoint(&scene, endpoint, &json!({"enabled": false}));
        answers(&scene, &format!("{name} again"), 404).await;
        scene.ground.store.delete_endpoint(endpoint, true).unwrap();
    }
    let before = made.load(Ordering::SeqCst);
    assert!(before > 100, "{before} calls are no load");
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let last = scene.sim.last_request().unwrap();
    assert_eq!(last.headers["x-round"], "7");
    let failed = |row: &store::CallRow| {
        row.virtual_model == MODEL && row.outcome.as_deref() != Some("success")
    };
    let since = Instant::now();
    let made = made.load(Ordering::SeqCst);
    loop {
        let rows = scene.ground.store.recent_calls(1_000_000).unwrap();
        assert_eq!(rows.iter().find(|row| failed(row)), None);
        let own = rows.iter().filter(|row| row.virtual_model == MODEL).count() as u64;
        if own == made {
            break;
        }
        assert!(
            own < made && since.elapsed() < PATIENCE,
            "{own} rows of {made}"
        );
        tokio::time::sleep(LOOK).await;
    }
}
