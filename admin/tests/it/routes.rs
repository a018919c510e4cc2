//! Every route of the JSON API against everything that can be wrong with a call: the table is
//! `tests/cases/routes.json`, and a unit test of the program sees that no route is missing
//! in it.
//!
//! A cell is a case, or the reason why there can be none. In a case `{endpoint}`, `{model}`
//! and the like are ids of rows made for it alone, and `{n}` is their number.

use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};

use crate::harness::App;
use crate::people::{Person, app_with_admin};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    route: String,
    success: Cell,
    bad_input: Cell,
    missing: Cell,
    unauthorised: Status,
    forged: Status,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cell {
    Impossible(String),
    Case(Box<Case>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Impossible(String),
    Is(u16),
}

/// A call and what is to come of it.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    /// `login`: where one is asked for.
    r#as: Option<String>,
    id: Option<String>,
    query: String,
    body: Option<Value>,
    status: Option<u16>,
    /// What the answer has, among other things.
    answer: Option<Value>,
    /// In which of its fields the answer has its list.
    r#in: Option<String>,
    /// What a row of the answer has, among other things.
    lists: Option<Value>,
    /// With what the answer begins, where it is no JSON.
    text: Option<String>,
    /// The field that is named as bad.
    names: Option<String>,
    /// What the message has in it.
    says: Option<String>,
}

impl Route {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../cases/routes.json")).unwrap()
    }

    fn method(&self) -> Method {
        self.route.split(' ').next().unwrap().parse().unwrap()
    }

    fn path(&self, id: &str) -> String {
        self.route.split(' ').nth(1).unwrap().replace("{id}", id)
    }

    /// The call of a case.
    fn request(&self, app: &App, case: &Case) -> RequestBuilder {
        let path = self.path(case.id.as_deref().unwrap_or_default());
        let request = app
            .request(self.method(), &format!("{path}{}", case.query))
            .header("x-requested-with", "test");
        match &case.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

/// Backends, and rows made for each case.
struct Stage {
    app: App,
    openai: Sim,
    ollama: Sim,
    made: usize,
}

impl Stage {
    async fn new() -> Self {
        let sim = async |flavor| {
            Sim::start(Options {
                flavor,
                ..Options::default()
            })
            .await
            .unwrap()
        };
        Self {
            app: App::start(),
            openai: sim(Flavor::OpenAi).await,
            ollama: sim(Flavor::Ollama).await,
            made: 0,
        }
    }

    /// The case with rows of its own.
    async fn furnish(&mut self, case: &Case) -> Case {
        self.made += 1;
        let n = self.made;
        let make = async |path: &str, body: Value| {
            let (status, made) = self.app.post(path, &body).await;
            assert_eq!(status, 200, "{path}: {made}");
            made["id"].to_string()
        };
        let endpoint = json!({
            "name": format!("endpoint {n}"), "url": self.openai.base_url(),
            "api_key": "sk-a-key-4711",
        });
        let endpoint = make("/endpoints", endpoint).await;
        let ollama = json!({
            "name": format!("ollama {n}"), "url": self.ollama.base_url(),
            "endpoint_type": "ollama",
        });
        let ollama = make("/endpoints", ollama).await;
        let model = json!({
            "name": format!("model {n}"), "endpoint_id": endpoint, "actual_model": "sim-model",
            "cost_per_1m_tokens_in": 1,
        });
        let model = make("/virtual-models", model).await;
        let pattern =
            json!({ "pattern_name": format!("p{n}"), "regex_pattern": format!("<p{n}>") });
        let pattern = make("/tool-patterns", pattern).await;
        let alias = json!({ "tool_name": format!("t{n}"), "parameter": "p", "aliases": ["q"] });
        let alias = make("/api/admin/tool-aliases", alias).await;
        let key = json!({ "label": format!("key {n}") });
        let key = make("/api/admin/inbound-keys", key).await;
        let filled = |text: &str| {
            [
                ("{n}", n.to_string()),
                ("{endpoint}", endpoint.clone()),
                ("{ollama}", ollama.clone()),
                ("{model}", model.clone()),
                ("{pattern}", pattern.clone()),
                ("{alias}", alias.clone()),
                ("{key}", key.clone()),
            ]
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(name, value)
            })
        };
        let value = |value: &Option<Value>| {
            let text = value.as_ref().map(|value| filled(&value.to_string()));
            text.map(|text| serde_json::from_str(&text).unwrap())
        };
        Case {
            id: case.id.as_deref().map(filled),
            body: value(&case.body),
            answer: value(&case.answer),
            lists: value(&case.lists),
            says: case.says.as_deref().map(filled),
            ..case.clone()
        }
    }
}

/// Whether `whole` has all that `part` has. Ids in the table are texts.
fn has(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(part) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| has(whole, part))),
        Value::Array(part) => part.iter().all(|part| {
            whole
                .as_array()
                .is_some_and(|all| all.iter().any(|one| has(one, part)))
        }),
        Value::String(text) if whole.is_number() => {
            serde_json::from_str::<Value>(text).is_ok_and(|text| text == *whole)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => whole == part,
    }
}

/// Sends a case and looks at what comes, where the table says nothing with `status`.
async fn check(request: RequestBuilder, case: &Case, status: u16, told: &str) {
    let response = request.send().await.unwrap();
    let found = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!(found, case.status.unwrap_or(status), "{told}: {text}");
    if let Some(beginning) = &case.text {
        assert!(text.starts_with(beginning), "{told}: {text}");
        return;
    }
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(part) = &case.answer {
        assert!(has(&answer, part), "{told}: {answer} has not {part}");
    }
    if let Some(part) = &case.lists {
        let list = case.r#in.as_ref().map_or(&answer, |field| &answer[field]);
        let rows = list
            .as_array()
            .unwrap_or_else(|| panic!("{told}: {answer}"));
        let is_there = rows.iter().any(|row| has(row, part));
        assert!(
            is_there || *part == json!({}),
            "{told}: {part} is not in {answer}"
        );
    }
    if let Some(field) = &case.names {
        assert!(
            answer["fields"][field].is_string(),
            "{told}: {field} in {answer}"
        );
    }
    if found >= 400 {
        let message = answer["error"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{told}: {text}");
        let says = case.says.as_deref().or(case.names.as_deref());
        assert!(
            says.is_none_or(|says| text.contains(says)),
            "{told}: {says:?} in {text}"
        );
    }
}

#[test]
fn every_cell_has_a_case_or_a_reason() {
    for route in Route::all() {
        let cells = [&route.success, &route.bad_input, &route.missing];
        for cell in cells {
            if let Cell::Impossible(why) = cell {
                assert!(why.len() > 10, "{}", route.route);
            }
        }
        assert!(matches!(route.success, Cell::Case(_)), "{}", route.route);
        // That a case is bad or missing must be told by something it says.
        if let Cell::Case(case) = &route.bad_input {
            let told = case.names.is_some() || case.says.is_some();
            assert!(told, "{}: the message names nothing", route.route);
        }
        for status in [&route.unauthorised, &route.forged] {
            if let Status::Impossible(why) = status {
                assert!(why.len() > 10, "{}", route.route);
            }
        }
    }
}

#[tokio::test]
async fn what_is_right_succeeds() {
    let mut stage = Stage::new().await;
    for route in Route::all() {
        let Cell::Case(case) = &route.success else {
            continue;
        };
        if case.r#as.is_some() {
            let (app, ada) = app_with_admin().await;
            let request = route.request(&app, case).header("cookie", &ada.cookie);
            check(request, case, 200, &route.route).await;
            continue;
        }
        let case = stage.furnish(case).await;
        check(route.request(&stage.app, &case), &case, 200, &route.route).await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let mut stage = Stage::new().await;
    for route in Route::all() {
        if let Cell::Case(case) = &route.bad_input {
            let case = stage.furnish(case).await;
            check(route.request(&stage.app, &case), &case, 400, &route.route).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let mut stage = Stage::new().await;
    for route in Route::all() {
        if let Cell::Case(case) = &route.missing {
            let case = stage.furnish(case).await;
            check(route.request(&stage.app, &case), &case, 404, &route.route).await;
        }
    }
}

/// The call that succeeds, with ids of nothing: nobody is told whether there is something.
fn plain(route: &Route, app: &App) -> RequestBuilder {
    let Cell::Case(case) = &route.success else {
        panic!("{}", route.route)
    };
    let id = case.id.as_ref().map(|_| "1".to_owned());
    let case = Case {
        id,
        ..Case::clone(case)
    };
    route.request(app, &case)
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_turned_away() {
    let (app, _ada) = app_with_admin().await;
    for route in Route::all() {
        let response = plain(&route, &app).send().await.unwrap();
        let status = response.status().as_u16();
        match route.unauthorised {
            Status::Is(expected) => {
                assert_eq!(status, expected, "{}", route.route);
                let body: Value = response.json().await.unwrap();
                assert_eq!(body, json!({ "error": "Unauthorized" }), "{}", route.route);
            }
            Status::Impossible(_) => assert!(status < 500 && status != 403, "{}", route.route),
        }
    }
}

#[tokio::test]
async fn what_a_page_of_another_site_makes_is_refused() {
    let (app, ada) = app_with_admin().await;
    for route in Route::all() {
        let Status::Is(expected) = route.forged else {
            continue;
        };
        for (header, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let request = plain(&route, &app)
                .header("cookie", &ada.cookie)
                .header(header, value);
            let told = format!("{} {header}: {value}", route.route);
            assert_eq!(request.send().await.unwrap().status(), expected, "{told}");
        }
        if route.method() == Method::POST {
            let status = without_marks(&route, &app, &ada).await;
            assert!(matches!(status, 403 | 415), "{}: {status}", route.route);
        }
    }
}

/// A form of an old browser, which does not say where it is from.
async fn without_marks(route: &Route, app: &App, ada: &Person) -> u16 {
    let request = app
        .request(Method::POST, &route.path("1"))
        .header("cookie", &ada.cookie)
        .header("content-type", "text/plain")
        .body("{}");
    request.send().await.unwrap().status().as_u16()
}
