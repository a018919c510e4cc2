//! A report put into the document that explains it.

use anyhow::{Context, Result, ensure};

const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- end of figures -->\n";

/// The document with `figures` between its two marks, in place of what was there. Refuses a
/// document that has not each mark once, in this order.
pub(crate) fn paste(document: &str, figures: &str) -> Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("the document has no line `{}`", BEGIN.trim_end()))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("no line `{}` follows", END.trim_end()))?;
    ensure!(
        !after.contains(BEGIN) && !after.contains(END),
        "the document has figures in two places"
    );
    Ok(format!(
        "{before}{BEGIN}\n{}\n\n{END}{after}",
        figures.trim()
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::paste;

    #[test]
    fn what_is_between_the_marks_is_replaced() {
        let document = "a\n<!-- figures -->\nold\n<!-- end of figures -->\nb\n";
        let new = paste(document, "\nnew\n").unwrap();
        let expected = "a\n<!-- figures -->\n\nnew\n\n<!-- end of figures -->\nb\n";
        assert_eq!(new, expected);
        assert_eq!(paste(&new, "new").unwrap(), expected);
    }

    #[test]
    fn a_document_without_its_marks_is_refused() {
        let (begin, end) = ("<!-- figures -->\n", "<!-- end of figures -->\n");
        for document in [
            "text\n".to_owned(),
            begin.to_owned(),
            format!("{end}{begin}"),
            format!("{begin}{end}{begin}{end}"),
        ] {
            assert!(paste(&document, "new").is_err(), "{document:?}");
        }
    }
}
