//! `bench`: what a call costs through the gateway, side by side with nothing,
//! nginx, bare Pingora, and other gateways and routers.
//!
//! Every scenario runs through every target in turn, round after round, on one
//! machine in one run: the ratios are the result, the absolute figures only say
//! where they were taken. The simulated upstream is a process of its own and the
//! load generator is this one; neither is counted. `docs/benchmarks.md` explains
//! how to read the tables.

mod check;
mod dialect;
mod gateway;
mod http;
mod load;
mod machine;
mod measure;
mod passthrough;
mod peer;
mod process;
mod report;
mod run;
mod scan;
mod scenario;
mod target;
mod upstream;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::machine::Machine;
use crate::report::{Report, Subject};
use crate::run::{Plan, run};
use crate::scenario::Scenario;
use crate::target::{Kind, Programs};

/// Measure the gateway side by side with nothing, nginx, bare Pingora, and other gateways.
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
    /// Measure also the other gateways and routers that scripts/peers.sh has put here.
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// Write every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Put the report into this document, between its lines `<!-- figures -->` and
    /// `<!-- end of figures -->`, in place of what is there.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
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
    let programs = Programs::find(args.peers.clone())?;
    let mut plan = plan(&args, &programs)?;
    raise_file_limit(plan.streams)?;
    if let Some(file) = &args.into {
        // Before the run, which takes minutes, rather than after it.
        report::paste(&read(file)?, "")?;
    }
    // What was started ends by being dropped, whichever way this is left.
    let longest = plan.longest();
    let samples = tokio::select! {
        samples = timeout(longest, run(&mut plan, &programs)) => {
            samples.context("the run took far longer than planned")??
        }
        signal = told_to_stop() => {
            anyhow::bail!("ended by {}", signal?);
        }
    };
    let report = Report {
        machine: Machine::here(),
        command: told(std::env::args().skip(1)),
        rounds: plan.rounds,
        streams: plan.streams,
        subjects: plan.subjects,
        left_out: plan.left_out,
        samples,
    };
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let text = report.markdown();
    if let Some(file) = &args.into {
        // Read anew: it may have been edited while this ran.
        let pasted = report::paste(&read(file)?, &text)?;
        std::fs::write(file, pasted).with_context(|| format!("cannot write {}", file.display()))?;
    }
    write!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

/// How this was called, without the places of this machine.
fn told(args: impl Iterator<Item = String>) -> String {
    let mut told = "bench".to_owned();
    let mut place = false;
    for arg in args {
        if std::mem::take(&mut place) {
            continue;
        }
        let name = arg.split('=').next().unwrap_or_default();
        if ["--peers", "--json", "--into"].contains(&name) {
            place = name == arg;
            if name == "--peers" {
                told += " --peers FOLDER";
            }
        } else {
            told += &format!(" {arg}");
        }
    }
    told
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
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

/// What the arguments ask for, of what is here.
fn plan(args: &Args, programs: &Programs) -> Result<Plan> {
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
    let (mut subjects, mut left_out) = (Vec::new(), Vec::new());
    for &kind in Kind::value_variants() {
        if !args.targets.is_empty() && !args.targets.contains(&kind) {
            continue;
        }
        match kind.version(programs) {
            Ok(version) => subjects.push(Subject::new(kind, version)),
            Err(error) if args.targets.is_empty() => left_out.push((kind, format!("{error:#}"))),
            Err(error) => return Err(error.context(kind.title())),
        }
    }
    Ok(Plan {
        rounds,
        window: Duration::from_secs_f64(seconds),
        streams,
        scenarios: scenarios.collect(),
        subjects,
        left_out,
    })
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

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_report_names_no_place_of_its_machine() {
        for (args, expected) in [
            ("--quick", "bench --quick"),
            (
                "--peers /a --rounds 3 --into=/b --json /c --seconds 1",
                "bench --peers FOLDER --rounds 3 --seconds 1",
            ),
        ] {
            assert_eq!(told(args.split(' ').map(str::to_owned)), expected);
        }
    }
}
