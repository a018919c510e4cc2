//! A value that must not be shown: a provider's key, a queue's token.
//!
//! `Debug` and `Display` print `***`; there is deliberately no `Serialize`. The one way
//! to the text is [`Secret::expose`], so that every use can be found by its name.

use std::fmt;

/// What stands for a secret wherever one would be shown, and the beginning of every mask.
pub const MASK: &str = "***";

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `***` and the last four characters; `***` alone when the text is shorter than
    /// eight characters, because four of seven would be most of it.
    pub fn masked(&self) -> String {
        let count = self.0.chars().count();
        if count < 8 {
            return MASK.to_owned();
        }
        let tail: String = self.0.chars().skip(count - 4).collect();
        format!("{MASK}{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn shows_nothing_when_printed() {
        let secret = Secret::new("sk-a-long-provider-key");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[test]
    fn masks_by_length_in_characters() {
        assert_eq!(Secret::new("sk-12345678").masked(), "***5678");
        assert_eq!(Secret::new("12345678").masked(), "***5678");
        assert_eq!(Secret::new("1234567").masked(), "***");
        assert_eq!(Secret::new("äöüäöüßé").masked(), "***öüßé");
        assert_eq!(Secret::new("").masked(), "***");
    }
}
