//! `soak`: the gateway and its admin app under mixed calls for minutes or hours, while the
//! endpoints that are asked first fail in every way, and then an account of everything.
//!
//! No call may fail, since one candidate of each virtual model is well at any time; nothing
//! may have grown; and the usage rows must say what callers and providers have seen.
//! `docs/soak.md` says how to read what is printed.

mod account;
mod calls;
mod figures;
#[path = "../bench/http.rs"]
mod http;
mod operator;
#[cfg_attr(not(test), expect(dead_code, reason = "the benchmark uses the rest"))]
#[path = "../bench/process.rs"]
mod process;
mod replies;
mod scene;
mod traffic;
mod trouble;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::account::Account;
use crate::figures::Figures;
use crate::scene::Scene;
use crate::traffic::Traffic;

/// Run the gateway under mixed calls and faults, and see that nothing fails or grows.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Seconds of traffic.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Calls a second.
    #[arg(long, default_value_t = 60)]
    rate: u64,
}

/// Set when the traffic's time is over.
#[derive(Clone, Default)]
struct Over(Arc<AtomicBool>);

impl Over {
    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = tokio::select! {
        outcome = soak(&args) => outcome,
        stopped = told_to_stop() => stopped,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(&format!("soak: {failure:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whoever waits for the output is told; a closed output ends nothing.
fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}");
}

async fn told_to_stop() -> Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    bail!("stopped before its end")
}

async fn soak(args: &Args) -> Result<bool> {
    let scene = Arc::new(Scene::start().await?);
    let time = Duration::from_secs(args.seconds);
    say(&format!(
        "soak: {} s, {} calls/s, gateway at {} over {}",
        args.seconds,
        args.rate,
        scene.gateway,
        scene.folder.path().display()
    ));
    let before = scene.at_rest().await?;
    let over = Over::default();
    let traffic = Traffic::start(&scene, args.rate, &over);
    let troubles = tokio::spawn(trouble::make(Arc::clone(&scene), over.clone()));
    let changes = tokio::spawn(operator::work(Arc::clone(&scene), over.clone()));
    let figures = Figures::watch(&scene, &traffic.book, time).await?;
    over.now();
    let book = traffic.finish().await?;
    let mut account = Account::new(troubles.await??, changes.await??);
    account.take(&scene, &book, &figures, &before).await?;
    figures.show();
    Ok(account.show(&book))
}
