//! A caller that sees every byte: one TCP connection, requests written by hand.

use sim::{Flavor, Options, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A simulator of that vendor that lets everyone in.
pub(crate) async fn start(flavor: Flavor) -> Sim {
    let options = Options {
        flavor,
        ..Options::default()
    };
    Sim::start(options).await.unwrap()
}

/// A chat request for `sim-model`, with the script in the user's message.
pub(crate) fn chat(script: &str, extra: &str) -> String {
    format!(
        r#"{{"model":"sim-model","messages":[{{"role":"user","content":"hi [[sim: {script}]]"}}]{extra}}}"#
    )
}

/// One connection to a simulator.
pub(crate) struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A reply read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// False when the connection ended before the body did.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {self:?}"),
        }
    }

    /// The data of each event.
    pub(crate) fn events(&self) -> Vec<&str> {
        self.body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim_start)
            .collect()
    }
}

impl Caller {
    pub(crate) async fn connect(sim: &Sim) -> Caller {
        Caller {
            stream: TcpStream::connect(sim.addr()).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a request and waits for nothing.
    pub(crate) async fn ask(&mut self, path: &str, body: &str) {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n\r\n");
        self.send(format!("{head}{body}").as_bytes()).await;
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.post_with(path, "", body).await
    }

    pub(crate) async fn post_with(&mut self, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        self.send(request.as_bytes()).await;
        self.answer().await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: sim\r\n\r\n");
        self.send(request.as_bytes()).await;
        self.answer().await.unwrap()
    }

    /// True when the simulator has closed the connection, orderly or not.
    pub(crate) async fn closed(&mut self) -> bool {
        let mut byte = [0];
        !matches!(self.stream.read(&mut byte).await, Ok(1..))
    }

    /// Reads one more piece of what arrives.
    pub(crate) async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..))
    }

    /// What was read and not yet used.
    pub(crate) fn unread(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// The next reply; nothing when the connection ended inside its header.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            let found = self.buffer.windows(4).position(|part| part == b"\r\n\r\n");
            match found {
                Some(at) => break at + 4,
                None if !self.more().await => return None,
                None => {}
            }
        };
        let rest = self.buffer.split_off(end);
        let head = String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap();
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map(|length| length.parse::<usize>().unwrap());
        let (body, complete) = match length {
            _ if status < 200 => (Vec::new(), true),
            Some(length) => self.exactly(length).await,
            None => self.chunks().await,
        };
        Some(Answer {
            status,
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
            complete,
        })
    }

    async fn exactly(&mut self, length: usize) -> (Vec<u8>, bool) {
        while self.buffer.len() < length {
            if !self.more().await {
                return (std::mem::take(&mut self.buffer), false);
            }
        }
        let rest = self.buffer.split_off(length);
        (std::mem::replace(&mut self.buffer, rest), true)
    }

    async fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let Some(at) = self.buffer.windows(2).position(|part| part == b"\r\n") else {
                if self.more().await {
                    continue;
                }
                return (body, false);
            };
            let size = std::str::from_utf8(&self.buffer[..at]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            self.buffer.drain(..at + 2);
            let (chunk, complete) = self.exactly(size + 2).await;
            let text = if complete {
                size
            } else {
                chunk.len().min(size)
            };
            body.extend_from_slice(&chunk[..text]);
            if size == 0 || !complete {
                return (body, complete);
            }
        }
    }
}
