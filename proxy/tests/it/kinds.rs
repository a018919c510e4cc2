//! What every provider type does with every kind of call, as one table ([`table`]), and
//! the tests that hold each cell of it to its word.
//!
//! A provider type, a worker form or a kind of call without a cell does not compile.
//! Each cell is a call through the real gateway; compared are the caller's answer, the
//! row in the ledger and the request as the provider got it.

mod backend;
mod chat;
mod completions;
mod embeddings;
mod errors;
pub(crate) mod heard;
mod images;
mod logprobs;
mod sent;
mod table;
mod tools;

use std::future::Future;

use reqwest::StatusCode;
use serde_json::Value;

use crate::scene::{Answer, Scene};
use backend::Backend;
use table::{Expected, Kind, expected};

/// Gateways at once.
const AT_ONCE: usize = 4;

/// Tries one cell of every backend, to the end even when some fail.
async fn every<F>(kind: Kind, cell: fn(Backend, Expected) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut failed = Vec::new();
    let backends = Backend::every();
    for some in backends.chunks(AT_ONCE) {
        let tried = some.iter().map(|&backend| {
            let cell = cell(backend, expected(backend, kind));
            (backend, tokio::spawn(cell))
        });
        for (backend, tried) in tried.collect::<Vec<_>>() {
            if tried.await.is_err() {
                failed.push(backend);
            }
        }
    }
    assert!(failed.is_empty(), "{kind:?} fails on {failed:?}");
    assert!(backends.len() >= 15, "every provider type and worker form");
}

/// Posts what is to be refused or to fail, and checks how. Says whether it was.
async fn turned_down(
    scene: &Scene,
    backend: Backend,
    expected: Expected,
    path: &str,
    body: &Value,
) -> bool {
    let (status, code, called, outcome) = match expected {
        Expected::Served(_) | Expected::Unlisted => return false,
        Expected::Refused { status, code } => (status, code, false, "refused"),
        Expected::FoundOut { status, code } => (status, code, true, "refused"),
        Expected::Fails { status, code } => (status, code, true, "upstream_error"),
    };
    let got = scene.post(path, body).await;
    refused(&got, backend, status, code);
    assert_eq!(scene.sim.served().requests > 0, called, "{backend:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some(outcome), "{backend:?} {row:?}");
    assert_eq!(row.error_code.as_deref(), Some(code), "{backend:?}");
    assert_eq!(row.total_tokens, 0, "{backend:?}");
    true
}

/// An error with that status and code, in words.
fn refused(got: &Answer, backend: Backend, status: u16, code: &str) {
    assert_eq!(
        got.status,
        StatusCode::from_u16(status).unwrap(),
        "{backend:?}: {got:?}"
    );
    let error = got.error();
    assert_eq!(error["code"], code, "{backend:?}: {error}");
    let message = error["message"].as_str().unwrap();
    if code == "unsupported_operation" {
        let id = backend.provider.id();
        assert!(message.contains(id), "{backend:?}: {message}");
    }
}

#[tokio::test]
async fn a_chat() {
    every(Kind::Chat, chat::whole).await;
}

#[tokio::test]
async fn a_stream() {
    every(Kind::Stream, chat::streamed).await;
}

#[tokio::test]
async fn a_tool_called_and_answered() {
    every(Kind::Tools, tools::round_trip).await;
}

#[tokio::test]
async fn an_image() {
    every(Kind::Images, images::seen).await;
}

#[tokio::test]
async fn embeddings_of_texts() {
    every(Kind::Embeddings, embeddings::made).await;
}

#[tokio::test]
async fn a_model_list() {
    every(Kind::Models, embeddings::listed).await;
}

#[tokio::test]
async fn errors_of_the_upstream() {
    every(Kind::Errors, errors::told).await;
}

#[tokio::test]
async fn usage_with_cached_tokens() {
    every(Kind::CachedUsage, chat::cached).await;
}

#[tokio::test]
async fn log_probabilities() {
    every(Kind::Logprobs, logprobs::told).await;
}

#[tokio::test]
async fn text_completions() {
    every(Kind::Completions, completions::made).await;
}
