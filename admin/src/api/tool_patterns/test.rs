//! A text or a recorded stream tried against the patterns, stored and unsaved.

use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{PatternTrial, RefusedPattern, Store, StoreError, TrialRules};
use wire::normaliser::{Called, Field, Match, Near, Outcome, Patterns, Sample, Trial, trial};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::{JsonText, object};
use crate::routing::resource;

/// Most characters of a part that are shown.
const LONGEST_PART: usize = 500;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/api/admin/tool-patterns/test", "POST").route(web::post().to(test)));
}

async fn test(admin: Data<Admin>, body: JsonText) -> Result<Json<Shown>, ApiError> {
    let value = object(&body.0)?;
    // Checking and building patterns takes a while: not on a thread that answers others.
    let tried = admin.on_store(move |store| tried(store, &value, &body.0));
    Ok(Json(tried.await?.shown))
}

/// What came of a question, and what it was about.
pub(crate) struct Tried {
    pub(crate) shown: Shown,
    pub(crate) sample: Sample,
}

/// Tries what `body` asks, which `value` is read from.
///
/// # Errors
/// Every bad field, or when the store cannot be read.
pub(crate) fn tried(store: &Store, value: &Value, body: &[u8]) -> Result<Tried, StoreError> {
    let asked = PatternTrial::read(value, body)?;
    let sample = asked.sample().clone();
    let TrialRules { rules, refused } = store.trial_rules(asked)?;
    let trial = trial(&rules, &sample);
    let shown = Shown::of(trial, &refused, &rules.patterns, &sample);
    Ok(Tried { shown, sample })
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) whole: ShownOutcome,
    pub(crate) matches: Vec<ShownMatch>,
    pub(crate) near: Vec<ShownNear>,
    pub(crate) one_byte_chunks: Chunks,
    pub(crate) refused_patterns: Vec<ShownRefused>,
}

#[derive(Serialize)]
pub(crate) struct ShownOutcome {
    pub(crate) calls: Vec<ShownCall>,
    pub(crate) content: String,
    pub(crate) reasoning: String,
}

#[derive(Serialize)]
pub(crate) struct ShownCall {
    pub(crate) name: String,
    /// As the caller gets them, in this order.
    pub(crate) arguments: Option<Box<RawValue>>,
    pub(crate) repaired: bool,
}

#[derive(Serialize)]
pub(crate) struct ShownMatch {
    #[serde(flatten)]
    pub(crate) part: Part,
    pub(crate) calls: usize,
    pub(crate) repaired: usize,
}

#[derive(Serialize)]
pub(crate) struct ShownNear {
    #[serde(flatten)]
    pub(crate) part: Part,
    pub(crate) reason: &'static str,
    pub(crate) why: String,
}

/// A part of the text that a pattern began at.
#[derive(Serialize)]
pub(crate) struct Part {
    pub(crate) pattern: String,
    /// `null` for one that is not saved.
    pub(crate) pattern_id: Option<i64>,
    /// Which field of the answer it is of.
    #[serde(rename = "in")]
    pub(crate) field: &'static str,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) text: String,
}

/// Whether a stream of the smallest chunks gives the same, and what it gives if not.
#[derive(Serialize)]
pub(crate) struct Chunks {
    pub(crate) same: bool,
    #[serde(flatten)]
    pub(crate) outcome: Option<ShownOutcome>,
}

#[derive(Serialize)]
pub(crate) struct ShownRefused {
    pub(crate) pattern: String,
    pub(crate) pattern_id: Option<i64>,
    pub(crate) why: String,
}

impl Shown {
    fn of(trial: Trial, refused: &[RefusedPattern], patterns: &Patterns, sample: &Sample) -> Self {
        let same = trial.whole == trial.letters;
        let part = |row: usize, field: Field, start: usize, end: usize| {
            let pattern = patterns.pattern(row);
            let text = sample.field(field).get(start..end).unwrap_or_default();
            Part {
                pattern: pattern.map(|one| one.name.clone()).unwrap_or_default(),
                pattern_id: pattern.and_then(|one| saved(one.id)),
                field: field.id(),
                start,
                end,
                text: text.chars().take(LONGEST_PART).collect(),
            }
        };
        let matches = trial.matches.into_iter().map(|found| {
            let Match {
                row,
                field,
                span,
                calls,
                repaired,
            } = found;
            ShownMatch {
                part: part(row, field, span.start, span.end),
                calls,
                repaired,
            }
        });
        let near = trial.near.into_iter().map(|near| {
            let Near {
                row,
                field,
                span,
                reason,
            } = near;
            ShownNear {
                part: part(row, field, span.start, span.end),
                reason: reason.id(),
                why: reason.words(),
            }
        });
        let refused = refused.iter().map(|refused| ShownRefused {
            pattern: refused.name.clone(),
            pattern_id: saved(refused.id),
            why: refused.why.clone(),
        });
        Self {
            matches: matches.collect(),
            near: near.collect(),
            whole: trial.whole.into(),
            one_byte_chunks: Chunks {
                same,
                outcome: (!same).then(|| trial.letters.into()),
            },
            refused_patterns: refused.collect(),
        }
    }
}

impl From<Outcome> for ShownOutcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            calls: outcome.calls.into_iter().map(ShownCall::from).collect(),
            content: outcome.text,
            reasoning: outcome.reasoning,
        }
    }
}

impl From<Called> for ShownCall {
    fn from(called: Called) -> Self {
        Self {
            name: called.name,
            arguments: RawValue::from_string(called.arguments).ok(),
            repaired: called.repaired,
        }
    }
}

/// A stored row's id.
fn saved(id: i64) -> Option<i64> {
    (id > 0).then_some(id)
}
