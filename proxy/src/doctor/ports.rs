//! Whether a program can listen where it should, or who is there instead.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};

use store::config::process::Program;

use super::verdict::Section;

/// What listens somewhere.
pub(super) struct Listener {
    /// What a person calls it.
    name: &'static str,
    /// The program that it belongs to.
    binary: &'static str,
    /// The setting of its port.
    variable: &'static str,
    /// Whose words tell why an address cannot be taken.
    program: Program,
}

/// The gateway's API.
pub(super) const GATEWAY: Listener = Listener {
    name: "the gateway",
    binary: "serverless-proxy",
    variable: "API_PORT",
    program: Program::Gateway,
};

/// The gateway's numbers.
pub(super) const METRICS: Listener = Listener {
    name: "the gateway's /metrics",
    variable: "METRICS_PORT",
    ..GATEWAY
};

/// The admin app.
pub(super) const ADMIN: Listener = Listener {
    name: "the admin app",
    binary: "serverless-proxy-admin",
    variable: "ADMIN_PORT",
    program: Program::Admin,
};

/// Looks at the address of a listener.
pub(super) fn look(listener: &Listener, address: SocketAddr, section: &mut Section) {
    let Listener {
        name,
        binary,
        variable,
        program,
    } = listener;
    if address.port() == 0 {
        section.note(format!("{name} takes any free port"), "");
        return;
    }
    let Err(why) = TcpListener::bind(address) else {
        section.ok(format!(
            "{address} is free for {name}, which is not running"
        ));
        return;
    };
    if why.kind() != io::ErrorKind::AddrInUse {
        section.error(program.cannot_listen(address, &why), "");
        return;
    }
    match holder(address.port()) {
        Some(Holder { pid, program }) if program == *binary => {
            section.ok(format!("{name} is running at {address} (process {pid})"));
        }
        Some(Holder { pid, program }) => section.error(
            format!("{address} is taken by {program} (process {pid}), so {name} cannot start"),
            format!("end it, or set {variable} to another port"),
        ),
        None => section.note(
            format!("{address} is taken; by whom, this user may not see"),
            format!("if it is not {name}, end that program, or set {variable} to another port"),
        ),
    }
}

struct Holder {
    pid: u32,
    program: String,
}

/// Who listens on `port`, as far as this user may see it.
fn holder(port: u16) -> Option<Holder> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(open) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let has_it = open.flatten().any(|entry| {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        });
        if has_it {
            let exe = fs::read_link(process.path().join("exe")).unwrap_or_default();
            let program = exe.file_name().unwrap_or_default().to_string_lossy();
            // What has been upgraded while it runs.
            let program = program.trim_end_matches(" (deleted)").to_owned();
            return Some(Holder { pid, program });
        }
    }
    None
}

/// The inodes of listening sockets on `port` in a table of the kernel's.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let ending = format!(":{port:04X}");
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|fields| {
        let is_it = fields.get(1)?.ends_with(&ending) && *fields.get(3)? == LISTEN;
        is_it
            .then(|| fields.get(9).map(|inode| (*inode).to_owned()))
            .flatten()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::net::TcpListener;

    use super::{holder, listening};

    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
           0: 0100007F:1F42 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n\
           1: 0100007F:1F42 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 0 0 10 0\n\
           2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0\n";
        assert_eq!(listening(table, 8002), ["4711"]);
        assert_eq!(listening(table, 8003), Vec::<String>::new());
    }

    #[test]
    fn whoever_listens_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = holder(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(found.pid, std::process::id());
    }
}
