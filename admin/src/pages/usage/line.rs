//! One line of a table of usage.

use store::{Sum, Totals};

/// What a line says. Money is in nano-dollars, as far as prices are known.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) calls: i64,
    pub(super) failed: i64,
    pub(super) cancelled: i64,
    pub(super) prompt: i64,
    pub(super) cached: i64,
    pub(super) cache_write: i64,
    pub(super) completion: i64,
    pub(super) reasoning: i64,
    pub(super) total: i64,
    pub(super) cost: i64,
    pub(super) cost_in: i64,
    pub(super) cost_out: i64,
    pub(super) cost_cached: i64,
    pub(super) unpriced: i64,
    pub(super) estimated: i64,
    pub(super) cache_hits: i64,
    pub(super) cache_attempts: i64,
    pub(super) saved: i64,
    pub(super) disputed: i64,
    pub(super) provider_cost: i64,
    pub(super) beside_provider: i64,
    /// Milliseconds a call took in the middle.
    pub(super) mean_latency: Option<i64>,
}

impl Line {
    pub(super) fn of(name: String, totals: &Totals) -> Self {
        let sum = |sum| totals.get(sum);
        let calls = sum(Sum::Requests);
        Self {
            name,
            calls,
            failed: sum(Sum::Failed),
            cancelled: sum(Sum::Cancelled),
            prompt: sum(Sum::Prompt),
            cached: sum(Sum::CachedInput),
            cache_write: sum(Sum::CacheWrite),
            completion: sum(Sum::Completion),
            reasoning: sum(Sum::Reasoning),
            total: sum(Sum::Total),
            cost: totals.cost(),
            cost_in: sum(Sum::CostIn),
            cost_out: sum(Sum::CostOut),
            cost_cached: sum(Sum::CostCached).saturating_add(sum(Sum::CostCacheWrite)),
            unpriced: sum(Sum::Unpriced),
            estimated: sum(Sum::Estimated),
            cache_hits: sum(Sum::CacheHits),
            cache_attempts: sum(Sum::CacheAttempts),
            saved: sum(Sum::Saved),
            disputed: sum(Sum::Disputed),
            provider_cost: sum(Sum::ProviderCost),
            beside_provider: sum(Sum::BesideProvider),
            mean_latency: (calls > 0).then(|| sum(Sum::Latency) / calls.max(1)),
        }
    }

    /// The share of calls that failed.
    pub(super) fn failed_share(&self) -> String {
        share(self.failed, self.calls)
    }

    /// The share of calls that the memory of answers was asked for and answered.
    pub(super) fn hit_share(&self) -> String {
        share(self.cache_hits, self.cache_attempts)
    }

    /// The share of the prompt that providers had in their caches.
    pub(super) fn cached_share(&self) -> String {
        share(self.cached, self.prompt)
    }

    pub(super) fn latency(&self) -> String {
        self.mean_latency
            .map_or("–".to_owned(), crate::shown::duration)
    }
}

/// A part of a whole in percent, to a tenth.
pub(super) fn share(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "0 %".to_owned();
    }
    let thousandths = i128::from(part) * 1000 / i128::from(whole);
    if thousandths == 0 && part > 0 {
        return "< 0.1 %".to_owned();
    }
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_are_told_to_a_tenth() {
        for (part, whole, text) in [
            (0, 0, "0 %"),
            (0, 5, "0.0 %"),
            (1, 3, "33.3 %"),
            (3, 3, "100.0 %"),
            (1, 5000, "< 0.1 %"),
            (i64::MAX, i64::MAX, "100.0 %"),
        ] {
            assert_eq!(share(part, whole), text);
        }
    }
}
