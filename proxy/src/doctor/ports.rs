//! Whether a program can listen where it should, or who is there instead.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};

use store::config::process::Program;

use super::verdict::Section;

/// Looks at the address of a program.
pub(super) fn look(program: Program, address: SocketAddr, section: &mut Section) {
    let name = program_name(program);
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
        Some(Holder {
            pid,
            program: found,
        }) if found == binary(program) => {
            section.ok(format!("{name} is running at {address} (process {pid})"));
        }
        Some(Holder {
            pid,
            program: found,
        }) => section.error(
            format!("{address} is taken by {found} (process {pid}), so {name} cannot start"),
            format!("end it, or set {} to another port", variable(program)),
        ),
        None => section.note(
            format!("{address} is taken; by whom, this user may not see"),
            format!(
                "if it is not {name}, end that program, or set {} to another port",
                variable(program)
            ),
        ),
    }
}

fn program_name(program: Program) -> &'static str {
    match program {
        Program::Gateway => "the gateway",
        Program::Admin => "the admin app",
    }
}

fn binary(program: Program) -> &'static str {
    match program {
        Program::Gateway => "serverless-proxy",
        Program::Admin => "serverless-proxy-admin",
    }
}

fn variable(program: Program) -> &'static str {
    match program {
        Program::Gateway => "API_PORT",
        Program::Admin => "ADMIN_PORT",
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
