//! The real gateway beside the admin app, over the same store.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running gateway; ended when dropped.
pub(crate) struct Gateway {
    child: Child,
    /// Where it listens.
    pub(crate) base: String,
}

impl Gateway {
    /// Starts it on a free port over the store of an admin app in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let admin = Path::new(env!("CARGO_BIN_EXE_serverless-proxy-admin"));
        let program = admin.with_file_name("serverless-proxy");
        assert!(
            program.exists(),
            "{} is missing; build it first: cargo build --workspace --bins",
            program.display()
        );
        let mut child = Command::new(program)
            .current_dir(folder)
            .env_clear()
            .env("DATABASE_PATH", folder.join("data").join("proxy.db"))
            .env("API_PORT", "0")
            .env("METRICS_PORT", "0")
            .env("THREADS", "1")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines
            .map(Result::unwrap)
            .filter(|line| line.starts_with("gateway listening on "))
            .find_map(|line| line.split(' ').next_back().map(str::to_owned))
            .expect("the gateway ended without saying where it listens");
        Self { child, base }
    }

    /// Its port, for the admin app's `API_PORT`.
    pub(crate) fn port(&self) -> &str {
        self.base.rsplit(':').next().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
