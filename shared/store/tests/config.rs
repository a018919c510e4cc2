//! Process settings: who wins, what is refused, and in which words.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use store::config::{
    AdminAccess, AuditDays, Config, DeploymentMode, DotEnv, Exposure, HealthCheckInterval,
    LogFormat, QueuePriority, Sampler, Telemetry,
};
use store::{KeySource, Networks, Secret, SecretKey, Snapshot};

const KEY: &str = "8f1c02b7d95e6a40f3318cce07ab5d24961be87053dfc4a90e627718bb3d90fa";
const FORMER: &str = "jxwCt9leakDzMYzOB6tdJJYb6HBT38SpDmJ3GLs9kPs=";

fn env(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let pairs: BTreeMap<String, String> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    move |name| pairs.get(name).cloned()
}

fn load(pairs: &[(&str, &str)]) -> Config {
    Config::load(&env(pairs), None).unwrap()
}

#[test]
fn defaults() {
    let config = load(&[]);
    let cores = std::thread::available_parallelism().unwrap().get();
    let expected = Config {
        api_port: 8002,
        api_bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        admin_port: 5001,
        admin_bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        metrics_port: Some(8003),
        metrics_bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        database_path: "./data/proxy.db".into(),
        key_source: KeySource::default(),
        exposure: Exposure {
            environment_mode: None,
            default_mode: DeploymentMode::InternalOnly,
            environment_trusted: None,
            default_trusted: Networks::parse("127.0.0.1,::1").unwrap(),
            proxies: Networks::parse("127.0.0.1,::1").unwrap(),
        },
        timeout: Duration::from_secs(300),
        connect_timeout: Duration::from_secs(10),
        first_byte_timeout: Duration::from_secs(120),
        hold: Duration::from_secs(10),
        keep_alive: Duration::from_secs(10),
        caller_idle: Duration::from_secs(100),
        retry_after_limit: Duration::from_secs(5),
        grace: Duration::from_secs(25),
        upgrade_grace: Duration::from_secs(1800),
        upgrade_socket: None,
        health_check_interval: HealthCheckInterval {
            environment: None,
            default: Duration::from_secs(60),
        },
        circuit_failure_threshold: 3,
        circuit_failure_window: Duration::from_secs(60),
        circuit_cooldown: Duration::from_secs(300),
        max_body_bytes: 64 * 1024 * 1024,
        spool_max_bytes: 256 * 1024 * 1024,
        usage_days: Some(90),
        usage_max_bytes: 1024 * 1024 * 1024,
        cache_ttl_chat: Duration::from_secs(300),
        cache_ttl_embeddings: Duration::from_secs(3600),
        cache_max_bytes: 64 * 1024 * 1024,
        threads: cores,
        log_format: LogFormat::Text,
        log_filter: "info".to_owned(),
        telemetry: None,
        auth_enabled: true,
        admin_allow_open: false,
        aimenu_url: None,
        public_gateway_url: None,
        audit_days: AuditDays {
            environment: None,
            default: Some(400),
        },
        allow_link_local_endpoints: false,
        aimenu_public_url: None,
        use_ai_queue: false,
        ai_queue_url: "http://host.docker.internal:8102".to_owned(),
        ai_queue_api_key: None,
        ai_queue_priority: QueuePriority::Normal,
        ai_queue_source: "serverless-proxy".to_owned(),
        ollama_version: "0.13.5".to_owned(),
        ollama_endpoint: None,
    };
    assert_eq!(config, expected);
    assert_eq!(config.admin_access(), Ok(AdminAccess::RequireLogin));
    assert_eq!(config.api_address().to_string(), "127.0.0.1:8002");
    assert_eq!(config.admin_address().to_string(), "127.0.0.1:5001");
    assert_eq!(
        config.upgrade_socket(),
        Path::new("./data/gateway-8002.sock")
    );
}

#[test]
fn every_variable_is_read() {
    let config = load(&[
        ("API_PORT", "1"),
        ("API_BIND", "0.0.0.0"),
        ("ADMIN_PORT", "2"),
        ("ADMIN_BIND", "[::1]"),
        ("METRICS_PORT", "3"),
        ("METRICS_BIND", "10.0.0.9"),
        ("DATABASE_PATH", "/data/proxy.db"),
        ("SECRET_KEY", KEY),
        ("SECRET_KEY_PREVIOUS", FORMER),
        ("DEPLOYMENT_MODE", "Internet_Facing"),
        ("TRUSTED_INTERNAL_CIDRS", "10.0.0.0/8"),
        ("TRUSTED_PROXY_CIDRS", "none"),
        ("TIMEOUT", "1.5"),
        ("CONNECT_TIMEOUT", "3"),
        ("FIRST_BYTE_TIMEOUT", "4"),
        ("HOLD_SECONDS", "0.5"),
        ("KEEP_ALIVE_SECONDS", "6"),
        ("CALLER_IDLE_SECONDS", "650"),
        ("RETRY_AFTER_LIMIT", "0"),
        ("GRACE_SECONDS", "0"),
        ("UPGRADE_GRACE_SECONDS", "11"),
        ("UPGRADE_SOCKET", "/run/up.sock"),
        ("HEALTH_CHECK_INTERVAL", "0"),
        ("CIRCUIT_FAILURE_THRESHOLD", "8"),
        ("CIRCUIT_FAILURE_WINDOW", "9"),
        ("CIRCUIT_COOLDOWN_SECONDS", "0.2"),
        ("MAX_BODY_MB", "2"),
        ("SPOOL_MAX_MB", "64"),
        ("USAGE_DAYS", "0"),
        ("USAGE_MAX_MB", "2048"),
        ("CACHE_TTL_CHAT", "0.5"),
        ("CACHE_TTL_EMBEDDINGS", "60"),
        ("CACHE_MAX_MB", "16"),
        ("THREADS", "7"),
        ("LOG_FORMAT", "JSON"),
        ("RUST_LOG", "warn,store=debug"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "X-Tenant=a%20b%2C+, authorization=Bearer%20c",
        ),
        ("OTEL_SERVICE_NAME", "the gateway"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ("AUTH_ENABLED", "False"),
        ("ADMIN_ALLOW_OPEN", "yes"),
        ("AIMENU_URL", "https://login.example.com/"),
        ("AIMENU_PUBLIC_URL", "https://public.example.com"),
        ("PUBLIC_GATEWAY_URL", "https://gw.example.com/"),
        ("AUDIT_DAYS", "0"),
        ("ALLOW_LINK_LOCAL_ENDPOINTS", "yes"),
        ("USE_AI_QUEUE", "1"),
        ("AI_QUEUE_URL", "http://queue:8102"),
        ("AI_QUEUE_API_KEY", "sk-queue"),
        ("AI_QUEUE_PRIORITY", "low"),
        ("AI_QUEUE_SOURCE", "here"),
        ("OLLAMA_VERSION", "1.2.3"),
        ("OLLAMA_ENDPOINT", "gpu box"),
    ]);
    let expected = Config {
        api_port: 1,
        api_bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        admin_port: 2,
        admin_bind: "::1".parse().unwrap(),
        metrics_port: Some(3),
        metrics_bind: "10.0.0.9".parse().unwrap(),
        database_path: "/data/proxy.db".into(),
        key_source: KeySource {
            current: SecretKey::parse(KEY),
            previous: SecretKey::parse(FORMER),
        },
        exposure: Exposure {
            environment_mode: Some(DeploymentMode::InternetFacing),
            default_mode: DeploymentMode::InternalOnly,
            environment_trusted: Networks::parse("10.0.0.0/8"),
            default_trusted: Networks::parse("127.0.0.1,::1").unwrap(),
            proxies: Networks::default(),
        },
        timeout: Duration::from_millis(1500),
        connect_timeout: Duration::from_secs(3),
        first_byte_timeout: Duration::from_secs(4),
        hold: Duration::from_millis(500),
        keep_alive: Duration::from_secs(6),
        caller_idle: Duration::from_secs(650),
        retry_after_limit: Duration::ZERO,
        grace: Duration::ZERO,
        upgrade_grace: Duration::from_secs(11),
        upgrade_socket: Some("/run/up.sock".into()),
        health_check_interval: HealthCheckInterval {
            environment: Some(Duration::ZERO),
            default: Duration::from_secs(60),
        },
        circuit_failure_threshold: 8,
        circuit_failure_window: Duration::from_secs(9),
        circuit_cooldown: Duration::from_millis(200),
        max_body_bytes: 2 * 1024 * 1024,
        spool_max_bytes: 64 * 1024 * 1024,
        usage_days: None,
        usage_max_bytes: 2048 * 1024 * 1024,
        cache_ttl_chat: Duration::from_millis(500),
        cache_ttl_embeddings: Duration::from_secs(60),
        cache_max_bytes: 16 * 1024 * 1024,
        threads: 7,
        log_format: LogFormat::Json,
        log_filter: "warn,store=debug".to_owned(),
        telemetry: Some(Telemetry {
            endpoint: "http://collector:4318".to_owned(),
            headers: vec![
                ("x-tenant".to_owned(), Secret::new("a b,+")),
                ("authorization".to_owned(), Secret::new("Bearer c")),
            ],
            service: "the gateway".to_owned(),
            sampler: Sampler {
                follows_parent: true,
                ratio: 0.25,
            },
            traces: true,
            metrics: false,
            interval: Duration::from_secs(5),
        }),
        auth_enabled: false,
        admin_allow_open: true,
        aimenu_url: Some("https://login.example.com".to_owned()),
        public_gateway_url: Some("https://gw.example.com".to_owned()),
        audit_days: AuditDays {
            environment: Some(None),
            default: Some(400),
        },
        allow_link_local_endpoints: true,
        aimenu_public_url: Some("https://public.example.com".to_owned()),
        use_ai_queue: true,
        ai_queue_url: "http://queue:8102".to_owned(),
        ai_queue_api_key: Some(Secret::new("sk-queue")),
        ai_queue_priority: QueuePriority::Low,
        ai_queue_source: "here".to_owned(),
        ollama_version: "1.2.3".to_owned(),
        ollama_endpoint: Some("gpu box".to_owned()),
    };
    assert_eq!(config, expected);
}

#[test]
fn bad_values_are_refused_with_name_value_and_what_is_accepted() {
    for (name, value, accepted) in [
        ("API_PORT", "70000", "a port from 0 to 65535"),
        ("API_PORT", "-1", "a port from 0 to 65535"),
        ("ADMIN_PORT", "5001x", "a port from 0 to 65535"),
        ("FLASK_PORT", "none", "a port from 0 to 65535"),
        ("METRICS_PORT", "none", "a port from 1 to 65535, or 0"),
        ("METRICS_BIND", "everywhere", "an IP address"),
        ("API_BIND", "example.com", "an IP address"),
        ("ADMIN_BIND", "127.0.0.1:5001", "an IP address"),
        ("DATABASE_PATH", "/data/", "the path of a file"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "parentbased_always_on",
        ),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "a number from 0 to 1"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp or none"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1", "milliseconds"),
        ("TIMEOUT", "0", "from 0.1 to 86400"),
        ("TIMEOUT", "5m", "from 0.1 to 86400"),
        ("TIMEOUT", "NaN", "from 0.1 to 86400"),
        ("CONNECT_TIMEOUT", "inf", "from 0.1 to 86400"),
        ("MAX_BODY_MB", "0", "from 1 to 4096"),
        ("MAX_BODY_MB", "1.5", "from 1 to 4096"),
        ("THREADS", "0", "from 1 to 1024"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("AUTH_ENABLED", "maybe", "true or false"),
        ("ADMIN_ALLOW_OPEN", "2", "true or false"),
        ("AIMENU_URL", "login.example.com", "an http or https URL"),
        ("AIMENU_PUBLIC_URL", "ftp://x", "an http or https URL"),
        ("USE_AI_QUEUE", "ja", "true or false"),
        ("AI_QUEUE_URL", "http://u:p@h", "an http or https URL"),
        ("AI_QUEUE_PRIORITY", "URGENT", "HIGH, NORMAL or LOW"),
        ("AI_QUEUE_SOURCE", "a\nb", "printable ASCII"),
        ("OLLAMA_VERSION", "serverless-proxy", "three numbers"),
        ("OLLAMA_VERSION", "0.13", "three numbers"),
    ] {
        let problems = Config::load(&env(&[(name, value)]), None).unwrap_err();
        assert_eq!(problems.len(), 1, "{name}={value}: {problems:?}");
        let text = problems[0].to_string();
        assert!(
            text.starts_with(&format!("{name}: is {value:?}; it must be")),
            "{text}"
        );
        assert!(text.contains(accepted), "{text}");
    }
}

#[test]
fn all_problems_come_at_once_and_no_secret_is_among_them() {
    let problems = Config::load(
        &env(&[
            ("API_PORT", "x"),
            ("TIMEOUT", "y"),
            ("AI_QUEUE_API_KEY", "two words"),
        ]),
        None,
    )
    .unwrap_err();
    let names: Vec<_> = problems
        .iter()
        .map(|problem| problem.name.as_str())
        .collect();
    assert_eq!(names, ["API_PORT", "TIMEOUT", "AI_QUEUE_API_KEY"]);
    assert!(!format!("{problems:?}").contains("two words"));
}

#[test]
fn the_two_programs_need_two_ports() {
    let problems = Config::load(&env(&[("ADMIN_PORT", "8002")]), None).unwrap_err();
    assert!(
        problems[0].to_string().contains("the gateway's API too"),
        "{problems:?}"
    );
    load(&[("API_PORT", "0"), ("ADMIN_PORT", "0")]);
    for (taken, whose) in [
        ("8002", "the gateway's API too"),
        ("5001", "the admin app too"),
    ] {
        let problems = Config::load(&env(&[("METRICS_PORT", taken)]), None).unwrap_err();
        assert_eq!(problems[0].name, "METRICS_PORT");
        assert!(problems[0].to_string().contains(whose), "{problems:?}");
    }
    assert_eq!(load(&[("METRICS_PORT", "0")]).metrics_address(), None);
}

#[test]
fn environment_over_file_over_stored_over_default() {
    let stored = BTreeMap::from([
        ("api_port".to_owned(), "1".to_owned()),
        ("flask_port".to_owned(), "2".to_owned()),
        ("aimenu_url".to_owned(), "http://stored".to_owned()),
        ("database_path".to_owned(), "/never".to_owned()),
        ("auth_enabled".to_owned(), "false".to_owned()),
    ]);
    let file = DotEnv::parse(".env", "API_PORT=3\nADMIN_PORT=4\nTIMEOUT=20\n").unwrap();
    let real = env(&[("API_PORT", "5"), ("TIMEOUT", " ")]);
    let config = Config::load(&file.under(&real), Some(&stored)).unwrap();
    assert_eq!((config.api_port, config.admin_port), (5, 4));
    assert_eq!(
        config.timeout,
        Duration::from_secs(20),
        "an empty variable is absent"
    );
    assert_eq!(config.aimenu_url.as_deref(), Some("http://stored"));
    assert_eq!(config.database_path, Path::new("./data/proxy.db"));
    assert!(config.auth_enabled, "a row in the store opens nothing");
}

#[test]
fn the_alias_counts_where_it_is_set() {
    assert_eq!(load(&[("FLASK_PORT", "6")]).admin_port, 6);
    assert_eq!(
        load(&[("FLASK_PORT", "6"), ("ADMIN_PORT", "7")]).admin_port,
        7
    );
    let file = DotEnv::parse(".env", "ADMIN_PORT=4\n").unwrap();
    let real = env(&[("FLASK_PORT", "6")]);
    let config = Config::load(&file.under(&real), None).unwrap();
    assert_eq!(
        config.admin_port, 6,
        "the environment wins, whatever the name"
    );
}

#[test]
fn a_bad_stored_setting_is_named_as_such() {
    let stored = BTreeMap::from([("api_port".to_owned(), "x".to_owned())]);
    let problems = Config::load(&env(&[]), Some(&stored)).unwrap_err();
    let text = problems[0].to_string();
    assert!(
        text.starts_with("stored setting api_port: is \"x\""),
        "{text}"
    );
    Config::load(&env(&[("API_PORT", "1")]), Some(&stored)).unwrap();
}

#[test]
fn dotenv_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    assert!(DotEnv::read(&path).unwrap().unknown().is_empty());
    let text = "\u{feff}# a comment\r\nAPI_PORT=9 # nine\r\nexport AI_QUEUE_API_KEY='a$b#c'\n\
                AI_QUEUE_SOURCE=\"two words\"\nAPI_PROT=1\nRUST_LOG=debug\n";
    std::fs::write(&path, text).unwrap();
    let file = DotEnv::read(&path).unwrap();
    assert_eq!(file.unknown(), ["API_PROT"]);
    assert!(!format!("{file:?}").contains("a$b#c"));
    let nothing = env(&[]);
    let config = Config::load(&file.under(&nothing), None).unwrap();
    assert_eq!(config.api_port, 9);
    assert_eq!(config.ai_queue_api_key, Some(Secret::new("a$b#c")));
    assert_eq!(config.ai_queue_source, "two words");
    assert_eq!(config.log_filter, "debug");

    let problems = DotEnv::read(folder.path()).unwrap_err();
    assert!(
        problems[0].message.contains("cannot be read"),
        "{problems:?}"
    );
}

#[test]
fn malformed_lines_are_named_by_number_without_their_text() {
    let text = "API_PORT=1\n\nhidden-a\nTIMEOUT=hidden b c\nCONNECT_TIMEOUT=1\nX='hidden\n";
    let problems = DotEnv::parse(".env", text).unwrap_err();
    let names: Vec<_> = problems
        .iter()
        .map(|problem| problem.name.as_str())
        .collect();
    assert_eq!(names, [".env, line 3", ".env, line 4", ".env, line 6"]);
    assert!(!format!("{problems:?}").contains("hidden"));
}

#[test]
fn the_interval_of_health_checks_follows_what_is_stored_unless_the_environment_has_it() {
    let seconds = |n| Some(Duration::from_secs(n));
    let of = |environment| HealthCheckInterval {
        environment,
        default: Duration::from_secs(60),
    };
    assert_eq!(of(None).with(None), seconds(60));
    assert_eq!(of(None).with(seconds(5)), seconds(5));
    assert_eq!(of(None).with(Some(Duration::ZERO)), None);
    assert_eq!(of(seconds(7)).with(seconds(5)), seconds(7));
    assert_eq!(of(Some(Duration::ZERO)).with(seconds(5)), None);
}

#[test]
fn a_weak_secret_key_is_refused_without_being_repeated() {
    let sequence = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for weak in ["hunter2", "0".repeat(64).as_str(), sequence] {
        for name in ["SECRET_KEY", "SECRET_KEY_PREVIOUS"] {
            let problems = Config::load(&env(&[(name, weak)]), None).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            let said = problems[0].to_string();
            assert!(said.starts_with(&format!("{name}: ")), "{said}");
            assert!(said.contains("openssl rand -hex 32"), "{said}");
            assert!(!said.contains(weak), "{said}");
        }
    }
}

#[test]
fn the_environment_wins_over_the_stored_exposure() {
    let mut snapshot = Snapshot::default();
    let trusted = |text: &str| Networks::parse(text).unwrap();
    let unset = load(&[]).exposure;
    assert_eq!(unset.mode(&snapshot), DeploymentMode::InternalOnly);
    assert_eq!(unset.trusted(&snapshot), &trusted("127.0.0.1,::1"));
    snapshot.deployment_mode = Some(DeploymentMode::InternetFacing);
    snapshot.trusted_internal = Some(trusted("10.0.0.0/8"));
    assert_eq!(unset.mode(&snapshot), DeploymentMode::InternetFacing);
    assert_eq!(unset.trusted(&snapshot), &trusted("10.0.0.0/8"));
    let set = load(&[
        ("DEPLOYMENT_MODE", "internal_only"),
        ("TRUSTED_INTERNAL_CIDRS", "none"),
    ])
    .exposure;
    assert_eq!(set.mode(&snapshot), DeploymentMode::InternalOnly);
    assert_eq!(set.trusted(&snapshot), &Networks::default());
}
