//! `doctor`: looks over everything that an installation depends on and says what to do.
//!
//! It changes nothing, waits for nothing longer than a few seconds, and is as useful beside a
//! running gateway as before the first start. Each section is a file in `doctor/`; a verdict
//! says how bad it is, what is the matter, and what to do. No verdict carries a secret.

mod backends;
mod files;
mod keys;
mod machine;
mod models;
mod ports;
mod show;
mod verdict;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use store::config::process::{Examined, Surroundings};

use self::verdict::{Report, Section};

/// How it looks.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Call no endpoint.
    #[arg(long)]
    offline: bool,

    /// Seconds to wait for each endpoint.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,

    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Looks and tells.
    pub(crate) fn run(&self) -> ExitCode {
        let found = Surroundings::of_process().examine();
        let report = self.look(&found, now());
        if self.json {
            show::json(&report);
        } else {
            show::text(&report);
        }
        report.exit_code()
    }

    fn look(&self, found: &Examined, now: i64) -> Report {
        let mut report = Report::default();
        report.add(settings(found));
        let Some(config) = &found.config else {
            return report;
        };
        report.add(files::store(config, found, now));
        report.add(files::spool(config, now));
        report.add(machine::look(config, &found.snapshot, now));
        let mut ports = Section::new("Ports");
        ports::look(&ports::GATEWAY, config.api_address(), &mut ports);
        if let Some(address) = config.metrics_address() {
            ports::look(&ports::METRICS, address, &mut ports);
        }
        ports::look(&ports::ADMIN, config.admin_address(), &mut ports);
        report.add(ports);
        report.add(keys::look(config, &found.snapshot, now));
        let (endpoints, lists) = backends::look(config, &found.snapshot, self);
        report.add(endpoints);
        report.add(models::look(&found.snapshot, &lists));
        report
    }

    fn seconds(&self) -> u64 {
        self.timeout
    }

    fn is_offline(&self) -> bool {
        self.offline
    }
}

fn settings(found: &Examined) -> Section {
    let mut section = Section::new("Settings");
    for problem in &found.settings {
        section.error(
            problem.clone(),
            "mend it where it is set: the environment, .env, or the settings page",
        );
    }
    for name in &found.unknown {
        section.note(
            format!("{name} in .env is no setting"),
            "if it is meant for another program, all is well; otherwise see .env.example for \
             the names",
        );
    }
    if found.settings.is_empty() {
        section.ok("every setting can be read");
    }
    section
}

/// Unix seconds.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(0)
}
