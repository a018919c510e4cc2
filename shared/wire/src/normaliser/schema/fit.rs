//! Values converted to what a schema wants where nothing is lost by it, and checked
//! against it.
//!
//! Both walk the value and the schema side by side. A schema whose branches lead back
//! to itself could make that walk long beyond measure, so each has a number of steps
//! that grows with the value; when they are used up nothing more is converted, and
//! nothing is called valid.

use std::collections::BTreeSet;

use super::Problem;
use super::graph::{Graph, Id, Node, Others};
use super::kinds::Kinds;
use crate::normaliser::json;
use crate::normaliser::number;
use crate::normaliser::python;
use crate::normaliser::scan::{DEEPEST, Scan};
use crate::normaliser::value::Value;

/// Problems named at most: they are for people.
const PROBLEMS: usize = 16;

/// A walk through one value.
pub(super) struct Walk<'a> {
    graph: &'a Graph,
    steps: usize,
    /// The way to the value at hand, such as `todos[0].status`.
    path: String,
    /// Whether something was converted.
    pub(super) changed: bool,
    /// What does not suit.
    pub(super) problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    /// A walk through `value`.
    pub(super) fn new(graph: &'a Graph, value: &Value) -> Self {
        Self {
            graph,
            steps: 1000 + size(value).saturating_mul(16),
            path: String::new(),
            changed: false,
            problems: Vec::new(),
        }
    }

    /// `value` as the node wants it.
    pub(super) fn fit(&mut self, id: Id, value: Value, depth: usize) -> Value {
        if !self.step(depth) {
            self.wrong(|| "a value that is small enough to be checked".to_owned());
            return value;
        }
        let node = self.graph.node(id);
        let value = self.converted(node.kinds, value);
        if !node.kinds.has(Kinds::of(&value)) {
            self.wrong(|| node.kinds.words());
            return value;
        }
        if !chosen(node, &value) {
            self.wrong(|| choices(node));
            return value;
        }
        let value = match self.branch(node, &value, depth) {
            Some(branch) => self.fit(branch, value, depth + 1),
            None if node.branches.is_empty() => value,
            None => {
                self.wrong(|| "one of the forms that the schema lists".to_owned());
                return value;
            }
        };
        match value {
            Value::Object(members) => self.fit_object(id, members, depth),
            Value::List(items) => self.fit_list(node, items, depth),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_)) => other,
        }
    }

    fn fit_object(&mut self, id: Id, members: Vec<(String, Value)>, depth: usize) -> Value {
        let node = self.graph.node(id);
        for key in missing(node, &members) {
            self.problem(key, Problem::Missing);
        }
        let mut fitted = Vec::with_capacity(members.len());
        for (key, value) in members {
            let value = match own(node, &key) {
                Some(property) => {
                    let before = self.path.len();
                    if before > 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(&key);
                    let value = self.fit(property, value, depth + 1);
                    self.path.truncate(before);
                    value
                }
                None => {
                    if node.others == Others::Forbidden && !self.is_branched(node, &key) {
                        self.problem(&key, Problem::UnknownKey);
                    }
                    value
                }
            };
            fitted.push((key, value));
        }
        Value::Object(fitted)
    }

    fn fit_list(&mut self, node: &Node, items: Vec<Value>, depth: usize) -> Value {
        let mut fitted = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let item = match node.first_items.get(at).copied().or(node.items) {
                Some(id) => {
                    let before = self.path.len();
                    self.path.push_str(&format!("[{at}]"));
                    let item = self.fit(id, item, depth + 1);
                    self.path.truncate(before);
                    item
                }
                None => item,
            };
            fitted.push(item);
        }
        Value::List(fitted)
    }

    /// The branch that a value belongs to: one that it suits, or else one that it can
    /// be made to suit, or else the only one of its type.
    fn branch(&mut self, node: &Node, value: &Value, depth: usize) -> Option<Id> {
        let kind = Kinds::of(value);
        let graph = self.graph;
        let of_kind = |id: &&Id| graph.node(**id).kinds.has(kind);
        let mut branches = node.branches.iter().filter(of_kind);
        if let Some(suits) = branches
            .clone()
            .find(|id| self.suits(**id, value, depth + 1))
        {
            return Some(*suits);
        }
        let first = branches.next()?;
        if branches.next().is_none() {
            return Some(*first);
        }
        let all = node.branches.iter().filter(of_kind);
        for id in all {
            let cost = size(value);
            if self.steps < cost {
                return None;
            }
            self.steps -= cost;
            let mut trial = Walk {
                graph,
                steps: self.steps,
                path: String::new(),
                changed: false,
                problems: Vec::new(),
            };
            trial.fit(*id, value.clone(), depth + 1);
            self.steps = trial.steps;
            if trial.problems.is_empty() && trial.steps > 0 {
                return Some(*id);
            }
        }
        None
    }

    /// Whether `value` is what the node asks for.
    pub(super) fn suits(&mut self, id: Id, value: &Value, depth: usize) -> bool {
        if !self.step(depth) {
            return false;
        }
        let node = self.graph.node(id);
        if !node.kinds.has(Kinds::of(value)) || !chosen(node, value) {
            return false;
        }
        let mut branches = node.branches.iter();
        if !node.branches.is_empty() && !branches.any(|id| self.suits(*id, value, depth + 1)) {
            return false;
        }
        match value {
            Value::Object(members) => {
                missing(node, members).is_empty()
                    && members.iter().all(|(key, value)| match own(node, key) {
                        Some(property) => self.suits(property, value, depth + 1),
                        None => node.others != Others::Forbidden || self.is_branched(node, key),
                    })
            }
            Value::List(items) => items.iter().enumerate().all(|(at, item)| {
                let item_node = node.first_items.get(at).copied().or(node.items);
                item_node.is_none_or(|id| self.suits(id, item, depth + 1))
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => true,
        }
    }

    /// Whether a key that the node forbids is one of its branches'.
    fn is_branched(&self, node: &Node, key: &str) -> bool {
        let mut branches = node.branches.iter();
        branches.any(|branch| self.graph.property(*branch, key).is_some())
    }

    /// `value` in another type, when the schema allows only that and it is the same.
    fn converted(&mut self, kinds: Kinds, value: Value) -> Value {
        if let Value::Number(digits) = &value
            && !kinds.has(Kinds::NUMBER)
            && kinds.has(Kinds::INTEGER)
            && let Some((whole, fraction)) = digits.split_once('.')
            && fraction.bytes().all(|digit| digit == b'0')
        {
            self.changed = true;
            return Value::Number(whole.into());
        }
        if kinds.has(Kinds::of(&value)) {
            return value;
        }
        let converted = match &value {
            Value::Text(text) => spelled(kinds, text),
            Value::Number(digits) if kinds.has(Kinds::TEXT) => {
                Some(Value::Text(digits.to_string()))
            }
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => {
                None
            }
        };
        self.changed |= converted.is_some();
        converted.unwrap_or(value)
    }

    fn step(&mut self, depth: usize) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0 && depth <= DEEPEST
    }

    /// What is wrong with the value at hand.
    fn wrong(&mut self, wanted: impl FnOnce() -> String) {
        if self.problems.len() < PROBLEMS {
            let (key, wanted) = (self.path.clone(), wanted());
            self.problems.push(Problem::WrongType { key, wanted });
        }
    }

    /// What is wrong with a member of the object at hand.
    fn problem(&mut self, key: &str, problem: fn(String) -> Problem) {
        if self.problems.len() < PROBLEMS {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.problems
                .push(problem(format!("{}{dot}{key}", self.path)));
        }
    }
}

/// What `text` spells, when it is one of `kinds`, none of which is text.
pub(super) fn spelled(kinds: Kinds, text: &str) -> Option<Value> {
    let text = text.trim();
    if kinds.has(Kinds::NULL) && is_null(text) {
        return Some(Value::Null);
    }
    if kinds.has(Kinds::BOOL) {
        for word in [true, false] {
            if text.eq_ignore_ascii_case(if word { "true" } else { "false" }) {
                return Some(Value::Bool(word));
            }
        }
    }
    if kinds.has(Kinds::INTEGER) && number::is_integer(text)
        || kinds.has(Kinds::NUMBER) && number::is_json(text)
    {
        return Some(Value::Number(text.into()));
    }
    if kinds.meets(Kinds::OBJECT.or(Kinds::LIST)) {
        return container(text).filter(|value| kinds.has(Kinds::of(value)));
    }
    None
}

/// Whether `text` is the word for no value.
pub(super) fn is_null(text: &str) -> bool {
    text.eq_ignore_ascii_case("null") || text.eq_ignore_ascii_case("none")
}

/// The object or array that `text` as a whole spells: in JSON, else in Python, else in
/// damaged JSON.
pub(super) fn container(text: &str) -> Option<Value> {
    if !text.starts_with(['{', '[', '(']) {
        return None;
    }
    let json = json::whole(text);
    let damaged = match json {
        Some(json) if !json.repaired => return Some(json.value),
        other => other,
    };
    match python::literal(text) {
        Scan::Done(value, length) if text[length..].trim().is_empty() => Some(value),
        Scan::Done(..) | Scan::More | Scan::No => damaged.map(|json| json.value),
    }
}

/// The node that an object's own schema has for a member.
fn own(node: &Node, key: &str) -> Option<Id> {
    let others = match node.others {
        Others::Like(id) => Some(id),
        Others::Unsaid | Others::Forbidden => None,
    };
    node.properties.get(key).copied().or(others)
}

/// The required members that are not there.
fn missing<'n>(node: &'n Node, members: &[(String, Value)]) -> Vec<&'n str> {
    if node.required.is_empty() {
        return Vec::new();
    }
    let there: BTreeSet<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    let required = node.required.iter().map(|key| &**key);
    required.filter(|key| !there.contains(key)).collect()
}

fn chosen(node: &Node, value: &Value) -> bool {
    let Some(choices) = &node.choices else {
        return true;
    };
    choices.iter().any(|choice| same(choice, value))
}

/// Equality of values by JSON schema: numbers by what they are, not how written.
fn same(one: &Value, other: &Value) -> bool {
    if let (Value::Number(one), Value::Number(other)) = (one, other) {
        return one == other
            || matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
    }
    one == other
}

fn choices(node: &Node) -> String {
    let mut words = String::from("one of ");
    let choices = node.choices.iter().flatten();
    for (at, choice) in choices.take(PROBLEMS).enumerate() {
        if at > 0 {
            words.push_str(", ");
        }
        choice.write(&mut words);
    }
    words
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        // What it spells may have as many parts.
        Value::Text(text) => 1 + text.len() / 2,
        Value::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Object(members) => members.iter().map(|(_, value)| size(value)).sum::<usize>() + 1,
    }
}
