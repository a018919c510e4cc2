//! The report as Markdown: a table for each scenario, those of versions, failures and goals.

use std::fmt::Write as _;

use clap::ValueEnum;

use super::{Report, cell, cpu, divide, one_line, p50, p99, ratio, resident, subtract};
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

/// What most tables have of a target.
struct Row {
    cpu: String,
    ratio: String,
    per_second: String,
    p50: String,
    p99: String,
    added_p50: String,
    added_p99: String,
    resident: String,
    failures: u64,
}

impl Report {
    /// The report as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).unwrap_or_default();
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}", self.machine)?;
        let peers = match self.peer_rounds() {
            0 => String::new(),
            rounds => format!(", those of peers of {rounds}"),
        };
        writeln!(
            out,
            "Command: `{}` (medians of {} rounds{peers})\n",
            self.command, self.rounds
        )?;
        self.subjects_table(out)?;
        for scenario in [
            Scenario::Chat,
            Scenario::Burst,
            Scenario::Conversation,
            Scenario::Prompt,
            Scenario::First,
        ] {
            self.table(out, scenario)?;
        }
        self.paced_table(out)?;
        self.translations(out)?;
        self.memory_table(out)?;
        self.failures(out)?;
        self.goals(out)
    }

    fn subjects_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "| | version | settings |\n|---|---|---|")?;
        for subject in &self.subjects {
            writeln!(
                out,
                "| {} | {} | {} |",
                subject.kind.title(),
                subject.version,
                subject.settings
            )?;
        }
        writeln!(out)?;
        for (kind, why) in &self.left_out {
            writeln!(out, "{} is left out: {}\n", kind.title(), one_line(why))?;
        }
        Ok(())
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
            "| | CPU µs per {unit} | of bare Pingora | {unit}s/s | p50 ms | p99 ms | added p50 ms | added p99 ms | RSS MiB | failures |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for target in targets {
            let row = self.row(scenario, target);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                target.title(),
                row.cpu,
                row.ratio,
                row.per_second,
                row.p50,
                row.p99,
                row.added_p50,
                row.added_p99,
                row.resident,
                row.failures,
            )?;
        }
        writeln!(out)
    }

    fn paced_table(&self, out: &mut String) -> std::fmt::Result {
        let scenario = Scenario::Paced;
        let targets = self.targets(scenario);
        if targets.is_empty() {
            return Ok(());
        }
        writeln!(out, "### {}\n", scenario.title())?;
        writeln!(
            out,
            "| | streams | CPU µs per event | of bare Pingora | events/s | gap p50 ms | gap p99 ms | added gap p99 ms | RSS MiB | failures |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for target in targets {
            let row = self.row(scenario, target);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                target.title(),
                self.streams_cell(target),
                row.cpu,
                row.ratio,
                row.per_second,
                row.p50,
                row.p99,
                row.added_p99,
                row.resident,
                row.failures,
            )?;
        }
        writeln!(out)
    }

    /// How many paced streams a target had, and what came through of more.
    fn streams_cell(&self, target: Kind) -> String {
        let samples = || self.of(Scenario::Paced, target);
        let streams = samples().map(|sample| sample.at_once).min().unwrap_or(0);
        match samples().find_map(|sample| sample.behind) {
            Some((more, events)) => format!("{streams} (with {more}: {events:.0} events/s)"),
            None => streams.to_string(),
        }
    }

    fn row(&self, scenario: Scenario, target: Kind) -> Row {
        let pick = |value: fn(&Sample) -> Option<f64>| self.spread(scenario, target, value);
        let added = |value: fn(&Sample) -> Option<f64>| {
            let added = self.against(scenario, target, Kind::Direct, value, subtract);
            cell(added, 1e-3, 2)
        };
        Row {
            cpu: cell(pick(cpu), 1.0, 2),
            ratio: ratio(self.against(scenario, target, Kind::Pingora, cpu, divide)),
            per_second: cell(pick(|s| Some(s.per_second)), 1.0, 0),
            p50: cell(pick(p50), 1e-3, 2),
            p99: cell(pick(p99), 1e-3, 2),
            added_p50: added(p50),
            added_p99: added(p99),
            resident: cell(pick(resident), 1.0 / 1024.0, 1),
            failures: self.failed(scenario, target),
        }
    }

    fn failed(&self, scenario: Scenario, target: Kind) -> u64 {
        self.of(scenario, target)
            .map(|sample| sample.failures)
            .sum()
    }

    fn memory_table(&self, out: &mut String) -> std::fmt::Result {
        let scenario = Scenario::Hold;
        let targets = self.targets(scenario);
        if targets.is_empty() {
            return Ok(());
        }
        writeln!(out, "### {} streams held open\n", self.streams)?;
        writeln!(
            out,
            "| | streams held | opened/s | RSS idle MiB | KiB per stream | of bare Pingora | failures |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
        for target in targets {
            let pick = |value: fn(&Sample) -> Option<f64>| self.spread(scenario, target, value);
            let stream = |sample: &Sample| sample.stream_kib;
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                target.title(),
                cell(pick(|s| Some(s.at_once as f64)), 1.0, 0),
                cell(pick(|s| Some(s.per_second)), 1.0, 0),
                cell(pick(resident), 1.0 / 1024.0, 1),
                cell(pick(stream), 1.0, 1),
                ratio(self.against(scenario, target, Kind::Pingora, stream, divide)),
                self.failed(scenario, target),
            )?;
        }
        writeln!(out)
    }

    /// The first failure of each peer in each scenario.
    fn failures(&self, out: &mut String) -> std::fmt::Result {
        let mut lines = Vec::new();
        for subject in &self.subjects {
            for &scenario in Scenario::value_variants() {
                let mut samples = self.of(scenario, subject.kind);
                if let Some(first) = samples.find_map(|sample| sample.first_failure.as_deref()) {
                    lines.push(format!(
                        "- {}, {}: {} failed, the first with `{}`",
                        subject.kind.title(),
                        scenario.title(),
                        self.failed(scenario, subject.kind),
                        one_line(first)
                    ));
                }
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(out, "### What failed\n\n{}\n", lines.join("\n"))
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
            "| stream, and what the upstream speaks | CPU µs per event | of the same dialect | events/s | p50 ms (paced: of the gap) | p99 ms |"
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
            cell(pick(cpu), 1.0, 2),
            ratio(self.translated(scenario)),
            cell(pick(|s| Some(s.per_second)), 1.0, 0),
            cell(pick(p50), 1e-3, 2),
            cell(pick(p99), 1e-3, 2),
        )
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
}
