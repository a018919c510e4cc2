//! Step six: one candidate after the other, until one begins to answer.
//!
//! Nothing of an answer goes to the caller before its first meaningful event, so that
//! a candidate that fails before it costs the caller nothing. A caller that waits for
//! a stream is kept company: after [`Timeouts::hold`] its status goes out, and comments
//! keep its connection alive.
//!
//! [`Timeouts::hold`]: crate::upstream::Timeouts

mod attempt;
mod attempts;
mod exchange;
mod job;
pub(super) mod local;
pub(super) mod passed;
mod refusal;
mod source;

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use pingora::ErrorType;
use pingora::protocols::http::ServerSession;
use store::Zone;
use store::route::{Expected, ReplyForm};
use wire::dialect::openai::WriterOptions;
use wire::dialect::responses::{Addressee, Asked, Expanded};
use wire::inbound::{CallerDialect, Recipient};
use wire::normaliser::Tools;
use wire::provider::Call;

use super::accept::Accepted;
use super::account::Account;
use super::admit::Told;
use super::cargo::Cargo;
use super::plan::Candidates;
use super::{relay, reply};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::{Repairs, Road, Target};
use crate::telemetry::Trace;
pub(super) use attempt::{AFTER_FINISH, Answer, LAST_BYTES, Streaming, Whole, read_whole};
pub(super) use attempts::judge;
pub(super) use exchange::{Feed, Outgoing, Sent, exchange};
pub(super) use job::Job;
pub(super) use passed::Passing;
pub(super) use refusal::{fault as refusal, read as refused};
pub(super) use source::{Source, Times};

/// A call as every attempt at it needs it.
pub(super) struct Errand<'e> {
    pub(super) gateway: &'e Gateway,
    pub(super) accepted: &'e Accepted,
    /// The id of the caller's key.
    pub(super) owner: Option<i64>,
    /// The body, where it is a form that is passed on.
    pub(super) cargo: Option<&'e Cargo>,
    pub(super) form: ReplyForm,
    /// The virtual model that the caller named.
    pub(super) target: &'e Target,
    pub(super) id: &'e str,
    pub(super) started: Instant,
    /// The same in unix seconds.
    pub(super) created: i64,
    /// The tokens that it is expected to use.
    pub(super) expected: Expected,
    /// Where days and months begin, for budgets.
    pub(super) zone: &'e Zone,
    /// What its caller is told of limits.
    pub(super) told: Told,
    /// Its trace, which the endpoint is told, where there is one.
    pub(super) trace: Option<Arc<Trace>>,
    /// What its answer is normalised with.
    pub(super) repairs: &'e Repairs,
    /// The tools that it offers, read when the first candidate is asked.
    pub(super) tools: OnceLock<Arc<Tools>>,
}

impl Errand<'_> {
    /// What the caller speaks.
    pub(super) fn dialect(&self) -> CallerDialect {
        self.accepted.inbound.dialect
    }

    /// What is wanted of an upstream.
    pub(super) fn call(&self) -> Call {
        self.accepted.inbound.call
    }

    /// How the call is put to `target`; a caller of Responses is sent to the endpoint's own
    /// where it has some, unless reasoning is to be shown otherwise than it comes.
    pub(super) fn road<'t>(&self, target: &'t Target) -> Option<&'t Road> {
        let own = self.dialect() == CallerDialect::OpenAiResponses
            && self.target.model.shows_reasoning_apart();
        let own = target.responses().filter(|_| own);
        own.or_else(|| target.road(self.call()))
    }

    /// Whom the answer is written for.
    pub(super) fn recipient(&self) -> Recipient {
        let asked = self.asked().cloned();
        Recipient {
            dialect: self.dialect(),
            options: self.writer(),
            prompt_tokens: self.accepted.prompt_tokens,
            stops: Vec::new(),
            elapsed: self.started.elapsed(),
            response: asked.map(|asked| Addressee {
                id: self.accepted.response_id.clone(),
                asked,
            }),
        }
    }

    /// Whom a whole answer is written for that goes out as a stream.
    pub(super) fn streamed_to(&self) -> Option<Recipient> {
        self.form.stream.then(|| self.recipient())
    }

    fn asked(&self) -> Option<&Asked> {
        self.accepted.inbound.own.as_ref()?.asked.as_ref()
    }

    /// What is to be kept of the answer, so that its caller can go on with it.
    pub(super) fn keeping(&self) -> Option<Keeping> {
        let conversation = self.asked()?.conversation.clone()?;
        Some(Keeping {
            owner: self.owner,
            conversation,
        })
    }

    /// What a translated answer carries that is the gateway's to say.
    pub(super) fn writer(&self) -> WriterOptions {
        let kind = self.dialect().id_prefix();
        WriterOptions {
            model: self.target.name.clone(),
            include_usage: self.form.usage,
            id: format!("{kind}{}", self.id.trim_start_matches("req_")),
            created: self.created,
            origin: None,
        }
    }
}

/// The conversation that an answer ends, and whose it is.
#[derive(Debug)]
pub(super) struct Keeping {
    owner: Option<i64>,
    conversation: Arc<Expanded>,
}

impl Keeping {
    /// The answer is this response.
    pub(super) fn keep(&self, gateway: &Gateway, response: Bytes) {
        if let Some(turn) = self.conversation.answered(response) {
            gateway.conversations.keep(self.owner, turn);
        }
    }
}

/// An answer that has begun.
///
/// # Errors
/// When no candidate gives one, and when the caller hangs up meanwhile: then the
/// upstream request is given up.
pub(super) async fn send(
    errand: &Errand<'_>,
    caller: &mut ServerSession,
    candidates: &Candidates,
    account: &mut Account,
) -> Result<Answer, Fault> {
    let times = errand.gateway.timeouts;
    let mut work = pin!(attempts::run(errand, candidates, account));
    let mut wait = times.hold;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = hung_up(caller) => return Err(Fault::hung_up()),
            () = pingora::time::sleep(wait), if errand.form.stream => {}
        }
        keep_company(errand, caller).await?;
        wait = times.keep_alive;
    }
}

/// Tells a caller that waits for a stream that it is being served.
async fn keep_company(errand: &Errand<'_>, caller: &mut ServerSession) -> Result<(), Fault> {
    let gone = |_| Fault::hung_up();
    if !reply::has_begun(caller) {
        let internal = |err: Box<pingora::Error>| Fault::internal(format!("the header: {err}"));
        let dialect = errand.dialect();
        let mut header = reply::header(dialect, 200, errand.id).map_err(internal)?;
        relay::stream_header(caller, dialect, &mut header).map_err(internal)?;
        errand.told.write(&mut header).map_err(internal)?;
        caller.write_response_header(header).await.map_err(gone)?;
    }
    let company = Bytes::from_static(errand.dialect().company());
    if company.is_empty() {
        return Ok(());
    }
    caller
        .write_response_body(company, false)
        .await
        .map_err(gone)
}

/// Completes when the caller closes its connection. Its body must have been read.
pub(super) async fn hung_up(caller: &mut ServerSession) {
    match caller.read_body_or_idle(true).await {
        // Something came early: the caller is there, but a byte of it is read and
        // the connection is no good for another call.
        Err(err) if *err.etype() == ErrorType::ConnectError => {
            caller.set_keepalive(None);
            std::future::pending::<()>().await;
        }
        Ok(_) | Err(_) => {}
    }
}
