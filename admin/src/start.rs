//! From the environment to a running server, or to the list of what is wrong.
//!
//! The process environment is read here and nowhere else; everything below gets
//! values. Messages for people go to standard error, except the one line that says
//! where the app listens.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;

use store::config::{Config, ConfigProblem, DotEnv, LogFormat};
use store::{Store, StoreError};
use tracing_subscriber::EnvFilter;

use crate::access::Access;
use crate::admin::Admin;
use crate::probe::Prober;
use crate::server;

/// Everything that is wrong, one sentence each.
pub(crate) type Problems = Vec<String>;

/// Checks the configuration and the store; changes nothing.
///
/// # Errors
/// Every problem found.
pub(crate) fn check() -> Result<(), Problems> {
    let config = load(None)?;
    let mut problems: Problems = Store::check(&config.database_path)
        .iter()
        .map(ToString::to_string)
        .collect();
    problems.extend(access(&config).err());
    problems.extend(log_filter(&config).err());
    if problems.is_empty() {
        say(io::stdout(), "the configuration and the store are in order");
        Ok(())
    } else {
        Err(problems)
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Why it does not start.
pub(crate) fn run() -> Result<(), Problems> {
    // Where the store is decides which stored settings there are.
    let first = load(None)?;
    let one = |err: StoreError| vec![err.to_string()];
    let store = Store::open(&first.database_path).map_err(one)?;
    let stored = store.settings().map_err(one)?;
    let config = load(Some(&stored))?;
    let access = access(&config).map_err(|why| vec![why])?;
    log_to_stderr(&config)?;
    // One TLS crypto library for all calls to backends; set once, before the first.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_already_set| vec!["a TLS crypto provider is already installed".to_owned()])?;

    let address = config.admin_address();
    let listener = server::listen(address).map_err(|err| vec![no_address(address, &err)])?;
    let local = listener
        .local_addr()
        .map_err(|err| vec![format!("the address of the admin app is unknown: {err}")])?;
    let admin = Admin::new(
        store,
        Prober::new(config.connect_timeout, config.timeout),
        config.auth_enabled,
        config.use_ai_queue,
    );
    actix_web::rt::System::new()
        .block_on(async move {
            let server = server::serve(listener, access, admin)?;
            say(io::stdout(), &format!("admin listening on http://{local}"));
            if access == Access::Login {
                tracing::warn!(
                    "AUTH_ENABLED is true and this version has no login: every call is refused; \
                     set AUTH_ENABLED=false to let everyone in who reaches {local}"
                );
            }
            server.await
        })
        .map_err(|err: io::Error| vec![format!("the admin app stopped: {err}")])?;
    tracing::info!("admin stopped");
    Ok(())
}

/// Writes the problems for the operator.
pub(crate) fn report(problems: &Problems) {
    for problem in problems {
        say(io::stderr(), &format!("error: {problem}"));
    }
}

/// The environment over the `.env` file of the working folder.
fn load(stored: Option<&BTreeMap<String, String>>) -> Result<Config, Problems> {
    let texts = |problems: Vec<ConfigProblem>| problems.iter().map(ToString::to_string).collect();
    let file = DotEnv::read(Path::new(".env")).map_err(texts)?;
    let env = file.under(&environment);
    Config::load(&env, stored).map_err(texts)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that hands the environment on"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn access(config: &Config) -> Result<Access, String> {
    Access::from_config(config).map_err(|problem| problem.to_string())
}

fn log_filter(config: &Config) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&config.log_filter)
        .map_err(|err| format!("RUST_LOG is no log filter: {err}"))
}

fn log_to_stderr(config: &Config) -> Result<(), Problems> {
    let filter = log_filter(config).map_err(|why| vec![why])?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|err| vec![format!("logging cannot be set up: {err}")])
}

/// Why the address cannot be taken and what to do.
fn no_address(address: SocketAddr, err: &io::Error) -> String {
    let port = address.port();
    // One comparison for each kind: the list of kinds is long and grows.
    let kind = err.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!(
            "{address} is already in use: end the program that has it, or set ADMIN_PORT to \
             another port"
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        format!("{address} may not be taken by this user: set ADMIN_PORT to a port above 1023")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!(
            "ADMIN_BIND={} is no address of this machine (port {port})",
            address.ip()
        )
    } else {
        format!("{address} cannot be listened on: {err}")
    }
}

fn say(mut to: impl Write, line: &str) {
    // With nobody reading there is nothing left to tell.
    let _ = writeln!(to, "{line}");
    let _ = to.flush();
}
