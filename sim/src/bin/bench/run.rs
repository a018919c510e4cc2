//! One run: every target started, measured and ended.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::http::Connection;
use crate::measure::{self, Sample};
use crate::process::{Running, START, free_address};
use crate::report::Subject;
use crate::scenario::Scenario;
use crate::target::{Kind, Programs, Target};

/// Rounds of a peer's measurements at most: its distance is wider than its spread, and some
/// are slow.
const PEER_ROUNDS: usize = 2;

/// One run, every choice made.
pub(crate) struct Plan {
    /// Rounds of every measurement.
    pub(crate) rounds: usize,
    /// How long each measurement counts.
    pub(crate) window: Duration,
    /// Streams to be held open at once.
    pub(crate) streams: usize,
    /// Which scenarios, in their order.
    pub(crate) scenarios: Vec<Scenario>,
    /// What is measured.
    pub(crate) subjects: Vec<Subject>,
    /// What is not, and why.
    pub(crate) left_out: Vec<(Kind, String)>,
}

impl Plan {
    /// What can be measured, without what was found not to start.
    fn targets(&self) -> Vec<Kind> {
        self.subjects.iter().map(|subject| subject.kind).collect()
    }

    /// Note that a peer could not be measured.
    fn leave_out(&mut self, kind: Kind, why: &anyhow::Error) {
        self.subjects.retain(|subject| subject.kind != kind);
        self.left_out.push((kind, format!("{why:#}")));
    }

    /// Well over what the run needs: reached only when something hangs.
    pub(crate) fn longest(&self) -> Duration {
        let measurements = self.rounds * self.scenarios.len() * self.subjects.len();
        let each = self.window * 8 + Duration::from_secs(30);
        each * u32::try_from(measurements).unwrap_or(u32::MAX) + Duration::from_secs(600)
    }
}

/// Measure everything: each scenario through each target in turn, round after round.
pub(crate) async fn run(plan: &mut Plan, programs: &Programs) -> Result<Vec<Sample>> {
    let folder = tempfile::tempdir()?;
    let upstream = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["upstream", "--listen", &upstream.to_string()]);
    let mut upstream_process = Running::start("upstream", &mut command, folder.path())?;
    upstream_process
        .ready(START, async || {
            Connection::open(upstream).await?;
            Ok(())
        })
        .await?;

    let mut targets = Vec::new();
    for kind in plan.targets() {
        targets.extend(start(kind, upstream, plan, programs).await?);
    }
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        for &scenario in &plan.scenarios {
            for target in &mut targets {
                let kind = target.kind;
                let translates = scenario.untranslated().is_some();
                if scenario == Scenario::Hold
                    || (translates && kind != Kind::Gateway)
                    || (kind.is_peer() && round >= PEER_ROUNDS)
                {
                    continue;
                }
                let sample = measure::closed_loop(scenario, target, round, plan.window)
                    .await
                    .with_context(|| format!("{}: {}", kind.title(), scenario.title()))?;
                progress(&sample, plan);
                samples.push(sample);
            }
        }
    }
    for target in targets {
        target.end().await?;
    }
    if plan.scenarios.contains(&Scenario::Hold) {
        samples.extend(hold_rounds(plan, upstream, programs).await?);
    }
    upstream_process.end().await?;
    Ok(samples)
}

/// Start a target. A peer that does not start is left out of the run.
async fn start(
    kind: Kind,
    upstream: SocketAddr,
    plan: &mut Plan,
    programs: &Programs,
) -> Result<Option<Target>> {
    match Target::start(kind, upstream, programs).await {
        Ok(target) => Ok(Some(target)),
        Err(error) if kind.is_peer() => {
            plan.leave_out(kind, &error);
            Ok(None)
        }
        Err(error) => Err(error.context(kind.title())),
    }
}

/// Memory needs little repetition: at most two rounds, of peers one, each on fresh
/// processes.
async fn hold_rounds(
    plan: &mut Plan,
    upstream: SocketAddr,
    programs: &Programs,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..plan.rounds.min(2) {
        for kind in plan.targets() {
            if kind == Kind::Direct || (kind.is_peer() && round > 0) {
                continue;
            }
            let Some(target) = start(kind, upstream, plan, programs).await? else {
                continue;
            };
            let sample = measure::hold(&target, round, plan.streams)
                .await
                .with_context(|| format!("{}: streams held open", kind.title()))?;
            target.end().await?;
            progress(&sample, plan);
            samples.push(sample);
        }
    }
    Ok(samples)
}

/// One line to stderr for each measurement: a full run takes minutes.
fn progress(sample: &Sample, plan: &Plan) {
    let figure = match (sample.cpu_us, sample.stream_kib) {
        (Some(cpu), _) => format!("{cpu:.2} µs CPU"),
        (None, Some(kib)) => format!("{kib:.1} KiB per stream"),
        (None, None) => format!("{:.0}/s", sample.per_second),
    };
    let failures = match (&sample.first_failure, sample.failures) {
        (Some(first), count) => format!(", {count} failed: {first}"),
        (None, _) => String::new(),
    };
    // A closed stderr is no reason to stop measuring.
    let _ = writeln!(
        std::io::stderr(),
        "round {} of {}: {:?}, {}: {figure}{failures}",
        sample.round + 1,
        plan.rounds,
        sample.scenario,
        sample.target.title(),
    );
}
