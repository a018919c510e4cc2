//! Long texts, cut for a table, with the whole in a tooltip.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};

/// A text of at most so many characters. What it prints is HTML, the text escaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut<'a> {
    text: &'a str,
    longest: usize,
}

/// `text`, cut behind `longest` characters.
pub(crate) fn cut(text: &str, longest: usize) -> Cut<'_> {
    Cut { text, longest }
}

/// `text` as it is read, not as HTML: cut behind `longest` characters, and with a mark in
/// place of what would be unseen.
pub(crate) fn visible(text: &str, longest: usize) -> String {
    let shown = |c: char| if hides(c) { '\u{fffd}' } else { c };
    let mut cut: String = text.chars().take(longest).map(shown).collect();
    if text.chars().nth(longest).is_some() {
        cut.push('…');
    }
    cut
}

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters would be invisible, and some change the text around them.
        let clean = |text: &str| -> String {
            let visible = |c: char| if hides(c) { '\u{fffd}' } else { c };
            text.chars().map(visible).collect()
        };
        let escaped = |text: &str| escape(clean(text), Html).map_err(|_| fmt::Error);
        match self.text.char_indices().nth(self.longest) {
            None => write!(f, "{}", escaped(self.text)?),
            Some((end, _)) => {
                let head = self.text.get(..end).unwrap_or(self.text);
                let whole = escaped(self.text)?;
                write!(f, "<span title=\"{whole}\">{}…</span>", escaped(head)?)
            }
        }
    }
}

impl HtmlSafe for Cut<'_> {}

/// Whether a character is unseen or turns the direction of what follows.
fn hides(c: char) -> bool {
    let turns =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_texts_are_cut_and_harmless() {
        for (text, shown) in [
            ("short", "short"),
            ("äöüäöü", "äöüäöü"),
            ("1234567", "<span title=\"1234567\">123456…</span>"),
            ("<b>&\"'", "&#60;b&#62;&#38;&#34;&#39;"),
            ("a\u{202e}b\u{7}", "a\u{fffd}b\u{fffd}"),
        ] {
            let longest = if text == "<b>&\"'" { 10 } else { 6 };
            assert_eq!(cut(text, longest).to_string(), shown);
        }
    }
}
