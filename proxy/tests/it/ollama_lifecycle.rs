//! Models of an Ollama server, managed through the gateway.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sim::{Flavor, Options, Sim, digest};

use crate::exposure::client_at;
use crate::keys::{FACING, key};
use crate::process::Process;
use crate::scene::{Answer, Ground, Props, Scene, answer, client, provider};

const MIB: usize = 1024 * 1024;

/// A name that the server takes for a digest.
fn blob(digit: char) -> String {
    format!("/api/blobs/sha256:{}", String::from(digit).repeat(64))
}

async fn send(scene: &Scene, method: Method, path: &str, body: &Value) -> Answer {
    answer(scene.request(method, path).json(body)).await
}

async fn models(sim: &Sim) -> Vec<String> {
    let url = format!("{}/api/tags", sim.base_url());
    let request = client().get(url).bearer_auth(crate::scene::KEY);
    let list = answer(request).await.json();
    let all = list["models"].as_array().unwrap();
    all.iter()
        .map(|model| model["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn models_are_managed_at_the_server() {
    let scene = Scene::of(Flavor::Ollama).await;
    let got = scene.post("/api/pull", &json!({"model": "new"})).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = got
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["status"], "pulling manifest", "{got:?}");
    assert_eq!(lines.last().unwrap()["status"], "success", "{got:?}");
    let got = scene
        .post("/api/pull", &json!({"model": "second", "stream": false}))
        .await;
    assert_eq!(got.json(), json!({"status": "success"}), "{got:?}");

    let copied = json!({"source": "new", "destination": "copied"});
    assert_eq!(scene.post("/api/copy", &copied).await.status, 200);
    let pushed = scene.post("/api/push", &json!({"model": "copied"})).await;
    assert!(pushed.body.contains("pushing"), "{pushed:?}");
    let names = models(&scene.sim).await;
    assert!(names.iter().any(|name| name == "copied"), "{names:?}");
    let gone = send(
        &scene,
        Method::DELETE,
        "/api/delete",
        &json!({"model": "new"}),
    )
    .await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (200, ""));
    let names = models(&scene.sim).await;
    assert!(names.iter().all(|name| name != "new"), "{names:?}");

    let again = send(
        &scene,
        Method::DELETE,
        "/api/delete",
        &json!({"model": "new"}),
    )
    .await;
    assert_eq!(again.status, 404, "{again:?}");
    let words = again.json()["error"].as_str().unwrap().to_owned();
    assert!(words.contains("'new' not found"), "{words}");
    let failed = scene
        .post("/api/pull", &json!({"model": "missing", "stream": false}))
        .await;
    assert_eq!(failed.status, 502, "{failed:?}");
    assert!(failed.body.contains("file does not exist"), "{failed:?}");

    let log = scene
        .gateway
        .logged("models of an Ollama server: delete")
        .await;
    assert!(log.contains("to-ollama") && log.contains("new"), "{log}");
    assert_eq!(scene.ground.store.recent_calls(10).unwrap(), []);
}

#[tokio::test]
async fn a_model_is_made_of_files_that_were_sent() {
    let scene = Scene::of(Flavor::Ollama).await;
    let path = blob('a');
    let asked = answer(scene.request(Method::HEAD, &path)).await;
    assert_eq!((asked.status.as_u16(), asked.body.as_str()), (404, ""));
    let made =
        json!({"model": "made", "files": {"m.gguf": path.trim_start_matches("/api/blobs/")}});
    let early = scene.post("/api/create", &made).await;
    assert_eq!(early.status, 400, "{early:?}");
    assert_eq!(scene.post_bytes(&path, "weights").await.status, 201);
    let asked = answer(scene.request(Method::HEAD, &path)).await;
    assert_eq!((asked.status.as_u16(), asked.body.as_str()), (200, ""));
    let got = scene.post("/api/create", &made).await;
    assert!(got.body.contains("success"), "{got:?}");
    let names = models(&scene.sim).await;
    assert!(names.iter().any(|name| name == "made"), "{names:?}");

    let seen = scene.sim.requests().len();
    for wrong in [
        "/api/blobs/sha256:12",
        "/api/blobs/..%2Fdelete",
        "/api/blobs/x",
    ] {
        let got = scene.post_bytes(wrong, "weights").await;
        assert_eq!(got.status, 400, "{wrong}: {got:?}");
        assert!(got.json()["error"].is_string(), "{wrong}: {got:?}");
    }
    assert_eq!(scene.sim.requests().len(), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_goes_through_and_is_nowhere_kept() {
    let scene = Scene::with(Props {
        options: Options {
            flavor: Flavor::Ollama,
            ..Options::default()
        },
        env: &[("MAX_BODY_MB", "1")],
        ..Props::default()
    })
    .await;
    assert_eq!(scene.post_bytes(&blob('b'), "warm").await.status, 201);
    let weights: Vec<u8> = (0..24 * MIB).map(|n| (n / 7 % 251) as u8).collect();
    for length in [
        format!("content-length: {}", weights.len()),
        "transfer-encoding: chunked".to_owned(),
    ] {
        let is_chunked = length.starts_with("transfer");
        let before = scene.gateway.resident();
        let served = scene.sim.served();
        let mut caller = scene.caller().await;
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: gateway\r\n{length}\r\n\r\n",
            blob('c')
        );
        caller.send(head.as_bytes()).await;
        let mut most = 0;
        for (n, piece) in weights.chunks(MIB).enumerate() {
            if is_chunked {
                let size = format!("{:x}\r\n", piece.len());
                caller
                    .send(&[size.as_bytes(), piece, b"\r\n"].concat())
                    .await;
            } else {
                caller.send(piece).await;
            }
            most = most.max(scene.gateway.resident());
            if n == 0 {
                // It is on its way before it is complete.
                let begun = scene.sim.wait_until(|now| now.requests > served.requests);
                begun.await.unwrap();
                assert_eq!(scene.sim.served().received, served.received);
            }
        }
        if is_chunked {
            caller.send(b"0\r\n\r\n").await;
        }
        let got = caller.response().await;
        assert_eq!(got.status, 201, "{got:?}");
        let sent = scene.sim.last_request().unwrap();
        assert_eq!(digest(&sent.body), digest(&weights));
        let grown = most.saturating_sub(before) / MIB as u64;
        assert!(grown < 16, "{grown} MiB for one blob");
    }
    // What is no blob is held to the limit.
    let long = json!({"model": "m", "template": "x".repeat(2 * MIB)});
    assert_eq!(scene.post("/api/create", &long).await.status, 413);
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_work() {
    let scene = Scene::of(Flavor::Ollama).await;
    scene.sim.set_script("hang=header".parse().unwrap());
    let mut caller = scene.caller().await;
    caller.ask("/api/pull", "", r#"{"model":"new"}"#).await;
    let begun = scene.sim.wait_until(|served| served.received == 1).await;
    begun.unwrap();
    drop(caller);
    scene.sim.wait_for_cancelled(1).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let ground = Ground::new();
    let nowhere = json!({
        "name": "gone", "url": "http://127.0.0.1:1", "endpoint_type": "ollama",
    });
    ground.endpoint_from(&nowhere);
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    let url = format!("{}/api/pull", gateway.base);
    let got = answer(client().post(url).json(&json!({"model": "m"}))).await;
    assert_eq!(got.status, 502, "{got:?}");
    let words = got.json()["error"].as_str().unwrap().to_owned();
    assert!(words.contains("refuses connections"), "{words}");
    assert!(!words.contains("127.0.0.1"), "{words}");
}

#[tokio::test]
async fn the_server_is_the_named_or_the_preferred_one() {
    let (one, two) = (
        provider(Flavor::Ollama).await,
        provider(Flavor::Ollama).await,
    );
    let ground = Ground::new();
    ground.endpoint(&one, &json!({"name": "first"}));
    ground.endpoint(&two, &json!({"name": "second", "priority": 5}));
    ground.endpoint(
        &one,
        &json!({"name": "off", "priority": 9, "enabled": false}),
    );
    let other = provider(Flavor::OpenAi).await;
    ground.endpoint(&other, &json!({"name": "openai", "priority": 7}));
    let folder = ground.folder.path();
    let client = client();
    let pulled = |base: &str, named: Option<&str>| {
        let request = client.post(format!("{base}/api/pull"));
        let request = request.json(&json!({"model": "m"}));
        match named {
            Some(name) => request.header("x-gateway-endpoint", name),
            None => request,
        }
    };
    let count = || (one.requests().len(), two.requests().len());
    let mut gateway = Process::gateway(folder, &[]).await;
    assert_eq!(answer(pulled(&gateway.base, None)).await.status, 200);
    assert_eq!(count(), (0, 1));
    assert_eq!(
        answer(pulled(&gateway.base, Some("first"))).await.status,
        200
    );
    assert_eq!(count(), (1, 1));
    for wrong in ["off", "openai", "none"] {
        let got = answer(pulled(&gateway.base, Some(wrong))).await;
        assert_eq!(got.status, 404, "{wrong}: {got:?}");
        assert!(got.body.contains(wrong), "{got:?}");
    }
    gateway.stop().await;
    let gateway = Process::gateway(folder, &[("OLLAMA_ENDPOINT", "first")]).await;
    assert_eq!(answer(pulled(&gateway.base, None)).await.status, 200);
    assert_eq!(count(), (2, 1));
    assert_eq!(
        answer(pulled(&gateway.base, Some("second"))).await.status,
        200
    );
    assert_eq!(count(), (2, 2));
}

#[tokio::test]
async fn only_trusted_callers_manage_models() {
    let scene = Scene::with(Props {
        options: Options {
            flavor: Flavor::Ollama,
            ..Options::default()
        },
        env: FACING,
        ..Props::default()
    })
    .await;
    let any = key(&scene, &json!({"label": "any"}));
    let narrow = json!({"label": "narrow", "allowed_models": [crate::scene::MODEL]});
    let narrow = key(&scene, &narrow);
    crate::keys::answers(&scene, narrow.api_key.expose(), 200).await;
    let inside = client_at("127.0.0.2");
    let pull = |client: &Client| -> RequestBuilder {
        let url = format!("{}/api/pull", scene.gateway.base);
        client.post(url).json(&json!({"model": "m"}))
    };
    let before = scene.sim.requests().len();
    for (request, status) in [
        (pull(&scene.client), 401),
        (pull(&scene.client).bearer_auth(any.api_key.expose()), 403),
        (pull(&inside).bearer_auth(narrow.api_key.expose()), 403),
    ] {
        let got = answer(request).await;
        assert_eq!(got.status, status, "{got:?}");
        assert!(got.json()["error"].is_string(), "{got:?}");
    }
    assert_eq!(scene.sim.requests().len(), before);
    for request in [
        pull(&inside),
        pull(&inside).bearer_auth(any.api_key.expose()),
        pull(&inside).bearer_auth("whatever"),
    ] {
        assert_eq!(answer(request).await.status, 200);
    }
}
