//! A limit of memory, by a control group.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sim::Options;

use crate::caller::Caller;
use crate::process::{Process, command, gateway_binary};
use crate::scene::{Ground, MODEL, chat, provider_with};

const CHAT: &str = "/v1/chat/completions";
const MIB: u64 = 1024 * 1024;

/// A control group with a limit of memory; gone when dropped, once nothing runs in it.
struct Group(PathBuf);

impl Group {
    fn of(bytes: u64) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let own = format!("serverless-proxy-test-{}", std::process::id());
        let controllers = fs::read_to_string(root.join("cgroup.controllers"));
        let is_unified =
            controllers.is_ok_and(|names| names.split_whitespace().any(|name| name == "memory"));
        let (folder, limit) = if is_unified {
            (root.join(own), "memory.max")
        } else {
            (root.join("memory").join(own), "memory.limit_in_bytes")
        };
        fs::create_dir(&folder).expect("a control group needs root");
        let group = Self(folder);
        fs::write(group.0.join(limit), bytes.to_string()).unwrap();
        // Without swap the limit is one; where there is no file for it there is none.
        let _ = fs::write(group.0.join("memory.swap.max"), "0");
        group
    }

    /// The gateway over the store in `folder`, within it.
    fn gateway(&self, folder: &Path) -> Process {
        let mut gateway = command(Path::new("sh"), folder, &[]);
        let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$1\"";
        gateway
            .args(["-c", script])
            .arg(&self.0)
            .arg(gateway_binary());
        let log = folder.join("gateway.log");
        Process::start(gateway, "gateway listening on ", log)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Nothing runs in it any more: processes are declared behind it.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Hundreds of streams fit into little memory. Bodies that do not fit end the gateway, by
/// the system's hand; its callers see that they were cut off, the next gateway serves at
/// once, and of the calls that had ended none is lost and none counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and control groups: make test-faults"]
async fn a_limit_of_memory_is_kept_or_ends_the_gateway() {
    const STREAMS: usize = 500;
    let group = Group::of(256 * MIB);
    let ground = Ground::new();
    let sim = provider_with(Options {
        validate: false,
        record: 0,
        ..Options::default()
    })
    .await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    let mut gateway = group.gateway(ground.folder.path());
    let held = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut caller = Caller::connect(gateway.address()).await;
        caller.ask(CHAT, "", &held).await;
        caller.sees("one ").await;
        streams.push(caller);
    }
    sim.open_gate();
    for mut caller in streams {
        assert_eq!(caller.response().await.events().last().unwrap(), "[DONE]");
    }

    // Bodies of which all but the end has come.
    let body = chat(&"x".repeat(50 * MIB as usize), &json!({})).to_string();
    let (most, _) = body.split_at(body.len() - 10);
    let mut senders = Vec::new();
    for _ in 0..12 {
        let mut caller = Caller::connect(gateway.address()).await;
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if !(caller.try_send(head.as_bytes()).await && caller.try_send(most.as_bytes()).await) {
            break;
        }
        senders.push(caller);
    }
    assert_eq!(gateway.ended().await, None, "a signal has ended it");
    for mut caller in senders {
        assert!(
            caller.try_response().await.is_none(),
            "nobody is told of a success"
        );
    }

    let gateway = group.gateway(ground.folder.path());
    let mut caller = Caller::connect(gateway.address()).await;
    let body = chat("say=ok", &json!({})).to_string();
    assert_eq!(caller.post(CHAT, &body).await.status, 200);
    ground.rows(STREAMS + 1).await;
}
