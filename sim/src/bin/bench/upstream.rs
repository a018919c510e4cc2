//! The fast simulated upstream: fixed replies, prepared once, written whole.
//!
//! It refuses what a provider would refuse (wrong key, wrong path, unknown
//! model), so a target that forwards wrongly fails the run. It is not the `sim`
//! library: that one validates every field, and its cost would drown the
//! differences measured here. Anthropic and Ollama are here as streams only.

mod dialect;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::dialect::Dialect;
use crate::http::{Body, Wire};
use crate::scan;
use crate::scenario::{ACTUAL_MODEL, BURST_EVENTS, GAP, Reply};
use dialect::{about_server, chunk};

/// The gap between the events of a stream that is only held open.
const RARE: Duration = Duration::from_secs(30);
/// How much of a request is kept of its beginning and of its end, to find the marker and
/// the members in: who encodes a request anew may put them before the prompt or after it.
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
    usage: Vec<u8>,
    open_ai: Stream,
    anthropic: Stream,
    ollama: Stream,
}

/// The fixed pieces of one dialect's streams.
struct Stream {
    start: Vec<u8>,
    burst: Vec<u8>,
    end: Vec<u8>,
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
            usage: chunk(&usage),
            open_ai: Stream::prepare(Dialect::OpenAi),
            anthropic: Stream::prepare(Dialect::Anthropic),
            ollama: Stream::prepare(Dialect::Ollama),
        }
    }

    fn stream(&self, dialect: Dialect) -> &Stream {
        match dialect {
            Dialect::OpenAi => &self.open_ai,
            Dialect::Anthropic => &self.anthropic,
            Dialect::Ollama => &self.ollama,
        }
    }

    /// The end of a stream, with the usage event when it was asked for.
    fn end(&self, asked: &Asked, out: &mut Vec<u8>) {
        if asked.usage {
            out.extend_from_slice(&self.usage);
        }
        out.extend_from_slice(&self.stream(asked.dialect).end);
    }
}

impl Stream {
    fn prepare(dialect: Dialect) -> Self {
        Stream {
            start: dialect.stream_start(),
            burst: (0..BURST_EVENTS)
                .flat_map(|index| dialect.event(index, BURST_EVENTS))
                .collect(),
            end: dialect.stream_end(),
        }
    }
}

/// What one request asks for.
struct Asked {
    dialect: Dialect,
    reply: Reply,
    usage: bool,
}

async fn converse(stream: TcpStream, replies: &Replies) -> Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(head) = wire.head().await? {
        let mut body = head.body(false)?;
        let (kept, length) = receive(&mut wire, &mut body).await?;
        let refusal =
            |status, why| plain(status, &format!("{{\"error\":{{\"message\":\"{why}\"}}}}"));
        let dialect = match Dialect::of(&head) {
            Some(dialect) if dialect.lets_in(&head) => dialect,
            Some(_) => {
                let refusal = refusal("401 Unauthorized", "wrong key");
                wire.stream.write_all(&refusal).await?;
                continue;
            }
            None => {
                let reply = about_server(&head).map_or_else(
                    || refusal("404 Not Found", "wrong path"),
                    |about| plain("200 OK", &about),
                );
                wire.stream.write_all(&reply).await?;
                continue;
            }
        };
        drop(head);
        match asked(dialect, &kept, length) {
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

/// Read a whole body; its beginning and its end are kept, all of it is counted.
async fn receive(wire: &mut Wire, body: &mut Body) -> Result<(Vec<u8>, usize)> {
    let mut kept = Vec::new();
    let mut end = VecDeque::<Bytes>::new();
    let mut end_length = 0;
    let mut length = 0;
    while let Some(mut piece) = wire.piece(body).await? {
        length += piece.len();
        let room = KEPT.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece.split_to(room));
        end_length += piece.len();
        end.push_back(piece);
        while let Some(first) = end.front()
            && end_length - first.len() >= KEPT
        {
            end_length -= first.len();
            end.pop_front();
        }
    }
    kept.extend(end.iter().flatten());
    Ok((kept, length))
}

fn asked(dialect: Dialect, kept: &[u8], length: usize) -> Result<Asked> {
    anyhow::ensure!(
        scan::text(kept, "model") == Some(ACTUAL_MODEL.as_bytes()),
        "the model is not {ACTUAL_MODEL}"
    );
    if let Some(least) = scan::text(kept, "bytes") {
        let least: usize = std::str::from_utf8(least)?.parse()?;
        anyhow::ensure!(length >= least, "{length} of {least} prompt bytes came");
    }
    let reply = Reply::find(kept)?;
    let is_true = |name| scan::member(kept, name).is_some_and(|value| value.starts_with(b"true"));
    let streams = is_true("stream");
    anyhow::ensure!(
        streams == (reply != Reply::Chat),
        "\"stream\" does not fit the reply asked for"
    );
    anyhow::ensure!(
        streams || dialect == Dialect::OpenAi,
        "only streams are simulated at this path"
    );
    Ok(Asked {
        dialect,
        reply,
        usage: dialect == Dialect::OpenAi && is_true("include_usage"),
    })
}

async fn answer(stream: &mut TcpStream, replies: &Replies, asked: &Asked) -> Result<()> {
    let dialect = asked.dialect;
    let prepared = replies.stream(dialect);
    let mut out = Vec::new();
    match asked.reply {
        Reply::Chat => out.extend_from_slice(&replies.chat),
        Reply::Burst(events) => {
            out.extend_from_slice(&prepared.start);
            if events == BURST_EVENTS {
                out.extend_from_slice(&prepared.burst);
            } else {
                out.extend((0..events).flat_map(|index| dialect.event(index, events)));
            }
            replies.end(asked, &mut out);
        }
        Reply::Paced(events) => {
            let mut ticks = interval(GAP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            out.extend_from_slice(&prepared.start);
            for index in 0..events {
                ticks.tick().await;
                out.extend(dialect.event(index, events));
                stream.write_all(&out).await?;
                out.clear();
            }
            replies.end(asked, &mut out);
        }
        Reply::Hold => {
            out.extend_from_slice(&prepared.start);
            for index in 0..usize::MAX {
                out.extend(dialect.event(index, usize::MAX));
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

    use memchr::memmem;

    use super::*;
    use crate::check::{EventCheck, Expected, check_chat};
    use crate::http::Connection;
    use crate::scenario::{Prompt, Scenario, UPSTREAM_KEY, request};

    const EXPECTED: Expected = Expected::Exact(Dialect::OpenAi, ACTUAL_MODEL);

    fn asking_for(reply: Reply) -> Vec<u8> {
        request(ACTUAL_MODEL, reply, Prompt::SMALL, "")
    }

    async fn connect() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener));
        Connection::open(address).await.unwrap()
    }

    #[tokio::test]
    async fn every_reply_is_what_the_load_generator_expects() {
        let mut connection = connect().await;
        for scenario in [Scenario::Chat, Scenario::Conversation, Scenario::Prompt] {
            let request = request(ACTUAL_MODEL, Reply::Chat, scenario.prompt(), "");
            let (status, body) = connection.exchange(&request).await.unwrap();
            assert_eq!(status, 200);
            check_chat(&body, EXPECTED).unwrap();
            assert!(check_chat(&body, Expected::Exact(Dialect::OpenAi, "another")).is_err());
        }
        for (reply, events) in [
            (Reply::Burst(BURST_EVENTS), BURST_EVENTS),
            (Reply::Burst(3), 3),
            (Reply::Paced(2), 2),
        ] {
            let request = asking_for(reply);
            let (status, body) = connection.exchange(&request).await.unwrap();
            assert_eq!(status, 200);
            let mut check = EventCheck::new(EXPECTED);
            assert_eq!(check.push(&body).unwrap(), events);
            check.end(events).unwrap();
        }
    }

    /// What a translated request has of what is looked at.
    fn translated(path: &str, key: &str, model: &str, reply: Reply) -> Vec<u8> {
        let body = format!(
            "{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\
             \"content\":\"[{}] words\"}}],\"stream\":{}}}",
            reply.marker(),
            reply != Reply::Chat
        );
        format!(
            "POST {path} HTTP/1.1\r\nHost: bench.test\r\n{key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    #[tokio::test]
    async fn every_dialect_says_the_same() {
        let mut connection = connect().await;
        let anthropic = format!("x-api-key: {UPSTREAM_KEY}\r\nanthropic-version: 2023-06-01");
        let bearer = format!("Authorization: Bearer {UPSTREAM_KEY}");
        for (path, key, text, last) in [
            (
                "/v1/messages",
                &anthropic,
                "\"text_delta\",\"text\":\" word",
                "\"type\":\"message_stop\"",
            ),
            ("/api/chat", &bearer, "\"content\":\" word", "\"done\":true"),
        ] {
            for (reply, events) in [
                (Reply::Burst(BURST_EVENTS), BURST_EVENTS),
                (Reply::Paced(2), 2),
            ] {
                let request = translated(path, key, ACTUAL_MODEL, reply);
                let (status, body) = connection.exchange(&request).await.unwrap();
                assert_eq!(status, 200, "{path}");
                assert_eq!(memmem::find_iter(&body, text).count(), events, "{path}");
                assert_eq!(memmem::find_iter(&body, last).count(), 1, "{path}");
            }
            let burst = Reply::Burst(3);
            for (wrong, status) in [
                (translated(path, "x-api-key: k", ACTUAL_MODEL, burst), 401),
                (translated("/api/chats", key, ACTUAL_MODEL, burst), 404),
                (translated(path, key, "another", burst), 400),
                (translated(path, key, ACTUAL_MODEL, Reply::Chat), 400),
            ] {
                let (got, _) = connection.exchange(&wrong).await.unwrap();
                assert_eq!(got, status, "{path}: {}", String::from_utf8_lossy(&wrong));
            }
        }
    }

    #[tokio::test]
    async fn the_server_tells_of_itself() {
        let mut connection = connect().await;
        for (question, part) in [
            ("GET /api/ps", "\"name\":\"bench-actual-model:latest\""),
            ("POST /api/show", "\"llama.context_length\":131072"),
            ("GET /v1/models", "\"id\":\"bench-actual-model\""),
            ("GET /health", "{}"),
        ] {
            let request = format!("{question} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}");
            let (status, body) = connection.exchange(request.as_bytes()).await.unwrap();
            assert_eq!(status, 200, "{question}");
            assert!(memmem::find(&body, part.as_bytes()).is_some(), "{question}");
        }
    }

    #[tokio::test]
    async fn a_held_stream_gives_its_first_event_and_stays_open() {
        let mut connection = connect().await;
        let request = asking_for(Reply::Hold);
        assert_eq!(connection.send(&request).await.unwrap(), 200);
        let piece = connection.piece().await.unwrap().unwrap();
        let mut check = EventCheck::new(EXPECTED);
        assert_eq!(check.push(&piece).unwrap(), 1);
        assert!(check.end(1).is_err(), "it has not ended");
    }

    #[tokio::test]
    async fn a_request_that_was_forwarded_wrongly_is_refused() {
        let mut connection = connect().await;
        let right = String::from_utf8(asking_for(Reply::Chat)).unwrap();
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

    /// A request with its body put in other words.
    fn reworded(reply: Reply, reword: impl Fn(&str) -> String) -> Vec<u8> {
        let request = String::from_utf8(asking_for(reply)).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let new = reword(body);
        let [old, new_length] = [body, &new].map(|body| format!("Content-Length: {}", body.len()));
        format!("{}\r\n\r\n{new}", head.replace(&old, &new_length)).into_bytes()
    }

    #[tokio::test]
    async fn usage_is_sent_when_it_is_asked_for() {
        let mut connection = connect().await;
        for (value, sent) in [("true", true), ("false", false)] {
            let asking = reworded(Reply::Burst(3), |body| {
                let options = format!("\"stream_options\": {{\"include_usage\": {value}}}");
                body.replace("\"temperature\":0.2", &options)
            });
            let (_, body) = connection.exchange(&asking).await.unwrap();
            assert_eq!(memmem::find(&body, b"prompt_tokens").is_some(), sent);
        }
    }

    #[tokio::test]
    async fn a_request_may_come_encoded_anew() {
        let mut connection = connect().await;
        let long = "x".repeat(3 * KEPT);
        let other_order = |body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            format!(
                "{{ \"messages\" : {} , \"note\" : \"{long}\" , \"model\" : {} , \"stream\" : {} }}",
                body["messages"], body["model"], body["stream"]
            )
        };
        for reply in [Reply::Chat, Reply::Burst(3)] {
            let request = reworded(reply, other_order);
            let (status, body) = connection.exchange(&request).await.unwrap();
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        }
        let request = reworded(Reply::Chat, |body| {
            other_order(body).replace(ACTUAL_MODEL, "another")
        });
        assert_eq!(connection.exchange(&request).await.unwrap().0, 400);
    }
}
