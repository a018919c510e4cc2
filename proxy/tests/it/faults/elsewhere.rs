//! A network namespace of its own for the gateway, and wires into it that can be cut.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::process::{Process, command, gateway_binary};

/// A namespace; gone when dropped.
pub(super) struct Elsewhere(Child);

impl Elsewhere {
    pub(super) fn new() -> Self {
        let script = "ip link set lo up && echo there && exec sleep 600";
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = line(&mut BufReader::new(child.stdout.as_mut().unwrap()));
        assert_eq!(said, "there", "a network namespace needs root");
        Self(child)
    }

    /// A command in it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([&self.namespace(), "--", program]);
        command
    }

    fn namespace(&self) -> String {
        format!("--net=/proc/{}/ns/net", self.0.id())
    }

    /// The gateway over the store in `folder`, listening at `address`.
    pub(super) fn gateway(&self, folder: &Path, address: &str, env: &[(&str, &str)]) -> Process {
        let mut gateway = command(Path::new("nsenter"), folder, env);
        gateway
            .args([&*self.namespace(), "--"])
            .arg(gateway_binary())
            .env("API_BIND", address);
        let log = folder.join("gateway.log");
        Process::start(gateway, "gateway listening on ", log)
    }

    /// Takes an interface in it down, or up again.
    pub(super) fn set(&self, interface: &str, state: &str) {
        let mut ip = self.command("ip");
        let done = ip.args(["link", "set", interface, state]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A wire between this namespace and another one (`scripts/test-faults/link.py`).
pub(super) struct Link {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The interface, at both ends.
    pub(super) name: String,
    /// The address at this end.
    pub(super) near: String,
    /// The address at the other end.
    pub(super) far: String,
}

impl Link {
    /// The wire of that number; no two at a time may have the same.
    pub(super) fn to(elsewhere: &Elsewhere, number: u8) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/test-faults/link.py");
        let name = format!("wire{number}");
        let (near, far) = (format!("10.77.{number}.1"), format!("10.77.{number}.2"));
        let mut child = Command::new("python3")
            .arg(program)
            .args([&elsewhere.0.id().to_string(), &name])
            .args([format!("{near}/24"), format!("{far}/24")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        assert_eq!(
            line(&mut output),
            "ok",
            "a wire needs root and /dev/net/tun"
        );
        Self {
            input: child.stdin.take(),
            child,
            output,
            name,
            near,
            far,
        }
    }

    /// Has it lose, delay, cut or mend, from now on.
    pub(super) fn tell(&mut self, what: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{what}\n").as_bytes()).unwrap();
        assert_eq!(line(&mut self.output), "ok");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It ends when nobody can tell it anything more.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim().to_owned()
}
