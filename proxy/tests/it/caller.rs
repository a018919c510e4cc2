//! A caller that sees every byte: one TCP connection, requests written by hand.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::PATIENCE;

/// Bytes read at once.
const READ: usize = 64 * 1024;

/// One connection to the gateway.
pub(crate) struct Caller {
    socket: TcpStream,
    unread: Vec<u8>,
}

/// A response as it came over the wire.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Status line and header fields, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// False when the connection ended before the body did.
    pub(crate) complete: bool,
}

impl Response {
    /// A header field's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found == name).then(|| value.trim())
        })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<String> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.trim_start().to_owned())
            .collect()
    }
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            socket: TcpStream::connect(address).await.unwrap(),
            unread: Vec::new(),
        }
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.socket.write_all(bytes))
            .await
            .expect("the gateway does not read")
            .unwrap();
    }

    /// Sends as much of `bytes` as is taken; says whether it was all of it.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(PATIENCE, self.socket.write_all(bytes)).await;
        sent.expect("the gateway does not read").is_ok()
    }

    /// Sends a POST with a body of announced length.
    pub(crate) async fn ask(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n"
        );
        self.send(head.as_bytes()).await;
        self.send(body.as_bytes()).await;
    }

    /// Sends a POST and reads the response.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Response {
        self.ask(path, "", body).await;
        self.response().await
    }

    /// Sends a request without a body and reads the response.
    pub(crate) async fn plain(&mut self, method: &str, path: &str) -> Response {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\n\r\n");
        self.send(head.as_bytes()).await;
        if method == "HEAD" {
            return self.head().await.expect("the connection ended");
        }
        self.response().await
    }

    /// The next response, read to its end.
    pub(crate) async fn response(&mut self) -> Response {
        self.try_response().await.expect("the connection ended")
    }

    /// The next response; `None` when the connection ended inside its header.
    pub(crate) async fn try_response(&mut self) -> Option<Response> {
        let mut response = self.head().await?;
        let length = response.header("content-length").map(str::to_owned);
        let bodyless = response.status < 200 || matches!(response.status, 204 | 304);
        response.complete = match length {
            _ if bodyless => true,
            Some(length) => self.take(length.parse().unwrap(), &mut response.body).await,
            None if response.header("transfer-encoding") == Some("chunked") => {
                self.chunks(&mut response.body).await
            }
            None => {
                while self.more().await {}
                response.body = std::mem::take(&mut self.unread);
                false
            }
        };
        Some(response)
    }

    /// The next status line and header, without a body.
    pub(crate) async fn head(&mut self) -> Option<Response> {
        let end = self.until(b"\r\n\r\n").await?;
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Response {
            status,
            head,
            body: Vec::new(),
            complete: true,
        })
    }

    /// Reads until `text` has come; it and what is before it stay unread.
    pub(crate) async fn sees(&mut self, text: &str) {
        let found = self.until(text.as_bytes()).await;
        let unread = String::from_utf8_lossy(&self.unread);
        assert!(found.is_some(), "the connection ended after {unread}");
    }

    /// Whether the gateway has closed the connection, orderly or not.
    pub(crate) async fn closed(&mut self) -> bool {
        while self.more().await {}
        true
    }

    /// What has arrived and was not used.
    pub(crate) fn unread(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Takes what has arrived and was not used.
    pub(crate) fn discard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Reads one more piece of what arrives; false at the end.
    pub(crate) async fn more(&mut self) -> bool {
        self.unread.reserve(READ);
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.unread)).await;
        matches!(read.expect("the gateway says nothing"), Ok(1..))
    }

    /// Whether something has arrived that was not used, or the connection has ended, within
    /// `wait`.
    pub(crate) async fn has_more(&mut self, wait: Duration) -> bool {
        if !self.unread.is_empty() {
            return true;
        }
        timeout(wait, self.socket.readable()).await.is_ok()
    }

    /// The place behind `mark` in what arrives.
    async fn until(&mut self, mark: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let rest = &self.unread[from..];
            if let Some(at) = rest.windows(mark.len()).position(|part| part == mark) {
                return Some(from + at + mark.len());
            }
            from = self.unread.len().saturating_sub(mark.len());
            if !self.more().await {
                return None;
            }
        }
    }

    /// Moves `length` bytes into `body`; false when fewer came.
    async fn take(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        while self.unread.len() < length {
            if !self.more().await {
                body.append(&mut self.unread);
                return false;
            }
        }
        body.extend(self.unread.drain(..length));
        true
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(end) = self.until(b"\r\n").await else {
                return false;
            };
            let line: Vec<u8> = self.unread.drain(..end).collect();
            let size = std::str::from_utf8(&line).unwrap().trim();
            let size = usize::from_str_radix(size, 16).unwrap();
            if !self.take(size, body).await || self.until(b"\r\n").await != Some(2) {
                return false;
            }
            self.unread.drain(..2);
            if size == 0 {
                return true;
            }
        }
    }
}
