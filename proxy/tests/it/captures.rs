//! What calls say and are answered, kept where a virtual model asks for it and nowhere else.

use serde_json::json;
use store::{CallRow, CaptureRow, Store};

use crate::scene::Scene;

/// The kept bodies of a call, once they are there; they are written behind its row.
async fn kept(scene: &Scene, row: &CallRow) -> CaptureRow {
    let store = Store::open(&scene.ground.database()).unwrap();
    let id = row.request_id.as_deref().unwrap();
    loop {
        if let Some(found) = store.capture(id, row.created_at, row.created_at).unwrap() {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_whole_answer_and_its_request_are_kept_without_keys() {
    let scene = Scene::model(json!({"capture_bodies": true})).await;
    let more = json!({"user": "sk-0123456789abcdefgh"});
    let got = scene.chat("say=one+two+three", more).await;
    let row = scene.ground.row().await;
    let kept = kept(&scene, &row).await;
    assert!(kept.request.contains("say=one+two+three"), "{kept:?}");
    assert!(!kept.request.contains("0123456789abcdefgh"), "{kept:?}");
    assert_eq!(kept.answer, got.body);
    assert_eq!(kept.answer_bytes, i64::try_from(got.body.len()).unwrap());
    assert_eq!(kept.expires_at, row.created_at + store::Capture::SECONDS);
}

#[tokio::test]
async fn a_stream_is_kept_as_it_was_sent() {
    let scene = Scene::model(json!({"capture_bodies": true})).await;
    let got = scene.stream("say=one+two+three").await;
    let row = scene.ground.row().await;
    let kept = kept(&scene, &row).await;
    assert_eq!(kept.answer, got.body);
}

#[tokio::test]
async fn without_the_switch_nothing_is_kept() {
    let scene = Scene::start().await;
    scene.chat("say=one", json!({})).await;
    let model = store::VirtualModelDraft::for_update(&json!({"capture_bodies": true})).unwrap();
    let store = Store::open(&scene.ground.database()).unwrap();
    let first = scene.ground.row().await;
    let before = store.revision().unwrap();
    store.update_virtual_model(1, &model).unwrap();
    assert!(store.revision().unwrap() > before);
    // A call that is kept comes behind one that would have been.
    let mut rows = 1;
    let second = loop {
        scene.chat("say=two", json!({})).await;
        rows += 1;
        let all = scene.ground.rows(rows).await;
        let newest = all.into_iter().max_by_key(|row| row.id).unwrap();
        let id = newest.request_id.as_deref().unwrap();
        let found = store.capture(id, newest.created_at, newest.created_at);
        if found.unwrap().is_some() {
            break newest;
        }
    };
    assert_ne!(second.request_id, first.request_id);
    let id = first.request_id.as_deref().unwrap();
    assert_eq!(
        store
            .capture(id, first.created_at, first.created_at)
            .unwrap(),
        None
    );
}
