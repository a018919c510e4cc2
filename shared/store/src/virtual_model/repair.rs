//! What the normaliser does to the answers of a virtual model, and to requests to it.
//!
//! All of it works without being set. A value that makes no sense is not used, and takes
//! nothing else down.

use serde::Serialize;

use crate::columns::Columns;
use crate::input::Input;

/// The smallest `keep_tool_text_bytes`.
const LEAST_KEPT: i64 = 1024;
/// The largest.
const MOST_KEPT: i64 = 16_777_216;

/// Where a caller gets the model's reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ReasoningForm {
    /// In a field or event of its own, as the caller's dialect has it.
    #[default]
    Field,
    /// In the text of the answer.
    Inline,
}

impl ReasoningForm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Field, Self::Inline];

    /// The word for it in the store and in the admin API.
    pub fn id(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Inline => "inline",
        }
    }

    /// The form with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.id() == id)
    }
}

/// Where the thoughts of a model begin that writes them into its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Thinking {
    /// Behind an opening tag.
    #[default]
    Tagged,
    /// At the beginning or not at all: the beginning is held until that is known.
    Held,
    /// At the beginning: the answer begins inside them.
    Open,
}

impl Thinking {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Tagged, Self::Held, Self::Open];

    /// The word for it in the store and in the admin API.
    pub fn id(self) -> &'static str {
        match self {
            Self::Tagged => "tagged",
            Self::Held => "held",
            Self::Open => "open",
        }
    }

    /// The beginning with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|thinking| thinking.id() == id)
    }
}

/// What is repaired, and how reasoning is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Whether calls that the model wrote as text become calls.
    pub tool_calls: bool,
    /// Whether the arguments of real calls are mended.
    pub arguments: bool,
    /// Whether the tool calls and results of requests are mended.
    pub history: bool,
    /// Where the caller gets the reasoning, if it is shown.
    pub reasoning_form: ReasoningForm,
    /// Where thoughts begin in the model's text.
    pub thinking: Thinking,
    /// Whether the last line of a stream is a comment that tells how many calls were
    /// repaired.
    pub comment: bool,
    /// Most bytes of text held back for one possible call; `None` for the normaliser's own
    /// limit.
    pub keep_text_bytes: Option<u32>,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            tool_calls: true,
            arguments: true,
            history: true,
            reasoning_form: ReasoningForm::default(),
            thinking: Thinking::default(),
            comment: false,
            keep_text_bytes: None,
        }
    }
}

/// The columns of it, whatever they hold; part of the virtual model's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepairRow {
    /// 1 when calls written as text become calls.
    pub repair_tool_calls: i64,
    /// 1 when the arguments of real calls are mended.
    pub repair_arguments: i64,
    /// 1 when the tool calls and results of requests are mended.
    pub repair_history: i64,
    /// Where the caller gets the reasoning: `field` or `inline`.
    pub reasoning_form: String,
    /// Where thoughts begin: `tagged`, `held` or `open`.
    pub thinking: String,
    /// 1 when a last comment in streams tells how many calls were repaired.
    pub repaired_comment: i64,
    /// Most bytes held back for one possible call.
    pub keep_tool_text_bytes: Option<i64>,
}

impl RepairRow {
    /// Reads the columns of a virtual model, and what is wrong with them.
    pub(super) fn read(columns: &mut Columns<'_, '_>) -> (Self, Vec<String>) {
        let earlier = std::mem::take(&mut columns.faults);
        let row = Self {
            repair_tool_calls: i64::from(columns.flag("repair_tool_calls", true)),
            repair_arguments: i64::from(columns.flag("repair_arguments", true)),
            repair_history: i64::from(columns.flag("repair_history", true)),
            reasoning_form: columns
                .text("reasoning_form")
                .unwrap_or_else(|| ReasoningForm::default().id().to_owned()),
            thinking: columns
                .text("thinking")
                .unwrap_or_else(|| Thinking::default().id().to_owned()),
            repaired_comment: i64::from(columns.flag("repaired_comment", false)),
            keep_tool_text_bytes: columns.whole("keep_tool_text_bytes"),
        };
        let doubts = std::mem::replace(&mut columns.faults, earlier);
        (row, doubts)
    }

    /// What it says; notes what is not used.
    pub(super) fn judge(&self, doubts: &mut Vec<String>) -> Repair {
        let form = ReasoningForm::from_id(&self.reasoning_form).unwrap_or_else(|| {
            doubts.push(format!(
                "reasoning_form {} and is not used",
                must_be(&reasoning_forms())
            ));
            ReasoningForm::default()
        });
        let thinking = Thinking::from_id(&self.thinking).unwrap_or_else(|| {
            doubts.push(format!(
                "thinking {} and is not used",
                must_be(&thinkings())
            ));
            Thinking::default()
        });
        let kept = self
            .keep_tool_text_bytes
            .filter(|bytes| (LEAST_KEPT..=MOST_KEPT).contains(bytes))
            .and_then(|bytes| u32::try_from(bytes).ok());
        if self.keep_tool_text_bytes.is_some() && kept.is_none() {
            doubts.push(format!(
                "keep_tool_text_bytes is not from {LEAST_KEPT} to {MOST_KEPT} and is not used"
            ));
        }
        Repair {
            tool_calls: self.repair_tool_calls != 0,
            arguments: self.repair_arguments != 0,
            history: self.repair_history != 0,
            reasoning_form: form,
            thinking,
            comment: self.repaired_comment != 0,
            keep_text_bytes: kept,
        }
    }
}

/// Checked values; `None` keeps the stored value, an inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RepairDraft {
    pub(crate) tool_calls: Option<bool>,
    pub(crate) arguments: Option<bool>,
    pub(crate) history: Option<bool>,
    pub(crate) reasoning_form: Option<ReasoningForm>,
    pub(crate) thinking: Option<Thinking>,
    pub(crate) comment: Option<bool>,
    pub(crate) keep_text_bytes: Option<Option<i64>>,
}

impl RepairDraft {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        let forms = reasoning_forms();
        let reasoning_form = word(input, "reasoning_form", ReasoningForm::from_id, &forms);
        Self {
            tool_calls: input.flag("repair_tool_calls"),
            arguments: input.flag("repair_arguments"),
            history: input.flag("repair_history"),
            reasoning_form,
            thinking: word(input, "thinking", Thinking::from_id, &thinkings()),
            comment: input.flag("repaired_comment"),
            keep_text_bytes: input.whole("keep_tool_text_bytes", LEAST_KEPT, MOST_KEPT),
        }
    }
}

fn word<T: Default>(
    input: &mut Input<'_>,
    field: &'static str,
    from_id: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Option<T> {
    let Some(id) = input.text(field, 100)? else {
        return Some(T::default());
    };
    let found = from_id(&id);
    if found.is_none() {
        input.refuse(field, must_be(known));
    }
    found
}

fn reasoning_forms() -> Vec<&'static str> {
    let forms = ReasoningForm::ALL.iter();
    forms.map(|form| form.id()).collect()
}

fn thinkings() -> Vec<&'static str> {
    let beginnings = Thinking::ALL.iter();
    beginnings.map(|thinking| thinking.id()).collect()
}

fn must_be(known: &[&str]) -> String {
    format!("must be one of {}", known.join(", "))
}
