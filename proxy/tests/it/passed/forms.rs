//! Forms: the model's part before or behind the file, and what is no form.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sim::{Flavor, digest};

use super::{EDITS, FORM, TRANSCRIPTIONS, file, form, noise, part, renamed, row, scene};
use crate::crowd::{Crowd, attempts};
use crate::scene::{MODEL, answer};

#[tokio::test]
async fn every_byte_of_a_form_arrives_wherever_its_model_stands() {
    let sound = noise(300_000);
    let (model, sound_file) = (part("model", MODEL), file("file", &sound));
    let more = part("language", "en");
    for (parts, path, kind) in [
        (
            vec![model.clone(), sound_file.clone()],
            TRANSCRIPTIONS,
            "transcription",
        ),
        (
            vec![sound_file.clone(), model.clone()],
            TRANSCRIPTIONS,
            "transcription",
        ),
        (
            vec![more, sound_file.clone(), model.clone()],
            TRANSCRIPTIONS,
            "transcription",
        ),
        (
            vec![sound_file, model.clone()],
            "/audio/translations",
            "translation",
        ),
        (
            vec![
                file("image[]", &sound),
                part("prompt", "p"),
                file("image[]", b"b"),
                model.clone(),
            ],
            EDITS,
            "image",
        ),
        (
            vec![file("image", &sound), model],
            "/v1/images/variations",
            "image",
        ),
    ] {
        let scene = scene(Flavor::OpenAi).await;
        let body = form(&parts);
        let got = scene.send_form(path, body.clone()).await;
        assert_eq!(got.status, 200, "{got:?}");
        let sent = scene.sim.last_request().unwrap();
        assert!(sent.body == renamed(&body), "{path}");
        assert_eq!(sent.headers["content-type"], FORM);
        assert_eq!(sent.headers["content-length"], sent.body.len().to_string());
        let seen = &got.json()["seen"][0];
        assert_eq!(seen["digest"], digest(&sound));
        assert_eq!(seen["name"], "a \u{e4}.wav");
        let row = row(&scene, kind).await;
        assert!(row.total_tokens > 50, "{row:?}");
    }
}

#[tokio::test]
async fn a_form_without_a_model_gets_that_of_the_default() {
    let scene = scene(Flavor::OpenAi).await;
    scene.ground.settings(&json!({"default_model": MODEL}));
    let sound = file("file", b"abc");
    let body = form(std::slice::from_ref(&sound));
    crate::crowd::until("the default model", async || {
        let got = scene.send_form(TRANSCRIPTIONS, body.clone()).await;
        (got.status == 200).then_some(())
    })
    .await;
    let sent = scene.sim.last_request().unwrap();
    assert_eq!(sent.body, form(&[part("model", "sim-model"), sound]));
}

#[tokio::test]
async fn a_form_of_unknown_length_goes_on_as_one() {
    let scene = scene(Flavor::OpenAi).await;
    for length in [1000, 2_500_000] {
        let sound = noise(length);
        let body = form(&[part("model", MODEL), file("file", &sound)]);
        let pieces: Vec<_> = body.chunks(50_000).map(<[u8]>::to_vec).collect();
        let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let request = scene.request(Method::POST, TRANSCRIPTIONS);
        let got = answer(request.header(CONTENT_TYPE, FORM).body(stream)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.json()["seen"][0]["digest"], digest(&sound));
        let sent = scene.sim.last_request().unwrap();
        assert!(sent.body == renamed(&body));
        let whole = length < 1_000_000;
        assert_eq!(sent.headers.contains_key("content-length"), whole);
    }
}

#[tokio::test]
async fn two_models_reach_nobody() {
    let scene = scene(Flavor::OpenAi).await;
    let sound = file("file", b"abc");
    let body = form(&[part("model", MODEL), sound, part("model", "gpt-4o")]);
    let got = scene.send_form(TRANSCRIPTIONS, body).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["param"], "model");
    assert_eq!(scene.sim.served().requests, 0);
    // Behind a long file the first part is on its way already, and is never completed.
    let sound = file("file", &noise(3_000_000));
    let body = form(&[part("model", MODEL), sound, part("model", "gpt-4o")]);
    let got = scene.send_form(TRANSCRIPTIONS, body).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["code"], "invalid_form");
    scene.sim.wait_for_cancelled(1).await.unwrap();
    let rows = scene.ground.rows(2).await;
    assert_eq!(rows[1].outcome.as_deref(), Some("client_error"));
}

#[tokio::test]
async fn a_form_that_is_kept_is_sent_to_the_next_candidate() {
    let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
    crowd.script(0, "status=500");
    let sound = noise(500_000);
    let body = form(&[file("file", &sound), part("model", MODEL)]);
    let url = format!("{}{TRANSCRIPTIONS}", crowd.gateway.base);
    let request = crowd.client.post(&url).header(CONTENT_TYPE, FORM);
    let got = answer(request.body(body.clone())).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.json()["text"], "from 1");
    assert_eq!(got.json()["seen"][0]["digest"], digest(&sound));
    assert_eq!(got.header("x-gateway-attempts"), "2");
    let row = crowd.ground.row().await;
    assert_eq!(
        attempts(&row),
        [
            ("endpoint-0", 502, Some("upstream_failed")),
            ("endpoint-1", 200, None)
        ]
    );
    // So is one that lies in a file, and whatever is JSON.
    let long = noise(3_000_000);
    let body = form(&[file("file", &long), part("model", MODEL)]);
    let request = crowd.client.post(&url).header(CONTENT_TYPE, FORM);
    let got = answer(request.body(body)).await;
    assert_eq!(got.json()["seen"][0]["digest"], digest(&long));
    let picture = json!({"model": MODEL, "prompt": "a tree"});
    let got = crowd.post("/v1/images/generations", &picture).await;
    assert_eq!(
        (got.status.as_u16(), got.header("x-gateway-attempts")),
        (200, "2")
    );
}

#[tokio::test]
async fn a_form_on_its_way_is_not_begun_again() {
    let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
    let sound = noise(3_000_000);
    let body = form(&[part("model", MODEL), file("file", &sound)]);
    let url = format!("{}{TRANSCRIPTIONS}", crowd.gateway.base);
    crowd.script(0, "status=500");
    let request = crowd.client.post(&url).header(CONTENT_TYPE, FORM);
    let got = answer(request.body(body.clone())).await;
    assert_eq!(got.status, 502, "{got:?}");
    assert_eq!(got.header("x-gateway-attempts"), "1");
    // Who is not there has seen nothing of it.
    crowd.sims[0].down().await;
    let request = crowd.client.post(&url).header(CONTENT_TYPE, FORM);
    let got = answer(request.body(body)).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.json()["seen"][0]["digest"], digest(&sound));
}
