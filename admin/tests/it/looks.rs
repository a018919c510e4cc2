//! Every page in a real browser, on a desk and on a phone, light and dark: no serious fault
//! of accessibility, nothing that a page is too narrow for, and a picture of each.
//!
//! The pictures are in `tmp/screenshots` of the folder of build output.

use std::path::Path;

use serde_json::json;
use sim::{Options, Sim};
use store::{
    Attempt, CallKind, CallRecord, EndpointDraft, InboundKeyDraft, Outcome, SettingsDraft, Store,
    ToolAliasDraft, ToolPatternDraft, VirtualModelDraft,
};
use wire::usage::Usage;

use crate::axe::Axe;
use crate::chrome::{Chrome, Script};
use crate::gateway::Gateway;
use crate::harness::App;
use crate::people::PASSWORD;
use crate::usage_page::now;

/// The picture's name, the path, and a button with what is to be seen behind it.
type Page = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
);

/// Every page.
const PAGES: [Page; 35] = [
    ("overview", "", None),
    ("endpoints", "/endpoints", None),
    (
        "endpoints-test",
        "/endpoints?q=openai",
        Some(("Test", ".notice")),
    ),
    ("endpoint-new", "/endpoints/new", None),
    (
        "endpoint-refused",
        "/endpoints/new?",
        Some(("Test connection", ":invalid")),
    ),
    ("endpoint", "/endpoints/1", None),
    ("endpoint-models", "/endpoints/1/models", None),
    ("endpoint-delete", "/endpoints/1/delete", None),
    ("models", "/models", None),
    ("model-new", "/models/new", None),
    (
        "model",
        "/models/1",
        Some(("Fetch models", "#fetched .good")),
    ),
    (
        "explain",
        "/models/explain?model=chat",
        Some(("Explain", "#explained strong")),
    ),
    (
        "try",
        "/models/try?model=chat",
        Some(("Send", "#answer .badge")),
    ),
    ("patterns", "/patterns", None),
    ("pattern", "/patterns/1", None),
    (
        "bench",
        "/patterns/test",
        Some(("Test", "#bench-result mark")),
    ),
    ("aliases", "/patterns/aliases", None),
    ("alias", "/patterns/aliases/new", None),
    ("patterns-import", "/patterns/import", None),
    ("usage", "/usage?range=30d", None),
    ("usage-day", "/usage", None),
    ("activity", "/activity", None),
    ("activity-none", "/activity?model=nothing", None),
    ("keys", "/keys", None),
    ("key", "/keys/1", None),
    ("key-new", "/keys/new", None),
    ("settings", "/settings", None),
    ("users", "/settings/users", None),
    ("exchange", "/settings/exchange", None),
    ("connect", "/connect?model=chat", None),
    ("audit", "/audit", None),
    ("undo", "/audit/1/undo", None),
    ("undo-change", "/audit/8/undo", None),
    ("account", "/account", None),
    ("missing", "/models/4711", None),
];

const CALL: &str = "I will look. <tool_call>{\"name\": \"bash\", \"arguments\": \
                    {\"command\": \"ls\"}}</tool_call>";

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_a_desk() {
    look("desk", 1280).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_a_phone() {
    look("phone", 390).await;
}

async fn look(name: &str, width: u32) {
    let axe = Axe::installed();
    let sim = Sim::start(Options::default()).await.unwrap();
    let (app, _gateway) = stage(&sim).await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("screenshots")
        .join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let chrome = Chrome::start(&app.base, Script::On).await;
    chrome.resize(width, 900).await;
    let mut faults = Vec::new();

    let mut said = app.said.iter().flat_map(|line| line.split(' '));
    let link = said.find(|word| word.contains("/set-up?token="));
    chrome.open(link.unwrap()).await;
    faults.extend(page(&chrome, &axe, &folder.join("set-up.png"), width).await);
    chrome.fill("user", "ada").await;
    chrome.fill("password", PASSWORD).await;
    chrome.fill("again", PASSWORD).await;
    chrome.send("Set up and log in").await;
    for theme in ["Light", "Dark"] {
        chrome.go("/proxy-dashboard").await;
        chrome.send(theme).await;
        for (name, path, button) in PAGES {
            chrome.go(&format!("/proxy-dashboard{path}")).await;
            if name == "bench" {
                chrome.fill("bench_text", CALL).await;
            }
            if let Some((button, seen)) = button {
                chrome.press(button).await;
                chrome.see(seen, "").await;
            }
            let file = folder.join(format!("{name}-{theme}.png"));
            faults.extend(page(&chrome, &axe, &file, width).await);
        }
        for (name, path, field) in CLASHES {
            chrome.go(&format!("/proxy-dashboard{path}")).await;
            meanwhile(&app, name, theme);
            let typed = if name == "endpoint" { "/7" } else { "7" };
            chrome.fill(field, typed).await;
            chrome.press("Save").await;
            chrome.see("#version", "is below").await;
            chrome
                .see(&format!("[id='{field}-now']"), "Stored now")
                .await;
            let file = folder.join(format!("{name}-clash-{theme}.png"));
            faults.extend(page(&chrome, &axe, &file, width).await);
        }
        chrome.go("/proxy-dashboard/keys/new").await;
        chrome.fill("label", theme).await;
        chrome.press("Make the key").await;
        chrome.see("#key", "spk_").await;
        let file = folder.join(format!("key-made-{theme}.png"));
        faults.extend(page(&chrome, &axe, &file, width).await);
    }
    chrome.send("Log out").await;
    faults.extend(page(&chrome, &axe, &folder.join("login.png"), width).await);
    chrome.quit().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Forms that somebody else is faster with: what they are of, where, and the field.
const CLASHES: [(&str, &str, &str); 6] = [
    ("endpoint", "/endpoints/2", "health_check_url"),
    ("model", "/models/3", "description"),
    ("pattern", "/patterns/1", "tool_name"),
    ("alias", "/patterns/aliases/1", "fill"),
    ("key", "/keys/2", "notes"),
    ("settings", "/settings", "usage_days"),
];

/// What somebody else does while a form is filled in.
fn meanwhile(app: &App, name: &str, word: &str) {
    let store = Store::open(&app.database()).unwrap();
    let text = format!("theirs, {word}, which is longer than a line of a phone has room for");
    let changed = match name {
        "endpoint" => {
            let body = json!({ "health_check_url": format!("/{word}"), "enabled": word == "Dark" });
            store.update_endpoint(2, &EndpointDraft::for_update(&body).unwrap())
        }
        "model" => {
            let body = json!({ "description": text, "cache_enabled": word == "Light" });
            store.update_virtual_model(3, &VirtualModelDraft::for_update(&body).unwrap())
        }
        "pattern" => {
            let body = json!({ "tool_name": word, "enabled": word == "Dark" });
            store.update_tool_pattern(1, &ToolPatternDraft::for_update(&body).unwrap())
        }
        "alias" => {
            let body = json!({ "fill": text });
            store.update_tool_alias(1, &ToolAliasDraft::for_update(&body).unwrap())
        }
        "key" => {
            let body = json!({ "notes": text, "allowed_models": ["chat"] });
            store.update_inbound_key(2, &InboundKeyDraft::for_update(&body).unwrap())
        }
        _ => {
            let body = json!({ "usage_days": word.len() + 30, "display_timezone": "Asia/Kolkata" });
            store.save_settings(&SettingsDraft::validate(&body).unwrap())
        }
    };
    changed.unwrap();
}

/// What is wrong with the page that is shown.
async fn page(chrome: &Chrome, axe: &Axe, file: &Path, width: u32) -> Vec<String> {
    chrome.picture(file, width).await;
    let mut faults = axe.faults(chrome).await;
    let over = chrome
        .run("return document.documentElement.scrollWidth - window.innerWidth")
        .await;
    if over.as_i64().unwrap() > 0 {
        faults.push(format!("{over} pixels wider than the window"));
    }
    let name = file.file_stem().unwrap().to_string_lossy();
    let at = |fault| format!("{name} at {width}: {fault}");
    faults.into_iter().map(at).collect()
}

/// Both programs over a store as it is after a month of use.
async fn stage(sim: &Sim) -> (App, Gateway) {
    let app = App::start();
    for (name, url, kind) in [
        ("openai", sim.base_url(), "openai"),
        ("workstation", "http://127.0.0.1:9".to_owned(), "ollama"),
        ("rack", "http://127.0.0.1:9/v1".to_owned(), "vllm"),
    ] {
        app.endpoint_with(json!({
            "name": name, "url": url, "endpoint_type": kind, "api_key": "sk-a-key-4711",
        }))
        .await;
    }
    for (name, endpoint, actual, price) in [
        ("chat", 1, "gpt-4o-mini", Some(0.15)),
        ("coder", 3, "Qwen/Qwen3-Coder-480B-A35B-Instruct", Some(0.4)),
        ("embed", 2, "nomic-embed-text:latest", None),
        (
            "a-name-as-long-as-a-team-comes-up-with-when-nobody-stops-it",
            1,
            "gpt-4o",
            Some(2.5),
        ),
    ] {
        let (status, body) = app
            .post("/virtual-models", &json!({
                "name": name, "endpoint_id": endpoint, "actual_model": actual,
                "cost_per_1m_tokens_in": price,
                "cost_per_1m_tokens_out": price.map(|price| price * 4.0),
                "cost_per_1m_tokens_in_cached": price.map(|price| price / 2.0),
                "description": "What the team's assistants call", "cache_enabled": endpoint == 1,
            }))
            .await;
        assert_eq!(status, 200, "{body}");
    }
    let routing = json!({ "routing": {
        "strategy": "backup", "targets": [{ "virtual_model_id": 1 }],
    }});
    assert_eq!(app.put("/virtual-models/2", &routing).await.0, 200);
    for label in ["laptop", "build server"] {
        let key = json!({ "label": label, "limit_requests_per_minute": 60 });
        assert_eq!(app.post("/api/admin/inbound-keys", &key).await.0, 200);
    }
    let store = Store::open(&app.database()).unwrap();
    let calls: Vec<_> = (0..400).map(call).collect();
    store.record_calls(&calls).unwrap();
    drop(store);
    let gateway = Gateway::start(app.folder());
    let more = [("AUTH_ENABLED", "true"), ("API_PORT", gateway.port())];
    (app.restart_with(&more), gateway)
}

/// The call of a number, of the last thirty days; the later ones are closer together.
fn call(number: i64) -> CallRecord {
    let (name, id, endpoint) = match number % 5 {
        0 | 2 => ("chat", 1, (1, "openai")),
        1 | 3 => ("coder", 2, (3, "rack")),
        _ => ("embed", 3, (2, "workstation")),
    };
    let model = [
        "gpt-4o-mini",
        "Qwen/Qwen3-Coder-480B-A35B-Instruct",
        "nomic-embed-text:latest",
    ];
    let spread = u64::try_from(number * 7919 % 1000).unwrap();
    let usage = Usage {
        prompt_tokens: 2000 + spread * 9,
        completion_tokens: 100 + spread,
        total_tokens: 2100 + spread * 10,
        cached_tokens: 900 + spread,
        ..Usage::default()
    };
    let (status, outcome, code) = match number % 41 {
        7 => (502, Outcome::UpstreamError, Some("upstream_unreachable")),
        19 => (429, Outcome::Refused, Some("rate_limit_exceeded")),
        _ => (200, Outcome::Success, None),
    };
    let ago = (400 - number).pow(2) * 2_592_000 / 160_000 + 60;
    CallRecord {
        virtual_model: name.to_owned(),
        virtual_model_id: Some(id),
        endpoint_id: Some(endpoint.0),
        endpoint_name: Some(endpoint.1.to_owned()),
        key_id: Some(1),
        key_label: Some("laptop".to_owned()),
        usage,
        status,
        outcome,
        stream: number % 5 != 4,
        latency_ms: 700 + spread * 6,
        ttft_ms: Some(120 + spread / 2),
        route: Some("/v1/chat/completions".to_owned()),
        address: Some("10.0.0.7".to_owned()),
        client: Some(
            ["Codex", "Claude Code", "OpenAI Python"][usize::from(number % 3 == 0)].to_owned(),
        ),
        attempts: vec![Attempt {
            endpoint: endpoint.1.to_owned(),
            endpoint_id: Some(endpoint.0),
            virtual_model: name.to_owned(),
            virtual_model_id: Some(id),
            model: model[usize::try_from(id).unwrap() - 1].to_owned(),
            status,
            code: code.map(str::to_owned),
            ms: 690 + spread * 6,
            usage: Some(usage),
            ..Attempt::default()
        }],
        ..CallRecord::begun(CallKind::Chat, format!("req-{number:05}"), now() - ago)
    }
}
