//! Calls of the caller's custom tools. Upstreams call them as functions with one text,
//! and the caller gets the text.

use crate::object;
use serde::Deserialize;

/// What a custom tool is called with: the text that the function's arguments hold.
/// Arguments of another form are the text themselves.
pub(crate) fn input(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        input: String,
    }
    match object::read_str::<Arguments>(arguments) {
        Ok(Arguments { input }) => input,
        Err(_) => arguments.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_taken_out() {
        for (arguments, text) in [
            (r#"{"input":"a\nb"}"#, "a\nb"),
            (r#"{"input":""}"#, ""),
            (r#"{"other":1}"#, r#"{"other":1}"#),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(input(arguments), text, "{arguments}");
        }
    }
}
