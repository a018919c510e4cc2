//! Money that has been spent on the running day and in the running month, before anything
//! is counted in memory.

use std::collections::HashMap;

use crate::meter::{Before, Period};

/// Nano-dollars on the day, and in the month.
pub(crate) type Amounts = (i64, i64);

/// What the usage tables say at one moment. Nothing is known of who is not in them: they
/// have spent nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentMoney {
    /// The day of that moment.
    pub day: Period,
    /// Its month.
    pub month: Period,
    pub(crate) keys: HashMap<i64, Amounts>,
    pub(crate) models: HashMap<String, Amounts>,
    pub(crate) endpoints: HashMap<i64, Amounts>,
}

impl SpentMoney {
    /// Nobody has spent anything.
    #[must_use]
    pub fn nothing(day: Period, month: Period) -> Self {
        Self {
            day,
            month,
            keys: HashMap::new(),
            models: HashMap::new(),
            endpoints: HashMap::new(),
        }
    }

    /// By the calls with a key.
    #[must_use]
    pub fn by_key(&self, id: i64) -> Before {
        self.before(self.keys.get(&id))
    }

    /// By the calls that named a virtual model, or that it took over, by its name when they
    /// were made.
    #[must_use]
    pub fn by_model(&self, name: &str) -> Before {
        self.before(self.models.get(name))
    }

    /// At an endpoint.
    #[must_use]
    pub fn by_endpoint(&self, id: i64) -> Before {
        self.before(self.endpoints.get(&id))
    }

    fn before(&self, amounts: Option<&Amounts>) -> Before {
        let (on_day, in_month) = amounts.copied().unwrap_or_default();
        Before {
            day: self.day,
            on_day,
            month: self.month,
            in_month,
        }
    }
}
