//! Marks that stand round calls and belong to none of them: closing tags, section tokens,
//! tokens that end a turn.

use super::super::scan::Scan;

/// What a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Mark {
    /// It closes the wrapper of a call or of several.
    Wrapper,
    /// It closes a part inside a wrapper.
    Part,
    /// It ends the model's turn.
    Turn,
}

/// Marks as they are written. Of those that begin alike the longer comes first.
const MARKS: &[(&str, Mark)] = &[
    ("</tool_calls>", Mark::Wrapper),
    ("</tool_call>", Mark::Wrapper),
    ("</function_calls>", Mark::Wrapper),
    ("</function_call>", Mark::Wrapper),
    ("</function>", Mark::Part),
    ("</invoke>", Mark::Part),
    ("</steptml:invoke>", Mark::Part),
    ("</tool_code>", Mark::Wrapper),
    ("</tool_use>", Mark::Wrapper),
    ("</minimax:tool_call>", Mark::Wrapper),
    ("</seed:tool_call>", Mark::Wrapper),
    ("</longcat_tool_call>", Mark::Wrapper),
    ("</TOOLCALL>", Mark::Wrapper),
    ("]<]minimax[>[</invoke>", Mark::Part),
    ("]<]minimax[>[</tool_call>", Mark::Wrapper),
    ("<tool_call|>", Mark::Wrapper),
    ("<end_function_call>", Mark::Wrapper),
    ("<|/tool_call|>", Mark::Wrapper),
    ("<|tool_call_end|>", Mark::Part),
    ("<|tool_calls_end|>", Mark::Wrapper),
    ("<|tool_calls_section_end|>", Mark::Wrapper),
    ("<|tools_suffix|>", Mark::Wrapper),
    ("<|action_end|>", Mark::Wrapper),
    ("<|python_end|>", Mark::Wrapper),
    ("<|END_ACTION|>", Mark::Wrapper),
    ("<|call|>", Mark::Wrapper),
    ("[/TOOL_CALLS]", Mark::Wrapper),
    ("[/TOOL_CALL]", Mark::Wrapper),
    ("<|im_end|>", Mark::Turn),
    ("<|eot_id|>", Mark::Turn),
    ("<|eom_id|>", Mark::Turn),
    ("<|eot|>", Mark::Turn),
    ("<|eom|>", Mark::Turn),
    ("<|end|>", Mark::Turn),
    ("<|return|>", Mark::Turn),
    ("<|endoftext|>", Mark::Turn),
    ("<|end_of_text|>", Mark::Turn),
    ("<|end_of_sentence|>", Mark::Turn),
    ("<|END_OF_TURN_TOKEN|>", Mark::Turn),
    ("<|END_RESPONSE|>", Mark::Turn),
    ("<end_of_turn>", Mark::Turn),
    ("<eos>", Mark::Turn),
    ("</s>", Mark::Turn),
    ("[EOS]", Mark::Turn),
];

/// The mark at the start of `text`. Bars may be full-width, blanks U+2581, a suffix may
/// follow the name (`</tool_call:x>`), and the whole may be escaped as in HTML.
pub(in super::super) fn mark(text: &str) -> Scan<Mark> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (None, _) => return Scan::No,
        (Some('<'), None | Some('/' | '|' | '｜' | 't' | 'e')) | (Some('&' | ']' | '['), _) => {}
        (Some(_), _) => return Scan::No,
    }
    let mut more = false;
    let plain = unprefixed(text);
    for (written, mark) in MARKS {
        match spelled(written, text) {
            Scan::Done((), length) => return Scan::Done(*mark, length),
            Scan::More => more = true,
            Scan::No => {}
        }
        let Some((prefix, rest)) = plain else {
            continue;
        };
        match written.strip_prefix("</").map(|name| spelled(name, rest)) {
            Some(Scan::Done((), length)) => return Scan::Done(*mark, prefix + length),
            Some(Scan::More) => more = true,
            Some(Scan::No) | None => {}
        }
    }
    match dsml_close(text) {
        Scan::Done((), length) => Scan::Done(Mark::Part, length),
        Scan::More => Scan::More,
        Scan::No if more || may_be_prefixed(text) => Scan::More,
        Scan::No => Scan::No,
    }
}

/// Whether `text` ends inside the prefix of a closing tag.
fn may_be_prefixed(text: &str) -> bool {
    let name = text.strip_prefix("</");
    name.is_some_and(|name| name.len() <= 16 && name.bytes().all(|b| b.is_ascii_lowercase()))
}

/// What follows the prefix in a closing tag that has one (`</ns:invoke>`), and where.
fn unprefixed(text: &str) -> Option<(usize, &str)> {
    let name = text.strip_prefix("</")?;
    let prefix = name.find(|c: char| !c.is_ascii_lowercase())?;
    let rest = name[prefix..].strip_prefix(':')?;
    (1..=16).contains(&prefix).then_some((prefix + 3, rest))
}

/// Whether `text` starts with `written` in one of its spellings.
fn spelled(written: &str, text: &str) -> Scan<()> {
    let mut at = 0;
    for letter in written.chars() {
        let rest = &text[at..];
        if rest.is_empty() {
            return Scan::More;
        }
        // A suffix: `</tool_call:opensource>`.
        if letter == '>' && rest.as_bytes().first() == Some(&b':') {
            let suffix = rest[1..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map_or(rest.len(), |length| length + 1);
            if suffix == rest.len() {
                return if suffix <= 32 { Scan::More } else { Scan::No };
            }
            at += suffix;
        }
        let rest = &text[at..];
        if letter.is_ascii() && rest.as_bytes().first() == Some(&(letter as u8)) {
            at += 1;
            continue;
        }
        let spellings: &[&str] = match letter {
            '<' => &["<", "&lt;"],
            '>' => &[">", "&gt;"],
            '|' => &["|", "｜"],
            '_' => &["_", "▁"],
            _ if letter.is_ascii() => return Scan::No,
            _ if rest.starts_with(letter) => {
                at += letter.len_utf8();
                continue;
            }
            _ => return Scan::No,
        };
        match spellings
            .iter()
            .find(|spelling| rest.starts_with(**spelling))
        {
            Some(spelling) => at += spelling.len(),
            None if spellings.iter().any(|spelling| spelling.starts_with(rest)) => {
                return Scan::More;
            }
            None => return Scan::No,
        }
    }
    Scan::Done((), at)
}

/// `</｜DSML｜invoke>` and its wrappers.
fn dsml_close(text: &str) -> Scan<()> {
    const NAMES: [&str; 3] = ["invoke", "function_calls", "tool_calls"];
    let Some(rest) = text.strip_prefix("</") else {
        return if !text.is_empty() && "</".starts_with(text) {
            Scan::More
        } else {
            Scan::No
        };
    };
    let bars = |rest: &str| rest.len() - rest.trim_start_matches(['｜', '|']).len();
    let first = bars(rest);
    let name = &rest[first..];
    if first > 24 || (first == 0 && !rest.is_empty()) {
        return Scan::No;
    }
    let Some(name) = name.strip_prefix("DSML") else {
        return if "DSML".starts_with(name) {
            Scan::More
        } else {
            Scan::No
        };
    };
    let second = bars(name);
    let name = &name[second..];
    if second > 24 || (second == 0 && !name.is_empty()) {
        return Scan::No;
    }
    for known in NAMES {
        let close = name
            .strip_prefix(known)
            .and_then(|rest| rest.strip_prefix('>'));
        if let Some(rest) = close {
            return Scan::Done((), text.len() - rest.len());
        }
    }
    let partial = |known: &str| known.starts_with(name) || name == known;
    if NAMES.iter().any(|known| partial(known)) {
        Scan::More
    } else {
        Scan::No
    }
}

/// Bytes of white space at the start of `text`.
pub(in super::super) fn blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// A parameter's opening tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'t> {
    pub(super) key: &'t str,
    /// Whether its value is plain text (`string="true"`), or JSON; if it says so.
    pub(super) text: Option<bool>,
}

/// `<parameter=key>` or `<parameter name="key">`, with a prefix of a name and a colon, or DSML's.
pub(super) fn parameter(text: &str) -> Scan<Opened<'_>> {
    let Some(inside) = tag(text, "<", "parameter") else {
        return Scan::No;
    };
    let Some(inside) = inside else {
        return Scan::More;
    };
    let Some(first) = inside.chars().next() else {
        return Scan::More;
    };
    if first != '=' && !first.is_whitespace() {
        return Scan::No;
    }
    let Some(end) = inside.find(['>', '<', '\n']) else {
        return if inside.len() < 256 {
            Scan::More
        } else {
            Scan::No
        };
    };
    if !inside[end..].starts_with('>') {
        return Scan::No;
    }
    let length = text.len() - inside.len() + end + 1;
    let inside = &inside[..end];
    let opened = match inside.strip_prefix('=') {
        Some(key) => Opened {
            key: key.trim().trim_matches(['"', '\'']),
            text: None,
        },
        None => {
            let Some(key) = attribute(inside, "name") else {
                return Scan::No;
            };
            let text = attribute(inside, "string").map(|value| value == "true");
            Opened { key, text }
        }
    };
    if opened.key.is_empty() {
        return Scan::No;
    }
    Scan::Done(opened, length)
}

/// `</parameter>`, with the same prefixes; digits may stand behind the name.
pub(super) fn parameter_close(text: &str) -> Scan<()> {
    let Some(inside) = tag(text, "</", "parameter") else {
        return Scan::No;
    };
    let Some(inside) = inside else {
        return Scan::More;
    };
    let rest = inside.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.is_empty() {
        return if inside.len() < 8 {
            Scan::More
        } else {
            Scan::No
        };
    }
    match rest.strip_prefix('>') {
        Some(rest) => Scan::Done((), text.len() - rest.len()),
        None => Scan::No,
    }
}

/// What follows the name in a tag of that name: `None` when it is another tag, and
/// `Some(None)` when the text ends too early.
fn tag<'t>(text: &'t str, open: &str, name: &str) -> Option<Option<&'t str>> {
    let Some(rest) = text.strip_prefix(open) else {
        return (!text.is_empty() && open.starts_with(text)).then_some(None);
    };
    let rest = if rest.starts_with(['｜', '|']) {
        let rest = rest.trim_start_matches(['｜', '|']);
        match rest.strip_prefix("DSML") {
            Some(rest) => rest.trim_start_matches(['｜', '|']),
            None => return "DSML".starts_with(rest).then_some(None),
        }
    } else {
        let prefix = rest
            .find(|c: char| !c.is_ascii_lowercase())
            .unwrap_or(rest.len());
        if prefix == rest.len() {
            // The prefix, or the name itself, is not complete.
            return (prefix <= 16).then_some(None);
        }
        match rest[prefix..].strip_prefix(':') {
            Some(rest) if prefix > 0 && prefix <= 16 => rest,
            Some(_) | None => rest,
        }
    };
    match rest.strip_prefix(name) {
        Some("") => Some(None),
        Some(inside) => Some(Some(inside)),
        None => name.starts_with(rest).then_some(None),
    }
}

/// The value of an attribute in double or single quotes.
pub(super) fn attribute<'t>(inside: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = inside;
    loop {
        let at = rest.find(name)?;
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].trim_start();
        if before.is_none_or(char::is_whitespace)
            && let Some(value) = after.strip_prefix('=')
        {
            let value = value.trim_start();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            return value[1..].split(quote).next();
        }
        rest = &rest[at + name.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_every_spelling() {
        let done = |text: &str| match mark(text) {
            Scan::Done(_, length) => length == text.len(),
            Scan::More | Scan::No => false,
        };
        for text in [
            "</tool_call>",
            "</tool_call:opensource>",
            "&lt;/tool_call&gt;",
            "<｜tool▁calls▁end｜>",
            "<|tool_calls_end|>",
            "<｜end▁of▁sentence｜>",
            "</｜DSML｜invoke>",
            "</｜｜DSML｜｜function_calls>",
            "]<]minimax[>[</invoke>",
        ] {
            assert!(done(text), "{text}: {:?}", mark(text));
            for (at, _) in text.char_indices().skip(1) {
                assert_eq!(mark(&text[..at]), Scan::More, "{}", &text[..at]);
            }
        }
        for text in [
            "</tool>",
            "<tool_call>",
            "</ slash",
            "<- arrow",
            "x",
            "</TOOL",
        ] {
            let found = mark(text);
            assert!(!matches!(found, Scan::Done(..)), "{text}: {found:?}");
        }
    }

    #[test]
    fn parameter_tags_in_every_spelling() {
        for (text, key) in [
            ("<parameter=city>", "city"),
            ("<parameter name=\"city\">", "city"),
            ("<ns:parameter name='city'>", "city"),
            ("<steptml:parameter name=\"city\">", "city"),
            ("<｜DSML｜parameter name=\"city\" string=\"true\">", "city"),
        ] {
            let Scan::Done(opened, length) = parameter(text) else {
                unreachable!("{text}");
            };
            assert_eq!((opened.key, length), (key, text.len()), "{text}");
            for (at, _) in text.char_indices().skip(1) {
                assert_eq!(parameter(&text[..at]), Scan::More, "{}", &text[..at]);
            }
        }
        for text in [
            "</parameter>",
            "</parameter1>",
            "</ns:parameter>",
            "</｜DSML｜parameter>",
        ] {
            assert_eq!(parameter_close(text), Scan::Done((), text.len()), "{text}");
            for (at, _) in text.char_indices().skip(1) {
                assert_eq!(parameter_close(&text[..at]), Scan::More, "{}", &text[..at]);
            }
        }
        for text in ["<param x", "<div>", "</p>", "a", "<parameters>"] {
            assert_eq!(parameter(text), Scan::No, "{text}");
            assert_eq!(parameter_close(text), Scan::No, "{text}");
        }
    }
}
