//! Addresses to go back to: only ever paths of this app, so that no link can use it as a
//! springboard to another site.

/// `typed`, if it is a path of this app with or without a query.
pub(crate) fn checked(typed: &str) -> Option<&str> {
    let is_path = typed.starts_with('/')
        && !typed.starts_with("//")
        && typed
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !typed.contains("/..");
    is_path.then_some(typed)
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn only_paths_of_this_app_are_gone_back_to() {
        for own in [
            "/",
            "/proxy-dashboard",
            "/proxy-dashboard/usage?range=7d&x=%2F",
        ] {
            assert_eq!(checked(own), Some(own));
        }
        for foreign in [
            "",
            "proxy-dashboard",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "http://evil.example",
            "javascript:alert(1)",
            "/a\r\nlocation: http://evil.example",
            "/\tevil",
            "/a/../b",
        ] {
            assert_eq!(checked(foreign), None, "{foreign:?}");
        }
    }
}
