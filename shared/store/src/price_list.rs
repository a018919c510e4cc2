//! Public list prices of vendors, as suggestions for a virtual model's prices.
//!
//! The table is `conf/prices.json`, built into the program: parsed once, wrong data fails
//! a test and never a running program. What always holds: a price is exact, an absent one
//! is unknown and not zero, and every entry says where and when it was read. What a call
//! costs is not decided here, and nothing is looked up on the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::money::{Price, Prices};

const TABLE: &str = include_str!("../../../conf/prices.json");

/// Micro-dollars of a dollar: a price of one dollar for a million tokens is as many
/// pico-dollars a token.
const PER_DOLLAR: u64 = 1_000_000;

/// Decimal places of [`PER_DOLLAR`].
const PLACES: usize = 6;

/// The dearest price that is believed, in dollars for a million tokens.
const MOST: u64 = 10_000;

/// How well an entry fits a model's id, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The same id, but for the case of its letters.
    Exact,
    /// The same without the maker's prefix, of either: `meta-llama/`.
    WithoutPrefix,
    /// The id less its date, with or without prefix: `-2024-08-06`, `-20251001`.
    WithoutDate,
    /// The id less its tag, and whatever else: `:thinking`. Not `:free`, which says
    /// that the price is another one.
    WithoutTag,
    /// The id begins as the entry's pattern does.
    Pattern,
}

/// One entry that may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// How well it fits.
    pub fit: Fit,
    /// What a person calls the vendor.
    pub vendor: &'static str,
    /// The vendor's id of the model; a pattern ends in `*`.
    pub model: &'static str,
    /// What it costs, in pico-dollars a token.
    pub prices: Prices,
    /// The page with the price.
    pub source: &'static str,
    /// The day on which it was read, `2026-11-28`.
    pub date: &'static str,
    /// What the prices leave out: another price for long prompts or at other hours.
    pub note: Option<&'static str>,
}

/// The entries that `model_id`, as an endpoint knows the model, may mean; the best first,
/// and of equals the vendors in the order of the table, makers of models before hosts.
#[must_use]
pub fn suggestions(model_id: &str) -> Vec<Suggestion> {
    // A test reads the same text and fails on what is wrong with it.
    static ENTRIES: LazyLock<Vec<Suggestion>> =
        LazyLock::new(|| entries(TABLE).unwrap_or_default());
    fitting(&ENTRIES, model_id)
}

/// What is wrong with a table.
#[derive(Debug, Error, PartialEq, Eq)]
enum TableError {
    #[error("not the JSON of a price table: {0}")]
    NotJson(String),
    #[error("{0}: {1}")]
    Entry(String, &'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table<'a> {
    #[serde(rename = "about")]
    _about: String,
    currency: String,
    tokens: u64,
    date: &'a str,
    #[serde(borrow)]
    vendors: BTreeMap<&'a str, Vendor<'a>>,
    #[serde(borrow)]
    models: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vendor<'a> {
    name: &'a str,
    page: &'a str,
    date: &'a str,
    read_in: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    vendor: &'a str,
    model: &'a str,
    input: Option<&'a str>,
    output: Option<&'a str>,
    cached_input: Option<&'a str>,
    cache_write: Option<&'a str>,
    cache_write_1h: Option<&'a str>,
    source: &'a str,
    date: &'a str,
    note: Option<&'a str>,
}

/// The entries of a table.
///
/// # Errors
/// At the first thing that is wrong with it.
fn entries(text: &'static str) -> Result<Vec<Suggestion>, TableError> {
    let table: Table<'static> =
        serde_json::from_str(text).map_err(|err| TableError::NotJson(err.to_string()))?;
    let wrong = |what: &str, why| TableError::Entry(what.to_owned(), why);
    if table.currency != "USD" || table.tokens != PER_DOLLAR || !is_date(table.date) {
        return Err(wrong(
            "the table",
            "is not of dollars for a million tokens on a day",
        ));
    }
    for (id, vendor) in &table.vendors {
        if vendor.name.is_empty() || vendor.read_in.is_empty() || !is_date(vendor.date) {
            return Err(wrong(id, "has no name, no day or nothing that was read"));
        }
        if !vendor.page.starts_with("https://") {
            return Err(wrong(id, "has no page"));
        }
    }
    let mut known = BTreeSet::new();
    let mut entries = Vec::with_capacity(table.models.len());
    for entry in &table.models {
        let Some(vendor) = table.vendors.get(entry.vendor) else {
            return Err(wrong(
                entry.model,
                "is of a vendor that the table does not have",
            ));
        };
        let stem = entry.model.strip_suffix('*').unwrap_or(entry.model);
        if stem.is_empty() || stem.contains('*') || stem.trim() != stem {
            return Err(wrong(entry.model, "is no id"));
        }
        if !known.insert((entry.vendor, entry.model.to_ascii_lowercase())) {
            return Err(wrong(entry.model, "is there twice"));
        }
        if !entry.source.starts_with("https://") || !is_date(entry.date) {
            return Err(wrong(entry.model, "does not say where or when it was read"));
        }
        let price = |text: Option<&str>| {
            text.map(|text| {
                pico_dollars(text)
                    .map(Price)
                    .ok_or_else(|| wrong(entry.model, "has a price that is none"))
            })
            .transpose()
        };
        let prices = Prices {
            input: price(entry.input)?,
            output: price(entry.output)?,
            cached_input: price(entry.cached_input)?,
            cached_output: None,
            cache_write: price(entry.cache_write)?,
            cache_write_1h: price(entry.cache_write_1h)?,
        };
        if prices.input.is_none() {
            return Err(wrong(entry.model, "has no price"));
        }
        if prices.cached_input > prices.input {
            return Err(wrong(
                entry.model,
                "costs more from the cache than without it",
            ));
        }
        entries.push(Suggestion {
            fit: Fit::Exact,
            vendor: vendor.name,
            model: entry.model,
            prices,
            source: entry.source,
            date: entry.date,
            note: entry.note,
        });
    }
    Ok(entries)
}

/// Dollars for a million tokens, in pico-dollars a token, exactly; `None` for what has
/// more places than that, is too dear, or no number.
fn pico_dollars(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = !whole.is_empty() && is_digits(whole) && is_digits(fraction);
    if !is_number || fraction.len() > PLACES || text.ends_with('.') {
        return None;
    }
    let whole: u64 = whole.parse().ok().filter(|whole| *whole < MOST)?;
    let fraction: u64 = format!("{fraction:0<PLACES$}").parse().ok()?;
    Some(whole * PER_DOLLAR + fraction)
}

fn fitting(entries: &[Suggestion], model_id: &str) -> Vec<Suggestion> {
    let id = model_id.trim().to_ascii_lowercase();
    let mut found: Vec<Suggestion> = entries
        .iter()
        .filter_map(|entry| {
            let fit = fit(&entry.model.to_ascii_lowercase(), &id)?;
            Some(Suggestion { fit, ..*entry })
        })
        .collect();
    // Of two patterns the longer one says more.
    let vague = |entry: &Suggestion| match entry.fit {
        Fit::Pattern => usize::MAX - entry.model.len(),
        Fit::Exact | Fit::WithoutPrefix | Fit::WithoutDate | Fit::WithoutTag => 0,
    };
    found.sort_by_key(|entry| (entry.fit, vague(entry)));
    found
}

/// How an entry's id fits another, both in small letters.
fn fit(entry: &str, id: &str) -> Option<Fit> {
    let name = without_prefix(id);
    if let Some(stem) = entry.strip_suffix('*') {
        let fits = id.starts_with(stem) || name.starts_with(without_prefix(stem));
        return fits.then_some(Fit::Pattern);
    }
    let bare = without_prefix(entry);
    if entry == id {
        Some(Fit::Exact)
    } else if bare == name {
        Some(Fit::WithoutPrefix)
    } else if without_date(name) == Some(bare) {
        Some(Fit::WithoutDate)
    } else {
        let untagged = without_tag(name)?;
        let fits = untagged == bare || without_date(untagged) == Some(bare);
        fits.then_some(Fit::WithoutTag)
    }
}

fn without_prefix(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, name)| name)
}

fn without_tag(name: &str) -> Option<&str> {
    let (name, tag) = name.rsplit_once(':')?;
    (tag != "free").then_some(name)
}

/// The name before a date at its end, if there is one.
fn without_date(name: &str) -> Option<&str> {
    for length in ["-2024-08-06".len(), "-20240806".len()] {
        let at = name.len().checked_sub(length)?;
        if let Some((rest, end)) = name.split_at_checked(at)
            && let Some(date) = end.strip_prefix(['-', '@'])
            && (is_date(date) || is_short_date(date))
        {
            return Some(rest).filter(|rest| !rest.is_empty());
        }
    }
    None
}

/// `2024-08-06`.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let widths = [4, 2, 2].map(|width| parts.next().is_some_and(|part| part.len() == width));
    widths == [true; 3] && parts.next().is_none() && is_short_date(&text.replace('-', ""))
}

/// `20240806`.
fn is_short_date(text: &str) -> bool {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse::<u16>().ok());
    text.len() == 8
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && number(0, 4).is_some_and(|year| (2000..2100).contains(&year))
        && number(4, 6).is_some_and(|month| (1..=12).contains(&month))
        && number(6, 8).is_some_and(|day| (1..=31).contains(&day))
}

#[cfg(test)]
mod tests;
