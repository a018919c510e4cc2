//! The program `sim`: what it prints is what scripts read.

use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test]
async fn it_prints_an_address_a_line_and_serves_there() {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["demo", "--key", "sk-demo", "--script", "say=here"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    for flavor in sim::Flavor::every() {
        let line = lines.next_line().await.unwrap().unwrap();
        let address = line
            .strip_prefix(&format!("sim {} http://", flavor.id()))
            .unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /none HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 404"), "{line}: {reply}");
    }
    program.start_kill().unwrap();
    program.wait().await.unwrap();
}

#[test]
fn a_wrong_flavor_or_script_is_refused_with_what_is_known() {
    for (arguments, part) in [
        (["--flavor", "gopher"], "known: openai, vllm"),
        (["--script", "chunk=3"], "`chunk=3` is not a directive"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_sim"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(part), "{text}");
    }
}
