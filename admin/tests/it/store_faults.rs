//! A store file that cannot be used.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::{App, run, text};

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("proxy.db");
    let content = "this is no database".repeat(100);
    fs::write(&file, &content).unwrap();
    let env = [("DATABASE_PATH", file.to_str().unwrap())];
    for arguments in [&[][..], &["--check"]] {
        let output = run(folder.path(), &env, arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains("proxy.db"), "{}", text(&output));
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}

#[test]
fn a_path_that_cannot_hold_a_file_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for path in [
        folder.path().join("file").join("proxy.db"),
        folder.path().to_path_buf(),
    ] {
        let env = [("DATABASE_PATH", path.to_str().unwrap())];
        let output = run(folder.path(), &env, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output).contains(path.to_str().unwrap()),
            "{}",
            text(&output)
        );
    }
}

/// Another program holds the database, readers out too.
#[tokio::test]
async fn a_store_locked_at_the_start_is_a_clear_refusal() {
    let app = App::start();
    let folder = app.into_folder();
    let file = folder.path().join("data").join("proxy.db");
    let mut holder = Command::new("sqlite3")
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs the program sqlite3");
    let hold = b".bail on\n.timeout 20000\nPRAGMA locking_mode = EXCLUSIVE;\nBEGIN EXCLUSIVE;\n\
                 INSERT INTO settings (key, value) VALUES ('held', '1');\nSELECT 'held';\n";
    holder.stdin.as_mut().unwrap().write_all(hold).unwrap();
    let lines = BufReader::new(holder.stdout.as_mut().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "held"));
    let output = run(folder.path(), &[], &[]);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("locked by another program"), "{said}");
    // Once it is let go of, the app starts.
    let again = App::start_in(folder, &[]);
    assert_eq!(again.get("/health").await.0, 200);
}
