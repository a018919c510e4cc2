//! A caller's request on its way to one candidate: edited where the candidate speaks
//! the caller's dialect, translated through [`crate::hub`] where it does not.
//!
//! Pure, so that the admin app can show what would be sent.

mod answer;
mod completion;
mod edited;
mod job;
mod local;
mod openai_form;
mod room;
mod several;

use bytes::Bytes;

use crate::dialect::anthropic;
use crate::dialect::ollama::was_cut;
use crate::dialect::openai::{self, BadRequest, Completion, Defaults};
use crate::dialect::responses;
use crate::dialect::runpod::{Policy, Worker};
use crate::edit::Segments;
use crate::hub::{Chat, Note, Origin, Refusal, Thinking, ToolNames, Written};
use crate::inbound::CallerDialect;
pub use crate::inbound::Inbound;
use crate::provider::{Call, Format, Provider, Way};
pub use answer::{AnswerForm, Completed, Dialect, Failed};
pub use edited::edit_notes;
use edited::edited;
pub(crate) use room::CUT;
pub use room::Room;

/// Where a request goes, and what holds there.
#[derive(Clone, Copy)]
pub struct Candidate<'c> {
    /// The vendor.
    pub provider: &'static Provider,
    /// How it takes the call.
    pub way: &'c Way,
    /// The upstream's model id.
    pub model: &'c str,
    /// The same as a JSON string.
    pub model_json: &'c Bytes,
    /// What the virtual model sets where the caller does not.
    pub defaults: &'c Defaults,
    /// The upstream is not to be asked for a stream.
    pub whole: bool,
    /// Tool calls and results of the conversation are mended where a strict server
    /// would refuse them.
    pub repair_history: bool,
    /// Anthropic: places cache marks where the caller placed none.
    pub auto_cache: bool,
    /// Anthropic: system messages after the first turn stay where they are.
    pub inline_system: bool,
    /// Anthropic: whose signatures it takes back.
    pub origin: Origin,
    /// Anthropic: the signed thinking that led to the tool call of this id.
    pub recall: &'c dyn Fn(&str) -> Option<Vec<Thinking>>,
    /// Anthropic: whether a proof is known to be of another upstream or model.
    pub is_foreign: &'c dyn Fn(&str) -> bool,
    /// Anthropic: the version of its API that a caller of it speaks has sampling parameters.
    pub samples: bool,
    /// Ollama: how long the model stays loaded.
    pub keep_alive: Option<&'c str>,
    /// Ollama: what is known of the model.
    pub local: LocalModel,
    /// RunPod: what the endpoint's worker takes.
    pub worker: Worker,
    /// RunPod: how long the platform keeps a job.
    pub policy: Option<Policy>,
}

/// What is known of a model at its endpoint; most of it on Ollama's servers alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalModel {
    /// Its longest context.
    pub longest: Option<u32>,
    /// The context it is loaded with.
    pub loaded: Option<u32>,
    /// The operator's limit of the context.
    pub ceiling: Option<u32>,
    /// Whether it can think.
    pub thinks: Option<bool>,
    /// Whether it knows tools.
    pub takes_tools: Option<bool>,
    /// Whether it sees pictures.
    pub sees: Option<bool>,
    /// Its longest answer in tokens, where the server has refused a longer one.
    pub longest_answer: Option<u64>,
    /// The tokens of this call's prompt, where the server has counted them.
    pub counted: Option<u64>,
}

/// A request as it goes out.
#[derive(Debug)]
pub struct Outbound {
    /// The body; several where the upstream takes only one prompt at a time.
    pub bodies: Vec<Segments>,
    /// The body for a worker that turns out not to know the form of the first.
    pub native: Option<Bytes>,
    /// Whether the upstream is asked for a stream.
    pub streams: bool,
    /// How the answer becomes the caller's.
    pub answer: AnswerForm,
    /// What the upstream gets otherwise than the caller sent it.
    pub notes: Vec<Note>,
    /// Texts that end the answer, of which the upstream is not told.
    pub stops: Vec<String>,
    /// The tools' names where the upstream has other ones.
    pub names: ToolNames,
    /// What an Ollama server is asked for, for each of the bodies; nothing for others.
    pub contexts: Vec<Context>,
}

/// The room that a prompt gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The context size that is asked for.
    pub num_ctx: u32,
    /// The prompt's tokens, estimated; of several inputs those of the longest.
    pub prompt_tokens: u64,
    /// Whether the server cuts what does not fit; if not, it refuses it.
    pub cuts: bool,
}

impl Context {
    /// Whether the prompt will be cut, by the estimate.
    #[must_use]
    pub fn will_cut(&self) -> bool {
        self.cuts && self.prompt_tokens > u64::from(self.num_ctx)
    }

    /// Whether the prompt was cut, by what the server has `counted`.
    #[must_use]
    pub fn has_cut(&self, counted: u64) -> bool {
        self.cuts && counted > 0 && was_cut(counted, self.num_ctx, self.prompt_tokens)
    }
}

/// Why a request is not sent to a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The request is wrong, whoever gets it.
    Bad(BadRequest),
    /// The candidate's dialect cannot say it; another's may.
    Refused(Refusal),
}

impl Unsaid {
    /// What the reader for another dialect does not take: whether the caller's own
    /// dialect takes it, only an upstream of that dialect can tell.
    fn unread(bad: BadRequest) -> Self {
        match bad.param {
            Some(param) => Self::Refused(Refusal {
                param,
                message: bad.message,
            }),
            None => Self::Bad(bad),
        }
    }
}

impl From<Refusal> for Unsaid {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Longest answer in tokens where a dialect demands one and nobody says.
const DEFAULT_MAX_TOKENS: u64 = 8192;

/// Writes the request for `candidate`.
///
/// # Errors
/// When the request is wrong, or its candidate's dialect cannot say it.
pub fn write(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let request = &inbound.request;
    if candidate.way.format == Format::Responses {
        // Its server says itself what is wrong with the conversation.
        return sent(inbound, candidate);
    }
    if candidate.repair_history
        && let Some((body, request, notes)) = request.mended(&inbound.body)
    {
        let mended = inbound.mended(body, request).map_err(Unsaid::unread)?;
        let mut out = sent(&mended, candidate)?;
        out.notes.extend(notes);
        return Ok(out);
    }
    match request.refusal() {
        Some(refusal) => Err(Unsaid::Bad(refusal.clone())),
        None => sent(inbound, candidate),
    }
}

fn sent(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let mut out = written(inbound, candidate)?;
    out.streams = streams(inbound, candidate).1 && out.bodies.len() == 1;
    Ok(out)
}

fn written(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let Some(own) = &inbound.own else {
        let mut out = of_openai(inbound, candidate)?;
        if out.answer == AnswerForm::Edited && is_ollamas_completion(inbound) {
            out.answer = AnswerForm::Completion(Dialect::OpenAi, vec![None]);
        }
        let left_out = inbound.wordless.iter().flat_map(|rest| &rest.left_out);
        let why = "the endpoint's own settings hold";
        out.notes
            .extend(left_out.map(|field| Note::dropped(field, why)));
        return Ok(out);
    };
    if inbound.dialect.format() == Some(candidate.way.format)
        && let Some(body) = &own.body
    {
        let mut out = same(inbound, body, candidate)?;
        out.names.mark_custom(&own.chat.custom_tools);
        return Ok(out);
    }
    if !openai_form::takes(candidate) {
        return of_openai(inbound, candidate);
    }
    let written = openai_form::write(inbound, &own.chat, candidate)?;
    let mut out = of_openai(&written.inbound, candidate)?;
    if out.answer == AnswerForm::Edited {
        out.answer = AnswerForm::Chat(Dialect::OpenAi);
    }
    out.notes.extend(written.notes);
    out.names = written.names;
    Ok(out)
}

/// Whether a caller of Ollama's wants a text gone on with: it has a dialect of its own for the
/// answer.
fn is_ollamas_completion(inbound: &Inbound) -> bool {
    matches!(inbound.dialect, CallerDialect::Ollama(_)) && inbound.call == Call::Completions
}

/// The caller's own bytes for an upstream of its own dialect, which is not OpenAI's chat.
///
/// # Errors
/// When they cannot be read.
fn same(inbound: &Inbound, body: &Bytes, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let (streams, upstream_streams) = streams(inbound, candidate);
    if candidate.way.format == Format::Responses {
        let target = responses::Target {
            model: candidate.model_json,
            stream: streams.then_some(upstream_streams),
            defaults: candidate.defaults,
            is_foreign: candidate.is_foreign,
        };
        let request = responses::Request::read(body).map_err(Unsaid::Bad)?;
        let (edited, notes) = request.edited(body, &target);
        return Ok(Outbound {
            notes,
            ..Outbound::plain(edited, AnswerForm::Edited)
        });
    }
    let target = anthropic::SameTarget {
        model: candidate.model,
        model_json: candidate.model_json,
        stream: streams.then_some(upstream_streams),
        defaults: candidate.defaults,
        default_max_tokens: Some(DEFAULT_MAX_TOKENS),
        auto_cache: candidate.auto_cache,
        recall: candidate.recall,
        is_foreign: candidate.is_foreign,
        samples: candidate.samples,
        most: room::most(inbound, candidate),
    };
    let (edited, notes) = anthropic::edit_request(body, &target);
    Ok(Outbound {
        notes,
        ..Outbound::plain(edited, AnswerForm::Edited)
    })
}

/// A request that is in OpenAI's form, or a chat of the hub.
fn of_openai(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    match (candidate.way.format, inbound.call) {
        (Format::OpenAi, Call::Completions) if candidate.way.call == Call::Chat => {
            completion::write(inbound, candidate)
        }
        (Format::OpenAi, Call::Passed(_)) => Ok(Outbound::plain(
            inbound.request.renamed(&inbound.body, candidate.model_json),
            AnswerForm::Edited,
        )),
        (Format::OpenAi, _) => {
            let stops = edited::own_stops(inbound, candidate);
            let form = if stops.is_empty() {
                AnswerForm::Edited
            } else {
                AnswerForm::Chat(Dialect::OpenAi)
            };
            Ok(Outbound {
                notes: edited::cuts(inbound, candidate),
                stops,
                ..Outbound::plain(edited(inbound, candidate), form)
            })
        }
        (Format::RunpodJob, _) => job::write(inbound, candidate),
        (Format::OllamaEmbed, _) => local::embed(inbound, candidate),
        (Format::OllamaGenerate, _) => local::generate(inbound, candidate),
        (Format::Responses, _) => {
            Err(Refusal::field("model", "is one whose endpoint is asked for Responses only").into())
        }
        (Format::Anthropic, Call::Completions) => completion::write(inbound, candidate),
        (Format::Anthropic, _) => {
            let mut chat = chat(inbound, candidate)?;
            let cut = room::cut(&mut chat, inbound, candidate);
            let each = several::one_each(&mut chat)?;
            let written = to_anthropic(&chat, candidate)?;
            let form = AnswerForm::Chat(Dialect::Anthropic);
            let mut out = Outbound::written(written, form, &chat);
            out.notes.extend(cut);
            if chat.stop.iter().any(|text| text.trim().is_empty()) {
                // Of white space alone the vendor takes none.
                out.stops = chat.stop;
            }
            several::repeat(&mut out, each);
            Ok(out)
        }
        (Format::OllamaChat, _) => {
            let mut chat = chat(inbound, candidate)?;
            let each = several::one_each(&mut chat)?;
            let mut out = local::chat(&chat, candidate)?;
            several::repeat(&mut out, each);
            Ok(out)
        }
    }
}

impl Outbound {
    /// What an Ollama server is asked for; of several prompts for the longest.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        let contexts = self.contexts.iter().copied();
        contexts.max_by_key(|context| context.prompt_tokens)
    }

    /// Whether the caller's limit is cut to the room that the model has.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.notes.iter().any(|note| note.why == CUT)
    }

    /// The first prompt that the server has cut, by what it has `counted` of each, and
    /// that count.
    #[must_use]
    pub fn cut(&self, counted: &[u64]) -> Option<(Context, u64)> {
        let each = self.contexts.iter().copied().zip(counted.iter().copied());
        each.into_iter()
            .find(|(context, counted)| context.has_cut(*counted))
    }

    fn plain(body: Segments, answer: AnswerForm) -> Self {
        Self {
            bodies: vec![body],
            native: None,
            streams: false,
            answer,
            notes: Vec::new(),
            stops: Vec::new(),
            names: ToolNames::default(),
            contexts: Vec::new(),
        }
    }

    fn written(written: Written, answer: AnswerForm, chat: &Chat) -> Self {
        let mut names = written.names;
        names.mark_custom(&chat.custom_tools);
        Self {
            notes: written.notes,
            names,
            ..Self::plain(written.body.into(), answer)
        }
    }
}

/// Whether the caller's request is one for a stream, and whether the upstream is
/// asked for one.
fn streams(inbound: &Inbound, candidate: &Candidate<'_>) -> (bool, bool) {
    let streams = inbound.request.stream && inbound.call != Call::Embeddings;
    (
        streams,
        streams && candidate.provider.streams && !candidate.whole,
    )
}

/// The caller's chat with the virtual model's defaults, for an answer that is translated.
fn chat(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Chat, Unsaid> {
    let mut chat = match &inbound.own {
        Some(own) => own.chat.clone(),
        None => openai::read_chat(&inbound.body).map_err(Unsaid::unread)?,
    };
    if chat.logprobs.is_some() {
        return Err(no_logprobs(candidate).into());
    }
    chat.apply(candidate.defaults);
    chat.stream = streams(inbound, candidate).1;
    Ok(chat)
}

/// The caller's completion request with the virtual model's defaults, for an answer that
/// is translated.
fn read_completion(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Completion, Unsaid> {
    let mut completion = openai::read_completion(&inbound.body).map_err(Unsaid::unread)?;
    if completion.logprobs.is_some() {
        return Err(no_logprobs(candidate).into());
    }
    completion.apply(candidate.defaults);
    Ok(completion)
}

/// Clients look up log probabilities by their place in the answer, so one without them
/// would be another answer; and a translated one has no place for them.
fn no_logprobs(candidate: &Candidate<'_>) -> Refusal {
    Refusal::field(
        "logprobs",
        &format!(
            "cannot be used with this model: its endpoint is of the type '{}', whose answers are \
             translated here, without log probabilities; leave it out",
            candidate.provider.id
        ),
    )
}

fn to_anthropic(chat: &Chat, candidate: &Candidate<'_>) -> Result<Written, Refusal> {
    anthropic::write(
        chat,
        &anthropic::Target {
            model: candidate.model,
            default_max_tokens: DEFAULT_MAX_TOKENS,
            auto_cache: candidate.auto_cache,
            inline_system: candidate.inline_system,
            origin: candidate.origin,
            recall: candidate.recall,
        },
    )
}

impl std::fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("provider", &self.provider.id)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
