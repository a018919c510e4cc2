//! What keys, virtual models and endpoints have used, for as long as the program runs: a
//! new configuration counts on where the one before was.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use store::route::{Reached, Refused, Whose};
use store::{Before, Hold, Limits, Meter, Over, Snapshot, Spent, SpentMoney, Zone};

/// Counters by id. Those of rows that are gone stay: a row may only be unusable for a while,
/// and no id comes twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters {
    keys: HashMap<i64, Arc<Meter>>,
    models: HashMap<i64, Arc<Meter>>,
    endpoints: HashMap<i64, Arc<Meter>>,
}

impl Meters {
    /// Those of `snapshot` and all from `before`; new ones begin with what had been `spent`
    /// when the program started.
    pub(super) fn new(snapshot: &Snapshot, before: Option<&Self>, spent: &SpentMoney) -> Self {
        let mut meters = before.cloned().unwrap_or_default();
        let new = |before: Before| move || Arc::new(Meter::new(&before));
        for key in snapshot.inbound_keys.iter() {
            let known = meters.keys.entry(key.id);
            known.or_insert_with(new(spent.by_key(key.id)));
        }
        for model in snapshot.models.values() {
            let known = meters.models.entry(model.id);
            known.or_insert_with(new(spent.by_model(&model.name)));
        }
        for endpoint in &snapshot.endpoints {
            let known = meters.endpoints.entry(endpoint.id);
            known.or_insert_with(new(spent.by_endpoint(endpoint.id)));
        }
        meters
    }

    /// Of the key `id` with these limits.
    pub(crate) fn key(&self, id: i64, limits: Limits) -> Option<Metered> {
        Metered::of(&self.keys, id, limits)
    }

    /// Of the virtual model `id`.
    pub(super) fn model(&self, id: i64, limits: Limits) -> Option<Metered> {
        Metered::of(&self.models, id, limits)
    }

    /// Of the endpoint `id`.
    pub(super) fn endpoint(&self, id: i64, limits: Limits) -> Option<Metered> {
        Metered::of(&self.endpoints, id, limits)
    }
}

/// Somebody's limits and how far they are used.
#[derive(Clone, Debug)]
pub(crate) struct Metered {
    pub(crate) limits: Limits,
    pub(crate) meter: Arc<Meter>,
}

impl Metered {
    fn of(meters: &HashMap<i64, Arc<Meter>>, id: i64, limits: Limits) -> Option<Self> {
        let meter = Arc::clone(meters.get(&id)?);
        Some(Self { limits, meter })
    }

    /// Lets a call through that is expected to use `need`.
    ///
    /// # Errors
    /// What its caller is told of the limit that is used up.
    pub(crate) fn reserve(
        &self,
        whose: Whose<'_>,
        need: Spent,
        now: i64,
        zone: &Zone,
    ) -> Result<Hold, Refused> {
        let held = self.meter.reserve(&self.limits, need, now, zone);
        held.map_err(|over| Refused::limit(whose, &over))
    }

    fn over(&self, now: i64, zone: &Zone) -> Option<Over> {
        self.meter.over(&self.limits, now, zone)
    }
}

/// The limit that keeps calls from a candidate: of its endpoint, or its own.
pub(super) fn reached(
    at_endpoint: Option<&Metered>,
    own: Option<&Metered>,
    now: i64,
    zone: &Zone,
) -> Option<Reached> {
    let over = |metered: Option<&Metered>, of_endpoint| {
        let over = metered?.over(now, zone)?;
        Some(Reached { of_endpoint, over })
    };
    over(at_endpoint, true).or_else(|| over(own, false))
}

/// Unix milliseconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
