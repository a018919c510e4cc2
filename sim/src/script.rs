//! What one simulated call is told to do: a [`Script`], read from short `key=value` text.
//!
//! The text stands in double square brackets anywhere in the request body, as in
//! `[[sim: status=429 retry_after=2]]` (a message, a prompt, an input or the model name;
//! the last one in the body counts), or bare in the header `x-sim`, which wins.
//! In values `+` stands for a space. A word that is not known is refused, so that a
//! misspelt test cannot pass by accident.
//!
//! A job of RunPod keeps the script of the request that submitted it; a look at a job has
//! no body, so only the header or [`crate::Sim::set_script`] reaches the look itself.
//!
//! Not here: what a vendor answers by itself ([`crate::vendor`]), how the answer is
//! put on the wire ([`crate::reply`]).

mod parse;

use std::fmt;
use std::time::Duration;

pub(crate) use parse::find;

/// Everything a call can be told to do differently. The default does nothing special.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `delay_ms`: silence before the status line.
    pub delay: Duration,
    /// `status`: answer with this status and the vendor's error body.
    pub status: Option<u16>,
    /// `code`: the error's `code` where the vendor has one.
    pub code: Option<String>,
    /// `type`: the error's `type` where the vendor has one.
    pub kind: Option<String>,
    /// `message`: the error's text.
    pub message: Option<String>,
    /// `html`: the error body is a proxy's HTML page instead of JSON.
    pub html: bool,
    /// `retry_after`: value of that header, sent as it is.
    pub retry_after: Option<String>,
    /// `header=name:value`: an additional response header; may be repeated.
    pub headers: Vec<(String, String)>,
    /// `early`: answer with this status before reading the request body, then close.
    pub early: Option<u16>,
    /// `drain`: after an early answer read the body all the same and keep the connection.
    pub drain: bool,
    /// `informational`: number of `103 Early Hints` before the reply (HTTP/1.1 only).
    pub informational: usize,

    /// `say`: the text of the answer.
    pub say: Option<String>,
    /// `unicode`: the answer consists of 2, 3 and 4 byte characters.
    pub unicode: bool,
    /// `chunks`: number of content chunks (a whole answer has the same text).
    pub chunks: Option<usize>,
    /// `chunk_bytes`: bytes of text in each content chunk.
    pub chunk_bytes: Option<usize>,
    /// `reasoning`: the answer has reasoning text, in the vendor's field.
    pub reasoning: bool,
    /// `redacted`: a block of thoughts nobody can read comes first (Anthropic).
    pub redacted: bool,
    /// `unsupported`: what the model cannot do, joined by commas: `tools`, `thinking`,
    /// `vision` (Ollama's own API).
    pub unsupported: Vec<String>,
    /// `unknown`: chunks and bodies carry fields no specification names.
    pub unknown: bool,
    /// `finish`: the finish reason.
    pub finish: Option<String>,
    /// `agent`: edit the file at this path with the caller's tools, step by step.
    pub agent: Option<String>,
    /// `written`: tool calls are written as text, between `<tool_call>` tags.
    pub written: bool,
    /// `tools`: answer with so many tool calls.
    pub tools: Option<usize>,
    /// `tool_fragments`: pieces the arguments of one call are streamed in.
    pub tool_fragments: Option<usize>,
    /// `tool_args`: the arguments text, instead of an object that fits the schema.
    pub tool_args: Option<String>,
    /// `usage`: what is told about tokens, and where.
    pub usage: Usage,
    /// `empty`: an answer with nothing in it.
    pub empty: Option<Empty>,
    /// `echo`: the answer's text is the request body as received.
    pub echo: bool,
    /// `repeat`: the answer's text is the user's without the script, in pieces of at most
    /// so many bytes, 0 for one piece; what stands before a U+001E is its reasoning.
    pub repeat: Option<usize>,

    /// `first_ms`: silence between the header and the first byte of the body.
    pub first: Duration,
    /// `gap_ms`: silence before each content chunk.
    pub gap: Duration,
    /// `burst`: the whole stream goes out in one write.
    pub burst: bool,
    /// `dribble`: the body goes out in pieces of so many bytes.
    pub dribble: Option<usize>,
    /// `dribble_ms`: silence between those pieces.
    pub dribble_gap: Duration,
    /// `length`: a stream is sent with `Content-Length`.
    pub length: bool,
    /// `chunked`: a whole answer is sent in HTTP chunks.
    pub chunked: bool,
    /// `wrong`: a whole answer where a stream was asked for, and the reverse.
    pub wrong: bool,
    /// `bad_json`: a whole answer, or the middle content chunk, is not JSON.
    pub bad_json: bool,
    /// `no_done`: the stream has no `[DONE]`.
    pub no_done: bool,
    /// `no_finish`: the stream has no chunk with a finish reason.
    pub no_finish: bool,
    /// `sse`: departures in the framing of events, joined by commas.
    pub sse: Sse,

    /// `error_after`: an error event (of `status`) after so many content chunks, the vendor's way;
    /// a whole answer becomes a 200 with an error object.
    pub error_after: Option<usize>,
    /// `gate`: wait until the simulator's gate is open ([`crate::Sim::open_gate`]).
    pub gate: Option<Hang>,
    /// `hang`: stop for ever, until the caller hangs up.
    pub hang: Option<Hang>,
    /// `cut`: where the connection is cut.
    pub cut: Option<Cut>,
    /// `cut_after` (or `cut_after_chunks`), `hang_after` and `gate_after`: content chunks
    /// sent before that; 1 when not said.
    pub after: Option<usize>,
    /// `rst`: the cut is a TCP reset instead of an orderly close.
    pub rst: bool,
    /// `queue_polls`: looks at a job that find it in the queue (RunPod).
    pub queue_polls: Option<usize>,
    /// `progress_polls`: looks that then find it at work.
    pub progress_polls: Option<usize>,
    /// `poll_errors`: looks at a job that fail before any that succeeds.
    pub poll_errors: Option<usize>,
    /// `job`: how a job ends; with `status` its error is one of the server in the worker.
    pub job: Option<JobEnd>,
    /// `bare`: the pages of a job's stream are lists and do not tell how it is.
    pub bare: bool,
    /// `uncollected`: a job's status never has its output; its stream has.
    pub uncollected: bool,
    /// `double_error`: an error's text is itself an error object (AI Queue Master).
    pub double_error: bool,
    /// `close`: what happens to the connection after a complete reply.
    pub close: Option<Close>,
}

/// What is told about tokens (`usage=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// As the vendor does it.
    #[default]
    Vendor,
    /// `none`: never, even when asked for.
    None,
    /// `cached`: half of the prompt came from the cache; a quarter was put there (Anthropic).
    Cached,
    /// `finish`: in the chunk with the finish reason.
    Finish,
    /// `every`: running totals on every chunk.
    Every,
    /// `zero`: all numbers 0.
    Zero,
    /// `huge`: numbers beyond 32 bits.
    Huge,
}

/// An answer with nothing in it (`empty=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// `content`: a well-formed answer without text.
    Content,
    /// `choices`: `choices` is an empty list.
    Choices,
    /// `body`: status 200 and no byte.
    Body,
}

/// Where a call stops (`hang=`, `gate=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hang {
    /// `header`: before the status line.
    Header,
    /// `stream`: in the body.
    Stream,
    /// `done`: after the last chunk, before `[DONE]`.
    Done,
}

/// Where the connection is cut (`cut=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// `status`: before the first byte of the reply.
    Status,
    /// `header`: inside the response header.
    Header,
    /// `chunk`: inside an HTTP chunk, so inside an event.
    Chunk,
    /// `between`: between two chunks.
    Between,
    /// `done`: after the last chunk, before `[DONE]`.
    Done,
    /// `end`: after `[DONE]`, before the terminating HTTP chunk.
    End,
}

/// What happens to the connection after a complete reply (`close=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// `after`: closed at once, without having said so in the header.
    After,
    /// `next`: reset when the next request arrives on it.
    Next,
}

/// How a job ends (`job=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobEnd {
    /// `completed`: with an output, or with the error its input deserves.
    #[default]
    Completed,
    /// `failed`: half of its stream and an error.
    Failed,
    /// `cancelled`: by somebody else.
    Cancelled,
    /// `timed_out`: it took too long.
    TimedOut,
    /// `lost`: nobody knows it any more.
    Lost,
}

/// Departures in the framing of events (`sse=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sse {
    /// `crlf`: lines end with CR LF.
    pub crlf: bool,
    /// `comments`: a comment before each event.
    pub comments: bool,
    /// `nospace`: `data:` without the space.
    pub nospace: bool,
    /// `split`: each event in three writes, cut inside multi-byte characters.
    pub split: bool,
    /// `bom`: a byte order mark first.
    pub bom: bool,
}

/// A script that cannot be understood; the call is refused with this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    word: String,
    reason: &'static str,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sim script: `{}` {}", self.word, self.reason)
    }
}

impl std::error::Error for ScriptError {}

impl Script {
    /// Content chunks before the scripted cut, hang or gate.
    pub(crate) fn after(&self) -> usize {
        self.after.unwrap_or(1)
    }
}
