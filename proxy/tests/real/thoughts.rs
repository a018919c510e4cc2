//! Reasoning, apart from the answer.

use serde_json::json;

use crate::stage::{Stage, TYPES, asking};

const THOUGHT: &str = "Let me think about this";
const SAID: &str = "The answer is 42.";

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn thoughts_come_apart_from_the_answer_whole_and_streamed() {
    let stage = Stage::of("markov-think").await;
    for kind in TYPES {
        let body = asking(kind, &json!({}));
        let whole = stage.chat(&body).await;
        let message = &whole["choices"][0]["message"];
        let thought = message["reasoning_content"].as_str().unwrap_or_default();
        assert_eq!(thought.trim(), THOUGHT, "{kind}: {whole}");
        let said = message["content"].as_str().unwrap();
        assert_eq!(said.trim(), SAID, "{kind}: {whole}");

        let streamed = stage.stream(&body).await;
        assert_eq!(streamed.reasoning.trim(), THOUGHT, "{kind}: {streamed:?}");
        assert_eq!(streamed.content.trim(), SAID, "{kind}: {streamed:?}");
        assert_eq!(streamed.finish, ["stop"], "{kind}: {streamed:?}");
    }
}
