//! From the environment to a running server, or to the list of what is wrong.
//!
//! What both programs do alike, reading settings and telling the operator, is
//! [`store::config::process`].

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use store::config::process::{self, Problems, Program, Surroundings};
use store::config::{Config, LogFormat};
use store::{Actor, Password, Redaction, Snapshot, Store};
use tracing_subscriber::EnvFilter;

use crate::access::{Access, session};
use crate::admin::Admin;
use crate::alive;
use crate::new_password;
use crate::patience::Patience;
use crate::{server, upkeep};

/// Checks the configuration and the store; changes nothing.
///
/// # Errors
/// Every problem found.
pub(crate) fn check() -> Result<(), Problems> {
    Surroundings::of_process().check(|config, _snapshot| {
        let access = access(config).err();
        access.into_iter().chain(log_filter(config).err()).collect()
    })?;
    process::say("the configuration and the store are in order");
    Ok(())
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// Why it does not start.
pub(crate) fn run() -> Result<(), Problems> {
    let redaction = Arc::new(Redaction::default());
    redaction.tell_panics();
    let log = |config: &Config| log_to_stderr(config, &redaction);
    let (store, config) = Surroundings::of_process().open(log)?;
    follow(store.clone(), redaction).map_err(|why| vec![why])?;
    let access = access(&config).map_err(|why| vec![why])?;
    // One TLS crypto library for all calls to backends; set once, before the first.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_already_set| vec!["a TLS crypto provider is already installed".to_owned()])?;

    let address = config.admin_address();
    let listener =
        server::listen(address).map_err(|err| vec![Program::Admin.cannot_listen(address, &err)])?;
    let local = listener
        .local_addr()
        .map_err(|err| vec![format!("the address of the admin app is unknown: {err}")])?;
    // A new link at each start, until somebody is set up; the external service has people of
    // its own.
    let set_up = if access == Access::Login && config.aimenu_url.is_none() {
        store
            .begin_set_up(session::now())
            .map_err(|err| vec![err.to_string()])?
    } else {
        None
    };
    upkeep::start(store.clone(), config.audit_days)
        .map_err(|err| vec![format!("the audit's upkeep cannot be started: {err}")])?;
    let admin = Admin::new(store, &config, Surroundings::of_process().set())
        .map_err(|err| vec![err.to_string()])?;
    actix_web::rt::System::new()
        .block_on(async move {
            let patience = Patience(config.timeout);
            let server = server::serve(listener, access, admin, patience)?;
            if let Some(token) = set_up {
                process::say(&format!(
                    "nobody can log in yet: make the first admin, within a day, at \
                     http://{}/set-up?token={}",
                    reachable(local),
                    token.expose()
                ));
            }
            process::say(&format!("admin listening on http://{local}"));
            if let Some(manager) = process::service_manager() {
                actix_web::rt::spawn(alive::tell(manager, reachable(local)));
            }
            server.await
        })
        .map_err(|err: io::Error| vec![format!("the admin app stopped: {err}")])?;
    tracing::info!("admin stopped");
    Ok(())
}

/// An address of this machine at which `listening` is reached.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let mut address = listening;
    if listening.ip().is_unspecified() {
        address.set_ip(match listening {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Gives somebody a new password and ends the sessions of before.
///
/// # Errors
/// When there is no such person, the password is too easy, or the store cannot be used.
pub(crate) fn reset_password(name: &str) -> Result<(), Problems> {
    let redaction = Arc::new(Redaction::default());
    let log = |config: &Config| log_to_stderr(config, &redaction);
    let (store, _config) = Surroundings::of_process().open(log)?;
    let one = |why: String| vec![why];
    let user = store
        .find_admin_user(name)
        .map_err(|err| one(err.to_string()))?
        .ok_or_else(|| {
            one(format!(
                "nobody is called {name:?}; the first admin is made with the link that a start \
                 of this program prints"
            ))
        })?;
    let typed = new_password::read().map_err(|err| one(format!("no password was read: {err}")))?;
    let password =
        Password::check(&typed, &user.name).map_err(|why| one(format!("the password {why}")))?;
    store
        .by(Actor {
            user: "command line".to_owned(),
            address: None,
        })
        .set_admin_password(user.id, &password)
        .map_err(|err| one(err.to_string()))?;
    process::say(&format!(
        "{} has the new password; all sessions of before have ended",
        user.name
    ));
    Ok(())
}

/// Keeps what is taken out of the log at what the store holds, to the end of the program.
fn follow(store: Store, redaction: Arc<Redaction>) -> Result<(), String> {
    const EVERY: Duration = Duration::from_secs(1);
    let thread = std::thread::Builder::new().name("redaction".to_owned());
    let work = move || {
        let mut known: Option<Snapshot> = None;
        loop {
            let revision = store.revision().ok();
            let is_new = revision != known.as_ref().map(|known| known.revision);
            if is_new && let Ok(snapshot) = store.snapshot() {
                redaction.follow(&snapshot, known.as_ref());
                known = Some(snapshot);
            }
            std::thread::park_timeout(EVERY);
        }
    };
    let started = thread.spawn(work);
    started
        .map(drop)
        .map_err(|err| format!("a thread cannot be started: {err}"))
}

fn access(config: &Config) -> Result<Access, String> {
    Access::from_config(config).map_err(|problem| problem.to_string())
}

fn log_filter(config: &Config) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&config.log_filter)
        .map_err(|err| format!("RUST_LOG is no log filter: {err}"))
}

fn log_to_stderr(config: &Config, redaction: &Arc<Redaction>) -> Result<(), Problems> {
    redaction.learn(config);
    let redaction = Arc::clone(redaction);
    let filter = log_filter(config).map_err(|why| vec![why])?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(move || redaction.stderr());
    match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|err| vec![format!("logging cannot be set up: {err}")])
}
