//! How both programs start: from what surrounds the process to an open store and its
//! configuration, or to the list of everything that is wrong.
//!
//! The environment of the process is read here and nowhere else. A problem is a complete
//! sentence for an operator. Logging and serving are the programs' own.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use super::{Config, ConfigProblem, DotEnv, SETTINGS, ServiceManager};
use crate::error::StoreError;
use crate::problem::Problem;
use crate::secret::MASK;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Everything that is wrong, one sentence each.
pub type Problems = Vec<String>;

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The gateway.
    Gateway,
    /// The admin app.
    Admin,
}

/// What a look at settings and store found, without changing anything.
pub struct Examined {
    /// Every bad setting, a sentence each.
    pub settings: Problems,
    /// Everything wrong with the store; a folder that is missing, when there is none yet.
    pub store: Vec<Problem>,
    /// The settings, defaults in place of bad ones; `None` when not even that is possible.
    pub config: Option<Config>,
    /// The store's rows; none when it cannot be read.
    pub snapshot: Snapshot,
    /// Variables of the `.env` file that no setting has.
    pub unknown: Vec<String>,
}

/// Where settings come from.
pub struct Surroundings<'a> {
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The `.env` file, which need not exist.
    pub dot_env: &'a Path,
}

impl Program {
    /// Why the program cannot listen on `address` and what to do.
    pub fn cannot_listen(self, address: SocketAddr, err: &io::Error) -> String {
        match self {
            Self::Gateway => not_listening(("API_PORT", "API_BIND"), address, err),
            Self::Admin => not_listening(("ADMIN_PORT", "ADMIN_BIND"), address, err),
        }
    }
}

/// Why the gateway's numbers cannot be served on `address` and what to do.
pub fn cannot_serve_metrics(address: SocketAddr, err: &io::Error) -> String {
    not_listening(("METRICS_PORT", "METRICS_BIND"), address, err)
}

/// What both kinds of refusal say; the first of the two variables is the port's.
fn not_listening((port, bind): (&str, &str), address: SocketAddr, err: &io::Error) -> String {
    // One comparison for each kind: the list of kinds is long and grows.
    let kind = err.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!(
            "{address} is already in use: end the program that has it, or set {port} to \
                 another port"
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        format!("{address} may not be taken by this user: set {port} to a port above 1023")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("{bind}={} is no address of this machine", address.ip())
    } else {
        format!("{address} cannot be listened on: {err}")
    }
}

impl Surroundings<'static> {
    /// Those of this process: its environment, and the `.env` file of the working folder.
    pub fn of_process() -> Self {
        Self {
            env: &variable,
            dot_env: Path::new(".env"),
        }
    }
}

impl Surroundings<'_> {
    /// Opens the store and reads every setting, the stored ones too. `log` is called before
    /// the store is, with what the environment says: opening it may have something to tell.
    ///
    /// # Errors
    /// Every bad setting, or why the store cannot be used.
    pub fn open(
        &self,
        log: impl FnOnce(&Config) -> Result<(), Problems>,
    ) -> Result<(Store, Config), Problems> {
        let one = |err: StoreError| vec![err.to_string()];
        // Where the store is decides which stored settings there are.
        let first = self.load(None)?;
        log(&first)?;
        let store = Store::open_with_keys(&first.database_path, &first.key_source).map_err(one)?;
        let stored = store.settings().map_err(one)?;
        let config = self.load(Some(&stored))?;
        Ok((store, config))
    }

    /// What the environment and the `.env` file set, by the variable's first name. A secret
    /// is masked.
    pub fn set(&self) -> BTreeMap<&'static str, String> {
        let (file, _unreadable) = DotEnv::examine(self.dot_env);
        let env = file.under(self.env);
        let mut set = BTreeMap::new();
        for setting in SETTINGS {
            let found = setting.names().find_map(|name| super::present(env(name)));
            if let Some(text) = found {
                let shown = if setting.secret {
                    MASK.to_owned()
                } else {
                    text
                };
                set.insert(setting.name, shown);
            }
        }
        set
    }

    /// The settings without the stored ones: where the store is, for one thing.
    ///
    /// # Errors
    /// Every bad setting.
    pub fn config(&self) -> Result<Config, Problems> {
        self.load(None)
    }

    /// [`Self::open`] for a store that is there already.
    ///
    /// # Errors
    /// Also when there is none.
    pub fn open_existing(
        &self,
        log: impl FnOnce(&Config) -> Result<(), Problems>,
    ) -> Result<(Store, Config), Problems> {
        let path = self.config()?.database_path;
        if !path.exists() {
            return Err(vec![format!(
                "there is no store at {}: set DATABASE_PATH to where it is, or run this where \
                 the programs run",
                path.display()
            )]);
        }
        self.open(log)
    }

    /// What a variable is in the environment, or else in the `.env` file.
    pub fn variable(&self, name: &str) -> Option<String> {
        let (file, _unreadable) = DotEnv::examine(self.dot_env);
        super::present(file.under(self.env)(name))
    }

    /// Looks over settings and store and changes nothing. `further` may find more in the
    /// configuration, where defaults stand for bad settings, and in the store's rows, of
    /// which there are none when it cannot be read.
    ///
    /// # Errors
    /// Every problem, each once.
    pub fn check(
        &self,
        further: impl FnOnce(&Config, Snapshot) -> Problems,
    ) -> Result<(), Problems> {
        let found = self.examine();
        let mut problems = found.settings;
        problems.extend(found.store.iter().map(ToString::to_string));
        if let Some(config) = &found.config {
            problems.extend(further(config, found.snapshot));
        }
        let problems = each_once(problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Looks over settings and store and changes nothing.
    pub fn examine(&self) -> Examined {
        let (file, unreadable) = DotEnv::examine(self.dot_env);
        let env = file.under(self.env);
        let (config, bad) = Config::examine(&env, None);
        let mut examined = Examined {
            settings: texts(&unreadable),
            store: Vec::new(),
            config: None,
            snapshot: Snapshot::default(),
            unknown: file.unknown().into_iter().map(str::to_owned).collect(),
        };
        examined.settings.extend(texts(&bad));
        // Without its path there is no store to look at, and without its key none to read.
        let store_is_named = !bad
            .iter()
            .any(|problem| ["DATABASE_PATH", "SECRET_KEY"].contains(&problem.name.as_str()));
        if let Some(first) = config.filter(|_| store_is_named) {
            let found = Store::look_over(&first.database_path, &first.key_source);
            examined.store = found.problems;
            let (config, bad) = Config::examine(&env, Some(&found.settings));
            examined.settings.extend(texts(&bad));
            examined.settings = each_once(std::mem::take(&mut examined.settings));
            examined.config = config;
            examined.snapshot = found.snapshot;
        }
        examined
    }

    fn load(&self, stored: Option<&BTreeMap<String, String>>) -> Result<Config, Problems> {
        let file = DotEnv::read(self.dot_env).map_err(|problems| texts(&problems))?;
        Config::load(&file.under(self.env), stored).map_err(|problems| texts(&problems))
    }
}

/// The service manager that has started this process, if one has.
pub fn service_manager() -> Option<ServiceManager> {
    ServiceManager::of(&variable, std::process::id())
}

/// Writes the problems to standard error.
pub fn report(problems: &[String]) {
    for problem in problems {
        write_line(io::stderr(), &format!("error: {problem}"));
    }
}

/// Writes a line for whoever started the program to standard output.
pub fn say(line: &str) {
    write_line(io::stdout(), line);
}

fn write_line(mut to: impl Write, line: &str) {
    // With nobody reading there is nothing left to tell.
    let _ = writeln!(to, "{line}");
    let _ = to.flush();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that hands the environment on"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn texts(problems: &[ConfigProblem]) -> Problems {
    problems.iter().map(ToString::to_string).collect()
}

/// The same list without repetitions, in the same order.
fn each_once(problems: Problems) -> Problems {
    let mut once = Problems::new();
    for problem in problems {
        if !once.contains(&problem) {
            once.push(problem);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, SocketAddr};

    use super::Program;

    #[test]
    fn an_address_that_cannot_be_taken_is_explained() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        for (program, kind, said) in [
            (
                Program::Gateway,
                io::ErrorKind::AddrInUse,
                "127.0.0.1:80 is already in use: end the program that has it, or set API_PORT to \
                 another port",
            ),
            (
                Program::Admin,
                io::ErrorKind::PermissionDenied,
                "127.0.0.1:80 may not be taken by this user: set ADMIN_PORT to a port above 1023",
            ),
            (
                Program::Gateway,
                io::ErrorKind::AddrNotAvailable,
                "API_BIND=127.0.0.1 is no address of this machine",
            ),
            (
                Program::Admin,
                io::ErrorKind::TimedOut,
                "127.0.0.1:80 cannot be listened on: timed out",
            ),
        ] {
            assert_eq!(program.cannot_listen(address, &kind.into()), said);
        }
    }
}
