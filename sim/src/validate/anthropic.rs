//! Reading a request as Anthropic does, with its own words for what is wrong.
//!
//! Fields that need a beta header are taken without one: which versions ask for which
//! header changes too often to be worth stating twice.

mod blocks;
mod conversation;
mod object;
mod rules;
mod tools;

use serde_json::{Map, Value};

use super::{Call, Choice, Facts, plain_model, tokens};
use crate::signature::Signer;
use crate::vendor::refusal::Refusal;
use blocks::Counted;
use object::{Object, refuse};
use rules::Rules;

/// Fields of a request for tokens to be counted; a message has these and [`GENERATION`].
const COUNTING: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
];
const GENERATION: &[&str] = &[
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
    "container",
    "inference_geo",
    "context_management",
    "mcp_servers",
    "fallbacks",
    "speed",
];
const CACHE_POINTS: usize = 4;
const LEAST_BUDGET: i64 = 1024;

/// Whether and how the model thinks aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinking {
    Off,
    Adaptive,
    Enabled,
}

pub(super) fn facts(call: Call, map: &Map<String, Value>, signer: u64) -> Result<Facts, Refusal> {
    let root = Object::root(map);
    let counting = call == Call::CountTokens;
    let known = if counting {
        COUNTING.to_vec()
    } else {
        [COUNTING, GENERATION].concat()
    };
    root.only(&known)?;
    let mut facts = Facts {
        model: plain_model(root.required_string("model")?),
        n: 1,
        inputs: 1,
        ..Facts::default()
    };
    let model = facts.model.clone();
    let rules = Rules::of(&model);
    facts.signer = Signer::of(signer, &model);
    let mut counted = Counted {
        signer: facts.signer,
        ..Counted::default()
    };
    if !counting {
        generation(&root, &mut facts)?;
    }
    if let Some(system) = root.get("system") {
        blocks::system(system, &mut counted)?;
    }
    tools::check(&root, &mut facts, &mut counted)?;
    let thinking = thinking(&root, &mut facts, rules)?;
    let on = thinking == Thinking::Enabled;
    sampling(&root, rules, on)?;
    output_config(&root, rules)?;
    if on && matches!(facts.choice, Choice::Required | Choice::Named(_)) {
        let words = "Thinking may not be enabled when tool_choice forces tool use.";
        return Err(Refusal::new(400, words));
    }
    let seen = conversation::check(&root, rules, on, &mut counted)?;
    if seen.tools && root.list("tools")?.is_none_or(<[Value]>::is_empty) {
        let words = "Requests which include `tool_use` or `tool_result` blocks must define tools.";
        return Err(Refusal::new(400, words));
    }
    blocks::cache_point(&root, &mut counted)?;
    if counted.cache_points > CACHE_POINTS {
        let words = format!(
            "A maximum of {CACHE_POINTS} blocks with cache_control may be provided. Found {}.",
            counted.cache_points
        );
        return Err(Refusal::new(400, words));
    }
    facts.turn = root.list("messages")?.unwrap_or_default().len();
    facts.user_text = seen.user_text;
    facts.prompt_tokens = tokens(counted.text_bytes);
    Ok(facts)
}

fn generation(root: &Object<'_>, facts: &mut Facts) -> Result<(), Refusal> {
    root.required("max_tokens")?;
    let limit = root.integer("max_tokens", 0)?;
    facts.max_tokens = limit.and_then(|limit| u64::try_from(limit).ok());
    facts.stream = root.boolean("stream")?.unwrap_or(false);
    if facts.stream && facts.max_tokens == Some(0) {
        return Err(root.refuse("max_tokens", "must be at least 1 when streaming"));
    }
    for (index, stop) in root
        .list("stop_sequences")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let Some(stop) = stop.as_str() else {
            let path = format!("stop_sequences.{index}");
            return Err(refuse(&path, "Input should be a valid string"));
        };
        if stop.trim().is_empty() {
            let words = "each stop sequence must contain non-whitespace";
            return Err(refuse("stop_sequences", words));
        }
        facts.stops.push(stop.to_owned());
    }
    if let Some(metadata) = root.object("metadata")? {
        metadata.only(&["user_id"])?;
        metadata.string("user_id")?;
    }
    root.one_of("service_tier", &["auto", "standard_only"])?;
    Ok(())
}

fn thinking(root: &Object<'_>, facts: &mut Facts, rules: Rules<'_>) -> Result<Thinking, Refusal> {
    let Some(thinking) = root.object("thinking")? else {
        return Ok(Thinking::Off);
    };
    let kind = thinking.required_string("type")?;
    let known = ["adaptive", "disabled", "enabled"];
    if !known.contains(&kind) {
        return Err(object::unknown_tag("thinking", kind, &known));
    }
    let thinking = thinking.chosen(kind);
    let unsupported = |kind: &str| {
        let words = format!("\"thinking.type.{kind}\" is not supported for this model.");
        Refusal::new(400, words)
    };
    match kind {
        "enabled" => {
            thinking.only(&["type", "budget_tokens", "display"])?;
            thinking.required("budget_tokens")?;
            let budget = thinking.integer("budget_tokens", LEAST_BUDGET)?;
            if rules.no_sampling() || rules.default_sampling() {
                return Err(unsupported(kind));
            }
            let budget = budget.and_then(|budget| u64::try_from(budget).ok());
            if facts.max_tokens.is_some() && budget >= facts.max_tokens {
                let words = "`max_tokens` must be greater than `thinking.budget_tokens`.";
                return Err(Refusal::new(400, words));
            }
            facts.thinks = true;
        }
        "adaptive" => thinking.only(&["type", "display"])?,
        _ => {
            thinking.only(&["type"])?;
            if rules.always_thinks() {
                return Err(unsupported(kind));
            }
        }
    }
    let display = thinking.one_of("display", &["summarized", "omitted"])?;
    facts.hidden_thoughts = display == Some("omitted");
    Ok(match kind {
        "enabled" => Thinking::Enabled,
        "adaptive" => Thinking::Adaptive,
        _ => Thinking::Off,
    })
}

fn sampling(root: &Object<'_>, rules: Rules<'_>, thinking: bool) -> Result<(), Refusal> {
    let temperature = root.share("temperature")?;
    let top_p = root.share("top_p")?;
    let top_k = root.integer("top_k", 0)?;
    let refuse = |words: String| Err(Refusal::new(400, words));
    let first = [
        temperature.map(|value| ("temperature", value == 1.0)),
        top_p.map(|value| ("top_p", value == 1.0)),
        top_k.map(|_| ("top_k", false)),
    ]
    .into_iter()
    .flatten()
    .find(|(_, default)| rules.no_sampling() || (rules.default_sampling() && !default));
    if let Some((name, _)) = first {
        return refuse(format!("`{name}` is deprecated for this model."));
    }
    if temperature.is_some() && top_p.is_some() && rules.one_sampling() {
        let words = "`temperature` and `top_p` cannot both be specified for this model. Please \
                     use only one.";
        return refuse(words.to_owned());
    }
    if !thinking {
        return Ok(());
    }
    if temperature.is_some_and(|value| value != 1.0) {
        return refuse("`temperature` may only be set to 1 when thinking is enabled.".to_owned());
    }
    if top_k.is_some() {
        return refuse("`top_k` must be unset when thinking is enabled.".to_owned());
    }
    if top_p.is_some_and(|value| value < 0.95) {
        let words = "`top_p` must be greater than or equal to 0.95 or unset when thinking is \
                     enabled.";
        return refuse(words.to_owned());
    }
    Ok(())
}

fn output_config(root: &Object<'_>, rules: Rules<'_>) -> Result<(), Refusal> {
    let Some(config) = root.object("output_config")? else {
        return Ok(());
    };
    config.only(&["effort", "format", "task_budget"])?;
    let effort = config.one_of("effort", &["low", "medium", "high", "xhigh", "max"])?;
    if effort.is_some() && rules.no_effort() {
        let words = "This model does not support the effort parameter.";
        return Err(Refusal::new(400, words));
    }
    let Some(format) = config.object("format")? else {
        return Ok(());
    };
    if rules.no_format() {
        let words = "This model does not support output_config.format.";
        return Err(Refusal::new(400, words));
    }
    format.only(&["type", "schema"])?;
    format.required("type")?;
    format.one_of("type", &["json_schema"])?;
    format.required("schema")?;
    format.object("schema").map(|_| ())
}
