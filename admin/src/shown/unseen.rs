//! Characters that are not seen, or turn the text around them: in what people read they get
//! a mark in their place, wherever they come from.
//!
//! What stands in the fields of forms is left alone: it goes back as it came.

/// Stands for what would not be seen.
const MARK: char = '\u{fffd}';

/// What ends a part of a page that is left alone, by how it begins.
const LEFT_ALONE: [(&str, &str); 2] = [("<textarea", "</textarea>"), ("<", ">")];

/// The page with marks in its texts.
pub(crate) fn marked(html: String) -> String {
    // Nearly every page has none.
    if !html.contains(hides) {
        return html;
    }
    let mut marked = String::with_capacity(html.len());
    let mut rest = html.as_str();
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        marked.extend(text.chars().map(mark));
        let begun = LEFT_ALONE
            .iter()
            .find(|(beginning, _)| tag.starts_with(beginning));
        let end = begun.and_then(|(_, end)| Some(tag.find(end)? + end.len()));
        let (tag, after) = tag.split_at(end.unwrap_or(tag.len()));
        marked.push_str(tag);
        rest = after;
    }
    marked.extend(rest.chars().map(mark));
    marked
}

fn mark(c: char) -> char {
    if hides(c) { MARK } else { c }
}

fn hides(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
}

#[cfg(test)]
mod tests {
    use super::marked;

    #[test]
    fn texts_get_marks_and_fields_stay() {
        for (html, expected) in [
            ("<p>a\u{202e}b\u{7}\n</p>", "<p>a\u{fffd}b\u{fffd}\n</p>"),
            (
                "<input value=\"\u{202e}\">\u{2066}",
                "<input value=\"\u{202e}\">\u{fffd}",
            ),
            (
                "<textarea name=\"a\">\n\u{7}</textarea>\u{7}",
                "<textarea name=\"a\">\n\u{7}</textarea>\u{fffd}",
            ),
            // Letters that are joined are seen.
            ("👩\u{200d}💻 <b>é</b>", "👩\u{200d}💻 <b>é</b>"),
            ("\u{7}<p", "\u{fffd}<p"),
        ] {
            assert_eq!(marked(html.to_owned()), expected);
        }
    }
}
