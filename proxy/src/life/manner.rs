//! How the answer to one call is normalised.

use std::sync::Arc;

use store::{ReasoningForm, Thinking};
use wire::normaliser::{HOLD, Manner, Rules, Shown, Thoughts};
use wire::provider::Call;

use super::send::Errand;

impl Errand<'_> {
    /// How the answer is normalised, as the virtual model that the caller named has it;
    /// `None` where it is no chat.
    pub(super) fn manner(&self) -> Option<Manner> {
        if self.call() != Call::Chat {
            return None;
        }
        let model = &self.target.model;
        let repair = &model.repair;
        let offered = self.tools.get_or_init(|| {
            let inbound = &self.accepted.inbound;
            Arc::new(inbound.request.tools(&inbound.body))
        });
        let tools = if repair.tool_calls {
            Arc::clone(offered)
        } else {
            Arc::default()
        };
        let mends = repair.arguments && !offered.is_empty();
        Some(Manner {
            rules: Rules {
                patterns: Arc::clone(&self.repairs.patterns),
                tools,
                aliases: Arc::clone(&self.repairs.aliases),
                thoughts: match repair.thinking {
                    Thinking::Tagged => Thoughts::Tagged,
                    Thinking::Held => Thoughts::Held,
                    Thinking::Open => Thoughts::Open,
                },
                hold: repair.keep_text_bytes.map_or(HOLD, |bytes| bytes as usize),
            },
            id: self.id.to_owned(),
            native: mends.then(|| Arc::clone(offered)),
            shown: match (model.show_reasoning, repair.reasoning_form) {
                (false, _) => Shown::Hidden,
                (true, ReasoningForm::Inline) => Shown::Inline,
                (true, ReasoningForm::Field) => Shown::Apart,
            },
            choices: self.accepted.inbound.request.choices(),
            comment: repair.comment,
        })
    }
}
