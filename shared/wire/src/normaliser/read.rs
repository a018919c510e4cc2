//! The readers: what follows an opening, made into calls.
//!
//! Every reader looks at a text that begins where the candidate does and says the same
//! of it however much more is there: what it says once, it says of every longer text.

mod arguments;
mod block;
mod calls;
mod gemma;
mod harmony;
mod pairs;
mod parameters;
mod react;
mod shape;
mod tag;
mod tags;
mod values;
mod whole;

pub(super) use harmony::header;
pub(super) use tags::{Mark, blank, mark};

use super::alias::Alias;
use super::number;
use super::pattern::{Form, Pattern, Strength};
use super::row::Row;
use super::schema::Problem;
use super::tools::{Tool, Tools};
use super::value::Value;
use super::verdict::{Called, Reason, Verdict};

/// A candidate: a text, and what is asked of it.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) row: &'a Row,
    pub(super) tools: &'a Tools,
    pub(super) aliases: &'a [Alias],
    /// The text from the candidate's start.
    pub(super) text: &'a str,
    /// Bytes of the opening.
    pub(super) opening: usize,
    /// Nothing follows the text.
    pub(super) ended: bool,
    /// Whether the gate of weak forms holds.
    pub(super) weak: bool,
    /// Whether nothing stands before it in the answer.
    pub(super) first: bool,
    /// Finds calls of other forms inside this one.
    pub(super) inner: Inner<'a>,
}

/// Reads a candidate of any strong form at the start of a text.
pub(super) type Inner<'a> = &'a dyn Fn(&str, bool) -> Verdict;

impl<'a> Candidate<'a> {
    /// Reads it.
    pub(super) fn read(&self) -> Verdict {
        match self.row.pattern.form {
            Form::Fence | Form::Inline | Form::Xml | Form::Bracket | Form::Action => {
                whole::read(self)
            }
            Form::Calls => calls::read(self),
            Form::Arguments => arguments::read(self),
            Form::Parameters => parameters::read(self),
            Form::Pairs => pairs::read(self),
            Form::Gemma => gemma::read(self),
            Form::CodeBlock => block::read(self),
            Form::Tag => tag::read(self),
            Form::Harmony => harmony::read(self),
            Form::React => react::read(self),
        }
    }

    pub(super) fn pattern(&self) -> &'a Pattern {
        &self.row.pattern
    }

    /// What follows the opening.
    fn body(&self) -> &'a str {
        &self.text[self.opening..]
    }

    /// The tool that the opening names, as the pattern says.
    fn named(&self) -> Result<&'a Tool, Reason> {
        let name = match (&self.pattern().tool.tool, self.pattern().tool.group) {
            (Some(tool), _) => Some(tool.as_str()),
            (None, Some(group)) => {
                let groups = self.row.groups(&self.text[..self.opening]);
                groups.get(group as usize).copied().flatten()
            }
            (None, None) => None,
        };
        match name {
            Some(name) => self.tool(name),
            None => Err(Reason::NotACall),
        }
    }

    /// The tool that `written` means.
    fn tool(&self, written: &str) -> Result<&'a Tool, Reason> {
        let mapped = self.pattern().tool_names.get(written.trim());
        let mapped = mapped
            .map(String::as_str)
            .and_then(|name| self.tools.find(name));
        mapped
            .or_else(|| self.tools.find(written))
            .ok_or_else(|| Reason::UnknownTool(shortened(written.trim())))
    }

    /// A call of `tool`, when the gate lets it through. `damaged` says that the end of
    /// the text had to be guessed.
    fn accept(&self, tool: &Tool, arguments: Value, damaged: bool) -> Result<Called, Reason> {
        let (arguments, renamed) = self.renamed(tool, arguments);
        let fit = tool.schema.fit(arguments);
        if fit.problems.contains(&Problem::NotAnObject) || is_schema(&fit.arguments) {
            return Err(Reason::Unreadable);
        }
        let suits = if self.weak {
            fit.problems.is_empty() && tool.schema.validates(&fit.arguments)
        } else {
            !damaged || !fit.problems.iter().any(Problem::is_missing)
        };
        if !suits {
            let why = fit.problems.iter().map(Problem::words);
            return Err(Reason::Unsuited(why.collect::<Vec<_>>().join("; ")));
        }
        let mut text = String::new();
        fit.arguments.write(&mut text);
        Ok(Called {
            name: tool.name.clone(),
            arguments: text,
            repaired: damaged || renamed || fit.changed,
        })
    }

    /// A call without arguments, which needs a tool that takes none.
    fn accept_bare(&self, tool: &Tool) -> Result<Called, Reason> {
        let nothing = Value::Object(Vec::new());
        if !tool.schema.validates(&nothing) {
            return Err(Reason::Unreadable);
        }
        self.accept(tool, nothing, false)
    }

    /// The arguments under the names that the schema knows them by.
    fn renamed(&self, tool: &Tool, arguments: Value) -> (Value, bool) {
        let mut changed = false;
        let Value::Object(mut members) = arguments else {
            return (arguments, false);
        };
        for (from, to) in &self.pattern().parameters {
            if !tool.schema.knows(from) && number::is_integer(from) {
                continue;
            }
            changed |= rename(tool, &mut members, from, to);
        }
        if !self.weak {
            let aliases = self.aliases.iter().filter(|alias| alias.is_for(&tool.name));
            for alias in aliases {
                changed |= alias.apply(&tool.schema, &mut members);
            }
        }
        (Value::Object(members), changed)
    }
}

fn rename(tool: &Tool, members: &mut [(String, Value)], from: &str, to: &str) -> bool {
    if from == to || tool.schema.knows(from) || members.iter().any(|(key, _)| key == to) {
        return false;
    }
    match members.iter_mut().find(|(key, _)| key == from) {
        Some((key, _)) => {
            to.clone_into(key);
            true
        }
        None => false,
    }
}

/// Whether a pattern's opening alone makes a call likely.
pub(super) fn is_strong(row: &Row) -> bool {
    row.pattern.strength == Strength::Strong
}

/// Whether arguments are a JSON schema: a tool's definition, told again.
fn is_schema(arguments: &Value) -> bool {
    let member = |key: &str| arguments.get(key);
    member("type").and_then(Value::as_text) == Some("object")
        && member("properties").is_some_and(|value| value.members().is_some())
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}
