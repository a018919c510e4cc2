//! What the workers of a simulated RunPod make of a job's input.
//!
//! Each [`Form`] is one worker image: what it understands, how it cuts its stream, and how
//! it words its errors. The answers themselves are those of the server inside.

mod tokens;

use serde_json::{Map, Value, json};

use crate::reply;
use crate::script::{JobEnd, Script};
use crate::validate::{self, Call, Facts};
use crate::vendor::refusal::Refusal;
use crate::vendor::runpod::Form;
use crate::vendor::{Flavor, models};

/// Bytes of a stream in one piece, so that events are cut anywhere.
const PIECE: usize = 150;

/// What a job comes to.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// What its stream has.
    pub(crate) pieces: Vec<Value>,
    /// Its output, or the text of its error.
    pub(crate) output: Result<Value, String>,
}

impl Work {
    /// A worker that yields: its output is the list of what it has yielded.
    fn yielded(pieces: Vec<Value>) -> Work {
        Work {
            output: Ok(Value::Array(pieces.clone())),
            pieces,
        }
    }

    /// A worker that returns.
    fn returned(output: Value) -> Work {
        Work {
            pieces: vec![output.clone()],
            output: Ok(output),
        }
    }

    fn failed(error: String) -> Work {
        Work {
            pieces: Vec::new(),
            output: Err(error),
        }
    }
}

/// Does the work of a job as the script says.
pub(crate) fn work(
    form: Form,
    input: &Map<String, Value>,
    models: &[String],
    script: &Script,
) -> Work {
    let desk = Desk {
        form,
        models,
        script,
    };
    let mut work = desk.work(input).unwrap_or_else(Work::failed);
    if script.job == Some(JobEnd::Failed) {
        work.pieces.truncate(work.pieces.len() / 2);
        work.output = Err(desk.scripted_error());
    }
    work
}

/// A worker and what it knows.
struct Desk<'a> {
    form: Form,
    models: &'a [String],
    script: &'a Script,
}

impl Desk<'_> {
    fn work(&self, input: &Map<String, Value>) -> Result<Work, String> {
        let route = input.get("openai_route").and_then(Value::as_str);
        let given = |name: &str| input.contains_key(name);
        let routed = route.is_some() || given("openai_input");
        match self.form {
            Form::Vllm if routed => self.openai(route, input),
            Form::VllmBatch if routed => self.openai(route, input),
            Form::Ollama if route.is_some() => self.openai(route, input),
            Form::Vllm if given("messages") || given("prompt") => {
                let mut body = input.clone();
                body.remove("apply_chat_template");
                if let Some(Value::Object(sampling)) = body.remove("sampling_params") {
                    body.extend(sampling);
                }
                self.forward(native_call(input), body)
            }
            // This worker has no ear for anything but the conversation.
            Form::Ollama if given("messages") || given("prompt") => {
                let kept = ["messages", "prompt", "stream"];
                let body = input
                    .iter()
                    .filter(|(name, _)| kept.contains(&name.as_str()));
                let body = body.map(|(name, value)| (name.clone(), value.clone()));
                self.forward(native_call(input), body.collect())
            }
            Form::VllmNative if routed => Err("Invalid route".to_owned()),
            Form::VllmNative | Form::VllmBatch if given("messages") || given("prompt") => {
                tokens::work(input, self.models, self.script)
            }
            Form::Text if given("messages") || given("prompt") => {
                let (facts, body) = self.facts(native_call(input), input.clone())?;
                let said = reply::spoken(Flavor::Vllm, Call::Chat, &facts, self.script, &body);
                let whole = Value::from(said.pieces.concat());
                Ok(if facts.stream {
                    Work::yielded(said.pieces.into_iter().map(Value::from).collect())
                } else {
                    Work::returned(whole)
                })
            }
            Form::Embed if routed => {
                let body = input.get("openai_input").and_then(Value::as_object);
                self.vectors(body.cloned().unwrap_or_default())
            }
            Form::Embed if given("input") => self.vectors(input.clone()),
            Form::Ollama => Err("Invalid route".to_owned()),
            Form::Vllm | Form::VllmBatch | Form::VllmNative | Form::Text | Form::Embed => Err(
                exception("ValueError", "input has nothing this worker knows"),
            ),
        }
    }

    /// A call in OpenAI's format, packed into a job.
    fn openai(&self, route: Option<&str>, input: &Map<String, Value>) -> Result<Work, String> {
        let body = input.get("openai_input").and_then(Value::as_object);
        let call = match route.unwrap_or("/v1/chat/completions") {
            "/v1/models" => {
                let list = models::list(self.server(), self.models, "");
                return Ok(Work::yielded(vec![list]));
            }
            "/v1/chat/completions" => Call::Chat,
            "/v1/completions" => Call::Completions,
            "/v1/embeddings" if self.form == Form::Vllm => Call::Embeddings,
            _ if self.form == Form::Vllm => {
                let refusal = Refusal::new(404, "Not Found");
                return Err(self.refused(&refusal));
            }
            _ => return Err("Invalid route".to_owned()),
        };
        self.forward(call, body.cloned().unwrap_or_default())
    }

    /// Has the server inside answer.
    fn forward(&self, call: Call, body: Map<String, Value>) -> Result<Work, String> {
        let (facts, body) = self.facts(call, body)?;
        let server = self.server();
        if !facts.stream {
            let whole = reply::json(server, call, &facts, self.script, &body);
            let whole = serde_json::from_str(&whole).unwrap_or(Value::from(whole));
            return Ok(Work::yielded(vec![whole]));
        }
        let events = reply::stream_data(server, call, &facts, self.script, &body);
        let pieces = match self.form {
            Form::VllmBatch => batches(&events, |batch| {
                let chunks = batch.iter().filter(|data| *data != "[DONE]");
                let chunk = |data: &String| serde_json::from_str(data).unwrap_or(Value::Null);
                chunks.map(chunk).collect()
            }),
            Form::Ollama => events
                .iter()
                .map(|data| {
                    let end = if data == "[DONE]" { "" } else { "\n\n" };
                    Value::from(format!("data: {data}{end}"))
                })
                .collect(),
            Form::Vllm | Form::VllmNative | Form::Text | Form::Embed => {
                let all: String = events
                    .iter()
                    .map(|data| format!("data: {data}\n\n"))
                    .collect();
                self.torn(&all)
            }
        };
        Ok(Work::yielded(pieces))
    }

    /// Pieces of the network, whatever is in them; a character cut in two is lost.
    fn torn(&self, text: &str) -> Vec<Value> {
        let size = self.script.dribble.unwrap_or(PIECE).max(1);
        if self.script.sse.split {
            let pieces = text.as_bytes().chunks(size);
            return pieces
                .map(|piece| Value::from(String::from_utf8_lossy(piece)))
                .collect();
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut end = size.min(rest.len());
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let (piece, left) = rest.split_at(end);
            pieces.push(Value::from(piece));
            rest = left;
        }
        pieces
    }

    fn vectors(&self, body: Map<String, Value>) -> Result<Work, String> {
        let (facts, body) = self.facts(Call::Embeddings, body)?;
        let json = reply::json(Flavor::Vllm, Call::Embeddings, &facts, self.script, &body);
        Ok(Work::returned(
            serde_json::from_str(&json).unwrap_or(Value::from(json)),
        ))
    }

    /// What the server inside finds in a body; a missing model is the one it serves.
    fn facts(&self, call: Call, body: Map<String, Value>) -> Result<(Facts, Vec<u8>), String> {
        let mut body = body;
        if let Some(served) = self.models.first() {
            body.entry("model").or_insert_with(|| json!(served));
        }
        let bytes = Value::Object(body).to_string().into_bytes();
        let facts = validate::facts(self.server(), call, self.models, 0, &bytes);
        facts
            .map(|facts| (facts, bytes))
            .map_err(|refusal| self.refused(&refusal))
    }

    fn server(&self) -> Flavor {
        self.form.server().unwrap_or(Flavor::Vllm)
    }

    /// The text of the job's error when the server inside refuses.
    fn refused(&self, refusal: &Refusal) -> String {
        let voice = self.server().voice("/v1");
        let body = refusal.event(voice);
        match self.form {
            Form::Vllm => {
                let message = format!("vLLM returned HTTP {}: {body}", refusal.status);
                repr(&json!({"message": message, "type": "worker_error", "code": null}))
            }
            Form::VllmBatch => repr(body.get("error").unwrap_or(&body)),
            Form::Ollama => refusal.message.clone(),
            Form::VllmNative | Form::Text | Form::Embed => {
                exception("ValueError", &refusal.message)
            }
        }
    }

    /// The error a script asks for; with a status it is the server's inside.
    fn scripted_error(&self) -> String {
        let message = self
            .script
            .message
            .as_deref()
            .unwrap_or("Simulated failure.");
        match self.script.status {
            Some(status) => self.refused(&Refusal::new(status, message)),
            None => exception("RuntimeError", message),
        }
    }
}

fn native_call(input: &Map<String, Value>) -> Call {
    if input.contains_key("messages") {
        Call::Chat
    } else {
        Call::Completions
    }
}

/// Batches of 1, 3, 9 and so on, up to 50, as the worker's defaults have it.
fn batches<T>(all: &[T], json: impl Fn(&[T]) -> Value) -> Vec<Value> {
    let mut pieces = Vec::new();
    let mut rest = all;
    let mut size = 1;
    while !rest.is_empty() {
        let (batch, left) = rest.split_at(size.min(rest.len()));
        pieces.push(json(batch));
        rest = left;
        size = (size * 3).min(50);
    }
    pieces
}

/// An uncaught exception, as the platform's library reports it.
fn exception(kind: &str, message: &str) -> String {
    json!({
        "error_type": format!("<class '{kind}'>"),
        "error_message": message,
        "error_traceback": format!("Traceback (most recent call last):\n{kind}: {message}\n"),
        "hostname": "sim",
        "worker_id": "sim",
        "runpod_version": "1.7.9"
    })
    .to_string()
}

/// A value as Python prints it: what becomes of an error object that is yielded.
fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') {
                '"'
            } else {
                '\''
            };
            let mut printed = String::from(quote);
            for letter in text.chars() {
                match letter {
                    '\n' => printed.push_str("\\n"),
                    '\\' => printed.push_str("\\\\"),
                    _ if letter == quote => {
                        printed.push('\\');
                        printed.push(letter);
                    }
                    _ => printed.push(letter),
                }
            }
            printed.push(quote);
            printed
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", repr(&json!(name)), repr(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_prints_strings_in_single_quotes_where_it_can() {
        for (value, printed) in [
            (json!({"a": null, "b": true}), "{'a': None, 'b': True}"),
            (json!("it's"), "\"it's\""),
            (json!("it's \"so\""), r#"'it\'s "so"'"#),
            (json!(["a\n", 1]), r"['a\n', 1]"),
        ] {
            assert_eq!(repr(&value), printed);
        }
    }
}
