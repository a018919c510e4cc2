//! An upgrade that does not stay: starts the new process and ends once that one serves, as
//! a service manager wants it of the command that reloads a service.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use store::config::process::{self, Problems};

/// Between two looks who serves.
const LOOK: Duration = Duration::from_millis(20);

/// Starts this program once more, to take over from the gateway whose door is at `path`, and
/// waits until it has.
///
/// # Errors
/// When it ends before; the gateway that runs goes on then.
pub(crate) fn launch(path: &Path) -> Result<(), Problems> {
    let before = inode(path);
    let mut child =
        start().map_err(|err| vec![format!("this program cannot be started: {err}")])?;
    loop {
        // Only then is the door not that of the gateway of before, which has other visitors.
        if inode(path) != before && owner(path) == Some(child.id()) {
            process::say(&format!("process {} has taken over", child.id()));
            return Ok(());
        }
        match child.try_wait() {
            Ok(None) => std::thread::park_timeout(LOOK),
            Ok(Some(status)) => {
                return Err(vec![format!(
                    "the new process has ended ({status}), for the reason that stands before \
                     this; the gateway that runs goes on"
                )]);
            }
            Err(err) => return Err(vec![format!("the new process cannot be waited for: {err}")]),
        }
    }
}

fn start() -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("--upgrade")
        .stdin(Stdio::null())
        // What is typed in this terminal is not for it.
        .process_group(0)
        .spawn()
}

fn inode(path: &Path) -> Option<u64> {
    Some(std::fs::symlink_metadata(path).ok()?.ino())
}

/// The process whose door is at `path`.
fn owner(path: &Path) -> Option<u32> {
    let door = UnixStream::connect(path).ok()?;
    let owner = rustix::net::sockopt::socket_peercred(&door).ok()?;
    u32::try_from(owner.pid.as_raw_nonzero().get()).ok()
}
