//! The values that arguments are made of.
//!
//! Numbers stay in the digits that they were written with and objects keep the order
//! of their keys: what the model wrote reaches the caller as it was, however large
//! the number.

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number: valid JSON, as it was written.
    Number(Box<str>),
    /// A string, decoded.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object in the order in which it was written, each key once.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Appends the value as JSON, without white space.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The value of `key`, when this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members()?
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The text, when this is a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The members, when this is an object.
    #[must_use]
    pub fn members(&self) -> Option<&[(String, Value)]> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The items, when this is an array.
    #[must_use]
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }

    /// An object of members as they were written: of a key that comes twice the later
    /// value stands at the place of the first, as JSON readers have it.
    #[must_use]
    pub fn object(members: Vec<(String, Value)>) -> Self {
        Self::Object(each_key_once(members))
    }
}

/// Up to this many members are compared with each other; more are sorted, so that
/// an object of many keys stays cheap.
const COMPARED: usize = 8;

fn each_key_once(mut members: Vec<(String, Value)>) -> Vec<(String, Value)> {
    if members.len() <= COMPARED {
        let mut at = 1;
        while at < members.len() {
            let (before, after) = members.split_at_mut(at);
            let twin = after
                .first_mut()
                .and_then(|now| Some((before.iter_mut().find(|had| had.0 == now.0)?, now)));
            if let Some((had, now)) = twin {
                std::mem::swap(&mut had.1, &mut now.1);
                members.remove(at);
            } else {
                at += 1;
            }
        }
        return members;
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| members[*a].0.cmp(&members[*b].0));
    // The sort is stable: of equal keys the first written comes first. Its value goes
    // along the run, so that it ends with the last one.
    let mut gone = vec![false; members.len()];
    let mut first = 0;
    for at in 1..order.len() {
        let (kept, now) = (order[first], order[at]);
        if members[kept].0 == members[now].0 {
            gone[now] = true;
            let value = std::mem::replace(&mut members[now].1, Value::Null);
            members[kept].1 = value;
        } else {
            first = at;
        }
    }
    let mut gone = gone.into_iter();
    members.retain(|_| gone.next() != Some(true));
    members
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                const HEX: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                out.push_str("\\u00");
                out.push(HEX[usize::from(other >> 4)]);
                out.push(HEX[usize::from(other & 15)]);
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
