//! Session affinity: a conversation stays with the provider that has it cached, while
//! that provider is well.

use serde_json::{Value, json};

use crate::crowd::{CHAT, Crowd, hello, origin};
use crate::scene::answer;

async fn trio(affinity: bool) -> Crowd {
    let routing = json!({"strategy": "rotational", "affinity": affinity});
    Crowd::of(3, routing, &[]).await
}

/// A conversation's turns: each has all messages of those before.
fn turns(system: Option<&str>, first: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    messages.extend(system.map(|text| json!({"role": "system", "content": text})));
    (0..4)
        .map(|number| {
            let content = if number == 0 {
                first.to_owned()
            } else {
                format!("and {number}?")
            };
            messages.push(json!({"role": "user", "content": content}));
            let turn = json!({"messages": messages.clone(), "stream": number % 2 == 1});
            messages.push(json!({"role": "assistant", "content": format!("so {number}.")}));
            turn
        })
        .collect()
}

#[tokio::test]
async fn a_named_conversation_stays_where_it_was() {
    for field in ["prompt_cache_key", "user"] {
        let crowd = trio(true).await;
        let mut homes = Vec::new();
        for name in ["one", "two", "three"] {
            let home = crowd.served_by(json!({field: name})).await;
            homes.push(home);
            for stream in [false, true, false, true] {
                let asked = json!({field: name, "stream": stream});
                assert_eq!(crowd.served_by(asked).await, home, "{field}");
            }
        }
        // Where the turn was when each began: it goes on with every call.
        assert_eq!(homes, [0, 2, 1], "{field}");
    }
}

#[tokio::test]
async fn a_session_header_counts_before_the_body() {
    let crowd = trio(true).await;
    let ask = async |session: &str, user: &str| {
        let body = hello(&json!({"user": user}));
        let request = crowd.request(CHAT, &body).header("x-session-id", session);
        origin(&answer(request).await)
    };
    let home = ask("s1", "u1").await;
    assert_eq!(home, 0);
    for user in ["u1", "u2", "u3"] {
        assert_eq!(ask("s1", user).await, home);
    }
    assert_eq!(ask("s2", "u1").await, 1, "another session, whoever it is");
    assert_eq!(ask("s2", "u9").await, 1);
}

#[tokio::test]
async fn a_conversation_is_told_by_how_it_begins() {
    for system in [None, Some("You are short.")] {
        let crowd = trio(true).await;
        for (first, home) in [("hello", 0), ("good morning", 1), ("hi", 2)] {
            for (number, turn) in turns(system, first).into_iter().enumerate() {
                assert_eq!(
                    crowd.served_by(turn).await,
                    home,
                    "{first} {number} {system:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn without_the_switch_every_call_takes_its_turn() {
    let crowd = trio(false).await;
    for home in [0, 1, 2, 0] {
        assert_eq!(
            crowd.served_by(json!({"prompt_cache_key": "one"})).await,
            home
        );
    }
}

#[tokio::test]
async fn it_moves_when_its_home_fails_and_stays_there() {
    let crowd = trio(true).await;
    let ask = async || crowd.served_by(json!({"prompt_cache_key": "one"})).await;
    assert_eq!(ask().await, 0);
    crowd.script(0, "status=500");
    let moved = ask().await;
    assert_ne!(moved, 0);
    crowd.script(0, "say=from+0");
    for _ in 0..4 {
        assert_eq!(ask().await, moved);
    }
}

#[tokio::test]
async fn it_does_not_wait_for_a_home_with_an_open_circuit() {
    let crowd = trio(true).await;
    let ask = async || crowd.chat(json!({"prompt_cache_key": "one"})).await;
    assert_eq!(origin(&ask().await), 0);
    crowd.script(0, "status=503 retry_after=600");
    assert_ne!(origin(&ask().await), 0);
    let got = ask().await;
    assert_ne!(origin(&got), 0);
    assert_eq!(got.header("x-gateway-attempts"), "1");
    assert_eq!(crowd.received()[0], 2);
}

#[tokio::test]
async fn a_failed_call_is_no_home() {
    let crowd = trio(true).await;
    for number in 0..3 {
        crowd.script(number, "status=400");
    }
    let ask = async || crowd.chat(json!({"user": "one"})).await;
    assert_eq!(ask().await.status, 400);
    for number in 0..3 {
        crowd.script(number, &format!("say=from+{number}"));
    }
    assert_eq!(origin(&ask().await), 1, "its turn");
}

#[tokio::test]
async fn virtual_models_have_conversations_of_their_own() {
    let crowd = trio(true).await;
    let routing = json!({
        "strategy": "rotational",
        "affinity": true,
        "targets": [
            {"virtual_model_id": crowd.models[0]},
            {"virtual_model_id": crowd.models[1]},
        ],
    });
    crowd
        .ground
        .change_model(crowd.models[2], &json!({"routing": routing}));
    crowd.gateway.logged("new configuration in use").await;
    assert_eq!(crowd.served_by(json!({"user": "one"})).await, 0);
    let third = json!({"user": "one", "model": "third"});
    assert_eq!(crowd.served_by(third.clone()).await, 2);
    assert_eq!(crowd.served_by(third).await, 2);
}
