//! `export`: the whole configuration as one document.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use store::config::process::{Problems, Surroundings, say};
use store::configuration::{self, Secrets};

use super::told;
use crate::start;

/// Where the document goes and what it holds.
#[derive(Args)]
pub(crate) struct Export {
    /// The file to make, which must not be there; without it, standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    /// Without this as the file's name ends, and otherwise json.
    #[arg(long)]
    format: Option<Format>,

    /// With the keys of endpoints and secret headers in plain text, for moving to another
    /// machine. Keys of callers are never in it.
    #[arg(long)]
    with_secrets: bool,
}

/// How the document is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), Problems> {
        if self.with_secrets && self.to.is_none() && io::stdout().is_terminal() {
            return Err(vec![
                "secrets are not written to a terminal: name a file with --to".to_owned(),
            ]);
        }
        let (store, _config) = Surroundings::of_process().open_existing(start::log_of_task)?;
        let secrets = if self.with_secrets {
            Secrets::Plain
        } else {
            Secrets::Masked
        };
        let document =
            configuration::export(&store, secrets).map_err(|err| vec![err.to_string()])?;
        let text = match self.format() {
            Format::Json => told::pretty(&document),
            Format::Yaml => configuration::to_yaml(&document).map_err(|why| vec![why])?,
        };
        let Some(path) = &self.to else {
            say(text.trim_end());
            return Ok(());
        };
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(text.trim_end().as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            });
        written.map_err(|err| {
            let why = if err.kind() == io::ErrorKind::AlreadyExists {
                "it is there already, and nothing is written over; choose another name".to_owned()
            } else {
                err.to_string()
            };
            vec![format!("{} cannot be made: {why}", path.display())]
        })?;
        let what = if self.with_secrets {
            "keys of endpoints are in it in plain text; keys of callers are not"
        } else {
            "no secret is in it"
        };
        say(&format!("{}: {what}", path.display()));
        Ok(())
    }

    fn format(&self) -> Format {
        let ending = self.to.as_ref().and_then(|path| path.extension());
        let is_yaml = ending.is_some_and(|ending| ending == "yaml" || ending == "yml");
        self.format
            .unwrap_or(if is_yaml { Format::Yaml } else { Format::Json })
    }
}
