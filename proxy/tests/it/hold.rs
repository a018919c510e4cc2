//! Streams that let their caller wait: the status goes out after `HOLD_SECONDS`, comments
//! keep the connection alive, and a candidate may still fail behind them.

use serde_json::{Value, json};
use sim::Flavor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::caller::{Caller, Response};
use crate::crowd::{CHAT, Crowd, Member, attempts, hello};
use crate::scene::streamed_text;

const ENV: [(&str, &str); 2] = [("HOLD_SECONDS", "0.1"), ("KEEP_ALIVE_SECONDS", "0.1")];

const COMMENT: &str = ": keep-alive\n\n";

async fn crowd(count: usize) -> Crowd {
    Crowd::of(count, json!({"strategy": "backup"}), &ENV).await
}

/// A caller that has asked for a stream.
async fn waiting(crowd: &Crowd, more: &Value) -> Caller {
    let mut caller = Caller::connect(crowd.gateway.address()).await;
    let mut body = hello(more);
    body["stream"] = json!(true);
    caller.ask(CHAT, "", &body.to_string()).await;
    caller
}

/// Waits until the caller has the status and some comments more than it had.
async fn kept_company(caller: &mut Caller) {
    let comments = |caller: &Caller| caller.unread().matches(COMMENT).count();
    let before = comments(caller);
    while comments(caller) < before + 3 {
        assert!(
            caller.more().await,
            "the connection ended: {}",
            caller.unread()
        );
    }
    let seen = caller.unread().to_ascii_lowercase();
    assert!(seen.starts_with("http/1.1 200"), "{seen}");
    assert!(seen.contains("content-type: text/event-stream"), "{seen}");
}

/// The chunks of a stream that came to its end.
fn chunks(response: &Response) -> Vec<Value> {
    assert!(response.complete, "{response:?}");
    assert_eq!(response.status, 200);
    let mut events = response.events();
    assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{response:?}");
    let parse = |data: &String| serde_json::from_str(data).unwrap();
    let chunks = events.iter().map(parse).collect();
    only_comments_and_data(response);
    chunks
}

/// A comment is never inside an event.
fn only_comments_and_data(response: &Response) {
    for block in response
        .text()
        .split("\n\n")
        .filter(|block| !block.is_empty())
    {
        assert!(
            block == ": keep-alive" || block.starts_with("data: {") || block == "data: [DONE]",
            "{block}"
        );
    }
}

#[tokio::test]
async fn a_slow_candidate_costs_patience_and_nothing_else() {
    for flavor in [Flavor::OpenAi, Flavor::Anthropic, Flavor::Ollama] {
        let strategy = json!({"strategy": "backup"});
        let crowd = Crowd::with(vec![Member::of(flavor)], strategy, &ENV).await;
        for script in ["gate=header", "gate=stream gate_after=0"] {
            crowd.sims[0].close_gate();
            crowd.script(0, &format!("say=at+last {script}"));
            let mut caller = waiting(&crowd, &json!({})).await;
            kept_company(&mut caller).await;
            crowd.sims[0].open_gate();
            let response = caller.response().await;
            assert_eq!(streamed_text(&chunks(&response)), "at last", "{flavor:?}");
            assert_eq!(response.header("transfer-encoding"), Some("chunked"));
            // The connection is as good as before.
            crowd.script(0, "say=again");
            let body = hello(&json!({})).to_string();
            assert_eq!(caller.post(CHAT, &body).await.status, 200);
        }
        for row in crowd.ground.rows(4).await {
            assert_eq!(
                row.outcome.as_deref(),
                Some("success"),
                "{flavor:?} {row:?}"
            );
            assert_eq!(row.attempt_count, 1);
        }
    }
}

#[tokio::test]
async fn a_candidate_that_fails_behind_the_comments_is_not_noticed() {
    let crowd = crowd(3).await;
    crowd.script(0, "status=500 gate=header");
    crowd.script(1, "cut=status gate=header");
    let mut caller = waiting(&crowd, &json!({})).await;
    kept_company(&mut caller).await;
    crowd.sims[0].open_gate();
    crowd.sims[1].wait_for_requests(1).await.unwrap();
    kept_company(&mut caller).await;
    crowd.sims[1].open_gate();
    let response = caller.response().await;
    assert_eq!(streamed_text(&chunks(&response)), "from 2");
    let row = crowd.ground.row().await;
    assert_eq!(
        attempts(&row),
        [
            ("endpoint-0", 502, Some("upstream_failed")),
            ("endpoint-1", 502, Some("upstream_connection_lost")),
            ("endpoint-2", 200, None),
        ]
    );
    assert_eq!(
        (row.status, row.outcome.as_deref()),
        (Some(200), Some("success"))
    );
}

#[tokio::test]
async fn when_all_fail_behind_the_comments_the_stream_says_so() {
    let crowd = crowd(2).await;
    crowd.script(0, "status=500 gate=header");
    crowd.script(1, "status=503 message=too+many");
    let mut caller = waiting(&crowd, &json!({})).await;
    kept_company(&mut caller).await;
    crowd.sims[0].open_gate();
    let response = caller.response().await;
    assert!(response.complete, "{response:?}");
    only_comments_and_data(&response);
    let events = response.events();
    assert_eq!(events.len(), 1, "{events:?}");
    let told: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(told["error"]["code"], "upstream_failed", "{told}");
    assert_eq!(told["error"]["type"], "server_error");
    let row = crowd.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
    assert_eq!(row.attempt_count, 2);
    // The connection is as good as before.
    crowd.script(0, "say=from+0");
    let body = hello(&json!({})).to_string();
    assert_eq!(caller.post(CHAT, &body).await.status, 200);
}

#[tokio::test]
async fn the_callers_own_fault_is_told_behind_the_comments() {
    let crowd = crowd(2).await;
    crowd.script(0, "status=400 code=context_length_exceeded gate=header");
    let mut caller = waiting(&crowd, &json!({})).await;
    kept_company(&mut caller).await;
    crowd.sims[0].open_gate();
    let response = caller.response().await;
    let events = response.events();
    let told: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(
        told["error"]["code"], "context_length_exceeded",
        "{events:?}"
    );
    assert_eq!(events.len(), 1);
    assert_eq!(crowd.received(), [1, 0]);
    let row = crowd.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_error"), "{row:?}");
}

#[tokio::test]
async fn silence_in_the_middle_of_a_stream_is_filled() {
    for flavor in [Flavor::OpenAi, Flavor::Anthropic, Flavor::Ollama] {
        let strategy = json!({"strategy": "backup"});
        let crowd = Crowd::with(vec![Member::of(flavor)], strategy, &ENV).await;
        crowd.script(0, "chunks=4 gate=stream gate_after=2");
        let mut caller = waiting(&crowd, &json!({})).await;
        caller.sees("word ").await;
        kept_company(&mut caller).await;
        crowd.sims[0].open_gate();
        let response = caller.response().await;
        assert_eq!(
            streamed_text(&chunks(&response)),
            "word ".repeat(4),
            "{flavor:?}"
        );
        let row = crowd.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("success"));
        assert_eq!(row.completion_tokens, 4, "comments are no tokens");
    }
}

/// The arguments of a custom tool are written at their end: pieces of them are no word to
/// the caller, however often they come.
#[tokio::test]
async fn pieces_that_the_caller_gets_nothing_of_are_silence_too() {
    let members = vec![Member::of(Flavor::Anthropic)];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &ENV).await;
    let words = "a".repeat(2000);
    let pieces = "tools=1 tool_fragments=2000 gap_ms=20";
    crowd.script(0, &format!("{pieces} tool_args={{\"input\":\"{words}\"}}"));
    let tools = json!([{"type": "custom", "custom": {"name": "note"}}]);
    let mut caller = waiting(&crowd, &json!({"tools": tools})).await;
    caller.sees("\"custom\"").await;
    kept_company(&mut caller).await;
    let seen = caller.unread();
    assert!(!seen.contains("finish_reason\":\"tool_calls"), "{seen}");
    assert!(!seen.contains("aaaa"), "{seen}");
}

#[tokio::test]
async fn a_whole_answer_for_a_stream_is_waited_for_in_the_same_way() {
    let members = vec![Member::usual().model(json!({"disable_streaming": true}))];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &ENV).await;
    crowd.script(0, "say=at+last gate=stream");
    let mut caller = waiting(&crowd, &json!({})).await;
    kept_company(&mut caller).await;
    crowd.sims[0].open_gate();
    let response = caller.response().await;
    assert_eq!(streamed_text(&chunks(&response)), "at last");
}

#[tokio::test]
async fn the_time_that_a_provider_asks_for_is_waited_for_in_company() {
    let crowd = crowd(1).await;
    crowd.script(0, "status=429 retry_after=2");
    let mut caller = waiting(&crowd, &json!({})).await;
    crowd.sims[0].wait_for_requests(1).await.unwrap();
    crowd.script(0, "say=from+0");
    kept_company(&mut caller).await;
    let response = caller.response().await;
    assert_eq!(streamed_text(&chunks(&response)), "from 0");
    assert_eq!(crowd.ground.row().await.attempt_count, 2);
}

#[tokio::test]
async fn without_a_stream_nothing_goes_out_before_the_answer() {
    let crowd = crowd(2).await;
    crowd.script(0, "status=500 delay_ms=1000");
    let body = hello(&json!({})).to_string();
    let mut caller = Caller::connect(crowd.gateway.address()).await;
    let response = caller.post(CHAT, &body).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-gateway-attempts"), Some("2"));
    assert_eq!(
        response.json()["choices"][0]["message"]["content"],
        "from 1"
    );
    assert!(!response.text().contains("keep-alive"));
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_waits_takes_its_request_along() {
    let crowd = crowd(2).await;
    crowd.script(0, "status=500");
    crowd.script(1, "hang=header");
    let mut caller = waiting(&crowd, &json!({})).await;
    kept_company(&mut caller).await;
    drop(caller);
    crowd.sims[1].wait_for_cancelled(1).await.unwrap();
    let row = crowd.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
    assert_eq!(row.attempt_count, 2);
}

/// A provider at `url` that streams so many KiB without a word of an answer, and hangs up
/// when it is told to.
struct Wordless {
    url: String,
    hang_up: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Wordless {
    async fn of(kib: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (hang_up, told) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let mut reply = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned();
            let chunk = json!({
                "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "sim-model",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}],
                "padding": "x".repeat(900),
            });
            let event = format!("data: {chunk}\n\n");
            assert!(event.len() > 1024, "{}", event.len());
            reply.push_str(&event.repeat(kib));
            stream.write_all(reply.as_bytes()).await.unwrap();
            told.await.unwrap();
        });
        Self {
            url,
            hang_up,
            serving,
        }
    }

    async fn hang_up(self) {
        self.hang_up.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

#[tokio::test]
async fn no_more_than_64_kib_wait_for_the_first_word() {
    for (kib, goes_out) in [(40, false), (70, true)] {
        let wordless = Wordless::of(kib).await;
        let first = Member::usual().endpoint(json!({"url": wordless.url}));
        let members = vec![first, Member::usual()];
        let env = [("HOLD_SECONDS", "600")];
        let crowd = Crowd::with(members, json!({"strategy": "backup"}), &env).await;
        let mut caller = waiting(&crowd, &json!({})).await;
        if goes_out {
            caller.sees("\"padding\"").await;
        }
        wordless.hang_up().await;
        let response = caller.response().await;
        let row = crowd.ground.row().await;
        if goes_out {
            let last = response.events().pop().unwrap();
            let told: Value = serde_json::from_str(&last).unwrap();
            assert!(told["error"]["code"].is_string(), "{last}");
            assert_eq!(row.outcome.as_deref(), Some("truncated"), "{row:?}");
            assert_eq!(row.attempt_count, 1);
            assert_eq!(crowd.received()[1], 0, "the caller has seen the beginning");
        } else {
            assert_eq!(streamed_text(&chunks(&response)), "from 1");
            assert!(!response.text().contains("padding"));
            assert_eq!(row.attempt_count, 2);
        }
    }
}
