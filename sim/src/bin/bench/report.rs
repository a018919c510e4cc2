//! What a run found out: medians over the rounds, and ratios within each round.
//!
//! A ratio compares two measurements taken one after the other, so that what the
//! machine did meanwhile touches both; its spread over the rounds is printed too.

mod paste;
mod tables;

use clap::ValueEnum;
use serde::Serialize;

use crate::machine::Machine;
use crate::measure::Sample;
use crate::scenario::Scenario;
use crate::target::Kind;

pub(crate) use paste::paste;

/// Everything one run found out.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Where and when it ran.
    pub(crate) machine: Machine,
    /// How it was called.
    pub(crate) command: String,
    /// Rounds of each measurement.
    pub(crate) rounds: usize,
    /// Streams to be held open at once.
    pub(crate) streams: usize,
    /// What was measured.
    pub(crate) subjects: Vec<Subject>,
    /// What was not, and why.
    pub(crate) left_out: Vec<(Kind, String)>,
    /// Every measurement, in the order taken.
    pub(crate) samples: Vec<Sample>,
}

/// One of those compared.
#[derive(Serialize)]
pub(crate) struct Subject {
    /// Which one.
    pub(crate) kind: Kind,
    version: String,
    settings: String,
}

impl Subject {
    /// With the settings that it is started with.
    pub(crate) fn new(kind: Kind, version: String) -> Self {
        Subject {
            kind,
            version,
            settings: kind.settings(),
        }
    }
}

/// A median with the lowest and highest value beside it.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = if values.len().is_multiple_of(2) {
            (values.get(middle - 1)? + upper) / 2.0
        } else {
            upper
        };
        Some(Spread {
            low: *values.first()?,
            median,
            high: *values.last()?,
        })
    }
}

impl Report {
    /// What there are measurements of.
    fn targets(&self, scenario: Scenario) -> Vec<Kind> {
        let kinds = Kind::value_variants().iter().copied();
        kinds
            .filter(|&target| self.of(scenario, target).next().is_some())
            .collect()
    }

    /// Rounds that peers were measured in.
    fn peer_rounds(&self) -> usize {
        let samples = self.samples.iter().filter(|sample| sample.target.is_peer());
        samples.map(|sample| sample.round + 1).max().unwrap_or(0)
    }

    fn of(&self, scenario: Scenario, target: Kind) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.scenario == scenario && sample.target == target)
    }

    fn spread(
        &self,
        scenario: Scenario,
        target: Kind,
        value: fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        Spread::of(self.of(scenario, target).filter_map(value))
    }

    /// Compare each sample with that of `base` in the same round.
    fn against(
        &self,
        scenario: Scenario,
        target: Kind,
        base: Kind,
        value: fn(&Sample) -> Option<f64>,
        compare: fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        self.in_round((scenario, target), (scenario, base), value, compare)
    }

    /// The gateway's CPU time for an event of a translated stream, as a multiple of
    /// that for the same stream untranslated.
    fn translated(&self, scenario: Scenario) -> Option<Spread> {
        let base = (scenario.untranslated()?, Kind::Gateway);
        self.in_round((scenario, Kind::Gateway), base, cpu, divide)
    }

    fn in_round(
        &self,
        (scenario, target): (Scenario, Kind),
        (base_scenario, base_target): (Scenario, Kind),
        value: fn(&Sample) -> Option<f64>,
        compare: fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        Spread::of(self.of(scenario, target).filter_map(|sample| {
            let base = self
                .of(base_scenario, base_target)
                .find(|other| other.round == sample.round)?;
            Some(compare(value(sample)?, value(base)?))
        }))
    }
}

fn cpu(sample: &Sample) -> Option<f64> {
    sample.cpu_us
}

fn resident(sample: &Sample) -> Option<f64> {
    sample.resident_kib.map(|kib| kib as f64)
}

fn p50(sample: &Sample) -> Option<f64> {
    sample.p50_us.map(|micros| micros as f64)
}

fn p99(sample: &Sample) -> Option<f64> {
    sample.p99_us.map(|micros| micros as f64)
}

fn divide(value: f64, base: f64) -> f64 {
    value / base
}

fn subtract(value: f64, base: f64) -> f64 {
    value - base
}

fn cell(value: Option<Spread>, scale: f64, digits: usize) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| format!("{:.digits$}", value.median * scale),
    )
}

fn ratio(value: Option<Spread>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| format!("{:.2}x ({:.2}..{:.2})", value.median, value.low, value.high),
    )
}

/// A message on one line, without what would end a cell or a piece of code; of a long one
/// its beginning and its end.
fn one_line(message: &str) -> String {
    const TOLD: usize = 150;
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters: Vec<char> = words.replace(['`', '|'], "'").chars().collect();
    if letters.len() > 2 * TOLD {
        letters.splice(TOLD..letters.len() - TOLD, " ... ".chars());
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::load::Failures;
    use crate::peer::Peer;

    fn sample(target: Kind, round: usize, cpu_us: f64) -> Sample {
        Sample {
            cpu_us: Some(cpu_us),
            per_second: 1.0,
            ..Sample::of(Scenario::Chat, target, round, &Failures::default())
        }
    }

    fn report(samples: Vec<Sample>) -> Report {
        Report {
            machine: Machine::here(),
            command: "bench".to_owned(),
            rounds: 3,
            streams: 0,
            subjects: Vec::new(),
            left_out: Vec::new(),
            samples,
        }
    }

    #[test]
    fn ratios_compare_samples_of_one_round() {
        let report = report(vec![
            sample(Kind::Pingora, 0, 10.0),
            sample(Kind::Gateway, 0, 12.0),
            sample(Kind::Pingora, 1, 100.0),
            sample(Kind::Gateway, 1, 110.0),
            sample(Kind::Pingora, 2, 20.0),
            sample(Kind::Gateway, 2, 30.0),
        ]);
        let found = report.against(Scenario::Chat, Kind::Gateway, Kind::Pingora, cpu, divide);
        let found = found.unwrap();
        assert_eq!((found.low, found.median, found.high), (1.1, 1.2, 1.5));
        assert!(report.markdown().contains("| 1.20x | reached |"));
    }

    #[test]
    fn translated_streams_are_compared_with_the_same_stream_as_it_is() {
        let of = |scenario, target, round, cpu_us| Sample {
            scenario,
            ..sample(target, round, cpu_us)
        };
        let report = report(vec![
            of(Scenario::Burst, Kind::Pingora, 0, 1.0),
            of(Scenario::Burst, Kind::Gateway, 0, 2.0),
            of(Scenario::Ollama, Kind::Gateway, 0, 3.0),
            of(Scenario::Burst, Kind::Pingora, 1, 1.0),
            of(Scenario::Burst, Kind::Gateway, 1, 10.0),
            of(Scenario::Ollama, Kind::Gateway, 1, 45.0),
        ]);
        let text = report.markdown();
        assert!(text.contains("| together, OpenAI | 6.00 | - |"), "{text}");
        assert!(
            text.contains("| together, Ollama | 24.00 | 3.00x (1.50..4.50) |"),
            "{text}"
        );
        assert!(text.contains("| 3.0x | 3.00x | reached |"), "{text}");
        assert!(!text.contains("Anthropic"), "{text}");
    }

    #[test]
    fn a_peer_that_fails_and_falls_behind_is_told_of() {
        let peer = Kind::Peer(Peer::Vllm);
        let mut report = report(vec![Sample {
            scenario: Scenario::Paced,
            at_once: 50,
            behind: Some((100, 3_000.0)),
            failures: 7,
            first_failure: Some("status 502:\n\"`no` | yes\"".to_owned()),
            ..sample(peer, 0, 9.0)
        }]);
        report.subjects.push(Subject::new(peer, "1.2".to_owned()));
        let absent = Kind::Peer(Peer::Portkey);
        report
            .left_out
            .push((absent, "it is not installed".to_owned()));
        let text = report.markdown();
        for part in [
            "of 3 rounds, those of peers of 1)",
            "| vLLM router | 1.2 | `TOKIO_WORKER_THREADS=1 vllm-router ",
            "Portkey is left out: it is not installed\n",
            "| vLLM router | 50 (with 100: 3000 events/s) | 9.00 | - |",
            ": 7 failed, the first with `status 502: \"'no' ' yes\"`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let found = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()).unwrap();
        assert_eq!((found.low, found.median, found.high), (1.0, 2.5, 4.0));
        assert!(Spread::of(std::iter::empty()).is_none());
    }
}
