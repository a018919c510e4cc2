//! Callers that wait to be told to go on: what follows `100 Continue` is a reply of its
//! own, whatever form it has.

use serde_json::json;

use crate::scene::{Scene, chat};

const CHAT: &str = "/v1/chat/completions";
const WAITS: &str = "expect: 100-continue\r\n";

#[tokio::test]
async fn every_reply_follows_a_continue() {
    let scene = Scene::start().await;
    for (body, status, holds) in [
        (chat("say=one", &json!({})), 200, "one"),
        (chat("say=two", &json!({"stream": true})), 200, "[DONE]"),
        (
            chat("say=three wrong", &json!({"stream": true})),
            200,
            "[DONE]",
        ),
        (
            chat("", &json!({"model": "nobody"})),
            404,
            "model_not_found",
        ),
        (
            chat("status=503", &json!({"stream": true})),
            503,
            "service_unavailable_error",
        ),
    ] {
        let mut caller = scene.caller().await;
        caller.ask(CHAT, WAITS, &body.to_string()).await;
        let told = caller.head().await.unwrap();
        assert_eq!(told.status, 100, "{body}");
        let got = caller.response().await;
        assert_eq!(got.status, status, "{body}: {}", got.text());
        assert!(got.complete, "{body}");
        assert!(got.text().contains(holds), "{body}: {}", got.text());
    }
}
