//! From the environment to a running gateway, or to the list of what is wrong.
//!
//! What both programs do alike, reading settings and telling the operator, is
//! [`store::config::process`].

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use pingora::connectors::ConnectorOptions;
use pingora::listeners::{ListenerConfig, TcpSocketOptions};
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening::Service;
use store::Spool;
use store::config::process::{self, Problems, Program, Surroundings};
use store::config::{Config, LogFormat};
use tokio::net::TcpSocket;
use tracing_subscriber::EnvFilter;

use crate::access_log::AccessLog;
use crate::closing::Closing;
use crate::gateway::Gateway;
use crate::ledger::{Ledger, Limits};
use crate::listener::Listener;
use crate::live::watch::Current;
use crate::live::{self, Build, Live};
use crate::poll::Poller;
use crate::report::Report;
use crate::stop::Stop;

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
    let (store, _config) = Surroundings::of_process().open(log_to_stderr)?;
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

/// Runs the gateway until a signal ends it; then every usage record is written.
///
/// # Errors
/// Why it does not start.
pub(crate) fn run() -> Result<(), Problems> {
    let (store, config) = Surroundings::of_process().open(log_to_stderr)?;
    let claim = Claim::new(config.api_address())?;
    let address = claim.address;

    let build = Build::new(&config);
    let snapshot = store.snapshot().map_err(|err| vec![err.to_string()])?;
    let saved = store.circuits().map_err(|err| vec![err.to_string()])?;
    let kept = Limits {
        spool: config.spool_max_bytes,
        days: config.usage_days,
        store: config.usage_max_bytes,
    };
    let (ledger, writer) = Ledger::start(store.clone(), AccessLog::new(config.log_format), kept)
        .map_err(|err| {
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
    let current = Arc::new(Current::new(live));
    let (following, unfollow) = sync_channel(0);
    let follower = std::thread::Builder::new().name("configuration".to_owned());
    let (shared, own_build) = (Arc::clone(&current), build.clone());
    let report = Report::new(store.clone(), Arc::clone(&current), ledger.clone(), address);
    let report = report
        .start()
        .map_err(|err| vec![format!("the thread that reports cannot be started: {err}")])?;
    let follower = follower
        .spawn(move || shared.follow(&store, &own_build, &unfollow))
        .map_err(|err| {
            vec![format!(
                "the thread that follows the store cannot be started: {err}"
            )]
        })?;

    let stopping = Arc::new(AtomicBool::new(false));
    let closing = Closing::default();
    let stop = Stop::new(ledger.clone(), Arc::clone(&stopping), closing.clone());
    let mut server = Server::new_with_opt_and_conf(None, server_conf(&config));
    server.bootstrap();
    let conf = &server.configuration;
    let options = ConnectorOptions::from_server_conf(conf);
    let poller = Poller::new(Arc::clone(&current), &options, &config);
    let gateway = Gateway::new(&config, conf, current, ledger, stopping, closing);
    let mut service = Service::new("gateway".to_owned(), Listener::new(conf, gateway));
    let listener = ListenerConfig::tcp(address.to_string())
        .tcp_socket_options(claim.options())
        .l4_buffer(CALLER_BUFFERS);
    service.add_listener(listener);
    server.add_service(service);
    server.add_service(background_service("health checks", poller));
    announce(address)?;
    server.run(RunArgs {
        shutdown_signal: Box::new(stop),
    });

    drop(following);
    if follower.join().is_err() {
        tracing::error!("the thread that follows the store had ended before its time");
    }
    writer.finish();
    report.finish();
    tracing::info!("gateway stopped");
    Ok(())
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

pub(crate) fn log_to_stderr(config: &Config) -> Result<(), Problems> {
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

/// The address to listen on. Tried once here, because Pingora ends the program
/// without a word when it cannot listen.
struct Claim {
    address: SocketAddr,
    /// Holds the port that port 0 stands for until Pingora listens on it, and after:
    /// otherwise another program could take it in between.
    held: Option<TcpSocket>,
}

impl Claim {
    fn new(wanted: SocketAddr) -> Result<Self, Problems> {
        let taken = if wanted.port() == 0 {
            Self::of_any_port(wanted)
        } else {
            let tried = TcpListener::bind(wanted).and_then(|listener| listener.local_addr());
            tried.map(|address| Self {
                address,
                held: None,
            })
        };
        taken.map_err(|err| vec![Program::Gateway.cannot_listen(wanted, &err)])
    }

    fn of_any_port(wanted: SocketAddr) -> io::Result<Self> {
        let socket = match wanted {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseport(true)?;
        socket.bind(wanted)?;
        Ok(Self {
            address: socket.local_addr()?,
            held: Some(socket),
        })
    }

    fn options(&self) -> TcpSocketOptions {
        let mut options = TcpSocketOptions::default();
        options.so_reuseport = self.held.is_some().then_some(true);
        options
    }
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
        process::say(&format!("gateway listening on http://{address}"));
    };
    let thread = std::thread::Builder::new().name("announce".to_owned());
    let started = thread.spawn(wait);
    started
        .map(drop)
        .map_err(|err| vec![format!("a thread cannot be started: {err}")])
}
