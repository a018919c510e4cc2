//! Clock, time zone, descriptors and memory.

use std::fs;

use rustix::process::{Resource, getrlimit};
use store::config::Config;
use store::{Snapshot, Store};

use super::verdict::Section;

/// No call was made before this program was: the beginning of 2026.
const FIRST: i64 = 1_767_225_600;
/// How far a stored call may be ahead of the clock, in seconds.
const AHEAD: i64 = 300;
/// Each stream needs two descriptors.
const DESCRIPTORS: u64 = 4096;
/// Memory that should be left, in MiB.
const MEMORY: u64 = 256;

/// All of it.
pub(super) fn look(config: &Config, snapshot: &Snapshot, now: i64) -> Section {
    let mut section = Section::new("Machine");
    clock(config, snapshot, now, &mut section);
    descriptors(&mut section);
    memory(&mut section);
    section
}

fn clock(config: &Config, snapshot: &Snapshot, now: i64, section: &mut Section) {
    let todo = "set the clock (timedatectl set-ntp true): expiries, limits and usage go by it";
    let zone = &snapshot.zone;
    let stamp = zone.stamp(now);
    if now < FIRST {
        section.error(format!("the clock says {stamp}, which is long ago"), todo);
        return;
    }
    let last = Store::facts(&config.database_path)
        .ok()
        .and_then(|facts| facts.last_call);
    match last {
        Some(last) if last > now + AHEAD => section.error(
            format!(
                "the clock says {stamp}, and the last call in the store began at {}",
                zone.stamp(last)
            ),
            todo,
        ),
        _ => section.ok(format!(
            "it is {stamp}; days begin at midnight in {}",
            zone.name()
        )),
    }
}

fn descriptors(section: &mut Section) {
    let limit = getrlimit(Resource::Nofile);
    // The gateway takes all that it may have.
    match limit.maximum {
        Some(most) if most < DESCRIPTORS => section.warning(
            format!("a process started like this one may open {most} files and connections"),
            "raise it: LimitNOFILE=65536 in the unit, --ulimit nofile=65536 for a container, or \
             ulimit -Hn; each call needs two",
        ),
        Some(most) => section.ok(format!("{most} files and connections may be open")),
        None => section.ok("any number of files and connections may be open"),
    }
}

fn memory(section: &mut Section) {
    let Some(free) = available() else { return };
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map(|bytes| bytes / 1024 / 1024);
    let of_limit = limit.map_or(String::new(), |limit| {
        format!(", of a limit of {limit} MiB")
    });
    let what = format!("{free} MiB of memory are free{of_limit}");
    if free < MEMORY || limit.is_some_and(|limit| limit < MEMORY) {
        section.warning(what, "give it more, or lower CACHE_MAX_MB and MAX_BODY_MB");
    } else {
        section.ok(what);
    }
}

/// In MiB.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let number = line.split_whitespace().next()?;
    Some(number.parse::<u64>().ok()? / 1024)
}
