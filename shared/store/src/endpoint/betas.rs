//! Betas of Anthropic's API that an endpoint is not told of.

/// What stands for all of them.
const ALL: &str = "*";

/// Names that are taken out of what callers say in `anthropic-beta`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeniedBetas(Vec<String>);

impl DeniedBetas {
    /// Reads a list with commas between the names. Blanks round them and empty places do not
    /// matter.
    ///
    /// # Errors
    /// When something in it is no name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = |name: &&&str| **name != ALL && !name.bytes().all(is_plain);
        if let Some(wrong) = names.iter().find(is_name) {
            return Err(format!(
                "has {wrong:?}; it must be names such as context-1m-2025-08-07 with commas \
                 between, or * for all"
            ));
        }
        Ok(Self(names.into_iter().map(str::to_owned).collect()))
    }

    /// The list as it is stored; `None` for none.
    pub(crate) fn to_text(&self) -> Option<String> {
        Some(self.0.join(",")).filter(|text| !text.is_empty())
    }

    /// Whether none is kept back.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the beta `name` is kept back.
    pub fn has(&self, name: &[u8]) -> bool {
        let mut all = self.0.iter();
        all.any(|known| known == ALL || known.as_bytes() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_written_and_asked() {
        for (text, stored, denied, told) in [
            ("", None, "", "context-1m-2025-08-07"),
            (" , ", None, "", "context-1m-2025-08-07"),
            ("a-1, b.2 ,", Some("a-1,b.2"), "b.2", "a-1, b.2"),
            ("*", Some("*"), "whatever", ""),
        ] {
            let betas = DeniedBetas::parse(text).unwrap_or_default();
            assert_eq!(betas.to_text().as_deref(), stored, "{text}");
            assert_eq!(betas.is_empty(), stored.is_none(), "{text}");
            assert_eq!(betas.has(denied.as_bytes()), !denied.is_empty(), "{text}");
            assert_eq!(betas.has(told.as_bytes()), text == "*", "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["a b", "a,\"b\"", "a\n", "ä", "**", "a*"] {
            let text = format!("x,{text}y");
            assert!(DeniedBetas::parse(&text).is_err(), "{text}");
        }
    }
}
