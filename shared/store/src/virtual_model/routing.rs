//! How a virtual model is served when its own endpoint is not, or not alone: a strategy and
//! the virtual models to try.
//!
//! Kept in the original's table `virtual_model_failover`, one row a virtual model; no row is
//! the same as strategy `none`. Choosing among the candidates is not here: see
//! [`crate::route`].

mod draft;

use serde::{Deserialize, Serialize};

pub(crate) use draft::RoutingDraft;

use crate::columns::Columns;

/// The largest weight.
const MAX_WEIGHT: i64 = 1_000_000;
/// The largest `max_attempts`.
const MAX_ATTEMPTS: i64 = 100;
/// The largest `failure_threshold`.
const MAX_THRESHOLD: i64 = 1_000;
/// The longest `cooldown`, seconds.
const MAX_COOLDOWN: i64 = 86_400;
/// Most targets of one virtual model.
const MAX_TARGETS: usize = 100;

/// In which order the candidates of a virtual model are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Only the virtual model's own endpoint; targets are not used.
    #[default]
    None,
    /// Its own endpoint first, then the targets as listed.
    Backup,
    /// All in turn.
    Rotational,
    /// Every enabled virtual model with the same actual model.
    Duplicate,
    /// At random, as often as their weights say.
    Weighted,
    /// The one with the fewest calls in flight.
    LeastBusy,
    /// The one that began its latest answers soonest.
    Fastest,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Backup,
        Self::Rotational,
        Self::Duplicate,
        Self::Weighted,
        Self::LeastBusy,
        Self::Fastest,
    ];

    /// The text in the column `strategy`.
    pub fn id(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Backup => "backup",
            Self::Rotational => "rotational",
            Self::Duplicate => "duplicate",
            Self::Weighted => "weighted",
            Self::LeastBusy => "least_busy",
            Self::Fastest => "fastest",
        }
    }

    /// The strategy with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.id() == id)
    }
}

/// Another virtual model that may serve the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTarget {
    /// Its id.
    pub virtual_model_id: i64,
    /// Its share under the strategy `weighted`; 1 in rows the original wrote.
    #[serde(default = "one")]
    pub weight: u32,
}

/// The routing of a virtual model, ready for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// The order of the candidates.
    pub strategy: Strategy,
    /// The other candidates, as listed: usable virtual models, each once, never itself. One
    /// may be disabled.
    pub targets: Vec<RouteTarget>,
    /// The share of its own endpoint under the strategy `weighted`.
    pub weight: u32,
    /// Most candidates tried for one call; `None` for every one of them.
    pub max_attempts: Option<u32>,
    /// Failures that open the circuit of a candidate; `None` for the gateway's setting.
    pub failure_threshold: Option<u32>,
    /// Seconds an open circuit stays open; `None` for the gateway's setting.
    pub cooldown: Option<u32>,
    /// Whether the calls of one conversation stay with one candidate.
    pub affinity: bool,
}

/// A routing as the admin API shows it, whatever its row holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoutingRow {
    /// The strategy's id, known or not.
    pub strategy: String,
    /// The other candidates, as listed.
    pub targets: Vec<RouteTarget>,
    /// The share of its own endpoint under the strategy `weighted`.
    pub weight: i64,
    /// Most candidates tried for one call.
    pub max_attempts: Option<i64>,
    /// Failures that open the circuit of a candidate.
    pub failure_threshold: Option<i64>,
    /// Seconds an open circuit stays open.
    pub cooldown: Option<i64>,
    /// 1 when the calls of one conversation stay with one candidate.
    pub affinity: i64,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            strategy: Strategy::None,
            targets: Vec::new(),
            weight: one(),
            max_attempts: None,
            failure_threshold: None,
            cooldown: None,
            affinity: false,
        }
    }
}

impl RoutingRow {
    /// Reads the columns of a row joined with its routing, and what is wrong with them: a
    /// routing that makes no sense takes nothing else down.
    pub(super) fn read(columns: &mut Columns<'_, '_>) -> (Self, Vec<String>) {
        let earlier = std::mem::take(&mut columns.faults);
        let targets = columns.text("routing_targets").unwrap_or_default();
        let (targets, unreadable) = parse_targets(&targets);
        let row = Self {
            strategy: columns
                .text("routing_strategy")
                .unwrap_or_else(|| Strategy::None.id().to_owned()),
            targets,
            weight: columns.whole("routing_weight").unwrap_or(1),
            // The original wrote 0 for "not set".
            max_attempts: columns.whole("routing_max_attempts").filter(|n| *n != 0),
            failure_threshold: columns.whole("routing_threshold").filter(|n| *n != 0),
            cooldown: columns.whole("routing_cooldown").filter(|n| *n != 0),
            affinity: i64::from(columns.flag("routing_affinity", false)),
        };
        let mut doubts = std::mem::replace(&mut columns.faults, earlier);
        doubts.extend(unreadable);
        (row, doubts)
    }

    /// The routing, its targets not yet compared with the other rows; notes what is not used.
    pub(super) fn judge(self, doubts: &mut Vec<String>) -> Routing {
        let strategy = Strategy::from_id(&self.strategy).unwrap_or_else(|| {
            let why = unknown_strategy(&self.strategy);
            doubts.push(format!(
                "routing {why}; it is served by its own endpoint only"
            ));
            Strategy::None
        });
        let mut within = |field: &str, value: Option<i64>, min: i64, max: i64| {
            let good = value
                .filter(|value| (min..=max).contains(value))
                .and_then(|value| u32::try_from(value).ok());
            if value.is_some() && good.is_none() {
                doubts.push(format!(
                    "routing {field} is not from {min} to {max} and is not used"
                ));
            }
            good
        };
        Routing {
            strategy,
            weight: within("weight", Some(self.weight), 0, MAX_WEIGHT).unwrap_or(one()),
            max_attempts: within("max_attempts", self.max_attempts, 1, MAX_ATTEMPTS),
            failure_threshold: within(
                "failure_threshold",
                self.failure_threshold,
                1,
                MAX_THRESHOLD,
            ),
            cooldown: within("cooldown", self.cooldown, 1, MAX_COOLDOWN),
            targets: self.targets,
            affinity: self.affinity != 0,
        }
    }
}

/// The targets of a column's text and, when it is no list of targets, why not.
pub(crate) fn parse_targets(text: &str) -> (Vec<RouteTarget>, Option<String>) {
    if text.trim().is_empty() {
        return (Vec::new(), None);
    }
    match serde_json::from_str(text) {
        Ok(targets) => (targets, None),
        Err(error) => {
            let why = format!("routing targets cannot be read and are not used: {error}");
            (Vec::new(), Some(why))
        }
    }
}

/// Why a strategy is refused, listing the ones there are.
pub(super) fn unknown_strategy(found: &str) -> String {
    let known: Vec<_> = Strategy::ALL.iter().map(|strategy| strategy.id()).collect();
    format!(
        "strategy {found:?} is unknown; it must be one of {}",
        known.join(", ")
    )
}

fn one() -> u32 {
    1
}
