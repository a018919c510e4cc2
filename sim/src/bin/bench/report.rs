//! The tables: medians over the rounds, and ratios within each round.
//!
//! A ratio compares two measurements taken one after the other, so that what the
//! machine did meanwhile touches both; its spread over the rounds is printed too.

use std::fmt::Write as _;

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::Sample;
use crate::scenario::Scenario;
use crate::target::Kind;

/// The most memory that the gateway may keep for each open stream, in KiB.
const STREAM_GOAL_KIB: f64 = 32.0;
/// The most that the gateway may add to the first event at p50, in microseconds.
const FIRST_GOAL_US: f64 = 1_000.0;

/// The streams that the gateway translates, those of one shape together.
const TRANSLATED: [Scenario; 4] = [
    Scenario::Anthropic,
    Scenario::Ollama,
    Scenario::AnthropicPaced,
    Scenario::OllamaPaced,
];

/// Everything one run found out.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Where it ran.
    pub(crate) machine: Machine,
    /// How it was called.
    pub(crate) command: String,
    /// Rounds of each measurement.
    pub(crate) rounds: usize,
    /// Streams held open at once.
    pub(crate) streams: usize,
    /// Every measurement, in the order taken.
    pub(crate) samples: Vec<Sample>,
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
    /// The report as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).unwrap_or_default();
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let rounds = self.rounds;
        writeln!(out, "{}", self.machine)?;
        writeln!(
            out,
            "Command: `{}` ({rounds} rounds, medians)\n",
            self.command
        )?;
        for scenario in [
            Scenario::Chat,
            Scenario::Burst,
            Scenario::Paced,
            Scenario::Prompt,
            Scenario::First,
        ] {
            self.table(out, scenario)?;
        }
        self.translations(out)?;
        self.memory_table(out)?;
        self.goals(out)
    }

    fn table(&self, out: &mut String, scenario: Scenario) -> std::fmt::Result {
        let targets = self.targets(scenario);
        if targets.is_empty() {
            return Ok(());
        }
        let unit = if scenario.is_by_event() {
            "event"
        } else {
            "request"
        };
        writeln!(out, "### {}\n", scenario.title())?;
        writeln!(
            out,
            "| | CPU µs per {unit} | of bare Pingora | {unit}s/s | p50 ms | p99 ms | added p50 ms | added p99 ms |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for target in targets {
            let pick = |value: fn(&Sample) -> Option<f64>| self.spread(scenario, target, value);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                target.title(),
                cell(pick(|s| s.cpu_us), 1.0, 2),
                ratio(self.against(scenario, target, Kind::Pingora, |s| s.cpu_us, divide)),
                cell(pick(|s| Some(s.per_second)), 1.0, 0),
                cell(pick(p50), 1e-3, 2),
                cell(pick(p99), 1e-3, 2),
                cell(
                    self.against(scenario, target, Kind::Direct, p50, subtract),
                    1e-3,
                    2
                ),
                cell(
                    self.against(scenario, target, Kind::Direct, p99, subtract),
                    1e-3,
                    2
                ),
            )?;
        }
        writeln!(out)
    }

    /// What the gateway's translation costs, beside the same streams as they are.
    fn translations(&self, out: &mut String) -> std::fmt::Result {
        let measured = |scenario| self.of(scenario, Kind::Gateway).next().is_some();
        if !TRANSLATED.into_iter().any(measured) {
            return Ok(());
        }
        writeln!(out, "### Translated streams to an OpenAI caller\n")?;
        writeln!(
            out,
            "| stream, and what the upstream speaks | CPU µs per event | of the same dialect | events/s | p50 ms | p99 ms |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|")?;
        let mut base = None;
        for scenario in TRANSLATED.into_iter().filter(|&s| measured(s)) {
            let untranslated = scenario.untranslated().filter(|&found| measured(found));
            if base != untranslated {
                base = untranslated;
                if let Some(base) = base {
                    self.translation(out, base)?;
                }
            }
            self.translation(out, scenario)?;
        }
        writeln!(out)
    }

    fn translation(&self, out: &mut String, scenario: Scenario) -> std::fmt::Result {
        let pick = |value: fn(&Sample) -> Option<f64>| self.spread(scenario, Kind::Gateway, value);
        let shape = if scenario.is_paced() {
            "paced"
        } else {
            "together"
        };
        writeln!(
            out,
            "| {shape}, {} | {} | {} | {} | {} | {} |",
            scenario.dialect().title(),
            cell(pick(|s| s.cpu_us), 1.0, 2),
            ratio(self.translated(scenario)),
            cell(pick(|s| Some(s.per_second)), 1.0, 0),
            cell(pick(p50), 1e-3, 2),
            cell(pick(p99), 1e-3, 2),
        )
    }

    fn memory_table(&self, out: &mut String) -> std::fmt::Result {
        let targets = self.targets(Scenario::Hold);
        if targets.is_empty() {
            return Ok(());
        }
        writeln!(out, "### {} streams held open\n", self.streams)?;
        writeln!(out, "| | RSS idle MiB | KiB per stream | of bare Pingora |")?;
        writeln!(out, "|---|---:|---:|---:|")?;
        for target in targets {
            let pick =
                |value: fn(&Sample) -> Option<f64>| self.spread(Scenario::Hold, target, value);
            writeln!(
                out,
                "| {} | {} | {} | {} |",
                target.title(),
                cell(pick(|s| s.idle_kib.map(|kib| kib as f64)), 1.0 / 1024.0, 1),
                cell(pick(|s| s.stream_kib), 1.0, 1),
                ratio(self.against(
                    Scenario::Hold,
                    target,
                    Kind::Pingora,
                    |s| s.stream_kib,
                    divide
                )),
            )?;
        }
        writeln!(out)
    }

    /// The gateway's goals that this run can judge.
    fn goals(&self, out: &mut String) -> std::fmt::Result {
        let mut rows = Vec::new();
        for scenario in [
            Scenario::Chat,
            Scenario::Burst,
            Scenario::Paced,
            Scenario::Prompt,
        ] {
            let cpu = |sample: &Sample| sample.cpu_us;
            let found = self.against(scenario, Kind::Gateway, Kind::Pingora, cpu, divide);
            if let Some((found, goal)) = found.zip(scenario.goal()) {
                rows.push((
                    format!("{}: CPU of bare Pingora", scenario.title()),
                    format!("{:.2}x", found.median),
                    format!("{goal:.1}x"),
                    found.median <= goal,
                ));
            }
        }
        for scenario in TRANSLATED {
            if let Some((found, goal)) = self.translated(scenario).zip(scenario.goal()) {
                rows.push((
                    format!("{}: CPU of the same dialect", scenario.title()),
                    format!("{:.2}x", found.median),
                    format!("{goal:.1}x"),
                    found.median <= goal,
                ));
            }
        }
        let first = self.against(Scenario::First, Kind::Gateway, Kind::Direct, p50, subtract);
        if let Some(first) = first {
            rows.push((
                "First event: added at p50".to_owned(),
                format!("{:.2} ms", first.median / 1e3),
                format!("{:.0} ms", FIRST_GOAL_US / 1e3),
                first.median <= FIRST_GOAL_US,
            ));
        }
        let memory = self.spread(Scenario::Hold, Kind::Gateway, |s| s.stream_kib);
        if let Some(memory) = memory {
            rows.push((
                "RSS per open stream".to_owned(),
                format!("{:.1} KiB", memory.median),
                format!("{STREAM_GOAL_KIB:.0} KiB"),
                memory.median <= STREAM_GOAL_KIB,
            ));
        }
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(out, "### The gateway's goals\n")?;
        writeln!(out, "| goal | at most | measured | |\n|---|---:|---:|---|")?;
        for (name, found, goal, reached) in rows {
            let verdict = if reached { "reached" } else { "missed" };
            writeln!(out, "| {name} | {goal} | {found} | {verdict} |")?;
        }
        Ok(())
    }

    fn targets(&self, scenario: Scenario) -> Vec<Kind> {
        [Kind::Direct, Kind::Nginx, Kind::Pingora, Kind::Gateway]
            .into_iter()
            .filter(|&target| self.of(scenario, target).next().is_some())
            .collect()
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
        self.in_round((scenario, Kind::Gateway), base, |s| s.cpu_us, divide)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn sample(target: Kind, round: usize, cpu_us: f64) -> Sample {
        Sample {
            scenario: Scenario::Chat,
            target,
            round,
            cpu_us: Some(cpu_us),
            per_second: 1.0,
            p50_us: None,
            p99_us: None,
            idle_kib: None,
            stream_kib: None,
        }
    }

    #[test]
    fn ratios_compare_samples_of_one_round() {
        let report = Report {
            machine: Machine::here(),
            command: "bench".to_owned(),
            rounds: 3,
            streams: 0,
            samples: vec![
                sample(Kind::Pingora, 0, 10.0),
                sample(Kind::Gateway, 0, 12.0),
                sample(Kind::Pingora, 1, 100.0),
                sample(Kind::Gateway, 1, 110.0),
                sample(Kind::Pingora, 2, 20.0),
                sample(Kind::Gateway, 2, 30.0),
            ],
        };
        let cpu = |sample: &Sample| sample.cpu_us;
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
        let report = Report {
            machine: Machine::here(),
            command: "bench".to_owned(),
            rounds: 2,
            streams: 0,
            samples: vec![
                of(Scenario::Burst, Kind::Pingora, 0, 1.0),
                of(Scenario::Burst, Kind::Gateway, 0, 2.0),
                of(Scenario::Ollama, Kind::Gateway, 0, 3.0),
                of(Scenario::Burst, Kind::Pingora, 1, 1.0),
                of(Scenario::Burst, Kind::Gateway, 1, 10.0),
                of(Scenario::Ollama, Kind::Gateway, 1, 45.0),
            ],
        };
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
    fn the_median_of_an_even_number_lies_between() {
        let found = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()).unwrap();
        assert_eq!((found.low, found.median, found.high), (1.0, 2.5, 4.0));
        assert!(Spread::of(std::iter::empty()).is_none());
    }
}
