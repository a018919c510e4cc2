//! What Ollama's clients do with the models of a server: they are pulled, pushed, made,
//! copied and deleted at one Ollama endpoint, whose answer goes back as it comes.
//!
//! Only callers of trusted addresses may, and none whose key allows some models only: names
//! are the server's own here, not those of virtual models. It is no call of a model: no
//! limit counts it and it leaves no row, only a line in the log. A blob is never held whole.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora_proxy::Session;
use serde_json::Value;
use store::route::short;
use tokio::sync::{Mutex, mpsc};
use wire::code::Code;
use wire::dialect::ollama::OllamaCall;
use wire::edit::Segments;
use wire::inbound::CallerDialect;
use wire::usage::Watch;

use super::authenticate::{Caller, authenticate};
use super::send::{Feed, Outgoing, Passing, exchange, refused};
use super::{Told, accept, cargo, detached, relay, reply};
use crate::fault::Fault;
use crate::gateway::{Gateway, stopped};
use crate::live::{Head, Live, Target};
use crate::routes::Lifecycle;

const DIALECT: CallerDialect = CallerDialect::Ollama(OllamaCall::Chat);

/// The header in which a caller names an Ollama endpoint.
const ENDPOINT: &str = "x-gateway-endpoint";

/// Does `lifecycle` at an Ollama endpoint, for the caller of `session`.
pub(crate) async fn tend(
    gateway: &Gateway,
    session: &mut Session,
    lifecycle: &Lifecycle,
    id: &str,
) {
    let caller = &mut *session.downstream_session;
    let Err(fault) = passed_on(gateway, caller, lifecycle, id).await else {
        reply::drain(caller).await;
        return;
    };
    if let Some(private) = &fault.private {
        tracing::info!(request_id = id, code = ?fault.body.code, "{private}");
    }
    let told = if fault.hung_up || reply::has_begun_otherwise(caller) {
        false
    } else if reply::has_begun(caller) {
        let (_, line) = DIALECT.error(fault.status, &fault.body, id);
        reply::break_off(caller, line).await.is_ok()
    } else {
        let limits = Told::default();
        let told = reply::refuse(caller, DIALECT, &fault, id, 0, &limits).await;
        let told = told.is_ok();
        reply::drain(caller).await;
        told
    };
    if !told {
        detached::close(session);
    }
}

async fn passed_on(
    gateway: &Gateway,
    caller: &mut ServerSession,
    lifecycle: &Lifecycle,
    id: &str,
) -> Result<(), Fault> {
    let live = gateway.current.live();
    let who = authenticate(&live, caller)?;
    require_trusted(&live, &who)?;
    let (method, path) = lifecycle.place().ok_or_else(|| {
        let message = "A blob is named by sha256: and the 64 hexadecimal digits of its digest.";
        Fault::caller(400, Code::InvalidDigest, message)
    })?;
    let named = caller.get_header(ENDPOINT).map(HeaderValue::as_bytes);
    let named = named.map(String::from_utf8_lossy);
    let named = named.as_deref().or(gateway.ollama_endpoint.as_deref());
    let target = server(&live, named.map(str::trim))?;
    let endpoint = &target.upstream.endpoint;
    let provider = endpoint.provider.provider();
    let url = provider.beside(&target.upstream.base, &path);
    let head = target.head(method, &url);
    let head = head.map_err(|err| Fault::internal(format!("the request's head: {err}")))?;
    let is_sent = matches!(lifecycle, Lifecycle::Blob { asks: false, .. });
    let (cargo, ferry) = if is_sent {
        let (_, announced) = accept::greet(caller, usize::MAX).await?;
        let (sender, receiver) = mpsc::channel(1);
        let stream = Stream {
            pieces: Mutex::new(receiver),
            is_begun: AtomicBool::new(false),
            length: announced,
        };
        (Cargo::Stream(stream), Some(cargo::Ferry::plain(sender)))
    } else {
        let body = accept::whole(caller, gateway.max_body).await?;
        (Cargo::Whole(Segments::from(body)), None)
    };
    tracing::info!(
        request_id = id,
        address = ?who.address,
        key = who.key.as_ref().map(|key| key.label.as_str()),
        endpoint = endpoint.name,
        model = cargo.models().map(|names| short(&names).to_owned()),
        path,
        "models of an Ollama server: {}",
        lifecycle.name(),
    );
    let request = Request {
        head,
        id: HeaderValue::from_str(id)
            .map_err(|err| Fault::internal(format!("the request id is no header value: {err}")))?,
        cargo,
        nothing: Segments::default(),
    };
    let answer = {
        let mut attended = pin!(cargo::attend(ferry, caller, gateway.timeouts.silence));
        let mut work = pin!(ask(gateway, target, &request, lifecycle, id));
        tokio::select! {
            biased;
            answer = &mut work => answer?,
            over = &mut attended => return Err(over),
            () = gateway.closing.told() => return Err(stopped()),
        }
    };
    relay::plainly(gateway, caller, Box::new(answer)).await
}

/// # Errors
/// For a caller who may call models and no more.
fn require_trusted(live: &Live, who: &Caller) -> Result<(), Fault> {
    if live.door.asks(who.address) {
        let message = "The models of an Ollama server are managed from trusted addresses only (TRUSTED_INTERNAL_CIDRS); a key does not open this.";
        let from = who.address.map(|address| address.to_string());
        let from = from.unwrap_or_else(|| "an address that its proxy does not tell".to_owned());
        return Err(Fault::refused(403, Code::NotTrusted, message)
            .with_private(format!("{from} is no trusted address")));
    }
    match &who.key {
        Some(key) if key.allowed_models.is_some() => {
            let message = "This API key may call some models only, and so it may not manage the models of an Ollama server.";
            Err(Fault::refused(403, Code::NotTrusted, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// The Ollama endpoint of that name, or the preferred one.
///
/// # Errors
/// When there is none.
fn server<'l>(live: &'l Live, named: Option<&str>) -> Result<&'l Arc<Target>, Fault> {
    let found = match named {
        Some(name) => live
            .ollamas()
            .find(|target| target.upstream.endpoint.name == name),
        None => live.ollamas().next(),
    };
    found.ok_or_else(|| {
        let message = match named {
            Some(name) => format!(
                "No enabled endpoint of the type ollama is called '{}'. It is named by the header x-gateway-endpoint or the setting OLLAMA_ENDPOINT.",
                short(name)
            ),
            None => "No endpoint of the type ollama is enabled, so there are no models to manage. Virtual models are managed in the admin app.".to_owned(),
        };
        Fault::refused(404, Code::NoOllamaEndpoint, message)
    })
}

/// The answer with its first bytes. That a blob is not there is an answer too.
async fn ask(
    gateway: &Gateway,
    target: &Arc<Target>,
    request: &Request,
    lifecycle: &Lifecycle,
    id: &str,
) -> Result<Passing, Fault> {
    let mut sent = exchange(&gateway.pool, target, request).await?;
    let asks = matches!(lifecycle, Lifecycle::Blob { asks: true, .. });
    let status = sent.status();
    let is_answer = (200..300).contains(&status) || (asks && status == 404);
    if !is_answer {
        return Err(refused(&gateway.pool, sent, target).await);
    }
    let header = relay::passed_header(&sent, DIALECT, id)?;
    let first = match sent.read().await {
        Ok(piece) => piece.map(|piece| Bytes::copy_from_slice(piece.as_ref())),
        Err(error) => return Err(relay::cut(&error, target)),
    };
    Ok(Passing {
        target: Arc::clone(target),
        header: Some(header),
        sent,
        first,
        // What is said of models is no usage.
        watch: Watch::of(""),
        pass: None,
    })
}

/// What goes to the server.
struct Request {
    head: Head,
    id: HeaderValue,
    cargo: Cargo,
    nothing: Segments,
}

enum Cargo {
    Whole(Segments),
    Stream(Stream),
}

/// A body that comes from the caller as it is taken, once.
struct Stream {
    pieces: Mutex<mpsc::Receiver<Bytes>>,
    is_begun: AtomicBool,
    /// Its bytes, where the caller announces them.
    length: Option<usize>,
}

impl Cargo {
    /// The models that a body names.
    fn models(&self) -> Option<String> {
        let Self::Whole(body) = self else {
            return None;
        };
        let body: Value = serde_json::from_slice(&body.to_bytes()).ok()?;
        let fields = ["model", "name", "source", "destination", "from"].into_iter();
        let named: Vec<&str> = fields
            .filter_map(|field| body.get(field)?.as_str())
            .collect();
        Some(named.join(", ")).filter(|names| !names.is_empty())
    }
}

impl Outgoing for Request {
    fn header(&self, _tls: bool) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let length = match &self.cargo {
            Cargo::Whole(body) => body.len(),
            Cargo::Stream(_) => 0,
        };
        let (mut header, lines) = self.head.for_body(true, length, &self.id)?;
        if let Cargo::Stream(stream) = &self.cargo {
            header.insert_header(CONTENT_TYPE, "application/octet-stream")?;
            match stream.length {
                Some(length) => header.insert_header(CONTENT_LENGTH, length)?,
                None => header.insert_header(TRANSFER_ENCODING, "chunked")?,
            };
        }
        Ok((header, lines))
    }

    fn body(&self) -> &Segments {
        match &self.cargo {
            Cargo::Whole(body) => body,
            Cargo::Stream(_) => &self.nothing,
        }
    }

    fn feed(&self) -> Option<Box<dyn Feed + '_>> {
        match &self.cargo {
            Cargo::Whole(_) => None,
            Cargo::Stream(stream) => Some(Box::new(Pieces(stream))),
        }
    }

    fn repeats(&self) -> bool {
        match &self.cargo {
            Cargo::Whole(_) => true,
            Cargo::Stream(stream) => !stream.is_begun.load(Ordering::Relaxed),
        }
    }

    fn is_long(&self) -> bool {
        true
    }
}

struct Pieces<'s>(&'s Stream);

#[async_trait]
impl Feed for Pieces<'_> {
    async fn next(&mut self) -> pingora::Result<Option<Bytes>> {
        let piece = self.0.pieces.lock().await.recv().await;
        self.0.is_begun.fetch_or(piece.is_some(), Ordering::Relaxed);
        Ok(piece)
    }
}
