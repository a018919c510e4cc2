//! The gateway as an operator would have it: configured through the admin API,
//! with its ledger on, one endpoint and one virtual model for each dialect of the
//! simulated upstream.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::dialect::Dialect;
use crate::http::Connection;
use crate::process::{Running, START, free_address};
use crate::scenario::{ACTUAL_MODEL, UPSTREAM_KEY};
use crate::target::{Programs, built};

/// Configure a new store and start the gateway over it.
pub(crate) async fn start(
    address: SocketAddr,
    upstream: SocketAddr,
    programs: &Programs,
    folder: &Path,
) -> Result<Running> {
    built(&programs.gateway, "-p proxy --bin serverless-proxy")?;
    built(&programs.admin, "-p admin --bin serverless-proxy-admin")?;
    let store = folder.join("proxy.db");
    configure(upstream, programs, folder, &store).await?;

    let mut command = clean(&programs.gateway, folder);
    command
        .env("API_BIND", address.ip().to_string())
        .env("API_PORT", address.port().to_string())
        .env("METRICS_PORT", "0")
        .env("DATABASE_PATH", &store)
        .env("THREADS", "1");
    Running::start("serverless-proxy", &mut command, folder)
}

async fn configure(
    upstream: SocketAddr,
    programs: &Programs,
    folder: &Path,
    store: &Path,
) -> Result<()> {
    let address = free_address()?;
    let mut command = clean(&programs.admin, folder);
    command
        .env("ADMIN_BIND", address.ip().to_string())
        .env("ADMIN_PORT", address.port().to_string())
        .env("AUTH_ENABLED", "false")
        .env("DATABASE_PATH", store);
    let mut admin = Running::start("serverless-proxy-admin", &mut command, folder)?;
    admin
        .ready(START, async || {
            Connection::open(address).await?;
            Ok(())
        })
        .await?;
    for dialect in Dialect::ALL {
        let kind = dialect.endpoint_type();
        let endpoint = post(
            address,
            "/api/admin/endpoints",
            &json!({
                "name": format!("bench-{kind}"),
                "url": format!("http://{upstream}"),
                "api_key": UPSTREAM_KEY,
                "endpoint_type": kind,
            }),
        )
        .await?;
        let id = endpoint["id"]
            .as_i64()
            .context("the new endpoint has no id")?;
        post(
            address,
            "/virtual-models",
            &json!({
                "name": dialect.virtual_model(),
                "endpoint_id": id,
                "actual_model": ACTUAL_MODEL,
            }),
        )
        .await?;
    }
    admin.end().await
}

/// A command that sees nothing of the caller's settings and no `.env` file.
fn clean(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(folder);
    command
}

async fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(address).await?;
    let (status, reply) = connection.exchange(request.as_bytes()).await?;
    ensure!(
        matches!(status, 200 | 201),
        "the admin app answered {status} to POST {path}: {}",
        String::from_utf8_lossy(&reply)
    );
    serde_json::from_slice(&reply).with_context(|| format!("POST {path}: the reply is not JSON"))
}
