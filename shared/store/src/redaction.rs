//! What every line of a log, a metric or a crash passes before anybody reads it: the
//! secrets of the configuration that is in use, and whatever looks like one, become `***`
//! ([`wire::redact::Redactor`]).
//!
//! One of them goes with the whole program. It begins with the shapes alone and is told the
//! secrets of each configuration.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use wire::redact::Redactor;

use crate::config::Config;
use crate::custom_headers::{CustomHeaders, is_secret_name};
use crate::secret::Secret;
use crate::snapshot::Snapshot;

/// Takes secrets out of texts.
#[derive(Debug, Default)]
pub struct Redaction {
    /// Those of the settings.
    settings: OnceLock<Vec<String>>,
    redactor: ArcSwap<Redactor>,
}

impl Redaction {
    /// Looks for the secrets of the settings from now on, which do not change.
    pub fn learn(&self, config: &Config) {
        let _ = self.settings.set(config.secrets());
        self.look_for(&[]);
    }

    /// Looks for the secrets of this configuration from now on; those of the one `before`
    /// may still come up in calls that are under way and are looked for too until the next.
    pub fn follow(&self, snapshot: &Snapshot, before: Option<&Snapshot>) {
        let both = before.into_iter().chain([snapshot]);
        self.look_for(&both.flat_map(Snapshot::secrets).collect::<Vec<_>>());
    }

    fn look_for(&self, secrets: &[String]) {
        let all = self.settings.get().into_iter().flatten().chain(secrets);
        let redactor = Redactor::new(all.map(String::as_str));
        self.redactor.store(Arc::new(redactor));
    }

    /// `text` without secrets.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redactor.load().redact(text)
    }

    /// Standard error, for whoever writes whole lines at once.
    pub fn stderr(self: &Arc<Self>) -> Redacted<io::Stderr> {
        Redacted {
            redaction: Arc::clone(self),
            to: io::stderr(),
        }
    }

    /// Has a panic written as one line of the log, or to standard error before there is one,
    /// without secrets.
    pub fn tell_panics(self: &Arc<Self>) {
        let redaction = Arc::clone(self);
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("unnamed").to_owned();
            let trace = std::backtrace::Backtrace::capture();
            let text = format!("thread {name:?}: {panic}\n{trace}\n");
            // With nobody reading there is nobody to tell.
            let _ = redaction.stderr().write_all(text.as_bytes());
        }));
    }
}

/// Lets through what is written, without secrets. A secret must come in one write.
#[derive(Debug)]
pub struct Redacted<W> {
    redaction: Arc<Redaction>,
    to: W,
}

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.to.write_all(self.redaction.text(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Snapshot {
    /// Every text of the configuration that nobody may read.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for endpoint in &self.endpoints {
            let key = endpoint.api_key.as_ref();
            secrets.extend(key.map(|key| key.expose().to_owned()));
            take_headers(&endpoint.custom_headers, &mut secrets);
        }
        for model in self.models.values() {
            take_headers(&model.custom_headers, &mut secrets);
        }
        secrets
    }
}

impl Config {
    /// Every text of the settings that nobody may read.
    pub fn secrets(&self) -> Vec<String> {
        let queue = self.ai_queue_api_key.as_ref().map(Secret::expose);
        let mut secrets: Vec<String> = queue.into_iter().map(str::to_owned).collect();
        secrets.extend(self.key_source.texts());
        for (_, value) in self.telemetry.iter().flat_map(|sent| &sent.headers) {
            take_value(value.expose(), &mut secrets);
        }
        secrets
    }
}

fn take_headers(headers: &CustomHeaders, secrets: &mut Vec<String>) {
    for (_, value) in headers.iter().filter(|(name, _)| is_secret_name(name)) {
        take_value(value, secrets);
    }
}

/// A header's value, and what is behind its scheme.
fn take_value(value: &str, secrets: &mut Vec<String>) {
    secrets.push(value.to_owned());
    secrets.extend(value.split_whitespace().next_back().map(str::to_owned));
}
