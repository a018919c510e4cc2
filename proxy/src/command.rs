//! What the program does from its command line instead of serving.
//!
//! Each task opens the store as a start of the gateway would, and both programs may be at
//! work meanwhile. What the store does is the store's: the admin app calls the same.

mod backup;
mod export;
mod import;
pub(crate) mod told;

use std::process::ExitCode;

use clap::Subcommand;
use store::Actor;
use store::config::process;

use crate::doctor;

/// What to do instead of serving.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// Bring a configuration into the store: an exported one, the database of the original
    /// Python program, or LiteLLM's config.yaml. Which it is, the file itself tells.
    Import(import::Import),
    /// Write settings, endpoints, virtual models, patterns and the limits of keys as one
    /// document.
    Export(export::Export),
    /// Copy the whole store, usage too, while both programs are at work.
    Backup(backup::Backup),
    /// Look over everything and say what to do about it. Ends with 0 when all is well, 1
    /// with warnings, 2 with errors. Changes nothing.
    Doctor(doctor::Doctor),
}

impl Task {
    /// Does it.
    pub(crate) fn run(&self) -> ExitCode {
        let outcome = match self {
            Self::Import(import) => import.run(),
            Self::Export(export) => export.run(),
            Self::Backup(backup) => backup.run(),
            Self::Doctor(doctor) => return doctor.run(),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => {
                process::report(&problems);
                ExitCode::FAILURE
            }
        }
    }
}

/// Who makes the changes that a task makes, in the audit.
fn actor() -> Actor {
    Actor {
        user: "command line".to_owned(),
        address: None,
    }
}
