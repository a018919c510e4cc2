//! Log probabilities: the provider's own, or the refusal of the field.

use serde_json::{Value, json};

use super::backend::{Backend, Speech};
use super::refused;
use super::table::{Expected, Kind, expected};
use crate::scene::{MODEL, Scene, with};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";

/// Whether a text completion goes to the provider's own call, and comes back as it is.
fn completes_by_itself(backend: Backend) -> bool {
    let expected = expected(backend, Kind::Completions);
    let is_own = matches!(expected, Expected::Served(path) if !path.ends_with("chat/completions"));
    backend.speech() == Speech::OpenAi && is_own
}

pub(crate) async fn told(backend: Backend, expected: Expected) {
    let scene = backend.scene().await;
    let text = "hi [[sim: say=a+b]]";
    let messages = json!([{"role": "user", "content": text}]);
    let chat = json!({"model": MODEL, "messages": messages, "logprobs": true, "top_logprobs": 2});
    let served = match expected {
        Expected::Served(_) => true,
        Expected::Refused { .. } => false,
        Expected::FoundOut { .. } | Expected::Fails { .. } | Expected::Unlisted => {
            panic!("{backend:?}: {expected:?}")
        }
    };
    for stream in [false, true] {
        let body = with(chat.clone(), &json!({"stream": stream}));
        let tokens = asked(&scene, backend, CHAT, &body, served).await;
        let told = tokens.iter().flat_map(|place| {
            let rows = place["content"].as_array().into_iter().flatten();
            rows.map(|row| (&row["token"], &row["logprob"]))
        });
        check(backend, &told.collect::<Vec<_>>(), served);
    }
    // 0 alternatives are still the tokens' own.
    let text = json!({"model": MODEL, "prompt": text, "logprobs": 0});
    let served = completes_by_itself(backend);
    for stream in [false, true] {
        let body = with(text.clone(), &json!({"stream": stream}));
        let tokens = asked(&scene, backend, COMPLETIONS, &body, served).await;
        let told = tokens.iter().flat_map(|place| {
            let column = |name: &str| place[name].as_array().into_iter().flatten();
            column("tokens").zip(column("token_logprobs"))
        });
        check(backend, &told.collect::<Vec<_>>(), served);
    }
    let chat = with(chat, &json!({"logprobs": false, "top_logprobs": null}));
    assert_eq!(scene.post(CHAT, &chat).await.status, 200, "{backend:?}");
}

/// The members `logprobs` of the answer's choices; none where it is refused, and nobody
/// was asked then.
async fn asked(
    scene: &Scene,
    backend: Backend,
    path: &str,
    body: &Value,
    served: bool,
) -> Vec<Value> {
    let before = calls(scene);
    let got = scene.post(path, body).await;
    if !served {
        refused(&got, backend, 400, "unsupported_value");
        let error = got.error();
        assert_eq!(error["param"], "logprobs", "{backend:?}: {error}");
        let message = error["message"].as_str().unwrap();
        let id = backend.provider.id();
        assert!(message.contains(id), "{backend:?}: {message}");
        assert_eq!(calls(scene), before, "{backend:?}");
        return Vec::new();
    }
    assert_eq!(got.status, 200, "{backend:?}: {got:?}");
    let answers = if body["stream"] == true {
        got.chunks()
    } else {
        vec![got.json()]
    };
    let choices = answers
        .iter()
        .flat_map(|answer| answer["choices"].as_array().into_iter().flatten());
    choices.map(|choice| choice["logprobs"].clone()).collect()
}

/// Model calls that the provider has seen; Ollama is asked about the model besides.
fn calls(scene: &Scene) -> usize {
    let requests = scene.sim.requests().into_iter();
    let about = |path: &str| matches!(path, "/api/show" | "/api/ps");
    requests.filter(|request| !about(&request.path)).count()
}

fn check(backend: Backend, told: &[(&Value, &Value)], served: bool) {
    let expected = if served { vec!["a ", "b"] } else { Vec::new() };
    let tokens: Vec<&str> = told
        .iter()
        .map(|(token, _)| token.as_str().unwrap())
        .collect();
    assert_eq!(tokens, expected, "{backend:?}");
    assert!(told.iter().all(|(_, logprob)| **logprob == json!(-0.25)));
}
