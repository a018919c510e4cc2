//! What the service manager that has started a program is told of it, in systemd's protocol
//! of datagrams (sd_notify(3)): that it is ready, that it lives, that it ends.
//!
//! A manager that does not listen is no reason to fail: what is told is told once and lost
//! otherwise. Which process it watches is its own business, not that of this file.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How long a manager may take to read.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that `env` names for the process `pid`; `None` when there is none.
    pub fn of(env: &dyn Fn(&str) -> Option<String>, pid: u32) -> Option<Self> {
        let name = env("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        };
        let socket = UnixDatagram::unbound();
        let (Ok(address), Ok(socket)) = (address, socket) else {
            return None;
        };
        // One that does not read is not waited for.
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
        // Whom it is for: a child has inherited the variables of another process.
        let is_ours = env("WATCHDOG_PID").is_none_or(|text| text.parse() == Ok(pid));
        let watchdog = env("WATCHDOG_USEC")
            .filter(|_| is_ours)
            .and_then(|text| text.parse().ok())
            .filter(|micros| *micros > 0)
            .map(Duration::from_micros);
        Some(Self {
            socket,
            address,
            watchdog,
        })
    }

    /// Within which time it wants to hear of the program again and again, if it does.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Takes over what was asked of the process before.
    pub fn watch(&mut self, watchdog: Option<Duration>) {
        self.watchdog = self.watchdog.or(watchdog);
    }

    /// Tells it some `NAME=value`, one a line.
    pub fn tell(&self, state: &str) {
        // See the head of this file.
        let _ = self.socket.send_to_addr(state.as_bytes(), &self.address);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::HashMap;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use super::ServiceManager;

    fn of(variables: &[(&str, &str)]) -> Option<ServiceManager> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        ServiceManager::of(&|name| variables.get(name).map(|&v| v.to_owned()), 7)
    }

    #[test]
    fn both_kinds_of_addresses_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("serverless-proxy-test-{}", std::process::id());
        let of_path = UnixDatagram::bind(&path).unwrap();
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let of_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        for (socket, variable) in [
            (of_path, path.to_str().unwrap().to_owned()),
            (of_name, format!("@{name}")),
        ] {
            let manager = of(&[("NOTIFY_SOCKET", &variable)]).unwrap();
            manager.tell("READY=1");
            let mut got = [0; 64];
            let length = socket.recv(&mut got).unwrap();
            assert_eq!(&got[..length], b"READY=1");
        }
    }

    #[test]
    fn a_watchdog_is_for_the_process_that_it_names() {
        const SOCKET: (&str, &str) = ("NOTIFY_SOCKET", "/nowhere");
        assert!(of(&[]).is_none());
        assert!(of(&[("NOTIFY_SOCKET", "")]).is_none());
        assert_eq!(of(&[SOCKET]).unwrap().watchdog(), None);
        for (pid, expected) in [("7", Some(Duration::from_secs(3))), ("8", None)] {
            let micros = ("WATCHDOG_USEC", "3000000");
            let manager = of(&[SOCKET, micros, ("WATCHDOG_PID", pid)]).unwrap();
            assert_eq!(manager.watchdog(), expected, "{pid}");
        }
        // One that nobody listens to takes what it is told.
        of(&[SOCKET]).unwrap().tell("READY=1");
    }
}
