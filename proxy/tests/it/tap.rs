//! A wire between clients and the gateway that counts the calls passing over it,
//! so that what the gateway has accounted can be compared with what was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes of a line that are kept; a request line is at most half as long.
const LINE: usize = 512;

/// A listening wire; dropping it ends it.
pub(crate) struct Tap {
    address: SocketAddr,
    calls: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Tap {
    /// Passes everything on to `gateway`.
    pub(crate) async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                let server = TcpStream::connect(gateway).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, Some(counted)));
                tokio::spawn(pass(from_server, to_client, None));
            }
        });
        Self {
            address,
            calls,
            accepting,
        }
    }

    /// Where clients connect, as `http://address:port`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Calls that have passed.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes bytes on until one side is gone; counts the request lines of calls.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: Option<Arc<AtomicU64>>) {
    let mut piece = vec![0; 64 * 1024];
    let mut line = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if let Some(count) = &count {
            for &byte in &piece[..length] {
                if byte == b'\n' {
                    count.fetch_add(u64::from(is_call(&line)), Ordering::SeqCst);
                    line.clear();
                    continue;
                }
                // Of a long body only the end matters.
                if line.len() == LINE {
                    line.drain(..LINE / 2);
                }
                line.push(byte);
            }
        }
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown().await;
}

/// Whether this is the request line of a model call. A body may end without a line
/// break, right before the next request line.
fn is_call(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let path = line
        .rsplit_once("POST ")
        .and_then(|(_, rest)| rest.trim_end().strip_suffix(" HTTP/1.1"));
    path.is_some_and(|path| {
        [
            "/chat/completions",
            "/completions",
            "/embeddings",
            "/messages",
            "/responses",
            "/images/generations",
            "/images/edits",
            "/audio/speech",
            "/audio/transcriptions",
            "/audio/translations",
            "/moderations",
            "/api/chat",
            "/api/generate",
            "/api/embed",
        ]
        .iter()
        .any(|call| {
            path.split('?')
                .next()
                .is_some_and(|path| path.ends_with(call))
        })
    })
}
