//! Whose signatures reach whom. Each simulator refuses what another one, or it with
//! another model, has signed.

use serde_json::{Value, json};
use sim::Flavor;

use super::{CHAT, message, next, question, sent_to, thoughts};
use crate::crowd::{Crowd, Member};
use crate::dialects::messages::fold;
use crate::scene::{Answer, MODEL, with};

async fn crowd(members: usize) -> Crowd {
    let members = vec![Member::of(Flavor::Anthropic); members];
    Crowd::with(members, json!({"strategy": "backup"}), &[]).await
}

/// Has the first member think and call, and gives the question with what it said.
async fn asked(crowd: &Crowd, stream: bool) -> (Value, Value) {
    crowd.script(0, "redacted");
    let question = with(question(), &json!({"stream": stream}));
    let got = crowd.post(CHAT, &question).await;
    crowd.script(0, "");
    let said = message(&got, stream);
    assert_eq!(
        said["reasoning_details"].as_array().unwrap().len(),
        2,
        "{said}"
    );
    (question, said)
}

/// The same without what `field` of each detail says.
fn without(said: &Value, field: &str) -> Value {
    let mut said = said.clone();
    for detail in said["reasoning_details"].as_array_mut().unwrap() {
        detail.as_object_mut().unwrap().remove(field).unwrap();
    }
    said
}

/// The member goes on with the conversation and thinks; gives the thoughts it got.
fn goes_on(crowd: &Crowd, number: usize, got: &Answer) -> usize {
    assert_eq!(got.status, 200, "{got:?}");
    let body = sent_to(&crowd.sims[number]);
    let thoughts = thoughts(&body).len();
    let kind = if thoughts == 0 { "disabled" } else { "enabled" };
    assert_eq!(body["thinking"]["type"], kind, "{body}");
    thoughts
}

#[tokio::test]
async fn b16_another_endpoint_gets_no_thought_that_it_has_not_signed() {
    for stream in [false, true] {
        let crowd = crowd(2).await;
        let (question, said) = asked(&crowd, stream).await;
        let dropped = with(
            said.clone(),
            &json!({"reasoning_details": [], "reasoning_content": ""}),
        );
        let bare = without(&said, "id");
        crowd.script(0, "status=500");
        // From the client, from the gateway's memory, and of nobody knows whom.
        for said in [&said, &dropped, &bare] {
            let got = crowd.post(CHAT, &next(&question, said)).await;
            assert_eq!(goes_on(&crowd, 1, &got), 0);
        }
        crowd.script(0, "");
        for said in [&said, &dropped, &bare] {
            let got = crowd.post(CHAT, &next(&question, said)).await;
            assert_eq!(goes_on(&crowd, 0, &got), 2, "its own, sent or remembered");
        }
    }
}

#[tokio::test]
async fn b16_another_model_gets_no_thought_that_it_has_not_signed() {
    let mut crowd = crowd(1).await;
    let (question, said) = asked(&crowd, false).await;
    let (model, asked) = (crowd.models[0], next(&question, &said));
    for (name, thoughts) in [("sim-model", 2), ("claude-opus-4-1", 0), ("sim-model", 2)] {
        let change = json!({"actual_model": name});
        crowd
            .restart(&[], |ground| ground.change_model(model, &change))
            .await;
        let got = crowd.post(CHAT, &asked).await;
        assert_eq!(goes_on(&crowd, 0, &got), thoughts, "{name}");
    }
    // What nobody knows the maker of goes to nobody.
    crowd.restart(&[], |_| ()).await;
    let got = crowd
        .post(CHAT, &next(&question, &without(&said, "id")))
        .await;
    assert_eq!(goes_on(&crowd, 0, &got), 0);
}

/// A question of a caller of Messages, which a thinking model answers with a call.
fn in_messages(thinking: &str, stream: bool) -> Value {
    let thinking = match thinking {
        "enabled" => json!({"type": "enabled", "budget_tokens": 1024}),
        other => json!({"type": other}),
    };
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({
        "model": MODEL, "max_tokens": 4000, "stream": stream, "thinking": thinking,
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [{"name": "get_weather", "input_schema": schema}],
    })
}

/// A caller of Messages sends proofs back without whose they are: the gateway remembers it.
#[tokio::test]
async fn a_caller_of_messages_goes_on_at_another_endpoint_without_foreign_thoughts() {
    const PATH: &str = "/v1/messages";
    for stream in [false, true] {
        let crowd = crowd(2).await;
        crowd.script(0, "redacted");
        let question = in_messages("enabled", stream);
        let got = crowd.post(PATH, &question).await;
        assert_eq!(got.status, 200, "{got:?}");
        let message = if stream { fold(&got).0 } else { got.json() };
        let content = message["content"].as_array().unwrap();
        let call = content.iter().find(|block| block["type"] == "tool_use");
        let result = json!({
            "type": "tool_result", "tool_use_id": call.unwrap()["id"], "content": "21 degrees",
        });
        let next = with(
            question.clone(),
            &json!({"messages": [
                question["messages"][0],
                {"role": "assistant", "content": content},
                {"role": "user", "content": [result]},
            ]}),
        );
        crowd.script(0, "status=500");
        crowd.script(1, "say=yes");
        let got = crowd.post(PATH, &next).await;
        assert_eq!(goes_on(&crowd, 1, &got), 0);
        let changed = got.header("x-gateway-changed");
        assert!(changed.contains("messages[1]"), "{got:?}");
        crowd.script(0, "say=yes");
        let got = crowd.post(PATH, &next).await;
        assert_eq!(goes_on(&crowd, 0, &got), 2, "its own");
        assert_eq!(sent_to(&crowd.sims[0])["messages"], next["messages"]);
    }
}
