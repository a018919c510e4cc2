//! The fast simulated upstream: fixed replies, prepared once, written whole.
//!
//! It refuses what a provider would refuse (wrong key, wrong path, unknown
//! model), so a target that forwards wrongly fails the run. It is not the `sim`
//! library: that one validates every field, and its cost would drown the
//! differences measured here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::http::{Body, Wire};
use crate::scenario::{ACTUAL_MODEL, BURST_EVENTS, Reply, UPSTREAM_KEY, event_text};

/// The gap between the events of a paced stream.
pub(crate) const GAP: Duration = Duration::from_millis(20);
/// The gap between the events of a stream that is only held open.
const RARE: Duration = Duration::from_secs(30);
/// How much of a request is kept to find the marker and the model in.
const KEPT: usize = 64 * 1024;

/// Serve for as long as this is polled.
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    let replies = Arc::new(Replies::prepare());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: clients that leave will free some.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let replies = Arc::clone(&replies);
        tokio::spawn(async move {
            // A peer that breaks off is seen, and judged, by the load generator.
            let _ = converse(stream, &replies).await;
        });
    }
}

/// Every fixed piece of a reply, framed and ready to be written.
struct Replies {
    chat: Vec<u8>,
    stream_head: Vec<u8>,
    burst: Vec<u8>,
    last: Vec<u8>,
    usage: Vec<u8>,
}

impl Replies {
    fn prepare() -> Self {
        let usage = "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":48,\
             \"total_tokens\":148,\"prompt_tokens_details\":{\"cached_tokens\":64}}";
        let text = "The second draft drops one clause. ".repeat(6);
        let body = format!(
            "{{\"id\":\"chatcmpl-bench0123456789\",\"object\":\"chat.completion\",\
             \"created\":1700000000,\"model\":\"{ACTUAL_MODEL}\",\"choices\":[{{\"index\":0,\
             \"message\":{{\"role\":\"assistant\",\"content\":\"{text}This is the end of answer.\",\
             \"refusal\":null}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],{usage},\
             \"system_fingerprint\":\"fp_bench\"}}"
        );
        let usage = format!(
            "data: {{\"id\":\"chatcmpl-bench0123456789\",\"object\":\"chat.completion.chunk\",\
             \"created\":1700000000,\"model\":\"{ACTUAL_MODEL}\",\"choices\":[],{usage}}}\n\n"
        );
        Replies {
            chat: plain("200 OK", &body),
            stream_head: b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                Cache-Control: no-cache\r\nX-Request-Id: req-bench\r\n\
                Transfer-Encoding: chunked\r\n\r\n"
                .to_vec(),
            burst: (0..BURST_EVENTS)
                .flat_map(|index| event(index, BURST_EVENTS))
                .collect(),
            last: [chunk("data: [DONE]\n\n"), b"0\r\n\r\n".to_vec()].concat(),
            usage: chunk(&usage),
        }
    }

    /// The end of a stream, with the usage event when it was asked for.
    fn end(&self, asked: &Asked, out: &mut Vec<u8>) {
        if asked.usage {
            out.extend_from_slice(&self.usage);
        }
        out.extend_from_slice(&self.last);
    }
}

/// What one request asks for.
struct Asked {
    reply: Reply,
    usage: bool,
}

async fn converse(stream: TcpStream, replies: &Replies) -> Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(head) = wire.head().await? {
        let mut body = head.body(false)?;
        let (kept, length) = receive(&mut wire, &mut body).await?;
        let key = format!("Bearer {UPSTREAM_KEY}");
        let refusal = if head.field("authorization") != Some(key.as_bytes()) {
            Some(plain(
                "401 Unauthorized",
                "{\"error\":{\"message\":\"wrong key\"}}",
            ))
        } else if !head.first_line().starts_with(b"POST /v1/chat/completions ") {
            Some(plain(
                "404 Not Found",
                "{\"error\":{\"message\":\"wrong path\"}}",
            ))
        } else {
            None
        };
        drop(head);
        if let Some(refusal) = refusal {
            wire.stream.write_all(&refusal).await?;
            continue;
        }
        match asked(&kept, length) {
            Ok(asked) => answer(&mut wire.stream, replies, &asked).await?,
            Err(why) => {
                let body = serde_json::json!({"error": {"message": why.to_string()}}).to_string();
                wire.stream
                    .write_all(&plain("400 Bad Request", &body))
                    .await?;
            }
        }
    }
    Ok(())
}

/// Read a whole body; its beginning is kept, all of it is counted.
async fn receive(wire: &mut Wire, body: &mut Body) -> Result<(Vec<u8>, usize)> {
    let mut kept = Vec::new();
    let mut length = 0;
    while let Some(piece) = wire.piece(body).await? {
        length += piece.len();
        let room = KEPT.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
    }
    Ok((kept, length))
}

fn asked(kept: &[u8], length: usize) -> Result<Asked> {
    let model = format!("\"{ACTUAL_MODEL}\"");
    anyhow::ensure!(
        memmem::find(kept, model.as_bytes()).is_some(),
        "the model is not {ACTUAL_MODEL}"
    );
    if let Some(found) = memmem::find(kept, b"\"metadata\":{\"bytes\":\"") {
        let digits = kept[found + 21..].split(|&byte| byte == b'"').next();
        let least: usize = std::str::from_utf8(digits.unwrap_or_default())?.parse()?;
        anyhow::ensure!(length >= least, "{length} of {least} prompt bytes came");
    }
    Ok(Asked {
        reply: Reply::find(kept)?,
        usage: memmem::find(kept, b"\"include_usage\"").is_some(),
    })
}

async fn answer(stream: &mut TcpStream, replies: &Replies, asked: &Asked) -> Result<()> {
    let mut out = Vec::new();
    match asked.reply {
        Reply::Chat => out.extend_from_slice(&replies.chat),
        Reply::Burst(events) => {
            out.extend_from_slice(&replies.stream_head);
            if events == BURST_EVENTS {
                out.extend_from_slice(&replies.burst);
            } else {
                out.extend((0..events).flat_map(|index| event(index, events)));
            }
            replies.end(asked, &mut out);
        }
        Reply::Paced(events) => {
            let mut ticks = interval(GAP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            out.extend_from_slice(&replies.stream_head);
            for index in 0..events {
                ticks.tick().await;
                out.extend(event(index, events));
                stream.write_all(&out).await?;
                out.clear();
            }
            replies.end(asked, &mut out);
        }
        Reply::Hold => {
            out.extend_from_slice(&replies.stream_head);
            for index in 0..usize::MAX {
                out.extend(event(index, usize::MAX));
                stream.write_all(&out).await?;
                out.clear();
                tokio::select! {
                    () = sleep(RARE) => {}
                    _ = stream.read_u8() => return Ok(()),
                }
            }
        }
    }
    stream.write_all(&out).await?;
    Ok(())
}

/// One event of about 200 bytes in a chunk of its own, as OpenAI sends it.
fn event(index: usize, events: usize) -> Vec<u8> {
    let role = if index == 0 {
        "\"role\":\"assistant\","
    } else {
        ""
    };
    let finish = if index + 1 == events {
        "\"stop\""
    } else {
        "null"
    };
    chunk(&format!(
        "data: {{\"id\":\"chatcmpl-bench0123456789\",\"object\":\"chat.completion.chunk\",\
         \"created\":1700000000,\"model\":\"{ACTUAL_MODEL}\",\"choices\":[{{\"index\":0,\
         \"delta\":{{{role}{}}},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n",
        event_text(index)
    ))
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

fn plain(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Request-Id: req-bench\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::http::Connection;
    use crate::scenario::{EventCheck, PROMPT_BYTES, check_chat, request};

    async fn connect() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener));
        Connection::open(address).await.unwrap()
    }

    #[tokio::test]
    async fn every_reply_is_what_the_load_generator_expects() {
        let mut connection = connect().await;
        for prompt in [400, PROMPT_BYTES] {
            let request = request(ACTUAL_MODEL, Reply::Chat, prompt);
            let (status, body) = connection.exchange(&request).await.unwrap();
            assert_eq!(status, 200);
            check_chat(&body, ACTUAL_MODEL).unwrap();
            assert!(check_chat(&body, "another").is_err());
        }
        for (reply, events) in [
            (Reply::Burst(BURST_EVENTS), BURST_EVENTS),
            (Reply::Burst(3), 3),
            (Reply::Paced(2), 2),
        ] {
            let request = request(ACTUAL_MODEL, reply, 400);
            let (status, body) = connection.exchange(&request).await.unwrap();
            assert_eq!(status, 200);
            let mut check = EventCheck::new(ACTUAL_MODEL);
            assert_eq!(check.push(&body).unwrap(), events);
            check.end(events).unwrap();
        }
    }

    #[tokio::test]
    async fn a_held_stream_gives_its_first_event_and_stays_open() {
        let mut connection = connect().await;
        let request = request(ACTUAL_MODEL, Reply::Hold, 400);
        assert_eq!(connection.send(&request).await.unwrap(), 200);
        let piece = connection.piece().await.unwrap().unwrap();
        let mut check = EventCheck::new(ACTUAL_MODEL);
        assert_eq!(check.push(&piece).unwrap(), 1);
        assert!(check.end(1).is_err(), "it has not ended");
    }

    #[tokio::test]
    async fn a_request_that_was_forwarded_wrongly_is_refused() {
        let mut connection = connect().await;
        let right = String::from_utf8(request(ACTUAL_MODEL, Reply::Chat, 400)).unwrap();
        for (from, to, status) in [
            (UPSTREAM_KEY, "sk-bench-fedcba9876543210", 401),
            ("/v1/chat/completions", "/v1/chat/completionz", 404),
            (ACTUAL_MODEL, "bench-strange-name", 400),
            ("bench-chat", "bench-what", 400),
            ("\"bytes\":\"400\"", "\"bytes\":\"999\"", 400),
        ] {
            let wrong = right.replace(from, to);
            assert_eq!(wrong.len(), right.len(), "the framing stays right");
            let (got, _) = connection.exchange(wrong.as_bytes()).await.unwrap();
            assert_eq!(got, status, "{from} -> {to}");
        }
    }

    #[tokio::test]
    async fn usage_is_sent_when_it_is_asked_for() {
        let mut connection = connect().await;
        let plain = String::from_utf8(request(ACTUAL_MODEL, Reply::Burst(3), 400)).unwrap();
        let (_, body) = connection.exchange(plain.as_bytes()).await.unwrap();
        assert!(memmem::find(&body, b"prompt_tokens").is_none());
        let asking = plain.replace("\"temperature\":", "\"include_usage\":");
        let length = asking.len() - plain.len();
        let (head, body) = asking.split_once("\r\n\r\n").unwrap();
        let old = body.len() - length;
        let head = head.replace(
            &format!("Content-Length: {old}"),
            &format!("Content-Length: {}", body.len()),
        );
        let asking = format!("{head}\r\n\r\n{body}");
        let (_, body) = connection.exchange(asking.as_bytes()).await.unwrap();
        assert!(memmem::find(&body, b"prompt_tokens").is_some());
    }
}
