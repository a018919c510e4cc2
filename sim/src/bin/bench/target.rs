//! What is measured: the upstream itself, nginx, bare Pingora, the gateway.
//!
//! Each one runs on one worker thread, on loopback, from a folder of its own
//! that disappears with it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use tempfile::TempDir;
use tokio::process::Command;

use crate::dialect::Dialect;
use crate::gateway;
use crate::http::Connection;
use crate::process::{Running, cpu_time, free_address, resident_kib};
use crate::scenario::{ACTUAL_MODEL, Reply, check_chat, request};

/// One way to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
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
}

impl Kind {
    /// What the report calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Nginx => "nginx",
            Kind::Pingora => "bare Pingora",
            Kind::Gateway => "gateway",
        }
    }

    /// The model's name as its clients send and receive it, when the upstream speaks
    /// `dialect`.
    pub(crate) fn model(self, dialect: Dialect) -> &'static str {
        match self {
            Kind::Direct | Kind::Nginx | Kind::Pingora => ACTUAL_MODEL,
            Kind::Gateway => dialect.virtual_model(),
        }
    }
}

/// A running target.
pub(crate) struct Target {
    /// Which one.
    pub(crate) kind: Kind,
    /// Where it listens.
    pub(crate) address: SocketAddr,
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
        let mut process = match kind {
            Kind::Direct => {
                address = upstream;
                None
            }
            Kind::Nginx => Some(nginx(address, upstream, folder.path())?),
            Kind::Pingora => Some(pingora(address, upstream, programs, folder.path())?),
            Kind::Gateway => {
                Some(gateway::start(address, upstream, programs, folder.path()).await?)
            }
        };
        let model = kind.model(Dialect::OpenAi);
        match &mut process {
            Some(process) => process.ready(|| answers(address, model)).await?,
            None => answers(address, model).await?,
        }
        Ok(Target {
            kind,
            address,
            process,
            _folder: folder,
        })
    }

    /// CPU time used so far; `None` where nothing is in between.
    pub(crate) fn cpu(&self) -> Result<Option<std::time::Duration>> {
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
}

impl Programs {
    /// Expect them beside this program, where cargo puts them.
    pub(crate) fn beside_this() -> Result<Self> {
        let this = std::env::current_exe()?;
        let folder = this.parent().context("this program has no folder")?;
        Ok(Programs {
            gateway: folder.join("serverless-proxy"),
            admin: folder.join("serverless-proxy-admin"),
            pingora: folder.join("examples").join("bare_pingora"),
        })
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

/// Whether nginx can be started.
pub(crate) fn nginx_version() -> Option<String> {
    let output = std::process::Command::new("nginx")
        .arg("-v")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    Some(text.rsplit('/').next()?.trim().to_owned())
}

fn pingora(
    address: SocketAddr,
    upstream: SocketAddr,
    programs: &Programs,
    folder: &Path,
) -> Result<Running> {
    built(&programs.pingora, "-p proxy --example bare_pingora")?;
    let mut command = Command::new(&programs.pingora);
    command
        .args(["--listen", &address.to_string()])
        .args(["--upstream", &upstream.to_string(), "--threads", "1"])
        .current_dir(folder);
    Running::start("bare-pingora", &mut command, folder)
}

fn nginx(address: SocketAddr, upstream: SocketAddr, folder: &Path) -> Result<Running> {
    // One process without a master: it does one worker's work and leaves no
    // orphan when it is ended.
    let config = format!(
        "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 16000; }}
http {{
  access_log off; client_max_body_size 64m; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream simulated {{ server {upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen {address} backlog=8192;
    location / {{
      proxy_pass http://simulated; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 300s;
    }}
  }}
}}
",
        folder = folder.display()
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file).arg("-p").arg(folder);
    Running::start("nginx", &mut command, folder)
}

async fn answers(address: SocketAddr, model: &str) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let (status, body) = connection
        .exchange(&request(model, Reply::Chat, 400))
        .await?;
    ensure!(
        status == 200,
        "status {status}: {}",
        String::from_utf8_lossy(&body)
    );
    check_chat(&body, model)
}
