//! Prices that public lists have for a model, to be taken into the form.

use store::{Fit, Price, Suggestion, suggestions};

use crate::pages::form::Form;

/// The fields of the prices, in the order of [`store::Prices::list`].
const FIELDS: [(&str, &str); 6] = [
    ("cost_per_1m_tokens_in", "in"),
    ("cost_per_1m_tokens_out", "out"),
    ("cost_per_1m_tokens_in_cached", "cached in"),
    ("cost_per_1m_tokens_out_cached", "cached out"),
    ("cost_per_1m_tokens_cache_write", "cache write"),
    ("cost_per_1m_tokens_cache_write_1h", "cache write 1 h"),
];

/// Most that are shown.
const MOST: usize = 6;

/// A suggestion, for the form.
pub(super) struct Line {
    pub(super) fit: &'static str,
    pub(super) entry: Suggestion,
    /// What is known: its name and dollars per million tokens.
    pub(super) prices: Vec<(&'static str, String)>,
}

/// What the lists say of `model`.
pub(super) fn lines(model: &str) -> Vec<Line> {
    if model.is_empty() {
        return Vec::new();
    }
    let line = |entry: Suggestion| {
        let named = FIELDS.iter().zip(entry.prices.list());
        Line {
            fit: match entry.fit {
                Fit::Exact => "this model",
                Fit::WithoutPrefix => "this model, of another maker's prefix",
                Fit::WithoutDate => "this model, whatever its date",
                Fit::WithoutTag => "this model, whatever its tag",
                Fit::Pattern => "models of this beginning",
            },
            prices: named
                .filter_map(|((_, name), price)| Some((*name, dollars(price?))))
                .collect(),
            entry,
        }
    };
    suggestions(model)
        .into_iter()
        .take(MOST)
        .map(line)
        .collect()
}

/// The form with the prices of the suggestion of this number; an unknown one is emptied, so
/// that no price of another list stays beside them.
pub(super) fn taken(form: Form, model: &str, number: usize) -> Form {
    let Some(entry) = suggestions(model).into_iter().nth(number) else {
        return form;
    };
    let named = FIELDS.iter().zip(entry.prices.list());
    named.fold(form, |form, ((field, _), price)| {
        form.with(field, price.map(dollars).unwrap_or_default())
    })
}

fn dollars(price: Price) -> String {
    price.dollars().to_string()
}
