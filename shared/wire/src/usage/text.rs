//! How many tokens a text is, told from the text alone.
//!
//! Every vendor's tokenizer cuts differently; what they share is that a common word is one
//! token, a long one some more, a run of digits or signs a few, and that scripts beyond
//! Latin take about one token a letter or two. The weights are fitted to the cases in
//! `cases/token-counts`, whose numbers are a vendor's own.
//!
//! Deliberately not here: what is not text, and what a format adds around it.

/// Thousandths of a token.
type Weight = u64;

const TOKEN: Weight = 1000;
/// Letters that a word has for its first token, and for each further one.
const WORD: u64 = 6;
const FURTHER: u64 = 4;
/// Words of languages that write letters beyond ASCII are cut smaller, by this part.
const FOREIGN: u64 = 130;
/// Such a language has more than one such letter in so many.
const SELDOM: u64 = 200;
const DIGIT: Weight = 455;
const LINE: Weight = 900;
const BLANKS: Weight = 800;
const SIGN: Weight = 1000;
const FURTHER_SIGN: Weight = 300;
const ACCENTED: Weight = 1000;
const ALPHABET: Weight = 580;
const SYLLABLE: Weight = 1120;
const IDEOGRAM: Weight = 870;

/// What a run of characters is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    Word,
    Digits,
    /// White space that begins with the end of a line.
    Lines,
    Blanks,
    Signs,
    /// Beyond ASCII.
    Beyond,
}

/// An estimate of the tokens of `text`.
#[must_use]
pub fn text_tokens(text: &str) -> u64 {
    let (mut letters, mut accented) = (0u64, 0u64);
    for c in text.chars() {
        letters += u64::from(c.is_alphabetic());
        accented += u64::from(('\u{80}'..'\u{250}').contains(&c));
    }
    let is_foreign = accented * SELDOM > letters.max(1);
    let mut total: Weight = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = Run::of(first);
        let end = rest.find(|c| !run.goes_on_with(c)).unwrap_or(rest.len());
        let (now, later) = rest.split_at(end.max(first.len_utf8()));
        total += weigh(run, now, is_foreign);
        rest = later;
    }
    total.div_ceil(TOKEN)
}

impl Run {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' => Self::Word,
            '0'..='9' => Self::Digits,
            '\n' | '\r' => Self::Lines,
            ' ' | '\t' => Self::Blanks,
            c if c.is_ascii() => Self::Signs,
            _ => Self::Beyond,
        }
    }

    fn goes_on_with(self, c: char) -> bool {
        match self {
            Self::Lines => c.is_ascii_whitespace(),
            Self::Word | Self::Digits | Self::Blanks | Self::Signs | Self::Beyond => {
                Self::of(c) == self
            }
        }
    }
}

fn weigh(run: Run, text: &str, is_foreign: bool) -> Weight {
    let length = text.len() as u64;
    match run {
        Run::Word => {
            let by_length = TOKEN + length.saturating_sub(WORD) * TOKEN / FURTHER;
            let weight = by_length.max(humps(text) * TOKEN);
            if is_foreign {
                weight * FOREIGN / 100
            } else {
                weight
            }
        }
        Run::Digits => TOKEN.max(length * DIGIT),
        Run::Lines => LINE,
        // A single one belongs to the word behind it.
        Run::Blanks if length == 1 => 0,
        Run::Blanks => BLANKS,
        Run::Signs => SIGN + (length - 1) * FURTHER_SIGN,
        Run::Beyond => text.chars().map(beyond).sum(),
    }
}

/// Parts of a word that each begin with capital letters.
fn humps(word: &str) -> u64 {
    let bytes = word.as_bytes();
    let starts = bytes.windows(2).filter(|pair| {
        matches!(pair, [before, after] if before.is_ascii_lowercase() && after.is_ascii_uppercase())
    });
    1 + starts.count() as u64
}

fn beyond(c: char) -> Weight {
    match c {
        '\u{80}'..'\u{250}' => ACCENTED,
        '\u{250}'..'\u{700}' => ALPHABET,
        '\u{3040}'..'\u{3100}' => SYLLABLE,
        '\u{2e80}'.. => IDEOGRAM,
        _ => TOKEN,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    /// Each with the vendor's own number.
    const CASES: &str = include_str!("../../cases/token-counts.jsonl");

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        text: String,
        tokens: u64,
    }

    #[test]
    fn every_text_is_counted_to_within_15_percent() {
        let mut seen = 0;
        for line in CASES.lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let counted = text_tokens(&case.text);
            let off = counted.abs_diff(case.tokens);
            assert!(
                off * 100 <= case.tokens * 15,
                "{}: {counted} for {}",
                case.name,
                case.tokens
            );
            seen += 1;
        }
        assert!(seen >= 12, "{seen}");
    }

    #[test]
    fn nothing_is_no_token() {
        assert_eq!(text_tokens(""), 0);
        assert_eq!(text_tokens("hi"), 1);
        assert_eq!(text_tokens("\u{1f600}"), 1);
    }
}
