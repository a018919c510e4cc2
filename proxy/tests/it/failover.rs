//! Failover as callers and the ledger see it: who is passed over, how many are asked, and
//! what is told when nobody served.

use serde_json::json;
use sim::Flavor;

use crate::crowd::{Crowd, Member, attempts, origin, text};
use crate::scene::MODEL;

#[tokio::test]
async fn no_more_attempts_than_allowed() {
    let crowd = Crowd::of(3, json!({"strategy": "backup", "max_attempts": 2}), &[]).await;
    crowd.script(0, "status=500");
    crowd.script(1, "status=503");
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 502, "{got:?}");
    assert_eq!(got.header("x-gateway-attempts"), "2");
    assert_eq!(crowd.received(), [1, 1, 0]);
    let row = crowd.ground.row().await;
    assert_eq!(row.attempt_count, 2);
}

#[tokio::test]
async fn waiting_is_no_further_attempt_than_allowed() {
    let crowd = Crowd::of(1, json!({"strategy": "backup", "max_attempts": 1}), &[]).await;
    crowd.script(0, "status=429 retry_after=0.1");
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 429, "{got:?}");
    assert_eq!(got.header("x-gateway-attempts"), "1");
    assert_eq!(crowd.received(), [1]);
}

#[tokio::test]
async fn when_all_fail_the_most_useful_error_is_told() {
    for (scripts, status, code) in [
        (
            ["status=500", "status=429 retry_after=3600"],
            429,
            "rate_limit_exceeded",
        ),
        (
            ["status=429 retry_after=3600", "status=500"],
            429,
            "rate_limit_exceeded",
        ),
        (
            ["status=500 html", "status=503 message=too+many"],
            503,
            "server_is_overloaded",
        ),
        (["cut=status", "status=504"], 504, "upstream_failed"),
        (["status=504", "cut=status"], 504, "upstream_failed"),
    ] {
        let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
        for (number, script) in scripts.iter().enumerate() {
            crowd.script(number, script);
        }
        let got = crowd.chat(json!({})).await;
        assert_eq!(got.status, status, "{scripts:?}: {got:?}");
        assert_eq!(got.error()["code"], code, "{scripts:?}");
        assert_eq!(got.header("x-gateway-attempts"), "2");
        let row = crowd.ground.row().await;
        assert_eq!(row.attempt_count, 2);
        assert_eq!(row.status, Some(status.into()));
        assert_eq!(row.error_code.as_deref(), Some(code));
        assert_eq!(row.total_tokens, 0, "{row:?}");
        let log = crowd
            .gateway
            .logged(row.request_id.as_deref().unwrap())
            .await;
        for endpoint in ["endpoint-0", "endpoint-1"] {
            assert!(log.contains(endpoint), "{endpoint} in {log}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_called_is_passed_over() {
    let members = vec![
        Member::usual().endpoint(json!({"enabled": false})),
        Member::usual().model(json!({"enabled": false})),
        Member::usual(),
    ];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
    let got = crowd.chat(json!({})).await;
    assert_eq!(origin(&got), 2);
    assert_eq!(got.header("x-gateway-attempts"), "1");
    assert_eq!(crowd.received(), [0, 0, 1]);
}

#[tokio::test]
async fn nobody_left_is_told_as_such() {
    let disabled = json!({"enabled": false});
    let members = vec![
        Member::usual().endpoint(disabled.clone()),
        Member::usual().endpoint(disabled),
    ];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 503, "{got:?}");
    assert_eq!(got.error()["code"], "no_candidate");
    let row = crowd.ground.row().await;
    assert_eq!(row.attempt_count, 0);
}

#[tokio::test]
async fn a_type_without_the_call_is_passed_over() {
    let members = vec![Member::of(Flavor::Anthropic), Member::usual()];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
    let body = json!({"model": MODEL, "input": "hello"});
    let got = crowd.post("/v1/embeddings", &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.json()["model"], MODEL);
    assert_eq!(crowd.received(), [0, 1]);

    let members = vec![Member::of(Flavor::Anthropic), Member::of(Flavor::Anthropic)];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
    let got = crowd.post("/v1/embeddings", &body).await;
    assert_eq!(got.status, 400, "{got:?}");
    let error = got.error();
    assert_eq!(error["code"], "unsupported_operation");
    assert!(
        error["message"].as_str().unwrap().contains("anthropic"),
        "{error}"
    );
    assert_eq!(crowd.received(), [0, 0]);
}

#[tokio::test]
async fn what_one_type_cannot_say_another_may() {
    // Anthropic gives one answer a call, and more than a few calls are too dear.
    let members = vec![Member::of(Flavor::Anthropic), Member::usual()];
    // What cannot be said is no attempt.
    for routing in [
        json!({"strategy": "backup"}),
        json!({"strategy": "backup", "max_attempts": 1}),
    ] {
        let crowd = Crowd::with(members.clone(), routing, &[]).await;
        let got = crowd.chat(json!({"n": 9})).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.json()["choices"].as_array().unwrap().len(), 9);
        assert_eq!(got.header("x-gateway-attempts"), "1");
        assert_eq!(crowd.received(), [0, 1]);
    }
}

/// One that was down is up again when the other one, which took its time, has failed: at
/// any moment one of them was well.
#[tokio::test]
async fn who_has_come_back_meanwhile_is_asked_once_more() {
    for stream in [false, true] {
        let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
        crowd.sims[0].down().await;
        crowd.script(1, "gate=header");
        crowd.sims[1].close_gate();
        let change = async {
            crowd.sims[1]
                .wait_until(|served| served.requests == 1)
                .await
                .unwrap();
            crowd.sims[0].up().unwrap();
            crowd.script(0, "say=from+0");
            // As long as it takes to start again, and no shorter than the gateway waits.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            crowd.sims[1].down().await;
        };
        let (got, ()) = tokio::join!(crowd.chat(json!({"stream": stream})), change);
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(text(&got), "from 0");
        assert_eq!(got.header("x-gateway-attempts"), "3");
        let row = crowd.ground.row().await;
        assert_eq!(
            (row.attempt_count, row.outcome.as_deref()),
            (3, Some("success"))
        );
    }
}

#[tokio::test]
async fn embeddings_and_completions_fall_over_too() {
    // The first is asked each time, however often it fails.
    let lasting = [("CIRCUIT_FAILURE_THRESHOLD", "9")];
    let crowd = Crowd::of(2, json!({"strategy": "backup"}), &lasting).await;
    for script in ["empty=content", "status=502 html"] {
        crowd.script(0, script);
        let got = crowd
            .post("/v1/embeddings", &json!({"model": MODEL, "input": "hello"}))
            .await;
        assert_eq!(got.status, 200, "{script}: {got:?}");
        assert_eq!(got.header("x-gateway-attempts"), "2", "{script}");
        assert!(got.json()["data"][0]["embedding"].is_array(), "{got:?}");
    }
    for stream in [false, true] {
        let body = json!({"model": MODEL, "prompt": "hello", "stream": stream});
        let got = crowd.post("/v1/completions", &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert!(got.body.contains("from"), "{got:?}");
        assert_eq!(got.header("x-gateway-attempts"), "2");
    }
    for row in crowd.ground.rows(4).await {
        assert_eq!(
            (row.attempt_count, row.outcome.as_deref()),
            (2, Some("success"))
        );
    }
}

#[tokio::test]
async fn an_empty_answer_is_passed_on_when_all_are_empty() {
    let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
    for number in 0..2 {
        crowd.script(number, "empty=content");
    }
    let got = crowd.chat(json!({})).await;
    assert_eq!(text(&got), "");
    assert_eq!(got.header("x-gateway-attempts"), "2");
    crowd.script(1, "say=from+1");
    let got = crowd.chat(json!({})).await;
    assert_eq!(origin(&got), 1);
}

#[tokio::test]
async fn b30_an_empty_account_is_not_asked_twice_and_another_serves() {
    let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
    crowd.script(0, "status=429 code=insufficient_quota");
    for stream in [false, true] {
        assert_eq!(crowd.served_by(json!({"stream": stream})).await, 1);
    }
    // Waiting does not fill an account: the first call was the last with that key.
    assert_eq!(crowd.received(), [1, 2]);
    let rows = crowd.ground.rows(2).await;
    let empty = ("endpoint-0", 429, Some("insufficient_quota"));
    assert_eq!(attempts(&rows[0]), [empty, ("endpoint-1", 200, None)]);
    assert_eq!(attempts(&rows[1]), [("endpoint-1", 200, None)]);
}

#[tokio::test]
async fn b30_an_empty_account_is_known_by_its_words_too() {
    for words in [
        "Your+credit+balance+is+too+low+to+access+the+API.",
        "You+have+reached+your+specified+API+usage+limits.",
    ] {
        let members = vec![Member::of(Flavor::Anthropic), Member::usual()];
        let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
        crowd.script(0, &format!("status=400 message={words}"));
        for stream in [false, true] {
            assert_eq!(crowd.served_by(json!({"stream": stream})).await, 1);
        }
        assert_eq!(crowd.received(), [1, 2]);
        let rows = crowd.ground.rows(2).await;
        let empty = ("endpoint-0", 429, Some("insufficient_quota"));
        assert_eq!(attempts(&rows[0]), [empty, ("endpoint-1", 200, None)]);

        crowd.script(1, "status=429 code=insufficient_quota");
        let got = crowd.chat(json!({})).await;
        assert_eq!(got.status, 429, "{got:?}");
        assert_eq!(got.error()["code"], "insufficient_quota");
    }
}

#[tokio::test]
async fn b30_an_empty_account_is_not_waited_for() {
    let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
    for number in 0..2 {
        crowd.script(number, "status=429 code=insufficient_quota retry_after=1");
    }
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 429, "{got:?}");
    assert_eq!(got.error()["code"], "insufficient_quota");
    assert_eq!(crowd.received(), [1, 1]);
}
