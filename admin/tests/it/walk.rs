//! One person's way through the admin app in a real browser, from the set-up link to the
//! logout, with the real gateway and a simulated provider; with scripts and without.

use std::time::{Duration, Instant};

use reqwest::header;
use serde_json::{Value, json};
use sim::{Options, Sim};

use crate::chrome::{Chrome, Script};
use crate::gateway::Gateway;
use crate::harness::{App, client};
use crate::people::PASSWORD;

const KEY: &str = "sk-upstream-key-4711";
const LIGHT: &str = "rgba(247, 248, 250, 1)";
const DARK: &str = "rgba(16, 19, 24, 1)";
const CALL: &str = r#"<tool_call>{"name": "bash", "arguments": {"command": "ls"}}</tool_call>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_in_a_browser_with_scripts() {
    walk(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_in_a_browser_without_scripts() {
    walk(Script::Off).await;
}

async fn walk(script: Script) {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    let gateway = Gateway::start(app.folder());
    let sim = Sim::start(Options {
        key: Some(KEY.to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let chrome = Chrome::start(&app.base, script).await;
    set_up(&chrome, &app).await;
    themes(&chrome).await;
    endpoint(&chrome, sim.base_url().as_str()).await;
    model(&chrome).await;
    let cost = call(&gateway).await;
    seen(&chrome, &cost).await;
    pattern(&chrome).await;
    key(&chrome).await;
    export(&chrome, &app).await;
    undo(&chrome).await;
    log_out(&chrome).await;
    chrome.has_no_complaints().await;
    chrome.quit().await;
}

async fn set_up(chrome: &Chrome, app: &App) {
    let line = app.said.iter().find(|line| line.contains("/set-up?token="));
    let link = line.unwrap().split(' ').find(|word| word.contains("://"));
    chrome.open(link.unwrap()).await;
    chrome.fill("user", "ada").await;
    chrome.fill("password", PASSWORD).await;
    chrome.fill("again", PASSWORD).await;
    chrome.send("Set up and log in").await;
    chrome.see("h1", "Overview").await;
    chrome.see("#first-steps", "No endpoint yet").await;
}

/// The page is light where the system is, and stays as it is chosen on every page.
async fn themes(chrome: &Chrome) {
    assert_eq!(chrome.style("body", "background-color").await, LIGHT);
    chrome.send("Dark").await;
    chrome.see("h1", "Overview").await;
    assert_eq!(chrome.style("body", "background-color").await, DARK);
    chrome.go("/proxy-dashboard/keys").await;
    assert_eq!(chrome.style("body", "background-color").await, DARK);
}

async fn endpoint(chrome: &Chrome, url: &str) {
    chrome.go("/proxy-dashboard").await;
    chrome.follow("#first-steps", "Add an endpoint").await;
    chrome.fill("name", "home").await;
    chrome.choose("endpoint_type", "openai").await;
    chrome.fill("url", url).await;
    chrome.fill("api_key", "sk-wrong").await;
    chrome.press("Test connection").await;
    chrome.see("#test-result", "The key is refused").await;
    chrome.fill("api_key", KEY).await;
    chrome.press("Test connection").await;
    chrome.see("#test-result", "It answers").await;
    assert_eq!(chrome.value("name").await, "home");
    // A page that came anew has forgotten the key, as secrets are never sent back.
    chrome.fill("api_key", KEY).await;
    chrome.send("Add the endpoint").await;
    chrome.see("#endpoint-1", "home").await;
    chrome.press("Test").await;
    chrome.see("#test-1", "The key is accepted").await;
}

async fn model(chrome: &Chrome) {
    chrome.go("/proxy-dashboard/models").await;
    chrome.follow("main", "Add the first one").await;
    chrome.fill("name", "small").await;
    chrome.choose("endpoint_id", "1").await;
    chrome.press("Fetch models").await;
    chrome.see("#fetched", "Found").await;
    let offered = "#known-models option[value='gpt-4o-mini']";
    assert_eq!(chrome.count(offered).await, 1);
    chrome.fill("actual_model", "gpt-4o-mini").await;
    chrome.fill("cost_per_1m_tokens_in", "2000").await;
    chrome.fill("cost_per_1m_tokens_out", "5000").await;
    chrome.fill("cost_per_1m_tokens_in_cached", "2000").await;
    chrome.send("Add the virtual model").await;
    chrome.see("#model-1", "gpt-4o-mini").await;
}

/// Calls the gateway as a client does, and gives what that cost by the tokens of the answer.
async fn call(gateway: &Gateway) -> String {
    let body = json!({
        "model": "small", "messages": [{ "role": "user", "content": "Say hello." }],
    });
    // The gateway follows the store by itself.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let list = client().get(format!("{}/v1/models", gateway.base));
        if list
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("\"small\"")
        {
            break;
        }
        assert!(Instant::now() < deadline, "the gateway never has the model");
    }
    let address = format!("{}/v1/chat/completions", gateway.base);
    let response = client().post(address).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await.unwrap();
    let tokens = |kind: &str| answer["usage"][kind].as_u64().unwrap();
    // Thousandths of a dollar.
    let cost = tokens("prompt_tokens") * 2 + tokens("completion_tokens") * 5;
    assert!((10..1000).contains(&cost), "shown otherwise: {cost}");
    format!("$0.{cost:03}0")
}

async fn seen(chrome: &Chrome, cost: &str) {
    let list = "/proxy-dashboard/activity";
    let row = chrome.see_at(list, "#calls tbody tr", "small").await;
    assert!(
        row.contains(cost) && row.contains("success"),
        "{cost}: {row}"
    );
    chrome.follow("#calls tbody tr", "20").await;
    chrome.see("#attempts ~ .scroll", "gpt-4o-mini").await;
    chrome.see_at("/proxy-dashboard/usage", "#cost", cost).await;
    assert_eq!(chrome.see("#calls", "").await, "1");
    chrome.see("#by-model ~ .scroll", cost).await;
}

async fn pattern(chrome: &Chrome) {
    chrome
        .go("/proxy-dashboard/patterns?q=tool_call&sort=name")
        .await;
    chrome.follow("tbody tr", "Edit and test").await;
    chrome.fill("bench_text", CALL).await;
    chrome.press("Test").await;
    chrome.see("#bench-result h3", "1 call").await;
    chrome.see("#bench-result mark.call", "tool_call").await;
    chrome.see("#bench-result", "The same, however small").await;
    chrome.fill("priority", "77").await;
    chrome.send("Save").await;
    chrome.see(".notice", "Saved").await;
    chrome.go("/proxy-dashboard/patterns?source=changed").await;
    chrome.see("tbody tr td.num", "77").await;
}

async fn key(chrome: &Chrome) {
    chrome.go("/proxy-dashboard/keys").await;
    chrome.follow("main", "Make the first one").await;
    chrome.fill("label", "laptop").await;
    chrome.send("Make the key").await;
    let key = chrome.see("#key", "spk_").await;
    chrome.follow("main", "I have it").await;
    chrome.see("#key-1", "laptop").await;
    for page in ["keys", "keys/1", "audit"] {
        chrome.go(&format!("/proxy-dashboard/{page}")).await;
        assert!(!chrome.source().await.contains(&key), "{page}");
    }
}

async fn export(chrome: &Chrome, app: &App) {
    chrome.go("/proxy-dashboard/usage").await;
    let link = chrome.attribute("a[download]", "href").await;
    let session = format!("sp_session={}", chrome.cookie("sp_session").await);
    let request = app.request(reqwest::Method::GET, &link);
    let response = request
        .header(header::COOKIE, session)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert!(kind.starts_with("text/csv"), "{kind}");
    let table = response.text().await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "a head and the call: {table}");
    assert!(lines[1].contains("small"), "{table}");
}

async fn undo(chrome: &Chrome) {
    chrome.go("/proxy-dashboard/audit?kind=tool_pattern").await;
    chrome.see("tbody tr", "priority").await;
    chrome.follow("tbody tr", "Undo").await;
    chrome.see("h1", "Undo").await;
    chrome.send("Undo").await;
    chrome.see("main", "undone by").await;
    chrome.go("/proxy-dashboard/patterns?source=changed").await;
    chrome.see("main", "No pattern is like that").await;
}

async fn log_out(chrome: &Chrome) {
    chrome.send("Log out").await;
    chrome.see("h1", "Log in").await;
    assert_eq!(chrome.style("body", "background-color").await, DARK);
    chrome.go("/proxy-dashboard/keys").await;
    assert!(chrome.path().await.starts_with("/login?return="));
    chrome.see("h1", "Log in").await;
}
