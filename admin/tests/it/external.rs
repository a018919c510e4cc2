//! The external login service, played by a small server that answers what it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{App, answer};

struct Service {
    url: String,
    asked: Arc<AtomicUsize>,
}

/// Says yes to the cookie `session=good` and to the token `good`, breaks with `session=cut`,
/// answers other things to others.
async fn service() -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut piece = [0; 1024];
                match socket.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => request.extend_from_slice(&piece[..read]),
                }
            }
            let request = String::from_utf8_lossy(&request).to_lowercase();
            assert!(
                request.starts_with("get /session/validate http"),
                "{request}"
            );
            let has = |text: &str| request.contains(text);
            let (status, body) = if has("cookie: session=good") || has("x-session-token: good") {
                // The status does not count, as with the original.
                ("401 Unauthorized", r#"{"valid":true,"user":"grace"}"#)
            } else if has("session=cut") {
                continue;
            } else if has("session=text") {
                ("200 OK", "yes")
            } else if has("session=one") {
                ("200 OK", r#"{"valid":1}"#)
            } else {
                ("200 OK", r#"{"valid":false}"#)
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    Service { url, asked }
}

#[tokio::test]
async fn only_a_plain_yes_of_the_service_lets_anybody_in() {
    let service = service().await;
    let app = App::start_with(&[("AUTH_ENABLED", "true"), ("AIMENU_URL", &service.url)]);
    assert_eq!(
        app.said,
        Vec::<String>::new(),
        "a set-up link besides the service"
    );
    for (name, value, status) in [
        ("cookie", "session=good", 200),
        ("x-session-token", "good", 200),
        ("cookie", "session=bad", 401),
        ("cookie", "session=cut", 401),
        ("cookie", "session=text", 401),
        ("cookie", "session=one", 401),
        ("x-session-token", "bad", 401),
        ("x-other", "good", 401),
    ] {
        let request = app
            .request(Method::GET, "/api/endpoints")
            .header(name, value);
        assert_eq!(answer(request).await.0, status, "{name}: {value}");
    }
    let request = app.request(Method::GET, "/session/validate");
    let (_, body) = answer(request.header("cookie", "session=good")).await;
    assert_eq!(body["valid"], true);
    assert_eq!(body["user"], "grace");
}

#[tokio::test]
async fn an_answer_is_asked_for_once_and_a_dead_service_means_no() {
    let service = service().await;
    let app = App::start_with(&[("AUTH_ENABLED", "true"), ("AIMENU_URL", &service.url)]);
    for _ in 0..5 {
        let request = app.request(Method::GET, "/api/endpoints");
        assert_eq!(
            answer(request.header("cookie", "session=good")).await.0,
            200
        );
    }
    // Fewer than it was asked for, however slow this machine is.
    assert!(service.asked.load(Ordering::SeqCst) < 5);
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let app = App::start_with(&[("AUTH_ENABLED", "true"), ("AIMENU_URL", &nobody)]);
    let request = app.request(Method::GET, "/api/endpoints");
    assert_eq!(
        answer(request.header("cookie", "session=good")).await.0,
        401
    );
}

/// It is waited for, and not for ever.
#[tokio::test]
async fn a_service_that_never_answers_means_no() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let app = App::start_with(&[("AUTH_ENABLED", "true"), ("AIMENU_URL", &url)]);
    let request = app.request(Method::GET, "/api/endpoints");
    let (status, body) = answer(request.header("cookie", "session=good")).await;
    assert_eq!(status, 401);
    assert_eq!(body, serde_json::json!({ "error": "Unauthorized" }));
}

#[tokio::test]
async fn pages_send_browsers_to_the_service() {
    let service = service().await;
    let app = App::start_with(&[
        ("AUTH_ENABLED", "true"),
        ("AIMENU_URL", &service.url),
        ("AIMENU_PUBLIC_URL", "https://menu.example/"),
    ]);
    let response = app.request(Method::GET, "/proxy-dashboard/usage?range=7d");
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(
        response.headers()["location"],
        "https://menu.example/login?redirect=%2Fproxy-dashboard%2Fusage%3Frange%3D7d"
    );
}
