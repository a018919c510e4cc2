//! The machine and the day of a run, and the versions that the lock file has.

use std::fmt;
use std::fs;
use std::process::Command;

use serde::Serialize;

/// The lock file that everything measured was built from.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What a reader needs to know before comparing figures.
#[derive(Serialize)]
pub(crate) struct Machine {
    date: String,
    cores: usize,
    cpu: String,
    kernel: String,
}

impl Machine {
    /// This one, today.
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
        Machine {
            date: date.map_or_else(
                |_| "unknown day".to_owned(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            ),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: read("/proc/cpuinfo")
                .lines()
                .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
                .map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}. Machine: {} cores, {}, Linux {}.",
            self.date, self.cores, self.cpu, self.kernel,
        )
    }
}

/// The version of a package in the lock file.
pub(crate) fn locked(package: &str) -> Option<&'static str> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let rest = LOCK.split_once(entry.as_str())?.1;
    rest.split_once('"').map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn versions_come_from_the_lock_file() {
        assert_eq!(locked("sim"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(locked("no-such-package"), None);
    }
}
