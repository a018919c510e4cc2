//! The store's file, its key, its folder and the spool beside it.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use store::config::Config;
use store::config::process::Examined;
use store::{Problem, Spool, Store};

use super::verdict::Section;

/// Below this much room, in MiB, writes may soon fail; below a tenth of it they will.
const ROOM: u64 = 1024;

/// Seconds.
const DAY: i64 = 24 * 3600;

/// What others may not do with a file that holds secrets.
const WIDER: u32 = 0o077;

/// The store.
pub(super) fn store(config: &Config, found: &Examined, now: i64) -> Section {
    let mut section = Section::new("Store");
    let path = &config.database_path;
    for Problem { subject, message } in &found.store {
        section.error(
            format!("{subject}: {message}"),
            if subject == "database" {
                "stop both programs and put a backup in its place if it is damaged"
            } else {
                "correct it in the admin app"
            },
        );
    }
    if path.exists() {
        facts(config, found.store.is_empty(), now, &mut section);
        private(path, &mut section);
        key(config, &mut section);
    } else if found.store.is_empty() {
        section.note(
            format!("{} is not there yet", path.display()),
            "the first start of either program makes it; if there should be one, set DATABASE_PATH",
        );
    }
    room(path, &mut section);
    section
}

fn facts(config: &Config, is_whole: bool, now: i64, section: &mut Section) {
    let path = &config.database_path;
    let Ok(facts) = Store::facts(path) else {
        return;
    };
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if is_whole {
        section.ok(format!(
            "{}: whole, {}, {} calls",
            path.display(),
            mebibytes(size),
            facts.calls
        ));
    }
    let days = facts
        .first_call
        .map_or(0, |first| now.saturating_sub(first) / DAY);
    let kept = i64::from(config.usage_days.unwrap_or(0));
    if kept > 0 && days > kept.saturating_add(2) {
        section.note(
            format!("its oldest call is {days} days old, and USAGE_DAYS is {kept}"),
            "a running gateway takes such calls away little by little; see that one runs",
        );
    }
    if size > config.usage_max_bytes {
        section.note(
            format!(
                "it is larger than USAGE_MAX_MB ({})",
                mebibytes(config.usage_max_bytes)
            ),
            "a running gateway takes the oldest calls away little by little; see that one runs",
        );
    }
    if facts.schema < facts.newest_schema {
        section.note(
            format!(
                "its schema is of version {}, this program's is {}",
                facts.schema, facts.newest_schema
            ),
            "the next start brings it up to date, and makes a copy beside it first",
        );
    }
}

/// Whether others may read it.
fn private(path: &Path, section: &mut Section) {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    for file in [path.to_path_buf(), PathBuf::from(name)] {
        let Ok(data) = fs::metadata(&file) else {
            continue;
        };
        let mode = data.permissions().mode() & 0o7777;
        if mode & WIDER != 0 {
            section.warning(
                format!("others may use {} (mode {mode:04o})", file.display()),
                format!("chmod 600 {}", file.display()),
            );
        }
        owner(&file, &data, section);
    }
}

fn owner(file: &Path, data: &Metadata, section: &mut Section) {
    let me = rustix::process::geteuid();
    if !me.is_root() && data.uid() != me.as_raw() {
        section.warning(
            format!(
                "{} belongs to user {}, and this is user {}",
                file.display(),
                data.uid(),
                me.as_raw()
            ),
            "run doctor as the user that the programs run as, or give the file to that user",
        );
    }
}

/// The file with the key of its secrets.
fn key(config: &Config, section: &mut Section) {
    let mut name = config.database_path.as_os_str().to_owned();
    name.push(".key");
    let file = PathBuf::from(name);
    let given = config.key_source.current.is_some();
    match (fs::metadata(&file), given) {
        (Ok(_), true) => section.note(
            format!("SECRET_KEY is set, and {} is there too", file.display()),
            "SECRET_KEY counts; move the file away once nothing is encrypted with its key",
        ),
        // What is wrong with it has been said: it was read with the store.
        (Ok(_), false) => section.ok(format!(
            "its key is in {}; a backup of the store is of no use without it",
            file.display()
        )),
        (Err(_), true) => section.ok("its key is SECRET_KEY"),
        (Err(_), false) => section.note(
            "its secrets are not encrypted yet: there is no SECRET_KEY and no key file",
            "the next start of either program makes a key and encrypts them; if there should be \
             one, put it back first",
        ),
    }
}

/// How much room is left where it is.
fn room(path: &Path, section: &mut Section) {
    let there = path
        .ancestors()
        .skip(1)
        .map(or_here)
        .find(|folder| folder.exists());
    let Some(folder) = there else { return };
    let Ok(system) = statvfs(folder) else { return };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let mib = free / 1024 / 1024;
    let what = format!("{} are free in {}", mebibytes(free), folder.display());
    let todo = "make room, or lower USAGE_DAYS and USAGE_MAX_MB";
    if mib < ROOM / 10 {
        section.error(what, todo);
    } else if mib < ROOM {
        section.warning(what, todo);
    } else {
        section.ok(what);
    }
    if system.f_files > 0 && system.f_favail < 1000 {
        let what = format!(
            "only {} files more can be made in {}",
            system.f_favail,
            folder.display()
        );
        section.warning(what, "remove files that nobody needs");
    }
}

fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// Usage records that are not in the store yet.
pub(super) fn spool(config: &Config, now: i64) -> Section {
    let mut section = Section::new("Usage records on their way");
    let folder = Spool::folder_of(&config.database_path);
    let Ok(entries) = fs::read_dir(&folder) else {
        return section;
    };
    let mut bytes = 0;
    let mut oldest: Option<i64> = None;
    for entry in entries.flatten() {
        let Ok(data) = entry.metadata() else { continue };
        if data.len() == 0
            || entry
                .path()
                .extension()
                .is_none_or(|ending| ending != "spool")
        {
            continue;
        }
        bytes += data.len();
        oldest = oldest.into_iter().chain([data.mtime()]).min();
    }
    let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest));
    let what = format!("{} wait in {}", mebibytes(bytes), folder.display());
    if bytes == 0 {
        section.ok("none waits: every call is in the store");
    } else if bytes > config.spool_max_bytes / 2 {
        section.error(
            what,
            "the store does not take them: see the gateway's log; records are lost when \
             SPOOL_MAX_MB is reached",
        );
    } else if age > 300 {
        section.warning(
            format!("{what}, untouched for {} minutes", age / 60),
            "if no gateway runs, its next start takes them over; if one does, see its log",
        );
    } else {
        section.ok(what);
    }
    section
}

/// A size for people.
fn mebibytes(bytes: u64) -> String {
    if bytes < 1024 * 1024 {
        format!("{} KiB", bytes.div_ceil(1024))
    } else if bytes < 10 * 1024 * 1024 * 1024 {
        format!("{} MiB", bytes / 1024 / 1024)
    } else {
        format!("{} GiB", bytes / 1024 / 1024 / 1024)
    }
}
