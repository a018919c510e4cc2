//! One native call on its way.

use super::fitted::fitted;
use crate::normaliser::alias::Alias;
use crate::normaliser::mend::{Mended, Mender};
use crate::normaliser::tools::Tools;

/// Mends one call: its name at the beginning, its arguments as they come.
#[derive(Debug)]
pub(crate) struct CallMender {
    /// Its tool's name, when it is one that is offered.
    tool: Option<String>,
    mender: Mender,
    /// What is ready and has not left.
    kept: String,
    sent: Sent,
    repaired: bool,
}

/// What has left of a call's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    /// The bracket that every object begins with.
    Bracket,
    More,
}

impl Default for CallMender {
    fn default() -> Self {
        Self {
            tool: None,
            mender: Mender::new(),
            kept: String::new(),
            sent: Sent::Nothing,
            repaired: false,
        }
    }
}

impl CallMender {
    /// The call is of what the model names `written`: the name that is offered, where it
    /// is another one.
    pub(crate) fn name(&mut self, written: &str, tools: &Tools) -> Option<String> {
        let tool = tools.find(written)?;
        self.tool = Some(tool.name.clone());
        if tool.name == written {
            return None;
        }
        self.repaired = true;
        Some(tool.name.clone())
    }

    /// Takes the next piece of the arguments.
    pub(crate) fn push(&mut self, text: &str) {
        self.mender.push(text, &mut self.kept);
    }

    /// The arguments that can leave, and leave with this.
    pub(crate) fn ready(&mut self) -> String {
        if !self.kept.is_empty() {
            self.sent = match (self.sent, self.kept.as_str()) {
                (Sent::Nothing, "{") => Sent::Bracket,
                (Sent::Nothing | Sent::Bracket | Sent::More, _) => Sent::More,
            };
        }
        std::mem::take(&mut self.kept)
    }

    /// The arguments are complete, or with `done` false cut off: what has not left is
    /// [`Self::ready`], and fits the tool's schema where that contradicts nothing. Whether
    /// they are broken.
    pub(crate) fn close(&mut self, done: bool, tools: &Tools, aliases: &[Alias]) -> bool {
        let mended = if done {
            self.mender.finish(&mut self.kept)
        } else {
            self.mender.cut(&mut self.kept)
        };
        match mended {
            Mended::Unchanged => {}
            Mended::Repaired => self.repaired = true,
            Mended::Broken => return true,
        }
        if let Some(text) = self.fitted(tools, aliases) {
            self.kept = text;
            self.repaired = true;
        }
        false
    }

    /// Whether the name or the arguments were changed.
    pub(crate) fn is_repaired(&self) -> bool {
        self.repaired
    }

    /// What is to leave in the place of what is kept, so that all of the arguments fit
    /// the tool's schema.
    fn fitted(&self, tools: &Tools, aliases: &[Alias]) -> Option<String> {
        let tool = tools.exact(self.tool.as_deref()?)?;
        match self.sent {
            Sent::Nothing => fitted(tool, aliases, &self.kept),
            Sent::Bracket => {
                let text = fitted(tool, aliases, &format!("{{{}", self.kept))?;
                text.strip_prefix('{').map(str::to_owned)
            }
            Sent::More => None,
        }
    }
}
