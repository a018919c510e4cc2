//! A backend on a real socket that answers every request with the same bytes, or every
//! request after the first with others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A running backend; ended when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Answers with `status` and a JSON `body`.
    pub(crate) async fn json(status: u16, body: &str) -> Self {
        Self::raw(http(status, "content-type: application/json\r\n", body)).await
    }

    /// Answers with these bytes; with none it never answers.
    pub(crate) async fn raw(answer: Vec<u8>) -> Self {
        Self::start(answer.clone(), answer, None).await
    }

    /// Answers the first request with `first` and all others with `later`.
    pub(crate) async fn changing(first: Vec<u8>, later: Vec<u8>) -> Self {
        Self::start(first, later, None).await
    }

    /// The same answer always, with TLS.
    pub(crate) async fn tls(answer: Vec<u8>, config: ServerConfig) -> Self {
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::start(answer.clone(), answer, Some(tls)).await
    }

    async fn start(first: Vec<u8>, later: Vec<u8>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let answers = Arc::new([first, later]);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(connection(
                    stream,
                    tls.clone(),
                    Arc::clone(&answers),
                    Arc::clone(&seen),
                ));
            }
        });
        Self {
            address,
            heads,
            task,
        }
    }

    /// Its address as a base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Its address as a base URL with TLS under the name `host`.
    pub(crate) fn tls_url(&self, host: &str) -> String {
        format!("https://{host}:{}/v1", self.address.port())
    }

    /// The heads of the requests so far, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP answer; `headers` end in a line break each.
pub(crate) fn http(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    answers: Arc<[Vec<u8>; 2]>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    match tls {
        None => serve(stream, &answers, &seen).await,
        Some(acceptor) => {
            // A client that does not trust the certificate ends the handshake.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, &answers, &seen).await;
            }
        }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    [first, later]: &[Vec<u8>; 2],
    seen: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // A TLS greeting where plain HTTP is spoken: real servers answer it too.
            Ok(0x16) if head.is_empty() => break,
            Ok(byte) => head.push(byte),
            Err(_closed) => return,
        }
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let answer = {
        let mut seen = seen.lock().unwrap();
        seen.push(head);
        if seen.len() == 1 { first } else { later }
    };
    if answer.is_empty() {
        // Silence until the client gives up.
        let mut rest = [0; 64];
        while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
        return;
    }
    // The client may have hung up already.
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// A private authority and the file with its certificate.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

impl Authority {
    /// A new authority whose certificate is written into `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let file = folder.join("ca.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// The TLS settings of a server called `name`, with a valid certificate.
    pub(crate) fn server(&self, name: &str) -> ServerConfig {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// The same with a certificate of long ago.
    pub(crate) fn expired_server(&self, name: &str) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}
