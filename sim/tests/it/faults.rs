//! Scripted faults: what the caller sees of each, and how it is counted.

use serde_json::Value;
use sim::{Flavor, Options, Sim};

use crate::raw::{Caller, chat, start};

const PATH: &str = "/v1/chat/completions";
const STREAM: &str = r#","stream":true"#;

#[tokio::test]
async fn a_cut_stops_the_stream_where_the_script_says() {
    let sim = start(Flavor::OpenAi).await;
    // Content events before the end, and whether `[DONE]` is among the events.
    for (script, content, done) in [
        ("chunks=4 cut=between cut_after=2", 2, false),
        ("chunks=4 cut=between cut_after=0", 0, false),
        ("chunks=4 cut=between cut_after=2 rst", 2, false),
        ("chunks=4 cut_after_chunks=3", 3, false),
        ("chunks=4 cut=done", 4, false),
        ("chunks=4 cut=end", 4, true),
    ] {
        let answer = Caller::connect(&sim)
            .await
            .post(PATH, &chat(script, STREAM))
            .await;
        assert_eq!(answer.status, 200, "{script}");
        assert!(!answer.complete, "{script}: {answer:?}");
        let words = answer
            .events()
            .iter()
            .filter(|data| data.contains("word"))
            .count();
        assert_eq!(words, content, "{script}");
        assert_eq!(answer.events().contains(&"[DONE]"), done, "{script}");
    }
    let served = sim.served();
    assert_eq!((served.completed, served.cancelled), (6, 0));
}

#[tokio::test]
async fn a_cut_inside_a_chunk_leaves_half_an_event() {
    let sim = start(Flavor::OpenAi).await;
    let body = chat("chunks=3 cut=chunk cut_after=1", STREAM);
    let answer = Caller::connect(&sim).await.post(PATH, &body).await;
    assert!(!answer.complete);
    let last = *answer.events().last().unwrap();
    assert!(last.starts_with('{') && !last.ends_with('}'), "{last}");
}

#[tokio::test]
async fn a_cut_before_or_inside_the_header_gives_no_reply() {
    let sim = start(Flavor::OpenAi).await;
    for script in ["cut=status", "cut=status rst", "cut=header"] {
        let mut caller = Caller::connect(&sim).await;
        let body = chat(script, "");
        caller.ask(PATH, &body).await;
        assert!(caller.answer().await.is_none(), "{script}");
        assert_eq!(
            caller.unread().is_empty(),
            script != "cut=header",
            "{script}"
        );
    }
}

#[tokio::test]
async fn a_cut_whole_answer_ends_before_its_announced_length() {
    let sim = start(Flavor::OpenAi).await;
    for script in ["cut=chunk", "cut=between", "cut=between chunked"] {
        let answer = Caller::connect(&sim)
            .await
            .post(PATH, &chat(script, ""))
            .await;
        assert!(
            !answer.complete && !answer.body.is_empty(),
            "{script}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_counted_at_once() {
    let sim = start(Flavor::Vllm).await;
    for (number, script) in ["hang=header", "hang=stream", "gap_ms=3600000"]
        .iter()
        .enumerate()
    {
        let mut caller = Caller::connect(&sim).await;
        let body = chat(script, STREAM);
        caller.ask(PATH, &body).await;
        if *script == "hang=header" {
            sim.wait_for_requests(number as u64 + 1).await.unwrap();
        } else {
            assert!(caller.more().await);
        }
        assert_eq!(sim.served().open(), 1, "{script}");
        drop(caller);
        let served = sim.wait_for_cancelled(number as u64 + 1).await.unwrap();
        assert_eq!((served.open(), served.completed), (0, 0), "{script}");
    }
}

#[tokio::test]
async fn a_connection_can_go_stale_after_a_complete_reply() {
    let sim = start(Flavor::OpenAi).await;
    for extra in ["", STREAM] {
        let mut caller = Caller::connect(&sim).await;
        let answer = caller.post(PATH, &chat("close=after", extra)).await;
        assert!(answer.complete && !answer.head.contains("connection: close"));
        assert!(caller.closed().await);

        let mut caller = Caller::connect(&sim).await;
        let answer = caller.post(PATH, &chat("close=next", extra)).await;
        assert!(answer.complete && !answer.head.contains("connection: close"));
        caller
            .send(b"GET /v1/models HTTP/1.1\r\nhost: sim\r\n\r\n")
            .await;
        assert!(caller.answer().await.is_none());
    }
    assert_eq!(sim.served().requests, 4);
}

#[tokio::test]
async fn a_connection_is_kept_without_a_script() {
    let sim = start(Flavor::OpenAi).await;
    let mut caller = Caller::connect(&sim).await;
    for _ in 0..3 {
        assert!(caller.post(PATH, &chat("", STREAM)).await.complete);
    }
    let connections: Vec<u64> = sim.requests().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 1]);
}

#[tokio::test]
async fn early_answers_do_not_wait_for_the_body() {
    let sim = start(Flavor::OpenAi).await;
    let mut caller = Caller::connect(&sim).await;
    // The announced body never comes.
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: sim\r\ncontent-length: 1000\r\nx-sim: early=413\r\n\r\n"
    );
    caller.send(head.as_bytes()).await;
    let answer = caller.answer().await.unwrap();
    assert_eq!(answer.status, 413);
    assert!(caller.closed().await);
}

#[tokio::test]
async fn an_early_answer_can_leave_the_connection_usable() {
    let sim = start(Flavor::OpenAi).await;
    let mut caller = Caller::connect(&sim).await;
    let body = "x".repeat(300_000);
    let refused = caller
        .post_with(PATH, "x-sim: early=413 drain\r\n", &body)
        .await;
    assert_eq!(refused.status, 413);
    assert_eq!(caller.get("/v1/models").await.status, 200);
    assert_eq!(sim.served().connections, 1);
}

#[tokio::test]
async fn a_gate_holds_calls_until_it_is_opened() {
    let sim = start(Flavor::OpenAi).await;
    let mut streaming = Caller::connect(&sim).await;
    let mut waiting = Caller::connect(&sim).await;
    streaming
        .ask(PATH, &chat("chunks=3 gate=stream gate_after=2", STREAM))
        .await;
    waiting.ask(PATH, &chat("gate=header", "")).await;
    sim.wait_for_requests(2).await.unwrap();
    while streaming.unread().matches("word").count() < 2 {
        assert!(streaming.more().await);
    }
    assert_eq!(sim.served().open(), 2);
    assert!(!streaming.unread().contains("[DONE]"));
    sim.open_gate();
    assert!(waiting.answer().await.unwrap().complete);
    let answer = streaming.answer().await.unwrap();
    assert_eq!(answer.events().len(), 6);
    sim.wait_until(|served| served.completed == 2)
        .await
        .unwrap();
}

#[tokio::test]
async fn informational_replies_come_first() {
    let sim = start(Flavor::OpenAi).await;
    let mut caller = Caller::connect(&sim).await;
    assert_eq!(
        caller.post(PATH, &chat("informational=2", "")).await.status,
        103
    );
    assert_eq!(caller.answer().await.unwrap().status, 103);
    assert_eq!(caller.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn errors_inside_a_200_are_each_vendors_own() {
    for (flavor, has_error, done) in [
        (Flavor::OpenAi, true, false),
        (Flavor::Vllm, true, true),
        (Flavor::Together, true, false),
        (Flavor::Ollama, false, false),
    ] {
        let sim = start(flavor).await;
        let body = chat("chunks=4 error_after=2 status=503", STREAM);
        let answer = Caller::connect(&sim).await.post(PATH, &body).await;
        assert!(answer.complete && answer.status == 200);
        let events = answer.events();
        assert_eq!(
            events.iter().filter(|data| data.contains("word")).count(),
            2
        );
        assert_eq!(
            events.iter().any(|data| data.contains("\"error\"")),
            has_error
        );
        assert_eq!(events.contains(&"[DONE]"), done, "{flavor:?}");
    }
    let sim = start(Flavor::OpenAi).await;
    let answer = Caller::connect(&sim)
        .await
        .post(PATH, &chat("error_after=0", ""))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["error"]["type"], "server_error");
}

#[tokio::test]
async fn framing_departures_keep_the_events() {
    let sim = start(Flavor::OpenAi).await;
    let plain = Caller::connect(&sim)
        .await
        .post(PATH, &chat("unicode chunks=3", STREAM))
        .await;
    for script in [
        "sse=crlf,comments,nospace",
        "sse=split",
        "dribble=7",
        "burst",
        "length",
        "sse=bom",
    ] {
        let body = chat(&format!("unicode chunks=3 {script}"), STREAM);
        let answer = Caller::connect(&sim).await.post(PATH, &body).await;
        assert!(answer.complete, "{script}");
        let skipped = usize::from(script == "sse=bom");
        assert_eq!(answer.events(), plain.events()[skipped..], "{script}");
    }
}

#[tokio::test]
async fn answers_can_be_empty_malformed_or_of_the_wrong_kind() {
    let sim = start(Flavor::OpenAi).await;
    let mut caller = Caller::connect(&sim).await;
    let answer = caller.post(PATH, &chat("empty=body", "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let answer = caller.post(PATH, &chat("empty=choices", "")).await;
    assert_eq!(answer.json()["choices"], Value::Array(Vec::new()));
    let answer = caller.post(PATH, &chat("empty=content", "")).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "");
    let answer = caller.post(PATH, &chat("bad_json", "")).await;
    assert!(serde_json::from_str::<Value>(&answer.body).is_err());
    let answer = caller.post(PATH, &chat("wrong", "")).await;
    assert!(answer.head.contains("text/event-stream"));
    let answer = caller.post(PATH, &chat("wrong", STREAM)).await;
    assert_eq!(answer.json()["object"], "chat.completion");
    let answer = caller.post(PATH, &chat("no_done", STREAM)).await;
    assert!(answer.complete && !answer.events().contains(&"[DONE]"));
}

#[tokio::test]
async fn a_misspelt_script_is_refused() {
    let sim = start(Flavor::OpenAi).await;
    let answer = Caller::connect(&sim)
        .await
        .post(PATH, &chat("statsu=500", ""))
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("`statsu=500` is not a directive"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn scripts_come_from_header_body_model_or_handle() {
    let sim = start(Flavor::OpenAi).await;
    let mut caller = Caller::connect(&sim).await;
    let answer = caller
        .post_with(PATH, "x-sim: status=418\r\n", &chat("status=500", ""))
        .await;
    assert_eq!(answer.status, 418, "the header wins");
    let body = r#"{"model":"sim-model[[sim: status=429 retry_after=7]]","messages":[{"role":"user","content":"hi"}]}"#;
    let answer = caller.post(PATH, body).await;
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: 7"));
    sim.set_script("status=503".parse().unwrap());
    let body = r#"{"model":"sim-model","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(caller.post(PATH, body).await.status, 503);
}

#[tokio::test]
async fn requests_are_kept_byte_for_byte_up_to_a_bound() {
    let options = Options {
        record: 2,
        ..Options::default()
    };
    let sim = Sim::start(options).await.unwrap();
    let mut caller = Caller::connect(&sim).await;
    let bodies: Vec<String> = (0..3).map(|n| format!("  {{\"odd\" : {n}}} ")).collect();
    for body in &bodies {
        assert_eq!(
            caller.post("/v1/chat/completions?a=b", body).await.status,
            400
        );
    }
    let kept = sim.requests();
    let seen: Vec<&[u8]> = kept.iter().map(|request| &request.body[..]).collect();
    assert_eq!(seen, [bodies[1].as_bytes(), bodies[2].as_bytes()]);
    assert_eq!(kept[0].path, "/v1/chat/completions?a=b");
    assert_eq!(sim.served().requests, 3);
}

#[tokio::test]
async fn without_checks_answers_are_canned() {
    let options = Options {
        validate: false,
        record: 0,
        ..Options::default()
    };
    let sim = Sim::start(options).await.unwrap();
    let mut caller = Caller::connect(&sim).await;
    for _ in 0..2 {
        let answer = caller.post(PATH, "not even JSON").await;
        assert_eq!(answer.json()["object"], "chat.completion");
        let answer = caller
            .post_with(PATH, "x-sim: chunks=100 burst\r\n", r#"{"stream":true}"#)
            .await;
        assert_eq!(answer.events().len(), 103);
    }
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn it_goes_down_and_comes_up_on_the_same_port_with_its_memory() {
    let sim = start(Flavor::OpenAi).await;
    let address = sim.addr();
    let mut held = Caller::connect(&sim).await;
    held.ask(PATH, &chat("hang=stream", STREAM)).await;
    sim.wait_for_requests(1).await.unwrap();
    assert_eq!((sim.open_requests(), sim.open_connections()), (1, 1));
    sim.down().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    sim.wait_until(|served| served.open() == 0 && served.open_connections() == 0)
        .await
        .unwrap();
    sim.up().unwrap();
    sim.up().unwrap();
    assert_eq!(sim.addr(), address);
    let mut caller = Caller::connect(&sim).await;
    assert_eq!(caller.post(PATH, &chat("", "")).await.status, 200);
    assert_eq!(sim.requests().len(), 2);
    assert_eq!(sim.open_requests(), 0);
    drop(caller);
    sim.wait_until(|served| served.open_connections() == 0)
        .await
        .unwrap();
}
