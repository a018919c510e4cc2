//! One task: a word in a file is to become another.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use sim::{Flavor, Script, Sim};

use crate::assistant::{Assistant, Place};
use crate::process::Process;
use crate::scene::{Ground, MODEL, provider};

/// The file that is edited.
pub(crate) const FILE: &str = "notes.txt";

/// How the model calls tools.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Calls {
    /// As the API has it.
    Native,
    /// As text, which the gateway makes calls of.
    Written,
}

/// A gateway, its model, and the file that is to be edited.
struct Work {
    ground: Ground,
    sim: Sim,
    gateway: Process,
    home: PathBuf,
    file: PathBuf,
}

impl Work {
    /// Over a provider of this kind, with these settings of its endpoint.
    async fn over(flavor: Flavor, endpoint: &Value) -> Self {
        let ground = Ground::new();
        let sim = provider(flavor).await;
        let endpoint = ground.endpoint(&sim, endpoint);
        ground.model(MODEL, endpoint, &json!({}));
        let folder = ground.folder.path();
        let gateway = Process::gateway(folder, &[]).await;
        let (home, project) = (folder.join("home"), folder.join("project"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&project).unwrap();
        let file = project.join(FILE);
        fs::write(&file, "before\n").unwrap();
        Self {
            ground,
            sim,
            gateway,
            home,
            file,
        }
    }

    /// Gives `assistant` the task: whether it ended well, and all that was said.
    async fn done_by(&self, assistant: Assistant, task: &str) -> (bool, String) {
        let place = Place {
            gateway: &self.gateway.base,
            home: &self.home,
            project: self.file.parent().unwrap(),
        };
        let mut command = assistant.command(&place, task);
        let ended = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
        let ended = ended.await.unwrap().unwrap();
        let said = format!(
            "{assistant:?} ended with {}\n{}\n{}\n{}",
            ended.status,
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr),
            self.gateway.log()
        );
        (ended.status.success(), said)
    }
}

/// Has `assistant` edit the file over a gateway and a model of its own.
pub(crate) async fn edits_a_file(assistant: Assistant, calls: Calls) {
    edits_a_file_over(assistant, calls, Flavor::OpenAi, &json!({})).await;
}

/// The same over a provider of this kind, with these settings of its endpoint.
pub(crate) async fn edits_a_file_over(
    assistant: Assistant,
    calls: Calls,
    flavor: Flavor,
    endpoint: &Value,
) {
    let mut work = Work::over(flavor, endpoint).await;
    let written = match calls {
        Calls::Native => "",
        Calls::Written => " written",
    };
    let task = format!(
        "Change the word in {FILE}. [[sim: agent={}{written}]]",
        work.file.display()
    );
    let (ended_well, said) = work.done_by(assistant, &task).await;
    let said = format!("{calls:?} calls: {said}");
    assert!(ended_well, "{said}");
    let text = fs::read_to_string(&work.file).unwrap();
    assert_eq!(text, "after\n", "{said}");
    let gateway = &mut work.gateway;
    assert_eq!(gateway.stop().await, Some(0), "{}", gateway.log());
    let rows = work.ground.store.recent_calls(100).unwrap();
    assert!(!rows.is_empty(), "{said}");
    for row in rows {
        // Claude Code tries whether a model takes what the system says in the middle of a
        // conversation, and says it otherwise when Anthropic refuses it.
        let is_tried = flavor == Flavor::Anthropic
            && row.status == Some(400)
            && row.error_code.as_deref() == Some("upstream_refused");
        let is_well = row.outcome.as_deref() == Some("success");
        assert!(is_well || is_tried, "{row:?}\n{said}");
    }
}

/// Gives `assistant` a task that is longer than its model's context: it asks at most so many
/// times, and tells it in these words.
pub(crate) async fn is_told_of_a_full_context(assistant: Assistant, most: usize, words: &str) {
    let mut work = Work::over(Flavor::OpenAi, &json!({})).await;
    work.sim.set_script(Script {
        status: Some(400),
        code: Some("context_length_exceeded".to_owned()),
        message: Some("This model's maximum context length is 8192 tokens.".to_owned()),
        ..Script::default()
    });
    let (_, said) = work.done_by(assistant, "Say hello.").await;
    assert!(said.contains(words), "{said}");
    let asked = work.sim.served().requests;
    assert!(
        (1..=most as u64).contains(&asked),
        "asked {asked} times: {said}"
    );
    assert_eq!(work.gateway.stop().await, Some(0), "{said}");
}
