//! A text or a recorded stream tried against the patterns, stored and unsaved.

use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Serialize;
use serde_json::value::RawValue;
use store::{PatternTrial, RefusedPattern, TrialRules};
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
    let shown = admin
        .on_store(move |store| {
            let asked = PatternTrial::read(&value, &body.0)?;
            let sample = asked.sample().clone();
            let TrialRules { rules, refused } = store.trial_rules(asked)?;
            let trial = trial(&rules, &sample);
            Ok(Shown::of(trial, &refused, &rules.patterns, &sample))
        })
        .await?;
    Ok(Json(shown))
}

/// What came of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    whole: ShownOutcome,
    matches: Vec<ShownMatch>,
    near: Vec<ShownNear>,
    one_byte_chunks: Chunks,
    refused_patterns: Vec<ShownRefused>,
}

#[derive(Serialize)]
struct ShownOutcome {
    calls: Vec<ShownCall>,
    content: String,
    reasoning: String,
}

#[derive(Serialize)]
struct ShownCall {
    name: String,
    /// As the caller gets them, in this order.
    arguments: Option<Box<RawValue>>,
    repaired: bool,
}

#[derive(Serialize)]
struct ShownMatch {
    #[serde(flatten)]
    part: Part,
    calls: usize,
    repaired: usize,
}

#[derive(Serialize)]
struct ShownNear {
    #[serde(flatten)]
    part: Part,
    reason: &'static str,
    why: String,
}

/// A part of the text that a pattern began at.
#[derive(Serialize)]
struct Part {
    pattern: String,
    /// `null` for one that is not saved.
    pattern_id: Option<i64>,
    /// Which field of the answer it is of.
    r#in: &'static str,
    start: usize,
    end: usize,
    text: String,
}

/// Whether a stream of the smallest chunks gives the same, and what it gives if not.
#[derive(Serialize)]
struct Chunks {
    same: bool,
    #[serde(flatten)]
    outcome: Option<ShownOutcome>,
}

#[derive(Serialize)]
struct ShownRefused {
    pattern: String,
    pattern_id: Option<i64>,
    why: String,
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
                r#in: field.id(),
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
