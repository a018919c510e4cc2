//! The road of one call through a simulator: script, body, checks, reply.

mod native;
mod runpod;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode, Version};

use serde_json::json;
use tokio::sync::watch;

use crate::jobs::Jobs;
use crate::line::Control;
use crate::loaded::Loaded;
use crate::media;
use crate::playback::{self, Playback};
use crate::record::{Open, RecordedRequest, Recorder};
use crate::reply::{self, Reply};
use crate::script::{self, Cut, Hang, Script};
use crate::validate::{self, Call};
use crate::vendor::refusal::{self, Refusal};
use crate::vendor::{self, Flavor, Route, Voice, models, ollama};

/// Bytes of a response header that pass before `cut=header`.
const HALF_A_HEADER: usize = 30;

/// Canned replies kept by a simulator that does not validate.
const CANNED: usize = 64;

/// What a canned reply depends on: call, stream, usage asked for, base64, script text.
type CannedKey = (Call, bool, bool, bool, String);

/// One connection, as its requests see it.
pub(crate) struct Connection {
    pub(crate) number: u64,
    pub(crate) control: Arc<Control>,
}

/// What all connections of a simulator share.
pub(crate) struct Service {
    pub(crate) flavor: Flavor,
    pub(crate) recorder: Arc<Recorder>,
    /// True while calls with a gate may go on.
    pub(crate) gate: watch::Sender<bool>,
    key: Option<String>,
    models: Mutex<Vec<String>>,
    /// Digests of the files that a simulated Ollama was sent.
    blobs: Mutex<Vec<String>>,
    /// What a simulated Ollama has in memory.
    pub(crate) loaded: Loaded,
    /// Jobs of a simulated RunPod.
    pub(crate) jobs: Jobs,
    validate: bool,
    /// See [`crate::Options::signer`].
    signer: u64,
    script: Mutex<Arc<Script>>,
    canned: Mutex<HashMap<CannedKey, Arc<Reply>>>,
}

impl Service {
    pub(crate) fn new(
        flavor: Flavor,
        key: Option<String>,
        models: Vec<String>,
        validate: bool,
        signer: u64,
        script: Script,
        recorder: Arc<Recorder>,
    ) -> Service {
        Service {
            flavor,
            recorder,
            gate: watch::Sender::new(false),
            key,
            models: Mutex::new(models),
            blobs: Mutex::default(),
            loaded: Loaded::default(),
            jobs: Jobs::default(),
            validate,
            signer,
            script: Mutex::new(Arc::new(script)),
            canned: Mutex::default(),
        }
    }

    pub(crate) fn set_script(&self, script: Script) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
        self.canned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Answers one request; dropping the future means that the caller hung up.
    pub(crate) async fn answer(
        &self,
        connection: &Connection,
        request: Request<Incoming>,
    ) -> Response<Playback> {
        let open = self.recorder.open();
        let (head, body) = request.into_parts();
        if head.version == Version::HTTP_2 {
            connection.control.multiplexed();
        }
        let header = script_header(&head.headers);
        let first = match header {
            Some(text) => text.parse().map(Arc::new),
            None => Ok(Arc::clone(
                &self.script.lock().unwrap_or_else(PoisonError::into_inner),
            )),
        };
        let early = first.as_ref().is_ok_and(|script| script.early.is_some());
        let body = if early {
            if first.as_ref().is_ok_and(|script| script.drain) {
                tokio::spawn(drain(body));
            }
            Bytes::new()
        } else {
            match collect(body).await {
                Some(body) => body,
                // The caller hung up while sending: nobody reads what is answered now.
                None => return self.play(&Reply::nothing(), &Script::default(), connection, open),
            }
        };
        if self.recorder.keeps() {
            self.recorder.keep(RecordedRequest {
                connection: connection.number,
                version: head.version,
                method: head.method.clone(),
                path: head
                    .uri
                    .path_and_query()
                    .map_or_else(String::new, ToString::to_string),
                headers: head.headers.clone(),
                body: body.clone(),
            });
        }
        self.recorder.received(&head.method);
        let own = header.is_none().then(|| script::find(&body)).flatten();
        let script = match own {
            Some(text) => text.parse().map(Arc::new),
            None => first,
        };
        let script = match script {
            Ok(script) => script,
            Err(error) => {
                let refusal = Refusal::new(400, error.to_string());
                let voice = self.flavor.voice(head.uri.path());
                let reply = reply::refused(voice, &refusal);
                return self.play(&reply, &Script::default(), connection, open);
            }
        };
        let (flavor, path) = self.behind(head.uri.path());
        let voice = flavor.voice(path);
        let route = flavor.route(&head.method, path);
        let allowed = route.and_then(|route| {
            let key = self.key.as_deref();
            self.flavor.authenticate(&route, &head.headers, key)?;
            Ok(route)
        });
        let reply = match allowed {
            _ if early => Arc::new(reply::scripted_error(voice, &script)),
            Err(refusal) => Arc::new(reply::refused(voice, &refusal)),
            Ok(Route::Media(media)) => {
                let models = self.models();
                let reply = media::reply(media, voice, &models, &head.headers, &script, &body);
                Arc::new(reply)
            }
            Ok(route) => {
                let query = head.uri.query().unwrap_or_default();
                let text = own.or(header).unwrap_or_default();
                self.reply(&route, query, voice, &script, text, &body)
            }
        };
        drop(body);
        if !script.delay.is_zero() {
            tokio::time::sleep(script.delay).await;
        }
        if script.gate == Some(Hang::Header) {
            playback::opened(self.gate.subscribe()).await;
        }
        if script.hang == Some(Hang::Header) {
            std::future::pending::<()>().await;
        }
        self.play(&reply, &script, connection, open)
    }

    fn reply(
        &self,
        route: &Route,
        query: &str,
        voice: Voice,
        script: &Script,
        text: &str,
        body: &[u8],
    ) -> Arc<Reply> {
        let call = match route {
            Route::Chat => Call::Chat,
            Route::Completions => Call::Completions,
            Route::Embeddings => Call::Embeddings,
            Route::Messages => Call::Messages,
            Route::Responses => Call::Responses,
            Route::CountTokens => Call::CountTokens,
            Route::Native(native) => Call::Native(*native),
            Route::Models
            | Route::Model(_)
            | Route::Tags
            | Route::Running
            | Route::Show
            | Route::Pull
            | Route::Push
            | Route::Create
            | Route::Copy
            | Route::Delete
            | Route::Blob(..)
            | Route::CountInput
            | Route::Version
            | Route::Media(_)
            | Route::Job(..)
            | Route::Health => {
                let failing = script.status.is_some() && script.job.is_none();
                let reply = if failing {
                    Ok(reply::scripted_error(voice, script))
                } else if let Route::Job(form, call) = route {
                    self.job(*form, call, query, script, body)
                } else {
                    self.about(route, voice.flavor, query, body)
                };
                let reply = reply.unwrap_or_else(|refusal| reply::refused(voice, &refusal));
                return Arc::new(reply);
            }
        };
        if self.validate {
            let facts = validate::facts(voice.flavor, call, &self.models(), self.signer, body);
            let facts = facts.and_then(|facts| self.loaded(call, facts, script));
            return Arc::new(match facts {
                Ok(facts) => reply::to_call(voice.flavor, call, &facts, script, body),
                Err(refusal) => self.refuse(voice, &refusal),
            });
        }
        let facts = validate::glance(call, body);
        let key = (
            call,
            facts.stream,
            facts.include_usage,
            facts.base64,
            text.to_owned(),
        );
        let mut canned = self.canned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reply) = canned.get(&key) {
            return Arc::clone(reply);
        }
        let reply = Arc::new(reply::to_call(voice.flavor, call, &facts, script, body));
        if canned.len() < CANNED && !script.echo && script.repeat.is_none() {
            canned.insert(key, Arc::clone(&reply));
        }
        reply
    }

    fn about(
        &self,
        route: &Route,
        flavor: Flavor,
        query: &str,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let models = self.models();
        Ok(match route {
            Route::Tags => reply::document(&models::tags(&models)),
            Route::Running => reply::document(&ollama::running(&self.loaded.running())),
            Route::Version => reply::document(&json!({"version": ollama::VERSION})),
            Route::Show => self.show(body)?,
            Route::Pull => self.pull(body)?,
            Route::CountInput => self.count_input(body)?,
            Route::Push => self.push(body)?,
            Route::Create => self.create(body)?,
            Route::Copy => self.copy(body)?,
            Route::Delete => self.delete(body)?,
            Route::Blob(digest, is_sent) => self.blob(digest, *is_sent, body)?,
            Route::Health => reply::document(&json!({"status": true})),
            Route::Model(id) if validate::known(flavor, &models, id) => {
                reply::document(&models::item(flavor, id))
            }
            Route::Model(id) => return Err(refusal::no_such_model(flavor, id)),
            Route::Models
            | Route::Chat
            | Route::Completions
            | Route::Embeddings
            | Route::Messages
            | Route::Responses
            | Route::CountTokens
            | Route::Native(_)
            | Route::Media(_)
            | Route::Job(..) => reply::document(&models::list(flavor, &models, query)),
        })
    }

    /// The tokens of what would be asked. How it is to be answered is nothing to count.
    fn count_input(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let answering = [
            "stream",
            "store",
            "temperature",
            "top_p",
            "max_output_tokens",
        ];
        let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(name) = answering.into_iter().find(|name| said.get(name).is_some()) {
            let message = format!("Unknown parameter: '{name}'.");
            return Err(Refusal::field(name, Some("unknown_parameter"), message));
        }
        let models = self.models();
        let facts = validate::facts(self.flavor, Call::Responses, &models, self.signer, body)?;
        let tokens = facts.prompt_tokens;
        Ok(reply::document(
            &json!({"object": "response.input_tokens", "input_tokens": tokens}),
        ))
    }

    /// A refusal; what a worker of a platform refuses is the platform's failure.
    fn refuse(&self, voice: Voice, refusal: &Refusal) -> Reply {
        if voice.flavor == self.flavor {
            return reply::refused(voice, refusal);
        }
        let (_, body) = refusal.render(voice);
        let body = String::from_utf8_lossy(&body);
        let words = format!("vLLM returned HTTP {}: {body}", refusal.status);
        reply::refused(self.flavor.voice(""), &Refusal::new(500, words))
    }

    /// Who answers on that path, and on which of its own.
    fn behind<'a>(&self, path: &'a str) -> (Flavor, &'a str) {
        let inner = (self.flavor == Flavor::Runpod).then(|| vendor::runpod::behind(path));
        inner.flatten().unwrap_or((self.flavor, path))
    }

    fn models(&self) -> Vec<String> {
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.clone()
    }

    fn play(
        &self,
        reply: &Reply,
        script: &Script,
        connection: &Connection,
        mut open: Open,
    ) -> Response<Playback> {
        if matches!(script.cut, Some(Cut::Status | Cut::Header)) {
            // The body is never asked for: what the script wanted is done here.
            open.complete();
        }
        let control = &connection.control;
        if script.informational > 0 {
            let hint = "HTTP/1.1 103 Early Hints\r\nlink: </sim>; rel=preload\r\n\r\n";
            control.before_write(Bytes::from(hint.repeat(script.informational)));
        }
        match script.cut {
            Some(Cut::Status) => control.limit(0, script.rst),
            Some(Cut::Header) => control.limit(HALF_A_HEADER, script.rst),
            Some(Cut::Chunk | Cut::Between | Cut::Done | Cut::End) | None => {}
        }
        let body = Playback::new(
            Arc::clone(&reply.steps),
            reply.length,
            self.gate.subscribe(),
            Arc::clone(control),
            open,
        );
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        for (name, value) in &reply.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.append(name, value);
            }
        }
        response
    }
}

fn script_header(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-sim")?.to_str().ok()
}

/// Reads a body to its end and forgets it.
async fn drain(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// The whole body, or nothing if the caller hung up.
async fn collect(mut body: Incoming) -> Option<Bytes> {
    let mut first: Option<Bytes> = None;
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        match &first {
            None => first = Some(data),
            Some(head) => {
                if more.is_empty() {
                    more.extend_from_slice(head);
                }
                more.extend_from_slice(&data);
            }
        }
    }
    Some(if more.is_empty() {
        first.unwrap_or_default()
    } else {
        more.freeze()
    })
}
