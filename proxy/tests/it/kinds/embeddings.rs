//! Embeddings, and the lists of models.

use serde_json::{Value, json};
use sim::Flavor;
use wire::provider::{BaseUrl, Call};

use super::backend::{Backend, Speech};
use super::table::Expected;
use super::{refused, turned_down};
use crate::scene::{KEY, MODEL, answer, client, provider};

const EMBEDDINGS: &str = "/v1/embeddings";

pub(crate) async fn made(backend: Backend, expected: Expected) {
    let scene = backend.scene().await;
    let mut body = json!({"model": MODEL, "input": ["one", "two"]});
    if turned_down(&scene, backend, expected, EMBEDDINGS, &body).await {
        if let Expected::FoundOut { status, code } = expected {
            // A worker that is known by now is not asked again.
            assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
            let before = scene.sim.served().requests;
            let got = scene.post(EMBEDDINGS, &body).await;
            refused(&got, backend, status, code);
            assert_eq!(scene.sim.served().requests, before, "{backend:?}");
        }
        return;
    }
    let Expected::Served(path) = expected else {
        panic!("{backend:?} embeds");
    };
    let numbers = scene.post(EMBEDDINGS, &body).await;
    assert_eq!(numbers.status, 200, "{backend:?}: {numbers:?}");
    let numbers = numbers.json();
    assert_eq!(numbers["object"], "list", "{backend:?}");
    assert_eq!(numbers["model"], MODEL, "{backend:?}");
    let told = vectors(&numbers);
    assert_eq!(told.len(), 2, "{backend:?}");
    assert_eq!(told[0].len(), 8, "{backend:?}");
    assert_ne!(told[0], told[1], "{backend:?}: in the order of the inputs");
    let sent = backend.sent(&scene, path).body;
    assert_eq!(sent["model"], "sim-model", "{backend:?}");
    assert_eq!(sent["input"], json!(["one", "two"]), "{backend:?}");

    body["encoding_format"] = json!("base64");
    let coded = scene.post(EMBEDDINGS, &body).await;
    assert_eq!(coded.status, 200, "{backend:?}: {coded:?}");
    // Some know numbers only; the Node client would read them as bytes.
    let is_text = coded.json()["data"][0]["embedding"].is_string();
    assert!(is_text, "{backend:?}: {coded:?}");
    let flavor = backend.flavor();
    assert_eq!(
        vectors(&coded.json()),
        told,
        "{backend:?}: the same vectors"
    );
    for row in scene.ground.rows(2).await {
        assert_eq!(row.request_type, "embedding");
        assert_eq!(row.outcome.as_deref(), Some("success"), "{backend:?}");
        // Together tells no usage for embeddings.
        let estimated = flavor == Flavor::Together;
        assert_eq!(row.estimated == 1, estimated, "{backend:?}");
        assert!(row.prompt_tokens > 0, "{backend:?}");
    }
}

/// The vectors of a reply, whichever way they are written.
fn vectors(reply: &Value) -> Vec<Vec<f32>> {
    let number = |value: &Value| {
        let text = value.to_string();
        text.parse::<f32>().unwrap()
    };
    let items = reply["data"].as_array().unwrap().iter().enumerate();
    let vector = |(index, item): (usize, &Value)| {
        assert_eq!(item["index"], index);
        assert_eq!(item["object"], "embedding");
        match &item["embedding"] {
            Value::Array(numbers) => numbers.iter().map(number).collect(),
            Value::String(text) => decoded(text),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                panic!("no vector: {other}")
            }
        }
    };
    items.map(vector).collect()
}

/// Little-endian 32-bit floats in base64.
fn decoded(text: &str) -> Vec<f32> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => u32::from(digit - b'A'),
        b'a'..=b'z' => u32::from(digit - b'a') + 26,
        b'0'..=b'9' => u32::from(digit - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("not base64: {other}"),
    };
    let digits: Vec<u32> = text.trim_end_matches('=').bytes().map(value).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| (bits << 6) | digit);
        let bits = bits << (6 * (4 - group.len()));
        let three = [bits >> 16, bits >> 8, bits].map(|byte| u8::try_from(byte & 0xff).unwrap());
        bytes.extend_from_slice(&three[..group.len() - 1]);
    }
    let floats = bytes.chunks_exact(4);
    floats
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect()
}

/// The list as the admin app reads it: the way, the headers and the shapes are `wire`'s.
pub(crate) async fn listed(backend: Backend, expected: Expected) {
    let sim = provider(backend.flavor()).await;
    let (path, _) = backend.endpoint();
    let base = BaseUrl::parse(&format!("{}{path}", sim.base_url())).unwrap();
    let provider = backend.provider.provider();
    let way = provider.way(&base, Call::Models);
    let path = match (expected, &way) {
        (Expected::Served(path), Some(_)) => path,
        (Expected::Unlisted, None) => return assert!(backend.is_job(), "{backend:?}"),
        other => panic!("{backend:?}: {other:?}"),
    };
    let mut request = client().get(way.unwrap().url.to_string());
    for (name, value) in provider.headers(Some(KEY)) {
        request = request.header(name, value);
    }
    let got = answer(request).await;
    assert_eq!(got.status, 200, "{backend:?}: {got:?}");
    assert_eq!(sim.last_request().unwrap().path, path, "{backend:?}");
    let ids = provider.model_ids(got.body.as_bytes()).unwrap();
    assert!(ids.len() > 1, "{backend:?}: {ids:?}");
    assert!(
        ids.iter().any(|id| id == "sim-model"),
        "{backend:?}: {ids:?}"
    );
    assert!(ids.is_sorted(), "{backend:?}: {ids:?}");
    if backend.speech() == Speech::Anthropic {
        let sent = sim.last_request().unwrap();
        assert_eq!(sent.headers["x-api-key"], KEY);
    }
}

/// Together's list is an array and nothing around it.
#[tokio::test]
async fn b29_a_bare_array_of_models_is_a_list() {
    let sim = provider(Flavor::Together).await;
    let url = format!("{}/v1/models", sim.base_url());
    let got = answer(client().get(url).bearer_auth(KEY)).await;
    assert!(got.json().is_array(), "{got:?}");
    let together = wire::provider::ProviderKind::Together.provider();
    let ids = together.model_ids(got.body.as_bytes()).unwrap();
    assert!(ids.iter().any(|id| id == "sim-model"), "{ids:?}");
}
