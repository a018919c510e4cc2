//! Embeddings, from a server that was started for them.

use serde_json::json;

use crate::llama::Llama;
use crate::stage::Stage;

const EMBEDDINGS: &str = "/v1/embeddings";

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn embeddings_are_the_servers_own_as_numbers_and_as_base64() {
    let arguments = ["--embeddings", "--pooling", "mean", "--ctx-size", "2048"];
    let stage = Stage::started("markov", &arguments).await;
    for kind in ["openai", "vllm"] {
        for format in ["float", "base64"] {
            let body = |model: &str| json!({"model": model, "input": ["one", "two"], "encoding_format": format});
            let got = stage.post(EMBEDDINGS, &body(kind)).await;
            assert_eq!(got.status, 200, "{kind}: {got:?}");
            let direct = direct(&stage.llama, &body("markov")).await;
            assert_eq!(direct["data"].as_array().map(Vec::len), Some(2), "{direct}");
            assert_eq!(got.json()["data"], direct["data"], "{kind}, {format}");
            assert_eq!(got.json()["usage"], direct["usage"], "{kind}, {format}");
        }
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn anthropics_format_has_none_and_the_server_is_not_asked() {
    let stage = Stage::of("markov").await;
    let body = json!({"model": "anthropic", "input": "one"});
    let got = stage.post(EMBEDDINGS, &body).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["code"], "unsupported_operation", "{got:?}");
    let message = got.error()["message"].to_string();
    assert!(message.contains("anthropic"), "{message}");
}

async fn direct(llama: &Llama, body: &serde_json::Value) -> serde_json::Value {
    llama.post(EMBEDDINGS, body).await.json()
}
