//! What a virtual model sets where the caller did not.

use super::super::request::Defaults;
use crate::hub::{Chat, Message, Part, Role};

impl Chat {
    /// Sets what the caller left open and puts the system prompt in front, before
    /// the caller's own leading system text with a blank line between.
    ///
    /// A default that is not the JSON text of a number of its kind sets nothing.
    pub fn apply(&mut self, defaults: &Defaults) {
        if self.max_tokens.is_none() {
            self.max_tokens = number(defaults.max_tokens.as_deref());
        }
        let sampling = &mut self.sampling;
        if sampling.temperature.is_none() {
            sampling.temperature = number(defaults.temperature.as_deref());
        }
        if sampling.top_p.is_none() {
            sampling.top_p = number(defaults.top_p.as_deref());
        }
        if let Some(prompt) = &defaults.system_prompt {
            self.lead_with(prompt);
        }
    }

    fn lead_with(&mut self, prompt: &str) {
        let leading = self.messages.first_mut();
        let Some(leading) = leading.filter(|first| first.role == Role::System) else {
            let first = Message {
                role: Role::System,
                parts: vec![Part::text(prompt)],
                at: "messages".to_owned(),
            };
            self.messages.insert(0, first);
            return;
        };
        match leading.parts.first_mut() {
            Some(Part::Text { text, .. }) => text.insert_str(0, &format!("{prompt}\n\n")),
            Some(_) | None => leading.parts.insert(0, Part::text(prompt)),
        }
    }
}

/// The number that a JSON text stands for.
pub(in super::super) fn number<T: serde::de::DeserializeOwned>(text: Option<&[u8]>) -> Option<T> {
    text.and_then(|text| serde_json::from_slice(text).ok())
}
