//! A server that is killed while it speaks, and one that is not there any more.

use serde_json::json;

use crate::stage::{CHAT, Stage, TYPES, asking};

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_stream_whose_server_is_killed_never_looks_complete() {
    for kind in TYPES {
        let mut stage = Stage::started("markov-loop", &["--ctx-size", "32768"]).await;
        let mut caller = stage.caller().await;
        let body = asking(kind, &json!({"stream": true})).to_string();
        caller.ask(CHAT, "", &body).await;
        caller.sees("tock").await;
        stage.llama.kill();
        let response = caller.response().await;
        assert_eq!(response.status, 200, "{kind}: {response:?}");
        let events = response.events();
        assert!(!events.iter().any(|data| data == "[DONE]"), "{kind}");
        let last = events.last().unwrap();
        assert!(last.starts_with(r#"{"error":"#), "{kind}: {last}");
        let row = stage.row(1).await;
        assert_eq!(row.outcome.as_deref(), Some("truncated"), "{kind}: {row:?}");
        let code = row.error_code.as_deref();
        assert_eq!(code, Some("upstream_stream_cut"), "{kind}: {row:?}");

        let got = stage.post(CHAT, &asking(kind, &json!({}))).await;
        assert!(got.status.is_server_error(), "{kind}: {got:?}");
        assert!(got.error()["message"].is_string(), "{kind}: {got:?}");
    }
}
