//! The official OpenAI client with the same server behind the gateway.

use std::path::Path;

use crate::llama::given;
use crate::stage::{Stage, TYPES};

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn the_official_python_client_gets_everything() {
    let stage = Stage::of("markov").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/client");
    let output = tokio::process::Command::new(given("LLAMA_PYTHON"))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .current_dir(folder)
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GATEWAY_URL", &stage.gateway.base)
        .env("MODELS", TYPES.join(","))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
}
