//! The kinds of calls: what each one asks, and what its answer must hold.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::replies::{self, Form};

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// OpenAI's chat.
    Chat,
    ChatStream,
    /// With 200 KB to read.
    Long,
    Tools,
    ToolsStream,
    /// Anthropic's Messages.
    Messages,
    MessagesStream,
    /// OpenAI's Responses.
    Response,
    ResponseStream,
    /// Ollama's chat.
    Ollama,
    OllamaStream,
    Embeddings,
    OllamaEmbed,
    /// A stream that takes half a second.
    Paced,
    /// The same, of which the caller reads no more than the beginning.
    HangUp,
    /// With a key that nobody has.
    WrongKey,
}

use Kind::{
    Chat, ChatStream, Embeddings, HangUp, Long, Messages, MessagesStream, Ollama, OllamaEmbed,
    OllamaStream, Paced, Response, ResponseStream, Tools, ToolsStream, WrongKey,
};

impl Kind {
    /// All of them, by their numbers.
    pub(crate) const ALL: [Self; 16] = [
        Chat,
        ChatStream,
        Long,
        Tools,
        ToolsStream,
        Messages,
        MessagesStream,
        Response,
        ResponseStream,
        Ollama,
        OllamaStream,
        Embeddings,
        OllamaEmbed,
        Paced,
        HangUp,
        WrongKey,
    ];

    /// What callers ask, one after the other and from the beginning again.
    pub(crate) const TURNS: [Self; 40] = [
        Chat,
        ChatStream,
        Messages,
        Paced,
        Tools,
        Embeddings,
        ChatStream,
        HangUp,
        Ollama,
        Chat,
        ResponseStream,
        MessagesStream,
        Chat,
        OllamaStream,
        ToolsStream,
        ChatStream,
        Response,
        Paced,
        OllamaEmbed,
        Chat,
        WrongKey,
        ChatStream,
        MessagesStream,
        Tools,
        Chat,
        Embeddings,
        HangUp,
        ChatStream,
        OllamaStream,
        Messages,
        Chat,
        ResponseStream,
        ToolsStream,
        ChatStream,
        Long,
        Ollama,
        Chat,
        Response,
        Paced,
        ChatStream,
    ];

    /// What a person calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Chat => "chat",
            ChatStream => "chat, streamed",
            Long => "chat of 200 KB",
            Tools => "tool call",
            ToolsStream => "tool call, streamed",
            Messages => "Messages",
            MessagesStream => "Messages, streamed",
            Response => "Responses",
            ResponseStream => "Responses, streamed",
            Ollama => "Ollama chat",
            OllamaStream => "Ollama chat, streamed",
            Embeddings => "embeddings",
            OllamaEmbed => "Ollama embeddings",
            Paced => "stream of half a second",
            HangUp => "caller hangs up",
            WrongKey => "wrong key",
        }
    }

    /// The request, which says `word`, of the caller with this number.
    pub(crate) fn request(self, word: &str, key: &str, id: &str, caller: u64) -> Vec<u8> {
        let key = if self == WrongKey { "spk_nobody" } else { key };
        let (path, body) = self.ask(word);
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {key}\r\nx-request-id: {id}\r\nx-session-id: {caller}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body.as_bytes());
        request
    }

    fn ask(self, word: &str) -> (&'static str, Value) {
        const CHAT: &str = "/v1/chat/completions";
        let chat = |model: &str, text: &str, stream: bool| {
            json!({
                "model": model,
                "stream": stream,
                "messages": [{"role": "user", "content": text}],
            })
        };
        match self {
            Chat | WrongKey => (CHAT, chat("soak-chat", word, false)),
            ChatStream => (CHAT, chat("soak-chat", word, true)),
            Long => {
                let text = format!("{word} {}", "much to read ".repeat(16_000));
                (CHAT, chat("soak-chat", &text, false))
            }
            Tools | ToolsStream => {
                let mut body = chat("soak-tools", word, self == ToolsStream);
                body["tools"] = json!([{"type": "function", "function": {
                    "name": "get_weather",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                }}]);
                (CHAT, body)
            }
            Messages | MessagesStream => {
                let mut body = chat("soak-mixed", word, self == MessagesStream);
                body["max_tokens"] = json!(500);
                ("/v1/messages", body)
            }
            Response | ResponseStream => {
                let stream = self == ResponseStream;
                let body = json!({
                    "model": "soak-mixed",
                    "input": word,
                    "stream": stream,
                    "store": false,
                });
                ("/v1/responses", body)
            }
            Ollama => ("/api/chat", chat("soak-mixed", word, false)),
            OllamaStream => ("/api/chat", chat("soak-mixed", word, true)),
            Embeddings => (
                "/v1/embeddings",
                json!({"model": "soak-vectors", "input": [word, "more"]}),
            ),
            OllamaEmbed => (
                "/api/embed",
                json!({"model": "soak-vectors", "input": [word, "more"]}),
            ),
            Paced | HangUp => (CHAT, chat("soak-steady", word, true)),
        }
    }

    /// The status that its caller gets.
    pub(crate) fn status(self) -> u16 {
        if self == WrongKey { 401 } else { 200 }
    }

    /// How its row says that it ended; one of these.
    pub(crate) fn outcomes(self) -> &'static [&'static str] {
        match self {
            // The answer may have left before the caller did.
            HangUp => &["client_cancelled", "success"],
            WrongKey => &["client_error"],
            Chat | ChatStream | Long | Tools | ToolsStream | Messages | MessagesStream
            | Response | ResponseStream | Ollama | OllamaStream | Embeddings | OllamaEmbed
            | Paced => &["success"],
        }
    }

    /// Checks a whole answer.
    ///
    /// # Errors
    /// When it is not the one to `word`, or not whole.
    pub(crate) fn check(self, word: &str, body: &[u8]) -> Result<()> {
        let body = std::str::from_utf8(body)?;
        let form = match self {
            Chat | Long | Tools => Form::Chat,
            ChatStream | ToolsStream | Paced | HangUp => Form::ChatEvents,
            Messages => Form::Message,
            MessagesStream => Form::MessageEvents,
            Response => Form::Response,
            ResponseStream => Form::ResponseEvents,
            Ollama => Form::Ollama,
            OllamaStream => Form::OllamaLines,
            Embeddings | OllamaEmbed => {
                let read: Value = serde_json::from_str(body)?;
                let vectors = read["data"].as_array().or(read["embeddings"].as_array());
                ensure!(vectors.is_some_and(|all| all.len() == 2), "no two vectors");
                return Ok(());
            }
            WrongKey => {
                ensure!(body.contains("invalid_api_key"), "another refusal");
                return Ok(());
            }
        };
        let said = replies::read(form, body)?;
        match self {
            Tools | ToolsStream => {
                ensure!(said.calls.starts_with("get_weather"), "no call of the tool");
                let arguments = said.calls.trim_start_matches("get_weather");
                let read: Value = serde_json::from_str(arguments)?;
                ensure!(read["city"].is_string(), "a call without its argument");
            }
            // Its provider counts words and does not repeat any.
            Paced | HangUp => ensure!(said.text.split_whitespace().count() == 12, "cut"),
            // Its provider repeats no more than the beginning.
            Long => ensure!(said.text.contains(word), "the answer to another call"),
            Chat | ChatStream | Messages | MessagesStream | Response | ResponseStream | Ollama
            | OllamaStream | Embeddings | OllamaEmbed | WrongKey => {
                ensure!(said.text.ends_with(word), "the answer to another call");
            }
        }
        Ok(())
    }
}
