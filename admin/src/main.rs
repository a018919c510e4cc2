//! The admin app: an HTTP server for the operator's pages and JSON API over the
//! store that the gateway reads.
//!
//! It never serves a model call, and calls the gateway only as any client would, when
//! somebody tries out a virtual model. This file turns
//! arguments and environment into a running server or a clear refusal.

mod access;
mod admin;
mod alive;
mod api;
mod clock;
mod error;
mod gateway;
mod health;
mod json_object;
mod new_password;
mod pages;
mod patience;
mod probe;
mod request_log;
mod routing;
mod server;
mod shown;
mod start;
mod upkeep;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Serves the admin pages and JSON API of serverless-proxy.
///
/// Settings come from the environment, a .env file in the working folder, and the
/// store, in this order; .env.example lists them all.
#[derive(Parser)]
#[command(name = "serverless-proxy-admin", version)]
struct Arguments {
    /// Check the configuration and the store, list every problem, and exit: 0 when
    /// there is none, 1 otherwise. Changes nothing.
    #[arg(long)]
    check: bool,

    #[command(subcommand)]
    command: Option<Task>,
}

/// What to do instead of serving.
#[derive(Subcommand)]
enum Task {
    /// Give somebody a new password, read from standard input, and end the person's
    /// sessions.
    ResetPassword {
        /// The name that the person logs in with.
        user: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        _ if arguments.check => start::check(),
        Some(Task::ResetPassword { user }) => start::reset_password(&user),
        None => start::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            store::config::process::report(&problems);
            ExitCode::FAILURE
        }
    }
}
