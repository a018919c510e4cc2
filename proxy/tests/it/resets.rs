//! An upstream whose connection ends behind any byte of its reply, in order or reset: the
//! caller sees a right answer, another candidate's, or an error, and never a part of an
//! answer as if it were one.

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use sim::{Flavor, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{Caller, Response};
use crate::cuts::{End, end};
use crate::process::Process;
use crate::raw::{After, RawUpstream};
use crate::scene::{Ground, KEY, MODEL, chat, provider, streamed_text};

const CHAT: &str = "/v1/chat/completions";
const SCRIPT: &str = "chunks=4";
const WORDS: usize = 4;
/// Calls at once.
const TOGETHER: usize = 16;

/// A way in which an upstream replies.
#[derive(Clone, Copy)]
struct Kind {
    flavor: Flavor,
    path: &'static str,
    /// What comes before the key in the head of a request.
    key: &'static str,
    stream: bool,
    script: &'static str,
}

/// The bytes of the simulated provider's reply on a connection that stays open.
async fn reply(sim: &Sim, kind: Kind) -> Vec<u8> {
    let mut body = chat(
        &format!("{SCRIPT} {}", kind.script),
        &json!({"stream": kind.stream}),
    );
    body["model"] = json!("sim-model");
    body["max_tokens"] = json!(100);
    let body = body.to_string();
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n{} {KEY}\r\n\
         anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        kind.path,
        kind.key,
        body.len()
    );
    let mut stream = TcpStream::connect(sim.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let text = String::from_utf8(reply).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let open = text.replacen("connection: close\r\n", "", 1);
    assert_ne!(open, text);
    open.into_bytes()
}

/// What a call of a test does.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Bytes of the reply that come.
    come: usize,
    after: After,
    /// Whether another candidate is well.
    has_second: bool,
}

async fn ask(gateway: &Process, kind: Kind, case: Case) -> Response {
    let told = format!("say=another]] cut={} after={:?}; [[", case.come, case.after);
    let model = if case.has_second { "two" } else { MODEL };
    let more = json!({"model": model, "stream": kind.stream});
    // The script is read by the second candidate alone, the rest by the first.
    let body = chat(&told, &more);
    let mut caller = Caller::connect(gateway.address()).await;
    caller.post(CHAT, &body.to_string()).await
}

/// Checks what the caller has got, and says whether the call was a success.
fn judge(response: &Response, kind: Kind, case: Case, length: usize) -> bool {
    let told = format!("{case:?} of {length}: {response:?}");
    let is_whole = case.come == length;
    assert!(response.complete, "{told}");
    let text = text_of(response, kind);
    if text == "another" {
        assert!(case.has_second && !is_whole, "{told}");
        return true;
    }
    let full = "word ".repeat(WORDS);
    if response.status == 200 && !kind.stream {
        assert!(is_whole && text == full, "{told}");
        return true;
    }
    match end(response, &told) {
        End::Status(status) => {
            assert!(status == 502 && !case.has_second && !is_whole, "{told}");
            false
        }
        // Everything was said, whatever else was still to come.
        End::Done(words) => {
            assert!(kind.stream && words == WORDS && text == full, "{told}");
            true
        }
        End::Event(words) => {
            assert!(kind.stream && !is_whole && words > 0, "{told}");
            assert!(full.starts_with(&text), "{told}");
            false
        }
    }
}

fn text_of(response: &Response, kind: Kind) -> String {
    if response.status != 200 {
        return String::new();
    }
    if !kind.stream {
        let answer = response.json();
        return answer["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    let chunks: Vec<Value> = response
        .events()
        .iter()
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    streamed_text(&chunks)
}

async fn at_every_byte(kind: Kind) {
    let sim = provider(kind.flavor).await;
    let whole = reply(&sim, kind).await;
    let length = whole.len();
    let broken = RawUpstream::of(move |request| {
        // What is asked of the model before it is called is not known here.
        if !request.contains("cut=") {
            let unknown = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            return (unknown.to_vec(), After::Keep);
        }
        let told = |name: &str| {
            let (_, rest) = request.split_once(name).unwrap();
            rest.split([' ', ';']).next().unwrap().to_owned()
        };
        let come: usize = told("cut=").parse().unwrap();
        let after = match &*told("after=") {
            "Keep" => After::Keep,
            "Close" => After::Close,
            _ => After::Reset,
        };
        (whole[..come].to_vec(), after)
    })
    .await;
    let ground = Ground::new();
    let fields = json!({"name": "broken", "url": broken.url, "api_key": KEY, "endpoint_type": kind.flavor.id()});
    let first = ground.endpoint_from(&fields);
    let good = provider(Flavor::OpenAi).await;
    let second = ground.endpoint(&good, &json!({"name": "good"}));
    ground.model(MODEL, first, &json!({}));
    let backup = ground.model("backup", second, &json!({}));
    let routing = json!({"strategy": "backup", "targets": [{"virtual_model_id": backup}]});
    ground.model("two", first, &json!({"routing": routing}));
    // It fails all the time and is to be asked all the same.
    let env = [
        ("CIRCUIT_FAILURE_THRESHOLD", "1000"),
        ("CIRCUIT_FAILURE_WINDOW", "1"),
    ];
    let gateway = Process::gateway(ground.folder.path(), &env).await;

    let mut cases = Vec::new();
    for come in 0..=length {
        // At each byte one with another candidate and one without, reset in turn.
        for has_second in [false, true] {
            let after = if has_second == (come % 2 == 0) {
                After::Close
            } else {
                After::Reset
            };
            cases.push(Case {
                come,
                after,
                has_second,
            });
        }
    }
    cases.push(Case {
        come: length,
        after: After::Keep,
        has_second: false,
    });
    let count = cases.len();
    let gateway = &gateway;
    let successes: usize = stream::iter(cases)
        .map(|case| async move {
            let response = ask(gateway, kind, case).await;
            usize::from(judge(&response, kind, case, length))
        })
        .buffer_unordered(TOGETHER)
        .fold(0, async |sum, one| sum + one)
        .await;
    let rows = ground.rows(count).await;
    let told = rows
        .iter()
        .filter(|row| row.outcome.as_deref() == Some("success"));
    assert_eq!(told.count(), successes);
}

const OPENAI: Kind = Kind {
    flavor: Flavor::OpenAi,
    path: CHAT,
    key: "authorization: Bearer",
    stream: false,
    script: "",
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer() {
    at_every_byte(OPENAI).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer_in_chunks() {
    at_every_byte(Kind {
        script: "chunked",
        ..OPENAI
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream() {
    at_every_byte(Kind {
        stream: true,
        ..OPENAI
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_messages() {
    at_every_byte(Kind {
        flavor: Flavor::Anthropic,
        path: "/v1/messages",
        key: "x-api-key:",
        stream: true,
        script: "",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_ollama() {
    at_every_byte(Kind {
        flavor: Flavor::Ollama,
        path: "/api/chat",
        key: "authorization: Bearer",
        stream: true,
        script: "",
    })
    .await;
}
