//! What only callers of Responses have: answers that are gone on from by their ids, tools
//! that take free text or are in a namespace, and endpoints that speak Responses too.

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options, RecordedRequest};

use crate::crowd::{Crowd, Member};
use crate::dialects::responses::events;
use crate::keys::{answers, facing, key};
use crate::scene::{Answer, MODEL, Props, Scene, answer, with};

mod same;

const RESPONSES: &str = "/v1/responses";

/// A request with the script in the user's text; `more` adds members.
fn ask(script: &str, more: &Value) -> Value {
    let base = json!({"model": MODEL, "input": format!("hi [[sim: {script}]]")});
    with(base, more)
}

/// The body of the provider's last request, which came to `path`.
fn sent(scene: &Scene, path: &str) -> Value {
    let request = scene.sim.last_request().unwrap();
    assert_eq!(request.path, path);
    serde_json::from_slice(&request.body).unwrap()
}

async fn get(scene: &Scene, method: Method, id: &str) -> Answer {
    answer(scene.request(method, &format!("{RESPONSES}/{id}"))).await
}

/// OpenAI whose own Responses are used.
async fn own(model: Value) -> Scene {
    Scene::with(Props {
        endpoint: json!({"responses": "yes"}),
        model,
        ..Props::default()
    })
    .await
}

#[tokio::test]
async fn an_answer_is_gone_on_from_by_its_id() {
    let scene = Scene::start().await;
    for stream in [false, true] {
        let got = scene
            .post(RESPONSES, &ask("say=one", &json!({"stream": stream})))
            .await;
        let first = if stream {
            events(&got).last().unwrap()["response"].clone()
        } else {
            got.json()
        };
        let id = first["id"].as_str().unwrap();
        assert_eq!(get(&scene, Method::GET, id).await.json(), first);
        let more = json!({"previous_response_id": id, "input": [
            {"type": "item_reference", "id": first["output"][0]["id"]},
            {"role": "user", "content": "and [[sim: say=two]]"},
        ]});
        let second = scene.post(RESPONSES, &ask("", &more)).await.json();
        assert_eq!(second["previous_response_id"], id);
        assert_eq!(second["output"][0]["content"][0]["text"], "two");
        let sent = sent(&scene, "/v1/chat/completions");
        let said: Vec<(&str, &str)> = sent["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| {
                (
                    message["role"].as_str().unwrap(),
                    message["content"].as_str().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("user", "hi [[sim: say=one]]"),
            ("assistant", "one"),
            ("assistant", "one"),
            ("user", "and [[sim: say=two]]"),
        ];
        assert_eq!(said, expected);
        let third = json!({"previous_response_id": second["id"], "input": "third [[sim: say=3]]"});
        assert_eq!(scene.post(RESPONSES, &ask("", &third)).await.status, 200);

        let gone = get(&scene, Method::DELETE, id).await.json();
        assert_eq!(
            gone,
            json!({"id": id, "object": "response", "deleted": true})
        );
        for method in [Method::GET, Method::DELETE] {
            let got = get(&scene, method, id).await;
            assert_eq!(got.status, 404);
            assert_eq!(got.error()["code"], "response_not_found");
        }
        let lost = scene
            .post(RESPONSES, &ask("", &json!({"previous_response_id": id})))
            .await;
        assert_eq!(lost.status, 404);
        assert_eq!(lost.error()["code"], "previous_response_not_found");
        // What went on from it has the whole conversation of its own.
        assert_eq!(scene.post(RESPONSES, &ask("", &third)).await.status, 200);
    }
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_not_kept() {
    let scene = Scene::start().await;
    let got = scene
        .post(RESPONSES, &ask("say=one", &json!({"store": false})))
        .await
        .json();
    assert_eq!(got["store"], false);
    let id = got["id"].as_str().unwrap();
    assert_eq!(get(&scene, Method::GET, id).await.status, 404);
    let lost = scene
        .post(RESPONSES, &ask("", &json!({"previous_response_id": id})))
        .await;
    assert_eq!(lost.error()["param"], "previous_response_id");
}

#[tokio::test]
async fn tools_come_back_as_their_caller_knows_them() {
    let scene = Scene::start().await;
    let schema = json!({"type": "object", "properties": {"ms": {"type": "integer"}}});
    let tools = json!([
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
        {"type": "namespace", "name": "clock", "description": "", "tools": [
            {"type": "function", "name": "sleep", "parameters": schema},
        ]},
        {"type": "web_search"},
    ]);
    for stream in [false, true] {
        let more = json!({"tools": tools, "stream": stream});
        let got = scene.post(RESPONSES, &ask("tools=2", &more)).await;
        let response = if stream {
            events(&got).last().unwrap()["response"].clone()
        } else {
            got.json()
        };
        let output = &response["output"];
        assert_eq!(output[0]["type"], "custom_tool_call", "{got:?}");
        assert_eq!(output[0]["name"], "apply_patch");
        assert!(output[0]["input"].is_string());
        assert_eq!(output[1]["type"], "function_call");
        assert_eq!(
            (&output[1]["namespace"], &output[1]["name"]),
            (&json!("clock"), &json!("sleep"))
        );

        let mut input = vec![json!({"role": "user", "content": "hi"})];
        input.extend(output.as_array().unwrap().iter().cloned());
        for (call, kind) in [(0, "custom_tool_call_output"), (1, "function_call_output")] {
            let id = &output[call]["call_id"];
            input.push(json!({"type": kind, "call_id": id, "output": "done"}));
        }
        let got = scene
            .post(
                RESPONSES,
                &with(ask("", &more), &json!({"input": input, "stream": false})),
            )
            .await;
        assert_eq!(got.status, 200, "{got:?}");
        let sent = sent(&scene, "/v1/chat/completions");
        let calls = &sent["messages"][1]["tool_calls"];
        assert_eq!(calls[1]["function"]["name"], "clock__sleep");
        assert_eq!(sent["messages"][2]["tool_call_id"], calls[0]["id"]);
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_a_failure() {
    for endpoint in ["yes", "no"] {
        let scene = Scene::with(Props {
            endpoint: json!({"responses": endpoint}),
            ..Props::default()
        })
        .await;
        let script = "chunks=40 cut=between cut_after=5";
        let got = scene
            .post(RESPONSES, &ask(script, &json!({"stream": true})))
            .await;
        let events = events(&got);
        let failed = &events.last().unwrap()["response"];
        assert_eq!(failed["error"]["code"], "server_error", "{got:?}");
        let id = failed["id"].as_str().unwrap();
        assert_eq!(
            get(&scene, Method::GET, id).await.status,
            404,
            "half an answer is not kept"
        );
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_has_the_code_that_clients_know() {
    let script = "status=400 code=context_length_exceeded message=maximum+context+length";
    for endpoint in ["yes", "no"] {
        let scene = Scene::with(Props {
            endpoint: json!({"responses": endpoint}),
            ..Props::default()
        })
        .await;
        let got = scene
            .post(RESPONSES, &ask(script, &json!({"stream": true})))
            .await;
        assert_eq!(got.status, 400, "{got:?}");
        assert_eq!(got.error()["code"], "context_length_exceeded");
        let later = format!("{script} error_after=1 chunks=5");
        let got = scene
            .post(RESPONSES, &ask(&later, &json!({"stream": true})))
            .await;
        let events = events(&got);
        let failed = &events.last().unwrap()["response"];
        assert_eq!(
            failed["error"]["code"], "context_length_exceeded",
            "{got:?}"
        );
    }
}

/// Codex sends reasoning back unread; the model that signed it gets it as it was.
#[tokio::test]
async fn signed_reasoning_comes_back_to_its_vendor() {
    let scene = Scene::with(Props {
        options: Options {
            flavor: Flavor::Anthropic,
            ..Options::default()
        },
        ..Props::default()
    })
    .await;
    let schema = json!({"type": "object", "properties": {}});
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": schema}]);
    let more = json!({"tools": tools, "stream": true, "store": false});
    let got = scene
        .post(RESPONSES, &ask("reasoning tools=1", &more))
        .await;
    let response = &events(&got).last().unwrap()["response"].clone();
    let mut input = vec![json!({"role": "user", "content": "hi"})];
    input.extend(response["output"].as_array().unwrap().iter().cloned());
    let id = &response["output"][1]["call_id"];
    input.push(json!({"type": "function_call_output", "call_id": id, "output": "21 degrees"}));
    let body = json!({"model": MODEL, "input": input, "tools": tools, "store": false});
    let got = scene.post(RESPONSES, &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    let sent = sent(&scene, "/v1/messages");
    let block = &sent["messages"][1]["content"][0];
    assert_eq!(block["type"], "thinking", "{sent}");
    assert!(
        block["signature"]
            .as_str()
            .is_some_and(|proof| !proof.is_empty())
    );
}

#[tokio::test]
async fn tokens_are_counted_without_a_call() {
    let scene = Scene::start().await;
    let body = json!({"model": MODEL, "input": "x".repeat(4000)});
    let got = scene.post("/v1/responses/input_tokens", &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.header("x-estimated"), "true");
    assert_eq!(got.json()["object"], "response.input_tokens");
    let tokens = got.json()["input_tokens"].as_u64().unwrap();
    assert!((900..1200).contains(&tokens), "{tokens}");
    let unknown = json!({"model": "nobody", "input": "x"});
    let got = scene.post("/v1/responses/input_tokens", &unknown).await;
    assert_eq!(got.status, 404, "{got:?}");
    assert_eq!(scene.sim.requests().len(), 0);

    // An endpoint with Responses of its own counts itself.
    let scene = own(json!({"system_prompt": "Be brief.", "temperature": 0.5})).await;
    let got = scene.post("/v1/responses/input_tokens", &body).await;
    assert_eq!(got.header("x-estimated"), "", "{got:?}");
    let sent = sent(&scene, "/v1/responses/input_tokens");
    assert_eq!(sent["instructions"], "Be brief.");
    let told = got.json()["input_tokens"].as_u64().unwrap();
    assert!((900..1200).contains(&told), "{told}");
    // One that cannot is estimated.
    scene.sim.set_script("status=500".parse().unwrap());
    let got = scene.post("/v1/responses/input_tokens", &body).await;
    assert_eq!(
        (got.status.as_u16(), got.header("x-estimated")),
        (200, "true")
    );
}

#[tokio::test]
async fn what_led_to_an_answer_is_told_page_by_page() {
    let scene = Scene::start().await;
    let first = scene
        .post(RESPONSES, &ask("say=one", &json!({})))
        .await
        .json();
    let more = json!({"previous_response_id": first["id"], "input": [
        {"id": "mine", "role": "user", "content": "and [[sim: say=two]]"},
    ]});
    let second = scene
        .post(RESPONSES, &with(ask("", &json!({})), &more))
        .await
        .json();
    let id = second["id"].as_str().unwrap();
    let got = get(&scene, Method::GET, &format!("{id}/input_items?order=asc")).await;
    assert_eq!(got.status, 200, "{got:?}");
    let page = got.json();
    assert_eq!(page["object"], "list");
    let items = page["data"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{page}");
    assert!(items[0]["content"].as_str().unwrap().contains("say=one"));
    assert_eq!(items[1], first["output"][0]);
    assert_eq!(items[2]["id"], "mine");
    assert_eq!(
        (&page["last_id"], &page["has_more"]),
        (&json!("mine"), &json!(false))
    );
    let got = get(&scene, Method::GET, &format!("{id}/input_items?limit=1")).await;
    assert_eq!(got.json()["data"][0]["id"], "mine");
    assert_eq!(got.json()["has_more"], true);
    let bad = get(&scene, Method::GET, &format!("{id}/input_items?limit=0")).await;
    assert_eq!(
        (bad.status.as_u16(), &bad.error()["param"]),
        (400, &json!("limit"))
    );
    for (method, rest) in [(Method::GET, "/input_items"), (Method::POST, "/cancel")] {
        let got = get(&scene, method, &format!("resp_of_nobody{rest}")).await;
        assert_eq!(got.status, 404, "{rest}: {got:?}");
    }
    let got = get(&scene, Method::POST, &format!("{id}/cancel")).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["code"], "response_not_cancellable");
}

/// Encrypted reasoning of one server is refused by every other.
#[tokio::test]
async fn reasoning_goes_back_to_the_endpoint_that_sealed_it() {
    for stream in [false, true] {
        let member = Member::usual().endpoint(json!({"responses": "yes"}));
        let members = vec![member.clone(), member];
        let crowd = Crowd::with(members, json!({"strategy": "backup"}), &[]).await;
        let user = json!({"role": "user", "content": "hi"});
        let asked = |input: Value| json!({"model": MODEL, "input": input, "stream": stream, "store": false});
        crowd.script(0, "reasoning say=one");
        let got = crowd.post(RESPONSES, &asked(json!([user]))).await;
        let response = if stream {
            events(&got).last().unwrap()["response"].clone()
        } else {
            got.json()
        };
        let mut input = vec![user.clone()];
        input.extend(response["output"].as_array().unwrap().iter().cloned());
        input.push(user);
        assert!(input[1]["encrypted_content"].is_string(), "{response}");
        let next = asked(json!(input));
        let sent = |number: usize| {
            let request: RecordedRequest = crowd.sims[number].last_request().unwrap();
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["input"].clone()
        };
        crowd.script(0, "status=500");
        let got = crowd.post(RESPONSES, &next).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert!(
            got.header("x-gateway-changed").contains("input[1]"),
            "{got:?}"
        );
        assert!(!sent(1).to_string().contains("encrypted_content"));
        crowd.script(0, "say=two");
        let got = crowd.post(RESPONSES, &next).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(sent(0), json!(input), "its own goes back");
    }
}

#[tokio::test]
async fn an_answer_is_its_keys_own() {
    let scene = facing().await;
    let [one, other] = ["one", "other"].map(|name| key(&scene, &json!({"label": name})));
    let request = |method, path: &str, key: &str| scene.request(method, path).bearer_auth(key);
    let (one, other) = (one.api_key.expose(), other.api_key.expose());
    for key in [one, other] {
        answers(&scene, key, 200).await;
    }
    let made = request(Method::POST, RESPONSES, one).json(&ask("say=one", &json!({})));
    let made = answer(made).await.json();
    let id = made["id"].as_str().unwrap();
    let path = format!("{RESPONSES}/{id}");
    assert_eq!(answer(request(Method::GET, &path, one)).await.status, 200);
    assert_eq!(answer(request(Method::GET, &path, other)).await.status, 404);
    assert_eq!(
        answer(request(Method::DELETE, &path, other)).await.status,
        404
    );
    let more = ask("", &json!({"previous_response_id": id}));
    let theirs = request(Method::POST, RESPONSES, other).json(&more);
    assert_eq!(answer(theirs).await.status, 404);
    let own = request(Method::POST, RESPONSES, one).json(&more);
    assert_eq!(answer(own).await.status, 200);
}
