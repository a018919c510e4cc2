//! What only an Ollama server has: a context that is asked for with each request, and
//! models that are loaded anew when it changes.

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::scene::{MODEL, Props, Scene, chat, with};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";

async fn scene(model: Value) -> Scene {
    let options = Options {
        flavor: Flavor::Ollama,
        models: ["sim-model", "sim-no-thinking", "sim-no-tools"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    };
    Scene::with(Props {
        options,
        model,
        ..Props::default()
    })
    .await
}

/// The last chat.
fn sent(scene: &Scene) -> Value {
    let request = scene.sim.last_request().unwrap();
    assert_eq!(request.path, "/api/chat");
    serde_json::from_slice(&request.body).unwrap()
}

/// A chat with a prompt of about so many tokens.
fn long(tokens: usize, more: &Value) -> Value {
    let text = format!("{} [[sim: say=ok]]", "abc ".repeat(tokens));
    let messages = json!([{"role": "user", "content": text}]);
    with(json!({"model": MODEL, "messages": messages}), more)
}

#[tokio::test]
async fn the_context_grows_in_powers_of_two_and_never_shrinks() {
    let scene = scene(json!({})).await;
    for (body, num_ctx) in [
        (chat("say=ok", &json!({})), 4096),
        (long(3000, &json!({})), 8192),
        (long(20_000, &json!({})), 32_768),
        // What is loaded stays loaded.
        (chat("say=ok", &json!({})), 32_768),
        (long(3000, &json!({"stream": true})), 32_768),
        (long(20_000, &json!({"max_tokens": 20_000})), 65_536),
        // Not more than the model has.
        (long(200_000, &json!({})), 131_072),
    ] {
        let got = scene.post(CHAT, &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(sent(&scene)["options"]["num_ctx"], num_ctx);
    }
    assert_eq!(
        scene.sim.loads("sim-model"),
        [4096, 8192, 32_768, 65_536, 131_072],
        "a model is loaded anew only to grow"
    );
    // The server was asked for what the model can, and not each time.
    let requests = scene.sim.requests();
    let shown = requests.iter().filter(|r| r.path == "/api/show").count();
    assert_eq!(shown, 1);
}

#[tokio::test]
async fn a_model_that_somebody_else_has_loaded_is_left_as_it_is() {
    let scene = scene(json!({})).await;
    let other = json!({
        "model": "sim-model", "messages": [{"role": "user", "content": "hi"}],
        "options": {"num_ctx": 16_384},
    });
    let url = format!("{}/api/chat", scene.sim.base_url());
    let request = scene.client.request(Method::POST, url);
    let loaded = request.bearer_auth(crate::scene::KEY).json(&other).send();
    assert!(loaded.await.unwrap().status().is_success());
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    assert_eq!(sent(&scene)["options"]["num_ctx"], 16_384);
    assert_eq!(scene.sim.loads("sim-model"), [16_384]);
}

#[tokio::test]
async fn a_prompt_that_is_cut_is_told() {
    for stream in [false, true] {
        let scene = scene(json!({"num_ctx": 8192})).await;
        let got = scene
            .post(CHAT, &long(20_000, &json!({"stream": stream})))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(
            sent(&scene)["options"]["num_ctx"],
            8192,
            "the operator's limit"
        );
        let warning = got.header("x-gateway-warning");
        assert!(
            warning.starts_with("prompt_cut; num_ctx=8192"),
            "{stream}: {got:?}"
        );
        let log = scene
            .gateway
            .logged("does not fit the model's context")
            .await;
        assert!(log.contains("num_ctx=8192"), "{log}");
        // One that fits is none.
        let got = scene.chat("say=ok", json!({"stream": stream})).await;
        assert_eq!(got.header("x-gateway-warning"), "", "{got:?}");
    }
}

#[tokio::test]
async fn a_model_thinks_as_far_as_it_can() {
    for (model, effort, think, reasoning) in [
        ("sim-model", json!(null), Value::Null, ""),
        ("sim-model", json!("high"), json!("high"), "Let me think."),
        ("sim-model", json!("none"), json!(false), ""),
        // To one that cannot the server would refuse it.
        ("sim-no-thinking", json!("high"), Value::Null, ""),
    ] {
        let scene = scene(json!({"actual_model": model})).await;
        for stream in [false, true] {
            let asked = json!({"reasoning_effort": effort, "stream": stream});
            let got = scene.chat("say=ok", asked).await;
            assert_eq!(got.status, 200, "{model} {effort}: {got:?}");
            let told = sent(&scene).get("think").cloned().unwrap_or_default();
            assert_eq!(told, think, "{model} {effort}");
            let heard = if stream {
                let chunks = got.chunks();
                let piece =
                    |chunk: &Value| chunk["choices"][0]["delta"]["reasoning_content"].clone();
                let pieces = chunks.iter().map(piece);
                pieces
                    .filter_map(|piece| piece.as_str().map(str::to_owned))
                    .collect()
            } else {
                let message = got.json()["choices"][0]["message"].clone();
                message["reasoning_content"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            assert_eq!(heard, reasoning, "{model} {effort} {stream}");
        }
    }
}

#[tokio::test]
async fn tools_for_a_model_that_takes_none_are_refused_in_words() {
    let scene = scene(json!({"actual_model": "sim-no-tools"})).await;
    let tool =
        json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let got = scene.chat("", json!({"tools": [tool]})).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["param"], "tools");
    let asked = scene.sim.requests();
    assert!(asked.iter().all(|request| request.path != "/api/chat"));
}

#[tokio::test]
async fn a_form_of_the_answer_is_the_servers_format() {
    let scene = scene(json!({})).await;
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}});
    for (format, told) in [
        (json!({"type": "json_object"}), json!("json")),
        (
            json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
            schema.clone(),
        ),
    ] {
        let got = scene
            .chat("say=ok", json!({"response_format": format}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(sent(&scene)["format"], told);
    }
}

/// Tools that the estimate takes for shorter than the server does.
fn tools(number: usize) -> Value {
    let tool = |n: usize| {
        let function = json!({"name": format!("tool_{n}"), "parameters": {"type": "object"}});
        json!({"type": "function", "function": function})
    };
    (0..number).map(tool).collect()
}

#[tokio::test]
async fn a_cut_that_only_the_count_shows_is_told_as_far_as_it_can_be() {
    for stream in [false, true] {
        let scene = scene(json!({"num_ctx": 4096})).await;
        let more = json!({"stream": stream, "tools": tools(100), "tool_choice": "auto"});
        let got = scene.post(CHAT, &long(2500, &more)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(sent(&scene)["options"]["num_ctx"], 4096);
        let log = scene
            .gateway
            .logged("does not fit the model's context")
            .await;
        let line = log.lines().find(|line| line.contains("does not fit"));
        let line = line.unwrap();
        assert!(line.contains("counted_prompt_tokens=4096"), "{line}");
        let number = |name: &str| {
            let (_, rest) = line.split_once(name).unwrap();
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits.unwrap().parse::<u64>().unwrap()
        };
        let estimate = number("estimated_prompt_tokens=");
        assert!(estimate < 4096, "nothing was to be seen before: {line}");
        // The head of a stream has gone out before the server tells.
        let warning = got.header("x-gateway-warning");
        assert_eq!(warning.is_empty(), stream, "{stream}: {warning}");
    }
}

#[tokio::test]
async fn each_of_several_prompts_is_compared_with_its_own_context() {
    let scene = scene(json!({"num_ctx": 4096})).await;
    let ask = |lengths: [usize; 3]| {
        let prompts = lengths.map(input);
        json!({"model": MODEL, "prompt": prompts, "max_tokens": 5})
    };
    // Together they are longer than the context, and each of them fits.
    let got = scene.post(COMPLETIONS, &ask([3000; 3])).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.header("x-gateway-warning"), "", "{got:?}");
    // One does not, and those beside it do not hide that.
    let got = scene.post(COMPLETIONS, &ask([3000, 5000, 10])).await;
    assert_eq!(got.status, 200, "{got:?}");
    let warning = got.header("x-gateway-warning");
    let told = "prompt_cut; num_ctx=4096; estimated_prompt_tokens=5000";
    assert_eq!(warning, told);
}

/// A text of so many tokens.
fn input(tokens: usize) -> String {
    "abc ".repeat(tokens)
}

/// A model that makes vectors, and `more` of its virtual model.
async fn embedder(more: Value) -> Scene {
    let models = ["sim-embed".to_owned()].to_vec();
    Scene::with(Props {
        options: Options {
            flavor: Flavor::Ollama,
            models,
            ..Options::default()
        },
        model: with(json!({"actual_model": "sim-embed"}), &more),
        ..Props::default()
    })
    .await
}

#[tokio::test]
async fn a_long_text_gets_room_for_its_vector() {
    let scene = embedder(json!({})).await;
    for (texts, num_ctx) in [
        (vec![20], 4096),
        // The room is for the longest alone.
        (vec![1000; 9], 4096),
        (vec![6000, 10], 16_384),
        (vec![20], 16_384),
    ] {
        let inputs: Vec<String> = texts.iter().map(|&tokens| input(tokens)).collect();
        let got = scene
            .post(EMBEDDINGS, &json!({"model": MODEL, "input": inputs}))
            .await;
        assert_eq!(got.status, 200, "{texts:?}: {got:?}");
        let told = scene.sim.last_request().unwrap();
        assert_eq!(told.path, "/api/embed");
        let told: Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(told["options"]["num_ctx"], num_ctx, "{texts:?}");
        assert_eq!(told["truncate"], false, "{texts:?}");
        let tokens: usize = texts.iter().sum();
        let counted = got.json()["usage"]["prompt_tokens"].clone();
        assert_eq!(counted, tokens, "{texts:?}: all was read");
        assert_eq!(got.header("x-gateway-warning"), "", "{texts:?}");
    }
    assert_eq!(scene.sim.loads("sim-embed"), [4096, 16_384]);
    let requests = scene.sim.requests();
    let shown = requests.iter().filter(|r| r.path == "/api/show").count();
    assert_eq!(shown, 1);
}

#[tokio::test]
async fn a_text_that_does_not_fit_is_refused_and_not_cut() {
    let scene = embedder(json!({"num_ctx": 4096})).await;
    for inputs in [json!(input(5000)), json!(["short", input(5000)])] {
        let got = scene
            .post(EMBEDDINGS, &json!({"model": MODEL, "input": inputs}))
            .await;
        assert_eq!(got.status, 400, "{got:?}");
        let error = got.error();
        assert_eq!(error["code"], "context_length_exceeded", "{error}");
        assert_eq!(error["type"], "invalid_request_error", "{error}");
    }
    // As some versions of the server say the same.
    for status in [400, 413, 500] {
        let said = format!("status={status} message=the+input+length+exceeds+the+context+length");
        let text = format!("[[sim: {said}]]");
        let got = scene
            .post(EMBEDDINGS, &json!({"model": MODEL, "input": text}))
            .await;
        assert_eq!(got.status, 400, "{status}: {got:?}");
        assert_eq!(got.error()["code"], "context_length_exceeded", "{status}");
    }
    for row in scene.ground.rows(5).await {
        assert_eq!(row.outcome.as_deref(), Some("client_error"), "{row:?}");
    }
    // A text of just the context's length is counted as full, and is whole.
    let got = scene
        .post(EMBEDDINGS, &json!({"model": MODEL, "input": input(4096)}))
        .await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.json()["usage"]["prompt_tokens"], 4096);
    assert_eq!(got.header("x-gateway-warning"), "", "{got:?}");
}
