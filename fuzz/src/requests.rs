//! The laws of requests: edited ones keep every other member, translated ones are what
//! an upstream takes, or are refused with the name of a field.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;
use wire::dialect::openai::{
    CallForm, ChatTarget, Defaults, Request, Stops, StreamOptions, Target, beginning, conversation,
    read_chat, read_completion, user, write_chat,
};
use wire::dialect::runpod::{JobRoute, Policy, Worker, job};
use wire::dialect::{anthropic, ollama};
use wire::hub::{Chat, Origin, Part, Refusal, Thinking, Written};
use wire::provider::Call;

use crate::draw::Draw;
use crate::json::{Members, is_object, must_be_object};

/// Members that an edit may change.
const EDITED: [&str; 8] = [
    "max_completion_tokens",
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "temperature",
    "top_p",
    "encoding_format",
];

/// A request that is edited, of every call.
pub fn check_edited(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let mut draw = Draw::of(data);
    let _ = conversation(data);
    if let Some(first) = beginning(data) {
        assert!(
            data.as_ptr_range().contains(&first.as_ptr()),
            "a part of it"
        );
    }
    assert!(user(data).is_none_or(|name| name.len() <= data.len() * 3));
    for call in Call::ALL {
        let read = Request::read(call, data);
        if let Err(bad) = &read {
            assert!(!bad.message.is_empty());
        }
        let Ok(request) = read else { continue };
        if std::str::from_utf8(data).is_err() {
            // Members that are not read are not looked into, and go on as they came.
            continue;
        }
        let before = Members::read(data).expect("a request is an object");
        let defaults = Defaults {
            max_tokens: draw.once_in(2).then(|| Bytes::from_static(b"77")),
            temperature: draw.once_in(2).then(|| Bytes::from_static(b"0.5")),
            top_p: draw.once_in(2).then(|| Bytes::from_static(b"0.25")),
            system_prompt: draw.once_in(3).then(|| "Be \"brief\".\n".to_owned()),
        };
        let target = Target {
            model: &Bytes::from_static(b"\"up/stream\""),
            stream: draw.one_of(&[None, Some(true), Some(false)]),
            stream_options: draw.one_of(&[
                StreamOptions::AskUsage,
                StreamOptions::Keep,
                StreamOptions::Remove,
            ]),
            defaults: &defaults,
            only_max_tokens: draw.once_in(2),
            only_system: draw.once_in(2),
            reasoning: draw.once_in(2),
            calls: CallForm::Any,
            float_embeddings_only: draw.once_in(2),
            only_named: draw.once_in(2),
            stops: draw.one_of(&[Stops::All, Stops::Four, Stops::None]),
            most: draw.one_of(&[None, Some(7)]),
        };
        let out = request.upstream_body(&body, &target).to_bytes();
        must_be_object("an edited request", &out);
        let after = Members::read(&out).expect("an object");
        let told = format!(
            "{} of {}",
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(data)
        );
        check_members(call, &before, &after, &target, &told);

        let again = Request::read(call, &out).unwrap_or_else(|bad| panic!("{bad}: {told}"));
        assert_eq!(again.model.as_deref(), Some("up/stream"), "{told}");
        assert_eq!(
            again.stream,
            target.stream.unwrap_or(request.stream),
            "{told}"
        );
        match target.stream_options {
            StreamOptions::AskUsage => assert!(again.wants_usage, "{told}"),
            StreamOptions::Keep => assert_eq!(again.wants_usage, request.wants_usage),
            StreamOptions::Remove => assert!(!again.wants_usage, "{told}"),
        }
        if draw.once_in(8) {
            check_long(call, data, &target, &after);
        }
    }
}

fn check_members(call: Call, before: &Members, after: &Members, target: &Target<'_>, told: &str) {
    let mut edited = EDITED.to_vec();
    let leads = call == Call::Chat && target.defaults.system_prompt.is_some();
    let renames = call == Call::Chat && target.only_system;
    if leads || renames {
        edited.push("messages");
    }
    edited.extend((!matches!(target.stops, Stops::All)).then_some("stop"));
    edited.extend(target.only_named.then_some("tools"));
    assert_eq!(after.without(&edited), before.without(&edited), "{told}");
    assert_eq!(after.get("model"), Some("\"up/stream\""), "{told}");
    for name in ["temperature", "top_p", "max_tokens"] {
        // What the caller has set stays, but for more than the upstream has room for.
        if let Some(value) = before.get(name).filter(|value| *value != "null") {
            let room = target.most.filter(|_| name == "max_tokens");
            let room = room.map(|most| most.to_string());
            assert_eq!(
                after.get(name),
                Some(room.as_deref().unwrap_or(value)),
                "{told}"
            );
        }
    }
    if !leads && !renames {
        return;
    }
    let (was, is) = (messages(before, renames), messages(after, renames));
    if leads {
        let same = was.iter().rev().zip(is.iter().rev());
        let same = same.take_while(|(a, b)| a == b).count();
        // The prompt is a message of its own, or part of the first one.
        assert!(same + 1 >= is.len() && is.len() >= was.len(), "{told}");
        assert!(is[0].contains("Be \\\"brief\\\".\\n"), "{told}");
    } else {
        assert_eq!(is, was, "{told}");
    }
}

/// The messages as they are written; where the role `developer` is to be `system`, those
/// of either are written anew, so that they can be compared.
fn messages(members: &Members, renames: bool) -> Vec<String> {
    let text = members.get("messages").expect("messages");
    let all: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).expect("a list");
    let written = all.iter().map(|message| {
        let mut read: serde_json::Value = match serde_json::from_str(message.get()) {
            Ok(read) if renames => read,
            _ => return message.get().to_owned(),
        };
        match read["role"].as_str() {
            Some("developer" | "system") => {
                read["role"] = "system".into();
                read.to_string()
            }
            _ => message.get().to_owned(),
        }
    });
    written.collect()
}

/// A body that is so long that only its outline is read is edited like a short one.
fn check_long(call: Call, data: &[u8], target: &Target<'_>, expected: &Members) {
    let open = data
        .iter()
        .position(|byte| *byte == b'{')
        .expect("an object");
    let mut long = data[..=open].to_vec();
    long.extend_from_slice(b"\"long\":\"");
    long.resize(long.len() + 70_000, b'x');
    long.extend_from_slice(b"\",");
    long.extend_from_slice(&data[open + 1..]);
    let long = Bytes::from(long);
    let request = Request::read(call, &long).unwrap_or_else(|bad| panic!("{bad}"));
    let out = request.upstream_body(&long, target).to_bytes();
    let members = Members::read(&out).expect("an object");
    if expected.get("long").is_none() {
        assert_eq!(members.without(&["long"]), *expected, "by its outline");
    }
}

/// A chat that is translated into every dialect.
pub fn check_chat(data: &[u8]) {
    let chat = match read_chat(data) {
        Ok(chat) => chat,
        Err(bad) => return assert!(!bad.message.is_empty()),
    };
    check_written(&chat, data);
}

/// A chat or a prompt of an Ollama caller, translated into every dialect.
pub fn check_ollama(data: &[u8]) {
    for read in [ollama::read_chat, ollama::read_generate] {
        let request = match read(data) {
            Ok(request) => request,
            Err(bad) => {
                assert!(!bad.message.is_empty());
                continue;
            }
        };
        assert!(!request.model.is_empty());
        let ollama::Wanted::Answer(chat) = request.wants else {
            continue;
        };
        assert!(!chat.messages.is_empty());
        check_written(&chat, data);
        check_well_formed(&chat);
        check_own_dialect(&chat);
    }
}

/// OpenAI's rules of results hold, although Ollama's format has none.
fn check_well_formed(chat: &Chat) {
    let target = ChatTarget {
        model: "up",
        only_max_tokens: false,
        developer_role: false,
        ask_usage: true,
        string_content: true,
        stop_limit: None,
        plain_tool_names: true,
    };
    let written = write_chat(chat, &target).unwrap_or_else(|bad| panic!("{bad}"));
    let told = String::from_utf8_lossy(&written.body);
    match Request::read(Call::Chat, &written.body) {
        Ok(request) => assert_eq!(request.refusal(), None, "{told}"),
        Err(bad) => panic!("{bad}: {told}"),
    }
}

/// What is written for an Ollama server could have been a caller's: read and written
/// again, it is the same.
fn check_own_dialect(chat: &Chat) {
    let target = ollama::Target {
        model: "up",
        ..ollama::Target::default()
    };
    // Texts that hold nothing are refused.
    let Ok(once) = ollama::write(chat, &target) else {
        return;
    };
    let told = String::from_utf8_lossy(&once.body);
    let again = ollama::read_chat(&once.body).unwrap_or_else(|bad| panic!("{bad}: {told}"));
    let ollama::Wanted::Answer(again) = again.wants else {
        panic!("no messages: {told}");
    };
    assert!(again.left_out.is_empty(), "{:?}: {told}", again.left_out);
    let again = ollama::write(&again, &target).unwrap_or_else(|bad| panic!("{bad}: {told}"));
    assert_eq!(String::from_utf8_lossy(&again.body), told);
}

/// A completion that is translated, as a chat and as Ollama's own.
pub fn check_completion(data: &[u8]) {
    let completion = match read_completion(data) {
        Ok(completion) => completion,
        Err(bad) => return assert!(!bad.message.is_empty()),
    };
    assert!(!completion.prompts.is_empty());
    let form = wire::hub::ResponseFormat::Text;
    for prompt in &completion.prompts {
        let generate = ollama::Generate {
            prompt,
            suffix: completion.suffix.as_deref(),
            images: &[],
            sampling: &completion.sampling,
            max_tokens: completion.max_tokens,
            stop: &completion.stop,
            stream: completion.stream,
            format: &form,
        };
        let written = ollama::write_generate(&generate, &ollama::Target::default());
        check_one("ollama's generate", written, data);
    }
    match completion.to_chats() {
        Ok(chats) => {
            assert_eq!(chats.len(), completion.prompts.len());
            // Each prompt has its own; the first few tell enough.
            for chat in chats.iter().take(3) {
                check_written(chat, data);
            }
        }
        Err(refusal) => must_say_what(&refusal),
    }
}

fn must_say_what(refusal: &Refusal) {
    assert!(
        !refusal.param.is_empty() && !refusal.message.is_empty(),
        "{refusal:?}"
    );
}

/// The body, if it was not refused.
fn check_one(what: &str, written: Result<Written, Refusal>, data: &[u8]) -> Option<Value> {
    let written = match written {
        Ok(written) => written,
        Err(refusal) => {
            must_say_what(&refusal);
            return None;
        }
    };
    must_be_object(what, &written.body);
    assert!(
        written.body.len() <= 64 * data.len() + 4096,
        "{what} is long"
    );
    for note in &written.notes {
        assert!(!note.why.is_empty(), "{note:?}");
    }
    // Numbers that do not fit into a tree of values are not looked into.
    serde_json::from_slice(&written.body).ok()
}

/// A chat is written in every dialect, or refused with the name of a field.
pub(crate) fn check_written(chat: &Chat, data: &[u8]) {
    let mut draw = Draw::of(data);
    check_openai(chat, data, &mut draw);
    check_anthropic(chat, data, &mut draw);
    let target = ollama::Target {
        model: "llama",
        num_ctx: draw.one_of(&[None, Some(8192)]),
        keep_alive: draw.one_of(&[None, Some("5m"), Some("-1"), Some("x")]),
        thinks: draw.one_of(&[None, Some(true), Some(false)]),
        takes_tools: draw.one_of(&[None, Some(true), Some(false)]),
    };
    let _ = ollama::prompt_tokens(chat);
    if let Some(body) = check_one("ollama's chat", ollama::write(chat, &target), data) {
        let messages = body["messages"].as_array().expect("messages");
        for call in messages
            .iter()
            .flat_map(|m| m["tool_calls"].as_array())
            .flatten()
        {
            assert!(call["function"]["arguments"].is_object(), "{call}");
        }
    }
    for worker in Worker::ALL {
        let route = draw.one_of(&[JobRoute::Chat, JobRoute::Completions]);
        let policy = draw.once_in(2).then_some(Policy {
            execution_timeout: 5,
            ttl: 7,
        });
        // What goes in unparsed is a body that has been written before.
        let body: &[u8] = if is_object(data) { data } else { b"{}" };
        match job(worker, route, body, Some(chat), policy) {
            Ok(body) => must_be_object("a job", &body),
            Err(refusal) => must_say_what(&refusal),
        }
    }
}

/// Written and read again it is written as the same.
fn check_openai(chat: &Chat, data: &[u8], draw: &mut Draw) {
    let target = ChatTarget {
        model: "up",
        only_max_tokens: draw.once_in(2),
        developer_role: draw.once_in(2),
        ask_usage: draw.once_in(2),
        string_content: draw.once_in(2),
        stop_limit: draw.one_of(&[None, Some(4)]),
        plain_tool_names: draw.once_in(2),
    };
    let written = write_chat(chat, &target);
    let body = written.as_ref().ok().map(|written| written.body.clone());
    if let Ok(written) = &written {
        for tool in &chat.tools {
            let mut names = written.names.clone();
            let upstream = names.upstream(&tool.name, 64);
            assert_eq!(names.caller(&upstream), tool.name);
        }
    }
    check_one("a chat completion request", written, data);
    let Some(body) = body else { return };
    let mut results = chat.messages.iter().flat_map(|message| &message.parts);
    let is_legacy = results
        .any(|part| matches!(part, Part::ToolResult { id, .. } if id.starts_with("function_call")));
    let is_refused = |body: &[u8]| {
        let read = Request::read(Call::Chat, body);
        read.map_or(true, |request| request.refusal().is_some())
    };
    if is_refused(data) || is_legacy || !answers_its_calls(chat) {
        // Such a request never comes so far; results of the older form are not checked, and
        // of other dialects' callers those of calls that nobody made are the upstream's to refuse.
        return;
    }
    let told = || {
        let data = String::from_utf8_lossy(data);
        format!("{} of {data}", String::from_utf8_lossy(&body))
    };
    assert!(!is_refused(&body), "{}", told());
    let again = read_chat(&body).unwrap_or_else(|bad| panic!("{bad}: {}", told()));
    let again = write_chat(&again, &target).unwrap_or_else(|bad| panic!("{bad}: {}", told()));
    assert_eq!(
        String::from_utf8_lossy(&again.body),
        String::from_utf8_lossy(&body),
        "written again, {}",
        told()
    );
}

/// Whether each result is that of a call in the turn before.
fn answers_its_calls(chat: &Chat) -> bool {
    let mut open = BTreeSet::new();
    for message in &chat.messages {
        let mut calls = BTreeSet::new();
        let mut results = 0;
        for part in &message.parts {
            match part {
                Part::ToolCall { id, .. } => {
                    calls.insert(id.as_str());
                }
                Part::ToolResult { id, .. } if !open.contains(id.as_str()) => return false,
                Part::ToolResult { .. } => results += 1,
                _ => {}
            }
        }
        if results == 0 {
            open = calls;
        }
    }
    true
}

/// What the vendor checks of a conversation: the turns alternate, and every call has its
/// result in the next one.
fn check_anthropic(chat: &Chat, data: &[u8], draw: &mut Draw) {
    let recall = |id: &str| {
        id.len().is_multiple_of(2).then(|| {
            vec![Thinking::Plain {
                text: "hm".to_owned(),
                signature: Some("proof".to_owned()),
            }]
        })
    };
    let target = anthropic::Target {
        model: draw.one_of(&[
            "claude-sonnet-4-5",
            "claude-3-5-haiku-latest",
            "claude-opus-4-8",
            "other",
        ]),
        default_max_tokens: 4096,
        auto_cache: draw.once_in(2),
        inline_system: draw.once_in(2),
        origin: Origin::of(1, "https://upstream.example", "other"),
        recall: &recall,
    };
    let Some(body) = check_one("a message request", anthropic::write(chat, &target), data) else {
        return;
    };
    assert!(body["max_tokens"].as_u64().is_some_and(|most| most > 0));
    let messages = body["messages"].as_array().expect("messages");
    assert!(!messages.is_empty(), "no messages: {body}");
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut before = "";
    for message in messages {
        let role = message["role"].as_str().expect("a role");
        if role != "system" {
            assert_ne!(role, before, "{body}");
            before = role;
        }
        let empty = Vec::new();
        let blocks = message["content"].as_array().unwrap_or(&empty);
        assert!(
            !message["content"].is_null()
                && message["content"] != ""
                && message["content"] != Value::Array(Vec::new()),
            "{body}"
        );
        let ids = |kind: &str, member: &str| -> BTreeSet<String> {
            let of_kind = blocks.iter().filter(|block| block["type"] == kind);
            of_kind
                .map(|block| block[member].as_str().expect("an id").to_owned())
                .collect()
        };
        assert_eq!(ids("tool_result", "tool_use_id"), open, "{body}");
        open = ids("tool_use", "id");
        for id in &open {
            assert!(known.insert(id.clone()), "an id twice: {body}");
            let plain = id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            assert!(plain && !id.is_empty(), "{body}");
        }
        let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
        for call in calls {
            assert!(call["input"].is_object(), "{call}");
        }
    }
    let unanswered = chat.messages.iter().flat_map(|message| &message.parts);
    let has_calls = unanswered
        .clone()
        .any(|part| matches!(part, Part::ToolCall { .. }));
    assert!(open.is_empty() || has_calls, "{body}");
}
