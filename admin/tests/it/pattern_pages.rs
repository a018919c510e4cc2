//! The pages of the tool patterns and aliases, as a browser without a script uses them.

use reqwest::Method;
use serde_json::{Value, json};
use store::{PatternCount, Store};

use crate::browser::{PageForm, plain};
use crate::harness::{App, token};

const LIST: &str = "/proxy-dashboard/patterns";
const NEW: &str = "/proxy-dashboard/patterns/new";
const BENCH: &str = "/proxy-dashboard/patterns/test";
const IMPORT: &str = "/proxy-dashboard/patterns/import";
const ALIASES: &str = "/proxy-dashboard/patterns/aliases";
const ROWS: &str = "/api/admin/tool-patterns";
const NASTY: &str = "\"><script>alert('x')</script>&amp;</textarea>";
const CALL: &str =
    "<tool_call>\n{\"name\":\"bash\",\"arguments\":{\"command\":\"ls\",}}\n</tool_call>";

async fn form(app: &App, path: &str) -> PageForm {
    PageForm::of(&app.page(path).await, path)
}

fn at(id: i64, rest: &str) -> String {
    format!("{LIST}/{id}{rest}")
}

/// The row of this name.
async fn named(app: &App, name: &str) -> Value {
    let (_, rows) = app.get(ROWS).await;
    let rows = rows.as_array().unwrap();
    let found = rows.iter().find(|row| row["pattern_name"] == name);
    found.cloned().unwrap_or(Value::Null)
}

async fn id_of(app: &App, name: &str) -> i64 {
    named(app, name).await["id"].as_i64().unwrap()
}

/// What is marked, by the kind of the mark.
fn marked(page: &str, kind: &str) -> Vec<String> {
    let start = format!("<mark class=\"{kind}\"");
    let marks = page.split(start.as_str()).skip(1);
    let text = |mark: &str| {
        let (_, text) = mark.split_once('>')?;
        Some(plain(text.split("</mark>").next()?))
    };
    marks.filter_map(text).collect()
}

#[tokio::test]
async fn the_list_tells_source_and_counts_and_is_filtered() {
    let app = App::start();
    let id = id_of(&app, "tool_call").await;
    let store = Store::open(&app.database()).unwrap();
    let count = PatternCount {
        pattern_id: id,
        pattern_name: "tool_call".to_owned(),
        at: i64::from(u32::MAX),
        hits: 1_234_567,
        repairs: 89,
        refusals: 3,
        reasons: [("unknown_tool".to_owned(), 3)].into(),
    };
    store.count_tool_patterns(&[count]).unwrap();
    let own = json!({ "pattern_name": "mine", "pattern_type": "calls", "regex_pattern": "<mine>" });
    assert_eq!(app.post(ROWS, &own).await.0, 200);
    let (status, _) = app
        .put(&format!("{ROWS}/{id}"), &json!({ "priority": 7 }))
        .await;
    assert_eq!(status, 200);
    let names = |page: &str| -> Vec<String> {
        let rows = page.split("<tr id=\"pattern-").skip(1);
        let name = |row: &str| row.split("</a>").next()?.rsplit('>').next().map(plain);
        rows.filter_map(name).collect()
    };
    let page = app.page(&format!("{LIST}?sort=-hits")).await;
    assert_eq!(names(&page)[0], "tool_call");
    assert!(page.contains("1,234,567"), "{page}");
    assert!(page.contains("title=\"unknown_tool: 3\""), "{page}");
    for (query, found) in [
        ("source=own", vec!["mine"]),
        ("source=changed", vec!["tool_call"]),
        ("q=MINE&type=calls", vec!["mine"]),
        ("q=mine&enabled=0", vec![]),
    ] {
        assert_eq!(
            names(&app.page(&format!("{LIST}?{query}")).await),
            found,
            "{query}"
        );
    }
    let built_in = names(&app.page(&format!("{LIST}?source=built-in&per=200")).await);
    assert!(built_in.len() > 20 && !built_in.contains(&"mine".to_owned()));
}

#[tokio::test]
async fn a_pattern_is_made_changed_and_shown_again() {
    let app = App::start();
    let fields = [
        ("pattern_name", "execute <b>"),
        ("pattern_type", "bracket"),
        ("regex_pattern", r"\[EXECUTE:(\w+):([^\]]+)\]"),
        ("strength", "weak"),
        ("tool_name_group", "1"),
        ("tool_name_mapping", r#"{"sh":"bash"}"#),
        ("parameter_mapping", r#"{"2":"command"}"#),
        ("priority", "-5"),
    ];
    let mut filled = form(&app, NEW).await.with("enabled", "");
    for (name, value) in fields {
        filled = filled.with(name, value);
    }
    filled.send(&app).await.leads_to(LIST);
    let row = named(&app, "execute <b>").await;
    assert_eq!(
        (&row["enabled"], &row["builtin"]),
        (&json!(0), &Value::Null)
    );
    let path = at(row["id"].as_i64().unwrap(), "");
    let again = form(&app, &path).await;
    for (name, value) in fields {
        assert_eq!(again.value(name), value, "{name}");
    }
    again.with("enabled", "1").send(&app).await.leads_to(LIST);
    let mut changed = named(&app, "execute <b>").await;
    assert_eq!(changed["enabled"], 1);
    for field in ["enabled", "updated_at", "version"] {
        changed[field] = row[field].clone();
    }
    assert_eq!(changed, row);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_the_field_and_the_rest_stays() {
    let app = App::start();
    let bad = form(&app, NEW)
        .await
        .with("pattern_name", NASTY)
        .with("regex_pattern", "(unclosed")
        .with("tool_name_mapping", "[1]")
        .with("priority", "high");
    let sent = bad.send(&app).await;
    assert_eq!(sent.status, 400);
    for (field, why) in [
        ("regex_pattern", "regular expression"),
        ("tool_name_mapping", "JSON object of strings"),
        ("priority", "whole number"),
    ] {
        let error = sent
            .error(field)
            .unwrap_or_else(|| panic!("{field}: {}", sent.page));
        assert!(error.contains(why), "{field}: {error}");
    }
    let kept = PageForm::of(&sent.page, NEW);
    assert_eq!(kept.value("pattern_name"), NASTY);
    assert_eq!(kept.value("regex_pattern"), "(unclosed");
    let taken = form(&app, NEW)
        .await
        .with("pattern_name", "tool_call")
        .with("regex_pattern", "<x>");
    let sent = taken.send(&app).await;
    assert_eq!(sent.status, 409);
    assert!(
        sent.error("pattern_name")
            .unwrap()
            .contains("already exists")
    );
}

#[tokio::test]
async fn the_bench_marks_what_was_found() {
    let app = App::start();
    let text = format!("Höre <b>: {CALL} und <tool_call>{{\"name\":\"nobody\"}}</tool_call>");
    let ask = form(&app, BENCH).await.with("bench_text", &text);
    let sent = ask.send(&app).await;
    assert_eq!(sent.status, 200, "{}", sent.page);
    assert_eq!(marked(&sent.page, "call"), [CALL]);
    let near = marked(&sent.page, "near");
    assert!(near.iter().any(|part| part.contains("nobody")), "{near:?}");
    let page = plain(&sent.page);
    for part in [
        "<h3>1 call</h3>",
        "<strong>bash</strong> <span class=\"badge warn\">mended</span>",
        "{\"command\":\"ls\"}",
        "<h3>Nearly</h3>",
        "The same, however small",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!sent.page.contains("Höre <b>"), "{}", sent.page);
    assert_eq!(PageForm::of(&sent.page, BENCH).value("bench_text"), text);
    // A recorded stream.
    let stream = format!(
        "data: {}\n\ndata: [DONE]\n\n",
        json!({ "choices": [{ "index": 0, "delta": { "content": CALL } }] })
    );
    let ask = form(&app, BENCH).await.with("bench_text", &stream);
    let sent = ask.with("bench_kind", "stream").send(&app).await;
    assert_eq!(marked(&sent.page, "call"), [CALL], "{}", sent.page);
    for (field, value, why) in [
        ("bench_tools", "{", "is not JSON"),
        ("bench_tools", "[{}]", "tools[0].function: is required"),
        ("bench_kind", "stream", "data:"),
    ] {
        let ask = form(&app, BENCH)
            .await
            .with("bench_text", "x")
            .with(field, value);
        let sent = ask.send(&app).await;
        assert_eq!(sent.status, 400, "{field}");
        let beside = if field == "bench_kind" {
            "bench_text"
        } else {
            field
        };
        let error = sent
            .error(beside)
            .unwrap_or_else(|| panic!("{}", sent.page));
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn the_bench_tries_the_form_as_it_stands_unsaved() {
    let app = App::start();
    let text = "Now: [EXECUTE:bash:ls -l] done.";
    let ask = form(&app, NEW)
        .await
        .with("pattern_type", "bracket")
        .with("regex_pattern", r"\[EXECUTE:(\w+):([^\]]+)\]")
        .with("tool_name_group", "1")
        .with("parameter_mapping", r#"{"2":"command"}"#)
        .with("enabled", "")
        .with("bench_text", text)
        .with("bench_only", "1")
        .with("intent", "test");
    let sent = ask.send(&app).await;
    assert_eq!(sent.status, 200, "{}", sent.page);
    assert_eq!(marked(&sent.page, "call"), ["[EXECUTE:bash:ls -l]"]);
    assert!(sent.page.contains("not saved"), "{}", sent.page);
    assert!(
        plain(&sent.page).contains("{\"command\":\"ls -l\"}"),
        "{}",
        sent.page
    );
    let (_, rows) = app.get(ROWS).await;
    assert!(!rows.to_string().contains("EXECUTE"));
    let broken = PageForm::of(&sent.page, NEW).with("regex_pattern", "(");
    let sent = broken.with("intent", "test").send(&app).await;
    assert_eq!(sent.status, 400);
    assert!(sent.error("regex_pattern").is_some(), "{}", sent.page);
    // A stored one, renamed and changed in the form alone, takes its own place.
    let id = id_of(&app, "tool_call").await;
    let ask = form(&app, &at(id, ""))
        .await
        .with("pattern_name", "renamed")
        .with("regex_pattern", "<never>")
        .with("bench_text", CALL)
        .with("bench_only", "1")
        .with("intent", "test");
    let sent = ask.send(&app).await;
    assert!(marked(&sent.page, "call").is_empty(), "{}", sent.page);
    assert!(
        plain(&sent.page).contains("<h3>No call</h3>"),
        "{}",
        sent.page
    );
}

#[tokio::test]
async fn a_built_in_pattern_is_reset_deleted_and_brought_back() {
    let app = App::start();
    let before = named(&app, "tool_call").await;
    let id = before["id"].as_i64().unwrap();
    let change = json!({ "regex_pattern": "<other>", "priority": 3, "enabled": false });
    assert_eq!(app.put(&format!("{ROWS}/{id}"), &change).await.0, 200);
    let page = app.page(&at(id, "/reset")).await;
    assert!(page.contains("priority becomes"), "{page}");
    let ask = PageForm::of(&page, &at(id, "/reset"));
    ask.send(&app).await.leads_to(LIST);
    let mut reset = named(&app, "tool_call").await;
    assert_eq!(reset["enabled"], 0, "the switch is the operator's");
    for field in ["enabled", "updated_at", "version"] {
        reset[field] = before[field].clone();
    }
    assert_eq!(reset, before);
    let page = app.page(&at(id, "")).await;
    assert!(page.contains(">built-in<"), "{page}");

    let ask = form(&app, &at(id, "/delete")).await;
    ask.send(&app).await.leads_to(LIST);
    assert_eq!(named(&app, "tool_call").await, Value::Null);
    let own =
        json!({ "pattern_name": "tool_call", "pattern_type": "calls", "regex_pattern": "<x>" });
    let (_, made) = app.post(ROWS, &own).await;
    let page = app.page(LIST).await;
    let restore = format!("{LIST}/restore");
    let back = PageForm::of(&page, &restore).with("builtin", "tool_call");
    back.send(&app).await.leads_to(LIST);
    back.send(&app).await.leads_to(LIST);
    let restored = named(&app, "tool_call_builtin").await;
    assert_eq!(restored["builtin"], "tool_call");
    assert_eq!(restored["regex_pattern"], before["regex_pattern"]);
    assert_eq!(named(&app, "tool_call").await["regex_pattern"], "<x>");
    assert_eq!(named(&app, "tool_call_builtin_2").await, Value::Null);
    // What is no built-in one has nothing to go back to.
    let own = made["id"].as_i64().unwrap();
    let response = app
        .request(Method::GET, &at(own, "/reset"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 409);
    let unknown = PageForm::of(&page, &restore).with("builtin", "nothing");
    assert_eq!(unknown.send(&app).await.status, 404);
}

#[tokio::test]
async fn a_pattern_is_switched_and_duplicated() {
    let app = App::start();
    let id = id_of(&app, "tool_call").await;
    let here = format!("{LIST}?q=tool_call");
    let page = app.page(&here).await;
    let switch = PageForm::of(&page, &at(id, "/enabled"));
    switch.send(&app).await.leads_to(&here);
    assert_eq!(named(&app, "tool_call").await["enabled"], 0);
    let sent = PageForm::of(&page, &at(id, "/duplicate")).send(&app).await;
    assert_eq!(sent.status, 303);
    let copy = named(&app, "tool_call copy").await;
    assert_eq!(
        (&copy["enabled"], &copy["builtin"]),
        (&json!(0), &Value::Null)
    );
}

#[tokio::test]
async fn patterns_are_exported_and_imported() {
    let app = App::start();
    let page = app.page(IMPORT).await;
    assert!(
        page.contains("href=\"/api/admin/tool-patterns/export\" download"),
        "{page}"
    );
    let (_, exported) = app.get("/api/admin/tool-patterns/export").await;
    let own = json!({ "pattern_name": "mine", "pattern_type": "calls", "regex_pattern": "<mine>" });
    app.post(ROWS, &own).await;
    let same = PageForm::of(&page, IMPORT).with("document", &exported.to_string());
    let sent = same.send(&app).await;
    assert!(sent.page.contains("0 new, 0 changed"), "{}", sent.page);
    assert_eq!(named(&app, "mine").await["regex_pattern"], "<mine>");
    // Replacing names what goes and waits.
    let replace = PageForm::of(&sent.page, IMPORT).with("mode", "replace");
    let asks = replace.send(&app).await;
    assert!(asks.page.contains("the pattern mine"), "{}", asks.page);
    assert_ne!(named(&app, "mine").await, Value::Null);
    let sure = PageForm::of(&asks.page, IMPORT).with("sure", "1");
    let sent = sure.send(&app).await;
    assert!(sent.page.contains("1 deleted"), "{}", sent.page);
    assert_eq!(named(&app, "mine").await, Value::Null);
    // A list alone is merged; what is wrong changes nothing.
    for (document, why) in [
        ("{", "is not JSON"),
        (
            r#"[{"pattern_name":"a","regex_pattern":"("}]"#,
            "patterns[0].regex_pattern",
        ),
    ] {
        let bad = form(&app, IMPORT).await.with("document", document);
        let sent = bad.send(&app).await;
        assert_eq!(sent.status, 400);
        assert!(sent.page.contains(why), "{}", sent.page);
        assert_eq!(PageForm::of(&sent.page, IMPORT).value("document"), document);
    }
    let list = json!([own]).to_string();
    let sent = form(&app, IMPORT)
        .await
        .with("document", &list)
        .send(&app)
        .await;
    assert!(sent.page.contains("Patterns: 1 new"), "{}", sent.page);
}

#[tokio::test]
async fn missing_and_forged_change_nothing() {
    let app = App::start();
    let before = app.get(ROWS).await.1;
    let id = id_of(&app, "tool_call").await;
    let missing = i64::from(u32::MAX);
    let token = token(&app.page(LIST).await);
    for rest in ["", "/reset", "/delete"] {
        let response = app
            .request(Method::GET, &at(missing, rest))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{rest}");
    }
    for rest in ["", "/enabled", "/duplicate", "/reset", "/delete"] {
        let request = app.form(&at(missing, rest), &[("_token", &token)]);
        assert_eq!(request.send().await.unwrap().status(), 404, "{rest}");
        let request = app.form(&at(id, rest), &[("enabled", "0")]);
        assert_eq!(request.send().await.unwrap().status(), 403, "{rest}");
    }
    for path in [
        NEW.to_owned(),
        BENCH.to_owned(),
        IMPORT.to_owned(),
        format!("{LIST}/restore"),
        format!("{ALIASES}/new"),
        format!("{ALIASES}/1"),
        format!("{ALIASES}/1/enabled"),
        format!("{ALIASES}/1/delete"),
    ] {
        let request = app.form(&path, &[("document", "[]")]);
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
    for rest in ["", "/delete"] {
        let path = format!("{ALIASES}/{missing}{rest}");
        let response = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
    assert_eq!(app.get(ROWS).await.1, before);
}

#[tokio::test]
async fn rows_and_samples_full_of_marks_are_harmless() {
    let app = App::start();
    let own = json!({
        "pattern_name": NASTY, "pattern_type": "calls", "regex_pattern": "<script>alert",
        "tool_name": NASTY,
    });
    let (_, made) = app.post(ROWS, &own).await;
    let id = made["id"].as_i64().unwrap();
    let mut pages = Vec::new();
    for path in [format!("{LIST}?per=200"), at(id, ""), at(id, "/delete")] {
        pages.push(app.page(&path).await);
    }
    let sample = format!("{NASTY}\u{202e}\u{0}\u{7} <script>alert{{\"name\":\"bash\"}}");
    let sample = sample.replace('\u{0}', "");
    let ask = form(&app, &at(id, "")).await.with("bench_text", &sample);
    let sent = ask.with("intent", "test").send(&app).await;
    assert_eq!(sent.status, 200, "{}", sent.page);
    let (_, result) = sent.page.split_once("id=\"bench-result\"").unwrap();
    assert!(
        !result.contains('\u{202e}') && !result.contains('\u{7}'),
        "{result}"
    );
    pages.push(sent.page);
    for page in pages {
        assert_eq!(page.matches("<script").count(), 1, "{page}");
    }
}
