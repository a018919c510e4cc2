//! `import`: a configuration from a file into the store, and the report of what became of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use store::config::process::{Problems, Surroundings, say};
use store::configuration;
use store::transfer::{self, Arrived, Existing, Incoming, Kind};
use store::{FieldErrors, Store, StoreError};
use tempfile::TempDir;

use super::{actor, told};
use crate::start;

/// What comes, and what becomes of it.
#[derive(Args)]
pub(crate) struct Import {
    /// The file; - for standard input.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// What becomes of a row whose name is there already. Without this: for an exported
    /// configuration replace, otherwise refuse.
    #[arg(long, value_name = "WHAT")]
    existing: Option<Choice>,

    /// Do everything, say what came of it, and undo it.
    #[arg(long)]
    dry_run: bool,

    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

/// What becomes of a row whose name is there already.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Nothing at all is written.
    Refuse,
    /// The one that is there stays as it is.
    Skip,
    /// What comes is written over what is there; secrets that do not come stay.
    Replace,
}

impl From<Choice> for Existing {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Refuse => Self::Refuse,
            Choice::Skip => Self::Skip,
            Choice::Replace => Self::Replace,
        }
    }
}

impl Import {
    pub(super) fn run(&self) -> Result<(), Problems> {
        let surroundings = Surroundings::of_process();
        let (store, _folder) = self.store(&surroundings)?;
        let env = |name: &str| surroundings.variable(name);
        let arrived = transfer::read(&self.from, &store, &env);
        match arrived.map_err(|err| vec![err.to_string()])? {
            Arrived::Foreign(kind, incoming) => self.take(&store, kind, *incoming),
            Arrived::Configuration(document) => self.take_document(&store, &document),
        }
    }

    /// The store; for a trial where there is none yet, an empty one that goes with the folder.
    fn store(&self, surroundings: &Surroundings<'_>) -> Result<(Store, Option<TempDir>), Problems> {
        let config = surroundings.config()?;
        let (store, config, folder) = if self.dry_run && !config.database_path.exists() {
            start::log_of_task(&config)?;
            let folder = TempDir::new()
                .map_err(|err| vec![format!("no temporary folder can be made: {err}")])?;
            let store = Store::open(&folder.path().join("proxy.db"))
                .map_err(|err| vec![err.to_string()])?;
            (store, config, Some(folder))
        } else {
            let (store, config) = surroundings.open(start::log_of_task)?;
            (store, config, None)
        };
        let store = if config.allow_link_local_endpoints {
            store
        } else {
            store.refusing_link_local()
        };
        Ok((store.by(actor()), folder))
    }

    fn take(&self, store: &Store, kind: Kind, mut incoming: Incoming) -> Result<(), Problems> {
        let existing = self.existing.map_or(Existing::Refuse, Existing::from);
        let taken = store
            .take(&mut incoming, existing, self.dry_run)
            .map_err(|err| self.refused(err))?;
        if self.json {
            say(&told::pretty(&json!({
                "kind": kind.noun(),
                "dry_run": self.dry_run,
                "created": taken.created,
                "replaced": taken.replaced,
                "skipped": taken.skipped,
                "findings": incoming.findings,
            })));
            return Ok(());
        }
        told::findings(&incoming.findings);
        say(&format!(
            "{} created, {} replaced, {} left as they were.",
            taken.created, taken.replaced, taken.skipped
        ));
        self.say_if_dry();
        Ok(())
    }

    fn take_document(&self, store: &Store, document: &Value) -> Result<(), Problems> {
        let existing = self.existing.map_or(Existing::Replace, Existing::from);
        let taken = configuration::import(store, document, existing, self.dry_run)
            .map_err(|err| self.refused(err))?;
        if self.json {
            let mut report = json!({
                "kind": Kind::Configuration.noun(),
                "dry_run": self.dry_run,
            });
            if let (Some(report), Ok(Value::Object(taken))) =
                (report.as_object_mut(), serde_json::to_value(&taken))
            {
                report.extend(taken);
            }
            say(&told::pretty(&report));
            return Ok(());
        }
        for line in &taken.left_out {
            told::left_out(line);
        }
        say(&format!(
            "{} created, {} changed.",
            taken.created, taken.changed
        ));
        self.say_if_dry();
        Ok(())
    }

    fn say_if_dry(&self) {
        if self.dry_run {
            say("This was a trial: nothing has been written.");
        }
    }

    /// Every reason in a line of its own, and what to do about names that are there.
    fn refused(&self, err: StoreError) -> Problems {
        let StoreError::Invalid { fields } = err else {
            return vec![err.to_string()];
        };
        let mut problems = lines(&fields);
        let existing = self.existing == Some(Choice::Refuse) || self.existing.is_none();
        if existing
            && problems
                .iter()
                .any(|line| line.ends_with("is there already") || line.contains(": there already:"))
        {
            problems.push(
                "nothing was written: import with --existing skip to keep what is there, or \
                 with --existing replace to write over it"
                    .to_owned(),
            );
        } else {
            problems.push("nothing was written: mend this in the file and import again".to_owned());
        }
        problems
    }
}

fn lines(fields: &FieldErrors) -> Problems {
    fields
        .iter()
        .map(|(field, why)| format!("{field}: {why}"))
        .collect()
}
