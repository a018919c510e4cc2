#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use crate::hub::{Number, Sampling, Source, Tool};

const BODY: &[u8] = br#"{"model":"m","seed":12345678901234567890123, "messages":[]}"#;

fn message(role: Role, text: &str) -> Message {
    Message {
        role,
        parts: vec![Part::text(text)],
        at: "messages[0]".to_owned(),
    }
}

fn chat() -> Chat {
    Chat {
        messages: vec![
            message(Role::System, "Be brief."),
            message(Role::User, "Hi"),
            message(Role::Assistant, "Hello"),
            message(Role::User, "Bye"),
        ],
        sampling: Sampling {
            temperature: Number::from_f64(0.5),
            ..Sampling::default()
        },
        stop: vec!["\n\n".to_owned()],
        stream: true,
        ..Chat::default()
    }
}

fn written(worker: Worker, route: JobRoute, chat: &Chat) -> Value {
    let body = job(worker, route, BODY, Some(chat), None).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn an_openai_request_goes_in_as_it_is() {
    let policy = Policy {
        execution_timeout: 600_000,
        ttl: 700_000,
    };
    for worker in [Worker::Auto, Worker::Vllm, Worker::Ollama] {
        let body = job(worker, JobRoute::Chat, BODY, None, Some(policy)).unwrap();
        assert_eq!(
            body,
            r#"{"input":{"openai_route":"/v1/chat/completions","openai_input":{"model":"m","seed":12345678901234567890123, "messages":[]}},"policy":{"executionTimeout":600000,"ttl":700000}}"#
        );
    }
    let body = job(Worker::Auto, JobRoute::Embeddings, b" {} \n", None, None).unwrap();
    assert_eq!(
        body,
        r#"{"input":{"openai_route":"/v1/embeddings","openai_input":{}}}"#
    );
}

#[test]
fn native_input_has_the_workers_names() {
    assert_eq!(
        written(Worker::VllmNative, JobRoute::Chat, &chat()),
        json!({"input": {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "Bye"},
            ],
            "sampling_params": {"temperature": 0.5, "stop": ["\n\n"], "max_tokens": null},
            "stream": true,
        }})
    );
    let completion = Chat {
        messages: vec![message(Role::User, "Once")],
        max_tokens: Some(5),
        n: Some(2),
        ..Chat::default()
    };
    assert_eq!(
        written(Worker::VllmNative, JobRoute::Completions, &completion),
        json!({"input": {
            "prompt": "Once",
            "sampling_params": {"max_tokens": 5, "n": 2},
            "stream": false,
        }})
    );
}

#[test]
fn a_text_worker_gets_the_dialogue() {
    assert_eq!(
        written(Worker::Text, JobRoute::Chat, &chat()),
        json!({"input": {
            "prompt": "System: Be brief.\nUser: Hi\nAssistant: Hello\nUser: Bye\nAssistant:",
            "temperature": 0.5,
            "stop": ["\n\n"],
            "stream": true,
        }})
    );
}

#[test]
fn what_a_form_cannot_say_is_refused_by_name() {
    let tools = Chat {
        tools: vec![Tool::default()],
        ..chat()
    };
    let mut picture = chat();
    picture.messages[1].parts.push(Part::Image {
        source: Source::Url("https://example.com/a.png".to_owned()),
        cache: None,
    });
    for worker in [Worker::VllmNative, Worker::Text] {
        for (chat, param) in [
            (Some(&tools), "tools"),
            (Some(&picture), "messages[0]"),
            (None, "messages"),
        ] {
            let refusal = job(worker, JobRoute::Chat, BODY, chat, None).unwrap_err();
            assert_eq!(refusal.param, param);
            assert!(refusal.message.contains(worker.id()), "{refusal}");
        }
    }
    for worker in [Worker::VllmNative, Worker::Text, Worker::Ollama] {
        let refusal = job(worker, JobRoute::Embeddings, BODY, Some(&chat()), None);
        assert!(refusal.unwrap_err().message.contains(worker.id()));
    }
}

#[test]
fn a_body_that_the_platform_does_not_take_is_refused_with_its_size() {
    let frame = br#"{"input":{"openai_route":"/v1/completions","openai_input":}}"#.len();
    let of = |length: usize| {
        let body = vec![b'7'; length - frame];
        job(Worker::Vllm, JobRoute::Completions, &body, None, None)
    };
    assert_eq!(of(MOST_BYTES).unwrap().len(), MOST_BYTES);
    for (length, told) in [
        (MOST_BYTES + 1, "10.1 MB"),
        (12 * MOST_BYTES / 10, "12.0 MB"),
    ] {
        let refusal = of(length).unwrap_err();
        assert_eq!(refusal.param, "prompt");
        assert!(refusal.message.contains(told), "{refusal}");
        assert!(refusal.message.contains("takes 10 MB"), "{refusal}");
    }
}

#[test]
fn ids_round_trip() {
    for worker in Worker::ALL {
        assert_eq!(Worker::from_id(worker.id()), Some(worker));
    }
    assert_eq!(Worker::from_id("vLLM"), None);
}
