//! The machine a run was made on, and the versions it compared.

use std::fmt;
use std::fs;

use serde::Serialize;

use crate::target::nginx_version;

/// The lock file that everything measured was built from.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What a reader needs to know before comparing figures.
#[derive(Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    kernel: String,
    nginx: Option<String>,
    pingora: Option<&'static str>,
    gateway: &'static str,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: read("/proc/cpuinfo")
                .lines()
                .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
                .map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned()),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            nginx: nginx_version(),
            pingora: locked("pingora-core"),
            gateway: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Machine: {} cores, {}, Linux {}. Versions: gateway {}, Pingora {}, nginx {}.",
            self.cores,
            self.cpu,
            self.kernel,
            self.gateway,
            self.pingora.unwrap_or("unknown"),
            self.nginx.as_deref().unwrap_or("not installed"),
        )
    }
}

/// The version of a package in the lock file.
fn locked(package: &str) -> Option<&'static str> {
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
