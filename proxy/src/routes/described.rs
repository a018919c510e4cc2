//! docs/openapi/gateway.json has every route and no other.

use http::Method;
use wire::dialect::ollama::OllamaCall;
use wire::inbound::CallerDialect;

use super::{Kept, Lifecycle, Local, Route};

/// Where a route is, with the method that asks for it. A new route does not compile
/// until it has said so.
fn described_at(route: &Route) -> Option<(&'static str, String)> {
    let v1 = |name: &str| format!("/v1{name}");
    Some(match route {
        Route::Call(dialect) => (
            "post",
            match dialect {
                CallerDialect::OpenAiChat => v1("/chat/completions"),
                CallerDialect::OpenAiCompletions => v1("/completions"),
                CallerDialect::OpenAiEmbeddings => v1("/embeddings"),
                CallerDialect::OpenAiResponses => v1("/responses"),
                CallerDialect::AnthropicMessages => v1("/messages"),
                CallerDialect::OpenAiPassed(passed) => v1(passed.path()),
                CallerDialect::Ollama(called) => format!(
                    "/api{}",
                    match called {
                        OllamaCall::Chat => "/chat",
                        OllamaCall::Generate => "/generate",
                        OllamaCall::Embed => "/embed",
                        OllamaCall::Embeddings => "/embeddings",
                    }
                ),
            },
        ),
        Route::CountTokens => ("post", v1("/messages/count_tokens")),
        Route::ModelList => ("get", v1("/models")),
        Route::Model(_) => ("get", v1("/models/{model}")),
        Route::Kept(Kept::Response(_)) => ("get", v1("/responses/{id}")),
        Route::Kept(Kept::Input(_)) => ("get", v1("/responses/{id}/input_items")),
        Route::Kept(Kept::Cancel(_)) => ("post", v1("/responses/{id}/cancel")),
        Route::Lifecycle(Lifecycle::Blob { asks, .. }) => {
            let method = if *asks { "head" } else { "post" };
            (method, "/api/blobs/{digest}".to_owned())
        }
        Route::Lifecycle(done) => {
            let (method, path) = done.place().unwrap_or_default();
            let method = if method == "DELETE" { "delete" } else { "post" };
            (method, format!("/api{path}"))
        }
        Route::CountInput => ("post", v1("/responses/input_tokens")),
        Route::Ollama(Local::Running) => ("get", "/".to_owned()),
        Route::Ollama(Local::Version) => ("get", "/api/version".to_owned()),
        Route::Ollama(Local::Tags) => ("get", "/api/tags".to_owned()),
        Route::Ollama(Local::Loaded) => ("get", "/api/ps".to_owned()),
        Route::Ollama(Local::Show) => ("post", "/api/show".to_owned()),
        Route::Health => ("get", "/health".to_owned()),
        Route::Probe => ("head", "/v1".to_owned()),
        Route::Preflight | Route::WrongMethod(_) | Route::Unknown => return None,
    })
}

/// Each operation of docs/openapi/gateway.json, and each other name of one, leads to the
/// route that it describes; and no route is without one.
#[test]
fn the_document_has_every_route_and_no_other() {
    let text = include_str!("../../../docs/openapi/gateway.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let mut described = std::collections::BTreeSet::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        for method in ["get", "head", "post", "put", "patch", "delete"] {
            if item.get(method).is_none() {
                continue;
            }
            described.insert((method, path.clone()));
            let aliases = item["x-aliases"].as_array().into_iter().flatten();
            let aliases = aliases.filter_map(serde_json::Value::as_str);
            for name in std::iter::once(path.as_str()).chain(aliases) {
                let real = name
                    .replace("{model}", "m")
                    .replace("{id}", "resp_1")
                    .replace("{digest}", "sha256:0");
                let upper = method.to_uppercase();
                let found = Method::from_bytes(upper.as_bytes())
                    .map_or(Route::Unknown, |method| Route::find(&method, &real));
                let expected = described_at(&found).map(|(own, at)| {
                    // An answer that is kept is told and forgotten at one place.
                    let kept = matches!(found, Route::Kept(Kept::Response(_)));
                    (if kept { method } else { own }, at)
                });
                assert_eq!(expected, Some((method, path.clone())), "{method} {name}");
            }
        }
    }
    let passed = wire::provider::Passed::ALL.map(CallerDialect::OpenAiPassed);
    let calls = [
        CallerDialect::OpenAiChat,
        CallerDialect::OpenAiCompletions,
        CallerDialect::OpenAiEmbeddings,
        CallerDialect::OpenAiResponses,
        CallerDialect::AnthropicMessages,
    ]
    .into_iter()
    .chain(passed)
    .chain(OllamaCall::ALL.map(CallerDialect::Ollama))
    .map(Route::Call);
    let others = [
        Route::CountTokens,
        Route::ModelList,
        Route::Model(String::new()),
        Route::Kept(Kept::Response(String::new())),
        Route::Kept(Kept::Input(String::new())),
        Route::Kept(Kept::Cancel(String::new())),
        Route::Lifecycle(Lifecycle::Pull),
        Route::Lifecycle(Lifecycle::Push),
        Route::Lifecycle(Lifecycle::Create),
        Route::Lifecycle(Lifecycle::Copy),
        Route::Lifecycle(Lifecycle::Delete),
        Route::Lifecycle(Lifecycle::Blob {
            digest: String::new(),
            asks: false,
        }),
        Route::Lifecycle(Lifecycle::Blob {
            digest: String::new(),
            asks: true,
        }),
        Route::CountInput,
        Route::Ollama(Local::Running),
        Route::Ollama(Local::Version),
        Route::Ollama(Local::Tags),
        Route::Ollama(Local::Loaded),
        Route::Ollama(Local::Show),
        Route::Health,
        Route::Probe,
    ];
    for route in calls.chain(others) {
        let at = described_at(&route);
        assert!(at.is_some_and(|at| described.contains(&at)), "{route:?}");
    }
}
