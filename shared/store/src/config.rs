//! Process settings of both programs: parsed once, at start, into usable types.
//!
//! The real environment wins over the `.env` file, that over stored settings, those over
//! the defaults. An empty variable counts as absent. Every bad value is reported at once,
//! with the variable's name and what is accepted. The environment is an argument: only
//! [`process`] reads the process's own.

mod access;
mod audit_days;
mod dotenv;
mod exposure;
mod interval;
pub mod process;
mod reference;
mod registry;
mod service_manager;
mod telemetry;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use access::AdminAccess;
pub use audit_days::AuditDays;
pub use dotenv::DotEnv;
pub use exposure::{DeploymentMode, Exposure};
pub(crate) use exposure::{stored_mode, stored_networks};
pub use interval::HealthCheckInterval;
pub(crate) use interval::stored_interval;
pub use reference::{env_example, reference_table};
pub use registry::{SETTINGS, Setting};
pub use service_manager::ServiceManager;
pub use telemetry::{Sampler, Telemetry};
use value::Parse;

use crate::secret::Secret;
use crate::vault::KeySource;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The urgency a queue is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePriority {
    /// Before the others.
    High,
    /// In turn.
    Normal,
    /// After the others.
    Low,
}

impl QueuePriority {
    /// The urgency with this text, in capitals or not.
    pub fn from_id(text: &str) -> Option<Self> {
        [Self::High, Self::Normal, Self::Low]
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(text))
    }

    /// The text the queue understands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Normal => "NORMAL",
            Self::Low => "LOW",
        }
    }
}

/// Everything the environment and the stored settings say, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Port of the gateway's API; 0 takes a free one.
    pub api_port: u16,
    /// Address the gateway listens on.
    pub api_bind: IpAddr,
    /// Port of the admin app; 0 takes a free one.
    pub admin_port: u16,
    /// Address the admin app listens on.
    pub admin_bind: IpAddr,
    /// Port of the gateway's numbers; `None` for no such port.
    pub metrics_port: Option<u16>,
    /// Address of that port.
    pub metrics_bind: IpAddr,
    /// The store's file.
    pub database_path: PathBuf,
    /// The keys that the environment gives for the store's secrets.
    pub key_source: KeySource,
    /// Which callers must show a key.
    pub exposure: Exposure,
    /// A whole non-streamed call; the longest silence of a stream.
    pub timeout: Duration,
    /// Connecting to an endpoint, TLS included.
    pub connect_timeout: Duration,
    /// The longest an endpoint may take to begin its answer while another candidate is left.
    pub first_byte_timeout: Duration,
    /// How long a stream waits for its first meaningful event before its status goes out.
    pub hold: Duration,
    /// The time between two keep-alive comments of a silent stream.
    pub keep_alive: Duration,
    /// The longest `Retry-After` a call waits for itself when no other candidate is left.
    pub retry_after_limit: Duration,
    /// How long a caller's connection is kept while no request comes whole.
    pub caller_idle: Duration,
    /// How long calls in flight may go on once the gateway is told to stop.
    pub grace: Duration,
    /// The same once another process has taken over.
    pub upgrade_grace: Duration,
    /// Where a running gateway hands over to the next one; see [`Self::upgrade_socket`].
    pub upgrade_socket: Option<PathBuf>,
    /// The time between two looks at an endpoint's health.
    pub health_check_interval: HealthCheckInterval,
    /// Failures within [`Self::circuit_failure_window`] that open a circuit.
    pub circuit_failure_threshold: u32,
    /// How long a failure counts.
    pub circuit_failure_window: Duration,
    /// How long an open circuit stays open.
    pub circuit_cooldown: Duration,
    /// The largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Bytes that usage records may take on disk while the store does not take them.
    pub spool_max_bytes: u64,
    /// Days for which single calls are kept; `None` for ever.
    pub usage_days: Option<u32>,
    /// Bytes of the store beyond which the oldest single calls go.
    pub usage_max_bytes: u64,
    /// How long the answer of a chat or a text completion is given again.
    pub cache_ttl_chat: Duration,
    /// How long embeddings are given again.
    pub cache_ttl_embeddings: Duration,
    /// Bytes of memory for answers that are given again.
    pub cache_max_bytes: u64,
    /// Worker threads.
    pub threads: usize,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines are written, in `tracing`'s filter syntax (`RUST_LOG`).
    pub log_filter: String,
    /// Where traces and metrics are sent; `None` for nowhere.
    pub telemetry: Option<Telemetry>,
    /// Whether admin calls need a login.
    pub auth_enabled: bool,
    /// Whether an admin app without a login may listen beyond this machine.
    pub admin_allow_open: bool,
    /// The external login service, as the admin app reaches it, if there is one.
    pub aimenu_url: Option<String>,
    /// The login service, as browsers reach it; [`Self::aimenu_url`] when not set.
    pub aimenu_public_url: Option<String>,
    /// The address under which clients reach the gateway, if it is set.
    pub public_gateway_url: Option<String>,
    /// Days for which the audit is kept; `None` for ever.
    pub audit_days: AuditDays,
    /// Whether an endpoint may have a link-local address.
    pub allow_link_local_endpoints: bool,
    /// Whether the AI queue is in use.
    pub use_ai_queue: bool,
    /// The AI queue's base URL.
    pub ai_queue_url: String,
    /// The AI queue's key.
    pub ai_queue_api_key: Option<Secret>,
    /// The urgency the queue is told.
    pub ai_queue_priority: QueuePriority,
    /// The name of this program the queue is told.
    pub ai_queue_source: String,
    /// The version of Ollama that its clients are told.
    pub ollama_version: String,
    /// The Ollama endpoint whose models its clients manage; `None` for the preferred one.
    pub ollama_endpoint: Option<String>,
}

/// One setting that cannot be used. `Display` is a complete sentence for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The variable, stored key or file it is about.
    pub name: String,
    /// What is wrong and what is accepted. A secret's value is not in it.
    pub message: String,
}

impl ConfigProblem {
    pub(crate) fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// Where values come from, the environment before stored settings.
struct Sources<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    stored: Option<&'a BTreeMap<String, String>>,
    problems: Vec<ConfigProblem>,
}

impl Config {
    /// Reads every setting. `env` is the environment, [`DotEnv::under`] puts a `.env` file
    /// below it; `stored` are the store's settings ([`crate::Store::settings`]) once it is open.
    ///
    /// # Errors
    /// Every bad value.
    pub fn load(
        env: &dyn Fn(&str) -> Option<String>,
        stored: Option<&BTreeMap<String, String>>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        match Self::examine(env, stored) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// Like [`Self::load`], but goes on behind a problem with the setting's default, so that
    /// what depends on the other settings can be looked at too.
    fn examine(
        env: &dyn Fn(&str) -> Option<String>,
        stored: Option<&BTreeMap<String, String>>,
    ) -> (Option<Self>, Vec<ConfigProblem>) {
        let mut sources = Sources {
            env,
            stored,
            problems: Vec::new(),
        };
        let config = Self::take(&mut sources);
        (config, sources.problems)
    }

    /// The address the gateway listens on.
    pub fn api_address(&self) -> SocketAddr {
        SocketAddr::new(self.api_bind, self.api_port)
    }

    /// The address the admin app listens on.
    pub fn admin_address(&self) -> SocketAddr {
        SocketAddr::new(self.admin_bind, self.admin_port)
    }

    /// The address at which the gateway's numbers are, if there is one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        let port = self.metrics_port?;
        Some(SocketAddr::new(self.metrics_bind, port))
    }

    /// Where a running gateway hands over to the next one. Gateways on two ports have two.
    pub fn upgrade_socket(&self) -> PathBuf {
        let beside = || {
            let name = format!("gateway-{}.sock", self.api_port);
            self.database_path.with_file_name(name)
        };
        self.upgrade_socket.clone().unwrap_or_else(beside)
    }

    /// Takes every value before giving up, so that every problem is noted.
    fn take(sources: &mut Sources<'_>) -> Option<Self> {
        let api_port = sources.required("API_PORT");
        let admin_port = sources.required("ADMIN_PORT");
        let metrics_port = sources.required::<value::PortOrNone>("METRICS_PORT");
        let metrics_port = metrics_port.map(|port| port.0);
        sources.require_own_ports(api_port, admin_port, metrics_port.flatten());
        let api_bind = sources.required("API_BIND");
        let admin_bind = sources.required("ADMIN_BIND");
        let metrics_bind = sources.required("METRICS_BIND");
        let database_path = sources.required("DATABASE_PATH");
        let key_source = KeySource {
            current: sources.optional("SECRET_KEY"),
            previous: sources.optional("SECRET_KEY_PREVIOUS"),
        };
        let exposure = sources.exposure();
        let timeout = sources.required("TIMEOUT");
        let connect_timeout = sources.required("CONNECT_TIMEOUT");
        let first_byte_timeout = sources.required("FIRST_BYTE_TIMEOUT");
        let hold = sources.required("HOLD_SECONDS");
        let keep_alive = sources.required("KEEP_ALIVE_SECONDS");
        let caller_idle = sources.required("CALLER_IDLE_SECONDS");
        let retry_after_limit = sources.required::<value::OrZero>("RETRY_AFTER_LIMIT");
        let grace = sources.required::<value::OrZero>("GRACE_SECONDS");
        let upgrade_grace = sources.required::<value::OrZero>("UPGRADE_GRACE_SECONDS");
        let upgrade_socket = sources.optional("UPGRADE_SOCKET");
        let health_check_interval = sources.health_check_interval();
        let failure_threshold = sources.required::<value::Failures>("CIRCUIT_FAILURE_THRESHOLD");
        let circuit_failure_window = sources.required("CIRCUIT_FAILURE_WINDOW");
        let circuit_cooldown = sources.required("CIRCUIT_COOLDOWN_SECONDS");
        let max_body_mb = sources.required::<value::Megabytes>("MAX_BODY_MB");
        let spool_max_mb = sources.required::<value::Megabytes>("SPOOL_MAX_MB");
        let usage_days = sources.required::<value::Days>("USAGE_DAYS");
        let usage_max_mb = sources.required::<value::Storage>("USAGE_MAX_MB");
        let cache_ttl_chat = sources.required("CACHE_TTL_CHAT");
        let cache_ttl_embeddings = sources.required("CACHE_TTL_EMBEDDINGS");
        let cache_max_mb = sources.required::<value::Megabytes>("CACHE_MAX_MB");
        let threads = sources.optional::<value::Threads>("THREADS");
        let log_format = sources.required("LOG_FORMAT");
        let log_filter = sources.required("RUST_LOG");
        let telemetry = sources.telemetry();
        let auth_enabled = sources.required("AUTH_ENABLED");
        let admin_allow_open = sources.required("ADMIN_ALLOW_OPEN");
        let aimenu_url = sources.optional::<value::HttpUrl>("AIMENU_URL");
        let aimenu_public_url = sources.optional::<value::HttpUrl>("AIMENU_PUBLIC_URL");
        let public_gateway_url = sources.optional::<value::HttpUrl>("PUBLIC_GATEWAY_URL");
        let audit_days = sources.audit_days();
        let allow_link_local = sources.required("ALLOW_LINK_LOCAL_ENDPOINTS");
        let use_ai_queue = sources.required("USE_AI_QUEUE");
        let ai_queue_url = sources.required::<value::HttpUrl>("AI_QUEUE_URL");
        let ai_queue_api_key = sources.optional("AI_QUEUE_API_KEY");
        let ai_queue_priority = sources.required("AI_QUEUE_PRIORITY");
        let ai_queue_source = sources.required("AI_QUEUE_SOURCE");
        let ollama_version = sources.required::<value::OllamaVersion>("OLLAMA_VERSION");
        let ollama_endpoint = sources.optional("OLLAMA_ENDPOINT");
        Some(Self {
            api_port: api_port?,
            api_bind: api_bind?,
            admin_port: admin_port?,
            admin_bind: admin_bind?,
            metrics_port: metrics_port?,
            metrics_bind: metrics_bind?,
            database_path: database_path?,
            key_source,
            exposure: exposure?,
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            first_byte_timeout: first_byte_timeout?,
            hold: hold?,
            keep_alive: keep_alive?,
            caller_idle: caller_idle?,
            retry_after_limit: retry_after_limit?.0,
            grace: grace?.0,
            upgrade_grace: upgrade_grace?.0,
            upgrade_socket,
            health_check_interval: health_check_interval?,
            circuit_failure_threshold: failure_threshold?.0,
            circuit_failure_window: circuit_failure_window?,
            circuit_cooldown: circuit_cooldown?,
            max_body_bytes: max_body_mb?.bytes(),
            spool_max_bytes: spool_max_mb?.bytes(),
            usage_days: usage_days?.0,
            usage_max_bytes: usage_max_mb?.bytes(),
            cache_ttl_chat: cache_ttl_chat?,
            cache_ttl_embeddings: cache_ttl_embeddings?,
            cache_max_bytes: cache_max_mb?.bytes(),
            threads: threads.map_or_else(value::cores, |threads| threads.0),
            log_format: log_format?,
            log_filter: log_filter?,
            telemetry: telemetry?,
            auth_enabled: auth_enabled?,
            admin_allow_open: admin_allow_open?,
            aimenu_url: aimenu_url.map(|url| url.0),
            public_gateway_url: public_gateway_url.map(|url| url.0),
            audit_days: audit_days?,
            allow_link_local_endpoints: allow_link_local?,
            aimenu_public_url: aimenu_public_url.map(|url| url.0),
            use_ai_queue: use_ai_queue?,
            ai_queue_url: ai_queue_url?.0,
            ai_queue_api_key,
            ai_queue_priority: ai_queue_priority?,
            ai_queue_source: ai_queue_source?,
            ollama_version: ollama_version?.0,
            ollama_endpoint,
        })
    }
}

impl Sources<'_> {
    /// A setting with a default, which also stands for a bad value once that is noted.
    fn required<T: Parse>(&mut self, name: &'static str) -> Option<T> {
        self.optional(name).or_else(|| default_of(name))
    }

    /// The interval of health checks, which follows what is stored later.
    fn health_check_interval(&mut self) -> Option<HealthCheckInterval> {
        const NAME: &str = "HEALTH_CHECK_INTERVAL";
        let now = self.required::<value::OrZero>(NAME)?.0;
        let default = default_of::<value::OrZero>(NAME)?.0;
        let is_fixed = present((self.env)(NAME)).is_some();
        Some(HealthCheckInterval {
            environment: is_fixed.then_some(now),
            default,
        })
    }

    /// The days of the audit, which follow what is stored later.
    fn audit_days(&mut self) -> Option<AuditDays> {
        const NAME: &str = "AUDIT_DAYS";
        let now = self.required::<value::Days>(NAME)?.0;
        let default = default_of::<value::Days>(NAME)?.0;
        let is_fixed = present((self.env)(NAME)).is_some();
        Some(AuditDays {
            environment: is_fixed.then_some(now),
            default,
        })
    }

    /// Each may take a free port, but no two the same one. Says nothing after a
    /// problem: then one of the ports is not what the operator meant.
    fn require_own_ports(&mut self, api: Option<u16>, admin: Option<u16>, metrics: Option<u16>) {
        const API: &str = "the port of the gateway's API";
        let pairs = [
            ("ADMIN_PORT", admin, api, API),
            ("METRICS_PORT", metrics, api, API),
            ("METRICS_PORT", metrics, admin, "the port of the admin app"),
        ];
        for (name, port, other, whose) in pairs {
            if let Some(port) = port.filter(|own| *own != 0 && port == other)
                && self.problems.is_empty()
            {
                let message = format!("is {port}, {whose} too; choose another one for either");
                self.problems.push(ConfigProblem::new(name, message));
            }
        }
    }

    /// A setting that may be absent; also `None` after a problem was noted.
    fn optional<T: Parse>(&mut self, name: &'static str) -> Option<T> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            self.problems
                .push(ConfigProblem::new(name, "is not in the list of settings"));
            return None;
        };
        let (source, text) = self.find(setting)?;
        match T::parse(&text) {
            Some(value) => Some(value),
            None => {
                self.problems
                    .push(setting.problem(&source, &text, T::ACCEPTED));
                None
            }
        }
    }

    /// The first source that has the setting, and its text.
    fn find(&self, setting: &Setting) -> Option<(String, String)> {
        for name in setting.names() {
            if let Some(text) = present((self.env)(name)) {
                return Some((name.to_owned(), text));
            }
        }
        if let (Some(stored), Some(key)) = (self.stored, setting.stored)
            && let Some(text) = present(stored.get(key).cloned())
        {
            return Some((stored_name(key), text));
        }
        present(setting.default.map(str::to_owned)).map(|text| (setting.name.to_owned(), text))
    }
}

/// What a setting is when nothing sets it.
fn default_of<T: Parse>(name: &str) -> Option<T> {
    let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
    T::parse(setting.default?)
}

/// Every stored setting whose text is not accepted, whether or not the environment hides it.
pub(crate) fn stored_problems(stored: &BTreeMap<String, String>) -> Vec<ConfigProblem> {
    let problem = |setting: &Setting| {
        let key = setting.stored?;
        let text = present(stored.get(key).cloned())?;
        let accepted = setting.check(&text).err()?;
        Some(setting.problem(&stored_name(key), &text, accepted))
    };
    SETTINGS.iter().filter_map(problem).collect()
}

fn stored_name(key: &str) -> String {
    format!("stored setting {key}")
}

fn present(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
