//! The new process's side: what it has been given by the one that runs.

use std::io::{self, BufRead as _, BufReader, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use store::config::process::Problems;

use super::{HANDED_OVER, LINE, Offer, PATIENCE, SERVING, TAKE_OVER};

/// The socket of the gateway that runs, which goes on until it is told that this one serves.
#[derive(Debug)]
pub(crate) struct Taken {
    old: UnixStream,
    socket: OwnedFd,
    pub(crate) offer: Offer,
}

impl Taken {
    /// Asks the gateway whose door is at `path`.
    ///
    /// # Errors
    /// When there is none, or it does not give its socket.
    pub(crate) fn from(path: &Path) -> Result<Self, Problems> {
        let old = UnixStream::connect(path).map_err(|err| {
            vec![format!(
                "no gateway that could be taken over from is at {}: {err}; start this one \
                 without --upgrade, or set UPGRADE_SOCKET as it is set there",
                path.display()
            )]
        })?;
        Self::ask(old).map_err(|err| {
            vec![format!(
                "the gateway at {} does not hand over: {err}",
                path.display()
            )]
        })
    }

    fn ask(mut old: UnixStream) -> io::Result<Self> {
        old.set_read_timeout(Some(PATIENCE))?;
        old.set_write_timeout(Some(PATIENCE))?;
        writeln!(old, "{TAKE_OVER}")?;
        let mut words = [0; LINE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut words)];
        let got = recvmsg(&old, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
        let mut sockets = control.drain().filter_map(|message| {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                Some(sockets)
            } else {
                None
            }
        });
        let socket = sockets.next().and_then(|mut sockets| sockets.next());
        drop(sockets);
        let line = words.get(..got).unwrap_or_default();
        let offer = std::str::from_utf8(line).ok().and_then(Offer::from_line);
        match (socket, offer) {
            (Some(socket), Some(offer)) => Ok(Self { old, socket, offer }),
            _ if got == 0 => Err(io::Error::other(
                "it hangs up; it may be of another user, or be handing over to another process",
            )),
            _ => Err(io::Error::other("it says what this version does not know")),
        }
    }

    /// The listening socket.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub(crate) fn socket(&self) -> io::Result<TcpListener> {
        Ok(TcpListener::from(self.socket.try_clone()?))
    }

    /// Tells the old process that this one serves, and waits until it has heard it.
    ///
    /// # Errors
    /// When it is gone, or does not answer.
    pub(crate) fn serving(mut self) -> io::Result<()> {
        writeln!(self.old, "{SERVING}")?;
        let mut line = String::new();
        BufReader::new((&self.old).take(LINE as u64)).read_line(&mut line)?;
        if line.trim_end() == HANDED_OVER {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
