//! Connections into Pingora's proxy service, new ones and those that come back
//! after a long call.
//!
//! However slowly a caller sends, and whether it sends anything, it has a connection for so
//! long as [`Config::caller_idle`] says and no request is whole. When callers have as many
//! connections as there is room for, who comes next is told so and let go.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp as _, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use store::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::descriptors;
use crate::fault::Fault;
use crate::gateway::{Front, Gateway};

/// Longest time for the first bytes of a caller for whom there is no room.
const FIRST_BYTES: Duration = Duration::from_secs(1);

/// Hands every connection to the proxy service.
pub(crate) struct Listener {
    gateway: Arc<Gateway>,
    proxy: Arc<HttpProxy<Front>>,
    /// Says when no more connections are taken. Those that are open are served on: their
    /// callers may be about to send a request, and are told with its answer.
    closed: ShutdownWatch,
    idle: Duration,
    /// How many connections callers may have.
    room: usize,
    is_full: AtomicBool,
}

/// Whether the head of a connection's next request has come.
#[derive(Clone, Default)]
struct Come(Arc<AtomicBool>);

/// The head of the request has come whose session had `context`.
pub(crate) fn has_come(context: &(dyn Any + Send + Sync)) {
    if let Some(Come(come)) = context.downcast_ref() {
        come.store(true, Ordering::Relaxed);
    }
}

impl Listener {
    pub(crate) fn new(conf: &Arc<ServerConf>, gateway: Arc<Gateway>, config: &Config) -> Self {
        Self {
            proxy: Arc::new(pingora_proxy::http_proxy(conf, Front(Arc::clone(&gateway)))),
            closed: gateway.phase.closed(),
            gateway,
            idle: config.caller_idle,
            room: descriptors::for_callers(),
            is_full: AtomicBool::new(false),
        }
    }

    /// Goes on with a caller's connection whose reply has been written.
    pub(crate) async fn resume(self: Arc<Self>, caller: ServerSession) {
        if let Ok(Some(reusable)) = caller.finish().await {
            let (stream, early) = reusable.into_parts();
            // Early bytes belong to a pipelined request, which is not read ahead.
            if early.is_none() {
                self.serve(stream, &self.closed).await;
            }
        }
    }

    /// Serves one request of a connection after the other.
    async fn serve(&self, stream: Stream, shutdown: &ShutdownWatch) {
        let Come(come) = Come::default();
        let mut next = Some(ReusedHttpStream::new(stream, None));
        while let Some((stream, kept)) = next.map(ReusedHttpStream::consume) {
            let mut session = ServerSession::new_http1(stream);
            // How long it may take is said below, for all of a head together.
            session.set_keepalive(Some(0));
            if let Some(kept) = kept {
                kept.apply_to_session(&mut session);
            }
            come.store(false, Ordering::Relaxed);
            session.set_connection_user_context(Some(Box::new(Come(Arc::clone(&come)))));
            let late = async {
                pingora::time::sleep(self.idle).await;
                if come.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
            };
            next = tokio::select! {
                biased;
                next = self.proxy.process_new_http(session, shutdown) => next,
                () = late => None,
            };
        }
    }

    /// Whether there is room for a connection that has been counted.
    fn has_room(&self) -> bool {
        let open = self.gateway.phase.connections();
        let is_full = open > self.room;
        if is_full != self.is_full.load(Ordering::Relaxed) {
            let was_full = self.is_full.swap(is_full, Ordering::Relaxed);
            if is_full && !was_full {
                tracing::warn!(
                    room = self.room,
                    "callers have as many connections as there is room for; who comes next is \
                     turned away (raise the limit of open files)"
                );
            }
        }
        !is_full
    }
}

/// Tells a caller that there is no room, behind its first bytes: what is closed on unread
/// ones resets, and it would not see why.
async fn turn_away(mut stream: Stream) {
    let told = async {
        let mut first = [0; 4096];
        if stream.read(&mut first).await? == 0 {
            return Ok(());
        }
        let body = Fault::no_room("callers have too many connections")
            .body
            .to_json();
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await
    };
    drop(pingora::time::timeout(FIRST_BYTES, told).await);
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
        if self.has_room() {
            self.serve(stream, shutdown).await;
        } else {
            turn_away(stream).await;
        }
        drop(open);
        None
    }
}
