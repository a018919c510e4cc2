//! One entry of `model_list`: a model at an endpoint, with its defaults, prices and limits.

use serde_json::{Map, Value, json};
use wire::provider::{BaseUrl, ProviderKind};

use super::price::per_million;
use super::provider::{Known, Owner, owner};
use super::{Looked, Reading};
use crate::endpoint::SECONDS;
use crate::transfer::Fate;
use crate::transfer::fields::{Fields, text_of};

/// Prices there and here.
const PRICES: [(&str, &str); 5] = [
    ("input_cost_per_token", "cost_per_1m_tokens_in"),
    ("output_cost_per_token", "cost_per_1m_tokens_out"),
    (
        "cache_read_input_token_cost",
        "cost_per_1m_tokens_in_cached",
    ),
    (
        "cache_creation_input_token_cost",
        "cost_per_1m_tokens_cache_write",
    ),
    (
        "cache_creation_input_token_cost_above_1hr",
        "cost_per_1m_tokens_cache_write_1h",
    ),
];

/// Limits there and here.
const LIMITS: [(&str, &str); 3] = [
    ("rpm", "limit_requests_per_minute"),
    ("tpm", "limit_tokens_per_minute"),
    ("max_parallel_requests", "limit_parallel"),
];

/// Times there, and those of endpoints here.
const TIMES: [(&str, &str); 2] = [
    ("timeout", "timeout_seconds"),
    ("stream_timeout", "first_byte_timeout_seconds"),
];

/// Fields of `model_info` that only describe the model or its row there.
const DESCRIPTIONS: [&str; 12] = [
    "id",
    "mode",
    "base_model",
    "version",
    "db_model",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "max_input_tokens",
    "max_output_tokens",
    "litellm_provider",
];

/// An entry that can come over.
pub(super) struct Deployment {
    /// The name that callers use.
    pub(super) group: String,
    /// The virtual model but for its name, its limits and its routing.
    pub(super) body: Map<String, Value>,
    /// What it is said to be able to take.
    pub(super) limits: Map<String, Value>,
    /// Its share among entries of one name: by `weight`, `rpm` and `tpm`.
    pub(super) shares: [Option<u64>; 3],
    /// Dollars per million tokens, in and out together, for choosing the cheapest.
    pub(super) cost: Option<f64>,
}

impl Deployment {
    /// Reads entry number `place`; `None` when it cannot come over, which is then told.
    pub(super) fn read(reading: &mut Reading<'_>, entry: Value, place: usize) -> Option<Self> {
        let mut entry = Fields::of(entry);
        let group = entry.text("model_name");
        let mut params = entry.object("litellm_params");
        let mut info = entry.object("model_info");
        let (Some(group), Some(model)) = (group, params.text("model")) else {
            reading.tell(
                Fate::LeftOut,
                format!("model_list, number {place}"),
                "it has no model_name or no litellm_params.model",
                "",
            );
            return None;
        };
        let what = format!("model {group:?} (model_list, number {place})");
        if let Some(name) = params.text("litellm_credential_name") {
            match reading.credentials.get(&name) {
                Some(values) => {
                    for (field, value) in values {
                        params.fill(field, value);
                    }
                }
                None => reading.tell(
                    Fate::LeftOut,
                    what.clone(),
                    format!("its credential {name:?} is not in credential_list"),
                    "enter its key at the endpoint",
                ),
            }
        }
        let typed_base = params.text("api_base").or(params.text("base_url"));
        let named = params.text("custom_llm_provider");
        let model = match reading.look_up(model) {
            Looked::Up(model) => model,
            Looked::Unset(name) => {
                reading.tell(
                    Fate::LeftOut,
                    what,
                    format!("its model is in the variable {name}, which is not set here"),
                    format!("set {name} and import again"),
                );
                return None;
            }
        };
        let (known, actual) = match owner(&model, named.as_deref(), typed_base.is_some()) {
            Owner::Known(known, actual) => (known, actual),
            Owner::Foreign(name, todo) => {
                reading.tell(
                    Fate::LeftOut,
                    what,
                    format!("no type of endpoint here speaks the API of {name}"),
                    todo,
                );
                return None;
            }
        };
        let base = base_of(reading, &what, known, typed_base)?;
        let key = key_of(reading, &what, known, params.text("api_key"));
        let times = times(reading, &what, &mut params);
        let endpoint = reading.endpoints.name(known, &base, key, times);
        if group.contains('*') || actual.contains('*') {
            reading.tell(
                Fate::LeftOut,
                what,
                format!(
                    "it stands for any model; here each is named (its endpoint {endpoint:?} came \
                     over)"
                ),
                "add the models that are in use on the page of the endpoint, which lists what it has",
            );
            return None;
        }
        let mut body = Map::new();
        body.insert("endpoint_name".to_owned(), json!(endpoint));
        body.insert("actual_model".to_owned(), json!(actual));
        body.extend(reading.caching.clone());
        defaults(reading, &what, &mut params, &mut body);
        let cost = prices(reading, &what, &mut params, &mut info, &mut body);
        let share = |params: &mut Fields, info: &mut Fields, name: &str| {
            params.count(name).or_else(|| info.count(name))
        };
        let weight = share(&mut params, &mut info, "weight");
        let mut limits = Map::new();
        let mut rates = [None; 3];
        for (number, (theirs, ours)) in LIMITS.iter().enumerate() {
            let count = share(&mut params, &mut info, theirs);
            if let (Some(count), Some(rate)) = (count, rates.get_mut(number)) {
                limits.insert((*ours).to_owned(), json!(count.min(1_000_000_000)));
                *rate = Some(count);
            }
        }
        let [rpm, tpm, _] = rates;
        tell_rest(reading, &what, &params, &info, &entry);
        Some(Self {
            group,
            body,
            limits,
            shares: [weight, rpm, tpm],
            cost,
        })
    }
}

/// The address of the entry's endpoint.
fn base_of(
    reading: &mut Reading<'_>,
    what: &str,
    known: &Known,
    typed: Option<String>,
) -> Option<String> {
    let base = match typed.map(|typed| reading.look_up(typed)) {
        Some(Looked::Up(base)) => Some(base),
        Some(Looked::Unset(name)) => {
            reading.tell(
                Fate::LeftOut,
                what,
                format!("its address is in the variable {name}, which is not set here"),
                format!("set {name} and import again"),
            );
            return None;
        }
        None => reading
            .first_variable(known.bases)
            .or_else(|| known.base.map(str::to_owned)),
    };
    let Some(base) = base else {
        reading.tell(
            Fate::LeftOut,
            what,
            format!(
                "it has no api_base, and {} has no address of its own",
                known.name
            ),
            "add it with its address",
        );
        return None;
    };
    let base = base.trim_end_matches('/').to_owned();
    if let Err(why) = BaseUrl::parse(&base) {
        let why = format!("its api_base {why}");
        reading.tell(Fate::LeftOut, what, why, "correct it and import again");
        return None;
    }
    let versioned = base.split('/').any(|part| {
        part.strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    let plain = matches!(known.kind, ProviderKind::OpenAi | ProviderKind::Vllm);
    if plain && !versioned {
        reading.tell(
            Fate::Changed,
            what,
            "its api_base names no version of the API: LiteLLM calls it without one, here it is \
             called under /v1",
            "",
        );
    }
    Some(base)
}

/// The key of the entry's endpoint.
fn key_of(
    reading: &mut Reading<'_>,
    what: &str,
    known: &Known,
    typed: Option<String>,
) -> Option<String> {
    match typed.map(|typed| reading.look_up(typed)) {
        Some(Looked::Up(key)) => Some(key),
        Some(Looked::Unset(name)) => {
            reading.tell(
                Fate::LeftOut,
                what,
                format!("its key is in the variable {name}, which is not set here"),
                format!("set {name} and import again, or enter the key at the endpoint"),
            );
            None
        }
        None => {
            let found = reading.first_variable(known.keys);
            let needs_one = !matches!(known.kind, ProviderKind::Ollama | ProviderKind::Vllm)
                && known.base.is_some()
                && known.name != "llamafile";
            if found.is_none() && needs_one {
                reading.tell(
                    Fate::LeftOut,
                    what,
                    format!(
                        "its key is not in the file, and none of {} is set here",
                        known.keys.join(", ")
                    ),
                    "enter the key at the endpoint",
                );
            }
            found
        }
    }
}

/// How long the entry's calls may take, which is said at its endpoint.
fn times(reading: &mut Reading<'_>, what: &str, params: &mut Fields) -> Map<String, Value> {
    let mut times = Map::new();
    for (theirs, ours) in TIMES {
        let Some(text) = params.text(theirs) else {
            continue;
        };
        let why = match reading.look_up(text) {
            Looked::Up(text) => match text.parse() {
                Ok(seconds) if SECONDS.contains(&seconds) => {
                    times.insert(ours.to_owned(), json!(seconds));
                    continue;
                }
                Ok(_) | Err(_) => "is no time from 0.1 to 86400 seconds".to_owned(),
            },
            Looked::Unset(name) => format!("is in the variable {name}, which is not set here"),
        };
        let why = format!("its {theirs} {why}");
        reading.tell(Fate::LeftOut, what, why, "set the time at the endpoint");
    }
    times
}

/// What the entry says of every request.
fn defaults(
    reading: &mut Reading<'_>,
    what: &str,
    params: &mut Fields,
    body: &mut Map<String, Value>,
) {
    let max_tokens = params
        .count("max_tokens")
        .or(params.count("max_completion_tokens"));
    if let Some(count) = max_tokens {
        body.insert("max_tokens".to_owned(), json!(count));
    }
    for name in ["temperature", "top_p", "num_ctx", "keep_alive"] {
        if let Some(value) = params.take(name) {
            body.insert(name.to_owned(), value);
        }
    }
    let mut headers = Map::new();
    for name in ["headers", "extra_headers"] {
        for (header, value) in params.object(name).into_inner() {
            let Some(text) = text_of(&value) else {
                continue;
            };
            match reading.look_up(text) {
                Looked::Up(text) => drop(headers.insert(header, json!(text))),
                Looked::Unset(name) => reading.tell(
                    Fate::LeftOut,
                    what,
                    format!("its header {header} is in the variable {name}, which is not set here"),
                    "enter the header at the virtual model",
                ),
            }
        }
    }
    if let Some(organization) = params.text("organization") {
        match reading.look_up(organization) {
            Looked::Up(text) => drop(headers.insert("OpenAI-Organization".to_owned(), json!(text))),
            Looked::Unset(name) => reading.tell(
                Fate::LeftOut,
                what,
                format!("its organization is in the variable {name}, which is not set here"),
                "enter the header OpenAI-Organization at the virtual model",
            ),
        }
    }
    if !headers.is_empty() {
        body.insert("custom_headers".to_owned(), Value::Object(headers));
    }
}

/// The entry's prices, and what a million tokens in and out cost together.
fn prices(
    reading: &mut Reading<'_>,
    what: &str,
    params: &mut Fields,
    info: &mut Fields,
    body: &mut Map<String, Value>,
) -> Option<f64> {
    let mut sum = None;
    for (theirs, ours) in PRICES {
        // Both are taken, so that neither is told as left.
        let (first, second) = (params.take(theirs), info.take(theirs));
        let Some(price) = first.or(second) else {
            continue;
        };
        match per_million(&price) {
            Some(price) => {
                if let Some(dollars) = price.as_f64() {
                    *sum.get_or_insert(0.0) += dollars;
                }
                body.insert(ours.to_owned(), price);
            }
            None => reading.tell(
                Fate::LeftOut,
                what,
                format!("its {theirs} is no price"),
                "set the price at the virtual model",
            ),
        }
    }
    if sum.is_none() {
        reading.unpriced += 1;
    }
    sum
}

/// Names what nobody took.
fn tell_rest(
    reading: &mut Reading<'_>,
    what: &str,
    params: &Fields,
    info: &Fields,
    entry: &Fields,
) {
    let of_params: Vec<String> = params
        .left()
        .into_iter()
        .map(|name| format!("litellm_params.{name}"))
        .collect();
    let of_info = info
        .left()
        .into_iter()
        .filter(|name| !DESCRIPTIONS.contains(name) && !name.starts_with("supports_"))
        .map(|name| format!("model_info.{name}"));
    let of_entry = entry.left().into_iter().map(str::to_owned);
    let all: Vec<String> = of_params
        .into_iter()
        .chain(of_info)
        .chain(of_entry)
        .collect();
    if all.is_empty() {
        return;
    }
    reading.tell(
        Fate::LeftOut,
        what,
        format!("there is nothing here for {}", all.join(", ")),
        "",
    );
}
