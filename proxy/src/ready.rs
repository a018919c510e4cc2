//! The moment when the gateway serves, told to everyone who waits for it: the gateway that
//! it takes over from, the service manager, and whoever started it. From then on the
//! manager is told that it lives, for as long as it does.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use store::config::ServiceManager;
use store::config::process;

use crate::phase::Phase;
use crate::serving::Pulse;
use crate::upgrade::{Door, Taken};

/// Between two tries to connect.
const TRY: Duration = Duration::from_millis(10);

/// Beats of the pulse, and looks at it, within the time that a watchdog gives.
const LOOKS: u32 = 4;

/// See the head of this file.
pub(crate) struct Ready {
    pub(crate) address: SocketAddr,
    pub(crate) phase: Phase,
    pub(crate) pulse: Pulse,
    /// What was taken over, and from whom.
    pub(crate) taken: Option<Taken>,
    /// Where the next one takes over.
    pub(crate) door: Option<Arc<Door>>,
    pub(crate) manager: Option<Arc<ServiceManager>>,
}

impl Ready {
    /// How often the pulse has to beat for `manager`.
    pub(crate) fn every(manager: Option<&Arc<ServiceManager>>) -> Option<Duration> {
        Some(manager?.watchdog()? / LOOKS)
    }

    /// Does it on a thread of its own, which ends with the program.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("ready".to_owned());
        thread.spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        self.wait();
        let address = self.address;
        if let Some(manager) = &self.manager {
            let main = self.taken.as_ref().map(|_| std::process::id());
            let main = main.map_or_else(String::new, |pid| format!("MAINPID={pid}\n"));
            manager.tell(&format!(
                "{main}READY=1\nSTATUS=serving on http://{address}"
            ));
        }
        if let Some(taken) = self.taken.take() {
            match taken.serving() {
                Ok(()) => tracing::info!("the calls of before end in the process of before"),
                Err(error) => tracing::warn!(
                    %error,
                    "the gateway of before has not said that it hands over; this one serves"
                ),
            }
        }
        if let Some(Err(error)) = self.door.take().as_deref().map(Door::open) {
            tracing::warn!(%error, "the next upgrade cannot take over from this gateway");
        }
        process::say(&format!("gateway listening on http://{address}"));
        self.live();
    }

    /// Waits until this process has taken a connection: whoever waits for the line may call
    /// at once. While two processes share the socket the other one may have taken some.
    fn wait(&self) {
        let mut reachable = self.address;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(match self.address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        while !self.phase.has_accepted() {
            drop(TcpStream::connect(reachable));
            std::thread::park_timeout(TRY);
        }
    }

    /// Tells the manager that the gateway lives whenever the pulse has moved.
    fn live(&self) {
        let manager = self.manager.as_ref();
        let (Some(manager), Some(every)) = (manager, Self::every(manager)) else {
            return;
        };
        let mut before = 0;
        // Whoever has taken over tells it from then on.
        while !self.phase.has_handed_over() {
            let now = self.pulse.beats();
            if now != before {
                manager.tell("WATCHDOG=1");
            }
            before = now;
            std::thread::park_timeout(every);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// A gateway whose workers stand still is not said to live, whatever its other threads do.
    #[test]
    fn only_a_pulse_that_moves_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let env = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(path.to_str().unwrap().to_owned()),
            "WATCHDOG_USEC" => Some("40000".to_owned()),
            _ => None,
        };
        let told = || manager.recv(&mut [0; 64]).is_ok();
        let (pulse, phase) = (Pulse::default(), Phase::default());
        let ready = Ready {
            address: (Ipv4Addr::LOCALHOST, 1).into(),
            phase: phase.clone(),
            pulse: pulse.clone(),
            taken: None,
            door: None,
            manager: ServiceManager::of(&env, std::process::id()).map(Arc::new),
        };
        let thread = std::thread::spawn(move || ready.live());
        for _ in 0..2 {
            pulse.beat();
            manager.set_read_timeout(None).unwrap();
            assert!(told());
            let many = Some(Duration::from_millis(400));
            manager.set_read_timeout(many).unwrap();
            assert!(!told(), "it is said to live without a beat");
        }
        phase.hand_over();
        thread.join().unwrap();
    }
}
