//! Circuits: a backend that fails is left alone, tried again by one call, and what is
//! known of it outlives the gateway.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use store::CircuitRow;

use crate::crowd::{CHAT, Crowd, attempts, hello, origin, text, until};
use crate::scene::answer;
use crate::store_faults::Lock;

/// Two failures are enough, and nothing heals by itself while a test runs.
const ENV: [(&str, &str); 2] = [
    ("CIRCUIT_FAILURE_THRESHOLD", "2"),
    ("CIRCUIT_COOLDOWN_SECONDS", "3600"),
];

async fn pair() -> Crowd {
    Crowd::of(2, json!({"strategy": "backup"}), &ENV).await
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Fails the first provider until its circuit is open and saved.
async fn open_first(crowd: &Crowd) -> CircuitRow {
    crowd.script(0, "status=500");
    for _ in 0..2 {
        assert_eq!(crowd.served_by(json!({})).await, 1);
    }
    saved(crowd).await
}

async fn saved(crowd: &Crowd) -> CircuitRow {
    until("a saved circuit", async || {
        crowd.ground.store.circuits().unwrap().pop()
    })
    .await
}

#[tokio::test]
async fn failures_open_it_and_everybody_sees_it() {
    let crowd = pair().await;
    let row = open_first(&crowd).await;
    assert_eq!(row.endpoint_id, crowd.endpoints[0]);
    assert_eq!(row.model, "sim-model");
    assert_eq!(row.failures, 2);
    assert_eq!(row.last_error.as_deref(), Some("upstream_failed"));
    assert!(
        row.opened_at <= now() && row.open_until > now() + 3000,
        "{row:?}"
    );

    crowd.script(0, "say=from+0");
    for stream in [false, true, false] {
        let got = crowd.chat(json!({"stream": stream})).await;
        assert_eq!(origin(&got), 1);
        assert_eq!(got.header("x-gateway-attempts"), "1");
    }
    assert_eq!(crowd.received()[0], 2, "it is left alone");

    let health = crowd.health(0).await;
    let circuit = &health["circuits"][0];
    assert_eq!(circuit["model"], "sim-model", "{health}");
    assert_eq!(circuit["state"], "open");
    assert_eq!(circuit["last_error"], "upstream_failed");
    assert!(
        circuit["open_until"].as_i64().unwrap() > now() + 3000,
        "{health}"
    );
    assert_eq!(health["state"], "failing");
    assert_eq!(crowd.health(1).await["circuits"], json!([]));
    crowd.gateway.logged("the circuit is open").await;
}

#[tokio::test]
async fn a_success_between_forgets_the_failures() {
    let crowd = pair().await;
    for _ in 0..3 {
        crowd.script(0, "status=500");
        assert_eq!(crowd.served_by(json!({})).await, 1);
        crowd.script(0, "say=from+0");
        assert_eq!(crowd.served_by(json!({})).await, 0);
    }
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
}

#[tokio::test]
async fn the_callers_own_faults_open_nothing() {
    let crowd = pair().await;
    for status in [400, 409, 413, 422] {
        crowd.script(0, &format!("status={status}"));
        for _ in 0..2 {
            let got = crowd.chat(json!({})).await;
            assert_eq!(got.status, status, "{got:?}");
            assert_eq!(got.header("x-gateway-attempts"), "1");
        }
    }
    assert_eq!(crowd.received(), [8, 0]);
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
}

#[tokio::test]
async fn streams_that_die_on_their_way_count_as_failures() {
    let crowd = pair().await;
    crowd.script(0, "chunks=3 cut=between cut_after=1");
    for _ in 0..2 {
        let got = crowd.chat(json!({"stream": true})).await;
        assert_eq!(
            got.header("x-gateway-attempts"),
            "1",
            "it had begun: {got:?}"
        );
    }
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.health(0).await["circuits"][0]["state"], "open");
}

#[tokio::test]
async fn callers_that_leave_count_for_nothing() {
    let crowd = pair().await;
    crowd.script(0, "hang=header");
    for number in 1..=3 {
        let mut caller = crate::caller::Caller::connect(crowd.gateway.address()).await;
        caller.ask(CHAT, "", &hello(&json!({})).to_string()).await;
        crowd.sims[0].wait_for_requests(number).await.unwrap();
        drop(caller);
        crowd.sims[0].wait_for_cancelled(number).await.unwrap();
    }
    crowd.ground.rows(3).await;
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
    assert_eq!(crowd.received(), [3, 0]);
}

#[tokio::test]
async fn it_outlives_the_gateway_and_one_call_tries_it_again() {
    let mut crowd = pair().await;
    open_first(&crowd).await;
    crowd.script(0, "say=from+0 gate=header");
    crowd.restart(&ENV, |_| {}).await;
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received()[0], 2, "still left alone");
    assert_eq!(crowd.health(0).await["circuits"][0]["state"], "open");

    // As if its time were over.
    let over = |ground: &crate::scene::Ground| {
        let mut row = ground.store.circuits().unwrap().remove(0);
        row.open_until = now() - 1;
        ground.store.save_circuits(&[row]).unwrap();
    };
    crowd.restart(&ENV, over).await;
    assert_eq!(crowd.health(0).await["circuits"][0]["state"], "half_open");
    let probe = tokio::spawn(answer(crowd.request(CHAT, &hello(&json!({})))));
    crowd.sims[0].wait_for_requests(3).await.unwrap();
    for _ in 0..4 {
        assert_eq!(crowd.served_by(json!({})).await, 1, "only one tries");
    }
    crowd.sims[0].open_gate();
    assert_eq!(origin(&probe.await.unwrap()), 0);
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
    crowd.script(0, "say=from+0");
    assert_eq!(crowd.served_by(json!({})).await, 0);
    until("the row to go", async || {
        crowd
            .ground
            .store
            .circuits()
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_try_that_fails_leaves_it_open() {
    let mut crowd = pair().await;
    open_first(&crowd).await;
    let over = |ground: &crate::scene::Ground| {
        let mut row = ground.store.circuits().unwrap().remove(0);
        row.open_until = now() - 1;
        ground.store.save_circuits(&[row]).unwrap();
    };
    crowd.restart(&ENV, over).await;
    let got = crowd.chat(json!({})).await;
    assert_eq!(origin(&got), 1);
    assert_eq!(got.header("x-gateway-attempts"), "2");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received()[0], 3, "one try");
    assert_eq!(crowd.health(0).await["circuits"][0]["state"], "open");
}

#[tokio::test]
async fn a_try_that_nobody_waits_for_is_made_by_another() {
    let mut crowd = pair().await;
    open_first(&crowd).await;
    let over = |ground: &crate::scene::Ground| {
        let mut row = ground.store.circuits().unwrap().remove(0);
        row.open_until = now() - 1;
        ground.store.save_circuits(&[row]).unwrap();
    };
    crowd.restart(&ENV, over).await;
    crowd.script(0, "hang=header");
    let mut caller = crate::caller::Caller::connect(crowd.gateway.address()).await;
    caller.ask(CHAT, "", &hello(&json!({})).to_string()).await;
    crowd.sims[0].wait_for_requests(3).await.unwrap();
    drop(caller);
    crowd.sims[0].wait_for_cancelled(1).await.unwrap();
    crowd.ground.rows(3).await;
    crowd.script(0, "say=from+0");
    assert_eq!(crowd.served_by(json!({})).await, 0);
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
}

#[tokio::test]
async fn what_opens_right_before_the_end_is_saved() {
    for _ in 0..3 {
        let mut crowd = pair().await;
        crowd.script(0, "status=500");
        for _ in 0..2 {
            assert_eq!(crowd.served_by(json!({})).await, 1);
        }
        assert_eq!(crowd.gateway.stop().await, Some(0));
        assert_eq!(crowd.ground.store.circuits().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_could_not_be_saved_is_saved_later() {
    let crowd = pair().await;
    let lock = Lock::on(&crowd.ground.database());
    crowd.script(0, "status=500");
    for _ in 0..2 {
        assert_eq!(crowd.served_by(json!({})).await, 1);
    }
    crowd.gateway.logged("the store cannot be").await;
    lock.release();
    saved(&crowd).await;
    // A change of the configuration does not take it for one that was taken out.
    touch(&crowd);
    crowd.gateway.logged("new configuration in use").await;
    assert_eq!(crowd.health(0).await["circuits"][0]["state"], "open");
}

#[tokio::test]
async fn an_operator_closes_it() {
    let crowd = pair().await;
    let row = open_first(&crowd).await;
    crowd.script(0, "say=from+0");
    // Any change of the configuration leaves it alone.
    touch(&crowd);
    crowd.gateway.logged("new configuration in use").await;
    assert_eq!(crowd.health(0).await["circuits"][0]["state"], "open");

    let store = &crowd.ground.store;
    assert!(store.forget_circuit(row.endpoint_id, &row.model).unwrap());
    touch(&crowd);
    until("the circuit to close", async || {
        (crowd.health(0).await["circuits"] == json!([])).then_some(())
    })
    .await;
    assert_eq!(crowd.served_by(json!({})).await, 0);
    assert!(store.circuits().unwrap().is_empty());
}

#[tokio::test]
async fn a_changed_endpoint_starts_anew() {
    let crowd = pair().await;
    open_first(&crowd).await;
    crowd.script(0, "say=from+0");
    let health = json!({"custom_headers": {"x-new": "1"}});
    crowd.ground.change_endpoint(crowd.endpoints[0], &health);
    until("the circuit to close", async || {
        (crowd.health(0).await["circuits"] == json!([])).then_some(())
    })
    .await;
    assert_eq!(crowd.served_by(json!({})).await, 0);
    assert_eq!(crowd.ground.store.circuits().unwrap(), []);
}

#[tokio::test]
async fn the_time_that_a_provider_asks_for_is_kept() {
    let crowd = pair().await;
    crowd.script(0, "status=429 retry_after=120");
    let got = crowd.chat(json!({})).await;
    assert_eq!(origin(&got), 1, "another is at hand: nobody waits");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received(), [1, 2], "one failure is enough");
    let until = &crowd.health(0).await["circuits"][0]["open_until"];
    let left = until.as_i64().unwrap() - now();
    assert!((60..=121).contains(&left), "{left}");
    let row = crowd.ground.rows(2).await.remove(0);
    assert_eq!(
        attempts(&row),
        [
            ("endpoint-0", 429, Some("rate_limit_exceeded")),
            ("endpoint-1", 200, None),
        ]
    );
}

#[tokio::test]
async fn a_short_time_is_waited_for_when_nobody_else_is_there() {
    for routing in [
        json!({"strategy": "backup", "targets": []}),
        json!({"strategy": "backup"}),
    ] {
        let crowd = Crowd::of(2, routing.clone(), &ENV).await;
        let alone = routing["targets"].is_array();
        crowd.script(0, "status=429 retry_after=3");
        crowd.script(1, "status=500");
        let call = tokio::spawn(answer(crowd.request(CHAT, &hello(&json!({})))));
        crowd.sims[0].wait_for_requests(1).await.unwrap();
        crowd.script(0, "say=from+0");
        let got = call.await.unwrap();
        assert_eq!(origin(&got), 0, "{got:?}");
        let count = if alone { "2" } else { "3" };
        assert_eq!(got.header("x-gateway-attempts"), count);
        let row = crowd.ground.row().await;
        assert!(row.response_time_ms >= 2900, "{row:?}");
        assert_eq!(crowd.health(0).await["circuits"], json!([]), "it answered");
    }
}

#[tokio::test]
async fn without_routing_the_caller_decides_whether_to_wait() {
    let crowd = Crowd::of(1, json!({"strategy": "none"}), &ENV).await;
    crowd.script(0, "status=429 retry_after=1");
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 429, "{got:?}");
    assert_eq!(got.header("retry-after"), "1");
    assert_eq!(crowd.received(), [1]);
}

#[tokio::test]
async fn a_long_time_is_not_waited_for() {
    for (asked, limit) in [
        ("7200", "5"),
        ("3", "0"),
        ("Fri,+31+Dec+2100+23:59:59+GMT", "5"),
    ] {
        let env = [("RETRY_AFTER_LIMIT", limit)];
        let crowd = Crowd::of(2, json!({"strategy": "backup"}), &env).await;
        for number in 0..2 {
            crowd.script(number, &format!("status=429 retry_after={asked}"));
        }
        let got = crowd.chat(json!({})).await;
        assert_eq!(got.status, 429, "{got:?}");
        assert_eq!(got.header("retry-after"), asked.replace('+', " "));
        assert_eq!(got.header("x-gateway-attempts"), "2");
    }
}

#[tokio::test]
async fn when_all_are_open_the_one_that_opened_first_is_tried_once() {
    let crowd = Crowd::of(3, json!({"strategy": "backup"}), &ENV).await;
    crowd.script(1, "status=429 retry_after=3000");
    crowd.script(0, "status=503 retry_after=3100");
    assert_eq!(crowd.served_by(json!({})).await, 2);
    crowd.script(2, "status=503 retry_after=3200");
    assert_eq!(crowd.chat(json!({})).await.status, 503);
    let before = crowd.received();
    assert_eq!(before, [1, 1, 2]);

    let got = crowd.chat(json!({})).await;
    assert_eq!(got.header("x-gateway-attempts"), "1", "{got:?}");
    assert_eq!(crowd.received(), [2, 1, 2]);
    for number in 0..3 {
        crowd.script(number, &format!("say=from+{number}"));
    }
    // What was tried last opened last.
    assert_eq!(crowd.served_by(json!({})).await, 1);
    // It is well: no last resort is needed.
    assert_eq!(crowd.served_by(json!({})).await, 1);
}

#[tokio::test]
async fn who_was_left_out_is_asked_when_all_others_have_failed() {
    let crowd = pair().await;
    open_first(&crowd).await;
    crowd.script(0, "say=from+0");
    crowd.script(1, "status=500");
    assert_eq!(crowd.served_by(json!({})).await, 0);
    // It has answered, so its circuit is closed again.
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
}

#[tokio::test]
async fn who_asked_to_be_left_alone_is() {
    let crowd = pair().await;
    crowd.script(0, "status=503 retry_after=3000");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    crowd.script(0, "say=from+0");
    crowd.script(1, "status=500");
    let got = crowd.chat(json!({})).await;
    assert_eq!(got.status, 502, "{got:?}");
    assert_eq!(got.header("x-gateway-attempts"), "1");
    assert_eq!(crowd.received(), [1, 2]);
}

/// The caller gets it, because nobody else is there; it is no sign of health.
#[tokio::test]
async fn an_empty_answer_is_a_failure_whoever_gets_it() {
    let routing = json!({"strategy": "backup"});
    let crowd = Crowd::of(1, routing, &ENV).await;
    crowd.script(0, "empty=content");
    for _ in 0..2 {
        assert_eq!(text(&crowd.chat(json!({})).await), "");
    }
    let row = saved(&crowd).await;
    assert_eq!(row.last_error.as_deref(), Some("upstream_empty_answer"));
    assert_eq!(row.failures, 2);
}

#[tokio::test]
async fn a_virtual_model_has_limits_of_its_own() {
    let routing = json!({"strategy": "backup", "failure_threshold": 1, "cooldown": 86_400});
    let crowd = Crowd::of(2, routing, &ENV).await;
    crowd.script(0, "status=500");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received()[0], 1);
    let health = crowd.health(0).await;
    let until = health["circuits"][0]["open_until"].as_i64();
    assert!(until.unwrap() > now() + 80_000, "{health}");
}

#[tokio::test]
async fn it_belongs_to_one_model_at_one_endpoint() {
    let crowd = pair().await;
    let other = json!({"actual_model": "gpt-4o", "routing": {"strategy": "backup"}});
    crowd.ground.model("other", crowd.endpoints[0], &other);
    until("the new model", async || {
        let got = crowd.chat(json!({"model": "other"})).await;
        (got.status == 200).then_some(())
    })
    .await;
    open_first(&crowd).await;
    crowd.script(0, "say=from+0");
    assert_eq!(crowd.served_by(json!({"model": "other"})).await, 0);
    assert_eq!(crowd.served_by(json!({})).await, 1);
}

#[tokio::test]
async fn a_refused_key_leaves_the_endpoint_alone_at_once() {
    let members = vec![
        crate::crowd::Member::usual().endpoint(json!({"api_key": "sk-another-one"})),
        crate::crowd::Member::usual(),
    ];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &ENV).await;
    for _ in 0..3 {
        assert_eq!(crowd.served_by(json!({})).await, 1);
    }
    assert_eq!(crowd.received(), [1, 3]);
    let circuit: Value = crowd.health(0).await["circuits"][0].clone();
    assert_eq!(circuit["last_error"], "upstream_auth_failed");
}

/// Moves the revision and changes nothing that matters.
fn touch(crowd: &Crowd) {
    let fields = json!({"description": format!("{}", crowd.ground.store.revision().unwrap())});
    crowd.ground.change_model(crowd.models[1], &fields);
}
