//! Chats, whole and streamed, and what they are accounted as.

use serde_json::{Value, json};

use crate::scene::with;
use crate::stage::{CHAT, SENTENCE, Stage, TYPES, asking};

/// What the server itself counts for `body`.
async fn counted(stage: &Stage, body: &Value) -> Value {
    let direct = with(body.clone(), &json!({"model": "markov"}));
    stage.llama.post(CHAT, &direct).await.json()["usage"].clone()
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_whole_chat_with_the_usage_that_the_server_counted() {
    for kind in TYPES {
        let stage = Stage::of("markov").await;
        let body = asking(kind, &json!({}));
        let usage = counted(&stage, &body).await;
        let answer = stage.chat(&body).await;
        assert_eq!(answer["object"], "chat.completion", "{kind}: {answer}");
        assert_eq!(answer["model"], kind, "{answer}");
        let choice = &answer["choices"][0];
        assert_eq!(choice["message"]["role"], "assistant", "{kind}: {choice}");
        assert_eq!(choice["message"]["content"], SENTENCE, "{kind}: {choice}");
        assert_eq!(choice["finish_reason"], "stop", "{kind}: {choice}");
        for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert!(usage[name].as_u64() > Some(0), "{usage}");
            assert_eq!(answer["usage"][name], usage[name], "{kind}: {name}");
        }
        let row = stage.row(1).await;
        assert_eq!(row.outcome.as_deref(), Some("success"), "{kind}: {row:?}");
        assert_eq!((row.stream, row.estimated), (0, 0), "{kind}: {row:?}");
        assert_eq!(usage["prompt_tokens"], row.prompt_tokens, "{kind}");
        assert_eq!(usage["completion_tokens"], row.completion_tokens, "{kind}");
        // The server has seen this prompt before, when it was asked directly.
        assert!(row.cached_input_tokens > 0, "{kind}: {row:?}");
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_stream_is_the_whole_answer_in_pieces() {
    let stage = Stage::of("markov").await;
    for (calls, kind) in TYPES.into_iter().enumerate() {
        let body = asking(kind, &json!({"stream_options": {"include_usage": true}}));
        let usage = counted(&stage, &asking(kind, &json!({}))).await;
        let streamed = stage.stream(&body).await;
        assert_eq!(streamed.content, SENTENCE, "{kind}: {streamed:?}");
        assert!(streamed.pieces > 1, "{kind}: it came at once: {streamed:?}");
        assert_eq!(streamed.finish, ["stop"], "{kind}: {streamed:?}");
        assert_eq!(streamed.usage.len(), 1, "{kind}: {streamed:?}");
        for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(streamed.usage[0][name], usage[name], "{kind}: {name}");
        }
        let row = stage.row(calls + 1).await;
        assert_eq!((row.stream, row.estimated), (1, 0), "{kind}: {row:?}");
        assert_eq!(usage["prompt_tokens"], row.prompt_tokens, "{kind}");
        assert_eq!(usage["completion_tokens"], row.completion_tokens, "{kind}");
        assert!(row.ttft_ms.is_some(), "{kind}: {row:?}");
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn usage_is_accounted_and_not_shown_unless_asked_for() {
    let stage = Stage::of("markov").await;
    for (calls, kind) in TYPES.into_iter().enumerate() {
        let streamed = stage.stream(&asking(kind, &json!({}))).await;
        assert_eq!(streamed.content, SENTENCE, "{kind}: {streamed:?}");
        assert!(streamed.usage.is_empty(), "{kind}: {streamed:?}");
        let row = stage.row(calls + 1).await;
        assert!(row.prompt_tokens > 0, "{kind}: {row:?}");
        assert!(row.completion_tokens > 0, "{kind}: {row:?}");
        assert_eq!(row.estimated, 0, "{kind}: {row:?}");
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_conversation_with_a_system_text_and_a_limit() {
    let stage = Stage::of("markov").await;
    for kind in TYPES {
        let body = json!({
            "model": kind,
            "max_tokens": 3,
            "messages": [
                {"role": "system", "content": "Be of \"few\" words \u{1f642}"},
                {"role": "user", "content": [{"type": "text", "text": "Who is there?"}]},
                {"role": "assistant", "content": "Nobody."},
                {"role": "user", "content": "Say hello."},
            ],
        });
        let whole = stage.chat(&body).await;
        let choice = &whole["choices"][0];
        assert_eq!(
            choice["message"]["content"], "Hello from a",
            "{kind}: {choice}"
        );
        assert_eq!(choice["finish_reason"], "length", "{kind}: {choice}");
        let prompt = stage.llama.slot().await["prompt"].to_string();
        for text in ["few", "\u{1f642}", "Who is there?", "Nobody.", "Say hello."] {
            assert!(prompt.contains(text), "{kind}: no {text} in {prompt}");
        }
        let streamed = stage.stream(&body).await;
        assert_eq!(streamed.content, "Hello from a", "{kind}: {streamed:?}");
        assert_eq!(streamed.finish, ["length"], "{kind}: {streamed:?}");
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_stop_text_ends_the_answer() {
    let stage = Stage::of("markov").await;
    for kind in TYPES {
        let body = asking(kind, &json!({"stop": [" real"]}));
        let whole = stage.chat(&body).await;
        let choice = &whole["choices"][0];
        assert_eq!(
            choice["message"]["content"], "Hello from a tiny but",
            "{kind}: {choice}"
        );
        assert_eq!(choice["finish_reason"], "stop", "{kind}: {choice}");
    }
}
