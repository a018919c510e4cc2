//! A JSON body in the one form that all spellings of it have in common.
//!
//! Two bodies have the same canonical text if and only if they hold the same members with
//! the same values in every place: the order of members, blanks and the escapes of strings
//! do not matter; the order of lists, the text of numbers (`1`, `1.0` and `1e0` are three)
//! and every member of a name that stands twice do.
//!
//! Not here: what the text is hashed with, and what else belongs to a request.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Values nested deeper have no canonical text.
const DEEPEST: usize = 64;
/// Bodies of more values have none either: each is held while its neighbours are sorted.
const MOST: usize = 100_000;

/// The canonical text of `body` without its members `left_out`; `None` when it is not a
/// JSON object in UTF-8, nested deeper than 64 levels, or made of more than 100 000 values.
#[must_use]
pub fn canonical(body: &[u8], left_out: &[&str]) -> Option<Vec<u8>> {
    // What is skipped is not looked at: text that is no UTF-8 would be JSON too.
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut reader = Reader {
        text: body,
        at: 0,
        left: MOST,
    };
    let Node::Object(mut members) = reader.value(DEEPEST)? else {
        return None;
    };
    let is_left_out = |name: &[u8]| {
        let name = name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\""));
        left_out.iter().any(|out| name == Some(out.as_bytes()))
    };
    members.retain(|(name, _)| !is_left_out(name));
    let mut out = Vec::with_capacity(body.len());
    Node::Object(members).put(&mut out);
    Some(out)
}

enum Node<'b> {
    /// A number, a word or a string, as JSON.
    Leaf(Cow<'b, [u8]>),
    List(Vec<Node<'b>>),
    /// Names with their quotes, in one order; those that are equal as they stood.
    Object(Vec<(Cow<'b, [u8]>, Node<'b>)>),
}

impl Node<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(text) => out.extend_from_slice(text),
            Self::List(values) => {
                out.push(b'[');
                for value in values {
                    value.put(out);
                    out.push(b',');
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (name, value) in members {
                    out.extend_from_slice(name);
                    out.push(b':');
                    value.put(out);
                    out.push(b',');
                }
                out.push(b'}');
            }
        }
    }
}

/// Reads text that is known to be JSON.
struct Reader<'b> {
    text: &'b [u8],
    at: usize,
    /// Values that may still come.
    left: usize,
}

impl<'b> Reader<'b> {
    fn value(&mut self, depth: usize) -> Option<Node<'b>> {
        self.left = self.left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        match self.next()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(Node::Leaf),
            _ => {
                let rest = self.text.get(self.at..)?;
                let ends =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                let end = rest.iter().position(ends).unwrap_or(rest.len());
                self.at += end;
                rest.get(..end).map(|text| Node::Leaf(text.into()))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node<'b>> {
        self.at += 1;
        let mut members = Vec::new();
        while self.next()? != b'}' {
            self.skip(b',');
            self.next()?;
            let name = self.string()?;
            self.next()?;
            self.skip(b':');
            members.push((name, self.value(depth)?));
        }
        self.at += 1;
        // Stable: of equal names the order matters, the last one may count.
        members.sort_by(|(a, _): &(Cow<'b, [u8]>, _), (b, _)| a.cmp(b));
        Some(Node::Object(members))
    }

    fn list(&mut self, depth: usize) -> Option<Node<'b>> {
        self.at += 1;
        let mut values = Vec::new();
        while self.next()? != b']' {
            self.skip(b',');
            values.push(self.value(depth)?);
        }
        self.at += 1;
        Some(Node::List(values))
    }

    /// The string that begins here, as JSON; written anew where it has escapes.
    fn string(&mut self) -> Option<Cow<'b, [u8]>> {
        let rest = self.text.get(self.at..)?;
        let mut end = 1;
        let mut is_escaped = false;
        loop {
            end += memchr::memchr2(b'"', b'\\', rest.get(end..)?)?;
            if rest.get(end) == Some(&b'"') {
                break;
            }
            is_escaped = true;
            end += 2;
        }
        let raw = rest.get(..=end)?;
        self.at += end + 1;
        // What is no text of its own (half of a surrogate pair) stays as it is written.
        let anew = |raw| {
            let text: String = serde_json::from_slice(raw).ok()?;
            serde_json::to_vec(&text).ok()
        };
        let anew = is_escaped.then(|| anew(raw)).flatten();
        Some(anew.map_or(Cow::Borrowed(raw), Cow::Owned))
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        self.at += blanks.count();
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) {
        if self.text.get(self.at) == Some(&byte) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::{DEEPEST, MOST, canonical};

    fn text(body: &str) -> String {
        String::from_utf8(canonical(body.as_bytes(), &["stream", "stream_options"]).unwrap())
            .unwrap()
    }

    fn assert_same(a: &str, b: &str) {
        assert_eq!(text(a), text(b), "{a} and {b}");
    }

    fn assert_other(a: &str, b: &str) {
        assert_ne!(text(a), text(b), "{a} and {b}");
    }

    #[test]
    fn order_of_members_blanks_and_escapes_do_not_matter() {
        assert_same(
            r#"{"a":1,"b":{"c":2,"d":[]}}"#,
            " {\"b\" : {\"d\":[ ],\n\"c\":2} ,\t\"a\": 1 }\n",
        );
        assert_same(r#"{"a":"é/\n"}"#, r#"{"a":"\u00e9\/\u000A"}"#);
        assert_same(r#"{"\u0061":1}"#, r#"{"a":1}"#);
        assert_same(r#"{"a":[{"x":1,"y":2}]}"#, r#"{"a":[{"y":2,"x":1}]}"#);
        assert_same(r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"😀"}"#);
    }

    #[test]
    fn whether_it_streams_does_not_matter_but_only_on_top() {
        assert_same(r#"{"a":1,"stream":true}"#, r#"{"a":1}"#);
        assert_same(
            r#"{"stream":false,"stream_options":{"include_usage":true},"a":1}"#,
            r#"{"a":1}"#,
        );
        assert_same(r#"{"\u0073tream":true}"#, "{}");
        assert_other(r#"{"a":{"stream":true}}"#, r#"{"a":{}}"#);
        assert_other(r#"{"streams":true}"#, "{}");
    }

    #[test]
    fn every_value_matters() {
        let whole = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a b"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"tools":[{"function":{"name":"f"}},{"function":{"name":"g"}}],"response_format":{"json_schema":{"schema":{"type":"object"}}},"user":"u","temperature":0,"n":1,"seed":null,"logprobs":false}"#;
        for (from, to) in [
            (r#""m""#, r#""M""#),
            ("user\",\"content", "system\",\"content"),
            ("a b", "a  b"),
            ("AAAA", "AAAB"),
            (
                r#"{"function":{"name":"f"}},{"function":{"name":"g"}}"#,
                r#"{"function":{"name":"g"}},{"function":{"name":"f"}}"#,
            ),
            (r#""object""#, r#""array""#),
            (r#""user":"u""#, r#""user":"v""#),
            (r#","user":"u""#, ""),
            ("\"temperature\":0", "\"temperature\":0.0"),
            ("\"temperature\":0", "\"temperature\":-0"),
            ("\"n\":1", "\"n\":\"1\""),
            ("null", "0"),
            ("null", "\"null\""),
            ("false", "true"),
            ("[{\"role\"", "[[],{\"role\""),
        ] {
            assert!(whole.contains(from), "{from}");
            assert_other(whole, &whole.replacen(from, to, 1));
        }
    }

    #[test]
    fn numbers_are_their_text() {
        let spellings = ["1", "1.0", "1e0", "1E0", "10e-1", "1.00", "0.1e1"];
        for (at, a) in spellings.iter().enumerate() {
            for b in &spellings[at + 1..] {
                assert_other(&format!("{{\"a\":{a}}}"), &format!("{{\"a\":{b}}}"));
            }
        }
        assert_other(r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#);
    }

    #[test]
    fn members_of_one_name_are_all_counted_and_in_their_order() {
        let bodies = [
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"a":1,"a":1}"#,
        ];
        for (at, a) in bodies.iter().enumerate() {
            for b in &bodies[at + 1..] {
                assert_other(a, b);
            }
        }
        assert_same(r#"{"a":1,"b":0,"\u0061":2}"#, r#"{"a":1,"a":2,"b":0}"#);
    }

    #[test]
    fn structure_cannot_be_written_as_text() {
        assert_other(r#"{"a":"b\",\"c\":\"d"}"#, r#"{"a":"b","c":"d"}"#);
        assert_other(r#"{"a":[[1],2]}"#, r#"{"a":[[1,2]]}"#);
        assert_other(r#"{"a":[1,2]}"#, r#"{"a":[12]}"#);
        assert_other(r#"{"a":{}}"#, r#"{"a":[]}"#);
        assert_other(r#"{"a":"\ud800"}"#, r#"{"a":"\\ud800"}"#);
        assert_other(r#"{"a":"\ud800"}"#, r#"{"a":"\ud801"}"#);
    }

    #[test]
    fn what_has_no_canonical_text_has_none() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        let many = format!("{{\"a\":[{}0]}}", "0,".repeat(MOST));
        for body in ["", "[]", "1", "{", "{\"a\":}", "{} x", &deep, &many] {
            assert!(canonical(body.as_bytes(), &[]).is_none(), "{body:.40}");
        }
        for body in [
            &b"{\"a\":\"\xff\"}"[..],
            b"{\"\xc3\":1}",
            b"{\"a\":\"\xed\xa0\x80\"}",
        ] {
            assert!(canonical(body, &[]).is_none(), "{}", body.escape_ascii());
        }
        let fits = format!(
            "{{\"a\":{}{}}}",
            "[".repeat(DEEPEST - 1),
            "]".repeat(DEEPEST - 1)
        );
        assert!(canonical(fits.as_bytes(), &[]).is_some());
    }
}
