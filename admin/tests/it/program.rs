//! The program from its command line: arguments, settings, start and stop.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{App, run, text};

#[test]
fn help_and_version_explain_themselves() {
    let folder = TempDir::new().unwrap();
    let help = run(folder.path(), &[], &["--help"]);
    assert!(help.status.success());
    for word in ["--check", "--version", ".env"] {
        assert!(text(&help).contains(word), "{word}");
    }
    let version = run(folder.path(), &[], &["--version"]);
    assert_eq!(
        text(&version).trim(),
        concat!("serverless-proxy-admin ", env!("CARGO_PKG_VERSION"))
    );
    assert!(!run(folder.path(), &[], &["--nonsense"]).status.success());
}

#[test]
fn check_accepts_a_good_configuration_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &[], &["--check"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let app = App::start();
    let output = run(
        folder.path(),
        &[("DATABASE_PATH", app.database().to_str().unwrap())],
        &["--check"],
    );
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn check_and_start_list_every_bad_setting() {
    let folder = TempDir::new().unwrap();
    let bad = [
        ("ADMIN_PORT", "http"),
        ("AUTH_ENABLED", "perhaps"),
        ("TIMEOUT", "-1"),
        ("LOG_FORMAT", "xml"),
    ];
    for arguments in [&["--check"][..], &[]] {
        let output = run(folder.path(), &bad, arguments);
        assert_eq!(output.status.code(), Some(1));
        for (name, _) in bad {
            assert!(text(&output).contains(name), "{name}: {}", text(&output));
        }
    }
}

#[test]
fn check_lists_bad_settings_and_a_bad_store_together() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("broken.db");
    fs::write(&file, "this is no database".repeat(100)).unwrap();
    let env = [
        ("DATABASE_PATH", file.to_str().unwrap()),
        ("ADMIN_BIND", "0.0.0.0"),
    ];
    let output = run(folder.path(), &env, &["--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("broken.db"), "{}", text(&output));
    assert!(
        text(&output).contains("ADMIN_ALLOW_OPEN"),
        "{}",
        text(&output)
    );
}

#[tokio::test]
async fn check_lists_settings_rows_and_ca_files_at_once() {
    let app = App::start();
    let gone = app.database().with_file_name("gone.pem");
    let body = json!({ "name": "tls", "url": "https://127.0.0.1:9", "ca_file": gone });
    app.endpoint_with(body).await;
    let output = run(
        app.database().parent().unwrap(),
        &[
            ("DATABASE_PATH", app.database().to_str().unwrap()),
            ("TIMEOUT", "never"),
            ("ADMIN_BIND", "0.0.0.0"),
            ("RUST_LOG", "=="),
        ],
        &["--check"],
    );
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    for word in [
        "error: TIMEOUT: is \"never\"",
        "ADMIN_ALLOW_OPEN",
        "gone.pem cannot be read",
        "RUST_LOG",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(said.lines().count(), 4, "each problem once: {said}");
}

#[test]
fn without_a_login_the_network_is_not_let_in_by_accident() {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &[("ADMIN_BIND", "0.0.0.0")], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    for word in ["AUTH_ENABLED", "ADMIN_BIND is 0.0.0.0", "ADMIN_ALLOW_OPEN"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_taken_port_is_a_clear_refusal() {
    let folder = TempDir::new().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let output = run(folder.path(), &[("ADMIN_PORT", &port)], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    for word in [port.as_str(), "ADMIN_PORT", "in use"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Killed in the middle of its work, with connections open, it starts again at once on its
/// port, and what was saved is there.
#[tokio::test]
async fn it_starts_again_after_a_kill() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let env = [("ADMIN_PORT", &*port)];
    let mut app = App::start_with(&env);
    for number in 0..3 {
        let endpoint = json!({"name": format!("e{number}"), "url": "http://127.0.0.1:1"});
        let (status, _) = app.post("/api/admin/endpoints", &endpoint).await;
        assert!(status.is_success(), "{status}");
        // Its connection is still open when it is killed.
        app = app.restart_with(&env);
        let (_, all) = app.get("/api/admin/endpoints").await;
        let count = all
            .as_array()
            .or_else(|| all["endpoints"].as_array())
            .unwrap()
            .len();
        assert_eq!(count, number + 1);
    }
}

/// A clock that jumps, forwards and back, while it runs and between two runs.
#[tokio::test]
async fn it_goes_on_when_the_clock_jumps() {
    let library = fs::read_dir("/usr/lib")
        .unwrap()
        .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("this test needs Debian's package libfaketime");
    let folder = TempDir::new().unwrap();
    let clock = folder.path().join("clock");
    let set = |to: &str| {
        let new = clock.with_extension("new");
        fs::write(&new, to).unwrap();
        fs::rename(&new, &clock).unwrap();
    };
    set("+0");
    let env = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut app = App::start_with(&env);
    for (number, jump) in ["+400d", "-400d", "+0"].into_iter().enumerate() {
        set(jump);
        let endpoint = json!({"name": format!("e{number}"), "url": "http://127.0.0.1:1"});
        let (status, _) = app.post("/api/admin/endpoints", &endpoint).await;
        assert!(status.is_success(), "{jump}: {status}");
        set("-800d");
        app = app.restart_with(&env);
        for page in ["/", "/proxy-dashboard/usage", "/proxy-dashboard/activity"] {
            app.page(page).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_is_told_that_it_is_ready_and_lives() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let told = || {
        let mut got = [0; 256];
        let length = manager.recv(&mut got).expect("nothing is told");
        String::from_utf8(got[..length].to_vec()).unwrap()
    };
    let app = App::start_with(&[
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "600000"),
    ]);
    let ready = told();
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    assert!(ready.contains(&app.base), "{ready}");
    for _ in 0..3 {
        assert_eq!(told(), "WATCHDOG=1");
    }
}

#[test]
fn both_signals_end_it_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let mut app = App::start();
        let pid = app.pid().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(app.wait(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_dotenv_file_is_read_and_the_environment_wins_over_it() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join(".env"),
        "USE_AI_QUEUE=true\nAI_QUEUE_URL=http://127.0.0.1:9\nAUTH_ENABLED=true\n",
    )
    .unwrap();
    let app = App::start_in(folder, &[("AUTH_ENABLED", "false")]);
    let (_, session) = app.get("/session/validate").await;
    assert_eq!(session["use_ai_queue"], true);
    assert_eq!(session["auth_enabled"], false);
}

#[tokio::test]
async fn the_original_name_of_the_port_is_accepted() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let app = App::start_with(&[("ADMIN_PORT", ""), ("FLASK_PORT", &port)]);
    assert_eq!(app.base, format!("http://127.0.0.1:{port}"));
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("kept.db");
    let env = [("DATABASE_PATH", file.to_str().unwrap())];
    let id = {
        let app = App::start_with(&env);
        app.endpoint("kept", "http://127.0.0.1:9").await
    };
    let app = App::start_with(&env);
    assert_eq!(app.row("/api/endpoints", id).await["name"], "kept");
}
