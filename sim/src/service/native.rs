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
        self.add_unless_failed(name, &lines);
        progress(&lines, stream)
    }

    /// Only models that are there are sent to a registry.
    pub(super) fn push(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let (name, stream) = named(body)?;
        self.require(&name)?;
        progress(&ollama::push(), stream)
    }

    /// The model is there afterwards. Files must have been sent before.
    pub(super) fn create(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let (name, stream) = named(body)?;
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let files = said.get("files").and_then(Value::as_object);
        let digests = files.into_iter().flat_map(|files| files.values());
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in digests.filter_map(Value::as_str) {
            if !blobs.iter().any(|known| known == digest) {
                return Err(Refusal::new(400, format!("blob {digest} not found")));
            }
        }
        drop(blobs);
        let lines = ollama::create();
        self.add_unless_failed(name, &lines);
        progress(&lines, stream)
    }

    pub(super) fn copy(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let said: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::new(400, format!("invalid character in body: {error}")))?;
        let name = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default();
        self.require(name("source"))?;
        self.add_unless_failed(name("destination").to_owned(), &[]);
        Ok(Reply::empty(200))
    }

    pub(super) fn delete(&self, body: &[u8]) -> Result<Reply, Refusal> {
        let (name, _) = named(body)?;
        self.require(&name)?;
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |known: &String| ollama::full_name(known) != ollama::full_name(&name);
        models.retain(is_other);
        Ok(Reply::empty(200))
    }

    /// A file is there once it has been sent; what its digest says is not looked at.
    pub(super) fn blob(&self, digest: &str, is_sent: bool, body: &[u8]) -> Result<Reply, Refusal> {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = blobs.iter().any(|known| known == digest);
        if !is_sent {
            let status = if is_there { 200 } else { 404 };
            return Ok(Reply::empty(status));
        }
        if body.is_empty() {
            return Err(Refusal::new(400, "missing body"));
        }
        if !is_there {
            blobs.push(digest.to_owned());
        }
        Ok(Reply::empty(201))
    }

    fn require(&self, name: &str) -> Result<(), Refusal> {
        if validate::known(self.flavor, &self.models(), name) {
            Ok(())
        } else {
            Err(ollama::no_such_model(name))
        }
    }

    fn add_unless_failed(&self, name: String, lines: &[Value]) {
        let has_failed = lines.iter().any(|line| line.get("error").is_some());
        if !has_failed && !validate::known(self.flavor, &self.models(), &name) {
            let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
            models.push(name);
        }
    }
}

/// Lines of progress, or the last of them alone.
fn progress(lines: &[Value], stream: bool) -> Result<Reply, Refusal> {
    let failed = lines
        .iter()
        .find_map(|line| line.get("error").and_then(Value::as_str));
    match (failed, lines.last()) {
        _ if stream => Ok(reply::lines(lines)),
        (Some(error), _) => Err(Refusal::new(500, error)),
        (None, last) => Ok(reply::document(last.unwrap_or(&Value::Null))),
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
