//! Looks a database over without changing it, for `--check`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use wire::provider::BaseUrl;

use super::file::READ_WRITE;
use super::{BUSY_TIMEOUT, Store, settings};
use crate::config;
use crate::endpoint::Endpoint;
use crate::error::StoreError;
use crate::migrations;
use crate::problem::Problem;
use crate::snapshot::{Snapshot, StoredConfiguration};
use crate::vault::{KeySource, Vault};

/// How a certificate begins in a PEM file.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What a look at a database found.
#[derive(Default)]
pub(crate) struct Finding {
    /// Everything wrong with it.
    pub(crate) problems: Vec<Problem>,
    /// Its stored settings, good or bad; none when it cannot be read.
    pub(crate) settings: BTreeMap<String, String>,
    /// Its configuration rows; none when it cannot be read.
    pub(crate) snapshot: Snapshot,
}

impl Store {
    /// Everything wrong with the file: unreadable, not writable, damaged, too new, rows
    /// and settings that cannot be used, CA files that are not there. A missing file is no problem when it could be created, an older
    /// one none: it is migrated at start. The file is not changed; whether its folder takes
    /// new files is tried with one that is removed at once.
    pub fn check(path: &Path) -> Vec<Problem> {
        Self::look_over(path, &KeySource::default()).problems
    }

    /// [`Self::check`], with what could be read.
    pub(crate) fn look_over(path: &Path, source: &KeySource) -> Finding {
        let mut finding = Finding::default();
        if !path.exists() {
            finding.problems = missing(path);
        } else if let Err(error) = look(path, source, &mut finding) {
            let problem = Problem::new("database", error.to_string());
            finding.problems.push(problem);
        }
        finding
    }
}

/// Whether a missing file could be made, with the folders above it.
fn missing(path: &Path) -> Vec<Problem> {
    let folder = path
        .ancestors()
        .skip(1)
        .map(or_here)
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."));
    let refused = if folder.is_dir() {
        takes_files(folder).err().map(|error| error.to_string())
    } else {
        Some("it is not a folder".to_owned())
    };
    let problem = |reason| {
        let message = format!(
            "{} cannot be created in {}: {reason}",
            path.display(),
            folder.display()
        );
        Problem::new("database", message)
    };
    refused.map(problem).into_iter().collect()
}

/// Tries whether a folder takes new files, with one that is removed at once: permission
/// bits alone do not tell.
fn takes_files(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".store-check-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    fs::remove_file(probe)
}

fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

fn look(path: &Path, source: &KeySource, finding: &mut Finding) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    if path.is_dir() {
        return Err(StoreError::Open {
            path: path.to_path_buf(),
            reason: "it is a folder; name a file in it".to_owned(),
        });
    }
    let folder = or_here(path.parent().unwrap_or(Path::new(".")));
    // SQLite keeps its journal beside the file.
    let writable = opens_for_writing(path).map_err(sqlite)? && takes_files(folder).is_ok();
    if !writable {
        let error = StoreError::ReadOnly {
            path: path.to_path_buf(),
        };
        let problem = Problem::new("database", error.to_string());
        finding.problems.push(problem);
    }
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    match migrations::refuse_foreign(path, &connection) {
        // Without a journal not even reading works, and why has just been said.
        Err(StoreError::Open { .. }) if !writable => return Ok(()),
        judged => judged?,
    }
    integrity(&connection, &mut finding.problems).map_err(sqlite)?;
    let vault = Vault::look(path, source)?;
    let (stored, settings) = if migrations::are_pending(path, &connection)? {
        // An older file is judged as it would be after the migration: in a copy.
        let mut copy = copy_in_memory(&connection).map_err(sqlite)?;
        migrations::run(path, &mut copy)?;
        read(&mut copy, &vault)
    } else {
        read(&mut connection, &vault)
    }
    .map_err(sqlite)?;
    let snapshot = stored.judge();
    let problems = &mut finding.problems;
    problems.extend(snapshot.problems.iter().cloned());
    for endpoint in &snapshot.endpoints {
        problems.extend(certificates(endpoint).err());
    }
    let bad_settings = config::stored_problems(&settings);
    problems.extend(
        bad_settings
            .into_iter()
            .map(|bad| Problem::new(bad.name, bad.message)),
    );
    finding.settings = settings;
    finding.snapshot = snapshot;
    Ok(())
}

/// Whether the endpoint's CA file, if it needs one, is there and holds certificates. Whether
/// they are good ones only a TLS library can tell.
fn certificates(endpoint: &Endpoint) -> Result<(), Problem> {
    let is_https = BaseUrl::parse(&endpoint.url).is_ok_and(|base| base.is_https());
    let Some(file) = endpoint.ca_file.as_deref().filter(|_| is_https) else {
        return Ok(());
    };
    let unusable = |why: String| {
        let subject = format!("endpoint {} {:?}", endpoint.id, endpoint.name);
        let message = format!("it cannot be used: its CA file {file} {why}");
        Problem::new(subject, message)
    };
    let pem = fs::read(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let holds_one = pem
        .windows(CERTIFICATE.len())
        .any(|window| window == CERTIFICATE);
    if holds_one {
        Ok(())
    } else {
        Err(unusable("holds no certificate".to_owned()))
    }
}

/// Asks SQLite, and reads nothing. Opening the file here would do harm: closing it again
/// drops the locks of every other connection of this process.
fn opens_for_writing(path: &Path) -> rusqlite::Result<bool> {
    let connection = Connection::open_with_flags(path, READ_WRITE)?;
    connection.is_readonly("main").map(|read_only| !read_only)
}

fn integrity(connection: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    let mut check = connection.prepare("PRAGMA integrity_check(10)")?;
    for finding in check.query_map([], |row| row.get::<_, String>(0))? {
        let finding = finding?;
        if finding != "ok" {
            problems.push(Problem::new("database", format!("damaged: {finding}")));
        }
    }
    Ok(())
}

fn copy_in_memory(connection: &Connection) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open_in_memory()?;
    rusqlite::backup::Backup::new(connection, &mut copy)?.run_to_completion(
        1024,
        std::time::Duration::ZERO,
        None,
    )?;
    Ok(copy)
}

fn read(
    connection: &mut Connection,
    vault: &Vault,
) -> rusqlite::Result<(StoredConfiguration, BTreeMap<String, String>)> {
    let transaction = connection.transaction()?;
    Ok((
        super::read_configuration(&transaction, vault)?,
        settings::read_known(&transaction)?,
    ))
}
