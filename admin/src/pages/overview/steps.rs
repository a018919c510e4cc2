//! What is still to be done until the first call: an endpoint, a virtual model, the call.

use serde_json::json;
use store::Names;

/// The first steps, and how far they are done.
pub(super) struct Steps {
    pub(super) has_endpoint: bool,
    pub(super) has_model: bool,
    pub(super) has_call: bool,
    /// A first call, to be pasted into a shell.
    pub(super) curl: String,
}

impl Steps {
    pub(super) fn new(known: &Names, has_call: bool, address: &str) -> Self {
        let model = known.models.first();
        let model = model.map_or("your-model", |(_, name)| name.as_str());
        let body = json!({
            "model": model,
            "messages": [{"role": "user", "content": "Say hello"}],
        });
        let body = body.to_string().replace('\'', "'\\''");
        Self {
            has_endpoint: !known.endpoints.is_empty(),
            has_model: !known.models.is_empty(),
            has_call,
            curl: format!(
                "curl {address}/v1/chat/completions \\\n  -H 'content-type: application/json' \
                 \\\n  -d '{body}'"
            ),
        }
    }

    pub(super) fn are_done(&self) -> bool {
        self.has_endpoint && self.has_model && self.has_call
    }
}
