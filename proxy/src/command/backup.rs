//! `backup`: a copy of the store to a path.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use store::config::process::{Problems, Surroundings, say};

use crate::start;

/// Where the copy goes.
#[derive(Args)]
pub(crate) struct Backup {
    /// The file to make, which must not be there; in a folder, a file named after the time.
    path: PathBuf,
}

impl Backup {
    pub(super) fn run(&self) -> Result<(), Problems> {
        let surroundings = Surroundings::of_process();
        let (store, config) = surroundings.open_existing(start::log_of_task)?;
        let path = if self.path.is_dir() {
            self.path.join(name(store.path()))
        } else {
            self.path.clone()
        };
        let size = store.back_up(&path).map_err(|err| vec![err.to_string()])?;
        say(&format!("{}: {size} bytes, whole", path.display()));
        if config.key_source.current.is_some() {
            say("Its secrets open with SECRET_KEY only: keep that apart from the copy.");
        } else {
            say(&format!(
                "Its secrets open with {}.key only: keep a copy of that file, apart from this one.",
                store.path().display()
            ));
        }
        Ok(())
    }
}

/// A name that tells when, and that sorts.
fn name(store: &Path) -> String {
    let stem = store.file_stem().unwrap_or_default().to_string_lossy();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs());
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let stamp = i64::try_from(now)
        .ok()
        .and_then(|now| time::OffsetDateTime::from_unix_timestamp(now).ok())
        .and_then(|now| now.format(format).ok())
        .unwrap_or_else(|| now.to_string());
    format!("{stem}-{stamp}.db")
}
