//! A chat of a caller of another dialect, for a server that speaks OpenAI's: the hub's
//! chat in OpenAI's form, which is then edited like any caller's of OpenAI's.

use super::{Candidate, Inbound, Unsaid, edited};
use crate::dialect::openai::{self, ChatTarget, Request};
use crate::hub::{Chat, Effort, Message, Note, Role, ToolChoice, ToolNames};
use crate::inbound::CallerDialect;
use crate::provider::{Call, Format, ProviderKind, is_openais};

/// Longest name of a user, in bytes, that OpenAI takes.
const LONGEST_USER: usize = 64;

/// The request in OpenAI's form for `candidate`.
pub(super) struct Written {
    pub(super) inbound: Inbound,
    pub(super) notes: Vec<Note>,
    pub(super) names: ToolNames,
}

/// Writes `chat`, which the caller of `inbound` asks.
///
/// # Errors
/// When the dialect cannot say it.
pub(super) fn write(
    inbound: &Inbound,
    chat: &Chat,
    candidate: &Candidate<'_>,
) -> Result<Written, Unsaid> {
    let is_openai = candidate.provider.id == ProviderKind::OpenAi.id();
    let is_vendor = is_openai && candidate.way.url.base().host() == "api.openai.com";
    let reasons = is_openai && edited::reasons(candidate.model);
    let mut chat = chat.clone();
    let mut notes = Vec::new();
    chat.stream = inbound.request.stream;
    only_named(&mut chat, &mut notes);
    if !candidate.inline_system && !is_openais(candidate.way.url.base()) {
        one_system(&mut chat, &mut notes);
    }
    fit_effort(&mut chat, is_vendor, reasons, &mut notes);
    if is_vendor {
        for (field, value) in [
            ("top_k", &mut chat.sampling.top_k),
            ("min_p", &mut chat.sampling.min_p),
            ("repetition_penalty", &mut chat.sampling.repetition_penalty),
        ] {
            if value.take().is_some() {
                notes.push(Note::dropped(field, "the provider's API has no such field"));
            }
        }
    }
    if reasons {
        let sampling = &mut chat.sampling;
        let refused = [
            ("temperature", &mut sampling.temperature),
            ("top_p", &mut sampling.top_p),
        ];
        for (field, value) in refused {
            if value.take().is_some() {
                notes.push(Note::dropped(
                    field,
                    "the model takes no sampling parameters",
                ));
            }
        }
    }
    if chat
        .user
        .as_ref()
        .is_some_and(|user| user.len() > LONGEST_USER)
    {
        chat.user = None;
        notes.push(Note::dropped(
            "user",
            "the name is longer than the provider takes",
        ));
    }
    let target = ChatTarget {
        model: inbound.request.model.as_deref().unwrap_or_default(),
        only_max_tokens: !reasons,
        developer_role: false,
        ask_usage: false,
        string_content: true,
        // What a server does not take of them is cut from its answer here.
        stop_limit: None,
        plain_tool_names: true,
    };
    let written = openai::write_chat(&chat, &target)?;
    let request = Request::read(Call::Chat, &written.body).map_err(Unsaid::Bad)?;
    notes.extend(written.notes);
    let mut names = written.names;
    names.mark_custom(&chat.custom_tools);
    Ok(Written {
        inbound: Inbound {
            dialect: CallerDialect::OpenAiChat,
            call: Call::Chat,
            body: written.body,
            request,
            own: None,
            wordless: None,
        },
        notes,
        names,
    })
}

/// Whether the candidate's requests are in OpenAI's form.
pub(super) fn takes(candidate: &Candidate<'_>) -> bool {
    match candidate.way.format {
        Format::OpenAi | Format::RunpodJob => true,
        Format::Anthropic
        | Format::Responses
        | Format::OllamaChat
        | Format::OllamaGenerate
        | Format::OllamaEmbed => false,
    }
}

/// Not every server heeds the name of the one tool that is to be called: it is offered
/// alone.
fn only_named(chat: &mut Chat, notes: &mut Vec<Note>) {
    if let Some(ToolChoice::Named(name)) = &chat.tool_choice
        && chat.tools.iter().any(|tool| tool.name == *name)
        && chat.tools.len() > 1
    {
        chat.tools.retain(|tool| tool.name == *name);
        notes.push(Note::adapted(
            "tools",
            "the one tool that is to be called is offered alone",
        ));
    }
}

/// Chat templates of open models take one message of the system's, at the beginning, and
/// refuse the request or pass over any other.
fn one_system(chat: &mut Chat, notes: &mut Vec<Note>) {
    let is_system = |message: &Message| message.role == Role::System;
    let leads = chat.messages.first().is_some_and(is_system);
    let count = chat.messages.iter().filter(|one| is_system(one)).count();
    if count == 0 || (count == 1 && leads) {
        return;
    }
    let all = std::mem::take(&mut chat.messages);
    let (system, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(is_system);
    let mut system = system.into_iter();
    chat.messages.extend(system.next().map(|mut first| {
        for more in system {
            notes.push(Note::adapted(
                more.at,
                "what the system says stands at the beginning, where every chat template looks for it",
            ));
            first.parts.extend(more.parts);
        }
        first
    }));
    chat.messages.extend(rest);
}

/// How much to think, in words that the server knows.
fn fit_effort(chat: &mut Chat, is_vendor: bool, reasons: bool, notes: &mut Vec<Note>) {
    let fitting = match chat.effort {
        None => None,
        Some(_) if is_vendor && !reasons => None,
        Some(Effort::Max) => Some(Effort::High),
        Some(Effort::XHigh) if !is_vendor => Some(Effort::High),
        Some(Effort::Minimal) if !is_vendor => Some(Effort::Low),
        // Servers with models of their own know no word for it, or refuse this one.
        Some(Effort::None) if !is_vendor => None,
        same => same,
    };
    if fitting != chat.effort {
        let why = "the server knows it by other words, or not at all";
        notes.push(Note::adapted("reasoning_effort", why));
        chat.effort = fitting;
    }
}
