//! The running gateway's side: a Unix socket at which the next process takes over.
//!
//! Only the same user, or root, gets in. The socket lies at a name of its own until this
//! process serves and only then at the one that is looked for, so that of two processes the
//! one that serves is found.

use std::fs;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::{UnixListener, UnixStream};

use super::{HANDED_OVER, LINE, Offer, PATIENCE, SERVING, TAKE_OVER};
use crate::phase::Phase;

/// How long the next process may take from getting the socket to serving on it.
const START: std::time::Duration = std::time::Duration::from_secs(300);

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Door {
    /// Where it is looked for.
    path: PathBuf,
    /// Where it lies until it is opened.
    hidden: PathBuf,
    /// Tells its file from another one at the same path.
    inode: u64,
    door: std::os::unix::net::UnixListener,
    /// What callers connect to; `None` once it is handed over.
    socket: Mutex<Option<TcpListener>>,
    offer: Offer,
    phase: Phase,
}

impl Door {
    /// A door that is not yet open.
    ///
    /// # Errors
    /// When there cannot be a socket of that path.
    pub(crate) fn new(
        path: PathBuf,
        socket: TcpListener,
        offer: Offer,
        phase: Phase,
    ) -> io::Result<Self> {
        let mut hidden = path.clone().into_os_string();
        hidden.push(format!(".{}", std::process::id()));
        let hidden = PathBuf::from(hidden);
        // Of an earlier process with the same number.
        if let Err(error) = fs::remove_file(&hidden)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let door = std::os::unix::net::UnixListener::bind(&hidden)?;
        door.set_nonblocking(true)?;
        let inode = fs::symlink_metadata(&hidden)?.ino();
        Ok(Self {
            path,
            hidden,
            inode,
            door,
            socket: Mutex::new(Some(socket)),
            offer,
            phase,
        })
    }

    /// Lets the next process find it, in place of the one of before.
    ///
    /// # Errors
    /// When the file cannot be renamed.
    pub(crate) fn open(&self) -> io::Result<()> {
        fs::rename(&self.hidden, &self.path)
    }

    /// Completes when another process has taken over.
    pub(crate) async fn handed_over(&self) {
        let door = self.door.try_clone().and_then(UnixListener::from_std);
        let door = match door {
            Ok(door) => door,
            Err(error) => {
                tracing::warn!(%error, "no upgrade can take over from this gateway");
                return std::future::pending().await;
            }
        };
        loop {
            let Ok((mut visitor, _)) = door.accept().await else {
                // Too many descriptors, for now.
                tokio::time::sleep(PATIENCE / 30).await;
                continue;
            };
            match self.give(&mut visitor).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    %error,
                    "a process that wanted to take over has not; this one goes on"
                ),
            }
        }
    }

    /// Serves one visitor; whether it has taken over.
    async fn give(&self, visitor: &mut UnixStream) -> io::Result<bool> {
        let user = visitor.peer_cred()?.uid();
        if user != 0 && user != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!("user {user} may not")));
        }
        let asked = tokio::time::timeout(PATIENCE, line(visitor)).await;
        // Who asks for nothing has looked who is here.
        let Ok(Ok(TAKE_OVER)) = asked.as_ref().map(|line| line.as_deref()) else {
            return Ok(false);
        };
        self.send(visitor).await?;
        tracing::info!("another process begins to take over");
        let told = tokio::time::timeout(START, line(visitor)).await??;
        if told != SERVING {
            return Err(io::Error::other("it has ended"));
        }
        self.phase.hand_over();
        drop(self.lock().take());
        // It serves, whether it hears this or not.
        let words = format!("{HANDED_OVER}\n");
        let _ = visitor.write_all(words.as_bytes()).await;
        Ok(true)
    }

    /// Sends the socket, and with it what is to be known of this process.
    async fn send(&self, visitor: &UnixStream) -> io::Result<()> {
        let socket = match self.lock().as_ref() {
            Some(socket) => socket.try_clone()?,
            None => return Err(io::Error::other("it is handed over already")),
        };
        let line = self.offer.to_line();
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let sockets = [socket.as_fd()];
            if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
                return Err(io::Error::other("there is no room for a socket"));
            }
            let words = [IoSlice::new(line.as_bytes())];
            let sent = sendmsg(visitor, &words, &mut control, SendFlags::NOSIGNAL)?;
            if sent == line.len() {
                Ok(())
            } else {
                Err(io::Error::other("it does not read"))
            }
        };
        visitor.async_io(Interest::WRITABLE, send).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<TcpListener>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        for path in [&self.hidden, &self.path] {
            if is_of(path, self.inode) {
                // Without it the next start does the same.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn is_of(path: &Path, inode: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.ino() == inode)
}

/// The next line, without its end; empty when the other side is gone.
async fn line(from: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    // Nobody says two lines at once: nothing is read ahead and lost.
    let mut from = BufReader::new(from.take(LINE as u64));
    from.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
