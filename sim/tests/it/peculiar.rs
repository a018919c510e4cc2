//! Where vendors of the OpenAI family differ in what they take: images, extra parameters,
//! the queue's headers.

use serde_json::{Value, json};
use sim::{Flavor, Image};

use crate::raw::{Caller, chat, start};

const PATH: &str = "/v1/chat/completions";

fn with(extra: &Value) -> String {
    let mut body: Value = serde_json::from_str(&chat("", "")).unwrap();
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

fn image(url: &str) -> Value {
    let part = json!({"type": "image_url", "image_url": {"url": url}});
    json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, part]}]})
}

#[tokio::test]
async fn images_are_taken_as_the_vendor_does_and_recorded() {
    let inline = |kind: &str| format!("data:{kind};base64,QUJD");
    for (flavor, url, status) in [
        (Flavor::OpenAi, inline("image/png"), 200),
        (Flavor::OpenAi, "https://example.test/a.png".to_owned(), 200),
        (Flavor::OpenAi, inline("image/bmp"), 400),
        (Flavor::Vllm, inline("image/bmp"), 200),
        (Flavor::Ollama, inline("image/png"), 200),
        (Flavor::Ollama, inline("image/gif"), 400),
        (Flavor::Ollama, "https://example.test/a.png".to_owned(), 400),
    ] {
        let sim = start(flavor).await;
        let answer = Caller::connect(&sim)
            .await
            .post(PATH, &with(&image(&url)))
            .await;
        assert_eq!(answer.status, status, "{flavor:?} {url}: {answer:?}");
        let kept = sim.last_request().unwrap().images();
        let wanted = match url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(';'))
        {
            None => Image::Url(url),
            Some((kind, _)) => Image::Inline {
                media_type: Some(kind.to_owned()),
                data: "QUJD".to_owned(),
            },
        };
        assert_eq!(kept, [wanted]);
    }
    let sim = start(Flavor::Ollama).await;
    let body = json!({"model": "sim-model", "messages": [
        {"role": "user", "content": "see", "images": ["QUJD"]}
    ]});
    Caller::connect(&sim)
        .await
        .post("/api/chat", &body.to_string())
        .await;
    let wanted = Image::Inline {
        media_type: None,
        data: "QUJD".to_owned(),
    };
    assert_eq!(sim.last_request().unwrap().images(), [wanted]);
}

#[tokio::test]
async fn vllm_takes_more_parameters_and_fewer_combinations() {
    let sim = start(Flavor::Vllm).await;
    let mut caller = Caller::connect(&sim).await;
    let taken = json!({
        "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "guided_json": {"type": "object"},
        "chat_template_kwargs": {"enable_thinking": false}, "stop_token_ids": [1], "no_such": 1
    });
    assert_eq!(caller.post(PATH, &with(&taken)).await.status, 200);
    for (extra, words) in [
        (json!({"tools": []}), "`tools` must not be an empty array"),
        (json!({"tool_choice": "auto"}), "`tools` must be set"),
        (
            json!({"stream_options": {}}),
            "can only be defined when `stream=True`",
        ),
        (json!({"top_logprobs": 3}), "`logprobs` must be set to true"),
        (
            json!({"prompt_logprobs": 1, "stream": true}),
            "`prompt_logprobs` are not available",
        ),
        (
            json!({"continue_final_message": true, "add_generation_prompt": true}),
            "Cannot set both",
        ),
        (
            json!({"max_tokens": 40_000}),
            "maximum context length is 32768 tokens",
        ),
    ] {
        let answer = caller.post(PATH, &with(&extra)).await;
        assert_eq!(answer.status, 400, "{extra}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], 400);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{extra}: {message}");
    }
    let options = sim::Options {
        flavor: Flavor::Vllm,
        models: vec!["no-tools-here".to_owned()],
        ..sim::Options::default()
    };
    let sim = sim::Sim::start(options).await.unwrap();
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let extra = json!({"model": "no-tools-here", "tools": [tool]});
    let answer = Caller::connect(&sim).await.post(PATH, &with(&extra)).await;
    assert!(
        answer.body.contains("--enable-auto-tool-choice"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_queue_looks_at_its_headers() {
    let sim = start(Flavor::Queue).await;
    let mut caller = Caller::connect(&sim).await;
    for (headers, status) in [
        ("", 200),
        (
            "x-priority: HIGH\r\nx-source: test\r\nx-model: m\r\nx-user-id: 7\r\n",
            200,
        ),
        ("x-priority: LOW\r\n", 200),
        ("x-priority: high\r\n", 400),
        ("x-priority: URGENT\r\n", 400),
    ] {
        let answer = caller.post_with(PATH, headers, &chat("", "")).await;
        assert_eq!(answer.status, status, "{headers}");
    }
    let request = &sim.requests()[1];
    for (name, value) in [("x-source", "test"), ("x-model", "m"), ("x-user-id", "7")] {
        assert_eq!(request.headers[name], value);
    }
    let body = chat("status=503 double_error message=busy", "");
    let answer = caller.post(PATH, &body).await;
    assert_eq!(answer.status, 503);
    let inner: Value = serde_json::from_str(answer.json()["error"].as_str().unwrap()).unwrap();
    assert_eq!(inner["error"]["message"], "busy");
}
