//! Between resolve and plan: an answer that is known already, or is being made for an
//! identical call.
//!
//! Only where the virtual model has it switched on. What is not answered here goes on down
//! the road with its [`Question`], which takes note of the answer that it gets there.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use store::CacheUse;
use wire::inbound::{CallerDialect, Inbound};
use wire::usage::{Usage, estimate_tokens};

use super::account::Account;
use super::authenticate::Caller;
use super::reply;
use super::send::{Answer, Errand, Times, Whole, hung_up};
use crate::answers::{Kept, Key, Scope};
use crate::fault::Fault;
use crate::flights::{Lead, Turn};
use crate::live::Live;

/// What the gateway's memory has done for an answer.
const HEADER: &str = "x-cache";

/// What comes of looking into memory.
pub(super) enum Recalled<'g> {
    Answer(Box<Whole>),
    /// The call is to be made.
    Nothing(Option<Box<Question<'g>>>),
}

/// A call whose answer may be kept, or given to others that wait for it.
pub(super) struct Question<'g> {
    key: Key,
    /// A kept answer would do.
    asks: bool,
    /// Its answer is to be kept.
    keeps: bool,
    /// The answer of an identical call that is being made would do, and the other way round.
    joins: bool,
    /// Those that wait for the answer.
    lead: Option<Lead<'g>>,
}

/// Looks for an answer, and waits for one that is being made.
///
/// # Errors
/// When the caller hangs up meanwhile, or the call's time is over.
pub(super) async fn recall<'g>(
    errand: &Errand<'g>,
    mut question: Box<Question<'g>>,
    caller: &mut ServerSession,
    account: &mut Account,
) -> Result<Recalled<'g>, Fault> {
    if let Some(kept) = question.known(errand) {
        return again(errand, &kept, "HIT", account);
    }
    if question.joins {
        match wait(errand, question.key, caller).await? {
            Turn::Landed(kept) => return again(errand, &kept, "JOINED", account),
            Turn::Alone => {}
            Turn::Lead(lead) => {
                question.lead = Some(lead);
                // The call before may have ended since memory was looked into.
                if let Some(kept) = question.known(errand) {
                    if let Some(lead) = question.lead.take() {
                        lead.land(Some(Arc::clone(&kept)));
                    }
                    return again(errand, &kept, "HIT", account);
                }
            }
        }
    }
    if question.asks {
        account.cached(CacheUse::Miss);
    }
    Ok(Recalled::Nothing(Some(question)))
}

/// Waits for the identical call that is being made, if there is one, at most to the end of
/// this call's own time.
async fn wait<'g>(
    errand: &Errand<'g>,
    key: Key,
    caller: &mut ServerSession,
) -> Result<Turn<'g>, Fault> {
    let deadline = errand.started + errand.target.upstream.silence;
    let left = deadline.saturating_duration_since(Instant::now());
    tokio::select! {
        biased;
        turn = errand.gateway.flights.seat(key).turn() => Ok(turn),
        () = hung_up(caller) => Err(Fault::hung_up()),
        () = pingora::time::sleep(left) => Err(Fault::timeout(
            "The call waited for the answer to an identical one for as long as this gateway allows (TIMEOUT).",
        )),
    }
}

impl<'g> Question<'g> {
    /// The question that the call is; `None` where the virtual model or the caller wants nothing of this, and for a request
    /// that cannot be told from others.
    pub(super) fn of(errand: &Errand<'g>, live: &Live, who: &Caller) -> Option<Box<Self>> {
        let caching = &errand.target.model.caching;
        let accepted = errand.accepted;
        let wish = accepted.said.caching;
        let is_whole = !errand.form.stream;
        let asks = caching.enabled && !wish.anew;
        let keeps = caching.enabled && is_whole;
        let joins = caching.join && is_whole && !wish.anew;
        if wish.unseen || !(asks || keeps || joins) {
            return None;
        }
        let scope = Scope {
            dialect: errand.dialect(),
            edition: live.edition(errand.target.model.id)?,
            key: who.key.as_ref().map(|key| key.id),
            user: accepted.said.user.as_ref().map(HeaderValue::as_bytes),
        };
        Some(Box::new(Self {
            key: Key::of(scope, asked_with(&accepted.inbound)?)?,
            asks,
            keeps,
            joins,
            lead: None,
        }))
    }

    fn known(&self, errand: &Errand<'_>) -> Option<Arc<Kept>> {
        let answers = &errand.gateway.answers;
        self.asks.then(|| answers.get(&self.key, Instant::now()))?
    }

    /// Takes note of the answer: keeps it, gives it to those that wait, and tells the caller
    /// that it was made anew.
    ///
    /// # Errors
    /// Never: the header's value is one.
    pub(super) fn answered(self, errand: &Errand<'_>, answer: &mut Answer) -> Result<(), Fault> {
        let header = match answer {
            Answer::Stream(streaming) => streaming.header.as_mut(),
            Answer::Whole(whole) => Some(&mut whole.header),
            Answer::Passed(passing) => passing.header.as_mut(),
        };
        if let Some(header) = header.filter(|_| self.asks || self.keeps) {
            tell(header, HEADER, "MISS")?;
        }
        let kept = match answer {
            Answer::Stream(_) => None,
            Answer::Whole(whole) if self.keeps || self.lead.is_some() => keepable(errand, whole),
            Answer::Whole(_) | Answer::Passed(_) => None,
        };
        if let Some(kept) = kept.as_ref().filter(|_| self.keeps) {
            let answers = &errand.gateway.answers;
            let ttl = answers.ttl(errand.call(), &errand.target.model.caching);
            answers.keep(self.key, Arc::clone(kept), ttl);
        }
        if let Some(lead) = self.lead {
            lead.land(kept);
        }
        Ok(())
    }
}

/// What of the request the answer depends on: a response repeats much of it as it came.
fn asked_with(inbound: &Inbound) -> Option<&Bytes> {
    match inbound.dialect {
        CallerDialect::OpenAiResponses => inbound.raw(),
        CallerDialect::OpenAiChat
        | CallerDialect::OpenAiCompletions
        | CallerDialect::OpenAiEmbeddings
        | CallerDialect::AnthropicMessages
        | CallerDialect::Ollama(_)
        | CallerDialect::OpenAiPassed(_) => Some(&inbound.body),
    }
}

/// A copy of the answer, if it may be given again.
fn keepable(errand: &Errand<'_>, whole: &Whole) -> Option<Arc<Kept>> {
    let request = &errand.accepted.inbound.body;
    let is = whole.header.status == 200
        && !whole.streams
        && !whole.empty
        && errand.dialect().is_keepable(request, &whole.body);
    is.then(|| {
        let estimated = || {
            let prompt_tokens = errand.accepted.prompt_tokens;
            let completion_tokens = estimate_tokens(whole.answer_bytes);
            Usage {
                prompt_tokens,
                completion_tokens,
                total_tokens: prompt_tokens + completion_tokens,
                ..Usage::default()
            }
        };
        Arc::new(Kept {
            // The answer may be a piece of a larger one in memory.
            body: Bytes::copy_from_slice(&whole.body),
            usage: whole.usage.unwrap_or_else(estimated),
            made: Instant::now(),
        })
    })
}

/// The answer given again, which costs nothing.
fn again<'g>(
    errand: &Errand<'_>,
    kept: &Kept,
    how: &'static str,
    account: &mut Account,
) -> Result<Recalled<'g>, Fault> {
    account.cached(CacheUse::Hit(kept.usage));
    let mut header = reply::header(errand.dialect(), 200, errand.id).map_err(unbuilt)?;
    tell(&mut header, HEADER, how)?;
    let age = kept.made.elapsed().as_secs();
    header.insert_header("age", age).map_err(unbuilt)?;
    Ok(Recalled::Answer(Box::new(Whole {
        header,
        body: kept.body.clone(),
        usage: None,
        answer_bytes: 0,
        empty: false,
        streams: errand.form.stream,
        times: Times::default(),
        normaliser: None,
    })))
}

fn tell(header: &mut ResponseHeader, name: &'static str, value: &'static str) -> Result<(), Fault> {
    header.insert_header(name, value).map_err(unbuilt)
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn unbuilt(err: Box<pingora::Error>) -> Fault {
    Fault::internal(format!("the response header: {err}"))
}
