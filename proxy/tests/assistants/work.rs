//! One task: a word in a file is to become another.

use std::fs;
use std::process::Stdio;

use serde_json::json;
use sim::Flavor;

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

/// Has `assistant` edit the file over a gateway and a model of its own.
pub(crate) async fn edits_a_file(assistant: Assistant, calls: Calls) {
    let ground = Ground::new();
    let sim = provider(Flavor::OpenAi).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    let folder = ground.folder.path();
    let mut gateway = Process::gateway(folder, &[]).await;

    let (home, project) = (folder.join("home"), folder.join("project"));
    fs::create_dir_all(&home).unwrap();
    fs::create_dir_all(&project).unwrap();
    let file = project.join(FILE);
    fs::write(&file, "before\n").unwrap();
    let written = match calls {
        Calls::Native => "",
        Calls::Written => " written",
    };
    let task = format!(
        "Change the word in {FILE}. [[sim: agent={}{written}]]",
        file.display()
    );
    let place = Place {
        gateway: &gateway.base,
        home: &home,
        project: &project,
    };
    let mut command = assistant.command(&place, &task);
    let ended = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let ended = ended.await.unwrap().unwrap();
    let said = format!(
        "{assistant:?}, {calls:?} calls, ended with {}\n{}\n{}\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
        gateway.log()
    );
    assert!(ended.status.success(), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "after\n", "{said}");
    assert_eq!(gateway.stop().await, Some(0), "{}", gateway.log());
    let rows = ground.store.recent_calls(100).unwrap();
    assert!(!rows.is_empty(), "{said}");
    for row in rows {
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}\n{said}");
    }
}
