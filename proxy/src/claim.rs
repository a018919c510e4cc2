//! The socket that the gateway listens on: bound here, or taken over from the gateway that
//! runs.
//!
//! It is bound here and not by Pingora, which ends the program without a word when it
//! cannot; and because it is, it can be handed on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;

use pingora::server::{Fds, ListenFds};
use store::config::Config;
use store::config::process::{Problems, Program};

use crate::upgrade::Taken;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) address: SocketAddr,
    socket: TcpListener,
}

impl Claim {
    /// Binds the address of the settings; port 0 takes a free one.
    ///
    /// # Errors
    /// Why it cannot, and what to do.
    pub(crate) fn bind(config: &Config) -> Result<Self, Problems> {
        let wanted = config.api_address();
        TcpListener::bind(wanted)
            .and_then(Self::of)
            .map_err(|err| vec![Program::Gateway.cannot_listen(wanted, &err)])
    }

    /// Takes the socket of the gateway that runs.
    ///
    /// # Errors
    /// When it listens elsewhere than the settings say.
    pub(crate) fn take(config: &Config, taken: &Taken) -> Result<Self, Problems> {
        let claim = taken
            .socket()
            .and_then(Self::of)
            .map_err(|err| vec![format!("the socket that was handed over is none: {err}")])?;
        let (wanted, found) = (config.api_address(), claim.address);
        let same_port = wanted.port() == 0 || wanted.port() == found.port();
        if wanted.ip() != found.ip() || !same_port {
            return Err(vec![format!(
                "the gateway that runs listens on {found} and the settings say {wanted}: an \
                 upgrade keeps the address; restart the gateway to change it"
            )]);
        }
        Ok(claim)
    }

    fn of(socket: TcpListener) -> io::Result<Self> {
        // Pingora expects it of a socket that it is given.
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { address, socket })
    }

    /// The same socket, to be handed on.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub(crate) fn share(&self) -> io::Result<TcpListener> {
        self.socket.try_clone()
    }

    /// The socket as Pingora takes it, under the text of its address. It is Pingora's then.
    pub(crate) fn into_fds(self) -> ListenFds {
        let mut fds = Fds::new();
        fds.add(self.address.to_string(), self.socket.into_raw_fd());
        Arc::new(fds.into())
    }
}
