//! The order of messages and blocks: whose turn it is, calls and results that pair up,
//! thinking that comes first.

use std::collections::BTreeSet;

use serde_json::Value;

use super::blocks::{self, Counted};
use super::object::{Object, refuse};
use super::rules::Rules;
use crate::vendor::refusal::Refusal;

/// What the conversation holds.
pub(super) struct Seen {
    /// Text of the last message, if it is the user's and has some.
    pub(super) user_text: Option<String>,
    /// There are calls or results in it.
    pub(super) tools: bool,
}

/// Messages of one role in a row, which the vendor takes as one.
struct Turn<'a> {
    role: &'a str,
    /// Index of its first message.
    index: usize,
    blocks: Vec<Block<'a>>,
}

enum Block<'a> {
    Text(&'a str),
    Call(&'a str),
    Result(&'a str),
    Thinking,
    Other,
}

pub(super) fn check(
    root: &Object<'_>,
    rules: Rules<'_>,
    thinking: bool,
    counted: &mut Counted,
) -> Result<Seen, Refusal> {
    root.required("messages")?;
    let messages = root.list("messages")?.unwrap_or_default();
    if messages.is_empty() {
        return Err(refuse("messages", "at least one message is required"));
    }
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let last = index + 1 == messages.len();
        let turn = message_turn(index, message, last, counted)?;
        if turn.role == "system" {
            mid_system(rules, index, last, &turns)?;
        }
        match turns.last_mut() {
            Some(before) if before.role == turn.role => before.blocks.extend(turn.blocks),
            _ => turns.push(turn),
        }
    }
    if turns.first().is_some_and(|turn| turn.role != "user") {
        return Err(refuse(
            "messages",
            "first message must use the \"user\" role",
        ));
    }
    pairs(&turns)?;
    if thinking {
        thinking_first(&turns)?;
    }
    prefill(&turns, rules)?;
    let tools = turns
        .iter()
        .flat_map(|turn| &turn.blocks)
        .any(|block| matches!(block, Block::Call(_) | Block::Result(_)));
    let user_text = turns
        .last()
        .filter(|turn| turn.role == "user")
        .map(Turn::text);
    Ok(Seen {
        user_text: user_text.filter(|text| !text.is_empty()),
        tools,
    })
}

fn message_turn<'a>(
    index: usize,
    message: &'a Value,
    last: bool,
    counted: &mut Counted,
) -> Result<Turn<'a>, Refusal> {
    let object = Object::at(format!("messages.{index}"), message)?;
    object.only(&["role", "content"])?;
    let role = object.required_string("role")?;
    if !["user", "assistant", "system"].contains(&role) {
        let words =
            format!("Unexpected role \"{role}\". Allowed roles are \"user\" or \"assistant\".");
        return Err(refuse("messages", &words));
    }
    let content = object.required("content")?;
    let mut turn = Turn {
        role,
        index,
        blocks: Vec::new(),
    };
    let empty = match content {
        Value::String(text) => {
            if !text.is_empty() {
                blocks::filled(text)?;
                counted.text_bytes += text.len();
                turn.blocks.push(Block::Text(text));
            }
            text.is_empty()
        }
        Value::Array(parts) => {
            for (number, part) in parts.iter().enumerate() {
                let path = object.name(&format!("content.{number}"));
                blocks::check(&path, role, part, counted)?;
                turn.blocks.push(block(part));
            }
            parts.is_empty()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(object.refuse("content", "Input should be a valid string or list"));
        }
    };
    if empty && !(last && role == "assistant") {
        let words = "all messages must have non-empty content except for the optional final \
                     assistant message";
        return Err(refuse(&format!("messages.{index}"), words));
    }
    Ok(turn)
}

fn block(part: &Value) -> Block<'_> {
    let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "text" => Block::Text(text("text")),
        "tool_use" => Block::Call(text("id")),
        "tool_result" => Block::Result(text("tool_use_id")),
        "thinking" | "redacted_thinking" => Block::Thinking,
        _ => Block::Other,
    }
}

impl Turn<'_> {
    fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(*text),
            Block::Call(_) | Block::Result(_) | Block::Thinking | Block::Other => None,
        });
        texts.collect()
    }

    /// Ids of the calls in this turn.
    fn calls(&self) -> Vec<&str> {
        let calls = self.blocks.iter().filter_map(|block| match block {
            Block::Call(id) => Some(*id),
            Block::Text(_) | Block::Result(_) | Block::Thinking | Block::Other => None,
        });
        calls.collect()
    }

    /// Ids of the results before anything else in this turn.
    fn first_results(&self) -> BTreeSet<&str> {
        let results = self.blocks.iter().map_while(|block| match block {
            Block::Result(id) => Some(*id),
            Block::Text(_) | Block::Call(_) | Block::Thinking | Block::Other => None,
        });
        results.collect()
    }
}

/// Every call is answered at the start of the next turn, and every result answers a call.
fn pairs(turns: &[Turn<'_>]) -> Result<(), Refusal> {
    let mut ids = BTreeSet::new();
    for (number, turn) in turns.iter().enumerate() {
        let called: BTreeSet<&str> = match number.checked_sub(1).and_then(|at| turns.get(at)) {
            Some(before) => before.calls().into_iter().collect(),
            None => BTreeSet::new(),
        };
        for block in &turn.blocks {
            if let Block::Result(id) = block
                && !called.contains(id)
            {
                let words = format!(
                    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                     `tool_result` block must have a corresponding `tool_use` block in the \
                     previous message."
                );
                return Err(refuse(&format!("messages.{}.content", turn.index), &words));
            }
        }
        let calls = turn.calls();
        if !calls.iter().all(|id| ids.insert(*id)) {
            return Err(refuse("messages", "`tool_use` ids must be unique"));
        }
        let next = turns.get(number + 1);
        let answered = next.map(Turn::first_results).unwrap_or_default();
        let open: Vec<&str> = calls
            .into_iter()
            .filter(|id| !answered.contains(id))
            .collect();
        if !open.is_empty() {
            let words = format!(
                "`tool_use` ids were found without `tool_result` blocks immediately after: {}. \
                 Each `tool_use` block must have a corresponding `tool_result` block in the next \
                 message.",
                open.join(", ")
            );
            return Err(refuse(&format!("messages.{}", turn.index), &words));
        }
    }
    Ok(())
}

/// With thinking on, a turn that calls a tool begins with the thoughts that led to it.
fn thinking_first(turns: &[Turn<'_>]) -> Result<(), Refusal> {
    for (number, turn) in turns.iter().enumerate() {
        let last = number + 1 == turns.len();
        let bound = turn.role == "assistant" && (last || !turn.calls().is_empty());
        let found = match turn.blocks.first() {
            Some(Block::Call(_)) => "tool_use",
            Some(Block::Text(_)) => "text",
            Some(Block::Thinking | Block::Result(_) | Block::Other) | None => continue,
        };
        if bound {
            let words = format!(
                "Expected `thinking` or `redacted_thinking`, but found `{found}`. When \
                 `thinking` is enabled, a final `assistant` message must start with a thinking \
                 block (preceding the lastmost set of `tool_use` and `tool_result` blocks)."
            );
            return Err(refuse(
                &format!("messages.{}.content.0.type", turn.index),
                &words,
            ));
        }
    }
    Ok(())
}

/// The last turn is the user's, or one the model can go on with.
fn prefill(turns: &[Turn<'_>], rules: Rules<'_>) -> Result<(), Refusal> {
    let Some(last) = turns.last().filter(|turn| turn.role == "assistant") else {
        return Ok(());
    };
    if rules.no_prefill() {
        let words = "This model does not support assistant message prefill. The conversation \
                     must end with a user message.";
        return Err(Refusal::new(400, words));
    }
    if let Some(Block::Text(text)) = last.blocks.last()
        && text.ends_with(char::is_whitespace)
    {
        let words = "final assistant content cannot end with trailing whitespace";
        return Err(refuse("messages", words));
    }
    Ok(())
}

/// `system` inside the conversation: few models, and only after the user.
fn mid_system(
    rules: Rules<'_>,
    index: usize,
    last: bool,
    before: &[Turn<'_>],
) -> Result<(), Refusal> {
    if !rules.system_inside() {
        let words = "role 'system' is not supported on this model";
        return Err(refuse(&format!("messages.{index}"), words));
    }
    let after_user = before.last().is_some_and(|turn| turn.role == "user");
    if after_user || last {
        return Ok(());
    }
    let words = "a 'system' message must follow a 'user' message";
    Err(refuse(&format!("messages.{index}"), words))
}
