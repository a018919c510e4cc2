//! Every provider type: where its calls go, what is shown there, and what comes back.

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, RecordedRequest, Sim};

use crate::process::Process;
use crate::scene::{
    Answer, Ground, KEY, MODEL, Props, Scene, answer, chat, client, provider, streamed_text,
};

/// Providers whose chats are in the caller's own dialect: what they say is edited, not
/// written anew.
const SAME_DIALECT: [Flavor; 6] = [
    Flavor::OpenAi,
    Flavor::Vllm,
    Flavor::Together,
    Flavor::DeepInfra,
    Flavor::OpenWebui,
    Flavor::Queue,
];

/// Paths of chat, completions and embeddings, as the vendors document them.
fn paths(flavor: Flavor) -> (&'static str, Option<&'static str>, &'static str) {
    match flavor {
        Flavor::OpenAi | Flavor::Vllm | Flavor::Together => (
            "/v1/chat/completions",
            Some("/v1/completions"),
            "/v1/embeddings",
        ),
        Flavor::Ollama => ("/api/chat", Some("/api/generate"), "/api/embed"),
        Flavor::DeepInfra => (
            "/v1/openai/chat/completions",
            Some("/v1/openai/completions"),
            "/v1/openai/embeddings",
        ),
        Flavor::OpenWebui => ("/api/chat/completions", None, "/api/embeddings"),
        Flavor::Queue => ("/v1/chat/completions", None, "/v1/embeddings"),
        Flavor::Anthropic | Flavor::Runpod => {
            panic!("{flavor:?} does not speak the format of these tests")
        }
    }
}

fn sent(sim: &Sim) -> (RecordedRequest, Value) {
    let request = sim.last_request().unwrap();
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

/// The answer that the provider gives to exactly the request it got last.
async fn direct(sim: &Sim) -> Answer {
    let last = sim.last_request().unwrap();
    let request = client()
        .request(last.method, format!("{}{}", sim.base_url(), last.path))
        .bearer_auth(KEY)
        .body(last.body);
    answer(request).await
}

/// What the caller gets of what this provider said: byte for byte the same, but for the
/// model's name, the name of reasoning, and, from Together, its own word for an answer at
/// its end.
fn mended(flavor: Flavor, text: &str) -> String {
    let renamed = text.replace(r#""model":"sim-model""#, &format!(r#""model":"{MODEL}""#));
    let renamed = renamed.replace(r#""reasoning":"#, r#""reasoning_content":"#);
    if flavor != Flavor::Together {
        return renamed;
    }
    renamed.replace(r#""finish_reason":"eos""#, r#""finish_reason":"stop""#)
}

#[tokio::test]
async fn a_whole_chat_comes_back_as_the_provider_gave_it() {
    for flavor in SAME_DIALECT {
        let scene = Scene::of(flavor).await;
        let got = scene.chat("say=one+two+three", json!({})).await;
        assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
        let (request, body) = sent(&scene.sim);
        assert_eq!(request.path, paths(flavor).0, "{flavor:?}");
        assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(body["model"], "sim-model");
        let expected = direct(&scene.sim).await;
        assert_eq!(expected.json()["model"], "sim-model", "{flavor:?}");
        assert_eq!(got.body, mended(flavor, &expected.body), "{flavor:?}");
        let row = scene.ground.row().await;
        assert_eq!(row.virtual_model, MODEL);
        assert_eq!(row.endpoint_id, Some(scene.endpoint));
        assert_eq!(row.completion_tokens, 3, "{flavor:?}");
        assert_eq!(row.outcome.as_deref(), Some("success"));
        assert_eq!((row.stream, row.estimated), (0, 0), "{flavor:?}");
    }
}

#[tokio::test]
async fn a_stream_comes_back_as_the_provider_gave_it() {
    for flavor in SAME_DIALECT.into_iter().filter(|&f| f != Flavor::Queue) {
        let scene = Scene::of(flavor).await;
        let script = "chunks=3 unicode reasoning unknown";
        let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
        let got = scene.chat(script, asked).await;
        assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
        assert!(got.header("content-type").starts_with("text/event-stream"));
        let expected = direct(&scene.sim).await;
        assert!(expected.body.contains("usage"), "{flavor:?}");
        assert_eq!(got.body, mended(flavor, &expected.body), "{flavor:?}");
        let row = scene.ground.row().await;
        assert_eq!(row.completion_tokens, 6, "{flavor:?}: 3 chunks, 3 thoughts");
        assert_eq!((row.stream, row.estimated), (1, 0), "{flavor:?}");
        assert!(row.ttft_ms.is_some());
    }
}

#[tokio::test]
async fn usage_is_counted_and_not_shown_unless_asked_for() {
    for flavor in SAME_DIALECT.into_iter().filter(|&f| f != Flavor::Queue) {
        let scene = Scene::of(flavor).await;
        let got = scene.stream("say=one+two usage=cached").await;
        let chunks = got.chunks();
        assert_eq!(streamed_text(&chunks), "one two", "{flavor:?}");
        for chunk in &chunks {
            let choices = chunk["choices"].as_array().unwrap();
            assert!(!choices.is_empty(), "{flavor:?}: an extra chunk {chunk}");
        }
        let mut expected = direct(&scene.sim).await;
        expected.body = mended(flavor, &expected.body);
        let expected = expected.chunks();
        let content = |chunks: &[Value]| {
            let of = |chunk: &Value| chunk["choices"].clone();
            let some = |choices: &Value| choices.as_array().is_some_and(|list| !list.is_empty());
            chunks.iter().map(of).filter(some).collect::<Vec<_>>()
        };
        assert_eq!(content(&chunks), content(&expected), "{flavor:?}");
        let row = scene.ground.row().await;
        assert_eq!((row.completion_tokens, row.estimated), (2, 0), "{flavor:?}");
        assert!(row.prompt_tokens > 0, "{flavor:?}");
        assert_eq!(row.cached_input_tokens, row.prompt_tokens / 2, "{flavor:?}");
    }
}

#[tokio::test]
async fn completions_go_where_the_provider_has_them() {
    for flavor in Flavor::OPENAI_FORMAT {
        let scene = Scene::of(flavor).await;
        let body = json!({"model": MODEL, "prompt": "Once [[sim: say=upon+a+time]]"});
        let got = scene.post("/v1/completions", &body).await;
        assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
        let (as_chat, path, _) = paths(flavor);
        assert_eq!(
            sent(&scene.sim).0.path,
            path.unwrap_or(as_chat),
            "{flavor:?}"
        );
        assert_eq!(got.json()["object"], "text_completion", "{flavor:?}");
        assert_eq!(got.json()["model"], MODEL, "{flavor:?}");
        let choice = &got.json()["choices"][0];
        assert_eq!(choice["text"], "upon a time", "{flavor:?}");
        assert_eq!(choice["finish_reason"], "stop", "{flavor:?}");
        if path.is_some() && SAME_DIALECT.contains(&flavor) {
            let expected = direct(&scene.sim).await;
            assert_eq!(got.body, mended(flavor, &expected.body), "{flavor:?}");
        }
        let streamed = crate::scene::with(body, &json!({"stream": true}));
        let streamed = scene.post("/v1/completions", &streamed).await;
        let text: String = streamed
            .chunks()
            .iter()
            .filter_map(|chunk| {
                chunk
                    .pointer("/choices/0/text")?
                    .as_str()
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(text, "upon a time", "{flavor:?}");
        for row in scene.ground.rows(2).await {
            assert_eq!(row.request_type, "completion");
            assert_eq!(row.completion_tokens, 3, "{flavor:?}: {row:?}");
        }
    }
}

#[tokio::test]
async fn embeddings_go_where_the_provider_has_them() {
    for flavor in Flavor::OPENAI_FORMAT {
        let scene = Scene::of(flavor).await;
        let body = json!({"model": MODEL, "input": ["one", "two"], "dimensions": 3});
        let got = scene.post("/v1/embeddings", &body).await;
        assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
        assert_eq!(sent(&scene.sim).0.path, paths(flavor).2, "{flavor:?}");
        if SAME_DIALECT.contains(&flavor) {
            let expected = direct(&scene.sim).await;
            assert_eq!(got.body, mended(flavor, &expected.body), "{flavor:?}");
        }
        let item = &got.json()["data"][1];
        assert_eq!(
            (&item["object"], &item["index"]),
            (&json!("embedding"), &json!(1))
        );
        assert_eq!(item["embedding"].as_array().unwrap().len(), 3, "{flavor:?}");
        let row = scene.ground.row().await;
        assert_eq!(row.request_type, "embedding");
        assert_eq!(row.outcome.as_deref(), Some("success"));
        // Together tells no usage for embeddings.
        assert_eq!(row.estimated == 1, flavor == Flavor::Together, "{flavor:?}");
        assert!(row.prompt_tokens > 0, "{flavor:?}");
    }
}

#[tokio::test]
async fn a_base_url_works_however_it_is_typed() {
    for (flavor, endings) in [
        (Flavor::OpenAi, &["", "/", "/v1", "/v1/"][..]),
        (
            Flavor::DeepInfra,
            &["", "/", "/v1", "/v1/openai", "/v1/openai/"],
        ),
        (Flavor::OpenWebui, &["", "/", "/api", "/api/", "/v1"]),
        (Flavor::Ollama, &["", "/", "/v1", "/api"]),
    ] {
        let ground = Ground::new();
        let sim = provider(flavor).await;
        for (number, ending) in endings.iter().enumerate() {
            let url = format!("{}{ending}", sim.base_url());
            let fields = json!({"name": format!("e{number}"), "url": url});
            let endpoint = ground.endpoint(&sim, &fields);
            ground.model(&format!("m{number}"), endpoint, &json!({}));
        }
        let gateway = Process::gateway(ground.folder.path(), &[]).await;
        for (number, ending) in endings.iter().enumerate() {
            let body = json!({
                "model": format!("m{number}"),
                "messages": [{"role": "user", "content": "hi"}],
            });
            let url = format!("{}/v1/chat/completions", gateway.base);
            let got = answer(client().post(url).json(&body)).await;
            assert_eq!(got.status, 200, "{flavor:?} {ending:?}: {got:?}");
        }
    }
}

#[tokio::test]
async fn only_the_gateways_own_headers_go_upstream() {
    let scene = Scene::with(Props {
        endpoint: json!({"custom_headers": {"X-Team": "blue", "X-Both": "endpoint"}}),
        model: json!({"custom_headers": {"X-Both": "model", "User-Agent": "of-the-model/1"}}),
        ..Props::default()
    })
    .await;
    let request = scene
        .request(Method::POST, "/v1/chat/completions")
        .header("authorization", "Bearer of-the-caller")
        .header("x-api-key", "of-the-caller")
        .header("cookie", "secret=of-the-caller")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-request-id", "my-id-1")
        .json(&chat("", &json!({})));
    assert_eq!(answer(request).await.status, 200);
    let (request, _) = sent(&scene.sim);
    let header = |name: &str| request.headers.get(name).map(|v| v.to_str().unwrap());
    assert_eq!(header("x-team"), Some("blue"));
    assert_eq!(header("x-both"), Some("model"));
    assert_eq!(header("user-agent"), Some("of-the-model/1"));
    assert_eq!(header("x-request-id"), Some("my-id-1"));
    assert_eq!(header("host"), Some(scene.sim.addr().to_string().as_str()));
    assert_eq!(request.headers.get_all("authorization").iter().count(), 1);
    for name in ["cookie", "x-api-key", "x-forwarded-for"] {
        assert_eq!(header(name), None, "{name}");
    }
    let shown = format!("{:?}", request.headers);
    assert!(!shown.contains("of-the-caller"), "{shown}");
}

#[tokio::test]
async fn no_key_is_shown_where_none_is_set() {
    let ground = Ground::new();
    let sim = Sim::start(sim::Options::default()).await.unwrap();
    let fields = json!({"name": "open", "url": sim.base_url()});
    let endpoint = ground.endpoint_from(&fields);
    ground.model(MODEL, endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    let request = client()
        .post(format!("{}/v1/chat/completions", gateway.base))
        .bearer_auth("of-the-caller")
        .json(&chat("", &json!({})));
    assert_eq!(answer(request).await.status, 200);
    assert!(!sent(&sim).0.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_queue_is_told_priority_source_and_model() {
    for (env, priority, source) in [
        (&[][..], "NORMAL", None),
        (
            &[("AI_QUEUE_PRIORITY", "HIGH"), ("AI_QUEUE_SOURCE", "shop")],
            "HIGH",
            Some("shop"),
        ),
    ] {
        let options = sim::Options {
            flavor: Flavor::Queue,
            ..sim::Options::default()
        };
        let scene = Scene::with(Props {
            options,
            env,
            ..Props::default()
        })
        .await;
        assert_eq!(scene.chat("", json!({})).await.status, 200);
        let (request, _) = sent(&scene.sim);
        assert_eq!(request.headers["x-priority"], priority);
        assert_eq!(request.headers["x-model"], "sim-model");
        let told = request.headers["x-source"].to_str().unwrap();
        assert!(!told.is_empty());
        assert!(source.is_none_or(|source| source == told), "{told}");
    }
}

#[tokio::test]
async fn the_queues_own_key_serves_an_endpoint_that_has_none() {
    let ground = Ground::new();
    let sim = provider(Flavor::Queue).await;
    let endpoint = ground.endpoint(&sim, &json!({"api_key": null}));
    ground.model(MODEL, endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[("AI_QUEUE_API_KEY", KEY)]).await;
    let request = client()
        .post(format!("{}/v1/chat/completions", gateway.base))
        .json(&chat("", &json!({})));
    assert_eq!(answer(request).await.status, 200);
    assert_eq!(
        sent(&sim).0.headers["authorization"],
        format!("Bearer {KEY}")
    );
}

#[tokio::test]
async fn tool_calls_pass_whole_and_streamed() {
    let tool = json!({"type": "function", "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }});
    for flavor in SAME_DIALECT {
        let scene = Scene::of(flavor).await;
        let body = chat("tools=2 tool_fragments=5", &json!({"tools": [tool]}));
        let whole = scene.post("/v1/chat/completions", &body).await;
        assert_eq!(
            whole.body,
            mended(flavor, &direct(&scene.sim).await.body),
            "{flavor:?}"
        );
        let calls = &whole.json()["choices"][0]["message"]["tool_calls"];
        assert_eq!(calls.as_array().unwrap().len(), 2, "{flavor:?}: {whole:?}");
        if flavor == Flavor::Queue {
            continue;
        }
        let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
        let streamed = scene
            .post("/v1/chat/completions", &crate::scene::with(body, &asked))
            .await;
        assert_eq!(
            streamed.body,
            mended(flavor, &direct(&scene.sim).await.body),
            "{flavor:?}"
        );
    }
}

/// The simulated DeepInfra refuses the role and, as Together, the newer limit.
#[tokio::test]
async fn what_only_openai_knows_goes_as_the_provider_knows_it() {
    let messages = json!([
        {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"},
    ]);
    let asked = json!({"messages": messages, "max_completion_tokens": 60});
    for flavor in SAME_DIALECT {
        let scene = Scene::of(flavor).await;
        let got = scene.chat("", asked.clone()).await;
        assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
        let (_, body) = sent(&scene.sim);
        let role = if flavor == Flavor::OpenAi {
            "developer"
        } else {
            "system"
        };
        assert_eq!(body["messages"][0]["role"], role, "{flavor:?}: {body}");
        assert_eq!(body["messages"][0]["content"], "Be brief.", "{flavor:?}");
        let older = [Flavor::Together, Flavor::DeepInfra].contains(&flavor);
        let (limit, other) = if older {
            ("max_tokens", "max_completion_tokens")
        } else {
            ("max_completion_tokens", "max_tokens")
        };
        assert_eq!(body[limit], 60, "{flavor:?}: {body}");
        assert!(body[other].is_null(), "{flavor:?}: {body}");
    }
}
