//! An upstream made by hand: it keeps every byte that it gets, and answers with the bytes,
//! and the end, that it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a connection behind a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may come on it.
    Keep,
    /// It is closed in order.
    Close,
    /// It is reset.
    Reset,
    /// This comes again and again, until the gateway hangs up.
    Endless(&'static str),
}

/// A reply and what is behind it.
pub(crate) type Reply = (Vec<u8>, After);

/// A listening upstream; dropping it ends it.
pub(crate) struct RawUpstream {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl RawUpstream {
    /// Answers each request, head and body, with what `reply` makes of it.
    pub(crate) async fn of(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (reply, seen) = (Arc::new(reply), Arc::clone(&requests));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, seen) = (Arc::clone(&reply), Arc::clone(&seen));
                tokio::spawn(async move { serve(stream, &*reply, &seen).await });
            }
        });
        Self {
            url,
            requests,
            accepting,
        }
    }

    /// What has come, a request each. What is no request by the strictest reading is an
    /// entry of its own.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: &(dyn Fn(&str) -> Reply + Send + Sync),
    seen: &Mutex<Vec<String>>,
) {
    let mut unread = Vec::new();
    while let Some(length) = request(&mut stream, &mut unread).await {
        let request: Vec<u8> = unread.drain(..length).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        seen.lock().unwrap().push(request.clone());
        let (bytes, after) = reply(&request);
        // The gateway may have had enough of it.
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match after {
            After::Keep => {}
            After::Close => return,
            After::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            After::Endless(piece) => {
                while stream.write_all(piece.as_bytes()).await.is_ok() {}
                return;
            }
        }
    }
    if !unread.is_empty() {
        let rest = String::from_utf8_lossy(&unread).into_owned();
        seen.lock().unwrap().push(rest);
    }
}

/// Reads until a request is whole, and says where it ends; `None` when the connection does
/// before, or the head is anything but lines with one `content-length` among them.
async fn request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(at) = unread.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = std::str::from_utf8(&unread[..at])
                .ok()?
                .to_ascii_lowercase();
            let fields = |name: &str| {
                let values = head.split("\r\n").filter_map(|line| line.split_once(':'));
                let named = values.filter(|(found, _)| *found == name);
                named
                    .map(|(_, value)| value.trim().to_owned())
                    .collect::<Vec<_>>()
            };
            let [length] = &fields("content-length")[..] else {
                return None;
            };
            if !fields("transfer-encoding").is_empty() {
                return None;
            }
            let end = at + 4 + length.parse::<usize>().ok()?;
            if unread.len() >= end {
                return Some(end);
            }
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
}
