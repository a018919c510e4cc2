//! `serverless-proxy`: the gateway.
//!
//! Model calls come in on one port and go out to the configured endpoints. This
//! file turns arguments into a running server or a clear refusal; [`life`] is
//! where a call is served.

mod access_log;
mod affinity;
mod answers;
mod claim;
mod closing;
mod command;
mod conversations;
mod descriptors;
mod doctor;
mod fault;
mod flights;
mod gateway;
mod health;
mod ledger;
mod life;
mod listener;
mod live;
mod metrics;
mod phase;
mod poll;
mod ready;
mod report;
mod request_id;
mod routes;
mod serving;
mod start;
mod stop;
mod telemetry;
mod thoughts;
mod upgrade;
mod upstream;

use std::process::ExitCode;

use clap::Parser;

use command::Task;

/// Long prompts come and go: see the manifest.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Serves OpenAI's API on port 8002 from the endpoints that the store names.
///
/// Settings come from the environment, a .env file in the working folder, and the
/// store, in this order; .env.example lists them all.
#[derive(Parser)]
#[command(
    name = "serverless-proxy",
    version,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    /// Check the configuration and the store, list every problem, and exit: 0 when
    /// there is none, 1 otherwise. Changes nothing.
    #[arg(long)]
    check: bool,

    /// Encrypt every secret of the store with a new key, and exit. Both programs may run
    /// meanwhile. The key file gets a new key; a key from SECRET_KEY is not changed: set it
    /// to the new one and SECRET_KEY_PREVIOUS to the one of before.
    #[arg(long, conflicts_with = "check")]
    rotate_secret_key: bool,

    /// Take over from the gateway that runs, without a call failing: this process listens on
    /// its socket, and that one ends what it has begun. If this one cannot start, that one
    /// goes on.
    #[arg(long, conflicts_with_all = ["check", "rotate_secret_key"])]
    upgrade: bool,

    /// With --upgrade: do it in a process of its own and exit once that one serves.
    #[arg(long, requires = "upgrade")]
    detach: bool,

    #[command(subcommand)]
    task: Option<Task>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(task) = &arguments.task {
        return task.run();
    }
    let outcome = if arguments.check {
        start::check()
    } else if arguments.rotate_secret_key {
        start::rotate_secret_key()
    } else if arguments.detach {
        start::launch()
    } else {
        start::run(arguments.upgrade)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            store::config::process::report(&problems);
            ExitCode::FAILURE
        }
    }
}
