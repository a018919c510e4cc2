//! Connection tests and model lists, against backends that answer in every way.

use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::harness::App;
use crate::upstream::{Authority, Upstream, http};

pub(crate) const KEY: &str = "sk-never-to-be-shown-9876";
const LIST: &str = r#"{"object":"list","data":[{"id":"zeta"},{"id":"alpha"}]}"#;

/// Tests the endpoint and gives the report, which is complete and keeps the key.
async fn test(app: &App, id: i64) -> Value {
    let (status, report) = app.post(&format!("/endpoints/{id}/test"), &json!({})).await;
    assert_eq!(status, 200, "{report}");
    for field in [
        "status",
        "reachable",
        "authenticated",
        "latency_ms",
        "models",
        "endpoint_status",
        "error",
    ] {
        assert!(report.get(field).is_some(), "{field} is missing: {report}");
    }
    assert!(
        !report.to_string().contains("never-to-be-shown"),
        "{report}"
    );
    report
}

/// Both calls fail with a reason that contains `reason`; gives the report.
pub(crate) async fn fails(app: &App, id: i64, reason: &str) -> Value {
    let report = test(app, id).await;
    assert_eq!(report["status"], "error", "{report}");
    assert!(
        report["error"].as_str().unwrap().contains(reason),
        "{reason}: {report}"
    );
    let (status, body) = app.get(&format!("/endpoints/{id}/models")).await;
    assert!(status.is_server_error(), "{status} {body}");
    assert!(body["error"].as_str().unwrap().contains(reason), "{body}");
    assert!(!body.to_string().contains("never-to-be-shown"), "{body}");
    report
}

pub(crate) async fn keyed(app: &App, url: &str) -> i64 {
    app.endpoint_with(json!({ "name": url, "url": url, "api_key": KEY }))
        .await
}

#[tokio::test]
async fn a_good_backend_is_reported_with_its_models() {
    let app = App::start();
    let upstream = Upstream::json(200, LIST).await;
    let id = app
        .endpoint_with(json!({
            "name": "good",
            "url": upstream.url(),
            "api_key": KEY,
            "custom_headers": { "x-team": "blue" },
        }))
        .await;
    let report = test(&app, id).await;
    assert_eq!(report["status"], "ok", "{report}");
    assert_eq!(report["reachable"], true);
    assert_eq!(
        report["authenticated"],
        Value::Null,
        "anyone gets this list"
    );
    assert_eq!(report["models"], 2);
    assert_eq!(report["endpoint_status"], 200);
    assert_eq!(report["error"], Value::Null);
    let [head, without_key] = &upstream.heads()[..] else {
        panic!("one call with the key and one without");
    };
    assert!(!without_key.contains("authorization"), "{without_key}");
    assert!(head.starts_with("get /v1/models http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("authorization: bearer {KEY}\r\n")),
        "{head}"
    );
    assert!(head.contains("x-team: blue\r\n"), "{head}");
}

#[tokio::test]
async fn without_a_key_success_proves_no_login() {
    let app = App::start();
    let upstream = Upstream::json(200, LIST).await;
    let id = app.endpoint("open", &upstream.url()).await;
    let report = test(&app, id).await;
    assert_eq!(report["status"], "ok");
    assert_eq!(report["authenticated"], Value::Null);
}

/// The second call, without the key, tells something only when it is refused for that.
#[tokio::test]
async fn only_a_refusal_without_the_key_proves_the_key() {
    let app = App::start_with(&[("TIMEOUT", "1")]);
    for (later, authenticated) in [
        (http(401, "", "{}"), json!(true)),
        (http(403, "", "{}"), json!(true)),
        (http(429, "", "{}"), Value::Null),
        (http(500, "", "{}"), Value::Null),
        (http(200, "", "<html>"), Value::Null),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Value::Null),
        (Vec::new(), Value::Null),
    ] {
        let upstream = Upstream::changing(http(200, "", LIST), later.clone()).await;
        let id = keyed(&app, &upstream.url()).await;
        let report = test(&app, id).await;
        let later = String::from_utf8_lossy(&later);
        assert_eq!(report["status"], "ok", "{later}: {report}");
        assert_eq!(report["authenticated"], authenticated, "{later}: {report}");
        assert_eq!(upstream.heads().len(), 2, "{later}");
    }
}

#[tokio::test]
async fn a_queue_without_a_key_of_its_own_gets_the_configured_one() {
    let app = App::start_with(&[("AI_QUEUE_API_KEY", KEY)]);
    let own = "sk-own-never-to-be-shown-1234";
    for (name, kind, api_key, sent) in [
        ("shared", "queue", Value::Null, Some(KEY)),
        ("own", "queue", json!(own), Some(own)),
        ("other type", "openai", Value::Null, None),
    ] {
        let upstream = Upstream::changing(http(200, "", LIST), http(401, "", "{}")).await;
        let body = json!({
            "name": name,
            "url": upstream.url(),
            "endpoint_type": kind,
            "api_key": api_key,
        });
        let id = app.endpoint_with(body).await;
        let report = test(&app, id).await;
        let head = upstream.heads()[0].clone();
        match sent {
            Some(key) => {
                assert!(
                    head.contains(&format!("authorization: bearer {key}\r\n")),
                    "{name}: {head}"
                );
                assert_eq!(report["authenticated"], true, "{name}: {report}");
            }
            None => assert!(!head.contains("authorization"), "{name}: {head}"),
        }
    }
    let refusing = Upstream::json(401, "{}").await;
    let body = json!({ "name": "refused", "url": refusing.url(), "endpoint_type": "queue" });
    let id = app.endpoint_with(body).await;
    fails(&app, id, "does not accept the API key").await;
}

#[tokio::test]
async fn every_provider_is_asked_in_its_own_way() {
    let app = App::start();
    for (kind, body, first_line, key_header) in [
        ("openai", LIST, "get /v1/models ", "authorization: bearer "),
        ("vllm", LIST, "get /v1/models ", "authorization: bearer "),
        ("queue", LIST, "get /v1/models ", "authorization: bearer "),
        (
            "together",
            r#"[{"id":"zeta"},{"id":"alpha"}]"#,
            "get /v1/models ",
            "authorization: bearer ",
        ),
        (
            "ollama",
            r#"{"models":[{"name":"zeta"},{"name":"alpha"}]}"#,
            "get /api/tags ",
            "authorization: bearer ",
        ),
        (
            "openwebui",
            LIST,
            "get /api/models ",
            "authorization: bearer ",
        ),
        (
            "deepinfra",
            LIST,
            "get /v1/openai/models ",
            "authorization: bearer ",
        ),
        ("anthropic", LIST, "get /v1/models ", "x-api-key: "),
    ] {
        let upstream = Upstream::json(200, body).await;
        let id = app
            .endpoint_with(json!({
                "name": kind,
                "url": format!("http://{}", upstream.address),
                "endpoint_type": kind,
                "api_key": KEY,
            }))
            .await;
        let (status, body) = app.get(&format!("/endpoints/{id}/models")).await;
        assert_eq!(status, 200, "{kind}: {body}");
        assert_eq!(body["models"], json!(["alpha", "zeta"]), "{kind}");
        let head = upstream.heads()[0].clone();
        assert!(head.starts_with(first_line), "{kind}: {head}");
        assert!(
            head.contains(&format!("{key_header}{KEY}\r\n")),
            "{kind}: {head}"
        );
    }
}

#[tokio::test]
async fn every_simulated_vendor_is_tested_and_listed() {
    let app = App::start();
    for flavor in Flavor::OPENAI_FORMAT {
        let options = Options {
            flavor,
            key: Some(KEY.to_owned()),
            ..Options::default()
        };
        let sim = Sim::start(options).await.unwrap();
        let endpoint = |name: String, key: &str| {
            json!({
                "name": name,
                "url": sim.base_url(),
                "endpoint_type": flavor.id(),
                "api_key": key,
            })
        };
        let id = app
            .endpoint_with(endpoint(flavor.id().to_owned(), KEY))
            .await;
        let report = test(&app, id).await;
        assert_eq!(report["status"], "ok", "{flavor:?}: {report}");
        let (status, body) = app.get(&format!("/endpoints/{id}/models")).await;
        assert_eq!(status, 200, "{flavor:?}: {body}");
        let models: Vec<&str> = body["models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        assert!(models.contains(&"sim-model"), "{flavor:?}: {body}");
        assert!(models.is_sorted(), "{flavor:?}: {body}");
        assert_eq!(report["models"], models.len(), "{flavor:?}");

        let wrong = endpoint(format!("{} wrong key", flavor.id()), "sk-wrong");
        let wrong = app.endpoint_with(wrong).await;
        if flavor == Flavor::DeepInfra {
            // Anyone gets their list: it proves nothing about the key.
            assert_eq!(report["authenticated"], Value::Null, "{flavor:?}");
            let report = test(&app, wrong).await;
            assert_eq!(report["authenticated"], Value::Null, "{flavor:?}");
        } else {
            assert_eq!(report["authenticated"], true, "{flavor:?}");
            let report = fails(&app, wrong, "does not accept the API key").await;
            assert_eq!(report["authenticated"], false, "{flavor:?}");
        }
    }
}

#[tokio::test]
async fn a_type_without_a_model_list_says_so() {
    let app = App::start();
    let id = app
        .endpoint_with(json!({
            "name": "jobs",
            "url": "http://127.0.0.1:9/v2/abc",
            "endpoint_type": "runpod",
        }))
        .await;
    let report = fails(&app, id, "has no model list").await;
    assert_eq!(report["reachable"], false);
}

#[tokio::test]
async fn models_are_remembered_until_asked_afresh_or_changed() {
    let app = App::start();
    let upstream = Upstream::json(200, LIST).await;
    let id = keyed(&app, &upstream.url()).await;
    let path = format!("/endpoints/{id}/models");
    for _ in 0..3 {
        assert_eq!(app.get(&path).await.0, 200);
    }
    assert_eq!(upstream.heads().len(), 1);
    assert_eq!(app.get(&format!("{path}?refresh=true")).await.0, 200);
    assert_eq!(upstream.heads().len(), 2);
    let (status, _) = app
        .put(&format!("/endpoints/{id}"), &json!({ "api_key": "other" }))
        .await;
    assert_eq!(status, 200);
    assert_eq!(app.get(&path).await.0, 200);
    assert_eq!(upstream.heads().len(), 3);
    let (status, body) = app.get(&format!("{path}?refresh=perhaps")).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn a_refused_key_is_told_apart_from_a_missing_one() {
    let app = App::start();
    for status in [401, 403] {
        let echo = format!(r#"{{"error":{{"message":"Incorrect API key provided: {KEY}"}}}}"#);
        let upstream = Upstream::json(status, &echo).await;
        let id = keyed(&app, &upstream.url()).await;
        let report = fails(&app, id, "does not accept the API key").await;
        assert_eq!(report["reachable"], true);
        assert_eq!(report["authenticated"], false);
        assert_eq!(report["endpoint_status"], status);
        let id = app
            .endpoint(&format!("keyless {status}"), &upstream.url())
            .await;
        fails(&app, id, "wants an API key and none is set").await;
    }
}

#[tokio::test]
async fn every_wrong_answer_is_named() {
    let app = App::start();
    let redirect = http(
        307,
        "location: https://elsewhere.example/login?key=abc\r\n",
        "",
    );
    for (answer, reason) in [
        (http(404, "", "{}"), "the path is wrong"),
        (http(429, "", "{}"), "too many requests"),
        (http(500, "", "{}"), "the backend itself failed"),
        (
            redirect,
            "a redirect to https://elsewhere.example; redirects",
        ),
        (http(200, "", "<html>"), "the reply is not JSON"),
        (http(200, "", r#"{"detail":"hello"}"#), "not a model list"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"data\":".to_vec(),
            "broke off",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "failed: "),
    ] {
        let upstream = Upstream::raw(answer).await;
        let id = keyed(&app, &upstream.url()).await;
        fails(&app, id, reason).await;
    }
}

#[tokio::test]
async fn an_endless_list_is_given_up() {
    let app = App::start();
    let upstream = Upstream::json(200, &" ".repeat(17 * 1024 * 1024)).await;
    let id = keyed(&app, &upstream.url()).await;
    fails(&app, id, "that is no model list").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let app = App::start();
    let stranger = Upstream::json(200, LIST).await;
    let location = format!("location: {}/models\r\n", stranger.url());
    let upstream = Upstream::raw(http(302, &location, "")).await;
    let id = keyed(&app, &upstream.url()).await;
    fails(&app, id, "redirects are not followed").await;
    assert!(stranger.heads().is_empty());
}

#[tokio::test]
async fn an_address_where_nobody_is_says_so() {
    let app = App::start();
    // Bound and never listening: nobody else gets the port.
    let nowhere = TcpSocket::new_v4().unwrap();
    nowhere.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = nowhere.local_addr().unwrap();
    let id = keyed(&app, &format!("http://{address}")).await;
    let report = fails(&app, id, "refused the connection").await;
    assert_eq!(report["reachable"], false);
    assert_eq!(report["authenticated"], Value::Null);
    assert_eq!(report["endpoint_status"], Value::Null);
    let id = keyed(&app, "http://no-such-host.invalid/v1").await;
    fails(&app, id, "no-such-host.invalid cannot be resolved").await;
}

#[tokio::test]
async fn certificates_are_checked_and_the_reason_is_exact() {
    let app = App::start();
    let folder = TempDir::new().unwrap();
    let authority = Authority::new(folder.path());
    let ca_file = authority.file.to_str().unwrap();
    let answer = || http(200, "", LIST);
    let good = Upstream::tls(answer(), authority.server("localhost")).await;
    let expired = Upstream::tls(answer(), authority.expired_server("localhost")).await;

    let endpoint = |name: &str, url: String, extra: Value| {
        let mut body = json!({ "name": name, "url": url, "api_key": KEY });
        for (field, value) in extra.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    };
    let url = good.tls_url("localhost");
    let id = app
        .endpoint_with(endpoint("unknown", url.clone(), json!({})))
        .await;
    fails(&app, id, "unknown issuer").await;

    let extra = json!({ "ca_file": ca_file });
    let id = app
        .endpoint_with(endpoint("private", url.clone(), extra.clone()))
        .await;
    assert_eq!(test(&app, id).await["status"], "ok");

    let other_name = good.tls_url("127.0.0.1");
    let id = app
        .endpoint_with(endpoint("name", other_name, extra.clone()))
        .await;
    fails(&app, id, "for another name than 127.0.0.1").await;

    let id = app
        .endpoint_with(endpoint("old", expired.tls_url("localhost"), extra))
        .await;
    fails(&app, id, "has expired").await;

    let extra = json!({ "tls_insecure": true });
    let id = app.endpoint_with(endpoint("insecure", url, extra)).await;
    assert_eq!(test(&app, id).await["status"], "ok");

    let plain = Upstream::json(200, LIST).await;
    let id = app
        .endpoint_with(endpoint("plain", plain.tls_url("localhost"), json!({})))
        .await;
    fails(&app, id, "does not speak TLS").await;
}

#[tokio::test]
async fn an_unusable_ca_file_is_named() {
    let app = App::start();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let body = json!({ "name": "a", "url": "https://127.0.0.1:9", "ca_file": file });
    let id = app.endpoint_with(body).await;
    fails(&app, id, "ca.pem").await;
    std::fs::remove_file(&file).unwrap();
    fails(&app, id, "cannot be read").await;
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_cannot_be_asked() {
    let app = App::start();
    let (status, body) = app.post("/endpoints/77/test", &json!({})).await;
    assert_eq!(status, 404);
    assert!(body["error"].as_str().unwrap().contains("77"), "{body}");
    assert_eq!(app.get("/endpoints/77/models").await.0, 404);
}
