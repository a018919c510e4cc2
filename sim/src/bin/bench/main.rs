//! `bench`: what a call costs through the gateway, side by side with nothing,
//! nginx and bare Pingora.
//!
//! Every scenario runs through every target in turn, round after round, on one
//! machine in one run: the ratios are the result, the absolute figures only say
//! where they were taken. The simulated upstream is a process of its own and the
//! load generator is this one; neither is counted. `docs/benchmarks.md` explains
//! how to read the tables.

mod dialect;
mod gateway;
#[expect(dead_code, reason = "the soak uses the rest")]
mod http;
mod load;
mod machine;
mod measure;
mod process;
mod report;
mod scenario;
mod target;
mod upstream;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::http::Connection;
use crate::machine::Machine;
use crate::measure::Sample;
use crate::process::{Running, free_address};
use crate::report::Report;
use crate::scenario::Scenario;
use crate::target::{Kind, Programs, Target, nginx_version};

/// Measure the gateway side by side with nothing, nginx and bare Pingora.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// A short run: one round, short windows, 1,000 open streams.
    #[arg(long)]
    quick: bool,
    /// Rounds of every measurement [default: 5, with --quick 1].
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement [default: 2, with --quick 0.7].
    #[arg(long)]
    seconds: Option<f64>,
    /// Streams held open at once [default: 5000, with --quick 1000].
    #[arg(long)]
    streams: Option<usize>,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Only these targets.
    #[arg(long, value_enum, value_delimiter = ',')]
    targets: Vec<Kind>,
    /// Write every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Part {
    /// Run the simulated upstream alone, until it is ended.
    Upstream {
        /// Address to listen on.
        #[arg(long)]
        listen: SocketAddr,
    },
}

/// One run, every choice made.
struct Plan {
    rounds: usize,
    window: Duration,
    streams: usize,
    scenarios: Vec<Scenario>,
    targets: Vec<Kind>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match bench(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The reason and its causes on one line; a closed stderr changes nothing.
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(args: Args) -> Result<()> {
    if let Some(Part::Upstream { listen }) = args.part {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("the simulated upstream cannot listen on {listen}"))?;
        return upstream::serve(listener).await;
    }
    let plan = Plan::new(&args)?;
    raise_file_limit(plan.streams)?;
    // What was started ends by being dropped, whichever way this is left.
    let samples = tokio::select! {
        samples = timeout(plan.longest(), run(&plan)) => {
            samples.context("the run took far longer than planned")??
        }
        signal = told_to_stop() => {
            anyhow::bail!("ended by {}", signal?);
        }
    };
    let report = Report {
        machine: Machine::here(),
        command: std::iter::once("bench".to_owned())
            .chain(std::env::args().skip(1))
            .collect::<Vec<_>>()
            .join(" "),
        rounds: plan.rounds,
        streams: plan.streams,
        samples,
    };
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    write!(std::io::stdout().lock(), "{}", report.markdown())?;
    Ok(())
}

/// Wait for a signal that asks this process to end: its name.
async fn told_to_stop() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    })
}

impl Plan {
    fn new(args: &Args) -> Result<Self> {
        let seconds = args.seconds.unwrap_or(if args.quick { 0.7 } else { 2.0 });
        let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 5 });
        let streams = args
            .streams
            .unwrap_or(if args.quick { 1_000 } else { 5_000 });
        ensure!((0.1..=60.0).contains(&seconds), "--seconds: 0.1 to 60");
        ensure!((1..=100).contains(&rounds), "--rounds: 1 to 100");
        ensure!((1..=20_000).contains(&streams), "--streams: 1 to 20000");
        let chosen = |scenario| args.scenario.is_empty() || args.scenario.contains(&scenario);
        // A translated stream is compared with the same stream untranslated, which is
        // measured just before it.
        let compared = |scenario| {
            let mut chosen = args.scenario.iter();
            chosen.any(|chosen| chosen.untranslated() == Some(scenario))
        };
        let scenarios = Scenario::value_variants().iter().copied();
        let scenarios = scenarios.filter(|&scenario| chosen(scenario) || compared(scenario));
        let targets = match args.targets.as_slice() {
            [] => Kind::value_variants()
                .iter()
                .copied()
                .filter(|&kind| kind != Kind::Nginx || nginx_version().is_some())
                .collect(),
            chosen => chosen.to_vec(),
        };
        Ok(Plan {
            rounds,
            window: Duration::from_secs_f64(seconds),
            streams,
            scenarios: scenarios.collect(),
            targets,
        })
    }

    /// Well over what the run needs: reached only when something hangs.
    fn longest(&self) -> Duration {
        let measurements = self.rounds * self.scenarios.len() * self.targets.len();
        let each = self.window * 2 + Duration::from_secs(20);
        each * u32::try_from(measurements).unwrap_or(u32::MAX) + Duration::from_secs(60)
    }
}

async fn run(plan: &Plan) -> Result<Vec<Sample>> {
    let programs = Programs::beside_this()?;
    let folder = tempfile::tempdir()?;
    let upstream = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["upstream", "--listen", &upstream.to_string()]);
    let mut upstream_process = Running::start("upstream", &mut command, folder.path())?;
    upstream_process
        .ready(async || {
            Connection::open(upstream).await?;
            Ok(())
        })
        .await?;

    let mut targets = Vec::new();
    for &kind in &plan.targets {
        targets.push(Target::start(kind, upstream, &programs).await?);
    }
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        for &scenario in &plan.scenarios {
            for target in &targets {
                let place = || format!("{}: {}", target.kind.title(), scenario.title());
                let translates = scenario.untranslated().is_some();
                if scenario == Scenario::Hold || (translates && target.kind != Kind::Gateway) {
                    continue;
                }
                let sample = measure::closed_loop(scenario, target, round, plan.window)
                    .await
                    .with_context(place)?;
                progress(&sample, plan);
                samples.push(sample);
            }
        }
    }
    for target in targets {
        target.end().await?;
    }
    if plan.scenarios.contains(&Scenario::Hold) {
        samples.extend(hold_rounds(plan, upstream, &programs).await?);
    }
    upstream_process.end().await?;
    Ok(samples)
}

/// Memory needs little repetition: at most two rounds, each on fresh processes.
async fn hold_rounds(
    plan: &Plan,
    upstream: SocketAddr,
    programs: &Programs,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..plan.rounds.min(2) {
        for &kind in plan.targets.iter().filter(|&&kind| kind != Kind::Direct) {
            let target = Target::start(kind, upstream, programs).await?;
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
    // A closed stderr is no reason to stop measuring.
    let _ = writeln!(
        std::io::stderr(),
        "round {} of {}: {:?}, {}: {figure}",
        sample.round + 1,
        plan.rounds,
        sample.scenario,
        sample.target.title(),
    );
}

/// Let this process, and those it starts, open as many sockets as the run needs:
/// two for each stream in a proxy.
fn raise_file_limit(streams: usize) -> Result<()> {
    let needed = streams as u64 * 2 + 2_000;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "{streams} open streams need {needed} file descriptors, this process may have {}: raise \
         `ulimit -n`, or choose fewer with --streams",
        maximum.unwrap_or(u64::MAX)
    );
    let current = maximum.or(Some(needed));
    setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    Ok(())
}
