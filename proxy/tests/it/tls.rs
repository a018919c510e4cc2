//! Secure upstreams: which certificate is trusted, and HTTP/2 where it is offered.

use std::fs;
use std::path::PathBuf;

use reqwest::{Method, Version};
use serde_json::{Value, json};
use sim::{Flavor, Options, Sim, Tls};

use crate::process::Process;
use crate::scene::{Answer, Ground, KEY, answer, chat, client, provider_with, with};

const CHAT: &str = "/v1/chat/completions";

/// A secure provider and the file with its authority's certificate.
async fn secure(ground: &Ground, tls: Tls) -> (Sim, PathBuf) {
    let sim = provider_with(Options {
        flavor: Flavor::Vllm,
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let port = sim.addr().port();
    let file = ground.folder.path().join(format!("ca-{port}.pem"));
    fs::write(&file, sim.ca_pem().unwrap()).unwrap();
    (sim, file)
}

async fn call(gateway: &Process, model: &str, script: &str, stream: bool) -> Answer {
    let body = chat(script, &json!({"model": model, "stream": stream}));
    let request = client().request(Method::POST, format!("{}{CHAT}", gateway.base));
    answer(request.json(&body)).await
}

#[tokio::test]
async fn only_a_trusted_certificate_is_called() {
    let ground = Ground::new();
    let (sim, file) = secure(&ground, Tls::default()).await;
    let names = vec!["elsewhere.example".to_owned()];
    let (other, others_file) = secure(
        &ground,
        Tls {
            names,
            ..Tls::default()
        },
    )
    .await;
    let ca = |file: &PathBuf| json!({"ca_file": file.to_str().unwrap()});
    let by_address = format!("https://127.0.0.1:{}", sim.addr().port());
    for (name, sim, more) in [
        ("trusted", &sim, ca(&file)),
        (
            "by-address",
            &sim,
            with(ca(&file), &json!({"url": by_address})),
        ),
        ("insecure", &sim, json!({"tls_insecure": true})),
        ("insecure-name", &other, json!({"tls_insecure": true})),
        ("unknown-authority", &sim, json!({})),
        ("other-authority", &sim, ca(&others_file)),
        ("other-name", &other, ca(&others_file)),
    ] {
        let endpoint = ground.endpoint(sim, &with(more, &json!({"name": name})));
        ground.model(name, endpoint, &json!({}));
    }
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    // Twice: what one endpoint may do must not rub off on another through the pool.
    for round in 0..2 {
        for name in ["trusted", "by-address", "insecure", "insecure-name"] {
            for stream in [false, true] {
                let got = call(&gateway, name, "say=ok", stream).await;
                assert_eq!(got.status, 200, "{round} {name}: {got:?}");
                assert!(got.body.contains("ok"));
            }
        }
        for name in ["unknown-authority", "other-authority", "other-name"] {
            let got = call(&gateway, name, "say=ok", false).await;
            assert_eq!(got.status, 502, "{round} {name}: {got:?}");
            assert_eq!(got.error()["code"], "upstream_tls_failed", "{name}");
        }
    }
    for sim in [&sim, &other] {
        for request in sim.requests() {
            assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        }
    }
}

#[tokio::test]
async fn plain_http_on_a_secure_port_and_the_reverse_are_told_apart() {
    let ground = Ground::new();
    let (secure, _) = secure(&ground, Tls::default()).await;
    let plain = provider_with(Options::default()).await;
    let swapped = |sim: &Sim, scheme: &str| json!({"url": format!("{scheme}://127.0.0.1:{}", sim.addr().port()), "name": scheme});
    for (name, sim, scheme) in [
        ("http-to-tls", &secure, "http"),
        ("tls-to-http", &plain, "https"),
    ] {
        let endpoint = ground.endpoint(sim, &swapped(sim, scheme));
        ground.model(name, endpoint, &json!({}));
    }
    let gateway = Process::gateway(ground.folder.path(), &[("TIMEOUT", "5")]).await;
    for name in ["http-to-tls", "tls-to-http"] {
        let got = call(&gateway, name, "", false).await;
        assert_eq!(got.status, 502, "{name}: {got:?}");
        assert!(
            got.error()["code"]
                .as_str()
                .unwrap()
                .starts_with("upstream_")
        );
    }
}

#[tokio::test]
async fn an_unusable_ca_file_is_told_and_spoils_nothing_else() {
    let ground = Ground::new();
    let (sim, file) = secure(&ground, Tls::default()).await;
    let bad = ground.folder.path().join("bad.pem");
    fs::write(
        &bad,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let empty = ground.folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let missing = ground.folder.path().join("missing.pem");
    for (name, file) in [
        ("good", &file),
        ("bad", &bad),
        ("empty", &empty),
        ("missing", &missing),
    ] {
        let more = json!({"name": name, "ca_file": file.to_str().unwrap()});
        let endpoint = ground.endpoint(&sim, &more);
        ground.model(name, endpoint, &json!({}));
    }
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    assert_eq!(call(&gateway, "good", "", false).await.status, 200);
    for name in ["bad", "empty", "missing"] {
        let got = call(&gateway, name, "", false).await;
        assert_eq!(got.status, 502, "{name}: {got:?}");
        assert_eq!(got.error()["code"], "endpoint_misconfigured");
        assert!(!got.body.contains(".pem"), "{got:?}");
        assert!(gateway.log().contains(&format!("{name}.pem")));
    }
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered() {
    let ground = Ground::new();
    let only_h1 = Tls {
        alpn: vec!["http/1.1"],
        ..Tls::default()
    };
    let silent = Tls {
        alpn: Vec::new(),
        ..Tls::default()
    };
    for (name, tls, version) in [
        ("h2", Tls::default(), Version::HTTP_2),
        ("h1", only_h1, Version::HTTP_11),
        ("none", silent, Version::HTTP_11),
    ] {
        let (sim, file) = secure(&ground, tls).await;
        let more = json!({"name": name, "ca_file": file.to_str().unwrap()});
        let endpoint = ground.endpoint(&sim, &more);
        ground.model(name, endpoint, &json!({}));
        let gateway = Process::gateway(ground.folder.path(), &[]).await;
        let whole = call(&gateway, name, "say=one+two", false).await;
        assert_eq!(whole.json()["choices"][0]["message"]["content"], "one two");
        let streamed = call(&gateway, name, "unicode chunks=30 sse=split", true).await;
        assert_eq!(streamed.streamed_text().chars().count(), 110, "{name}");
        for request in sim.requests() {
            assert_eq!(request.version, version, "{name}");
            assert_eq!(request.path, CHAT);
        }
    }
}

/// A gateway in front of an HTTP/2 provider.
async fn over_http2(env: &[(&str, &str)]) -> (Ground, Sim, Process) {
    let ground = Ground::new();
    let (sim, file) = secure(&ground, Tls::default()).await;
    let more = json!({"ca_file": file.to_str().unwrap()});
    let endpoint = ground.endpoint(&sim, &more);
    ground.model("h2", endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), env).await;
    (ground, sim, gateway)
}

#[tokio::test]
async fn streams_share_an_http2_connection_and_do_not_disturb_each_other() {
    let (ground, sim, gateway) = over_http2(&[]).await;
    // The first call opens the connection.
    call(&gateway, "h2", "", false).await;
    let address = gateway.base.clone();
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let body = chat(
                &format!("say=answer+{number} gate=stream"),
                &json!({"model": "h2", "stream": true}),
            );
            let request = client().post(format!("{address}{CHAT}")).json(&body);
            tokio::spawn(answer(request))
        })
        .collect();
    sim.wait_for_requests(41).await.unwrap();
    sim.open_gate();
    for (number, call) in calls.into_iter().enumerate() {
        let text = call.await.unwrap().streamed_text();
        assert_eq!(text, format!("answer {number}"));
    }
    let connections = sim.served().connections;
    assert!(connections < 20, "{connections} connections for 41 calls");
    ground.rows(41).await;
}

#[tokio::test]
async fn faults_over_http2_end_as_truly_as_over_http1() {
    let (ground, sim, gateway) = over_http2(&[("TIMEOUT", "1")]).await;
    let scripts = [
        ("chunks=4 cut=between cut_after=2", "upstream_stream_cut"),
        ("chunks=4 cut=chunk cut_after=2", "upstream_stream_cut"),
        ("chunks=4 no_finish no_done", "upstream_stream_cut"),
        ("chunks=4 hang=stream hang_after=2", "upstream_timeout"),
    ];
    for (script, code) in scripts {
        let got = call(&gateway, "h2", script, true).await;
        assert_eq!(got.status, 200, "{script}: {got:?}");
        assert!(!got.body.contains("[DONE]"), "{script}: {got:?}");
        let last: Value = serde_json::from_str(got.events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], code, "{script}: {got:?}");
    }
    for (script, status) in [
        ("status=429", 429),
        ("status=500", 502),
        ("hang=header", 504),
        ("cut=between", 502),
    ] {
        let got = call(&gateway, "h2", script, false).await;
        assert_eq!(got.status, status, "{script}: {got:?}");
    }
    for row in ground.rows(scripts.len() + 4).await {
        assert_ne!(row.outcome.as_deref(), Some("success"), "{row:?}");
    }
    // The connection, or a new one, serves on.
    assert_eq!(
        call(&gateway, "h2", "say=ok", true).await.streamed_text(),
        "ok"
    );
    assert!(
        sim.requests()
            .iter()
            .all(|request| request.version == Version::HTTP_2)
    );
}

#[tokio::test]
async fn a_hang_up_cancels_one_http2_stream_only() {
    let (ground, sim, gateway) = over_http2(&[]).await;
    let body = chat(
        "say=one+two gate=stream",
        &json!({"model": "h2", "stream": true}),
    )
    .to_string();
    let mut leaving = crate::caller::Caller::connect(gateway.address()).await;
    let mut staying = crate::caller::Caller::connect(gateway.address()).await;
    for caller in [&mut leaving, &mut staying] {
        caller.ask(CHAT, "", &body).await;
        caller.sees("one ").await;
    }
    drop(leaving);
    sim.wait_for_cancelled(1).await.unwrap();
    sim.open_gate();
    let response = staying.response().await;
    assert_eq!(response.events().last().unwrap(), "[DONE]");
    let rows = ground.rows(2).await;
    assert_eq!(rows[0].outcome.as_deref(), Some("client_cancelled"));
    assert_eq!(rows[1].outcome.as_deref(), Some("success"));
}

#[tokio::test]
async fn a_large_request_and_an_early_refusal_over_http2() {
    let (_ground, sim, gateway) = over_http2(&[]).await;
    // More than any window of the connection, less than any context of the model.
    let user = json!({"role": "user", "content": "hi"});
    let large = "p\u{e9} ".repeat(1_000_000);
    let body = json!({"model": "h2", "messages": [user], "x_large": large});
    let text = body.to_string();
    let request = client()
        .post(format!("{}{CHAT}", gateway.base))
        .body(text.clone());
    assert_eq!(answer(request).await.status, 200);
    let expected = text.replacen("\"h2\"", "\"sim-model\"", 1);
    assert!(sim.last_request().unwrap().body == expected.as_bytes());
    sim.set_script("early=413 message=too+long+for+me".parse().unwrap());
    let request = client().post(format!("{}{CHAT}", gateway.base)).body(text);
    let got = answer(request).await;
    assert_eq!(got.status, 413, "{got:?}");
    assert!(got.body.contains("too long for me"));
}
