//! Connections into Pingora's proxy service, new ones and those that come back
//! after a long call.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use pingora::apps::HttpServerApp;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;

use crate::gateway::{Front, Gateway};

/// Hands every connection to the proxy service.
pub(crate) struct Listener {
    gateway: Arc<Gateway>,
    proxy: Arc<HttpProxy<Front>>,
    /// Says when the server stops; known from the first connection on.
    shutdown: OnceLock<ShutdownWatch>,
}

impl Listener {
    pub(crate) fn new(conf: &Arc<ServerConf>, gateway: Arc<Gateway>) -> Self {
        Self {
            proxy: Arc::new(pingora_proxy::http_proxy(conf, Front(Arc::clone(&gateway)))),
            gateway,
            shutdown: OnceLock::new(),
        }
    }

    /// Goes on with a caller's connection whose reply has been written.
    pub(crate) async fn resume(self: Arc<Self>, caller: ServerSession) {
        let Some(shutdown) = self.shutdown.get() else {
            return;
        };
        if *shutdown.borrow() {
            return;
        }
        if let Ok(Some(reusable)) = caller.finish().await {
            let (mut stream, early) = reusable.into_parts();
            // Early bytes belong to a pipelined request, which is not read ahead.
            if early.is_some() {
                return;
            }
            while let Some(again) = self.process_new(stream, shutdown).await {
                stream = again;
            }
        }
    }
}

#[async_trait]
impl ServerApp for Listener {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        if self.shutdown.get().is_none() {
            // Whoever is first sets both; they are the same for everyone.
            self.gateway.listener.get_or_init(|| Arc::downgrade(self));
            self.shutdown.get_or_init(|| shutdown.clone());
        }
        self.proxy.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
