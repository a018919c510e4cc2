//! Where the faults are: simulators, and addresses where nobody is.

use std::time::Duration;

use serde_json::{Value, json};
use sim::{Options, Sim, Tls};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::Backend;
use super::faults::{At, How, Key, Place, Script};
use crate::nowhere::Nowhere;
use crate::scene::{provider, provider_with, with};

/// Where the faults are.
pub(super) struct Places {
    path: &'static str,
    jobs: bool,
    /// Answers, and its connections may be used again.
    pub(super) bad: Sim,
    /// Every connection to it is broken or stuck.
    pub(super) broken: Sim,
    pub(super) secure: Sim,
    full: String,
    nowhere: Nowhere,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Places {
    pub(super) async fn new(backend: &Backend) -> Self {
        let (full, listener, waiting) = full().await;
        let secure = provider_with(Options {
            flavor: backend.flavor,
            tls: Some(Tls::default()),
            ..Options::default()
        });
        Self {
            path: backend.path,
            jobs: backend.jobs,
            bad: provider(backend.flavor).await,
            broken: provider(backend.flavor).await,
            secure: secure.await,
            full,
            nowhere: Nowhere::new(),
            _listener: listener,
            _waiting: waiting,
        }
    }

    /// Fields of an endpoint with that fault.
    pub(super) fn endpoint(&self, how: &How) -> Value {
        let path = self.path;
        let at = |url: String| json!({"url": format!("{url}{path}")});
        match how {
            Script(script) => {
                // A job that hangs is asked after in calls that do not.
                let hangs = if self.jobs { "hang=header" } else { "hang=" };
                let breaks = script.contains("cut=") || script.contains(hangs);
                let sim = if breaks { &self.broken } else { &self.bad };
                with(
                    at(sim.base_url()),
                    &json!({"custom_headers": {"x-sim": script}}),
                )
            }
            Key => with(at(self.bad.base_url()), &json!({"api_key": "sk-of-no-use"})),
            At(Place::NoListener) => at(format!("http://{}", self.nowhere.address())),
            At(Place::NoHost) => at("http://no-such-host.invalid".to_owned()),
            At(Place::NoTls) => at(format!("https://{}", self.broken.addr())),
            At(Place::UnknownAuthority) => at(self.secure.base_url()),
            At(Place::NoRoom) => at(self.full.clone()),
        }
    }
}

/// A listener whose queue is full: the system drops every further connection.
async fn full() -> (String, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the queue is never full");
    }
    (format!("http://{address}"), listener, waiting)
}
