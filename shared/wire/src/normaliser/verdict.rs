//! What a reader makes of a candidate: a place where a call may begin.

use std::ops::Range;

/// A tool call as it leaves: the name that was offered, arguments that are JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The tool's name, as the request offers it.
    pub name: String,
    /// A JSON object.
    pub arguments: String,
    /// Whether more was mended than the form: a name, a bracket, a type.
    pub repaired: bool,
}

/// What a candidate turns out to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Calls.
    Found(Found),
    /// More text decides.
    More,
    /// No call.
    No(Refused),
}

/// The calls of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) calls: Vec<Called>,
    /// Bytes from the start of the candidate that are the calls'.
    pub(super) length: usize,
    /// Parts of them that are none after all and stay text.
    pub(super) left: Vec<Range<usize>>,
}

/// Why a candidate is no call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    /// Bytes from the start of the candidate that were read for it.
    pub(super) reach: usize,
}

/// Why a text that begins like a call is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What follows the opening has another form.
    NotACall,
    /// The tool is not offered.
    UnknownTool(String),
    /// The arguments cannot be read.
    Unreadable,
    /// The arguments do not suit the tool's schema; the text says in what.
    Unsuited(String),
    /// The text ended inside it.
    Cut,
    /// Other text follows on its heels, where only a call at the end of the answer counts.
    NotAlone,
    /// It stands in thoughts that go on behind it.
    Draft,
    /// It is longer than may be held back.
    TooLong,
    /// Too much was read in vain before it.
    Exhausted,
}

impl Reason {
    /// The word under which it is counted.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NotACall => "not_a_call",
            Self::UnknownTool(_) => "unknown_tool",
            Self::Unreadable => "unreadable",
            Self::Unsuited(_) => "unsuited",
            Self::Cut => "cut",
            Self::NotAlone => "not_alone",
            Self::Draft => "draft",
            Self::TooLong => "too_long",
            Self::Exhausted => "exhausted",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NotACall => "what follows the opening is no call".to_owned(),
            Self::UnknownTool(name) => format!("the request offers no tool '{name}'"),
            Self::Unreadable => "the arguments cannot be read".to_owned(),
            Self::Unsuited(why) => format!("the arguments do not suit the tool's schema: {why}"),
            Self::Cut => "the text ends inside the call".to_owned(),
            Self::NotAlone => "other text follows, and this form counts only at the end".to_owned(),
            Self::Draft => "it stands in thoughts that go on behind it".to_owned(),
            Self::TooLong => "it is longer than may be held back".to_owned(),
            Self::Exhausted => "too much was read in vain before it".to_owned(),
        }
    }
}

impl Verdict {
    /// No call, for this reason, known after so many bytes.
    pub(super) fn no(reason: Reason, reach: usize) -> Self {
        Self::No(Refused { reason, reach })
    }

    /// One call that takes so many bytes.
    pub(super) fn call(call: Called, length: usize) -> Self {
        Self::calls(vec![call], length)
    }

    /// Calls that take so many bytes, all of them.
    pub(super) fn calls(calls: Vec<Called>, length: usize) -> Self {
        Self::Found(Found {
            calls,
            length,
            left: Vec::new(),
        })
    }

    /// The verdict on a text that begins `by` bytes earlier.
    pub(super) fn moved(self, by: usize) -> Self {
        match self {
            Self::Found(mut found) => {
                found.length += by;
                for range in &mut found.left {
                    range.start += by;
                    range.end += by;
                }
                Self::Found(found)
            }
            Self::More => Self::More,
            Self::No(mut refused) => {
                refused.reach += by;
                Self::No(refused)
            }
        }
    }
}
