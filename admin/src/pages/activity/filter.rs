//! Which calls are asked for. What cannot be read is passed over, with a word above the
//! list.

use store::{CallCursor, CallQuery, Outcome, Zone};
use url::form_urlencoded;

use crate::pages::section::Section;

/// Names of the query, in the order of links.
const NAMES: [&str; 10] = [
    "model", "endpoint", "key", "outcome", "status", "from", "to", "id", "limit", "after",
];

/// Calls of a page.
const LIMITS: [u32; 4] = [50, 100, 200, 500];

/// The query of the list, understood.
#[derive(Debug)]
pub(super) struct Filter {
    /// As they are typed, by the order of their names.
    typed: [String; NAMES.len()],
    pub(super) query: CallQuery,
    pub(super) after: CallCursor,
    /// What could not be read.
    pub(super) errors: Vec<String>,
}

impl Filter {
    /// Reads a query; times without an offset are those of `zone`.
    pub(super) fn read(query: &str, zone: &Zone) -> Self {
        let mut filter = Self {
            typed: Default::default(),
            query: CallQuery {
                from: i64::MIN,
                to: i64::MAX,
                ..CallQuery::default()
            },
            after: CallCursor::default(),
            errors: Vec::new(),
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = NAMES.iter().position(|own| *own == name);
            if let Some(typed) = place.and_then(|at| filter.typed.get_mut(at)) {
                *typed = value.trim().to_owned();
            }
        }
        let mut errors = Vec::new();
        let text = |name: &str| Some(filter.get(name).to_owned()).filter(|text| !text.is_empty());
        let mut number = |name: &str, what: &str| {
            let typed = text(name)?;
            let number = typed.parse::<i64>().ok();
            if number.is_none() {
                errors.push(format!("{what} must be a number."));
            }
            number
        };
        let endpoint_id = number("endpoint", "The endpoint");
        let key_id = number("key", "The key");
        let status = number("status", "The status");
        let status = status.and_then(|status| u16::try_from(status).ok());
        let mut moment = |name: &str, end| {
            let typed = text(name)?;
            let found = zone.moment(&typed, end);
            found
                .map_err(|why| errors.push(format!("{name}: {why}.")))
                .ok()
        };
        let from = moment("from", false);
        let to = moment("to", true);
        let outcome = text("outcome").filter(|outcome| Outcome::from_text(outcome).is_some());
        let query = CallQuery {
            from: from.unwrap_or(i64::MIN),
            to: to.unwrap_or(i64::MAX),
            virtual_model: text("model"),
            endpoint_id,
            key_id,
            outcome,
            request_id: text("id"),
            status,
        };
        let after = CallCursor::from_text(filter.get("after")).unwrap_or_default();
        Self {
            query,
            after,
            errors,
            ..filter
        }
    }

    /// What was typed; empty for nothing.
    pub(super) fn get(&self, name: &str) -> &str {
        let place = NAMES.iter().position(|own| *own == name);
        let typed = place.and_then(|at| self.typed.get(at));
        typed.map_or("", String::as_str)
    }

    pub(super) fn is(&self, name: &str, value: &impl ToString) -> bool {
        self.get(name) == value.to_string()
    }

    pub(super) fn limit(&self) -> u32 {
        let asked = self.get("limit").parse().unwrap_or(0);
        let known = LIMITS.into_iter().find(|limit| *limit == asked);
        known.unwrap_or(50)
    }

    pub(super) fn limits(&self) -> [u32; 4] {
        LIMITS
    }

    /// Whether these are the newest calls, which change.
    pub(super) fn is_live(&self) -> bool {
        self.after == CallCursor::default()
    }

    pub(super) fn is_filtered(&self) -> bool {
        let filters = NAMES
            .iter()
            .filter(|name| !matches!(**name, "limit" | "after"));
        filters.into_iter().any(|name| !self.get(name).is_empty())
    }

    /// The same list from its beginning.
    pub(super) fn newest(&self) -> String {
        self.link("after", "")
    }

    pub(super) fn bare(&self) -> &'static str {
        Section::Activity.path()
    }

    /// The same list with another value; from its beginning, unless that is what changes.
    pub(super) fn link(&self, changed: &str, to: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, typed) in NAMES.iter().zip(&self.typed) {
            let value = match (*name == changed, *name) {
                (true, _) => to,
                (false, "after") => "",
                (false, _) => typed,
            };
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let path = Section::Activity.path();
        if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        }
    }
}

#[cfg(test)]
mod tests {
    use store::Zone;

    use super::Filter;

    #[test]
    fn what_is_typed_is_understood_and_kept() {
        let query = "model=a%26b&status=429&outcome=refused&from=2026-11-28&limit=100&after=5.7_";
        let filter = Filter::read(query, &Zone::UTC);
        assert_eq!(filter.query.virtual_model.as_deref(), Some("a&b"));
        assert_eq!(filter.query.status, Some(429));
        assert_eq!(filter.query.from, 1_795_824_000);
        assert_eq!(filter.limit(), 100);
        assert!(!filter.is_live());
        assert_eq!(filter.after.to_text(), "5.7_");
        assert_eq!(
            filter.newest(),
            "/proxy-dashboard/activity?model=a%26b&outcome=refused&status=429&from=2026-11-28&limit=100"
        );
        assert!(filter.errors.is_empty(), "{:?}", filter.errors);
    }

    #[test]
    fn what_makes_no_sense_is_told_and_passed_over() {
        let query = "status=x&key=%3Cb%3E&from=never&outcome=odd&after=zz&limit=9&other=1";
        let filter = Filter::read(query, &Zone::UTC);
        assert_eq!(filter.errors.len(), 3, "{:?}", filter.errors);
        assert_eq!(filter.query.outcome, None);
        assert_eq!(filter.limit(), 50);
        assert!(filter.is_live());
    }
}
