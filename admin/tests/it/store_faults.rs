//! A store file that cannot be used.

use std::fs;

use tempfile::TempDir;

use crate::harness::{run, text};

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
