//! Long forms: memory, limits, and callers that leave in the middle.

use sim::{Flavor, Options, digest};

use super::{FORM, TRANSCRIPTIONS, file, form, noise, part, scene};
use crate::scene::{MODEL, Props, Scene};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_needs_no_memory_wherever_the_model_stands() {
    let scene = scene(Flavor::OpenAi).await;
    let sound = noise(30 * MIB);
    let (model, sound_file) = (part("model", MODEL), file("file", &sound));
    let short = form(&[model.clone(), file("file", b"abc")]);
    assert_eq!(scene.send_form(TRANSCRIPTIONS, short).await.status, 200);
    let wanted = digest(&sound);
    for parts in [[model.clone(), sound_file.clone()], [sound_file, model]] {
        let body = form(&parts);
        let before = scene.gateway.resident();
        let mut caller = scene.caller().await;
        let head = head(Some(body.len()));
        caller.send(head.as_bytes()).await;
        let mut most = 0;
        for piece in body.chunks(MIB) {
            caller.send(piece).await;
            most = most.max(scene.gateway.resident());
        }
        let got = caller.response().await;
        most = most.max(scene.gateway.resident());
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.json()["seen"][0]["digest"], wanted);
        let grown = most.saturating_sub(before) / MIB as u64;
        assert!(grown < 16, "{grown} MiB for one form");
    }
    let files = std::fs::read_dir(scene.ground.folder.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().starts_with(".tmp")),
        "{names:?}"
    );
}

fn head(length: Option<usize>) -> String {
    let length = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    format!(
        "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: gateway\r\ncontent-type: {FORM}\r\n{length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_form_beyond_the_limit_is_refused_clearly() {
    let scene = Scene::with(Props {
        options: Options::default(),
        env: &[("MAX_BODY_MB", "2")],
        ..Props::default()
    })
    .await;
    let (model, sound) = (part("model", MODEL), file("file", &noise(3 * MIB)));
    for (parts, announced) in [
        ([model.clone(), sound.clone()], true),
        ([model.clone(), sound.clone()], false),
        ([sound, model], false),
    ] {
        let body = form(&parts);
        let mut caller = scene.caller().await;
        caller
            .send(head(announced.then_some(body.len())).as_bytes())
            .await;
        if announced {
            caller.try_send(&body).await;
        } else {
            for piece in body.chunks(100_000) {
                let size = format!("{:x}\r\n", piece.len());
                caller
                    .try_send(&[size.as_bytes(), piece, b"\r\n"].concat())
                    .await;
            }
            caller.try_send(b"0\r\n\r\n").await;
        }
        let got = caller.response().await;
        assert_eq!(got.status, 413, "{got:?}");
        let error = &got.json()["error"];
        assert_eq!(error["code"], "request_too_large");
        assert!(error["message"].as_str().unwrap().contains("MAX_BODY_MB"));
    }
    scene
        .sim
        .wait_until(|served| served.open() == 0)
        .await
        .unwrap();
    assert_eq!(scene.sim.served().received, 0);
    for row in scene.ground.rows(3).await {
        assert_eq!(
            (row.status, row.outcome.as_deref()),
            (Some(413), Some("client_error"))
        );
    }
}

#[tokio::test]
async fn a_caller_who_leaves_while_it_sends_leaves_nothing_behind() {
    let scene = scene(Flavor::OpenAi).await;
    let body = form(&[part("model", MODEL), file("file", &noise(3 * MIB))]);
    let mut caller = scene.caller().await;
    caller.send(head(Some(body.len())).as_bytes()).await;
    caller.send(&body[..2 * MIB]).await;
    let begun = scene.sim.wait_until(|served| served.requests == 1).await;
    begun.unwrap();
    drop(caller);
    scene.sim.wait_for_cancelled(1).await.unwrap();
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
    assert_eq!(scene.sim.served().received, 0);
}
