//! One attempt: the request to one candidate, up to the first meaningful event of
//! its answer, or to the end of a whole one.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use pingora::http::ResponseHeader;
use store::route::Refused;
use wire::code::Code;
use wire::dialect::openai::End;
use wire::dialect::runpod::Worker;
use wire::edit::Segments;
use wire::normaliser::Normaliser;
use wire::outbound::Context;
use wire::provider::Call;
use wire::usage::Usage;

use super::super::relay::{self, Ended, Lane};
use super::super::translate::{self, Order, Parcel};
use super::attempts::late;
use super::exchange::{Sent, exchange};
use super::job::{Ending, How, Job};
use super::passed::{self, Passing};
use super::source::{Source, Times};
use super::{Errand, Keeping, local, refusal};
use crate::fault::Fault;
use crate::live::Target;
use crate::thoughts::Thread;
use crate::upstream::Pass;

/// An answer that has begun, or is complete.
pub(in super::super) enum Answer {
    Stream(Box<Streaming>),
    Whole(Box<Whole>),
    /// It goes on as it comes.
    Passed(Box<Passing>),
}

/// A stream whose first meaningful event is there.
pub(in super::super) struct Streaming {
    pub(in super::super) target: Arc<Target>,
    /// The caller's response header until it has been sent.
    pub(in super::super) header: Option<Box<ResponseHeader>>,
    pub(in super::super) source: Source,
    pub(in super::super) lane: Lane,
    /// What the caller is to get first.
    pub(in super::super) ready: BytesMut,
    /// The upstream's end, when it came with the beginning.
    pub(in super::super) ended: Option<Ended>,
    /// The room that an Ollama server was asked to give the prompt.
    pub(in super::super) context: Option<Context>,
    /// The conversation whose signed reasoning is kept.
    pub(in super::super) thread: Option<Thread>,
    /// The conversation that a caller of Responses may go on with.
    pub(in super::super) keeping: Option<Keeping>,
    pub(in super::super) pass: Option<Pass>,
}

/// A whole answer, as the caller gets it.
pub(in super::super) struct Whole {
    pub(in super::super) header: Box<ResponseHeader>,
    pub(in super::super) body: Bytes,
    pub(in super::super) usage: Option<Usage>,
    pub(in super::super) answer_bytes: u64,
    /// Nothing is in it, and nothing says why.
    pub(in super::super) empty: bool,
    /// The caller gets it as a stream, which begins only now.
    pub(in super::super) streams: bool,
    pub(in super::super) times: Times,
    /// What was made of its text, where something was looked for.
    pub(in super::super) normaliser: Option<Normaliser>,
}

impl Streaming {
    /// The status that the caller gets.
    pub(in super::super) fn status(&self) -> u16 {
        let header = self.header.as_ref();
        header.map_or(200, |header| header.status.as_u16())
    }
}

impl Answer {
    /// Whether nothing is in it, and nothing says why.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Stream(streaming) => streaming.lane.is_empty(),
            Self::Whole(whole) => whole.empty,
            Self::Passed(_) => false,
        }
    }

    /// The tokens that the upstream has declared so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Stream(streaming) => streaming.lane.usage(),
            Self::Whole(whole) => whole.usage,
            Self::Passed(passing) => passing.watch.usage(),
        }
    }

    /// The answer with what tells the circuit of its end, and the milliseconds that it
    /// took to begin; of a whole answer the end is now.
    pub(super) fn with_pass(mut self, pass: Option<(Pass, u64)>) -> Self {
        match (&mut self, pass) {
            (Self::Stream(streaming), Some((mut pass, millis))) => {
                pass.paced(millis);
                pass.began();
                streaming.pass = Some(pass);
            }
            (Self::Whole(whole), Some((mut pass, millis))) => {
                if whole.streams {
                    pass.paced(millis);
                }
                pass.succeeded();
            }
            // How soon sound or pictures begin says nothing of how fast it chats.
            (Self::Passed(passing), Some((mut pass, _))) => {
                pass.began();
                passing.pass = Some(pass);
            }
            (Self::Stream(_) | Self::Whole(_) | Self::Passed(_), None) => {}
        }
        self
    }
}

/// Asks `target`, which has `first_byte` to begin and is never silent for longer before
/// its first meaningful event. A job shows by its state that it is worked on.
///
/// # Errors
/// When the request cannot be put to it, it cannot be reached, refuses, or fails
/// before the first meaningful event.
pub(super) async fn attempt(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    first_byte: Duration,
) -> Result<Answer, Fault> {
    if matches!(errand.call(), Call::Passed(_)) {
        return Box::pin(passed::attempt(errand, target, first_byte)).await;
    }
    let began = Instant::now();
    let known = pin!(local::known(errand, target));
    let known = within(first_byte, known).await?;
    let left = first_byte.saturating_sub(began.elapsed());
    let order = translate::translate(errand, target, known)?;
    let refused = match Box::pin(put(errand, target, &order, left)).await {
        Err(fault) => fault,
        answer => return answer,
    };
    // An answer that the model has no room for is asked for again, shorter.
    let Some(known) = local::learn_room(target, &refused) else {
        return Err(refused);
    };
    let order = translate::translate(errand, target, known)?;
    if !order.outbound().is_cut() {
        return Err(refused);
    }
    let left = first_byte.saturating_sub(began.elapsed());
    Box::pin(put(errand, target, &order, left)).await
}

/// Puts one order to `target`.
async fn put(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    order: &Order,
    first_byte: Duration,
) -> Result<Answer, Fault> {
    if order.is_job() {
        return Box::pin(as_job(errand, target, order, first_byte)).await;
    }
    let [body] = &order.outbound().bodies[..] else {
        return Box::pin(several(errand, target, order, first_byte)).await;
    };
    let asked = pin!(ask(errand, target, order, body));
    let sent = within(first_byte, asked).await??;
    if errand.form.stream && sent.is_stream() {
        let header = relay::response_header(&sent, errand)?;
        let source = Source::Http(sent);
        begin(errand, target, order, header, source, Some(first_byte)).await
    } else {
        let (header, reply) = take(errand, target, sent, first_byte).await?;
        relay::complete(errand, target, order, header, vec![reply]).map(Answer::Whole)
    }
}

/// What comes of `work`, if it comes in time. The work stays where it is: it is too
/// large to be handed over.
pub(super) async fn within<T>(
    time: Duration,
    work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Fault> {
    let done = pingora::time::timeout(time, work).await;
    done.map_err(|_| late())
}

/// Sends one body and waits for a good header.
pub(super) async fn ask(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    order: &Order,
    body: &Segments,
) -> Result<Sent, Fault> {
    let pool = &errand.gateway.pool;
    let sent = exchange(pool, target, &Parcel { order, body }).await?;
    if (200..300).contains(&sent.status()) {
        if let Some(context) = order.outbound().context() {
            local::loaded(target, context);
        }
        Ok(sent)
    } else {
        Err(refusal::read(pool, sent, target).await)
    }
}

/// Reads a whole reply that is never silent for longer than `pause`: the caller's header
/// of it, the body, and whether that is a stream.
async fn take(
    errand: &Errand<'_>,
    target: &Target,
    mut sent: Sent,
    pause: Duration,
) -> Result<(Box<ResponseHeader>, (Bytes, bool)), Fault> {
    let header = relay::response_header(&sent, errand)?;
    let body = read_within(&mut sent, target, pause).await?;
    let is_stream = sent.is_stream();
    sent.release(&errand.gateway.pool).await;
    Ok((header, (body, is_stream)))
}

/// Requests at once where an upstream takes only one prompt each.
const AT_ONCE: usize = 4;

/// One exchange for each prompt; their answers make one.
async fn several(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    order: &Order,
    first_byte: Duration,
) -> Result<Answer, Fault> {
    let mut header = None;
    let mut replies = Vec::new();
    for some in order.outbound().bodies.chunks(AT_ONCE) {
        let each = some.iter().map(|body| async move {
            let asked = pin!(ask(errand, target, order, body));
            let sent = within(first_byte, asked).await??;
            take(errand, target, sent, first_byte).await
        });
        for taken in join_all(each).await {
            let (one, reply) = taken?;
            header = Some(one);
            replies.push(reply);
        }
    }
    let header = header.ok_or_else(|| Fault::internal("a request without a body"))?;
    relay::complete(errand, target, order, header, replies).map(Answer::Whole)
}

/// The call as a job, which is to be taken within `first_byte`.
async fn as_job(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    order: &Order,
    first_byte: Duration,
) -> Result<Answer, Fault> {
    let outbound = order.outbound();
    let native = outbound.native.clone().map(Segments::from);
    let header = || {
        let header = super::super::reply::header(errand.dialect(), 200, errand.id);
        header.map_err(|err| Fault::internal(format!("the response header: {err}")))
    };
    let has_native = native.is_some();
    let is_guess = target.upstream.endpoint.worker_form == Worker::Auto;
    let finds_out = is_guess && errand.call() == Call::Embeddings;
    if finds_out && target.standing.takes_native() {
        return Err(Refused::no_embeddings().into());
    }
    let at_once = has_native && target.standing.takes_native();
    let first = outbound.bodies.iter().take(usize::from(!at_once)).cloned();
    let forms = first.map(|body| (body, false));
    for (body, is_native) in forms.chain(native.map(|body| (body, true))) {
        let how = if errand.form.stream {
            How::Stream
        } else {
            How::Whole
        };
        let trace = errand.trace.iter().flat_map(|trace| trace.headers());
        let submitted = Job::submit(
            errand.gateway,
            target,
            order.id(),
            trace.collect(),
            body,
            how,
        );
        let mut job = within(first_byte, pin!(submitted)).await??;
        if how == How::Stream {
            let source = Source::Job(Box::new(job));
            let begun = begin(errand, target, order, header()?, source, None).await;
            let other = matches!(&begun, Err(fault) if fault.wants_native);
            if other && has_native && !is_native {
                continue;
            }
            if begun.is_ok() || other {
                target.standing.learn_native(is_native && !other);
            }
            return begun;
        }
        match job.whole().await? {
            Ending::WantsNative(_) if has_native && !is_native => {}
            Ending::WantsNative(_) if finds_out => return Err(Refused::no_embeddings().into()),
            Ending::WantsNative(fault) => {
                target.standing.learn_native(false);
                return Err(fault);
            }
            Ending::Output(output) => {
                target.standing.learn_native(is_native);
                let whole =
                    relay::complete(errand, target, order, header()?, vec![(output, false)]);
                return whole.map(|mut whole| {
                    whole.times = job.times();
                    Answer::Whole(whole)
                });
            }
        }
    }
    Err(Fault::upstream(
        502,
        Code::UpstreamJobFailed,
        "The endpoint's worker takes neither form of the call. The operator should set the worker form of the endpoint.",
    ))
}

/// Most bytes that wait for a meaningful event.
const HELD: usize = 64 * 1024;

/// Reads a stream up to its first meaningful event; before that it is never silent for
/// longer than `pause`.
async fn begin(
    errand: &Errand<'_>,
    target: &Arc<Target>,
    order: &Order,
    mut header: Box<ResponseHeader>,
    mut source: Source,
    pause: Option<Duration>,
) -> Result<Answer, Fault> {
    order.tell_changed(&mut header)?;
    let context = order.outbound().context();
    if let Some(context) = context {
        local::warn_before(&mut header, target, errand.id, context);
    }
    let mut lane = order.lane(errand);
    let mut ready = BytesMut::new();
    let mut ended = None;
    while lane.answer_bytes() == 0 && ready.len() < HELD {
        let finished = lane.is_finished();
        let rest = finished.then_some(AFTER_FINISH);
        let read = source.read();
        let read = match pause.into_iter().chain(rest).min() {
            Some(pause) => pingora::time::timeout(pause, read).await,
            None => Ok(read.await),
        };
        match read {
            Ok(Ok(Some(piece))) => lane.push(piece.as_ref(), &mut ready),
            Ok(Ok(None)) => ended = Some(Ended::Cleanly),
            Ok(Err(error)) => ended = Some(Ended::Cut(error)),
            Err(_) if finished => ended = Some(Ended::Early),
            Err(_) => return Err(late()),
        }
        if lane.end().is_some() {
            ended = Some(Ended::Early);
        }
        if ended.is_some() {
            break;
        }
    }
    // With nothing meaningful in it the end decides now.
    if lane.answer_bytes() == 0
        && let Some(how) = &ended
    {
        if let Some(fault) = source.take_fault() {
            return Err(fault);
        }
        let cleanly = matches!(how, Ended::Cleanly);
        if let Ended::Cut(error) = how
            && *error.etype() == pingora::ErrorType::ReadTimedout
            && !lane.is_finished()
        {
            return Err(relay::silent(target, error));
        }
        if let End::Fault(fault) = lane.finish(cleanly, &mut ready) {
            return Err(relay::stream_fault(&fault, target));
        }
        ended = Some(Ended::Early);
    }
    Ok(Answer::Stream(Box::new(Streaming {
        target: Arc::clone(target),
        header: Some(header),
        source,
        lane,
        ready,
        ended,
        context,
        thread: order.thread(),
        keeping: errand.keeping(),
        pass: None,
    })))
}

/// Longest answer; large batches of embeddings reach some ten megabytes.
const MAX: usize = 256 * 1024 * 1024;

/// Reads a whole body.
///
/// # Errors
/// When it is cut, too slow or too long.
pub(in super::super) async fn read_whole(sent: &mut Sent, target: &Target) -> Result<Bytes, Fault> {
    read_within(sent, target, target.upstream.silence).await
}

/// Reads a whole body that is never silent for longer than `pause`.
async fn read_within(sent: &mut Sent, target: &Target, pause: Duration) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        let read = pingora::time::timeout(pause, sent.read()).await;
        match read.map_err(|_| late())? {
            Ok(Some(piece)) if body.len() + piece.as_ref().len() > MAX => {
                return Err(Fault::upstream(
                    502,
                    Code::UpstreamBadResponse,
                    "The upstream's answer is too long for this gateway.",
                ));
            }
            Ok(Some(piece)) => body.extend_from_slice(piece.as_ref()),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(relay::cut(&error, target)),
        }
    }
}

/// How long an upstream may be silent behind an answer that is complete: usage comes
/// at once, but some servers close nothing and say no `[DONE]`.
pub(in super::super) const AFTER_FINISH: Duration = Duration::from_secs(3);

/// How long the upstream may take to end its message after the answer's end.
pub(in super::super) const LAST_BYTES: Duration = Duration::from_secs(1);
