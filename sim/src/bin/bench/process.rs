//! The measured processes: started, read from `/proc`, and always ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How long a program may take until it answers.
const START: Duration = Duration::from_secs(15);

/// A program that was started here and ends with this value.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Start a program with its output in a file of `folder`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Running {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Wait until `probe` succeeds; the program's own words when it does not.
    pub(crate) async fn ready<F>(&mut self, mut probe: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let begin = Instant::now();
        loop {
            let failure = match probe().await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at once ({status}): {}",
                    self.name,
                    self.last_words()
                );
            }
            if begin.elapsed() > START {
                return Err(failure.context(format!(
                    "{} does not answer as it should: {}",
                    self.name,
                    self.last_words()
                )));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child
            .id()
            .with_context(|| format!("{} has ended: {}", self.name, self.last_words()))
    }

    /// End it and wait until it is gone.
    pub(crate) async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(2_000);
        let tail = text.get(from..).unwrap_or(&text).trim();
        if tail.is_empty() {
            "it wrote nothing".to_owned()
        } else {
            tail.to_owned()
        }
    }
}

/// CPU time of all threads that a process has now.
///
/// The scheduler's own nanoseconds: the ticks of `/proc/PID/stat` are 10 ms each.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = match fs::read_to_string(task?.path().join("schedstat")) {
            Ok(text) => text,
            // The thread ended between the two reads.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let first = text.split_whitespace().next().unwrap_or_default();
        nanos += first.parse::<u64>().context("bad schedstat")?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .context("no VmRSS")
}

/// A loopback address that nothing listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
