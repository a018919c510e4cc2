//! What a virtual model sets where the caller does not.

use wire::dialect::openai::Defaults;

use crate::virtual_model::VirtualModel;

impl VirtualModel {
    /// Its defaults as they go into a request.
    pub fn defaults(&self) -> Defaults {
        Defaults {
            max_tokens: self.max_tokens.map(|n| n.to_string().into()),
            temperature: self.temperature.map(|n| n.to_string().into()),
            top_p: self.top_p.map(|n| n.to_string().into()),
            system_prompt: self.system_prompt.clone().filter(|text| !text.is_empty()),
        }
    }
}
