//! How long a backend is waited for: the times of the settings, and those of its own.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Duration, timeout};

use crate::harness::App;
use crate::probe::{KEY, fails, keyed};
use crate::upstream::Upstream;

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let app = App::start_with(&[("TIMEOUT", "1")]);
    let upstream = Upstream::raw(Vec::new()).await;
    let id = keyed(&app, &upstream.url()).await;
    fails(&app, id, "did not answer within 1 s").await;
    let (status, _) = app.get(&format!("/endpoints/{id}/models")).await;
    assert_eq!(status, 504);
}

/// A backend that begins every answer and ends none.
async fn stalling() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // An answer ahead of its request would be none.
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{";
            stream.write_all(head).await.unwrap();
            open.push(stream);
        }
    });
    address
}

/// The settings would allow far more.
#[tokio::test]
async fn an_endpoints_own_times_are_kept() {
    let app = App::start();
    let silent = Upstream::raw(Vec::new()).await;
    let stalled = stalling().await;
    // A listener whose queue is full: the system drops every further connection.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the queue is never full");
    }
    for (url, times, reason) in [
        (
            silent.url(),
            json!({ "timeout_seconds": 0.4 }),
            "did not answer within 0.4 s",
        ),
        (
            silent.url(),
            json!({ "first_byte_timeout_seconds": 0.3 }),
            "did not begin to answer within 0.3 s",
        ),
        (
            // Of an answer that has begun, only the whole counts.
            format!("http://{stalled}"),
            json!({ "timeout_seconds": 0.5, "first_byte_timeout_seconds": 0.4 }),
            "within 0.5 s",
        ),
        (
            format!("http://{address}"),
            json!({ "connect_timeout_seconds": 0.2 }),
            "no connection to 127.0.0.1:",
        ),
    ] {
        let mut body = json!({ "name": reason, "url": url, "api_key": KEY });
        for (name, value) in times.as_object().unwrap() {
            body[name] = value.clone();
        }
        let id = app.endpoint_with(body).await;
        fails(&app, id, reason).await;
        let (status, _) = app.get(&format!("/endpoints/{id}/models")).await;
        assert_eq!(status, 504, "{reason}");
    }
}
