//! What becomes known of a call before it is sent.

use store::route::ai_queue::NO_ROW;
use store::route::short;
use store::{Capture, client_name};

use super::Account;
use crate::access_log::CallerMark;
use crate::life::accept::Accepted;
use crate::life::authenticate::Caller;
use crate::live::Target;

/// Longest path that is kept, in characters.
const LONGEST_ROUTE: usize = 100;

impl Account {
    /// Which path was called, and by which program.
    pub(in crate::life) fn arrived(&mut self, path: &str, user_agent: Option<&str>) {
        if let Some(record) = &mut self.record {
            let end = path.char_indices().nth(LONGEST_ROUTE);
            let route = end.map_or(path, |(end, _)| &path[..end]);
            record.route = Some(route.to_owned());
            record.client = user_agent.and_then(client_name);
        }
    }

    /// Who makes the call.
    pub(in crate::life) fn authenticated(&mut self, caller: &Caller) {
        if let (Some(record), Some(key)) = (&mut self.record, &caller.key) {
            record.key_id = Some(key.id);
            record.key_label = Some(key.label.clone());
        }
        if let (Some(record), Some(address)) = (&mut self.record, caller.address) {
            record.address = Some(address.to_string());
        }
        self.caller = CallerMark {
            key: caller.key.clone(),
            address: caller.address,
        };
    }

    pub(in crate::life) fn accepted(&mut self, accepted: &Accepted) {
        self.prompt_tokens = accepted.prompt_tokens;
        if let (Some(record), Some(name)) = (&mut self.record, &accepted.inbound.request.model) {
            record.virtual_model = short(name).to_owned();
        }
    }

    pub(in crate::life) fn resolved(&mut self, target: &Target) {
        if let Some(record) = &mut self.record {
            record.virtual_model.clone_from(&target.model.name);
            record.virtual_model_id = Some(target.model.id).filter(|id| *id != NO_ROW);
            record.endpoint_id = Some(target.upstream.endpoint.id).filter(|id| *id != NO_ROW);
            record.endpoint_name = Some(target.upstream.endpoint.name.clone());
        }
    }

    /// Keeps what the call says and is answered, if its virtual model asks for that.
    pub(in crate::life) fn captures(&mut self, target: &Target, body: &[u8]) {
        if target.model.capture_bodies {
            let capture = Capture::begun(self.id.clone(), self.started_at(), body);
            self.capture = Some(Box::new(capture));
        }
    }
}
