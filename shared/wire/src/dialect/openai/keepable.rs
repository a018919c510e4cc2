//! Which whole replies may be given again to the same request.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::present;
use crate::object;
use crate::provider::Call;

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(default)]
    n: Option<u64>,
    #[serde(borrow, default, deserialize_with = "present")]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "object::list")]
    choices: Vec<Choice<'a>>,
    #[serde(borrow, default, deserialize_with = "object::list")]
    data: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    message: Option<Message<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    function_call: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    embedding: Option<&'a RawValue>,
}

/// Whether `reply`, the whole answer that a caller gets to `request`, may be given again:
/// it is complete in every choice or vector that was asked for, holds no error, and calls
/// no tool. An answer that a filter has cut off is not complete.
#[must_use]
pub fn is_keepable(call: Call, request: &[u8], reply: &[u8]) -> bool {
    let Ok(asked) = object::read::<Asked<'_>>(request) else {
        return false;
    };
    let Ok(given) = object::read::<Given<'_>>(reply) else {
        return false;
    };
    if is_something(given.error) {
        return false;
    }
    let each = asked.n.unwrap_or(1).max(1);
    let (count, wanted) = match call {
        Call::Chat => (given.choices.len(), Some(each)),
        Call::Completions => {
            let prompts = texts(asked.prompt);
            (given.choices.len(), prompts.checked_mul(each))
        }
        Call::Embeddings => (given.data.len(), Some(texts(asked.input))),
        Call::Models | Call::Passed(_) => return false,
    };
    let is_vector = |item: &Item<'_>| is_something(item.embedding);
    Some(count as u64) == wanted
        && given.choices.iter().all(Choice::is_whole)
        && given.data.iter().all(is_vector)
}

impl Choice<'_> {
    fn is_whole(&self) -> bool {
        let ended = matches!(self.finish_reason.as_deref(), Some("stop" | "length"));
        let says = match &self.message {
            Some(message) => {
                let said = [message.content, message.reasoning_content, message.audio];
                let calls = [message.tool_calls, message.function_call];
                said.into_iter().any(is_something) && !calls.into_iter().any(is_something)
            }
            None => is_something(self.text),
        };
        ended && says
    }
}

/// Whether a member is there and holds anything.
fn is_something(member: Option<&RawValue>) -> bool {
    member.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]" | "{}"))
}

/// How many texts a prompt or an input is: a list of numbers is one text in tokens.
fn texts(member: Option<&RawValue>) -> u64 {
    let list = member.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
    let is_text = |raw: &&RawValue| raw.get().starts_with(['"', '[']);
    match list {
        Some(list) if list.first().is_some_and(is_text) => list.len() as u64,
        Some(_) | None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::is_keepable;
    use crate::provider::Call;

    const CHAT: &str = r#"{"messages":[]}"#;

    fn chat(choice: &str) -> String {
        format!(r#"{{"id":"x","choices":[{choice}],"usage":{{}}}}"#)
    }

    fn said(finish: &str, message: &str) -> String {
        chat(&format!(
            r#"{{"index":0,"finish_reason":{finish},"message":{message}}}"#
        ))
    }

    #[test]
    fn an_answer_in_words_is() {
        for reply in [
            said(
                r#""stop""#,
                r#"{"role":"assistant","content":"hi","tool_calls":[],"function_call":null}"#,
            ),
            said(r#""length""#, r#"{"content":"hi","refusal":null}"#),
            said(r#""stop""#, r#"{"content":null,"reasoning_content":"hm"}"#),
        ] {
            assert!(
                is_keepable(Call::Chat, CHAT.as_bytes(), reply.as_bytes()),
                "{reply}"
            );
        }
    }

    #[test]
    fn calls_errors_and_what_is_not_whole_are_not() {
        for reply in [
            said(r#""tool_calls""#, r#"{"content":"hi"}"#),
            said(r#""function_call""#, r#"{"content":"hi"}"#),
            said(r#""stop""#, r#"{"content":"hi","tool_calls":[{"id":"a"}]}"#),
            said(
                r#""stop""#,
                r#"{"content":"hi","function_call":{"name":"f"}}"#,
            ),
            said(r#""content_filter""#, r#"{"content":"hi"}"#),
            said("null", r#"{"content":"hi"}"#),
            said(r#""stop""#, r#"{"content":""}"#),
            said(r#""stop""#, r#"{"content":null}"#),
            said(r#""stop""#, "null"),
            chat(""),
            r#"{"error":{"message":"no"}}"#.to_owned(),
            r#"{"choices":7}"#.to_owned(),
            "no JSON".to_owned(),
        ] {
            assert!(
                !is_keepable(Call::Chat, CHAT.as_bytes(), reply.as_bytes()),
                "{reply}"
            );
        }
    }

    #[test]
    fn as_many_as_were_asked_for_are_whole() {
        let one = r#"{"finish_reason":"stop","message":{"content":"a"}}"#;
        let two = format!("{one},{one}");
        for (request, choices, is_whole) in [
            (r#"{"n":2}"#, two.as_str(), true),
            (r#"{"n":2}"#, one, false),
            (r#"{"n":null}"#, one, true),
            (r#"{"n":1}"#, two.as_str(), false),
            (r#"{"n":"2"}"#, two.as_str(), false),
        ] {
            let reply = chat(choices);
            let is = is_keepable(Call::Chat, request.as_bytes(), reply.as_bytes());
            assert_eq!(is, is_whole, "{request} {choices}");
        }
    }

    #[test]
    fn each_prompt_and_each_input_counts() {
        let one = r#"{"finish_reason":"stop","text":"a"}"#;
        let two = format!("{one},{one}");
        for (request, choices, is_whole) in [
            (r#"{"prompt":"a"}"#, one, true),
            (r#"{"prompt":["a","b"]}"#, one, false),
            (r#"{"prompt":["a","b"]}"#, two.as_str(), true),
            (r#"{"prompt":[1,2]}"#, one, true),
            (r#"{"prompt":[[1],[2]]}"#, two.as_str(), true),
            (r#"{"prompt":["a"],"n":2}"#, two.as_str(), true),
        ] {
            let reply = chat(choices);
            let is = is_keepable(Call::Completions, request.as_bytes(), reply.as_bytes());
            assert_eq!(is, is_whole, "{request} {choices}");
        }
        for (request, data, is_whole) in [
            (r#"{"input":"a"}"#, r#"{"embedding":[1]}"#, true),
            (r#"{"input":["a"]}"#, r#"{"embedding":"AACAPw=="}"#, true),
            (r#"{"input":["a","b"]}"#, r#"{"embedding":[1]}"#, false),
            (r#"{"input":"a"}"#, r#"{"embedding":[]}"#, false),
            (r#"{"input":"a"}"#, "", false),
        ] {
            let reply = format!(r#"{{"object":"list","data":[{data}]}}"#);
            let is = is_keepable(Call::Embeddings, request.as_bytes(), reply.as_bytes());
            assert_eq!(is, is_whole, "{request} {data}");
        }
    }
}
