//! What is measured: the upstream itself, nginx, bare Pingora, the gateway, and other
//! gateways and routers, its peers.
//!
//! Each one runs on one worker, on loopback, from a folder of its own that disappears
//! with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::check::{Expected, check_chat};
use crate::dialect::Dialect;
use crate::gateway;
use crate::http::Connection;
use crate::machine::locked;
use crate::passthrough::{self, NGINX_SETTINGS, nginx_version};
use crate::peer::{self, Peer};
use crate::process::{Running, START, cpu_time, free_address, resident_kib};
use crate::scenario::{ACTUAL_MODEL, Prompt, Reply, request};

/// One way to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Nothing in between.
    Direct,
    /// nginx, when it is installed.
    Nginx,
    /// Pingora with nothing but `upstream_peer`.
    Pingora,
    /// The gateway with everything on.
    Gateway,
    /// Another gateway or router, when it is installed.
    #[serde(untagged)]
    Peer(Peer),
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Kind::Direct,
            Kind::Nginx,
            Kind::Pingora,
            Kind::Gateway,
            Kind::Peer(Peer::LiteLlm),
            Kind::Peer(Peer::Portkey),
            Kind::Peer(Peer::Sglang),
            Kind::Peer(Peer::Vllm),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Kind::Direct => "direct",
            Kind::Nginx => "nginx",
            Kind::Pingora => "pingora",
            Kind::Gateway => "gateway",
            Kind::Peer(peer) => peer.name(),
        }))
    }
}

impl Kind {
    /// What the report calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Nginx => "nginx",
            Kind::Pingora => "bare Pingora",
            Kind::Gateway => "gateway",
            Kind::Peer(peer) => peer.title(),
        }
    }

    /// Whether it is a peer: what fails there is a figure, elsewhere it ends the run.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Kind::Peer(_))
    }

    /// The version that would be measured; an error says why there is none.
    pub(crate) fn version(self, programs: &Programs) -> Result<String> {
        match self {
            Kind::Direct => Ok(String::new()),
            Kind::Nginx => nginx_version().context("it is not installed"),
            Kind::Pingora => locked("pingora-core")
                .map(str::to_owned)
                .context("it is not in the lock file"),
            Kind::Gateway => Ok(env!("CARGO_PKG_VERSION").to_owned()),
            Kind::Peer(peer) => peer.version(programs.peers()?),
        }
    }

    /// How it is set up, in words.
    pub(crate) fn settings(self) -> String {
        match self {
            Kind::Direct => "nothing in between".to_owned(),
            Kind::Nginx => NGINX_SETTINGS.to_owned(),
            Kind::Pingora => "`--threads 1`, one `upstream_peer`".to_owned(),
            Kind::Gateway => "`THREADS=1`, an endpoint and a virtual model for each dialect; \
                              ledger and log as they are by default"
                .to_owned(),
            Kind::Peer(peer) => peer.settings(),
        }
    }

    /// The model's name as its clients send it, when the upstream speaks `dialect`.
    pub(crate) fn model(self, dialect: Dialect) -> &'static str {
        match self {
            Kind::Direct | Kind::Nginx | Kind::Pingora => ACTUAL_MODEL,
            Kind::Gateway => dialect.virtual_model(),
            Kind::Peer(peer) => peer.model(),
        }
    }

    /// What its clients expect of every reply.
    pub(crate) fn expected(self, dialect: Dialect) -> Expected {
        if self.is_peer() {
            Expected::Text
        } else {
            Expected::Exact(dialect, self.model(dialect))
        }
    }
}

/// A running target.
pub(crate) struct Target {
    /// Which one.
    pub(crate) kind: Kind,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What its callers send beside a provider's header fields.
    fields: String,
    /// Paced streams that it can do with, where that was found out.
    pub(crate) paced: Option<usize>,
    process: Option<Running>,
    _folder: TempDir,
}

impl Target {
    /// Start one in front of the upstream and wait until a right reply came through.
    pub(crate) async fn start(
        kind: Kind,
        upstream: SocketAddr,
        programs: &Programs,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut address = free_address()?;
        let place = folder.path();
        let process = match kind {
            Kind::Direct => {
                address = upstream;
                None
            }
            Kind::Nginx => Some(passthrough::nginx(address, upstream, place)?),
            Kind::Pingora => Some(passthrough::pingora(address, upstream, programs, place)?),
            Kind::Gateway => Some(gateway::start(address, upstream, programs, place).await?),
            Kind::Peer(peer) => Some(peer.start(address, upstream, programs.peers()?, place)?),
        };
        let (fields, patience) = match kind {
            Kind::Direct | Kind::Nginx | Kind::Pingora | Kind::Gateway => (String::new(), START),
            Kind::Peer(peer) => (peer.fields(upstream), peer::START),
        };
        let mut target = Target {
            kind,
            address,
            fields,
            paced: None,
            process,
            _folder: folder,
        };
        let probe = target.request(Dialect::OpenAi, Reply::Chat, Prompt::SMALL);
        let expected = kind.expected(Dialect::OpenAi);
        let answers = || answers(address, &probe, expected);
        match &mut target.process {
            Some(process) => process.ready(patience, answers).await?,
            None => answers().await?,
        }
        Ok(target)
    }

    /// One that runs already, for tests of what calls it.
    #[cfg(test)]
    pub(crate) fn at(kind: Kind, address: SocketAddr) -> Result<Self> {
        Ok(Target {
            kind,
            address,
            fields: String::new(),
            paced: None,
            process: None,
            _folder: tempfile::tempdir()?,
        })
    }

    /// One whole request as this target's clients send it.
    pub(crate) fn request(&self, dialect: Dialect, reply: Reply, prompt: Prompt) -> Vec<u8> {
        request(self.kind.model(dialect), reply, prompt, &self.fields)
    }

    /// CPU time used so far; `None` where nothing is in between.
    pub(crate) fn cpu(&self) -> Result<Option<Duration>> {
        let process = self.process.as_ref();
        process.map(|running| cpu_time(running.pid()?)).transpose()
    }

    /// Resident memory now, in KiB; `None` where nothing is in between.
    pub(crate) fn resident(&self) -> Result<Option<u64>> {
        let process = self.process.as_ref();
        process
            .map(|running| resident_kib(running.pid()?))
            .transpose()
    }

    /// Wait until it has done with what was broken off, for half a minute at most.
    pub(crate) async fn settle(&self) -> Result<()> {
        const LOOK: Duration = Duration::from_millis(200);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            let before = self.cpu()?.unwrap_or_default();
            sleep(LOOK).await;
            if self.cpu()?.unwrap_or_default().saturating_sub(before) < LOOK / 5 {
                break;
            }
        }
        Ok(())
    }

    /// End it and remove what it wrote.
    pub(crate) async fn end(self) -> Result<()> {
        match self.process {
            Some(process) => process.end().await,
            None => Ok(()),
        }
    }
}

/// The programs under test.
pub(crate) struct Programs {
    /// The gateway, `serverless-proxy`.
    pub(crate) gateway: PathBuf,
    /// The admin app that writes its configuration.
    pub(crate) admin: PathBuf,
    /// The bare Pingora pass-through.
    pub(crate) pingora: PathBuf,
    peers: Option<PathBuf>,
}

impl Programs {
    /// Expect them beside this program, where cargo puts them, and the peers in the folder
    /// that scripts/peers.sh has filled.
    pub(crate) fn find(peers: Option<PathBuf>) -> Result<Self> {
        let this = std::env::current_exe()?;
        let folder = this.parent().context("this program has no folder")?;
        Ok(Programs {
            gateway: folder.join("serverless-proxy"),
            admin: folder.join("serverless-proxy-admin"),
            pingora: folder.join("examples").join("bare_pingora"),
            peers,
        })
    }

    /// The folder with the peers.
    pub(crate) fn peers(&self) -> Result<&Path> {
        self.peers
            .as_deref()
            .context("no folder of peers was given (--peers)")
    }
}

/// Refuse to start what was not built, saying how to build it.
pub(crate) fn built(program: &Path, how: &str) -> Result<()> {
    ensure!(
        program.is_file(),
        "{} does not exist: build it first with `cargo build --release {how}`",
        program.display()
    );
    Ok(())
}

async fn answers(address: SocketAddr, request: &[u8], expected: Expected) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let (status, body) = connection.exchange(request).await?;
    ensure!(
        status == 200,
        "status {status}: {}",
        String::from_utf8_lossy(&body)
    );
    check_chat(&body, expected)
}
