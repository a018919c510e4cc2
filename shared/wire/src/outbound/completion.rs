//! A text completion for an upstream that has only chat: one request for each prompt, or
//! for each answer where one request gives one.

use super::{
    AnswerForm, Candidate, Dialect, Inbound, Outbound, Unsaid, read_completion, streams,
    to_anthropic,
};
use crate::dialect::openai::{self, ChatTarget};
use crate::edit::Segments;
use crate::provider::Format;

pub(super) fn write(inbound: &Inbound, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    let completion = read_completion(inbound, candidate)?;
    let dialect = match candidate.way.format {
        Format::Anthropic => Dialect::Anthropic,
        Format::OpenAi
        | Format::OllamaChat
        | Format::OllamaGenerate
        | Format::OllamaEmbed
        | Format::RunpodJob
        | Format::Responses => Dialect::OpenAi,
    };
    // Anthropic's API gives one answer a request.
    let each = match dialect {
        Dialect::Anthropic => completion.requests_each()?,
        Dialect::OpenAi | Dialect::Ollama | Dialect::Job { .. } => 1,
    };
    let upstream_streams = streams(inbound, candidate).1 && completion.prompts.len() * each == 1;
    let form = AnswerForm::Completion(dialect, completion.echoes(each));
    let mut out = Outbound::plain(Segments::default(), form);
    out.bodies.clear();
    for mut chat in completion.to_chats()? {
        chat.stream = upstream_streams;
        let written = if dialect == Dialect::Anthropic {
            chat.n = None;
            to_anthropic(&chat, candidate)?
        } else {
            let provider = candidate.provider;
            let target = ChatTarget {
                model: candidate.model,
                only_max_tokens: true,
                developer_role: false,
                ask_usage: upstream_streams && provider.takes_stream_options,
                string_content: true,
                stop_limit: None,
                plain_tool_names: false,
            };
            openai::write_chat(&chat, &target)?
        };
        let body = Segments::from(written.body);
        out.bodies.extend(std::iter::repeat_n(body, each));
        out.notes = written.notes;
    }
    Ok(out)
}
