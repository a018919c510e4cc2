//! What answers say, read as a client of each dialect reads them.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// How an answer comes.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Chat,
    ChatEvents,
    Message,
    MessageEvents,
    Response,
    ResponseEvents,
    Ollama,
    OllamaLines,
}

/// Texts, and the names of called tools with their arguments.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) calls: String,
}

impl Said {
    fn text(&mut self, value: &Value) {
        self.text.push_str(value.as_str().unwrap_or_default());
    }

    fn calls(&mut self, list: &Value) {
        for call in list.as_array().into_iter().flatten() {
            for part in ["name", "arguments"] {
                let text = call["function"][part].as_str();
                self.calls.push_str(text.unwrap_or_default());
            }
        }
    }
}

/// Reads an answer to its end.
///
/// # Errors
/// When it is not of that form, or does not end as one does.
pub(crate) fn read(form: Form, body: &str) -> Result<Said> {
    let mut said = Said::default();
    match form {
        Form::Chat => {
            let read: Value = serde_json::from_str(body)?;
            let message = &read["choices"][0]["message"];
            said.text(&message["content"]);
            said.calls(&message["tool_calls"]);
            ensure!(read["usage"].is_object(), "no usage");
        }
        Form::ChatEvents => {
            let mut events: Vec<&str> = data(body).collect();
            ensure!(events.pop() == Some("[DONE]"), "no [DONE]");
            for event in events {
                let read: Value = serde_json::from_str(event)?;
                ensure!(read["error"].is_null(), "an error within: {event}");
                let delta = &read["choices"][0]["delta"];
                said.text(&delta["content"]);
                said.calls(&delta["tool_calls"]);
            }
        }
        Form::Message => {
            let read: Value = serde_json::from_str(body)?;
            said.text(&read["content"][0]["text"]);
            ensure!(read["stop_reason"].is_string(), "no reason to stop");
        }
        Form::MessageEvents => {
            let mut last = String::new();
            for event in data(body) {
                let read: Value = serde_json::from_str(event)?;
                said.text(&read["delta"]["text"]);
                read["type"]
                    .as_str()
                    .context("a type")?
                    .clone_into(&mut last);
            }
            ensure!(last == "message_stop", "the last event is {last}");
        }
        Form::Response => {
            let read: Value = serde_json::from_str(body)?;
            ensure!(read["status"] == "completed", "it is not completed");
            let items = read["output"].as_array().into_iter().flatten();
            for item in items.filter(|item| item["type"] == "message") {
                said.text(&item["content"][0]["text"]);
            }
        }
        Form::ResponseEvents => {
            let mut last = String::new();
            for event in data(body).filter(|event| *event != "[DONE]") {
                let read: Value = serde_json::from_str(event)?;
                read["type"]
                    .as_str()
                    .context("a type")?
                    .clone_into(&mut last);
                if last == "response.output_text.delta" {
                    said.text(&read["delta"]);
                }
            }
            ensure!(last == "response.completed", "the last event is {last}");
        }
        Form::Ollama | Form::OllamaLines => {
            let mut is_done = false;
            for line in body.lines() {
                let read: Value = serde_json::from_str(line)?;
                said.text(&read["message"]["content"]);
                is_done = read["done"] == true;
            }
            ensure!(is_done, "no last line");
        }
    }
    Ok(said)
}

fn data(body: &str) -> impl Iterator<Item = &str> {
    let lines = body.lines();
    lines.filter_map(|line| line.strip_prefix("data:").map(str::trim))
}
