//! The program `sim`: simulated providers from the command line, for the demo and for tests
//! in other languages. Prints one line per provider when it listens, then serves until
//! it is interrupted.

use std::io::Write;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use sim::{Flavor, Options, Script, Sim, Tls};

#[derive(Parser)]
#[command(name = "sim", about = "Simulated LLM providers on loopback")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    one: One,
}

#[derive(Args)]
struct One {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// openai, vllm, together, deepinfra, openwebui, queue, ollama, anthropic or runpod
    #[arg(long, default_value = "openai")]
    flavor: String,
    /// Key callers must show
    #[arg(long)]
    key: Option<String>,
    /// Model id it knows; may be repeated
    #[arg(long = "model")]
    models: Vec<String>,
    /// Script for calls that bring none
    #[arg(long, default_value = "")]
    script: String,
    /// Serve https; writes the authority's certificate to this file
    #[arg(long, value_name = "CA_FILE")]
    tls: Option<std::path::PathBuf>,
    /// Check nothing and record nothing: as fast as it can
    #[arg(long)]
    fast: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Every flavor at once, on ports counted up from the given one
    Demo {
        /// First port on 127.0.0.1; 0 takes free ones
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Key callers must show
        #[arg(long, default_value = "sk-sim")]
        key: String,
        /// Script for calls that bring none
        #[arg(long, default_value = "gap_ms=30")]
        script: String,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let sims = match cli.command {
        None => vec![one(cli.one).await?],
        Some(Command::Demo { port, key, script }) => demo(port, &key, &script).await?,
    };
    let mut out = std::io::stdout();
    for sim in &sims {
        writeln!(out, "sim {} {}", sim.flavor().id(), sim.base_url())?;
    }
    out.flush()?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    for sim in sims {
        sim.stop().await;
    }
    Ok(())
}

async fn one(one: One) -> anyhow::Result<Sim> {
    let Some(flavor) = Flavor::from_id(&one.flavor) else {
        let known: Vec<&str> = Flavor::every().map(Flavor::id).collect();
        bail!(
            "unknown flavor `{}`; known: {}",
            one.flavor,
            known.join(", ")
        );
    };
    let sim = Sim::start(Options {
        flavor,
        port: one.port,
        key: one.key,
        models: one.models,
        tls: one.tls.as_ref().map(|_| Tls::default()),
        validate: !one.fast,
        record: 0,
        script: one.script.parse::<Script>()?,
        ..Options::default()
    })
    .await
    .with_context(|| format!("cannot listen on 127.0.0.1:{}", one.port))?;
    if let (Some(file), Some(pem)) = (&one.tls, sim.ca_pem()) {
        std::fs::write(file, pem).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(sim)
}

async fn demo(port: u16, key: &str, script: &str) -> anyhow::Result<Vec<Sim>> {
    let script: Script = script.parse()?;
    let mut sims = Vec::new();
    for (flavor, number) in Flavor::every().zip(0_u16..) {
        let port = if port == 0 {
            0
        } else {
            port.saturating_add(number)
        };
        let options = Options {
            flavor,
            port,
            key: Some(key.to_owned()),
            record: 0,
            script: script.clone(),
            ..Options::default()
        };
        let sim = Sim::start(options)
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{port} for {}", flavor.id()))?;
        sims.push(sim);
    }
    Ok(sims)
}
