//! The account at the end: calls, rows and providers against each other, and what the
//! programs still hold when nobody calls any more.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::sleep;

use crate::calls::Kind;
use crate::figures::Figures;
use crate::operator::Changes;
use crate::say;
use crate::scene::{Counts, Scene, look};
use crate::traffic::Book;
use crate::trouble::Troubles;

/// How long what is to go away may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Files that a program may have open beyond those of its beginning: connections of its own
/// to the store, which it keeps.
const FILES: usize = 12;

/// The same of threads: those that wait for work that would block come and go.
const THREADS: usize = 4;

/// How many of what is wrong are shown.
const SHOWN: usize = 10;

/// What came of it.
#[derive(Default)]
pub(crate) struct Account {
    troubles: Troubles,
    changes: Changes,
    rows: usize,
    attempts: u64,
    /// What was looked at, what was found, and whether it is as it should be.
    findings: Vec<(String, String, bool)>,
    wrong: Vec<String>,
}

impl Account {
    /// Of what was done to the providers and in the admin app.
    pub(crate) fn new(troubles: Troubles, changes: Changes) -> Self {
        Self {
            troubles,
            changes,
            ..Self::default()
        }
    }

    /// Takes all of it.
    pub(crate) async fn take(
        &mut self,
        scene: &Scene,
        book: &Book,
        figures: &Figures,
        before: &[Counts],
    ) -> Result<()> {
        let wrong = book.wrong().len();
        self.wrong.extend(book.wrong().iter().take(SHOWN).cloned());
        self.find("calls that went wrong", wrong.to_string(), wrong == 0);
        for (name, growth, is_little) in figures.growth() {
            let found = format!("{:+.1} %", 100.0 * growth);
            self.find(
                &format!("memory of the {name}, last third"),
                found,
                is_little,
            );
        }
        self.gauges(scene).await?;
        self.rows(scene, book).await?;
        self.leaks(scene, before).await?;
        self.logs(scene)
    }

    fn find(&mut self, what: &str, found: String, is_well: bool) {
        self.findings.push((what.to_owned(), found, is_well));
    }

    /// What the gateway says it is doing, once nobody calls.
    async fn gauges(&mut self, scene: &Scene) -> Result<()> {
        const GAUGES: [&str; 4] = [
            "serverless_proxy_requests_in_flight",
            "serverless_proxy_streams_open",
            "serverless_proxy_endpoint_requests_in_flight",
            "serverless_proxy_ledger_queue_records",
        ];
        let since = Instant::now();
        let sums = loop {
            let (_, page) = look(scene.metrics, "GET", "/metrics", None).await?;
            let page = String::from_utf8_lossy(&page).into_owned();
            let sums = GAUGES.map(|name| sum(&page, name));
            let is_idle = sums.iter().all(|sum| *sum == Some(0.0));
            if is_idle || since.elapsed() > PATIENCE {
                break sums;
            }
            sleep(LOOK).await;
        };
        for (name, sum) in GAUGES.into_iter().zip(sums) {
            let found = sum.map_or("not there".to_owned(), |sum| sum.to_string());
            self.find(name, found, sum == Some(0.0));
        }
        Ok(())
    }

    /// Each call has one row that says how it ended, and where they went is where they
    /// came.
    async fn rows(&mut self, scene: &Scene, book: &Book) -> Result<()> {
        let calls = book.calls().clone();
        let since = Instant::now();
        let rows = loop {
            let rows = rows(scene).await?;
            if rows.len() >= calls.len() || since.elapsed() > PATIENCE {
                break rows;
            }
            sleep(LOOK).await;
        };
        self.rows = rows.len();
        let mut found: HashMap<&str, usize> = HashMap::new();
        let mut sent: HashMap<&str, u64> = HashMap::new();
        let (mut strangers, mut other) = (0, 0);
        for row in &rows {
            let id = row["request_id"].as_str().unwrap_or_default();
            let Some(kind) = calls.get(id) else {
                strangers += 1;
                continue;
            };
            *found.entry(id).or_default() += 1;
            let outcome = row["outcome"].as_str().unwrap_or_default();
            if !kind.outcomes().contains(&outcome) {
                other += 1;
                self.wrong
                    .push(format!("the row of {id}, {}: {row}", kind.name()));
            }
            for attempt in row["attempts"].as_array().into_iter().flatten() {
                self.attempts += 1;
                let endpoint = attempt["endpoint"].as_str().unwrap_or_default();
                *sent.entry(endpoint).or_default() += 1;
            }
        }
        let twice = found.values().filter(|count| **count > 1).count();
        let missing = calls.len() - found.len();
        self.find("calls without a row", missing.to_string(), missing == 0);
        self.find("calls with several", twice.to_string(), twice == 0);
        self.find("rows of no call", strangers.to_string(), strangers == 0);
        self.find("rows that say another end", other.to_string(), other == 0);
        for provider in scene.providers.iter().filter(|one| one.is_steady) {
            let sent = sent.get(&*provider.name).copied().unwrap_or_default();
            let posts = provider.sim.served().posts;
            let told = format!("{sent} in rows, {posts} received");
            self.find(
                &format!("attempts at {}", provider.name),
                told,
                sent == posts,
            );
        }
        self.wrong.truncate(2 * SHOWN);
        Ok(())
    }

    /// Files and threads, when the providers' connections are gone too.
    async fn leaks(&mut self, scene: &Scene, before: &[Counts]) -> Result<()> {
        for provider in &scene.providers {
            provider.sim.down().await;
        }
        scene.kill().await?;
        let since = Instant::now();
        let is_back = |now: &Counts, then: &Counts| {
            now.files <= then.files + FILES && now.threads <= then.threads + THREADS
        };
        let after = loop {
            let after = scene.counts()?;
            let are_back = after
                .iter()
                .zip(before)
                .all(|(now, then)| is_back(now, then));
            if are_back || since.elapsed() > PATIENCE {
                break after;
            }
            sleep(LOOK).await;
        };
        for ((name, pid), (now, then)) in scene.programs.iter().zip(after.iter().zip(before)) {
            let told = format!("{}, {} before", now.files, then.files);
            let is_well = now.files <= then.files + FILES;
            if !is_well {
                self.wrong.push(format!("open: {}", open_files(*pid)?));
            }
            self.find(&format!("files that the {name} has open"), told, is_well);
            let told = format!("{}, {} before", now.threads, then.threads);
            let is_well = now.threads <= then.threads + THREADS;
            self.find(&format!("threads of the {name}"), told, is_well);
        }
        Ok(())
    }

    fn logs(&mut self, scene: &Scene) -> Result<()> {
        for name in ["gateway", "admin"] {
            let log = std::fs::read_to_string(scene.folder.path().join(format!("{name}.log")))?;
            // The library's own words for a kept connection that its provider has closed, which
            // is then replaced.
            let is_usual = |line: &str| line.contains("failed to acquire reusable stream");
            let is_bad = |line: &&str| {
                line.contains("panicked") || (line.contains(" ERROR ") && !is_usual(line))
            };
            let lines: Vec<&str> = log.lines().filter(is_bad).collect();
            let told = lines.len().to_string();
            self.find(
                &format!("panics and errors in the log of {name}"),
                told,
                lines.is_empty(),
            );
            let shown = lines.into_iter().take(SHOWN);
            self.wrong.extend(shown.map(str::to_owned));
        }
        Ok(())
    }

    /// Prints it; says whether all is well.
    pub(crate) fn show(&self, book: &Book) -> bool {
        say("");
        say("| calls | done |");
        say("|---|---|");
        for kind in Kind::ALL {
            say(&format!("| {} | {} |", kind.name(), book.done(kind)));
        }
        say("");
        say("| looked at | found | |");
        say("|---|---|---|");
        for (what, found, is_well) in &self.findings {
            let mark = if *is_well { "ok" } else { "WRONG" };
            say(&format!("| {what} | {found} | {mark} |"));
        }
        say("");
        for wrong in &self.wrong {
            say(wrong);
        }
        let bad = self.findings.iter().filter(|(_, _, is_well)| !is_well);
        let bad = bad.count();
        say(&format!(
            "soak: {} calls with {} attempts, {} rows, the slowest took {:.1} s; {} faults, {} \
             times down, {} kills; {} changes and {} looks in the admin app; {bad} findings",
            book.all(),
            self.attempts,
            self.rows,
            book.slowest().as_secs_f64(),
            self.troubles.faults,
            self.troubles.downs,
            self.troubles.kills,
            self.changes.changes,
            self.changes.looks,
        ));
        bad == 0
    }
}

/// What a process has open, by what it is.
fn open_files(pid: u32) -> Result<String> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        // One that was closed meanwhile is none.
        let Ok(target) = std::fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let kind = target.split(':').next().unwrap_or_default().to_owned();
        *kinds.entry(kind).or_default() += 1;
    }
    Ok(format!("{kinds:?}"))
}

/// The usage rows of all calls.
async fn rows(scene: &Scene) -> Result<Vec<Value>> {
    let path = "/api/admin/usage/export?format=jsonl&start_date=0";
    let (status, body) = look(scene.admin, "GET", path, None).await?;
    let text = String::from_utf8(body).context("rows are text")?;
    anyhow::ensure!(status == 200, "the export answered {status}: {text}");
    let rows = text.lines().map(serde_json::from_str);
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The sum of a metric over its labels; `None` when it is not there.
fn sum(page: &str, name: &str) -> Option<f64> {
    let lines = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then_some(rest)
    });
    let values = lines.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(None, |sum: Option<f64>, value| {
        Some(sum.unwrap_or(0.0) + value)
    })
}
