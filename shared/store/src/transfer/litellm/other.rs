//! What the file says of everything but models: cached answers, and what nothing here is like.

use serde_json::{Map, Value, json};

use crate::transfer::fields::Fields;
use crate::transfer::{Fate, Findings};

/// What to do about settings that do not come over, by the end of their name.
const ADVICE: &[(&str, &str)] = &[
    (
        "callback",
        "calls are in the activity and usage pages of the admin app and in the store",
    ),
    (
        "callbacks",
        "calls are in the activity and usage pages of the admin app and in the store",
    ),
    (
        "database_url",
        "LiteLLM keeps virtual keys, teams and spending in that database, which is not read: make \
         keys for the callers in the admin app",
    ),
    (
        "drop_params",
        "not needed: fields that a backend cannot be told are left out or refused by name",
    ),
    (
        "modify_params",
        "not needed: conversations are mended where a backend would refuse them",
    ),
    ("set_verbose", "set RUST_LOG=debug in the environment"),
    ("json_logs", "set LOG_FORMAT=json in the environment"),
    ("request_timeout", "set TIMEOUT in the environment"),
    (
        "timeout",
        "set TIMEOUT and FIRST_BYTE_TIMEOUT in the environment",
    ),
    (
        "stream_timeout",
        "set FIRST_BYTE_TIMEOUT in the environment",
    ),
    (
        "num_retries",
        "not needed: each candidate is tried once and then the next one",
    ),
    (
        "max_retries",
        "not needed: each candidate is tried once and then the next one",
    ),
    (
        "retry_policy",
        "not needed: each candidate is tried once and then the next one",
    ),
    (
        "retry_after",
        "RETRY_AFTER_LIMIT in the environment is the longest wait for a backend that asks for one",
    ),
    (
        "max_fallbacks",
        "max_attempts at a virtual model limits how many candidates are tried",
    ),
    (
        "context_window_fallbacks",
        "name a model with a larger context in the routing of the virtual model",
    ),
    (
        "content_policy_fallbacks",
        "an answer that was refused is passed on",
    ),
    (
        "disable_cooldowns",
        "set circuit_failure_threshold high in the settings",
    ),
    (
        "redis_host",
        "not needed: what the gateway has to remember is in its memory and its store",
    ),
    (
        "redis_port",
        "not needed: what the gateway has to remember is in its memory and its store",
    ),
    (
        "redis_password",
        "not needed: what the gateway has to remember is in its memory and its store",
    ),
    (
        "redis_url",
        "not needed: what the gateway has to remember is in its memory and its store",
    ),
    (
        "salt_key",
        "not needed: secrets are encrypted with the key file beside the store, or SECRET_KEY",
    ),
    (
        "background_health_checks",
        "give endpoints a health_check_url",
    ),
    (
        "health_check_interval",
        "set health_check_interval in the settings, and give endpoints a health_check_url",
    ),
    (
        "global_max_parallel_requests",
        "set a limit at keys, virtual models or endpoints",
    ),
    (
        "max_parallel_requests",
        "set a limit at keys, virtual models or endpoints",
    ),
    (
        "max_budget",
        "set a limit of money at keys, virtual models or endpoints",
    ),
    ("budget_duration", "set a limit of money a day or a month"),
    ("include", "put the files together into one and import that"),
    (
        "guardrails",
        "keep LiteLLM in front for these, or behind as an endpoint of type openai",
    ),
    ("mcp_servers", "tools are the caller's own here"),
];

/// What `cache` and `cache_params` say of every virtual model.
pub(super) fn caching(library: &mut Fields, findings: &mut Findings) -> Map<String, Value> {
    const WHAT: &str = "litellm_settings.cache";
    let is_on = library.flag("cache") == Some(true);
    let mut params = library.object("cache_params");
    let mut caching = Map::new();
    if !is_on {
        return caching;
    }
    if params.text("mode").as_deref() == Some("default_off") {
        findings.tell(
            Fate::LeftOut,
            WHAT,
            "it is off unless a request asks for it, and here no request can",
            "switch cache_enabled on at the virtual models that should have it",
        );
        return caching;
    }
    caching.insert("cache_enabled".to_owned(), json!(true));
    let ttl = params.count("ttl").map(|seconds| seconds.min(2_592_000));
    if let Some(seconds) = ttl {
        caching.insert("cache_ttl_seconds".to_owned(), json!(seconds));
    }
    let kind = params.text("type").unwrap_or_else(|| "local".to_owned());
    findings.tell(
        Fate::Changed,
        WHAT,
        format!(
            "whole answers are kept in the gateway's memory ({kind} there) and given again only to \
             the same caller's key, on every virtual model that came over"
        ),
        "look through docs/cache.md: requests with a temperature above 0 get the same answer again",
    );
    let rest: Vec<_> = params
        .left()
        .into_iter()
        .filter(|name| *name != "type")
        .collect();
    if !rest.is_empty() {
        let rest: Vec<_> = rest
            .iter()
            .map(|name| format!("cache_params.{name}"))
            .collect();
        findings.tell(
            Fate::LeftOut,
            "litellm_settings",
            format!("there is nothing here for {}", rest.join(", ")),
            "",
        );
    }
    caching
}

/// Names what nobody took of a section: one by one where there is something to do, the rest
/// together.
pub(super) fn leftover(section: &str, fields: &Fields, findings: &mut Findings) {
    let path = |name: &str| {
        if section.is_empty() {
            name.to_owned()
        } else {
            format!("{section}.{name}")
        }
    };
    let mut without_advice = Vec::new();
    for name in fields.left() {
        let exact = ADVICE.iter().find(|(known, _)| *known == name);
        let advice = exact.or_else(|| {
            ADVICE.iter().find(|(known, _)| {
                name.strip_suffix(known)
                    .is_some_and(|rest| rest.ends_with('_'))
            })
        });
        match advice {
            Some((_, todo)) => {
                findings.tell(
                    Fate::LeftOut,
                    path(name),
                    "there is nothing here for it",
                    *todo,
                );
            }
            None => without_advice.push(path(name)),
        }
    }
    if !without_advice.is_empty() {
        findings.tell(
            Fate::LeftOut,
            without_advice.join(", "),
            "there is nothing here for it",
            "",
        );
    }
}
