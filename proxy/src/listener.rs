//! Connections into Pingora's proxy service, new ones and those that come back
//! after a long call.

use std::sync::Arc;

use async_trait::async_trait;
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
    /// Says when no more connections are taken. Those that are open are served on: their
    /// callers may be about to send a request, and are told with its answer.
    closed: ShutdownWatch,
}

impl Listener {
    pub(crate) fn new(conf: &Arc<ServerConf>, gateway: Arc<Gateway>) -> Self {
        Self {
            proxy: Arc::new(pingora_proxy::http_proxy(conf, Front(Arc::clone(&gateway)))),
            closed: gateway.phase.closed(),
            gateway,
        }
    }

    /// Goes on with a caller's connection whose reply has been written.
    pub(crate) async fn resume(self: Arc<Self>, caller: ServerSession) {
        if let Ok(Some(reusable)) = caller.finish().await {
            let (mut stream, early) = reusable.into_parts();
            // Early bytes belong to a pipelined request, which is not read ahead.
            if early.is_some() {
                return;
            }
            while let Some(again) = self.process_new(stream, &self.closed).await {
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
        // Whoever is first sets it; it is the same for everyone.
        self.gateway.listener.get_or_init(|| Arc::downgrade(self));
        let open = self.gateway.phase.enter();
        let again = self.proxy.process_new(stream, shutdown).await;
        drop(open);
        again
    }
}
