//! A bare Pingora pass-through: the yardstick of the benchmarks.
//!
//! One `ProxyHttp` with nothing but `upstream_peer`, on Pingora's own defaults:
//! what a request costs when the gateway does nothing at all. It reads no body,
//! keeps no ledger and knows no model.

use std::net::SocketAddr;

use async_trait::async_trait;
use clap::Parser;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Forward every request to one upstream with Pingora and nothing else.
#[derive(Parser)]
struct Args {
    /// Address to listen on, such as 127.0.0.1:9001.
    #[arg(long)]
    listen: SocketAddr,
    /// Address of the upstream (HTTP/1.1 without TLS).
    #[arg(long)]
    upstream: SocketAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

struct PassThrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    let args = Args::parse();
    let conf = ServerConf {
        threads: args.threads,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(
        &server.configuration,
        PassThrough {
            upstream: args.upstream,
        },
    );
    service.add_tcp(&args.listen.to_string());
    server.add_service(service);
    server.run_forever();
}
