//! RunPod's platform: jobs are taken, looked at and cancelled.

use serde_json::{Map, Value, json};

use super::Service;
use crate::jobs::Look;
use crate::reply::{self, Reply};
use crate::script::{Hang, Script};
use crate::vendor::refusal::Refusal;
use crate::vendor::runpod::{Form, JobCall};
use crate::worker;

const RUN_BYTES: usize = 10 << 20;
const RUNSYNC_BYTES: usize = 20 << 20;

impl Service {
    /// A call about jobs.
    pub(super) fn job(
        &self,
        form: Form,
        call: &JobCall,
        query: &str,
        script: &Script,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let open = *self.gate.borrow();
        let look = match call {
            JobCall::Run => {
                let id = self.submit(form, false, script, body)?;
                let envelope = json!({"id": id, "status": "IN_QUEUE"});
                return Ok(reply::envelope(&envelope, script));
            }
            JobCall::RunSync => {
                patience(query)?;
                let id = self.submit(form, true, script, body)?;
                self.jobs.submitted(&id, open)
            }
            JobCall::Status(id) => self.jobs.status(id, open),
            JobCall::Stream(id) => self.jobs.stream(id, open),
            JobCall::Cancel(id) => self.jobs.cancel(id),
            JobCall::Health => return Ok(reply::document(&self.jobs.health())),
        };
        match look {
            Look::Envelope(envelope) => Ok(reply::envelope(&envelope, script)),
            Look::Lost => Err(Refusal::new(404, "job not found")),
            Look::Failure => Err(Refusal::new(502, "Bad Gateway")),
        }
    }

    fn submit(
        &self,
        form: Form,
        sync: bool,
        script: &Script,
        body: &[u8],
    ) -> Result<String, Refusal> {
        let most = if sync { RUNSYNC_BYTES } else { RUN_BYTES };
        if body.len() > most {
            return Err(Refusal::new(413, "request body too large"));
        }
        let input = input(body)?;
        let inside = &Script {
            // What a job waits for is no matter of the answer inside it.
            gate: script.gate.filter(|&gate| gate == Hang::Header),
            ..script.clone()
        };
        let work = worker::work(form, &input, &self.models(), inside);
        Ok(self.jobs.submit(sync, work, script))
    }
}

fn input(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(400, format!("error parsing request body: {error}")))?;
    for (field, least) in [("executionTimeout", 5_000), ("ttl", 10_000)] {
        let given = value.get("policy").and_then(|policy| policy.get(field));
        if given.is_some_and(|given| given.as_u64().is_none_or(|given| given < least)) {
            let words = format!("policy.{field} must be at least {least}");
            return Err(Refusal::new(400, words));
        }
    }
    match value.get("input") {
        Some(Value::Object(input)) if !input.is_empty() => Ok(input.clone()),
        Some(_) => Err(Refusal::new(400, "input must be a non-empty object")),
        None => Err(Refusal::new(400, "input is required")),
    }
}

/// `wait` of a synchronous job, in milliseconds.
fn patience(query: &str) -> Result<(), Refusal> {
    let wait = query.split('&').find_map(|part| part.strip_prefix("wait="));
    match wait.map(str::parse) {
        None | Some(Ok(1_000..=300_000_u64)) => Ok(()),
        Some(_) => Err(Refusal::new(400, "wait must be from 1000 to 300000")),
    }
}
