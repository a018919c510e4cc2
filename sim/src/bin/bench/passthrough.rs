//! What forwards and does nothing else: nginx and a bare Pingora.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use tokio::process::Command;

use crate::process::Running;
use crate::target::{Programs, built};

/// What of nginx is set, in words.
pub(crate) const NGINX_SETTINGS: &str = "`worker_processes 1`, `keepalive 1024` to the upstream, \
     `proxy_buffering off`, `proxy_request_buffering off`, `access_log off`";

/// Whether nginx can be started.
pub(crate) fn nginx_version() -> Option<String> {
    let output = std::process::Command::new("nginx")
        .arg("-v")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    Some(text.rsplit('/').next()?.trim().to_owned())
}

/// Start a Pingora with nothing but `upstream_peer`.
pub(crate) fn pingora(
    address: SocketAddr,
    upstream: SocketAddr,
    programs: &Programs,
    folder: &Path,
) -> Result<Running> {
    built(&programs.pingora, "-p proxy --example bare_pingora")?;
    let mut command = Command::new(&programs.pingora);
    command
        .args(["--listen", &address.to_string()])
        .args(["--upstream", &upstream.to_string(), "--threads", "1"])
        .current_dir(folder);
    Running::start("bare-pingora", &mut command, folder)
}

/// Start nginx with [`NGINX_SETTINGS`].
pub(crate) fn nginx(address: SocketAddr, upstream: SocketAddr, folder: &Path) -> Result<Running> {
    // One process without a master: it does one worker's work and leaves no
    // orphan when it is ended.
    let config = format!(
        "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 16000; }}
http {{
  access_log off; client_max_body_size 64m; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream simulated {{ server {upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen {address} backlog=8192;
    location / {{
      proxy_pass http://simulated; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 300s;
    }}
  }}
}}
",
        folder = folder.display()
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file).arg("-p").arg(folder);
    Running::start("nginx", &mut command, folder)
}
