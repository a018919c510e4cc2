//! A JSON schema read once: its parts as nodes that name each other by number, so
//! that a schema which refers to itself is as finite as its text.
//!
//! Read are types, `enum` and `const`, properties and `required`, items,
//! `additionalProperties`, the combinations and references inside the document.
//! Everything else (formats, ranges, patterns, conditions) says nothing about how
//! arguments are written and is left to the tool.

use std::collections::{BTreeMap, HashMap};

use super::kinds::Kinds;
use crate::normaliser::json;
use crate::normaliser::scan::Scan;
use crate::normaliser::value::Value;

/// A node of a [`Graph`].
pub(super) type Id = usize;

/// The node that anything suits.
const ANYTHING: Id = 0;

/// References and `allOf` are followed this far inside one node.
const FOLLOWED: usize = 16;

/// The parts of schemas that are read at most; what is beyond suits anything.
const PARTS: usize = 20_000;

/// A schema.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// The node of the arguments as a whole.
    pub(super) root: Id,
}

/// What a schema says about one value.
#[derive(Debug)]
pub(super) struct Node {
    /// The types that it may have.
    pub(super) kinds: Kinds,
    /// The values that it may have, where they are listed.
    pub(super) choices: Option<Vec<Value>>,
    /// The members that an object may have.
    pub(super) properties: BTreeMap<Box<str>, Id>,
    /// The members that it must have.
    pub(super) required: Vec<Box<str>>,
    /// Its other members.
    pub(super) others: Others,
    /// The items of an array, but for those that have their own.
    pub(super) items: Option<Id>,
    /// The first items of an array, each by itself.
    pub(super) first_items: Vec<Id>,
    /// Of these one must suit.
    pub(super) branches: Vec<Id>,
    /// Whether `type` stands there.
    typed: bool,
}

/// What a schema says about members that are not among the properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// Nothing.
    Unsaid,
    /// There are none.
    Forbidden,
    /// They suit this node.
    Like(Id),
}

impl Graph {
    /// The graph of a schema's JSON text. A text that is no schema says nothing.
    pub(super) fn new(text: &str) -> Self {
        let Scan::Done(json, _) = json::value(text) else {
            return Self::of(&Value::Null);
        };
        Self::of(&json.value)
    }

    fn of(document: &Value) -> Self {
        let mut builder = Builder {
            document,
            nodes: vec![Node::anything()],
            known: HashMap::new(),
            due: Vec::new(),
            parts: PARTS,
        };
        let root = builder.id(document);
        while let Some((id, schema)) = builder.due.pop() {
            let mut node = Node::anything();
            builder.absorb(schema, &mut node, 0);
            node.settle();
            builder.nodes[id] = node;
        }
        let mut graph = Self {
            nodes: builder.nodes,
            root,
        };
        graph.narrow();
        graph
    }

    /// The node `id`.
    pub(super) fn node(&self, id: Id) -> &Node {
        // Every id comes from the builder, which made the node.
        self.nodes.get(id).unwrap_or(&self.nodes[ANYTHING])
    }

    /// The node of an object's member, by the node of the object.
    pub(super) fn property(&self, id: Id, key: &str) -> Option<Id> {
        self.property_within(id, key, 4)
    }

    fn property_within(&self, id: Id, key: &str, depth: usize) -> Option<Id> {
        let node = self.node(id);
        if let Some(property) = node.properties.get(key) {
            return Some(*property);
        }
        if depth > 0 {
            let mut branches = node.branches.iter();
            let found = branches.find_map(|branch| self.property_within(*branch, key, depth - 1));
            if found.is_some() {
                return found;
            }
        }
        match node.others {
            Others::Like(other) => Some(other),
            Others::Unsaid | Others::Forbidden => None,
        }
    }

    /// Types that no branch allows go.
    fn narrow(&mut self) {
        // Branches within branches settle one level at a time.
        for _ in 0..4 {
            for at in 0..self.nodes.len() {
                let branches = self.nodes[at].branches.iter();
                let allowed = branches
                    .map(|branch| self.node(*branch).kinds)
                    .reduce(Kinds::or);
                if let Some(allowed) = allowed {
                    self.nodes[at].kinds = self.nodes[at].kinds.and(allowed);
                }
            }
        }
    }
}

impl Node {
    fn anything() -> Self {
        Self {
            kinds: Kinds::ALL,
            choices: None,
            properties: BTreeMap::new(),
            required: Vec::new(),
            others: Others::Unsaid,
            items: None,
            first_items: Vec::new(),
            branches: Vec::new(),
            typed: false,
        }
    }

    /// Without a `type`, what else stands there tells it.
    fn settle(&mut self) {
        if self.typed {
            return;
        }
        if let Some(choices) = &self.choices {
            let kinds = choices.iter().map(Kinds::of);
            self.kinds = kinds.reduce(Kinds::or).unwrap_or(Kinds::ALL);
        } else if !self.branches.is_empty() {
            // They tell it themselves.
        } else if !self.properties.is_empty() || !self.required.is_empty() {
            self.kinds = Kinds::OBJECT;
        } else if self.items.is_some() || !self.first_items.is_empty() {
            self.kinds = Kinds::LIST;
        }
    }
}

struct Builder<'a> {
    document: &'a Value,
    nodes: Vec<Node>,
    /// The nodes of the schemas met, by where these are in memory.
    known: HashMap<*const Value, Id>,
    due: Vec<(Id, &'a Value)>,
    parts: usize,
}

impl<'a> Builder<'a> {
    fn id(&mut self, schema: &'a Value) -> Id {
        let schema = self.behind(schema);
        if let Some(id) = self.known.get(&std::ptr::from_ref(schema)) {
            return *id;
        }
        if self.parts == 0 {
            return ANYTHING;
        }
        let id = self.nodes.len();
        self.nodes.push(Node::anything());
        self.known.insert(std::ptr::from_ref(schema), id);
        self.due.push((id, schema));
        id
    }

    /// The schema that a mere reference leads to.
    fn behind(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..FOLLOWED {
            let mere = schema.members().is_some_and(|members| members.len() == 1);
            let target = schema.get("$ref").filter(|_| mere);
            match target.and_then(|target| self.target(target)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// What `#/$defs/name` names.
    fn target(&self, reference: &Value) -> Option<&'a Value> {
        let mut steps = reference.as_text()?.strip_prefix('#')?.split('/');
        steps.next().filter(|anchor| anchor.is_empty())?;
        steps.try_fold(self.document, |at, step| match at.items() {
            Some(items) => items.get(step.parse::<usize>().ok()?),
            None if step.contains('~') => at.get(&step.replace("~1", "/").replace("~0", "~")),
            None => at.get(step),
        })
    }

    fn absorb(&mut self, schema: &'a Value, node: &mut Node, depth: usize) {
        if self.parts == 0 || depth > FOLLOWED {
            return;
        }
        self.parts -= 1;
        if *schema == Value::Bool(false) {
            node.kinds = Kinds::NONE;
            node.typed = true;
        }
        let mut nullable = false;
        for (key, value) in schema.members().unwrap_or_default() {
            match key.as_str() {
                "type" => node.narrow_to(Kinds::named(value)),
                "nullable" => nullable = *value == Value::Bool(true),
                "enum" => node.choices = value.items().map(<[Value]>::to_vec),
                "const" => node.choices = Some(vec![value.clone()]),
                "properties" => {
                    for (name, property) in value.members().unwrap_or_default() {
                        let id = self.id(property);
                        node.properties.entry(name.as_str().into()).or_insert(id);
                    }
                }
                "required" => {
                    let names = value.items().unwrap_or_default().iter();
                    let names = names.filter_map(Value::as_text);
                    node.required.extend(names.map(Box::from));
                }
                "additionalProperties" if *value == Value::Bool(false) => {
                    node.others = Others::Forbidden;
                }
                "additionalProperties" => node.others = Others::Like(self.id(value)),
                "patternProperties" if node.others == Others::Unsaid => {
                    node.others = Others::Like(ANYTHING);
                }
                "items" | "prefixItems" => match value.items() {
                    Some(items) => {
                        node.first_items = items.iter().map(|item| self.id(item)).collect();
                    }
                    None => node.items = Some(self.id(value)),
                },
                "anyOf" | "oneOf" => {
                    let branches = value.items().unwrap_or_default().iter();
                    node.branches.extend(branches.map(|branch| self.id(branch)));
                }
                "allOf" => {
                    for part in value.items().unwrap_or_default() {
                        self.absorb(part, node, depth + 1);
                    }
                }
                "$ref" => {
                    if let Some(target) = self.target(value) {
                        self.absorb(target, node, depth + 1);
                    }
                }
                _ => {}
            }
        }
        if nullable && node.typed {
            node.kinds = node.kinds.or(Kinds::NULL);
        }
    }
}

impl Node {
    fn narrow_to(&mut self, kinds: Option<Kinds>) {
        if let Some(kinds) = kinds {
            self.kinds = self.kinds.and(kinds);
            self.typed = true;
        }
    }
}
