//! A pattern: one way in which models write tool calls as text.

use std::collections::BTreeMap;

/// What reads a call once the pattern's regular expression has found it.
///
/// The first five are the original's: the expression matches the whole call. For all
/// others it matches the opening alone, and a reader that knows strings and nesting takes
/// it from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A whole fenced block.
    Fence,
    /// A whole piece of JSON.
    Inline,
    /// A whole element in tags.
    Xml,
    /// A whole text in brackets.
    Bracket,
    /// An action that is announced in words.
    Action,
    /// JSON calls, or calls as Python writes them, behind the opening.
    Calls,
    /// JSON arguments behind the opening, which holds the name.
    Arguments,
    /// Parameters in tags behind the opening, which holds the name.
    Parameters,
    /// Keys and values in tags of their own behind the opening, which holds the name.
    Pairs,
    /// Arguments in braces with Gemma's marks for strings; the opening holds the name.
    Gemma,
    /// A block between code fences that holds nothing but calls.
    CodeBlock,
    /// A tag that is named like a tool.
    Tag,
    /// A message of gpt-oss with its header.
    Harmony,
    /// `Action:` and `Action Input:` on lines of their own.
    React,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 14] = [
        Self::Fence,
        Self::Inline,
        Self::Xml,
        Self::Bracket,
        Self::Action,
        Self::Calls,
        Self::Arguments,
        Self::Parameters,
        Self::Pairs,
        Self::Gemma,
        Self::CodeBlock,
        Self::Tag,
        Self::Harmony,
        Self::React,
    ];

    /// The word for it in the store and in the admin API.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Inline => "inline",
            Self::Xml => "xml",
            Self::Bracket => "bracket",
            Self::Action => "action",
            Self::Calls => "calls",
            Self::Arguments => "arguments",
            Self::Parameters => "parameters",
            Self::Pairs => "pairs",
            Self::Gemma => "gemma",
            Self::CodeBlock => "code_block",
            Self::Tag => "tag",
            Self::Harmony => "harmony",
            Self::React => "react",
        }
    }

    /// The form with this id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.id() == id)
    }

    /// Whether the expression matches the whole call.
    #[must_use]
    pub fn is_whole(self) -> bool {
        match self {
            Self::Fence | Self::Inline | Self::Xml | Self::Bracket | Self::Action => true,
            Self::Calls
            | Self::Arguments
            | Self::Parameters
            | Self::Pairs
            | Self::Gemma
            | Self::CodeBlock
            | Self::Tag
            | Self::Harmony
            | Self::React => false,
        }
    }

    /// Whether the opening has to hold the tool's name, in a capture group or by the
    /// pattern's own `tool`.
    #[must_use]
    pub fn needs_name(self) -> bool {
        match self {
            Self::Arguments | Self::Parameters | Self::Pairs | Self::Gemma => true,
            Self::Fence
            | Self::Inline
            | Self::Xml
            | Self::Bracket
            | Self::Action
            | Self::Calls
            | Self::CodeBlock
            | Self::Tag
            | Self::Harmony
            | Self::React => false,
        }
    }
}

/// How sure the opening alone makes that a call follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strength {
    /// Nothing else is written so: the call needs an offered tool and arguments that can
    /// be read.
    Strong,
    /// Ordinary text may begin so: the call has to stand on lines of its own at the end of
    /// the answer, name an offered tool exactly and have arguments that suit its schema.
    Weak,
}

impl Strength {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Strong, Self::Weak];

    /// The word for it in the store and in the admin API.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Weak => "weak",
        }
    }

    /// The strength with this id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strength| strength.id() == id)
    }
}

/// Where the tool's name comes from; the first that is set counts, and without any it is
/// looked for where the form has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFrom {
    /// The pattern is for this tool alone.
    pub tool: Option<String>,
    /// A capture group of the expression, from 1.
    pub group: Option<u32>,
    /// A dotted path inside the JSON of the call, such as `function.name`.
    pub json_path: Option<String>,
}

/// One pattern, as an operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What the caller of this crate knows it by.
    pub id: i64,
    /// Its name, for people.
    pub name: String,
    /// What reads the call.
    pub form: Form,
    /// The regular expression; `.` matches line ends too.
    pub regex: String,
    /// How sure its opening is.
    pub strength: Strength,
    /// Where the tool's name comes from.
    pub tool: NameFrom,
    /// Names as models write them to names as callers offer them.
    pub tool_names: BTreeMap<String, String>,
    /// The same for parameters. In a whole form a key that is a number is a capture group,
    /// whose text is the parameter's value.
    pub parameters: BTreeMap<String, String>,
    /// Of patterns that begin at the same place the higher is tried first.
    pub priority: i64,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The expression is none; the text says what and where.
    #[error("the regular expression {0}")]
    Regex(String),
    /// The expression matches nothing at all, so that it would match everywhere.
    #[error("the regular expression matches an empty text; give it something to begin with")]
    Empty,
    /// A capture group that the expression does not have.
    #[error("{field} names capture group {group}, but the regular expression has {groups}")]
    NoSuchGroup {
        /// Which field of the pattern.
        field: &'static str,
        /// The group.
        group: u32,
        /// How many there are.
        groups: usize,
    },
    /// The form takes the name from the opening, and nothing says where it is.
    #[error(
        "the type '{0}' takes the tool's name from the opening: set tool_name or tool_name_group"
    )]
    NoName(&'static str),
}

/// Longest regular expression in characters.
pub const LONGEST_REGEX: usize = 4096;

/// Whether `pattern` can be used.
///
/// # Errors
/// What is wrong with it, first of all its regular expression, with the position.
pub fn check(pattern: &Pattern) -> Result<(), PatternError> {
    super::row::Row::new(pattern.clone()).map(|_| ())
}
