//! A caller that hangs up: its upstream request is cancelled, and the row says so with
//! the tokens that were seen.

use serde_json::json;
use sim::Flavor;

use crate::crowd::until;
use crate::scene::{Props, Scene, chat};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn at_every_stage_openai_is_let_go() {
    let_go(Flavor::OpenAi).await;
}

#[tokio::test]
async fn at_every_stage_anthropic_is_let_go() {
    let_go(Flavor::Anthropic).await;
}

#[tokio::test]
async fn at_every_stage_ollama_is_let_go() {
    let_go(Flavor::Ollama).await;
}

/// Whether the request carries the caller's script.
fn is_call(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("[[sim:")
}

async fn let_go(flavor: Flavor) {
    let scene = Scene::of(flavor).await;
    for (number, (script, stream, seen)) in [
        ("hang=header", false, None),
        ("hang=header", true, None),
        ("hang=stream", false, None),
        ("chunks=3 hang=stream hang_after=2", true, Some("word ")),
        ("chunks=3 gap_ms=3600000", true, None),
        ("wrong chunks=3 hang=stream", true, None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut caller = scene.caller().await;
        let body = chat(script, &json!({"stream": stream})).to_string();
        caller.ask(CHAT, "", &body).await;
        // Ollama is asked other things before.
        until("the call", async || {
            let requests = scene.sim.requests();
            let calls = requests.iter().filter(|sent| is_call(&sent.body));
            (calls.count() > number).then_some(())
        })
        .await;
        if let Some(text) = seen {
            caller.sees(text).await;
        }
        drop(caller);
        let served = scene
            .sim
            .wait_for_cancelled(number as u64 + 1)
            .await
            .unwrap();
        assert_eq!(served.open(), 0, "{script}");
        let row = scene.ground.rows(number + 1).await.pop().unwrap();
        assert_eq!(
            row.outcome.as_deref(),
            Some("client_cancelled"),
            "{script}: {row:?}"
        );
        assert_eq!(row.status, Some(499), "{script}");
        if seen.is_some() {
            assert!(
                row.completion_tokens > 0 && row.prompt_tokens > 0,
                "{row:?}"
            );
            assert!(row.ttft_ms.is_some(), "{row:?}");
        }
    }
}

#[tokio::test]
async fn tokens_that_the_upstream_told_before_are_kept() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let body = chat(
        "chunks=7 usage=every hang=stream hang_after=3",
        &json!({"stream": true}),
    );
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees("word ").await;
    drop(caller);
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"));
    assert_eq!((row.completion_tokens, row.estimated), (7, 0), "{row:?}");
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_noticed_when_it_leaves() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    // More than all buffers between here and there hold.
    let body = chat("chunks=3000 chunk_bytes=10000", &json!({"stream": true}));
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees("word ").await;
    assert_eq!(
        scene.sim.served().completed,
        0,
        "the whole answer was taken at once"
    );
    drop(caller);
    scene.sim.wait_for_cancelled(1).await.unwrap();
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
}

#[tokio::test]
async fn a_caller_that_leaves_while_sending_calls_nothing() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    caller
        .send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1000\r\n\r\n{\"model\":")
        .await;
    drop(caller);
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
    assert_eq!(scene.sim.served().requests, 0);
}

#[tokio::test]
async fn one_caller_leaving_disturbs_no_other() {
    let scene = Scene::with(Props::default()).await;
    let body = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    let mut leaving = scene.caller().await;
    let mut staying = scene.caller().await;
    for caller in [&mut leaving, &mut staying] {
        caller.ask(CHAT, "", &body).await;
        caller.sees("one ").await;
    }
    drop(leaving);
    scene.sim.wait_for_cancelled(1).await.unwrap();
    scene.sim.open_gate();
    let response = staying.response().await;
    assert!(response.complete);
    assert_eq!(response.events().last().unwrap(), "[DONE]");
    let rows = scene.ground.rows(2).await;
    let outcomes: Vec<_> = rows
        .iter()
        .filter_map(|row| row.outcome.as_deref())
        .collect();
    assert_eq!(outcomes, ["client_cancelled", "success"]);
}
