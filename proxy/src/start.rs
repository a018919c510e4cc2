//! From the environment to a running gateway, or to the list of what is wrong.
//!
//! The process environment is read here and nowhere else. Messages for people go
//! to standard error, except the one line that says where the gateway listens.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::listening::Service;
use store::config::{Config, ConfigProblem, DotEnv, LogFormat};
use store::{Store, StoreError};
use tracing_subscriber::EnvFilter;

use crate::access_log::AccessLog;
use crate::gateway::Gateway;
use crate::ledger::Ledger;
use crate::listener::Listener;
use crate::live::watch::Current;
use crate::live::{Build, Live};
use crate::stop::Stop;

/// Everything that is wrong, one sentence each.
pub(crate) type Problems = Vec<String>;

/// Upstream connections kept for later calls, for each worker thread.
const POOL: usize = 1024;

/// What a caller's connection buffers: no reads, because heads and bodies have
/// buffers of their own; writes enough to hold a small reply whole.
const CALLER_BUFFERS: L4BufferSettings = L4BufferSettings {
    read: Some(0),
    write: Some(2 * 1024),
};

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
    problems.extend(log_filter(&config).err());
    if problems.is_empty() {
        say(io::stdout(), "the configuration and the store are in order");
        Ok(())
    } else {
        Err(problems)
    }
}

/// Runs the gateway until a signal ends it; then every usage record is written.
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
    log_to_stderr(&config)?;
    let address = free_address(config.api_address())?;

    let build = Build::new(&config);
    let live = Live::build(store.snapshot().map_err(one)?, &build, None);
    let current = Arc::new(Current::new(live));
    let (ledger, writer) = Ledger::start(store.clone(), AccessLog::new(config.log_format))
        .map_err(|err| vec![format!("the ledger thread cannot be started: {err}")])?;
    let (following, unfollow) = sync_channel(0);
    let follower = std::thread::Builder::new().name("configuration".to_owned());
    let (shared, own_build) = (Arc::clone(&current), build.clone());
    follower
        .spawn(move || shared.follow(&store, &own_build, &unfollow))
        .map_err(|err| {
            vec![format!(
                "the thread that follows the store cannot be started: {err}"
            )]
        })?;

    let stopping = Arc::new(AtomicBool::new(false));
    let stop = Stop::new(ledger.clone(), Arc::clone(&stopping));
    let mut server = Server::new_with_opt_and_conf(None, server_conf(&config));
    server.bootstrap();
    let conf = &server.configuration;
    let gateway = Gateway::new(&config, conf, current, ledger, stopping);
    let mut service = Service::new("gateway".to_owned(), Listener::new(conf, gateway));
    service.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(CALLER_BUFFERS));
    server.add_service(service);
    announce(address)?;
    server.run(RunArgs {
        shutdown_signal: Box::new(stop),
    });

    drop(following);
    writer.finish();
    tracing::info!("gateway stopped");
    Ok(())
}

/// Writes the problems for the operator.
pub(crate) fn report(problems: &Problems) {
    for problem in problems {
        say(io::stderr(), &format!("error: {problem}"));
    }
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
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|err| vec![format!("logging cannot be set up: {err}")])
}

/// The address to listen on, with the port that port 0 stands for. Taken once
/// here, because Pingora ends the program without a word when it cannot listen.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr, Problems> {
    TcpListener::bind(wanted)
        .and_then(|listener| listener.local_addr())
        .map_err(|err| vec![no_address(wanted, &err)])
}

/// Prints the address once it can be connected to: whoever waits for the line may
/// call at once.
fn announce(address: SocketAddr) -> Result<(), Problems> {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let wait = move || {
        while TcpStream::connect(reachable).is_err() {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        say(
            io::stdout(),
            &format!("gateway listening on http://{address}"),
        );
    };
    let thread = std::thread::Builder::new().name("announce".to_owned());
    let started = thread.spawn(wait);
    started
        .map(drop)
        .map_err(|err| vec![format!("a thread cannot be started: {err}")])
}

/// Why the address cannot be taken and what to do.
fn no_address(address: SocketAddr, err: &io::Error) -> String {
    let kind = err.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!(
            "{address} is already in use: end the program that has it, or set API_PORT to \
             another port"
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        format!("{address} may not be taken by this user: set API_PORT to a port above 1023")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("API_BIND={} is no address of this machine", address.ip())
    } else {
        format!("{address} cannot be listened on: {err}")
    }
}

fn say(mut to: impl Write, line: &str) {
    // With nobody reading there is nothing left to tell.
    let _ = writeln!(to, "{line}");
    let _ = to.flush();
}
