//! From the environment to a running gateway, or to the list of what is wrong.
//!
//! What both programs do alike, reading settings and telling the operator, is
//! [`store::config::process`].

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use pingora::connectors::ConnectorOptions;
use pingora::listeners::{ListenerConfig, TcpSocketOptions};
use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening::Service;
use store::config::process::{self, Problems, Surroundings};
use store::config::{Config, LogFormat, ServiceManager};
use store::{Redaction, Spool};
use tracing_subscriber::EnvFilter;

use crate::access_log::AccessLog;
use crate::claim::Claim;
use crate::closing::Closing;
use crate::descriptors;
use crate::gateway::Gateway;
use crate::ledger::{Ledger, Limits};
use crate::listener::Listener;
use crate::live::watch::Current;
use crate::live::{self, Build, Live};
use crate::metrics::{Page, Scraped};
use crate::phase::Phase;
use crate::poll::Poller;
use crate::ready::Ready;
use crate::report::Report;
use crate::serving::{Pulse, Serving};
use crate::stop::Stop;
use crate::telemetry::Telemetry;
use crate::upgrade::{self, Door, Offer, Taken};

/// Upstream connections kept for later calls, for each worker thread.
const POOL: usize = 1024;

/// What a caller's connection buffers: no reads, because heads and bodies have
/// buffers of their own; writes enough to hold a small reply whole.
const CALLER_BUFFERS: L4BufferSettings = L4BufferSettings {
    read: Some(0),
    write: Some(2 * 1024),
};

/// How often a silent caller is asked whether it is still there.
const ALIVE: Duration = Duration::from_secs(15);

/// Checks the configuration and the store; changes nothing.
///
/// # Errors
/// Every problem found.
pub(crate) fn check() -> Result<(), Problems> {
    Surroundings::of_process().check(|config, snapshot| {
        let live = Live::build(snapshot, &Build::new(config), None, &[]);
        let mut problems: Problems = live.problems.iter().map(ToString::to_string).collect();
        problems.extend(log_filter(config).err());
        problems
    })?;
    process::say("the configuration and the store are in order");
    Ok(())
}

/// Encrypts every secret with a new key and says what is to be done next.
///
/// # Errors
/// Why it could not, and which secrets no key opens.
pub(crate) fn rotate_secret_key() -> Result<(), Problems> {
    let redaction = Arc::new(Redaction::default());
    let log = |config: &Config| log_to_stderr(config, &redaction);
    let (store, _config) = Surroundings::of_process().open(log)?;
    let done = store
        .rotate_secret_key()
        .map_err(|err| vec![err.to_string()])?;
    let count = done.changed;
    match &done.key_file {
        Some(file) => process::say(&format!(
            "{count} secrets are encrypted with the new key in {}; running programs follow, \
             and copies of the database from before need the key file from before",
            file.display()
        )),
        None => process::say(
            "every secret is encrypted with SECRET_KEY as it is now; give it to both programs, \
             restart them, and take SECRET_KEY_PREVIOUS away",
        ),
    }
    let unreadable = |what: String| {
        format!(
            "{what} cannot be decrypted with any key that is here and stays as it is; enter it anew, or run this again with the key it was encrypted with as SECRET_KEY_PREVIOUS"
        )
    };
    if done.locked.is_empty() {
        return Ok(());
    }
    Err(done.locked.into_iter().map(unreadable).collect())
}

/// Has another process of this program take over from the gateway that runs.
///
/// # Errors
/// Why it has not.
pub(crate) fn launch() -> Result<(), Problems> {
    let redaction = Arc::new(Redaction::default());
    let log = |config: &Config| log_to_stderr(config, &redaction);
    let (_store, config) = Surroundings::of_process().open(log)?;
    upgrade::launch(&config.upgrade_socket())
}

/// Runs the gateway until a signal or the next process ends it; then every usage record is
/// written. With `upgrade` it takes over from the one that runs.
///
/// # Errors
/// Why it does not start.
pub(crate) fn run(upgrade: bool) -> Result<(), Problems> {
    let redaction = Arc::new(Redaction::default());
    redaction.tell_panics();
    let log = |config: &Config| log_to_stderr(config, &redaction);
    descriptors::raise();
    let (store, config) = Surroundings::of_process().open(log)?;
    let mut manager = process::service_manager();
    let taken = if upgrade {
        Some(take(&config, manager.as_mut())?)
    } else {
        None
    };
    let claim = match &taken {
        Some(taken) => Claim::take(&config, taken)?,
        None => Claim::bind(&config)?,
    };
    let manager = manager.map(Arc::new);
    let phase = Phase::default();
    let scraped = Scraped::claim(&config, taken.is_some(), &phase)?;
    let door = door(&config, &claim, manager.as_deref(), &phase);
    let address = claim.address;

    let build = Build::new(&config);
    let snapshot = store.snapshot().map_err(|err| vec![err.to_string()])?;
    let saved = store.circuits().map_err(|err| vec![err.to_string()])?;
    let kept = Limits {
        spool: config.spool_max_bytes,
        days: config.usage_days,
        store: config.usage_max_bytes,
    };
    let log = AccessLog::new(config.log_format, Arc::clone(&redaction));
    let sending = config.telemetry.as_ref().map(Telemetry::start);
    let (telemetry, exports) = sending.transpose().map_err(|why| vec![why])?.unzip();
    let (ledger, writer) = Ledger::start(store.clone(), log, kept, telemetry).map_err(|err| {
        vec![format!(
            "usage records cannot be spooled in {}: {err}; make its folder writable for \
                 the user this program runs as",
            Spool::folder_of(store.path()).display()
        )]
    })?;
    let spent = store
        .spent_money(live::now() / 1000)
        .map_err(|err| vec![err.to_string()])?;
    let build = build.with_spent(spent);
    let live = Live::build(snapshot, &build, None, &saved);
    let current = Current::new(live, Arc::clone(&redaction), Arc::clone(ledger.metrics()));
    let current = Arc::new(current);
    let (following, unfollow) = sync_channel(0);
    let follower = std::thread::Builder::new().name("configuration".to_owned());
    let (shared, own_build, seen) = (Arc::clone(&current), build.clone(), phase.clone());
    let report = Report::new(store.clone(), Arc::clone(&current), ledger.clone(), address);
    let report = report.start().map_err(no_thread)?;
    let follower = follower
        .spawn(move || shared.follow(&store, &own_build, &seen, &unfollow))
        .map_err(no_thread)?;

    let closing = Closing::default();
    let stop = Stop::new(
        &config,
        ledger.clone(),
        phase.clone(),
        closing.clone(),
        door.clone(),
        manager.clone(),
    );
    let mut server = Server::new_with_opt_and_conf(None, server_conf(&config));
    server.bootstrap();
    let conf = &server.configuration;
    let options = ConnectorOptions::from_server_conf(conf);
    let poller = Poller::new(Arc::clone(&current), &options, &config, phase.clone());
    let gateway = Gateway::new(&config, conf, current, ledger, phase.clone(), closing);
    let gateway = Arc::new(gateway);
    let page = Page::new(Arc::clone(&gateway), redaction);
    let mut service = Service::new("gateway".to_owned(), Listener::new(conf, gateway, &config));
    let listener = ListenerConfig::tcp(address.to_string())
        .l4_buffer(CALLER_BUFFERS)
        .tcp_socket_options(caller_sockets(config.timeout));
    service.add_listener(listener);
    let pulse = Pulse::default();
    server.add_service(Serving {
        service,
        fds: claim.into_fds(),
        phase: phase.clone(),
        pulse: pulse.clone(),
        every: Ready::every(manager.as_ref()),
    });
    server.add_service(background_service("health checks", poller));
    if let Some(scraped) = scraped {
        server.add_service(scraped.telling(page));
    }
    let ready = Ready {
        address,
        phase,
        pulse,
        taken,
        door,
        manager,
    };
    ready.start().map_err(no_thread)?;
    server.run(RunArgs {
        shutdown_signal: Box::new(stop),
    });

    drop(following);
    if follower.join().is_err() {
        tracing::error!("the thread that follows the store had ended before its time");
    }
    writer.finish();
    if let Some(exports) = exports {
        exports.finish();
    }
    report.finish();
    tracing::info!("gateway stopped");
    Ok(())
}

/// What the gateway that runs hands over.
fn take(config: &Config, manager: Option<&mut ServiceManager>) -> Result<Taken, Problems> {
    let taken = Taken::from(&config.upgrade_socket())?;
    match manager {
        Some(manager) => manager.watch(taken.offer.watchdog),
        None if taken.offer.is_managed => {
            return Err(vec![
                "the gateway that runs is a service, and its manager would take its end for \
                 the service's: upgrade it with systemctl reload"
                    .to_owned(),
            ]);
        }
        None => {}
    }
    tracing::info!(version = %taken.offer.version, "taking over from the gateway that runs");
    Ok(taken)
}

/// Where the next process takes over; without it this one can only be restarted.
fn door(
    config: &Config,
    claim: &Claim,
    manager: Option<&ServiceManager>,
    phase: &Phase,
) -> Option<Arc<Door>> {
    let path = config.upgrade_socket();
    let offer = Offer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        is_managed: manager.is_some(),
        watchdog: manager.and_then(ServiceManager::watchdog),
    };
    let door = claim
        .share()
        .and_then(|socket| Door::new(path.clone(), socket, offer, phase.clone()));
    match door {
        Ok(door) => Some(Arc::new(door)),
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                %error,
                "no upgrade can take over from this gateway without a gap; UPGRADE_SOCKET names another place"
            );
            None
        }
    }
}

/// A caller that vanishes without a word, its machine off or the network cut, is let go when
/// nothing of it has been heard for `timeout`.
fn caller_sockets(timeout: Duration) -> TcpSocketOptions {
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: ALIVE,
        interval: ALIVE,
        count: 3,
        user_timeout: timeout,
    });
    options
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn no_thread(error: io::Error) -> Problems {
    vec![format!("a thread cannot be started: {error}")]
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: config.threads,
        upstream_keepalive_pool_size: POOL,
        // Calls in flight have ended, or their time has, when Pingora stops.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn log_filter(config: &Config) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&config.log_filter)
        .map_err(|err| format!("RUST_LOG is no log filter: {err}"))
}

/// Logging for a task of the command line, which ends soon.
///
/// # Errors
/// When the filter is none.
pub(crate) fn log_of_task(config: &Config) -> Result<(), Problems> {
    log_to_stderr(config, &Arc::new(Redaction::default()))
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
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|err| vec![format!("logging cannot be set up: {err}")])
}
