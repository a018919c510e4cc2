//! What the usage page is asked for: a range, filters, and what its charts measure. What
//! cannot be read falls back to the usual, with a word beside the field.

use std::time::{SystemTime, UNIX_EPOCH};

use store::{Sum, Totals, UsageQuery, Zone};
use url::form_urlencoded;

use crate::pages::section::Section;
use crate::shown::{grouped, money};

const DAY: i64 = 86_400;

/// Days that a range may have.
const LONGEST: i64 = 1100;

/// A range that is chosen by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Day,
    Week,
    Month,
    Custom,
}

impl Range {
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Custom];

    fn id(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Custom => "custom",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Custom => "Custom",
        }
    }
}

/// What charts measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Cost,
    Tokens,
    Calls,
}

impl Measure {
    pub(super) const ALL: [Self; 3] = [Self::Cost, Self::Tokens, Self::Calls];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Calls => "calls",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cost => "Cost",
            Self::Tokens => "Tokens",
            Self::Calls => "Calls",
        }
    }

    pub(super) fn part_names(self) -> &'static [&'static str] {
        match self {
            Self::Cost => &["input", "output", "cached"],
            Self::Tokens => &["prompt", "cached prompt", "completion"],
            Self::Calls => &["succeeded", "failed", "cancelled"],
        }
    }

    /// In the order of their names.
    pub(super) fn parts(self, totals: &Totals) -> Vec<i64> {
        let sum = |sum| totals.get(sum);
        match self {
            Self::Cost => vec![
                sum(Sum::CostIn),
                sum(Sum::CostOut),
                sum(Sum::CostCached).saturating_add(sum(Sum::CostCacheWrite)),
            ],
            Self::Tokens => vec![
                (sum(Sum::Prompt) - sum(Sum::CachedInput)).max(0),
                sum(Sum::CachedInput),
                sum(Sum::Completion),
            ],
            Self::Calls => {
                let (failed, cancelled) = (sum(Sum::Failed), sum(Sum::Cancelled));
                let rest = sum(Sum::Requests) - failed - cancelled;
                vec![rest.max(0), failed, cancelled]
            }
        }
    }

    pub(super) fn whole(self, totals: &Totals) -> i64 {
        match self {
            Self::Cost => totals.cost(),
            Self::Tokens => totals.get(Sum::Total),
            Self::Calls => totals.get(Sum::Requests),
        }
    }

    /// A figure in words.
    pub(super) fn say(self, value: i64) -> String {
        match self {
            Self::Cost => money(value),
            Self::Tokens | Self::Calls => grouped(value),
        }
    }
}

/// The query of the page, understood.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) range: Range,
    /// The days of a custom range, as they are typed.
    pub(super) from: String,
    pub(super) to: String,
    /// What is wrong with them.
    pub(super) error: Option<String>,
    pub(super) model: String,
    pub(super) endpoint: Option<i64>,
    pub(super) key: Option<i64>,
    measure: Option<Measure>,
    /// Whether the tables are shown to their end.
    pub(super) all: bool,
    pub(super) query: UsageQuery,
    pub(super) by_hour: bool,
}

/// A link that changes one thing of the view.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) link: String,
    pub(super) is_chosen: bool,
}

impl Filter {
    /// Reads a query; days are those of `zone`.
    pub(super) fn read(query: &str, zone: &Zone) -> Self {
        Self::read_at(query, zone, now())
    }

    fn read_at(query: &str, zone: &Zone, now: i64) -> Self {
        let get = |wanted: &str| -> String {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(name, _)| name == wanted);
            found.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let asked = get("range");
        let range = Range::ALL.into_iter().find(|range| range.id() == asked);
        let id = |name: &str| get(name).parse::<i64>().ok();
        let measure = get("measure");
        let mut filter = Self {
            range: range.unwrap_or(Range::Day),
            from: get("from"),
            to: get("to"),
            error: None,
            model: get("model"),
            endpoint: id("endpoint"),
            key: id("key"),
            measure: Measure::ALL.into_iter().find(|one| one.id() == measure),
            all: get("rows") == "all",
            query: UsageQuery::default(),
            by_hour: false,
        };
        let (from, to) = filter.bounds(zone, now);
        filter.by_hour = to - from < 2 * DAY + 3600;
        filter.query = UsageQuery {
            from,
            to,
            virtual_model: Some(filter.model.clone()).filter(|model| !model.is_empty()),
            endpoint_id: filter.endpoint,
            key_id: filter.key,
            embeddings: None,
        };
        if filter.range != Range::Custom {
            filter.from = zone.date(from);
            filter.to = zone.date(to);
        }
        filter
    }

    /// The first second and the last: always of whole hours or days, and never more than is
    /// over.
    fn bounds(&mut self, zone: &Zone, now: i64) -> (i64, i64) {
        let end_of_day = zone.next_day(now) - 1;
        let days = |days: i64| (zone.day(zone.day(now) - days * DAY + DAY / 2), end_of_day);
        match self.range {
            Range::Day => {
                let hour = zone.hour(now);
                (hour - 23 * 3600, hour + 3599)
            }
            Range::Week => days(6),
            Range::Month => days(29),
            Range::Custom => match self.custom(zone, end_of_day) {
                Ok(bounds) => bounds,
                Err(why) => {
                    self.error = Some(why);
                    days(0)
                }
            },
        }
    }

    fn custom(&self, zone: &Zone, end_of_day: i64) -> Result<(i64, i64), String> {
        if self.from.is_empty() {
            return Err("Enter the first day.".to_owned());
        }
        let from = zone.moment(&self.from, false)?;
        let to = if self.to.is_empty() {
            end_of_day
        } else {
            zone.moment(&self.to, true)?
        };
        let to = to.min(end_of_day);
        if from > to {
            return Err("The first day is behind the last one.".to_owned());
        }
        if to - from > LONGEST * DAY {
            return Err(format!("At most {LONGEST} days can be shown."));
        }
        Ok((zone.day(from), zone.next_day(to) - 1))
    }

    /// What is measured: cost, unless something else is asked for or nothing has cost
    /// anything.
    pub(super) fn measure_of(&self, whole: &Totals) -> Measure {
        let usual = if whole.cost() > 0 {
            Measure::Cost
        } else {
            Measure::Tokens
        };
        self.measure.unwrap_or(usual)
    }

    /// What is asked to be measured; empty for the usual.
    fn measure_id(&self) -> &'static str {
        self.measure.map_or("", Measure::id)
    }

    pub(super) fn is_measure(&self, id: &str) -> bool {
        self.measure_id() == id
    }

    pub(super) fn is_endpoint(&self, id: &i64) -> bool {
        self.endpoint == Some(*id)
    }

    pub(super) fn is_key(&self, id: &i64) -> bool {
        self.key == Some(*id)
    }

    pub(super) fn measures(&self) -> [(&'static str, &'static str); 3] {
        Measure::ALL.map(|measure| (measure.id(), measure.name()))
    }

    /// Links to the ranges.
    pub(super) fn ranges(&self) -> Vec<Choice> {
        let choice = |range: Range| Choice {
            name: range.name(),
            link: self.link("range", range.id()),
            is_chosen: self.range == range,
        };
        Range::ALL.map(choice).into()
    }

    pub(super) fn range_id(&self) -> &'static str {
        self.range.id()
    }

    pub(super) fn is_custom(&self) -> bool {
        self.range == Range::Custom
    }

    pub(super) fn is_filtered(&self) -> bool {
        !self.model.is_empty() || self.endpoint.is_some() || self.key.is_some()
    }

    /// The whole view without what filters it.
    pub(super) fn bare(&self) -> String {
        format!("{}?range={}", Section::Usage.path(), self.range.id())
    }

    /// The view of one virtual model.
    pub(super) fn of_model(&self, name: &str) -> String {
        self.link("model", name)
    }

    pub(super) fn with_all(&self) -> String {
        self.link("rows", "all")
    }

    fn link(&self, changed: &str, to: &str) -> String {
        let number = |id: Option<i64>| id.map_or(String::new(), |id| id.to_string());
        let mut query = form_urlencoded::Serializer::new(String::new());
        let is_custom = changed == "range" && to == Range::Custom.id() || self.is_custom();
        let days = |day: &str| {
            if is_custom {
                day.to_owned()
            } else {
                String::new()
            }
        };
        let all = if self.all { "all" } else { "" };
        for (name, value) in [
            ("range", self.range.id().to_owned()),
            ("from", days(&self.from)),
            ("to", days(&self.to)),
            ("model", self.model.clone()),
            ("endpoint", number(self.endpoint)),
            ("key", number(self.key)),
            ("measure", self.measure_id().to_owned()),
            ("rows", all.to_owned()),
        ] {
            let value = if name == changed { to } else { &value };
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("{}?{}", Section::Usage.path(), query.finish())
    }

    /// The file of the single calls of this view.
    pub(super) fn export(&self, format: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("format", format)
            .append_pair("start_date", &self.query.from.to_string())
            .append_pair("end_date", &self.query.to.to_string());
        if !self.model.is_empty() {
            query.append_pair("virtual_model", &self.model);
        }
        for (name, id) in [
            ("endpoint_id", self.endpoint),
            ("inbound_api_key_id", self.key),
        ] {
            if let Some(id) = id {
                query.append_pair(name, &id.to_string());
            }
        }
        format!("/api/admin/usage/export?{}", query.finish())
    }

    /// What the spans of the view are called.
    pub(super) fn span_word(&self) -> &'static str {
        if self.by_hour { "hour" } else { "day" }
    }

    /// The name of the span that begins at `start`.
    pub(super) fn span_name(&self, zone: &Zone, start: i64) -> String {
        let stamp = zone.stamp(start);
        match (self.by_hour, stamp.get(..10), stamp.get(11..16)) {
            (true, Some(date), Some(time)) => format!("{date} {time}"),
            (false, Some(date), _) => date.to_owned(),
            (_, _, _) => stamp,
        }
    }

    /// The same where there is little room.
    pub(super) fn span_label(&self, zone: &Zone, start: i64) -> String {
        let stamp = zone.stamp(start);
        let part = if self.by_hour { 11..16 } else { 5..10 };
        stamp.get(part).map(str::to_owned).unwrap_or(stamp)
    }
}

/// Now, in unix seconds.
pub(in crate::pages) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use store::Zone;

    use super::{Filter, Range};

    /// 2026-11-28T12:34:56Z.
    const NOW: i64 = 1_795_869_296;

    fn read(query: &str) -> Filter {
        Filter::read_at(query, &Zone::UTC, NOW)
    }

    fn bounds(query: &str) -> (String, String, bool) {
        let filter = read(query);
        let stamp = |at| Zone::UTC.stamp(at).get(..19).unwrap().to_owned();
        (
            stamp(filter.query.from),
            stamp(filter.query.to),
            filter.by_hour,
        )
    }

    #[test]
    fn ranges_are_of_whole_hours_or_days() {
        for (query, from, to, by_hour) in [
            ("", "2026-11-27T13:00:00", "2026-11-28T12:59:59", true),
            (
                "range=24h",
                "2026-11-27T13:00:00",
                "2026-11-28T12:59:59",
                true,
            ),
            (
                "range=7d",
                "2026-11-22T00:00:00",
                "2026-11-28T23:59:59",
                false,
            ),
            (
                "range=30d",
                "2026-10-30T00:00:00",
                "2026-11-28T23:59:59",
                false,
            ),
            (
                "range=custom&from=2026-11-01&to=2026-11-05",
                "2026-11-01T00:00:00",
                "2026-11-05T23:59:59",
                false,
            ),
            (
                "range=custom&from=2026-11-28&to=2027-01-01",
                "2026-11-28T00:00:00",
                "2026-11-28T23:59:59",
                true,
            ),
        ] {
            assert_eq!(
                bounds(query),
                (from.to_owned(), to.to_owned(), by_hour),
                "{query}"
            );
        }
    }

    #[test]
    fn a_range_that_is_none_is_told_and_today_is_shown() {
        for query in [
            "range=custom",
            "range=custom&from=never",
            "range=custom&from=2026-11-09&to=2026-11-05",
            "range=custom&from=1999-01-01",
        ] {
            let filter = read(query);
            assert!(filter.error.is_some(), "{query}");
            assert_eq!(filter.query.to - filter.query.from, 86_399, "{query}");
        }
    }

    #[test]
    fn links_keep_what_they_do_not_change() {
        let filter = read("range=7d&model=a%26b&key=3&measure=calls&endpoint=x");
        assert_eq!(filter.range, Range::Week);
        assert_eq!(
            filter.of_model("<c>"),
            "/proxy-dashboard/usage?range=7d&model=%3Cc%3E&key=3&measure=calls"
        );
        let export = filter.export("csv");
        assert!(export.contains("virtual_model=a%26b"), "{export}");
        assert!(export.contains("inbound_api_key_id=3"), "{export}");
    }

    #[test]
    fn a_week_over_a_change_of_clocks_has_seven_days() {
        let zone = Zone::of(Some("Europe/Berlin")).unwrap();
        let now = zone.moment("2026-10-27T12:00:00", false).unwrap();
        let filter = Filter::read_at("range=7d", &zone, now);
        assert_eq!(zone.stamp(filter.query.from), "2026-10-21T00:00:00+02:00");
    }
}
