//! Routing as callers, providers and the ledger see it: who is asked, in which order,
//! with what, and what the caller is told.

use std::collections::HashMap;

use serde_json::{Value, json};
use sim::Flavor;

use crate::crowd::{CHAT, Crowd, Member, attempts, hello, origin};
use crate::scene::{KEY, MODEL, answer};

fn sent(crowd: &Crowd, number: usize) -> Value {
    let request = crowd.sims[number].last_request().unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn without_a_strategy_nobody_else_is_asked() {
    let crowd = Crowd::of(2, json!({"strategy": "none"}), &[]).await;
    crowd.script(0, "status=500");
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 502, "{got:?}");
    assert_eq!(got.header("x-gateway-attempts"), "1");
    assert_eq!(crowd.received(), [1, 0]);
    let row = crowd.ground.row().await;
    assert_eq!(
        attempts(&row),
        [("endpoint-0", 502, Some("upstream_failed"))]
    );
}

#[tokio::test]
async fn a_backup_answers_in_the_name_that_was_asked_for() {
    let members = vec![
        Member::usual().model(json!({"actual_model": "first-model"})),
        Member::usual(),
    ];
    // Nobody knows `first-model`: the first refuses with 404.
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
    for (number, stream) in [false, true].into_iter().enumerate() {
        let got = crowd.chat(json!({"stream": stream})).await;
        assert_eq!(origin(&got), 1);
        assert_eq!(got.header("x-gateway-attempts"), "2", "{got:?}");
        let named: Vec<_> = if stream {
            got.chunks()
                .iter()
                .map(|chunk| chunk["model"].clone())
                .collect()
        } else {
            vec![got.json()["model"].clone()]
        };
        assert!(named.iter().all(|name| name == MODEL), "{named:?}");
        assert_eq!(sent(&crowd, 0)["model"], "first-model");
        assert_eq!(sent(&crowd, 1)["model"], "sim-model");

        let row = crowd.ground.rows(number + 1).await.pop().unwrap();
        assert_eq!(
            attempts(&row),
            [
                ("endpoint-0", 404, Some("model_not_found")),
                ("endpoint-1", 200, None),
            ]
        );
        let tried: Vec<_> = row
            .attempts
            .iter()
            .map(|one| (one.virtual_model.as_str(), one.model.as_str()))
            .collect();
        assert_eq!(tried, [(MODEL, "first-model"), ("second", "sim-model")]);
        assert_eq!(row.virtual_model, MODEL);
        assert_eq!(row.endpoint_id, Some(crowd.endpoints[1]));
        assert_eq!(row.endpoint_name.as_deref(), Some("endpoint-1"));
        assert_eq!(row.outcome.as_deref(), Some("success"));
        assert_eq!(row.status, Some(200));
    }
}

#[tokio::test]
async fn each_candidate_gets_what_is_its_own() {
    let members = vec![
        Member::usual()
            .endpoint(json!({"custom_headers": {"x-own": "first"}}))
            .model(json!({"temperature": 0.25, "system_prompt": "Be the first."})),
        Member::of(Flavor::Anthropic)
            .endpoint(json!({"custom_headers": {"x-own": "second"}}))
            .model(json!({"max_tokens": 77, "system_prompt": "Be the second."})),
        Member::of(Flavor::DeepInfra)
            .endpoint(json!({"custom_headers": {"x-other": "third"}}))
            .model(json!({"top_p": 0.5})),
    ];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
    crowd.script(0, "status=503");
    crowd.script(1, "status=529");
    for stream in [false, true] {
        let got = crowd.chat(json!({"stream": stream})).await;
        assert_eq!(origin(&got), 2);
        assert_eq!(got.header("x-gateway-attempts"), "3");

        let request = crowd.sims[0].last_request().unwrap();
        assert_eq!(request.path, CHAT);
        assert_eq!(request.headers["x-own"], "first");
        let body = sent(&crowd, 0);
        assert_eq!(body["temperature"], 0.25);
        assert_eq!(body["messages"][0]["content"], "Be the first.");
        assert_eq!(body["max_tokens"], Value::Null);

        let request = crowd.sims[1].last_request().unwrap();
        assert_eq!(request.path, "/v1/messages");
        assert_eq!(request.headers["x-own"], "second");
        assert_eq!(request.headers["x-api-key"], KEY);
        assert!(!request.headers.contains_key("authorization"));
        let body = sent(&crowd, 1);
        assert_eq!(body["max_tokens"], 77);
        assert_eq!(body["temperature"], Value::Null);
        assert!(body["system"].to_string().contains("Be the second."));
        assert!(!body.to_string().contains("Be the first."));

        let request = crowd.sims[2].last_request().unwrap();
        assert_eq!(request.path, "/v1/openai/chat/completions");
        assert_eq!(request.headers["x-other"], "third");
        assert!(!request.headers.contains_key("x-own"));
        let body = sent(&crowd, 2);
        assert_eq!(body["top_p"], 0.5);
        assert_eq!(
            body["messages"],
            json!([{"role": "user", "content": "hello"}])
        );
    }
}

#[tokio::test]
async fn turns_are_taken_across_connections_and_workers() {
    let crowd = Crowd::of(3, json!({"strategy": "rotational"}), &[("THREADS", "4")]).await;
    for expected in [0, 1, 2, 0] {
        assert_eq!(crowd.served_by(json!({})).await, expected);
    }
    // Fresh connections go to any worker.
    let calls: Vec<_> = (0..56)
        .map(|number| {
            let body = hello(&json!({"stream": number % 2 == 0}));
            let url = format!("{}{CHAT}", crowd.gateway.base);
            let client = crate::scene::client();
            tokio::spawn(async move { origin(&answer(client.post(url).json(&body)).await) })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(crowd.received(), [20, 20, 20]);
}

#[tokio::test]
async fn a_turn_that_fails_goes_to_the_next_in_turn() {
    let crowd = Crowd::of(3, json!({"strategy": "rotational"}), &[]).await;
    crowd.script(1, "status=500");
    let mut origins = Vec::new();
    for _ in 0..6 {
        origins.push(crowd.served_by(json!({})).await);
    }
    assert_eq!(origins, [0, 2, 2, 0, 2, 2]);
}

#[tokio::test]
async fn duplicates_are_found_by_their_model_and_ordered_by_priority() {
    let members = vec![
        Member::usual().endpoint(json!({"priority": 1})),
        Member::usual().model(json!({"actual_model": "gpt-4o"})),
        Member::usual().endpoint(json!({"priority": 9})),
        Member::usual().endpoint(json!({"priority": 1})),
    ];
    let crowd = Crowd::with(members, json!({"strategy": "duplicate"}), &[]).await;
    for _ in 0..4 {
        assert_eq!(crowd.served_by(json!({})).await, 2);
    }
    crowd.script(2, "status=500");
    let mut counts = HashMap::new();
    // The third failure opens its circuit; who is left takes turns all along.
    for _ in 0..6 {
        *counts.entry(crowd.served_by(json!({})).await).or_insert(0) += 1;
    }
    assert_eq!(counts, HashMap::from([(0, 3), (3, 3)]));
    assert_eq!(crowd.received()[1], 0, "another model");
}

#[tokio::test]
async fn an_endpoint_is_asked_once_however_many_aliases_it_has() {
    let mut crowd = Crowd::of(2, json!({"strategy": "duplicate"}), &[]).await;
    let first = crowd.endpoints[0];
    crowd
        .restart(&[], |ground| {
            ground.model("the same", first, &json!({}));
            ground.model("warmer", first, &json!({"temperature": 1.5}));
        })
        .await;
    crowd.script(0, "status=503");
    for call in 1..=2 {
        assert_eq!(crowd.served_by(json!({})).await, 1);
        assert_eq!(crowd.received()[1], call);
    }
    // The second call's turn was the other endpoint's.
    assert_eq!(crowd.received(), [1, 2]);
}

#[tokio::test]
async fn an_alias_of_an_endpoint_that_hangs_is_not_asked_in_the_same_call() {
    let env = [("FIRST_BYTE_TIMEOUT", "1")];
    let mut crowd = Crowd::of(2, json!({"strategy": "backup"}), &env).await;
    let ids = (crowd.models.clone(), crowd.endpoints[0]);
    crowd
        .restart(&env, |ground| {
            let (models, first) = ids;
            let alias = ground.model("whole", first, &json!({"disable_streaming": true}));
            let targets = [alias, models[1]].map(|id| json!({"virtual_model_id": id}));
            let routing = json!({"strategy": "backup", "targets": targets});
            ground.change_model(models[0], &json!({"routing": routing}));
        })
        .await;
    // What fails otherwise is asked as the alias asks.
    crowd.script(0, "status=500");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received(), [2, 1]);
    crowd.script(0, "hang=header");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received(), [3, 2]);
}

#[tokio::test]
async fn what_weighs_nothing_is_only_a_backup() {
    let crowd = Crowd::of(2, json!({"strategy": "weighted", "weight": 0}), &[]).await;
    for _ in 0..8 {
        assert_eq!(crowd.served_by(json!({})).await, 1);
    }
    crowd.script(1, "status=500");
    assert_eq!(crowd.served_by(json!({})).await, 0);
}

#[tokio::test]
async fn weights_share_the_calls() {
    let crowd = Crowd::of(2, json!({"strategy": "weighted", "weight": 1}), &[]).await;
    for _ in 0..60 {
        crowd.chat(json!({})).await;
    }
    let received = crowd.received();
    assert_eq!(received.iter().sum::<u64>(), 60);
    // Less than one in 10^13 runs is as uneven as this would have to be.
    assert!(received.iter().all(|count| *count >= 3), "{received:?}");
}

#[tokio::test]
async fn the_least_busy_is_asked() {
    let crowd = Crowd::of(3, json!({"strategy": "least_busy"}), &[]).await;
    for number in 0..3 {
        crowd.script(
            number,
            &format!("say=from+{number} gate=stream gate_after=1"),
        );
    }
    let mut calls = Vec::new();
    for number in 0..6_u64 {
        let request = crowd.request(CHAT, &hello(&json!({"stream": number % 2 == 0})));
        calls.push(tokio::spawn(answer(request)));
        // All that were asked are still at it.
        let since = std::time::Instant::now();
        while crowd.received().iter().sum::<u64>() <= number {
            assert!(since.elapsed() < crate::process::PATIENCE);
            tokio::time::sleep(crate::process::LOOK).await;
        }
        let mut received = crowd.received();
        received.sort_unstable();
        assert!(received[2] - received[0] <= 1, "{received:?}");
    }
    assert_eq!(crowd.received(), [2, 2, 2]);
    for sim in &crowd.sims {
        sim.open_gate();
    }
    for call in calls {
        origin(&call.await.unwrap());
    }
}

#[tokio::test]
async fn the_fastest_is_asked() {
    let crowd = Crowd::of(3, json!({"strategy": "fastest"}), &[]).await;
    crowd.script(0, "say=from+0 delay_ms=2000");
    crowd.script(2, "say=from+2 delay_ms=2000");
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(crowd.served_by(json!({"stream": true})).await);
    }
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2], "everyone is tried once");
    for _ in 0..5 {
        assert_eq!(crowd.served_by(json!({"stream": true})).await, 1);
    }
}

#[tokio::test]
async fn who_has_only_failed_is_not_tried_first_by_the_fastest() {
    let env = [("CIRCUIT_FAILURE_THRESHOLD", "1000")];
    let crowd = Crowd::of(2, json!({"strategy": "fastest"}), &env).await;
    crowd.script(0, "status=503");
    for _ in 0..6 {
        assert_eq!(crowd.served_by(json!({"stream": true})).await, 1);
    }
    assert_eq!(crowd.received(), [1, 6], "tried once");
    // When nobody else is left it is asked.
    crowd.script(0, "say=from+0");
    crowd.script(1, "status=503");
    assert_eq!(crowd.served_by(json!({"stream": true})).await, 0);
}

#[tokio::test]
async fn only_what_streams_to_the_caller_tells_how_fast_one_is() {
    let queue = Member::of(Flavor::Queue);
    let members = vec![queue, Member::usual()];
    let crowd = Crowd::with(members, json!({"strategy": "fastest"}), &[]).await;
    crowd.script(0, "say=from+0 delay_ms=700");
    let mut served = Vec::new();
    for _ in 0..4 {
        served.push(crowd.served_by(json!({})).await);
    }
    assert_eq!(served, [0, 1, 0, 1], "nothing is known of anybody");
    // A stream out of a whole answer begins with its end.
    let mut served = Vec::new();
    for _ in 0..4 {
        served.push(crowd.served_by(json!({"stream": true})).await);
    }
    assert_eq!(served, [0, 1, 1, 1]);
}
