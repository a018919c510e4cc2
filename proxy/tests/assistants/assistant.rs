//! How each assistant is told where the gateway is, and started for one task.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::scene::MODEL;

/// The key that they send; the gateway asks for none.
const KEY: &str = "any";

/// A value of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing else hands a test what it needs"
)]
fn given(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    PathBuf::from(value.unwrap_or_else(|| panic!("{name} is not set: make test-assistants")))
}

/// A coding assistant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Assistant {
    ClaudeCode,
    Codex,
    OpenCode,
    QwenCode,
    Pi,
    Cline,
    Aider,
}

/// Where it works.
pub(crate) struct Place<'p> {
    /// The gateway's address.
    pub(crate) gateway: &'p str,
    /// Its home folder, with nothing in it before.
    pub(crate) home: &'p Path,
    /// The folder of the project.
    pub(crate) project: &'p Path,
}

impl Assistant {
    /// The command that does `task` in `place` and ends.
    pub(crate) fn command(self, place: &Place<'_>, task: &str) -> Command {
        let mut command = self.program();
        command
            .env_clear()
            .env("PATH", given("PATH"))
            .env("HOME", place.home)
            .env("TERM", "dumb")
            .current_dir(place.project);
        match self {
            Self::ClaudeCode => claude_code(&mut command, place, task),
            Self::Codex => codex(&mut command, place, task),
            Self::OpenCode => opencode(&mut command, place, task),
            Self::QwenCode => qwen_code(&mut command, place, task),
            Self::Pi => pi(&mut command, place, task),
            Self::Cline => cline(&mut command, place, task),
            Self::Aider => aider(&mut command, place, task),
        }
        command
    }

    /// The program, under a time limit: an assistant tries again and again.
    fn program(self) -> Command {
        let installed = given("ASSISTANTS");
        let program = installed.join(match self {
            // Of these two the packages' own scripts only look for the program.
            Self::ClaudeCode => "node_modules/@anthropic-ai/claude-code-linux-x64/claude",
            Self::Codex => "node_modules/.bin/codex",
            Self::OpenCode => "node_modules/opencode-linux-x64/bin/opencode",
            Self::QwenCode => "node_modules/.bin/qwen",
            Self::Pi => "node_modules/.bin/pi",
            Self::Cline => "node_modules/.bin/cline",
            Self::Aider => "python/bin/aider",
        });
        assert!(program.exists(), "{} is missing", program.display());
        let mut command = Command::new("timeout");
        command.arg("--kill-after=5").arg("240");
        if let Self::Cline = self {
            // It leaves a program behind, which ends with the shell; its provider is named by
            // a command of its own.
            let both =
                r#""$0" auth -p openai -k "$1" -m "$2" -b "$3" && "$0" -P openai -m "$2" "$4""#;
            command.args([
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                both,
            ]);
        }
        command.arg(program);
        command
    }
}

fn claude_code(command: &mut Command, place: &Place<'_>, task: &str) {
    command
        .env("ANTHROPIC_BASE_URL", place.gateway)
        .env("ANTHROPIC_AUTH_TOKEN", KEY)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .args(["-p", task, "--model", MODEL])
        .args(["--allowedTools", "Read,Edit,Bash"]);
}

fn codex(command: &mut Command, place: &Place<'_>, task: &str) {
    let settings = format!(
        "model = \"{MODEL}\"\nmodel_provider = \"gateway\"\n\n[model_providers.gateway]\n\
         name = \"gateway\"\nbase_url = \"{}/v1\"\nenv_key = \"GATEWAY_KEY\"\n\
         wire_api = \"responses\"\n",
        place.gateway
    );
    write(&place.home.join(".codex/config.toml"), &settings);
    command
        .env("GATEWAY_KEY", KEY)
        .args(["exec", "--skip-git-repo-check", "-s", "danger-full-access"])
        .arg(task);
}

fn opencode(command: &mut Command, place: &Place<'_>, task: &str) {
    let settings = json!({
        "autoupdate": false,
        "share": "disabled",
        "provider": {"gateway": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": format!("{}/v1", place.gateway), "apiKey": KEY},
            "models": {MODEL: {
                "name": MODEL,
                "tool_call": true,
                "limit": {"context": 128_000, "output": 8192},
            }},
        }},
    });
    write(&place.project.join("opencode.json"), &settings.to_string());
    command.args(["run", "-m", &format!("gateway/{MODEL}"), task]);
}

fn qwen_code(command: &mut Command, place: &Place<'_>, task: &str) {
    command
        .env("OPENAI_API_KEY", KEY)
        .env("OPENAI_BASE_URL", format!("{}/v1", place.gateway))
        .env("OPENAI_MODEL", MODEL)
        .args(["--auth-type", "openai", "--yolo", "-p", task]);
}

fn pi(command: &mut Command, place: &Place<'_>, task: &str) {
    let settings = json!({"providers": {"gateway": {
        "baseUrl": format!("{}/v1", place.gateway),
        "api": "openai-completions",
        "apiKey": KEY,
        "models": [{
            "id": MODEL,
            "name": MODEL,
            "reasoning": false,
            "input": ["text"],
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
            "contextWindow": 128_000,
            "maxTokens": 8192,
        }],
    }}});
    let file = place.home.join(".pi/agent/models.json");
    write(&file, &settings.to_string());
    command.args(["--provider", "gateway", "--model", MODEL, "-p", task]);
}

fn cline(command: &mut Command, place: &Place<'_>, task: &str) {
    let address = format!("{}/v1", place.gateway);
    command.args([KEY, MODEL, &address, task]);
}

fn aider(command: &mut Command, place: &Place<'_>, task: &str) {
    command
        .env("OPENAI_API_BASE", format!("{}/v1", place.gateway))
        .env("OPENAI_API_KEY", KEY)
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .args([
            "--model",
            &format!("openai/{MODEL}"),
            "--edit-format",
            "diff",
        ])
        .args([
            "--no-show-model-warnings",
            "--yes-always",
            "--no-check-update",
        ])
        .args(["--analytics-disable", "--no-git", "--no-auto-commits"])
        .args(["--message", task, crate::work::FILE]);
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("a file in a folder")).unwrap();
    fs::write(file, text).unwrap();
}
