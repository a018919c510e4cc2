//! The money of the running day and month, from the roll-ups.

use super::Store;
use crate::error::StoreError;
use crate::meter::Period;
use crate::report::{By, UsageQuery};
use crate::spent_money::{Amounts, SpentMoney};

impl Store {
    /// What has been spent on the day and in the month of `now`, in unix seconds, by key,
    /// virtual model and endpoint. Only of calls that are written already.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn spent_money(&self, now: i64) -> Result<SpentMoney, StoreError> {
        let zone = self.zone()?;
        let (day, month) = (Period::day(&zone, now), Period::month(&zone, now));
        let mut spent = SpentMoney::nothing(day, month);
        let query = UsageQuery::between(month.from, now.max(month.from));
        let by = [By::Day, By::Key, By::Model, By::Endpoint];
        for (label, totals) in self.usage(&query, &by)?.lines {
            let cost = totals.cost();
            let today = if label.day == Some(day.from) { cost } else { 0 };
            let add = |amounts: &mut Amounts| {
                amounts.0 = amounts.0.saturating_add(today);
                amounts.1 = amounts.1.saturating_add(cost);
            };
            if let Some((id, _)) = label.key {
                add(spent.keys.entry(id).or_default());
            }
            if let Some(name) = label.virtual_model {
                add(spent.models.entry(name).or_default());
            }
            if let Some((id, _)) = label.endpoint {
                add(spent.endpoints.entry(id).or_default());
            }
        }
        for (name, amounts) in self.taken_over(day.from, month.from)? {
            let sum = spent.models.entry(name).or_default();
            sum.0 = sum.0.saturating_add(amounts.0);
            sum.1 = sum.1.saturating_add(amounts.1);
        }
        Ok(spent)
    }

    /// What virtual models have cost since `day` and since `month` in calls that named
    /// others.
    fn taken_over(&self, day: i64, month: i64) -> Result<Vec<(String, Amounts)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT virtual_model, sum(iif(start >= ?1, cost_nanos, 0)), \
                 sum(cost_nanos) FROM takeover_hours WHERE start >= ?2 GROUP BY virtual_model",
            )?;
            let rows = statement.query_map([day, month], |row| {
                Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
