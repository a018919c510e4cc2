//! Every setting of both programs, one row each: the only place where a name, a default or
//! a help line is written.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::telemetry::{Exporter, HeaderList, Millis, Protocol, Ratio, SamplerName};
use super::value::{
    Days, Failures, HttpUrl, Megabytes, OllamaVersion, OrZero, Parse, PortOrNone, Storage, Threads,
};
use super::{ConfigProblem, DeploymentMode, LogFormat, QueuePriority};
use crate::network::Networks;
use crate::secret::Secret;
use crate::setting::{
    AUDIT_DAYS, DEPLOYMENT_MODE, HEALTH_CHECK_INTERVAL, PUBLIC_GATEWAY_URL, TRUSTED_INTERNAL_CIDRS,
};
use crate::vault::SecretKey;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// Other variables with the same meaning, looked at when `name` is not set.
    pub aliases: &'static [&'static str],
    /// The text used when nothing sets it; `None` when it may be absent.
    pub default: Option<&'static str>,
    /// One sentence for `.env.example` and the documentation.
    pub help: &'static str,
    /// The key of the stored setting, if an operator can change it at run time.
    pub stored: Option<&'static str>,
    /// Whether its value must not be shown.
    pub secret: bool,
    accepts: fn(&str) -> Result<(), &'static str>,
}

impl Setting {
    /// Checks a text; an error is what would be accepted.
    pub(crate) fn check(&self, text: &str) -> Result<(), &'static str> {
        (self.accepts)(text)
    }

    /// The name and the aliases, in the order they are looked at.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The problem with `text`, found under the name `source`.
    pub(super) fn problem(&self, source: &str, text: &str, accepted: &str) -> ConfigProblem {
        let message = if self.secret {
            format!("has a value that must be {accepted}")
        } else {
            format!("is {text:?}; it must be {accepted}")
        };
        ConfigProblem::new(source, message)
    }
}

const fn setting<T: Parse>(
    name: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting {
        name,
        aliases: &[],
        default,
        help,
        stored: None,
        secret: false,
        accepts: |text| T::parse(text).map(|_| ()).ok_or(T::ACCEPTED),
    }
}

const fn stored<T: Parse>(
    name: &'static str,
    key: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        stored: Some(key),
        ..setting::<T>(name, Some(default), help)
    }
}

/// Every setting, in the order of the documentation.
pub static SETTINGS: &[Setting] = &[
    stored::<u16>("API_PORT", "api_port", "8002", "Port of the gateway's API."),
    setting::<IpAddr>(
        "API_BIND",
        Some("127.0.0.1"),
        "Address the gateway listens on; 0.0.0.0 for every network.",
    ),
    Setting {
        aliases: &["FLASK_PORT"],
        ..stored::<u16>("ADMIN_PORT", "flask_port", "5001", "Port of the admin app.")
    },
    setting::<IpAddr>(
        "ADMIN_BIND",
        Some("127.0.0.1"),
        "Address the admin app listens on.",
    ),
    setting::<PortOrNone>(
        "METRICS_PORT",
        Some("8003"),
        "Port at which the gateway's numbers are, for Prometheus, under /metrics; 0 for none.",
    ),
    setting::<IpAddr>(
        "METRICS_BIND",
        Some("127.0.0.1"),
        "Address of that port. No key is asked for there, and the names of virtual models and \
         endpoints are told.",
    ),
    setting::<PathBuf>(
        "DATABASE_PATH",
        Some("./data/proxy.db"),
        "File of the store both programs share; made when missing.",
    ),
    Setting {
        secret: true,
        ..setting::<SecretKey>(
            "SECRET_KEY",
            None,
            "Key that the store's secrets are encrypted with: 32 random bytes in hexadecimal or \
             base64 (openssl rand -hex 32); empty for the key file beside the store, made when \
             missing.",
        )
    },
    Setting {
        secret: true,
        ..setting::<SecretKey>(
            "SECRET_KEY_PREVIOUS",
            None,
            "The SECRET_KEY of before, while it is being replaced.",
        )
    },
    stored::<DeploymentMode>(
        "DEPLOYMENT_MODE",
        DEPLOYMENT_MODE,
        "internal_only",
        "Who must show a key: nobody (internal_only), or everyone outside \
         TRUSTED_INTERNAL_CIDRS (internet_facing); a running gateway follows the stored value.",
    ),
    stored::<Networks>(
        "TRUSTED_INTERNAL_CIDRS",
        TRUSTED_INTERNAL_CIDRS,
        "127.0.0.1/32,::1/128",
        "Networks whose callers need no key when the gateway is internet_facing, joined by \
         commas, or none; a running gateway follows the stored value.",
    ),
    setting::<Networks>(
        "TRUSTED_PROXY_CIDRS",
        Some("127.0.0.1/32,::1/128"),
        "Networks of reverse proxies whose X-Forwarded-For is believed, joined by commas, or \
         none.",
    ),
    setting::<Duration>(
        "TIMEOUT",
        Some("300"),
        "Seconds a whole call may take; for a stream, the longest silence.",
    ),
    setting::<Duration>(
        "CONNECT_TIMEOUT",
        Some("10"),
        "Seconds to connect to an endpoint.",
    ),
    setting::<Duration>(
        "FIRST_BYTE_TIMEOUT",
        Some("120"),
        "Seconds an endpoint may take to begin its answer while another candidate is left.",
    ),
    setting::<Duration>(
        "HOLD_SECONDS",
        Some("10"),
        "Seconds a stream waits for its first words before its status goes out; until then \
         another candidate can take over.",
    ),
    setting::<Duration>(
        "KEEP_ALIVE_SECONDS",
        Some("10"),
        "Seconds between the keep-alive comments of a silent stream.",
    ),
    setting::<Duration>(
        "CALLER_IDLE_SECONDS",
        Some("100"),
        "Seconds for which a caller's connection is kept while no request comes; the head of a \
         request has to come whole in that time. Longer than whatever keeps connections to the \
         gateway keeps them.",
    ),
    setting::<OrZero>(
        "RETRY_AFTER_LIMIT",
        Some("5"),
        "Longest Retry-After, in seconds, that a call waits for when no other candidate is \
         left; 0 never waits.",
    ),
    setting::<OrZero>(
        "GRACE_SECONDS",
        Some("25"),
        "Seconds that calls may still take once the gateway is told to stop; what is left then \
         ends with an error.",
    ),
    setting::<OrZero>(
        "UPGRADE_GRACE_SECONDS",
        Some("1800"),
        "The same in a process that an upgrade has replaced.",
    ),
    setting::<PathBuf>(
        "UPGRADE_SOCKET",
        None,
        "Socket at which a running gateway hands over to the next one (serverless-proxy \
         --upgrade); empty for gateway-PORT.sock beside the store.",
    ),
    stored::<OrZero>(
        "HEALTH_CHECK_INTERVAL",
        HEALTH_CHECK_INTERVAL,
        "60",
        "Seconds between two looks at an endpoint's health check URL, 0 for none; a running \
         gateway follows the stored value.",
    ),
    stored::<Failures>(
        "CIRCUIT_FAILURE_THRESHOLD",
        "circuit_failure_threshold",
        "3",
        "Failures within the window after which an endpoint's model is left alone.",
    ),
    stored::<Duration>(
        "CIRCUIT_FAILURE_WINDOW",
        "circuit_failure_window",
        "60",
        "Seconds for which a failure counts.",
    ),
    stored::<Duration>(
        "CIRCUIT_COOLDOWN_SECONDS",
        "circuit_cooldown_seconds",
        "300",
        "Seconds for which it is left alone before it is tried again.",
    ),
    setting::<Megabytes>("MAX_BODY_MB", Some("64"), "Largest request body, in MiB."),
    setting::<Megabytes>(
        "SPOOL_MAX_MB",
        Some("256"),
        "MiB that usage records may take on disk while the store does not take them.",
    ),
    stored::<Days>(
        "USAGE_DAYS",
        "usage_days",
        "90",
        "Days for which single calls are kept, 0 for ever; their sums by hour and day are \
         always kept.",
    ),
    stored::<Storage>(
        "USAGE_MAX_MB",
        "usage_max_mb",
        "1024",
        "MiB of the store beyond which the oldest single calls go.",
    ),
    stored::<Duration>(
        "CACHE_TTL_CHAT",
        "cache_ttl_chat",
        "300",
        "Seconds for which a chat or text completion is given again to the same request, on \
         virtual models with cache_enabled and no time of their own.",
    ),
    stored::<Duration>(
        "CACHE_TTL_EMBEDDINGS",
        "cache_ttl_embeddings",
        "3600",
        "The same for embeddings.",
    ),
    stored::<Megabytes>(
        "CACHE_MAX_MB",
        "cache_max_mb",
        "64",
        "MiB of the gateway's memory for answers that are given again.",
    ),
    setting::<Threads>("THREADS", None, "Worker threads; empty for one a core."),
    setting::<LogFormat>("LOG_FORMAT", Some("text"), "Log lines as text or json."),
    setting::<String>(
        "RUST_LOG",
        Some("info"),
        "Which log lines are written: error, warn, info, debug, trace, or by module.",
    ),
    setting::<HttpUrl>(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "Base URL of an OpenTelemetry collector for traces and metrics of the gateway, such as \
         http://localhost:4318; empty for none.",
    ),
    setting::<Protocol>(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        Some("http/protobuf"),
        "How it is spoken to; there is one way.",
    ),
    Setting {
        secret: true,
        ..setting::<HeaderList>(
            "OTEL_EXPORTER_OTLP_HEADERS",
            None,
            "Headers of each request to it: name=value,other=value, values percent-encoded.",
        )
    },
    setting::<String>(
        "OTEL_SERVICE_NAME",
        Some("serverless-proxy"),
        "What the gateway calls itself there.",
    ),
    setting::<Exporter>(
        "OTEL_TRACES_EXPORTER",
        Some("otlp"),
        "Whether traces are sent: otlp, or none.",
    ),
    setting::<SamplerName>(
        "OTEL_TRACES_SAMPLER",
        Some("parentbased_always_on"),
        "Which calls become traces: always_on, always_off or traceidratio; with parentbased_ \
         before it the caller's own decision is followed where there is one.",
    ),
    setting::<Ratio>(
        "OTEL_TRACES_SAMPLER_ARG",
        Some("1"),
        "The part of calls for traceidratio, from 0 to 1.",
    ),
    setting::<Exporter>(
        "OTEL_METRICS_EXPORTER",
        Some("otlp"),
        "Whether metrics are sent: otlp, or none.",
    ),
    setting::<Millis>(
        "OTEL_METRIC_EXPORT_INTERVAL",
        Some("60000"),
        "Milliseconds between two times that metrics are sent.",
    ),
    setting::<bool>(
        "AUTH_ENABLED",
        Some("true"),
        "Whether admin calls need a login.",
    ),
    setting::<bool>(
        "ADMIN_ALLOW_OPEN",
        Some("false"),
        "Whether an admin app without a login may listen beyond this machine, where anyone \
         who reaches it can read and change everything.",
    ),
    Setting {
        stored: Some("aimenu_url"),
        ..setting::<HttpUrl>(
            "AIMENU_URL",
            None,
            "External login service, as the admin app reaches it: asked at /session/validate \
             besides the built-in login; empty for none.",
        )
    },
    setting::<HttpUrl>(
        "AIMENU_PUBLIC_URL",
        None,
        "Login service, as browsers reach it; empty for the same as AIMENU_URL.",
    ),
    Setting {
        stored: Some(PUBLIC_GATEWAY_URL),
        ..setting::<HttpUrl>(
            "PUBLIC_GATEWAY_URL",
            None,
            "Address under which clients reach the gateway, for the settings that the admin app \
             gives them; empty for a guess from how the admin app is reached. A running admin \
             app follows the stored value.",
        )
    },
    stored::<Days>(
        "AUDIT_DAYS",
        AUDIT_DAYS,
        "400",
        "Days for which the audit of the admin app is kept, 0 for ever; a running admin app \
         follows the stored value.",
    ),
    setting::<bool>(
        "ALLOW_LINK_LOCAL_ENDPOINTS",
        Some("false"),
        "Whether an endpoint's URL may be a link-local address, where clouds answer with \
         credentials (169.254.169.254).",
    ),
    stored::<bool>(
        "USE_AI_QUEUE",
        "use_ai_queue",
        "false",
        "Whether the AI queue is in use.",
    ),
    stored::<HttpUrl>(
        "AI_QUEUE_URL",
        "ai_queue_url",
        "http://host.docker.internal:8102",
        "Base URL of the AI queue.",
    ),
    Setting {
        secret: true,
        ..setting::<Secret>("AI_QUEUE_API_KEY", None, "Key of the AI queue.")
    },
    setting::<QueuePriority>(
        "AI_QUEUE_PRIORITY",
        Some("NORMAL"),
        "Urgency the AI queue is told: HIGH, NORMAL or LOW.",
    ),
    setting::<String>(
        "AI_QUEUE_SOURCE",
        Some("serverless-proxy"),
        "Name of this program the AI queue is told.",
    ),
    setting::<OllamaVersion>(
        "OLLAMA_VERSION",
        Some("0.13.5"),
        "Version of Ollama that its clients are told; some take no server that is older than \
         they want.",
    ),
    setting::<String>(
        "OLLAMA_ENDPOINT",
        None,
        "Name of the Ollama endpoint whose models Ollama's clients pull, make, copy and \
         delete; empty for the enabled one of the highest priority.",
    ),
];
