//! The Pingora service: every request comes in here and is answered here.
//!
//! All routes are answered in `request_filter`; the phases that follow belong to
//! the lane that passes bytes through uninterpreted, which no route takes.
//! [`crate::life::detached`] is where a stream goes on after `request_filter` has
//! returned.

mod local;
mod responses;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use http::header::RETRY_AFTER;
use pingora::connectors::ConnectorOptions;
use pingora::protocols::http::ServerSession;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use pingora_proxy::{ProxyHttp, Session};
use store::config::Config;

use crate::affinity::Affinity;
use crate::answers::Answers;
use crate::closing::Closing;
use crate::conversations::Conversations;
use crate::fault::Fault;
use crate::flights::Flights;
use crate::ledger::Ledger;
use crate::life::Told;
use crate::life::authenticate::authenticate;
use crate::life::{self, reply};
use crate::listener::Listener;
use crate::live::watch::Current;
use crate::phase::Phase;
use crate::routes::{Route, dialect_of};
use crate::thoughts::Thoughts;
use crate::upstream::{Pool, Timeouts};
use crate::{health, request_id};
use wire::code::{Code, Kind};
use wire::inbound::CallerDialect;

/// What every request shares.
pub(crate) struct Gateway {
    pub(crate) current: Arc<Current>,
    pub(crate) ledger: Ledger,
    pub(crate) pool: Arc<Pool>,
    pub(crate) timeouts: Timeouts,
    pub(crate) affinity: Affinity,
    pub(crate) thoughts: Thoughts,
    pub(crate) conversations: Conversations,
    /// Whole answers that are given again.
    pub(crate) answers: Answers,
    /// Calls whose answers identical ones wait for.
    pub(crate) flights: Flights,
    /// How far the end of the program has come.
    pub(crate) phase: Phase,
    /// What is to be ended at other places before the program is.
    pub(crate) closing: Closing,
    /// The version of Ollama that its clients are told.
    pub(crate) ollama_version: String,
    /// The Ollama endpoint whose models its clients manage, where the operator names one.
    pub(crate) ollama_endpoint: Option<String>,
    /// Longest request body in bytes.
    pub(crate) max_body: usize,
    /// Where what is too long for memory lies for the length of a call: the store's own
    /// folder, which is on a disk and may be written to.
    pub(crate) folder: PathBuf,
    pub(crate) started: Instant,
    /// Where a connection goes on after a long call.
    pub(crate) listener: OnceLock<Weak<Listener>>,
}

impl Gateway {
    pub(crate) fn new(
        config: &Config,
        server: &ServerConf,
        current: Arc<Current>,
        ledger: Ledger,
        phase: Phase,
        closing: Closing,
    ) -> Self {
        let options = ConnectorOptions::from_server_conf(server);
        Self {
            current,
            ledger,
            pool: Arc::new(Pool::new(&options)),
            timeouts: Timeouts::new(config),
            affinity: Affinity::new(),
            thoughts: Thoughts::new(),
            conversations: Conversations::new(),
            answers: Answers::new(config),
            flights: Flights::default(),
            phase,
            closing,
            ollama_version: config.ollama_version.clone(),
            ollama_endpoint: config.ollama_endpoint.clone(),
            max_body: usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX),
            folder: config
                .database_path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .map_or_else(|| PathBuf::from("."), PathBuf::from),
            started: Instant::now(),
            listener: OnceLock::new(),
        }
    }
}

/// What Pingora calls. Every clone is the same gateway.
#[derive(Clone)]
pub(crate) struct Front(pub(crate) Arc<Gateway>);

impl Front {
    async fn serve(&self, session: &mut Session) {
        let caller = &mut *session.downstream_session;
        let header = caller.req_header();
        let route = Route::find(&header.method, header.uri.path());
        let id = request_id::of(&header.headers);
        // While a call lasts the connection is watched; what a caller sends ahead
        // meanwhile is kept for the next call.
        caller.set_pipelining_enabled(true);
        // A caller that reads nothing does not hold its upstream for ever.
        caller.set_write_timeout(Some(self.0.timeouts.silence));
        let stopping = self.0.phase.is_draining();
        if stopping {
            caller.set_keepalive(None);
        }
        let told = match route {
            Route::Call(dialect) if stopping => {
                reply::refuse(caller, dialect, &stopped(), &id, 0, &Told::default()).await
            }
            Route::Call(dialect) => return life::run(&self.0, session, dialect, id).await,
            Route::Lifecycle(_) if stopping => refuse(caller, &stopped(), &id).await,
            Route::Lifecycle(lifecycle) => {
                return Box::pin(life::tend(&self.0, session, &lifecycle, &id)).await;
            }
            Route::CountTokens => Box::pin(life::count(&self.0, caller, &id)).await,
            Route::ModelList => self.models(caller, &id).await,
            Route::Model(name) => self.model(caller, &name, &id).await,
            Route::Kept(kept) => self.kept(caller, &kept, &id).await,
            Route::CountInput => self.count(caller, &id).await,
            Route::Ollama(asked) => self.local(caller, asked, &id).await,
            Route::Health => self.health(caller, &id).await,
            Route::Probe => json(caller, 200, &id, Bytes::from_static(b"{}")).await,
            Route::Preflight => preflight(caller, &id).await,
            Route::WrongMethod(allowed) => wrong_method(caller, allowed, &id).await,
            Route::Unknown => unknown(caller, &id).await,
        };
        match told {
            Ok(()) => Box::pin(reply::drain(caller)).await,
            Err(err) => {
                tracing::debug!(request_id = %id, error = %err, "the caller was gone before it was answered");
            }
        }
    }

    async fn models(&self, caller: &mut ServerSession, id: &str) -> pingora::Result<()> {
        let live = self.0.current.live();
        match authenticate(&live, caller) {
            Ok(who) => {
                let list = live.model_list(spoken(caller), who.key.as_deref());
                json(caller, 200, id, list).await
            }
            Err(fault) => refuse(caller, &fault, id).await,
        }
    }

    /// A stranger learns whether the gateway is up and nothing of what is behind it.
    async fn health(&self, caller: &mut ServerSession, id: &str) -> pingora::Result<()> {
        let report = match authenticate(&self.0.current.live(), caller) {
            Ok(_) => health::report(&self.0),
            Err(_) => health::brief(&self.0),
        };
        let mut header = reply::header(spoken(caller), health::status(&self.0), id)?;
        if self.0.phase.is_draining() {
            header.insert_header(RETRY_AFTER, "1")?;
        }
        reply::send_json(caller, header, report.to_string().into()).await
    }

    async fn model(&self, caller: &mut ServerSession, name: &str, id: &str) -> pingora::Result<()> {
        let live = self.0.current.live();
        let described = authenticate(&live, caller)
            .and_then(|who| life::describe(&live, &who, spoken(caller), name));
        match described {
            Ok(entry) => json(caller, 200, id, entry.to_string().into()).await,
            Err(fault) => refuse(caller, &fault, id).await,
        }
    }
}

async fn json(
    caller: &mut ServerSession,
    status: u16,
    id: &str,
    body: Bytes,
) -> pingora::Result<()> {
    let header = reply::header(spoken(caller), status, id)?;
    reply::send_json(caller, header, body).await
}

/// What a caller speaks who makes no call of a model. Of the paths only Ollama's tell:
/// Anthropic's clients all say the version of their API.
fn spoken(caller: &ServerSession) -> CallerDialect {
    let by_path = dialect_of(caller.req_header().uri.path());
    match (by_path, caller.get_header("anthropic-version")) {
        (Some(dialect @ CallerDialect::Ollama(_)), _) => dialect,
        (_, Some(_)) => CallerDialect::AnthropicMessages,
        (_, None) => CallerDialect::OpenAiChat,
    }
}

async fn refuse(caller: &mut ServerSession, fault: &Fault, id: &str) -> pingora::Result<()> {
    reply::refuse(caller, spoken(caller), fault, id, 0, &Told::default()).await
}

/// What a call is told that the end of the program ends.
pub(crate) fn stopped() -> Fault {
    let message = "The gateway is being stopped or restarted. Send the request again.";
    let mut fault = Fault::refused(503, Code::GatewayStopping, message);
    fault.body.kind = Kind::Server.as_str().to_owned();
    fault.retry_after = Some("1".to_owned());
    fault
}

async fn unknown(caller: &mut ServerSession, id: &str) -> pingora::Result<()> {
    let header = caller.req_header();
    let message = format!(
        "Nothing answers to {} {}. The API is under /v1: chat/completions, completions, responses, messages, embeddings, images, audio, moderations, rerank and models. Ollama's own is under /api: chat, generate, embed, embeddings, tags, show, ps, version, pull, push, create, copy, delete and blobs.",
        header.method,
        header.uri.path()
    );
    let fault = Fault::refused(404, Code::UnknownPath, message);
    refuse(caller, &fault, id).await
}

async fn wrong_method(
    caller: &mut ServerSession,
    allowed: &'static str,
    id: &str,
) -> pingora::Result<()> {
    let header = caller.req_header();
    let message = format!(
        "{} does not take {}; use {allowed}.",
        header.uri.path(),
        header.method
    );
    let fault = Fault::refused(405, Code::MethodNotAllowed, message);
    let dialect = spoken(caller);
    let (status, body) = dialect.error(fault.status, &fault.body, id);
    let mut header = reply::header(dialect, status, id)?;
    header.insert_header("allow", allowed)?;
    reply::send_json(caller, header, body).await
}

/// Browsers ask before they send JSON with a key; every origin may call, because a
/// key is asked for, not a cookie.
async fn preflight(caller: &mut ServerSession, id: &str) -> pingora::Result<()> {
    let asked = caller.get_header("access-control-request-headers").cloned();
    let mut header = reply::header(CallerDialect::OpenAiChat, 204, id)?;
    header.insert_header(
        "access-control-allow-methods",
        "GET, HEAD, POST, DELETE, OPTIONS",
    )?;
    header.insert_header(
        "access-control-allow-headers",
        asked.unwrap_or(HeaderValue::from_static(
            "authorization, x-api-key, api-key, content-type",
        )),
    )?;
    header.insert_header("access-control-max-age", "86400")?;
    caller.write_response_header(header).await
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    /// Answers every request; `Ok(true)` tells Pingora that it has been.
    async fn request_filter(
        &self,
        session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> pingora::Result<bool> {
        self.serve(session).await;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> pingora::Result<Box<HttpPeer>> {
        Error::e_explain(
            ErrorType::InternalError,
            "every route is answered before a peer is chosen",
        )
    }
}
