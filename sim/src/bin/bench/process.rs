//! The measured processes: started, read from `/proc`, and always ended, each with the
//! processes it started itself.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// How long a program may take until it answers.
pub(crate) const START: Duration = Duration::from_secs(15);

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
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Running {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Wait until `probe` succeeds, for `patience` at most; the program's own words when it
    /// does not.
    pub(crate) async fn ready<F>(
        &mut self,
        patience: Duration,
        mut probe: impl FnMut() -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let begin = Instant::now();
        loop {
            let failure = match timeout(patience, probe()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failure)) => failure,
                Err(_) => anyhow::anyhow!("no reply came"),
            };
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at once ({status}): {}",
                    self.name,
                    self.last_words()
                );
            }
            if begin.elapsed() > patience {
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
        self.kill_all();
        Ok(self.child.kill().await?)
    }

    /// End it and everything it started: they are a group of processes.
    fn kill_all(&self) {
        let leader = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = leader.and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
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

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// CPU time of all threads that a process and those it started have now.
///
/// The scheduler's own nanoseconds: the ticks of `/proc/PID/stat` are 10 ms each.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for pid in family(pid)? {
        for task in tasks(pid)? {
            let text = there(fs::read_to_string(task.join("schedstat")))?;
            let first = text
                .as_deref()
                .and_then(|text| text.split_whitespace().next());
            nanos += first
                .map_or(Ok(0), str::parse::<u64>)
                .context("bad schedstat")?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of a process and those it started, in KiB. What they share counts for
/// each of them.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let mut kib = 0;
    for pid in family(pid)? {
        let text = there(fs::read_to_string(format!("/proc/{pid}/status")))?.unwrap_or_default();
        let resident = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        // A process that has ended and was not waited for has none.
        let resident = resident.and_then(|rest| rest.split_whitespace().next());
        kib += resident
            .map_or(Ok(0), str::parse::<u64>)
            .context("bad VmRSS")?;
    }
    Ok(kib)
}

/// A process and all that it started, and those in turn.
fn family(pid: u32) -> Result<Vec<u32>> {
    let mut family = vec![pid];
    let mut asked = 0;
    while let Some(&pid) = family.get(asked) {
        asked += 1;
        for task in tasks(pid)? {
            let children = there(fs::read_to_string(task.join("children")))?.unwrap_or_default();
            for child in children.split_whitespace() {
                family.push(child.parse().context("bad list of children")?);
            }
        }
    }
    Ok(family)
}

/// The folders of a process's threads; none when it has ended.
fn tasks(pid: u32) -> Result<Vec<PathBuf>> {
    let Some(folder) = there(fs::read_dir(format!("/proc/{pid}/task")))? else {
        return Ok(Vec::new());
    };
    folder.map(|task| Ok(task?.path())).collect()
}

/// What was read, or `None` of a thread or process that has ended meanwhile.
fn there<T>(read: std::io::Result<T>) -> Result<Option<T>> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A loopback address that nothing listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A shell that has started a program and waits for it.
    async fn shell(folder: &Path) -> (Running, u32) {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $! > child; wait"]);
        command.current_dir(folder);
        let mut shell = Running::start("sh", &mut command, folder).unwrap();
        let child = folder.join("child");
        let number = || anyhow::Ok(fs::read_to_string(&child)?.trim().parse::<u32>()?);
        shell
            .ready(START, async || {
                let comm = fs::read_to_string(format!("/proc/{}/comm", number()?))?;
                anyhow::ensure!(comm.trim() == "sleep", "{comm} is not the program yet");
                Ok(())
            })
            .await
            .unwrap();
        (shell, number().unwrap())
    }

    #[tokio::test]
    async fn what_a_program_started_is_counted_and_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (shell, child) = shell(folder.path()).await;
        let pid = shell.pid().unwrap();
        assert_eq!(family(pid).unwrap(), [pid, child]);
        let (kib, time) = (resident_kib(child).unwrap(), cpu_time(child).unwrap());
        assert!(kib > 0);
        assert!(resident_kib(pid).unwrap() > kib);
        assert!(cpu_time(pid).unwrap() > time);
        shell.end().await.unwrap();
        assert_eq!(resident_kib(pid).unwrap(), 0);
        // Nobody waits for the child here: it is gone when it has no memory any more.
        let gone = async {
            while resident_kib(child).unwrap() > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(START, gone).await.unwrap();
    }
}
