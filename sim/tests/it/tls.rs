//! TLS: trusted with the simulator's own authority only, both protocols by ALPN.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sim::{Options, Sim, Tls};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::raw::chat;

async fn secure() -> Sim {
    let options = Options {
        tls: Some(Tls::default()),
        ..Options::default()
    };
    Sim::start(options).await.unwrap()
}

async fn connect(
    sim: &Sim,
    trusted: Option<&str>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = trusted {
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let socket = TcpStream::connect(sim.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

fn request(script: &str, extra: &str) -> Request<Full<Bytes>> {
    Request::post("https://localhost/v1/chat/completions")
        .body(Full::from(chat(script, extra)))
        .unwrap()
}

#[tokio::test]
async fn the_certificate_is_good_for_its_own_authority_only() {
    let sim = secure().await;
    let other = secure().await;
    assert!(sim.base_url().starts_with("https://localhost:"));
    assert!(connect(&sim, sim.ca_pem(), &[]).await.is_ok());
    assert!(connect(&sim, other.ca_pem(), &[]).await.is_err());
    assert!(connect(&sim, None, &[]).await.is_err());
}

#[tokio::test]
async fn http_2_is_preferred_and_carries_calls_side_by_side() {
    let sim = secure().await;
    let stream = connect(&sim, sim.ca_pem(), &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let (mut one, mut two) = (sender.clone(), sender);
    let (hanging, answered) = tokio::join!(
        one.send_request(request("hang=stream", r#","stream":true"#)),
        two.send_request(request("", "")),
    );
    let answered = answered.unwrap();
    assert_eq!(
        (answered.status(), answered.version()),
        (StatusCode::OK, Version::HTTP_2)
    );
    answered.into_body().collect().await.unwrap();
    // Dropping one reply cancels that call and leaves the connection.
    drop(hanging.unwrap());
    sim.wait_for_cancelled(1).await.unwrap();
    let cut = two
        .send_request(request("cut=between chunks=3", r#","stream":true"#))
        .await
        .unwrap();
    assert!(cut.into_body().collect().await.is_err());
    let half = request("cut=chunk chunks=3", r#","stream":true"#);
    let mut half = two.send_request(half).await.unwrap().into_body();
    let mut text = Vec::new();
    while let Some(Ok(frame)) = half.frame().await {
        text.extend_from_slice(frame.data_ref().unwrap());
    }
    assert!(!text.is_empty() && !text.ends_with(b"\n"));
    assert!(two.send_request(request("", "")).await.is_ok());
    assert_eq!(sim.served().connections, 1);
    connection.abort();
}

#[tokio::test]
async fn http_1_is_spoken_when_asked_for() {
    let sim = secure().await;
    let stream = connect(&sim, sim.ca_pem(), &["http/1.1"]).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let answer = sender
        .send_request(request("cut=between", r#","stream":true"#))
        .await
        .unwrap();
    assert_eq!(answer.version(), Version::HTTP_11);
    assert!(answer.into_body().collect().await.is_err());
    connection.abort();
}
