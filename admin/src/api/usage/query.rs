//! What a caller asks for: a range, filters, groups.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use store::{By, CallQuery, FieldErrors, UsageQuery, Zone};

use crate::error::ApiError;

/// The query of a report; the same names are taken in a JSON body, where numbers may be
/// numbers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RangeQuery {
    pub(super) start_date: Option<Text>,
    pub(super) end_date: Option<Text>,
    pub(super) virtual_model: Option<String>,
    pub(super) endpoint_id: Option<Text>,
    pub(super) inbound_api_key_id: Option<Text>,
    pub(super) by: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) limit: Option<Text>,
    pub(super) cursor: Option<String>,
    pub(super) format: Option<String>,
    pub(super) token: Option<String>,
}

/// A text or a number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Text(String),
    Number(serde_json::Number),
}

impl Text {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The same, checked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) usage: UsageQuery,
    pub(super) calls: CallQuery,
}

/// The longest part of a report that is asked for when no beginning is told, in seconds.
const DAY: i64 = 86_400;

impl Asked {
    /// Checks `query`, whose days are those of `zone`.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub(super) fn of(query: &RangeQuery, zone: &Zone) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::new();
        let mut moment = |field: &'static str, text: &Option<Text>, end| {
            let text = text
                .as_ref()
                .map(Text::text)
                .filter(|text| !text.is_empty())?;
            match zone.moment(&text, end) {
                Ok(moment) => Some(moment),
                Err(why) => {
                    errors.add(field, why);
                    None
                }
            }
        };
        let from = moment("start_date", &query.start_date, false);
        let to = moment("end_date", &query.end_date, true);
        let to = to.unwrap_or_else(now);
        let from = from.unwrap_or(to.saturating_sub(DAY));
        if from > to && errors.is_empty() {
            errors.add("start_date", "is later than end_date");
        }
        let mut id = |field: &'static str, text: &Option<Text>| {
            let text = text
                .as_ref()
                .map(Text::text)
                .filter(|text| !text.is_empty())?;
            let id = text.parse::<i64>().ok();
            if id.is_none() {
                errors.add(field, "must be an id");
            }
            id
        };
        let endpoint_id = id("endpoint_id", &query.endpoint_id);
        let key_id = id("inbound_api_key_id", &query.inbound_api_key_id);
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let virtual_model = text(&query.virtual_model);
        let asked = Self {
            usage: UsageQuery {
                from,
                to,
                virtual_model: virtual_model.clone(),
                endpoint_id,
                key_id,
                embeddings: None,
            },
            calls: CallQuery {
                from,
                to,
                virtual_model,
                endpoint_id,
                key_id,
                outcome: text(&query.outcome),
                request_id: text(&query.request_id),
                ..CallQuery::default()
            },
        };
        Ok(errors.into_result(asked)?)
    }
}

impl RangeQuery {
    /// What to group by: one or two names.
    ///
    /// # Errors
    /// When it is none, more than two, or one that is unknown.
    pub(super) fn by(&self) -> Result<Vec<By>, ApiError> {
        let refused = || {
            let why = "must be one or two of model, endpoint, key, day, hour, with a comma between";
            ApiError::from(FieldErrors::one("by", why))
        };
        let names = self
            .by
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        let mut by = Vec::new();
        for name in names {
            let one = match name {
                "model" => By::Model,
                "endpoint" => By::Endpoint,
                "key" => By::Key,
                "day" => By::Day,
                "hour" => By::Hour,
                _ => return Err(refused()),
            };
            if by.contains(&one) {
                return Err(refused());
            }
            by.push(one);
        }
        if by.len() > 2 {
            return Err(refused());
        }
        Ok(by)
    }

    /// How many rows, from 1 to `most`.
    ///
    /// # Errors
    /// When it is no such number.
    pub(super) fn limit(&self, default: u32, most: u32) -> Result<u32, ApiError> {
        let Some(text) = &self.limit else {
            return Ok(default);
        };
        let limit = text
            .text()
            .parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit));
        let why = format!("must be a whole number from 1 to {most}");
        limit.ok_or_else(|| FieldErrors::one("limit", why).into())
    }
}

/// Now, in unix seconds.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
