//! A text tried against the tool patterns.

use serde_json::{Value, json};

use crate::harness::App;

const PATH: &str = "/api/admin/tool-patterns/test";

fn tools() -> Value {
    json!([{ "type": "function", "function": {
        "name": "bash",
        "parameters": {
            "type": "object",
            "properties": { "command": { "type": "string" } },
            "required": ["command"],
        },
    }}])
}

fn execute() -> Value {
    json!({
        "pattern_name": "execute",
        "pattern_type": "bracket",
        "regex_pattern": r"\[EXECUTE:(\w+):([^\]]+)\]",
        "tool_name_group": 1,
        "parameter_mapping": { "2": "command" },
    })
}

async fn tried(app: &App, question: Value) -> Value {
    let (status, answer) = app.post(PATH, &question).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_text_is_tried_against_the_stored_tool_patterns() {
    let app = App::start();
    let call = "<tool_call>\n{\"name\":\"bash\",\"arguments\":{\"command\":\"ls\",}}\n</tool_call>";
    let text = format!("<think>Hm.</think>Höre: {call}");
    let answer = tried(&app, json!({ "text": text, "tools": tools() })).await;
    assert_eq!(
        answer["calls"],
        json!([{ "name": "bash", "arguments": { "command": "ls" }, "repaired": true }])
    );
    assert_eq!(answer["content"], "Höre: ");
    assert_eq!(answer["reasoning"], "Hm.");
    assert_eq!(answer["one_byte_chunks"], json!({ "same": true }));
    assert_eq!(answer["refused_patterns"], json!([]));
    let found = &answer["matches"][0];
    assert_eq!(
        (&found["calls"], &found["repaired"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(found["in"], "content");
    let start = found["start"].as_u64().unwrap() as usize;
    let end = found["end"].as_u64().unwrap() as usize;
    assert_eq!(found["text"], text[start..end]);
    assert!(text[start..].starts_with("<tool_call>"), "{answer}");
    let row = app
        .row(
            "/api/admin/tool-patterns",
            found["pattern_id"].as_i64().unwrap(),
        )
        .await;
    assert_eq!(row["pattern_name"], found["pattern"]);

    // Without tools nothing is parsed, and nothing is near.
    let answer = tried(&app, json!({ "text": call, "tools": [] })).await;
    assert_eq!(answer["content"], call);
    assert_eq!(
        (&answer["matches"], &answer["near"]),
        (&json!([]), &json!([]))
    );
}

#[tokio::test]
async fn an_unsaved_tool_pattern_is_tried_beside_the_stored_ones_or_alone() {
    let app = App::start();
    let text = "[EXECUTE:bash:ls -l]\n<tool_call>{\"name\":\"bash\",\"arguments\":{\"command\":\"ls\"}}</tool_call>";
    let question = json!({ "text": text, "tools": tools(), "patterns": [execute()] });
    let answer = tried(&app, question.clone()).await;
    assert_eq!(answer["calls"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(
        answer["matches"][0],
        json!({
            "pattern": "execute", "pattern_id": null, "in": "content", "start": 0, "end": 20,
            "text": "[EXECUTE:bash:ls -l]", "calls": 1, "repaired": 0,
        })
    );
    assert_eq!(
        answer["calls"][0]["arguments"],
        json!({ "command": "ls -l" })
    );

    let mut alone = question.clone();
    alone["only"] = true.into();
    let answer = tried(&app, alone).await;
    assert_eq!(answer["calls"].as_array().unwrap().len(), 1, "{answer}");

    // It takes the place of a stored one with its name; switched off, that one is gone.
    let (_, created) = app.post("/api/admin/tool-patterns", &execute()).await;
    let mut other = question.clone();
    other["patterns"][0]["regex_pattern"] = r"\[RUN:(\w+):([^\]]+)\]".into();
    assert_eq!(
        tried(&app, other).await["calls"].as_array().unwrap().len(),
        1
    );
    let mut off = question.clone();
    off["patterns"][0]["enabled"] = false.into();
    assert_eq!(tried(&app, off).await["calls"].as_array().unwrap().len(), 1);
    let stored = tried(&app, json!({ "text": text, "tools": tools() })).await;
    assert_eq!(
        stored["matches"][0]["pattern_id"], created["id"],
        "{stored}"
    );
}

#[tokio::test]
async fn a_tool_pattern_that_nearly_matches_says_why_not() {
    let app = App::start();
    let text = "[EXECUTE:rm:x] and more";
    let question = json!({ "text": text, "tools": tools(), "patterns": [execute()] });
    let answer = tried(&app, question).await;
    assert_eq!(answer["content"], text);
    let near = answer["near"].as_array().unwrap();
    let near = near
        .iter()
        .find(|near| near["pattern"] == "execute")
        .unwrap();
    assert_eq!(near["reason"], "unknown_tool");
    assert_eq!(near["why"], "the request offers no tool 'rm'");
    assert_eq!(near["text"], "[EXECUTE:rm:x]");
    assert_eq!(near["start"], 0);
    assert_eq!(answer["matches"], json!([]));
}

#[tokio::test]
async fn a_recorded_stream_is_put_together_for_a_tool_pattern_test() {
    let app = App::start();
    let chunk = |field: &str, text: &str| {
        let chunk = json!({ "choices": [{ "index": 0, "delta": { field: text } }] });
        format!("data: {chunk}\n\n")
    };
    let stream = [
        chunk("reasoning_content", "Let me "),
        chunk("reasoning_content", "look."),
        chunk("content", "<tool_"),
        chunk(
            "content",
            "call>{\"name\":\"bash\",\"arguments\":{\"cmd\":\"ls\"}}",
        ),
        chunk("content", "</tool_call>"),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let alias = json!({ "tool_name": "bash", "parameter": "command", "aliases": ["cmd"] });
    let question = json!({
        "stream": stream, "tools": tools(), "aliases": [alias], "thinking": "tagged",
    });
    let answer = tried(&app, question).await;
    assert_eq!(answer["reasoning"], "Let me look.");
    assert_eq!(answer["calls"][0]["arguments"], json!({ "command": "ls" }));
    assert_eq!(answer["content"], "");
    assert_eq!(answer["matches"][0]["start"], 0);
}

#[tokio::test]
async fn bad_fields_of_a_tool_pattern_test_are_named() {
    let app = App::start();
    let mut unusable = execute();
    unusable["regex_pattern"] = "a(".into();
    let long = "x".repeat((1 << 20) + 1);
    for (question, fields) in [
        (json!({}), vec!["text", "tools"]),
        (
            json!({ "text": 1, "tools": {}, "only": "maybe", "thinking": "deep", "colour": 1 }),
            vec!["colour", "only", "text", "thinking", "tools"],
        ),
        (
            json!({ "text": "", "stream": "", "tools": [] }),
            vec!["stream"],
        ),
        (
            json!({ "stream": "data: {]\n", "tools": [] }),
            vec!["stream"],
        ),
        (json!({ "text": long, "tools": [] }), vec!["text"]),
        (
            json!({ "text": "", "tools": [1, {}, { "function": { "name": "" } }] }),
            vec!["tools[0]", "tools[1].function", "tools[2].function.name"],
        ),
        (
            json!({
                "text": "", "tools": [], "patterns": [execute(), unusable],
                "aliases": [{ "tool_name": "bash" }],
            }),
            vec!["aliases[0].parameter", "patterns[1].regex_pattern"],
        ),
        (
            json!({ "text": "", "tools": [], "patterns": [execute(), execute()] }),
            vec!["patterns[1].pattern_name"],
        ),
    ] {
        let (status, answer) = app.post(PATH, &question).await;
        assert_eq!(status, 400, "{answer}");
        let named = answer["fields"].as_object();
        let named: Vec<_> = named.unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, fields, "{answer}");
    }
    assert_eq!(app.post(PATH, &json!([])).await.0, 400);
    assert_eq!(app.get(PATH).await.0, 405);
}
