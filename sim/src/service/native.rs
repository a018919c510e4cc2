//! What only Ollama does: models that are loaded, shown and pulled.

use std::sync::PoisonError;

use serde_json::Value;

use super::Service;
use crate::reply::{self, Reply};
use crate::script::Script;
use crate::validate::{self, Call, Facts, Native};
use crate::vendor::refusal::Refusal;
use crate::vendor::{Flavor, ollama};

impl Service {
    /// Loads the model as the call wants it. What does not fit into its context is cut
    /// without a word, so the model has seen no more tokens than that; inputs of
    /// embeddings are refused instead where the call wants them whole.
    pub(super) fn loaded(
        &self,
        call: Call,
        facts: Facts,
        script: &Script,
    ) -> Result<Facts, Refusal> {
        if self.flavor != Flavor::Ollama {
            return Ok(facts);
        }
        if let Call::Native(native) = call {
            ollama::able(native, &facts, script)?;
        }
        let mut facts = facts;
        let context = self
            .loaded
            .call(&ollama::full_name(&facts.model), &facts.load);
        if call == Call::Native(Native::Embed) {
            let is_cut = facts.lengths.iter().any(|&length| length > context);
            if is_cut && facts.whole_inputs {
                return Err(ollama::too_long());
            }
            let cut: u64 = facts.lengths.iter().map(|&each| each.min(context)).sum();
            facts.prompt_tokens = facts.prompt_tokens.min(cut);
        } else {
            facts.prompt_tokens = facts.prompt_tokens.min(context);
        }
        Ok(facts)
    }

    pub(super) fn show(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let (name, _) = named(body)?;
        if validate::known(self.flavor, &self.models(), &name) {
            Ok(reply::document(&ollama::show(&name)))
        } else {
            Err(ollama::no_such_model(&name))
        }
    }

    /// The model is there afterwards.
    pub(super) fn pull(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let (name, stream) = named(body)?;
        let lines = ollama::pull(&name);
        let failed = lines
            .iter()
            .find_map(|line| line.get("error").and_then(Value::as_str));
        let added = failed.is_none() && !validate::known(self.flavor, &self.models(), &name);
        if added {
            let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
            models.push(name);
        }
        match (failed, lines.last()) {
            _ if stream => Ok(reply::lines(&lines)),
            (Some(error), _) => Err(Refusal::new(500, error)),
            (None, last) => Ok(reply::document(last.unwrap_or(&Value::Null))),
        }
    }
}

/// The model a body names, and whether it asks for a stream.
fn named(body: &[u8]) -> Result<(String, bool), Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(400, format!("invalid character in body: {error}")))?;
    let name = body.get("model").or_else(|| body.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::new(400, "model is required"));
    }
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(true);
    Ok((name.to_owned(), stream))
}
