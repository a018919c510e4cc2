//! The command line.

use clap::Parser;

/// LLM gateway: OpenAI clients in, configured endpoints out. Settings come from the
/// environment and a .env file in the working folder; see .env.example.
#[derive(Debug, Parser)]
#[command(name = "serverless-proxy", version)]
pub(crate) struct Cli {
    /// Validate the configuration and the store, list every problem and exit: 0
    /// when there is none, 1 otherwise
    #[arg(long)]
    pub(crate) check: bool,
}
