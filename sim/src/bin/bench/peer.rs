//! Peers: other gateways and routers that the registries offer, each with one worker and
//! the settings that its makers give for speed.
//!
//! What always holds: what a peer does wrong is counted, and ends nothing. They are
//! installed by scripts/peers.sh, a folder for each, and start with an empty environment,
//! so that nothing of the caller's settings reaches them. They have no database and no
//! cache, and log errors alone.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::process::{Running, free_address};
use crate::scenario::{ACTUAL_MODEL, UPSTREAM_KEY};

/// How long a peer may take until it answers: some load half a minute's worth of modules.
pub(crate) const START: Duration = Duration::from_secs(90);

/// Another gateway or router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// LiteLLM's proxy: Python.
    LiteLlm,
    /// Portkey's gateway: TypeScript on Node.
    Portkey,
    /// SGLang's router: Rust.
    Sglang,
    /// vLLM's router: Rust.
    Vllm,
}

/// How a peer is started.
struct Recipe {
    /// The program in the peer's folder.
    program: &'static str,
    args: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
    /// A configuration file that it reads: its name and what is in it.
    config: Option<(&'static str, String)>,
}

impl Peer {
    /// Its name on the command line, and that of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::LiteLlm => "litellm",
            Peer::Portkey => "portkey",
            Peer::Sglang => "sglang",
            Peer::Vllm => "vllm",
        }
    }

    /// What the report calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Peer::LiteLlm => "LiteLLM",
            Peer::Portkey => "Portkey",
            Peer::Sglang => "SGLang router",
            Peer::Vllm => "vLLM router",
        }
    }

    /// The model's name as its clients send it. The routers and Portkey do not rename.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Peer::LiteLlm => "bench-virtual",
            Peer::Portkey | Peer::Sglang | Peer::Vllm => ACTUAL_MODEL,
        }
    }

    /// What its clients send beside a provider's header fields, each line with its end.
    pub(crate) fn fields(self, upstream: SocketAddr) -> String {
        match self {
            Peer::Portkey => format!(
                "x-portkey-provider: openai\r\nx-portkey-custom-host: http://{upstream}/v1\r\n"
            ),
            Peer::LiteLlm | Peer::Sglang | Peer::Vllm => String::new(),
        }
    }

    /// The version in the folder of peers; an error when it is not there.
    pub(crate) fn version(self, peers: &Path) -> Result<String> {
        let file = peers.join(self.name()).join("version");
        let text = fs::read_to_string(file).context("it is not installed")?;
        Ok(text.trim().to_owned())
    }

    /// How it is started, as Markdown with the changing parts in capitals.
    pub(crate) fn settings(self) -> String {
        let recipe = self.recipe("HOST", "PORT", "SPARE_PORT", "http://UPSTREAM");
        let environment = recipe
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let program = recipe.program.rsplit('/').next().map(str::to_owned);
        let words = environment.chain(program).chain(recipe.args);
        format!("`{}`", words.collect::<Vec<_>>().join(" "))
    }

    /// Start it in front of the upstream.
    pub(crate) fn start(
        self,
        address: SocketAddr,
        upstream: SocketAddr,
        peers: &Path,
        folder: &Path,
    ) -> Result<Running> {
        let recipe = self.recipe(
            &address.ip().to_string(),
            &address.port().to_string(),
            &free_address()?.port().to_string(),
            &format!("http://{upstream}"),
        );
        let program = std::path::absolute(peers.join(self.name()).join(recipe.program))?;
        if let Some((name, text)) = &recipe.config {
            fs::write(folder.join(name), text)?;
        }
        let mut command = Command::new(program);
        command
            .env_clear()
            // Node is looked for there.
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", folder)
            .envs(recipe.env)
            .args(recipe.args)
            .current_dir(folder);
        Running::start(self.name(), &mut command, folder)
    }

    /// What its makers' documents give for production and speed, with one worker. Some show
    /// their metrics on a `spare` port.
    fn recipe(self, host: &str, port: &str, spare: &str, upstream: &str) -> Recipe {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        match self {
            Peer::LiteLlm => Recipe {
                program: "bin/litellm",
                args: words(&format!(
                    "--config config.yaml --host {host} --port {port} --num_workers 1"
                )),
                env: vec![
                    ("LITELLM_MODE", "PRODUCTION"),
                    ("LITELLM_LOG", "ERROR"),
                    // Its list of prices would be fetched otherwise.
                    ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
                    // Of connections to the upstream. With 0 it has its HTTP client's 100.
                    ("AIOHTTP_CONNECTOR_LIMIT", "20000"),
                    ("AIOHTTP_CONNECTOR_LIMIT_PER_HOST", "20000"),
                ],
                config: Some((
                    "config.yaml",
                    format!(
                        "model_list:
  - model_name: {name}
    litellm_params:
      model: openai/{ACTUAL_MODEL}
      api_base: {upstream}/v1
      api_key: {UPSTREAM_KEY}
general_settings:
  master_key: {UPSTREAM_KEY}
litellm_settings:
  set_verbose: false
  request_timeout: 600
  telemetry: false
",
                        name = self.model(),
                    ),
                )),
            },
            Peer::Portkey => Recipe {
                program: "node_modules/.bin/gateway",
                args: words(&format!("--headless --port={port}")),
                env: vec![("NODE_ENV", "production")],
                config: None,
            },
            Peer::Sglang => Recipe {
                program: "bin/sglang-router",
                args: words(&format!(
                    "launch --host {host} --port {port} --prometheus-host {host} \
                     --prometheus-port {spare} --worker-urls {upstream} --policy round_robin \
                     --log-level error"
                )),
                env: vec![("TOKIO_WORKER_THREADS", "1")],
                config: None,
            },
            Peer::Vllm => Recipe {
                program: "bin/vllm-router",
                args: words(&format!(
                    "--host {host} --port {port} --prometheus-host {host} \
                     --prometheus-port {spare} --worker-urls {upstream} --policy round_robin \
                     --log-level error"
                )),
                env: vec![("TOKIO_WORKER_THREADS", "1")],
                config: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn only_what_was_installed_to_its_end_is_there() {
        let peers = tempfile::tempdir().unwrap();
        let folder = peers.path().join("portkey");
        fs::create_dir(&folder).unwrap();
        assert!(Peer::Portkey.version(peers.path()).is_err());
        fs::write(folder.join("version"), "1.2.3\n").unwrap();
        assert_eq!(Peer::Portkey.version(peers.path()).unwrap(), "1.2.3");
        assert!(Peer::LiteLlm.version(peers.path()).is_err());
    }

    #[tokio::test]
    async fn a_peer_starts_from_its_folder_with_what_is_said_of_it() {
        let peers = tempfile::tempdir().unwrap();
        let place = tempfile::tempdir().unwrap();
        let program = peers.path().join("vllm/bin/vllm-router");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        let script = "#!/bin/sh\necho \"$TOKIO_WORKER_THREADS $* $LANG\" >told\nexec sleep 600\n";
        fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, mode).unwrap();
        let [address, upstream] = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap());
        let mut peer = Peer::Vllm
            .start(address, upstream, peers.path(), place.path())
            .unwrap();
        let told = place.path().join("told");
        let words = async || {
            anyhow::ensure!(fs::read_to_string(&told)?.ends_with('\n'), "not yet");
            Ok(())
        };
        peer.ready(START, words).await.unwrap();
        let told = fs::read_to_string(told).unwrap();
        assert!(told.starts_with("1 --host 127.0.0.1 --port 1 "), "{told}");
        assert!(
            told.contains(" --worker-urls http://127.0.0.1:2 "),
            "{told}"
        );
        assert!(
            told.ends_with(" error \n"),
            "nothing of this environment: {told}"
        );
        let settings = Peer::Vllm.settings();
        assert!(
            settings.starts_with("`TOKIO_WORKER_THREADS=1 vllm-router --host HOST --port PORT "),
            "{settings}"
        );
        peer.end().await.unwrap();
    }
}
