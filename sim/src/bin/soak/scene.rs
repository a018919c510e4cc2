//! What stands around the calls: providers that are well and providers that are not, the
//! virtual models over them, the admin app and the gateway.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;

use crate::http::Connection;
use crate::process::{Running, START, free_address};

/// What the providers ask for.
const UPSTREAM_KEY: &str = "sk-upstream-of-the-soak";

/// Between two looks at programs that rest, and how many there are.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: usize = 20;

/// One virtual model that callers name: the providers that are asked one after the other,
/// the last of which is always well.
pub(crate) struct Group {
    pub(crate) model: &'static str,
    /// What its providers do when they are well.
    pub(crate) well: &'static str,
    strategy: &'static str,
    members: &'static [Flavor],
    /// One more that is a process of its own, to be killed; it comes first.
    has_process: bool,
}

/// All of them.
pub(crate) const GROUPS: [Group; 5] = [
    Group {
        model: "soak-chat",
        well: "burst",
        strategy: "backup",
        members: &[Flavor::OpenAi, Flavor::OpenAi],
        has_process: true,
    },
    Group {
        model: "soak-mixed",
        well: "burst",
        strategy: "rotational",
        members: &[Flavor::Anthropic, Flavor::Ollama, Flavor::Vllm],
        has_process: false,
    },
    Group {
        model: "soak-tools",
        well: "burst tools=1",
        strategy: "least_busy",
        members: &[Flavor::Anthropic, Flavor::OpenAi, Flavor::OpenAi],
        has_process: false,
    },
    Group {
        model: "soak-vectors",
        well: "",
        strategy: "backup",
        members: &[Flavor::OpenAi, Flavor::OpenAi],
        has_process: false,
    },
    Group {
        model: "soak-steady",
        well: "chunks=12 gap_ms=40",
        strategy: "none",
        members: &[Flavor::OpenAi],
        has_process: false,
    },
];

/// A simulated provider within this process.
pub(crate) struct Provider {
    pub(crate) sim: Sim,
    /// Its endpoint's name.
    pub(crate) name: String,
    pub(crate) well: &'static str,
    /// Nothing ever happens to it.
    pub(crate) is_steady: bool,
}

/// Everything.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) providers: Vec<Provider>,
    /// The provider that is killed, while it lives.
    pub(crate) process: Mutex<Option<Running>>,
    process_port: u16,
    pub(crate) gateway: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// What callers show.
    pub(crate) key: String,
    pub(crate) programs: [(&'static str, u32); 2],
    /// Ended with this value.
    _running: [Running; 2],
}

/// What a process has open, and how many threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) files: usize,
    pub(crate) threads: usize,
}

impl Scene {
    /// Starts all of it.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut ports = own_ports()?;
        let mut port = || ports.next().context("no port is free");
        let (gateway, metrics) = (free_address()?, free_address()?);
        let admin = free_address()?;

        let store = folder.path().join("proxy.db");
        let mut command = clean("serverless-proxy-admin", folder.path())?;
        command
            .env("ADMIN_BIND", admin.ip().to_string())
            .env("ADMIN_PORT", admin.port().to_string())
            .env("DATABASE_PATH", &store);
        let mut admin_app = Running::start("admin", &mut command, folder.path())?;
        admin_app
            .ready(START, async || is_well(admin).await)
            .await?;

        let process_port = port()?;
        let mut providers = Vec::new();
        for group in &GROUPS {
            let mut models = Vec::new();
            if group.has_process {
                let url = format!("http://127.0.0.1:{process_port}");
                let name = format!("{}-killed", group.model);
                models.push(model_over(admin, group, models.len(), &name, "openai", &url).await?);
            }
            for (number, flavor) in group.members.iter().enumerate() {
                let sim = Sim::start(Options {
                    flavor: *flavor,
                    port: port()?,
                    key: Some(UPSTREAM_KEY.to_owned()),
                    record: 0,
                    script: script(group.well)?,
                    ..Options::default()
                })
                .await?;
                let name = format!("{}-{number}-{}", group.model, flavor.id());
                let (kind, url) = (flavor.id(), sim.base_url());
                models.push(model_over(admin, group, models.len(), &name, kind, &url).await?);
                providers.push(Provider {
                    sim,
                    name,
                    well: group.well,
                    is_steady: number + 1 == group.members.len(),
                });
            }
            let targets: Vec<Value> = models
                .iter()
                .skip(1)
                .map(|id| json!({"virtual_model_id": id}))
                .collect();
            let routing = json!({"strategy": group.strategy, "targets": targets});
            let first = models.first().context("a group has members")?;
            let path = format!("/api/admin/virtual-models/{first}");
            ask(admin, "PUT", &path, Some(&json!({"routing": routing}))).await?;
        }
        let made = ask(
            admin,
            "POST",
            "/api/admin/inbound-keys",
            Some(&json!({"label": "soak"})),
        )
        .await?;
        let key = made["api_key"].as_str().context("no key was made")?;

        let mut command = clean("serverless-proxy", folder.path())?;
        command
            .env("API_BIND", gateway.ip().to_string())
            .env("API_PORT", gateway.port().to_string())
            .env("METRICS_PORT", metrics.port().to_string())
            .env("DATABASE_PATH", &store)
            // So that a key that is not known is refused.
            .env("DEPLOYMENT_MODE", "internet_facing")
            .env("TRUSTED_INTERNAL_CIDRS", "192.0.2.0/24")
            .env("HEALTH_CHECK_INTERVAL", "3")
            .env("CIRCUIT_COOLDOWN_SECONDS", "1")
            .env("FIRST_BYTE_TIMEOUT", "10")
            .env("THREADS", "2");
        let mut program = Running::start("gateway", &mut command, folder.path())?;
        program
            .ready(START, async || is_well(gateway).await)
            .await?;
        let programs = [("gateway", program.pid()?), ("admin app", admin_app.pid()?)];
        let scene = Self {
            folder,
            providers,
            process: Mutex::new(None),
            process_port,
            gateway,
            metrics,
            admin,
            key: key.to_owned(),
            programs,
            _running: [program, admin_app],
        };
        scene.revive()?;
        Ok(scene)
    }

    /// Starts the provider that is a process, if it does not live.
    pub(crate) fn revive(&self) -> Result<()> {
        let mut process = self.process.lock().unwrap_or_else(|lost| lost.into_inner());
        if process.is_none() {
            let mut command = clean("sim", self.folder.path())?;
            command
                .args(["--port", &self.process_port.to_string()])
                .args(["--key", UPSTREAM_KEY, "--script", "burst"]);
            *process = Some(Running::start("sim", &mut command, self.folder.path())?);
        }
        Ok(())
    }

    /// Kills it as nobody can be asked for.
    pub(crate) async fn kill(&self) -> Result<()> {
        let process = {
            let mut process = self.process.lock().unwrap_or_else(|lost| lost.into_inner());
            process.take()
        };
        match process {
            Some(process) => process.end().await,
            None => Ok(()),
        }
    }

    /// What the programs hold when they have started and nobody calls: the most that was
    /// seen in some seconds.
    pub(crate) async fn at_rest(&self) -> Result<Vec<Counts>> {
        let mut most = self.counts()?;
        for _ in 0..LOOKS {
            sleep(LOOK).await;
            for (most, now) in most.iter_mut().zip(self.counts()?) {
                most.files = most.files.max(now.files);
                most.threads = most.threads.max(now.threads);
            }
        }
        Ok(most)
    }

    /// What the programs hold now.
    pub(crate) fn counts(&self) -> Result<Vec<Counts>> {
        let entries = |pid: u32, of: &str| -> Result<usize> {
            Ok(std::fs::read_dir(format!("/proc/{pid}/{of}"))?.count())
        };
        let each = self.programs.iter().map(|(_, pid)| {
            Ok(Counts {
                files: entries(*pid, "fd")?,
                threads: entries(*pid, "task")?,
            })
        });
        each.collect()
    }
}

/// A script that is known to be one.
pub(crate) fn script(text: &str) -> Result<sim::Script> {
    text.parse().context("a script")
}

/// An endpoint and the virtual model over it; gives the model's id.
async fn model_over(
    admin: SocketAddr,
    group: &Group,
    number: usize,
    name: &str,
    kind: &str,
    url: &str,
) -> Result<i64> {
    let endpoint = json!({
        "name": name,
        "url": url,
        "api_key": UPSTREAM_KEY,
        "endpoint_type": kind,
    });
    let made = ask(admin, "POST", "/api/admin/endpoints", Some(&endpoint)).await?;
    let model = if number == 0 {
        group.model.to_owned()
    } else {
        format!("{}-{number}", group.model)
    };
    let model = json!({
        "name": model,
        "endpoint_id": made["id"],
        "actual_model": "sim-model",
        "cost_per_1m_tokens_in": 1.5,
        "cost_per_1m_tokens_out": 6,
    });
    let made = ask(admin, "POST", "/api/admin/virtual-models", Some(&model)).await?;
    made["id"].as_i64().context("the new model has no id")
}

/// A call of the admin app that must succeed.
pub(crate) async fn ask(
    admin: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let (status, reply) = look(admin, method, path, body).await?;
    ensure!(
        matches!(status, 200 | 201),
        "the admin app answered {status} to {method} {path}: {}",
        String::from_utf8_lossy(&reply)
    );
    Ok(serde_json::from_slice(&reply).unwrap_or_default())
}

/// A call of a program, whatever comes of it.
pub(crate) async fn look(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Vec<u8>)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(address).await?;
    let asked = connection.exchange(request.as_bytes()).await;
    asked.with_context(|| format!("{method} {path}"))
}

async fn is_well(address: SocketAddr) -> Result<()> {
    let (status, _) = look(address, "GET", "/health", None).await?;
    ensure!(status == 200, "/health answers {status}");
    Ok(())
}

/// A command for a program beside this one that sees nothing of the caller's settings.
fn clean(program: &str, folder: &Path) -> Result<Command> {
    let this = std::env::current_exe()?;
    let program = this.with_file_name(program);
    ensure!(
        program.is_file(),
        "{} is not built: cargo build --workspace --bins",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .env_clear()
        .current_dir(folder)
        .env("AUTH_ENABLED", "false")
        .env("RUST_LOG", "info");
    Ok(command)
}

/// Ports that the system gives to nobody who asks for any: a provider that is down must not
/// be replaced by somebody else's.
fn own_ports() -> Result<impl Iterator<Item = u16>> {
    const LOWEST: u16 = 1024;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let first = range.split_whitespace().next().context("a range")?;
    let below = first.parse::<u16>()?.saturating_sub(LOWEST);
    ensure!(below > 0, "no ports are left over");
    let start = u16::try_from(std::process::id() % u32::from(below))?;
    let ports = (0..below).map(move |n| LOWEST + start.wrapping_add(n) % below);
    Ok(ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()))
}
